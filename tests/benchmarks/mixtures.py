"""Speed and memory of the mixture core against its bounds and against scikit-learn.

    python -m tests.benchmarks.mixtures                  # the whole table
    python -m tests.benchmarks.mixtures --quick          # small sizes, under a minute, no memory
    python -m tests.benchmarks.mixtures --only diag-512 --only memory
    python -m tests.benchmarks.mixtures --accuracy       # float32 against float64
    python -m tests.benchmarks.mixtures --json table.json
    python -m tests.benchmarks.mixtures --source DIR     # of the package in another tree

Every figure is a ratio of CPU seconds on one thread, medians of runs by turns in one process, on
the same frames and from the same model; an iteration of scikit-learn is its own `_e_step` and
`_m_step`. scikit-learn holds frames x components several times over and takes half a minute for
the largest case, so it works on a part of the frames, and seconds per frame are compared. The part
is large enough (100,000 frames) that its time per frame no longer grows; on a few thousand frames
it would be twice as fast per frame, since its arrays then fit the caches. Memory is measured in
processes of their own. Two threads are timed by the clock on the wall, which a busy machine
spoils: the load average stands beside it, and the CPU seconds of both threads together, which
show what they cost each other even then.
"""

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from . import _mixture_work as work
from ._figure import Figure, show
from ._mixture_memory import measure
from ._source import run_on
from ._timing import interleaved_medians


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases."""

    many: int = 1_000_000
    some: int = 200_000
    part: int = 100_000
    rounds: int = 5
    components: int = 512
    iterations: int = 10
    rows: tuple[str, ...] = (
        "diag-512",
        "diag-64",
        "data",
        "full",
        "tied",
        "spherical",
        "variational",
        "score",
        "memory",
        "threads",
        "sweep",
    )


QUICK = Sizes(
    many=65_536,
    some=32_768,
    part=16_384,
    rounds=2,
    iterations=5,
    rows=(
        "diag-512",
        "diag-64",
        "data",
        "full",
        "tied",
        "spherical",
        "variational",
        "score",
        "threads",
    ),
)


def diagonal(sizes: Sizes, n_components: int, row: str) -> list[Figure]:
    """Compare an EM iteration with its bare products, and with scikit-learn in two precisions."""
    n_frames, n_part = sizes.many, min(sizes.part, sizes.many)
    X = work.make_frames(n_frames, n_components, 39)
    model = work.make_model(X, n_components)
    part = X[:n_part]
    case = f"EM iteration, diagonal, N = {n_frames:,}, D = 39, K = {n_components}"
    seconds = interleaved_medians(
        {
            "ours": work.em_iteration(X, model),
            "bare": work.bare_products(n_frames, n_components, 39),
            "float64": work.peer_iteration(part, model, np.float64),
            "float32": work.peer_iteration(part, model, np.float32),
        },
        rounds=sizes.rounds,
    )
    ours = seconds["ours"] / n_frames
    wanted = ("<= 1.2", ">= 12", ">= 4") if row == "diag-512" else ("", ">= 8", "")
    note = f"scikit-learn on {n_part:,} frames"
    return [
        Figure(
            row,
            f"{case}: ours / its two bare float32 products",
            seconds["ours"] / seconds["bare"],
            wanted[0],
            f"ours {seconds['ours']:.3f} s",
        ),
        Figure(
            row,
            f"{case}: scikit-learn float64 / ours",
            seconds["float64"] / n_part / ours,
            wanted[1],
            note,
        ),
        Figure(
            row,
            f"{case}: scikit-learn float32 / ours",
            seconds["float32"] / n_part / ours,
            wanted[2],
            note,
        ),
    ]


def data(sizes: Sizes) -> list[Figure]:
    """Compare iterations with their bare products where clusters overlap and where they do not.

    The speed of an iteration must not depend on the data, nor on what an iteration finds out.
    """
    figures = []
    for n_frames in (sizes.some, sizes.many):
        for name, deviation, limit in (("overlapping", 0.5, 1.15), ("separated", 3.0, 1.25)):
            X = work.make_clusters(n_frames, 39, deviation)
            spent, bare = work.iterations_and_products(
                X, sizes.components, max_iter=sizes.iterations
            )
            ratios = np.array(spent) / bare
            case = f"EM iterations, diagonal, {name} clusters, N = {n_frames:,}, D = 39, K = "
            case += f"{sizes.components}: ours / two bare float32 products"
            note = f"{len(ratios)} iterations: {' '.join(f'{ratio:.2f}' for ratio in ratios)}"
            median, slowest = float(np.median(ratios)), float(ratios.max())
            figures += [
                Figure("data", f"{case}, median", median, f"<= {limit}", f"bare {bare:.3f} s"),
                Figure("data", f"{case}, slowest", slowest, "<= 1.5", note),
            ]
    return figures


def against_peer(
    row: str,
    case: str,
    n_frames: int,
    n_part: int,
    ours: work.Work,
    theirs: Callable[[type], work.Work],
    sizes: Sizes,
    wanted: str,
) -> list[Figure]:
    """Compare one unit of work with scikit-learn's, which does it on a part of the frames."""
    seconds = interleaved_medians(
        {"ours": ours, "float64": theirs(np.float64), "float32": theirs(np.float32)},
        rounds=sizes.rounds,
    )
    note = f"ours {seconds['ours']:.3f} s; scikit-learn on {n_part:,} frames"
    return [
        Figure(
            row,
            f"{case}: scikit-learn {name} / ours",
            seconds[name] / n_part / (seconds["ours"] / n_frames),
            goal,
            note,
        )
        for name, goal in (("float64", wanted), ("float32", ""))
    ]


