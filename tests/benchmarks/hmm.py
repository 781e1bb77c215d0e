"""Speed of hidden Markov models against their bounds and against hmmlearn.

    python -m tests.benchmarks.hmm                     # the whole table
    python -m tests.benchmarks.hmm --quick             # small sizes, under a minute
    python -m tests.benchmarks.hmm --only inference --only estimator
    python -m tests.benchmarks.hmm --json table.json

CPU seconds on one thread, medians of runs by turns in one process where two things are compared.
Rows on real speech need SPEAKERGMM_DATA; without it they are skipped, with a word on why.
"""

import argparse
import json
import os
import platform
import sys
import time
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ._figure import Figure, show

ROWS = ("estimator", "inference", "training", "alignment", "decoding")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument(
        "--only", action="append", choices=ROWS, metavar="ROW", help=f"of {', '.join(ROWS)}"
    )
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args()
    import hmmlearn
    import numba

    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, numba {numba.__version__}, "
        f"hmmlearn {hmmlearn.__version__}; one thread; load average {os.getloadavg()[0]:.1f}"
    )
    print(f"{'seen':>9s}  {'reach':>7s}")
    figures: list[Figure] = []
    for row in options.only or ROWS:
        started = time.perf_counter()
        measure = getattr(import_module(f"tests.benchmarks._hmm_{row}"), row)
        try:
            with threadpool_limits(limits=1):
                found = measure(quick=options.quick)
        except KeyError as error:
            print(f"{'-':>9s}  {row}: skipped, needs {error}")
            continue
        figures += found
        for figure in found:
            print(show(figure), flush=True)
        print(f"{'':9s}  ({row}: {time.perf_counter() - started:.0f} s)", file=sys.stderr)
    if options.json:
        records = [asdict(figure) | {"reached": figure.reached} for figure in figures]
        options.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
