"""Work that is timed against independent processes, and frames that are made where they are used.

`by_turns` times several ways to do the same work; `Apart` is one of them: processes that know
nothing of one another, each of which does a part, started together. What they reach on a machine is
the bound for any engine on it.
"""

import gc
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import psutil

from ._figure import Figure

Work = Callable[[], Any]
N_FEATURES = 39
_CENTRES = 300
_BLOCK = 16_384


@dataclass(frozen=True)
class Spent:
    """Medians over rounds, in seconds: by the clock, and of all processors of all processes."""

    wall: float
    cpu: float


def by_turns(works: Mapping[str, Work], *, rounds: int) -> dict[str, Spent]:
    """Time each piece of work in turns; the first round warms up and does not count."""
    walls: dict[str, list[float]] = {name: [] for name in works}
    cpus: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds + 1):
        for name, work in works.items():
            gc.collect()
            cpu, wall = processor_seconds(), time.perf_counter()
            result = work()
            wall = time.perf_counter() - wall
            cpu = sum(
                seconds - cpu.get(process, 0.0) for process, seconds in processor_seconds().items()
            )
            del result
            if number:
                walls[name].append(wall)
                cpus[name].append(cpu)
    return {
        name: Spent(statistics.median(walls[name]), statistics.median(cpus[name])) for name in works
    }


def processor_seconds() -> dict[psutil.Process, float]:
    """Return the processor seconds of this process and of each one that it has started."""
    own = psutil.Process()
    found = {own: time.process_time()}
    for process in own.children(recursive=True):
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        found[process] = times.user + times.system
    return found


class Apart:
    """Independent processes that each do a part of some work; a call starts all, and waits.

    Parameters
    ----------
    makers : sequence of callable
        One for each process, which calls it once: it prepares the part and returns the work.
    """

    def __init__(self, makers: Sequence[Callable[[], Work]]) -> None:
        context = multiprocessing.get_context("spawn")
        self._members = []
        for maker in makers:
            here, there = context.Pipe()
            process = context.Process(target=_serve, args=(maker, there), daemon=False)
            process.start()
            self._members.append((process, here))
        for _, pipe in self._members:
            assert pipe.recv() == "ready"

    def __call__(self) -> list[Any]:
        """Let all do their part, and return what their work returned."""
        for _, pipe in self._members:
            pipe.send("go")
        return [pipe.recv() for _, pipe in self._members]

    def __enter__(self) -> "Apart":
        return self

    def __exit__(self, *_: object) -> None:
        for process, pipe in self._members:
            pipe.close()
            process.join(10)
            process.kill()


def _serve(maker: Callable[[], Work], pipe: Any) -> None:
    from threadpoolctl import threadpool_limits

    with threadpool_limits(limits=1):
        work = maker()
        pipe.send("ready")
        try:
            while pipe.recv():
                pipe.send(work())
        except EOFError:
            return


def against_apart(
    row: str, case: str, spent: Mapping[str, Spent], limit: str, *, name: str = "engine"
) -> Figure:
    """Return how much of the speed of independent processes (`apart`) some work reaches."""
    ours, apart = spent[name], spent["apart"]
    note = (
        f"{ours.wall:.2f} s and {apart.wall:.2f} s; by processor seconds "
        f"{apart.cpu / ours.cpu:.2f}; load average {os.getloadavg()[0]:.1f} on "
        f"{os.cpu_count()} cores"
    )
    return Figure(row, case, apart.wall / ours.wall, limit, note)


@dataclass(frozen=True)
class GeneratedShard:
    """Frames around centres that all shards share, drawn from a seed wherever they are needed."""

    seed: int
    n_frames: int
    n_features: int = N_FEATURES

    def blocks(self) -> Iterator[np.ndarray]:
        """Yield the frames, the same each time."""
        rng = np.random.default_rng(self.seed)
        places = centres(self.n_features)
        for start in range(0, self.n_frames, _BLOCK):
            length = min(_BLOCK, self.n_frames - start)
            block = rng.standard_normal((length, self.n_features), dtype=np.float32)
            block += places[rng.integers(_CENTRES, size=length)]
            yield block


@dataclass(frozen=True)
class GeneratedFrames:
    """A source of frames that takes no memory and no disk."""

    n_frames: int
    shard_frames: int = 100_000

    @property
    def shards(self) -> list[GeneratedShard]:
        """The shards, numbered by their seeds."""
        sizes = [self.shard_frames] * (self.n_frames // self.shard_frames)
        if rest := self.n_frames % self.shard_frames:
            sizes.append(rest)
        return [GeneratedShard(seed, size) for seed, size in enumerate(sizes)]


@dataclass(frozen=True)
class Shards:
    """Some shards of a source, as a source."""

    shards: Sequence[Any]


@lru_cache(maxsize=4)
def centres(n_features: int) -> np.ndarray:
    """Return the centres of generated frames, as far apart as sounds of speech are."""
    rng = np.random.default_rng(0)
    return rng.normal(0.0, 0.7, (_CENTRES, n_features)).astype(np.float32)
