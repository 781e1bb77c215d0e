"""Every benchmark on the trees of before and after, by turns on the same machine.

    git worktree add --detach ../before COMMIT
    python -m tests.benchmarks.compare --before ../before                 # quick sizes: 12 minutes
    python -m tests.benchmarks.compare --before ../before --whole         # the tables' own sizes
    python -m tests.benchmarks.compare --before ../before mixtures hmm    # these only
    python -m tests.benchmarks.compare --before ../before --json table.json

Each tree runs its own benchmarks on its own package, in processes of one thread of BLAS and of
OpenMP; rows that the tree of before has not got run from here on its package. The trees take
turns, and so does who begins. Printed are both medians over the turns, the change, where more than
1 is worse whatever the figure, and how far a tree's own turns lie apart, of the median. A figure is
WORSE if its change is beyond the spread of both, and beyond 2 % at that, which is what a clock's
grain and another layout of memory do to any program. Such a row should be run again by name and
with more turns: of a hundred figures a few are worse by chance.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ._source import overlay

HERE = Path(__file__).resolve().parents[2]
# Change that is nobody's fault.
_GRAIN = 0.02
# Larger is better; of all other figures smaller is.
_LARGER = re.compile(
    r"scikit-learn float\d+ / ours|hmmlearn / ours|ours - hmmlearn|times real time|one thread / two"
)
# What training finds out is no part of a row's name.
_FOUND_OUT = re.compile(r",? \d[\d,]* Gaussians")


@dataclass(frozen=True)
class Benchmark:
    """A program that measures.

    Parameters
    ----------
    arguments : tuple of str
        After `python`; "JSON" stands for a file to be written.
    quick, whole : tuple of str
        More arguments, for small sizes and for those of the tables.
    read : callable, optional
        Figures by name, from what is printed; where there is none, a file of figures is written.
    new : bool, default=False
        Whether the tree of before has not got it.
    """

    arguments: tuple[str, ...]
    quick: tuple[str, ...]
    whole: tuple[str, ...] = ()
    read: Callable[[str], dict[str, str]] | None = None
    new: bool = False


def read_features(text: str) -> dict[str, str]:
    """Seconds of each extractor, and its ratios to peers."""
    lines = re.findall(r"^  (\S.*?)\s{2,}(\d+\.\d+)", text, re.MULTILINE)
    return dict(lines)


def read_metrics(text: str) -> dict[str, str]:
    """Ratios to the bare sort, and the seconds of the rest."""
    found: dict[str, str] = {}
    for share, ties, ratio in re.findall(
        r"^\s*(\d+%)\s+(yes|no)\s+\S+\s+\S+\s+(\S+)\s+\S+$", text, re.MULTILINE
    ):
        found[f"detection, {share} targets, ties {ties}: ours / bare sort"] = ratio
    for what, pattern in (
        ("bootstrap, s", r"trials: (\S+) s"),
        ("scores written, s", r"written in (\S+) s"),
        ("scores read, s", r"read in (\S+) s"),
        ("scores read / bare splitting", r", (\S+) x the bare"),
    ):
        seen = re.search(pattern, text)
        if seen:
            found[what] = seen[1]
    return found


def read_scoring(text: str) -> dict[str, str]:
    """Seconds, and ratios to bounds, of each number of components and speakers."""
    found: dict[str, str] = {}
    columns = ("exact, s", "top-C, s", "", "exact / bound", "top-C / background")
    for line in text.splitlines():
        values = line.split()
        if len(values) == 7 and values[0].isdigit():
            for column, value in zip(columns, values[2:], strict=True):
                if column:
                    found[f"K = {values[0]}, {values[1]} speakers: {column}"] = value
    for way, ratio in re.findall(r"^\s*(exact|C = 10) .* models per second\s+(\S+) x$", text, re.M):
        found[f"{way} / scikit-learn"] = ratio
    if seen := re.search(r"trials from statistics: (\S+) s", text):
        found["a million trials from statistics, s"] = seen[1]
    return found


def read_store(text: str) -> dict[str, str]:
    """Seconds of the processor of each row, of the largest store."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        seconds = re.findall(r"\(\s*(\d+\.\d+)\)", line)
        if seconds:
            found[re.split(r"\s{2,}", line)[0]] = seconds[-1]
    return found


_ROWS = ("diag-512", "diag-64", "full", "tied", "spherical", "variational", "score", "threads")
_MORE_ROWS = ("memory", "sweep")


def _only(rows: Sequence[str]) -> tuple[str, ...]:
    return tuple(part for row in rows for part in ("--only", row))


BENCHMARKS = {
    "mixtures": Benchmark(
        ("-m", "tests.benchmarks.mixtures", "--json", "JSON"),
        ("--quick", *_only(_ROWS)),
        _only((*_ROWS, *_MORE_ROWS)),
    ),
    "data": Benchmark(
        ("-m", "tests.benchmarks.mixtures", "--only", "data", "--json", "JSON"),
        ("--quick",),
        new=True,
    ),
    "small": Benchmark(
        ("-m", "tests.benchmarks.structure", "--calls", "--json", "JSON"),
        ("--rounds", "3"),
        new=True,
    ),
    "hmm": Benchmark(("-m", "tests.benchmarks.hmm", "--json", "JSON"), ("--quick",)),
    "features": Benchmark(
        ("tests/benchmarks/bench_features.py",),
        ("--without-memory", "--rounds", "1"),
        read=read_features,
    ),
    "metrics": Benchmark(
        ("tests/benchmarks/bench_metrics.py",), ("--scores", "300000"), read=read_metrics
    ),
    "scoring": Benchmark(
        ("tests/benchmarks/bench_scoring.py", "--speed"),
        ("--components", "64", "512", "--speakers", "1", "20"),
        read=read_scoring,
    ),
    "store": Benchmark(("tests/benchmarks/bench_store.py",), ("--sizes", "200"), read=read_store),
}


