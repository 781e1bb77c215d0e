"""List what is still named or said the old way: names, English, options, imports, signatures.

    python -m tests.benchmarks.voice                  # the table, a few seconds
    python -m tests.benchmarks.voice --names          # and every place
    python -m tests.benchmarks.voice --start          # and how long --help takes, in seconds
    python -m tests.benchmarks.voice --source DIR     # of another tree

The rules stand in `_voice_rules`. They are crude: what they find may be right, and what they do
not find may be wrong; they keep out what a reader has once removed.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from ._figure import Figure, show
from ._structure_code import Source, read_package
from ._voice_rules import PROSE, RULES, deep_imports

ROOT = Path(__file__).parents[2]
# Deep imports that are left, with the most of them that may be.
FOLDERS = {"recipes": 0, "data_scripts": 0, "tests": 50}


def figures(root: Path = ROOT) -> Iterator[tuple[Figure, list[str]]]:
    """Yield each figure, with the places that it counts."""
    package = root / "speakergmm"
    sources = read_package(package)
    beside = tuple(
        Source(f"{folder}/{source.name}", source.text)
        for folder in ("recipes", "data_scripts", "tests/benchmarks")
        for source in read_package(root / folder)
        if source.name != "_voice_rules.py"  # which names what it forbids
    )
    for rule in RULES:
        places = rule.places((*sources, *beside) if rule.name in PROSE else sources)
        yield Figure("voice", rule.name, len(places), f"<= {rule.limit}"), places
    for folder, limit in FOLDERS.items():
        places = deep_imports(root / folder, package)
        what = f"imports from files inside rooms, in {folder}"
        yield Figure("voice", what, len(places), f"<= {limit}"), places


def start(root: Path, *, runs: int = 15) -> Figure:
    """Return the median of the seconds that ``speakergmm --help`` takes."""
    command = [sys.executable, "-m", "speakergmm", "--help"]
    seconds = []
    for _ in range(runs):
        begin = time.perf_counter()
        subprocess.run(command, cwd=root, stdout=subprocess.DEVNULL, check=True)
        seconds.append(time.perf_counter() - begin)
    spread = f"least {min(seconds):.2f}, largest {max(seconds):.2f} of {runs}"
    return Figure("start", "start of --help, s", statistics.median(seconds), "<= 0.2", spread)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--names", action="store_true", help="print every place")
    parser.add_argument("--start", action="store_true", help="measure the start of --help, too")
    parser.add_argument("--source", type=Path, default=ROOT, metavar="DIR", help="another tree")
    options = parser.parse_args()
    print(f"{'seen':>9s}  {'reach':>7s}")
    for figure, places in figures(options.source):
        print(show(figure))
        if options.names:
            for place in places:
                print(f"{'':29s}{place}")
    if options.start:
        print(show(start(options.source)))


if __name__ == "__main__":
    main()
