"""Speed and memory at scale: a feature store, engines, large stores of speakers, long lists.

    python -m tests.benchmarks.scale                      # the whole table, ten minutes
    python -m tests.benchmarks.scale --quick              # small sizes
    python -m tests.benchmarks.scale --only ubm --only memory
    python -m tests.benchmarks.scale --folder DIR         # keep recordings and stores there
    python -m tests.benchmarks.scale --json table.json

Two workers are compared with two independent processes in the same run, each of which does half
of the work: what these reach is what the machine has to give. The seconds are those of the clock,
medians of runs by turns, after a warm-up; on a busy machine the ratio by processor seconds, which
stands beside them, says more. Constants are processor seconds.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from ._figure import Figure, show


@dataclass(frozen=True)
class Sizes:
    """Sizes of the cases."""

    seconds: int = 9000
    shard_frames: int = 25_000
    components: int = 512
    rounds: int = 5
    dask_frames: int = 1_000_000
    frames: tuple[int, int] = (1_000_000, 10_000_000)
    phone_speakers: int = 24
    phone_copies: int = 4
    phone_iterations: int = 4
    constants_frames: int = 200_000
    speakers: int = 10_000
    trials: tuple[int, ...] = (10_000, 100_000, 1_000_000)
    models: int = 1000


QUICK = Sizes(
    seconds=1500,
    rounds=2,
    dask_frames=200_000,
    frames=(200_000, 2_000_000),
    phone_speakers=6,
    phone_iterations=2,
    constants_frames=50_000,
    speakers=1000,
    trials=(1000, 10_000, 100_000),
    models=400,
)


def store(sizes: Sizes, folder: Path) -> list[Figure]:
    """Extraction and reading."""
    from ._scale_store import extraction, make_recordings, reading

    recordings = make_recordings(folder / "recordings", sizes.seconds)
    figures = extraction(folder, recordings, rounds=sizes.rounds)
    return figures + reading(folder / "whole")


def stored(sizes: Sizes, folder: Path) -> Path:
    """Return a store, which is made unless it is there."""
    from ._scale_store import extract, make_recordings

    recordings = make_recordings(folder / "recordings", sizes.seconds)
    extract(recordings, folder / "whole", engine=2, shard_frames=sizes.shard_frames)
    return folder / "whole"


def ubm(sizes: Sizes, folder: Path) -> list[Figure]:
    """Iterations of a background model over a store."""
    from ._scale_training import iterations

    return iterations(stored(sizes, folder), n_components=sizes.components, rounds=sizes.rounds)


def dask(sizes: Sizes, folder: Path) -> list[Figure]:
    """The cost of Dask on one worker."""
    from ._scale_training import dask_cost

    return dask_cost(n_frames=sizes.dask_frames, n_components=sizes.components, rounds=sizes.rounds)


def phones(sizes: Sizes, folder: Path) -> list[Figure]:
    """Iterations of embedded Baum-Welch over a store."""
    from ._scale_phones import baum_welch, make_sentences

    make_sentences(folder / "phones", n_speakers=sizes.phone_speakers, copies=sizes.phone_copies)
    return baum_welch(
        folder / "phones",
        copies=sizes.phone_copies,
        n_gaussians=500,
        n_iterations=sizes.phone_iterations,
        rounds=max(2, sizes.rounds // 2),
    )


def memory(sizes: Sizes, folder: Path) -> list[Figure]:
    """Memory of workers and time of an iteration, as frames grow."""
    from ._scale_memory import memory as grow

    return grow(
        sizes=sizes.frames,
        n_components=sizes.components,
        workers=2,
        store=stored(sizes, folder),
    )


def speakers(sizes: Sizes, folder: Path) -> list[Figure]:
    """A store of many speakers, on one core."""
    from ._scale_speakers import measure_store

    found = measure_store(sizes.speakers, folder)
    case = f"s, a store of {sizes.speakers:,} speakers:"
    note = f"{found.identify_again:.3f} s with the models in memory; made in {found.make:.0f} s"
    return [
        Figure("speakers", f"{case} open", found.open, "<= 0.2"),
        Figure("speakers", f"{case} list one page", found.page, "<= 0.1"),
        Figure("speakers", f"{case} identify one file of 5 s", found.identify, "<= 1", note),
    ]


def trials(sizes: Sizes, folder: Path) -> list[Figure]:
    """Long lists of trials."""
    from ._scale_trials import trial_figures

    return trial_figures(folder / "trials", list(sizes.trials), n_models=sizes.models)


def constants(sizes: Sizes, folder: Path) -> list[Figure]:
    """Costs of a frame, and of large corpora."""
    from ._scale_constants import constants as measure
    from ._scale_phones import make_sentences, seconds_per_frame
    from ._scale_store import make_recordings

    recordings = make_recordings(folder / "recordings", sizes.seconds)[:100]
    make_sentences(folder / "phones", n_speakers=sizes.phone_speakers, copies=sizes.phone_copies)
    phones = seconds_per_frame(folder / "phones", copies=sizes.phone_copies, n_gaussians=500)
    return measure(folder, recordings, n_frames=sizes.constants_frames, phones=phones)


ROWS: dict[str, Callable[[Sizes, Path], list[Figure]]] = {
    "store": store,
    "ubm": ubm,
    "dask": dask,
    "phones": phones,
    "memory": memory,
    "speakers": speakers,
    "trials": trials,
    "constants": constants,
}


CHOICES = ("rounds", "components", "seconds", "shard_frames")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes")
    parser.add_argument(
        "--only", action="append", choices=ROWS, metavar="ROW", help=f"of {', '.join(ROWS)}"
    )
    parser.add_argument("--rounds", type=int, help="runs of each that are timed, by turns")
    parser.add_argument("--frames", type=int, help="number of generated frames")
    parser.add_argument("--seconds", type=int, help="seconds of sound in the store")
    parser.add_argument("--shard-frames", type=int, help="frames of a shard of the store")
    parser.add_argument("--components", type=int, help="components of the background model")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="keep stores and sound here")
    parser.add_argument("--json", type=Path, metavar="PATH", help="write the figures there too")
    options = parser.parse_args()
    sizes = QUICK if options.quick else Sizes()
    chosen = {name: getattr(options, name) for name in CHOICES}
    sizes = replace(sizes, **{name: value for name, value in chosen.items() if value})
    if options.frames:
        sizes = replace(sizes, frames=(options.frames // 10, options.frames))
    print(
        f"Python {platform.python_version()}, NumPy {np.__version__}, {os.cpu_count()} cores, one "
        f"thread per process; load average {os.getloadavg()[0]:.1f}"
    )
    print(f"{'seen':>9s}  {'reach':>7s}")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as temporary, threadpool_limits(limits=1):
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for row in options.only or ROWS:
            started = time.perf_counter()
            try:
                found = ROWS[row](sizes, folder)
            except ImportError as error:
                print(f"{'-':>9s}  {row}: skipped, {error}")
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