def measure(name: str, tree: Path, *, whole: bool) -> dict[str, str]:
    """Run one benchmark once on a tree; its figures as text, by name."""
    benchmark = BENCHMARKS[name]
    arguments = [*benchmark.arguments, *(benchmark.whole if whole else benchmark.quick)]
    with tempfile.TemporaryDirectory() as folder, overlay(tree) as laid:
        figures = Path(folder) / "figures.json"
        arguments = [str(figures) if part == "JSON" else part for part in arguments]
        root = laid if benchmark.new else str(tree)
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=root,
            env=os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{name} on {tree}: {(done.stderr.strip() or '?').splitlines()[-1]}")
        if benchmark.read is not None:
            return benchmark.read(done.stdout)
        rows = json.loads(figures.read_text(encoding="utf-8"))
    return {_FOUND_OUT.sub("", row["what"]): repr(row["seen"]) for row in rows}


@dataclass(frozen=True)
class Change:
    """A figure in both trees; `step` is the last digit that is known of it."""

    benchmark: str
    what: str
    before: list[float]
    after: list[float]
    step: float

    @property
    def medians(self) -> tuple[float, float]:
        """Before and after."""
        return statistics.median(self.before), statistics.median(self.after)

    @property
    def change(self) -> float:
        """The factor by which the figure has become worse."""
        before, after = self.medians
        if _LARGER.search(self.what):
            before, after = after, before
        if before == 0 < after:
            return math.inf
        return after / before if before > 0 < after else 1.0

    @property
    def spread(self) -> float:
        """Spread of the turns of one tree relative to their median; the larger of the two trees."""
        return max(
            (max(values) - min(values)) / abs(statistics.median(values) or 1.0)
            for values in (self.before, self.after)
        )

    @property
    def worse(self) -> bool:
        """True if the change is for the worse, by more than chance and than the last digit."""
        before, after = self.medians
        moved = abs(after - before) > 1.5 * self.step
        return moved and self.change > 1 + max(self.spread, _GRAIN)

    def line(self) -> str:
        """Return the line of the table."""
        before, after = self.medians
        verdict = "WORSE" if self.worse else ""
        return (
            f"{before:10.4g} {after:10.4g} {self.change:7.2f} {self.spread:7.1%}  {verdict:5s}  "
            f"{self.benchmark}: {self.what}"
        )


def compare(
    names: Sequence[str], before: Path, after: Path, *, turns: int, whole: bool
) -> Iterator[Change]:
    """Run benchmarks on two trees by turns; yields the changes of each as soon as it is done."""
    for name in names:
        started = time.perf_counter()
        seen: dict[Path, list[dict[str, str]]] = {before: [], after: []}
        try:
            for turn in range(turns):
                for tree in (before, after) if turn % 2 == 0 else (after, before):
                    seen[tree].append(measure(name, tree, whole=whole))
        except RuntimeError as error:
            print(f"{name}: left out, {error}", flush=True)
            continue
        everywhere = seen[before] + seen[after]
        lost = {what for found in everywhere for what in found}
        for what in seen[after][0]:
            if all(what in found for found in everywhere):
                lost.discard(what)
                texts = [[found[what] for found in seen[tree]] for tree in (before, after)]
                decimals = min(len(text.partition(".")[2]) for text in texts[0] + texts[1])
                old, new = ([float(text) for text in column] for column in texts)
                yield Change(name, what, old, new, 10.0**-decimals if decimals < 6 else 0.0)
        for what in sorted(lost):
            print(f"{name}: not in both trees: {what}", flush=True)
        print(f"({name}: {time.perf_counter() - started:.0f} s)", file=sys.stderr, flush=True)


def main() -> None:
    """Print the table; exit with 1 if a figure became worse."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(BENCHMARKS)}; all without any")
    parser.add_argument("--before", type=Path, required=True, metavar="DIR", help="another tree")
    parser.add_argument("--after", type=Path, default=HERE, metavar="DIR", help="this one, if not")
    parser.add_argument("--turns", type=int, default=2, help="runs of each benchmark on each tree")
    parser.add_argument("--whole", action="store_true", help="sizes of the tables, for hours")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write all figures there too")
    options = parser.parse_args()
    unknown = sorted(set(options.names) - set(BENCHMARKS))
    if options.turns < 2:
        parser.error("one turn has no spread; at least two are needed")
    if unknown:
        parser.error(f"benchmarks are {', '.join(BENCHMARKS)}; found {', '.join(unknown)}")
    load = os.getloadavg()[0]
    print(f"load average {load:.1f} on {os.cpu_count()} cores, {options.turns} turns")
    print(f"{'before':>10s} {'after':>10s} {'change':>7s} {'spread':>7s}")
    changes = []
    for change in compare(
        options.names or list(BENCHMARKS),
        options.before.resolve(),
        options.after.resolve(),
        turns=options.turns,
        whole=options.whole,
    ):
        changes.append(change)
        print(change.line(), flush=True)
    worse = [change for change in changes if change.worse]
    print(f"{len(changes)} figures, {len(worse)} of them worse")
    if options.json:
        rows = [
            {
                "benchmark": change.benchmark,
                "what": change.what,
                "before": change.before,
                "after": change.after,
                "change": change.change,
                "spread": change.spread,
                "worse": change.worse,
            }
            for change in changes
        ]
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    sys.exit(bool(worse))


if __name__ == "__main__":
    main()
