"""The table of `python -m tests.benchmarks.mixtures`, as `make bench` runs it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.benchmarks.mixtures import main

if __name__ == "__main__":
    main()