def covariance(sizes: Sizes, covariance_type: str, n_components: int = 64) -> list[Figure]:
    """Compare an EM iteration with another covariance with scikit-learn's."""
    n_frames, n_part = sizes.some, min(sizes.part, sizes.some)
    X = work.make_frames(n_frames, n_components, 39)
    model = work.make_model(X, n_components, covariance_type)
    row = covariance_type if n_components == 64 else f"{covariance_type}-{n_components}"
    return against_peer(
        row,
        f"EM iteration, {covariance_type}, N = {n_frames:,}, D = 39, K = {n_components}",
        n_frames,
        n_part,
        work.em_iteration(X, model),
        lambda dtype: work.peer_iteration(X[:n_part], model, dtype),
        sizes,
        ">= 5",
    )


def variational(sizes: Sizes) -> list[Figure]:
    """Compare an iteration of variational inference with scikit-learn's."""
    n_frames, n_part = sizes.some, min(sizes.part, sizes.some)
    X = work.make_frames(n_frames, 64, 39)
    return against_peer(
        "variational",
        f"variational iteration, diagonal, N = {n_frames:,}, D = 39, K = 64",
        n_frames,
        n_part,
        work.variational_iteration(X, 64),
        lambda dtype: work.peer_variational_iteration(X[:n_part], 64, dtype),
        sizes,
        ">= 8",
    )


def score(sizes: Sizes) -> list[Figure]:
    """Compare the log-likelihoods of frames with scikit-learn's."""
    n_frames, n_part = sizes.some, min(sizes.part, sizes.some)
    X = work.make_frames(n_frames, sizes.components, 39)
    model = work.make_model(X, sizes.components)
    return against_peer(
        "score",
        f"score_samples, diagonal, N = {n_frames:,}, D = 39, K = {sizes.components}",
        n_frames,
        n_part,
        work.score_samples(X, model),
        lambda dtype: work.peer_score_samples(X[:n_part], model, dtype),
        sizes,
        ">= 8",
    )


def memory(sizes: Sizes) -> list[Figure]:
    """Measure the memory beyond the frames, and scikit-learn's on a tenth of them."""
    cases = {
        "diag": sizes.components,
        "score": sizes.components,
        "spherical": 64,
        "tied": 64,
        "full": 64,
        "variational": 64,
    }
    figures = []
    for what, n_components in cases.items():
        seen = measure(what, sizes.many, 39, n_components)
        few = sizes.many // 20
        theirs = 20 * measure(f"{what}/sklearn", few, 39, n_components)
        note = f"scikit-learn float64 {theirs:,.0f} MB, from {few:,} frames"
        if np.isnan(seen):
            print(f"memory: {what} could not be run", file=sys.stderr)
            continue
        case = f"MB beyond the frames, {what}, N = {sizes.many:,}, K = {n_components}"
        figures.append(Figure("memory", case, seen, "<= 100", note))
    case = "MB of the library of compiled code, loaded once, not in the above"
    figures.append(Figure("memory", case, measure("compiler", 0, 0, 0), "", "mostly pages of LLVM"))
    return figures


