"""Memory of workers and time of iterations while a source grows, in a process of its own.

    python -m tests.benchmarks._scale_memory 512 2 1000000 10000000   # K, workers, frames
    python -m tests.benchmarks._scale_memory 512 2 --store DIR        # the frames of a store

For each number of frames a line of JSON: the median seconds of an iteration, and the largest
resident size of any worker process up to then, in MB (1e6 bytes).
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from ._figure import Figure
from ._mixture_memory import ROOT
from ._scale_work import GeneratedFrames


def memory(
    *, sizes: tuple[int, int], n_components: int, workers: int, store: Path | None
) -> list[Figure]:
    """Compare an iteration over ten times the frames: memory of a worker, and time."""
    few, many = grown([n_components, workers, *sizes])
    case = f"K = {n_components}, {workers} workers, {sizes[1]:,} generated frames"
    times = sizes[1] / sizes[0]
    figures = [
        Figure(
            "memory",
            f"MB, the largest resident size of a worker, {case}",
            many["megabytes"],
            "<= 400",
            f"{few['megabytes']:.0f} MB at {sizes[0]:,}; parent {many['parent']:.0f} MB",
        ),
        Figure(
            "memory",
            f"the same / that at {sizes[0]:,} frames",
            many["megabytes"] / few["megabytes"],
            "<= 1.05",
        ),
        Figure(
            "memory",
            f"UBM iteration, {case}: seconds / those of {sizes[0]:,}",
            many["seconds"] / few["seconds"],
            f"<= {1.2 * times:g}",
            f"{many['seconds']:.1f} s and {few['seconds']:.2f} s, frames drawn meanwhile",
        ),
    ]
    if store is not None:
        (found,) = grown([n_components, workers, "--store", store])
        text = f"MB, the same over a store of {found['frames'] * 39 * 4 / 1e6:,.0f} MB"
        figures.append(Figure("memory", text, found["megabytes"], "<= 400"))
    return figures


def grown(arguments: list[Any]) -> list[dict[str, float]]:
    """Run this file in a process of its own, and return its lines."""
    command = [sys.executable, "-m", "tests.benchmarks._scale_memory", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def peaks() -> tuple[float, float]:
    """Return the largest resident sizes so far, in MB: of any process below this one, and this."""
    own = psutil.Process()
    found = [_peak(process) for process in own.children(recursive=True)]
    return max(found, default=0.0), _peak(own)


def _peak(process: psutil.Process) -> float:
    """Return the largest resident size of a process, files that it has mapped included."""
    lines = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii").splitlines()
    line = next(line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


def main() -> None:
    """Print a line for each number of frames."""
    from speakergmm.features import FeatureStore

    from ._scale_training import iteration, start_of

    parser = argparse.ArgumentParser()
    parser.add_argument("n_components", type=int)
    parser.add_argument("workers", type=int)
    parser.add_argument("sizes", type=int, nargs="*")
    parser.add_argument("--store", type=Path)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    sources: list[Any] = [GeneratedFrames(size) for size in options.sizes]
    if options.store:
        sources.append(FeatureStore.open(options.store).frames)
    start = start_of(sources[0].shards, options.n_components)
    for place, source in enumerate(sources):
        # Moments and iteration are both work of workers.
        work = iteration(source, start, options.workers)
        if place == 0:
            work()
        seconds = []
        for _ in range(options.repeats if place else max(2, options.repeats)):
            before = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - before)
        largest, parent = peaks()
        n_frames = sum(shard.n_frames for shard in source.shards)
        found = {"frames": n_frames, "seconds": statistics.median(seconds)}
        print(json.dumps(found | {"megabytes": largest, "parent": parent}), flush=True)


if __name__ == "__main__":
    main()
