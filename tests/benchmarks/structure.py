"""Count lines of code, mechanisms that exist twice, and the cost of small calls.

    python -m tests.benchmarks.structure                 # the whole table, half a minute
    python -m tests.benchmarks.structure --names         # and where each number comes from
    python -m tests.benchmarks.structure --text          # without the times
    python -m tests.benchmarks.structure --calls         # the times, without the text
    python -m tests.benchmarks.structure --source DIR    # of the package in another tree
    python -m tests.benchmarks.structure --json table.json

Lines of code are neither blank nor comment nor docstring. Mechanisms are counted by the rules of
`_structure_mechanisms`, which can be wrong either way: judge by the names. Times are ratios of CPU
seconds on one thread of BLAS and of OpenMP, medians by turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from threadpoolctl import threadpool_limits

from . import _structure_code as code
from ._figure import Figure, show
from ._source import run_on
from ._structure_imports import circles, import_graph, package_graph
from ._structure_mechanisms import MECHANISMS

# What `speakergmm/` had before it was rebuilt, and the part of it that should be enough.
BASE, PART = 38_307, 0.88
Found = Iterator[tuple[Figure, list[str]]]


def text(folder: Path) -> Found:
    """Yield what the text says: sizes, mechanisms, circles; with the places."""
    sources = code.read_package(folder)
    rooms = code.lines_of_code(sources)
    total = sum(rooms.values())
    limit = f"<= {int(BASE * PART)}"
    yield (
        Figure("text", "lines of code", total, limit, f"{total / BASE:.1%} of {BASE:,}"),
        [f"{room} {lines}" for room, lines in rooms.items()],
    )
    yield Figure("text", "files", len(sources), ""), []
    for what, names in (
        ("public functions and classes of modules", code.public_names(sources)),
        ("files above 300 lines", code.long_files(sources)),
        ("functions above 50 lines of code", code.long_functions(sources)),
        ("functions of 12 or more parameters", code.crowded_functions(sources)),
    ):
        yield Figure("text", what, len(names), ""), [] if what.startswith("public") else names
    for mechanism in MECHANISMS:
        places = mechanism.places(sources)
        yield (
            Figure("text", mechanism.name, len(places), f"<= {mechanism.limit}", mechanism.rule),
            places,
        )


def imports() -> Found:
    """Yield the circles of modules and of folders."""
    try:
        graph = import_graph()
    except ImportError:
        print(f"{'-':>9s}  import circles: skipped, they need import-linter", file=sys.stderr)
        return
    for what, found in (
        ("import circles of modules", circles(graph)),
        ("import circles of folders", circles(package_graph(graph))),
    ):
        largest = f"of {', '.join(str(len(circle)) for circle in found)}" if found else ""
        yield Figure("imports", what, len(found), "<= 0", largest), [" ".join(c) for c in found]


def calls(*, rounds: int) -> Found:
    """Yield what calls pass through and cost."""
    # Before scikit-learn loads OpenMP, whose idle threads would spin.
    os.environ["OMP_NUM_THREADS"] = "1"
    from . import _structure_calls as measured

    with threadpool_limits(limits=1):
        for figure in measured.path_of_a_fit():
            if figure.what.startswith("files"):
                note, _, names = figure.note.partition("; ")
                files = names.strip("[]").replace("'", "").split(", ")
                yield Figure(figure.row, figure.what, figure.seen, figure.to_reach, note), files
            else:
                yield figure, []
        for measure in (measured.small_fits, measured.small_predictions, measured.preparation):
            for figure in measure(rounds=rounds):
                yield figure, []


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--names", action="store_true", help="say where each number comes from")
    parser.add_argument("--text", action="store_true", help="without calls and times")
    parser.add_argument("--calls", action="store_true", help="only calls and times")
    parser.add_argument("--rounds", type=int, default=9, help="runs that are timed, by turns")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    parser.add_argument(
        "--source", type=Path, metavar="DIR", help="measure the package that lies in this folder"
    )
    options = parser.parse_args()
    if options.source:
        run_on(options.source, "tests.benchmarks.structure", sys.argv[1:])
        return
    found_at = importlib.util.find_spec("speakergmm")
    if found_at is None or found_at.origin is None:
        sys.exit("there is no package speakergmm to measure")
    figures = []
    print(f"load average {os.getloadavg()[0]:.1f}")
    print(f"{'seen':>9s}  {'reach':>7s}")

    def everything() -> Found:
        if not options.calls:
            yield from text(Path(str(found_at.origin)).parent)
            yield from imports()
        if not options.text:
            yield from calls(rounds=options.rounds)

    for figure, names in everything():
        figures.append(figure)
        print(show(figure), flush=True)
        if options.names:
            for name in names:
                print(f"{'':29s}{name}")
    if options.json:
        records = [asdict(figure) | {"reached": figure.reached} for figure in figures]
        options.json.write_text(json.dumps(records, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