def threads(sizes: Sizes) -> list[Figure]:
    """Compare two threads with one by the clock on the wall."""
    n_frames = sizes.many // 2
    X = work.make_frames(n_frames, sizes.components, 39)
    figures = []
    for n_components in (sizes.components, 64):
        model = work.make_model(X, n_components)
        works = {str(jobs): work.em_iteration(X, model, engine=jobs) for jobs in (1, 2)}
        seconds = interleaved_medians(works, rounds=sizes.rounds, clock=time.perf_counter)
        spent = interleaved_medians(works, rounds=sizes.rounds)
        case = f"EM iteration, diagonal, K = {n_components}: one thread / two, on the wall"
        note = (
            f"CPU seconds {spent['1']:.2f} and {spent['2']:.2f}; "
            f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )
        figures.append(Figure("threads", case, seconds["1"] / seconds["2"], ">= 1.7", note))
    return figures


def sweep(sizes: Sizes) -> list[Figure]:
    """Fit the exponents with which the time grows with N, K and D, over doublings."""
    base = sizes.some // 4
    paths = {
        ("diag", "N"): [(base * 2**i, 39, 64) for i in range(4)],
        ("diag", "K"): [(base, 39, 32 * 2**i) for i in range(5)],
        ("diag", "D"): [(base, 10 * 2**i, 128) for i in range(5)],
        ("full", "N"): [(base // 2 * 2**i, 39, 16) for i in range(4)],
        ("full", "K"): [(base // 2, 39, 8 * 2**i) for i in range(4)],
        ("full", "D"): [(base // 2, 10 * 2**i, 16) for i in range(4)],
    }
    figures = []
    for (kind, axis), shapes in paths.items():
        sizes_of_axis = [shape["NDK".index(axis)] for shape in shapes]
        works = {}
        try:
            for size, (n_frames, n_features, n_components) in zip(
                sizes_of_axis, shapes, strict=True
            ):
                X = work.make_frames(n_frames, n_components, n_features)
                model = work.make_model(X, n_components, kind)
                works[str(size)] = work.em_iteration(X, model)
        except (ImportError, KeyError):
            continue
        seconds = list(interleaved_medians(works, rounds=sizes.rounds).values())
        exponent = np.polyfit(np.log(sizes_of_axis), np.log(seconds), 1)[0]
        path = ", ".join(
            f"{size:,}: {spent:.3f} s" for size, spent in zip(sizes_of_axis, seconds, strict=True)
        )
        limit = 2.1 if (kind, axis) == ("full", "D") else 1.1
        figures.append(
            Figure(
                "sweep",
                f"EM iteration, {kind}: exponent of {axis}",
                float(exponent),
                f"<= {limit}",
                path,
            )
        )
    return figures


ROWS: dict[str, Callable[[Sizes], list[Figure]]] = {
    "diag-512": lambda sizes: diagonal(sizes, 512, "diag-512"),
    "diag-64": lambda sizes: diagonal(sizes, 64, "diag-64"),
    "data": data,
    "full": lambda sizes: covariance(sizes, "full"),
    "tied": lambda sizes: covariance(sizes, "tied"),
    "spherical": lambda sizes: covariance(sizes, "spherical"),
    "tied-512": lambda sizes: covariance(sizes, "tied", 512),
    "spherical-512": lambda sizes: covariance(sizes, "spherical", 512),
    "variational": variational,
    "score": score,
    "threads": threads,
    "memory": memory,
    "sweep": sweep,
}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument(
        "--only",
        action="append",
        choices=ROWS,
        metavar="ROW",
        help=f"this row (repeatable): {', '.join(ROWS)}",
    )
    parser.add_argument("--rounds", type=int, help="runs of each that are timed, by turns")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    parser.add_argument(
        "--accuracy",
        action="store_true",
        help="instead of times, the worst error of float32 on hard data",
    )
    parser.add_argument(
        "--source", type=Path, metavar="DIR", help="measure the package that lies in this folder"
    )
    options = parser.parse_args()
    if options.source:
        run_on(options.source, "tests.benchmarks.mixtures", sys.argv[1:])
        return
    if options.accuracy:
        from ._mixture_accuracy import print_table

        print_table()
        return
    sizes = QUICK if options.quick else Sizes()
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    import scipy
    import sklearn

    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, SciPy "
        f"{scipy.__version__}, scikit-learn {sklearn.__version__}; one thread unless it says "
        f"otherwise; load average {os.getloadavg()[0]:.1f}"
    )
    print(f"{'seen':>9s}  {'reach':>7s}")
    figures: list[Figure] = []
    for row in options.only or sizes.rows:
        started = time.perf_counter()
        try:
            with threadpool_limits(limits=1):
                found = ROWS[row](sizes)
        except (ImportError, KeyError, AttributeError, TypeError) as error:
            print(f"{'-':>9s}  {row}: skipped, {type(error).__name__}: {error}")
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
