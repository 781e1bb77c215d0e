"""Iterations of a background model over a feature store: processes, Dask, and what Dask costs."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speakergmm.engine import Engine
from speakergmm.features import FeatureStore
from speakergmm.gaussians import frame_moments
from speakergmm.mixtures import DiagonalMixture, train_from

from ._figure import Figure
from ._scale_work import Apart, GeneratedFrames, Shards, Work, against_apart, by_turns


@dataclass(frozen=True)
class Iterate:
    """One iteration of EM over some shards of a store: each `step`-th from `first` on."""

    store: Path
    n_components: int
    first: int = 0
    step: int = 1
    engine: Any = None

    def __call__(self) -> Work:
        """Open the store, and return the iteration."""
        shards = FeatureStore.open(self.store).frames.shards
        source = Shards(shards[self.first :: self.step])
        return iteration(source, start_of(shards, self.n_components), self.engine)


def iteration(source: Any, start: DiagonalMixture, engine: Any) -> Work:
    """Return one iteration of training as `fit_mixture` takes it, with moments that are known."""
    moments = frame_moments(source, engine=Engine.of(engine))

    def work() -> None:
        train_from(
            source,
            start,
            moments=moments,
            max_iter=1,
            tol=0.0,
            final_update=True,
            engine=engine,
        )

    return work


def start_of(shards: Any, n_components: int) -> DiagonalMixture:
    """Return a mixture at frames of the first shards, as broad as a mixture in mid-training is."""
    rng = np.random.default_rng(1)
    found: list[np.ndarray] = []
    for shard in shards:
        found += [np.array(block) for block in shard.blocks()]
        if sum(map(len, found)) >= 4 * n_components:
            break
    frames = np.concatenate(found)
    means = frames[rng.choice(len(frames), n_components, replace=False)].astype(np.float64)
    variances = np.tile(frames.var(axis=0, dtype=np.float64) / 2, (n_components, 1))
    return DiagonalMixture(np.full(n_components, 1 / n_components), means, variances)


def iterations(store: Path, *, n_components: int, rounds: int) -> list[Figure]:
    """Compare two workers of each kind with two independent processes on half of the shards."""
    halves = [Iterate(store, n_components, first, 2) for first in (0, 1)]
    frames = FeatureStore.open(store).frames
    case = f"UBM iteration over {len(frames.shards)} shards of a store, {frames.n_frames:,} frames"
    case += f", K = {n_components}, 2 workers: two independent processes /"
    with Apart(halves) as apart, dask_client(2) as client:
        works = {
            "apart": apart,
            "processes": Iterate(store, n_components, engine=2)(),
            "one": Iterate(store, n_components, engine=1)(),
        }
        if client is not None:
            works["dask"] = Iterate(store, n_components, engine=client)()
        spent = by_turns(works, rounds=rounds)
    figures = [
        against_apart("ubm", f"{case} processes", spent, ">= 0.9", name="processes"),
        Figure(
            "ubm",
            "the same: one worker / two processes",
            spent["one"].wall / spent["processes"].wall,
            "",
            f"one worker {1e6 * spent['one'].cpu / frames.n_frames:.2f} us per frame",
        ),
    ]
    if client is not None:
        figures.append(against_apart("ubm", f"{case} Dask", spent, ">= 0.85", name="dask"))
    return figures


def dask_cost(*, n_frames: int, n_components: int, rounds: int) -> list[Figure]:
    """Compare one worker of Dask with none, on shards of 100,000 frames."""
    source = GeneratedFrames(n_frames)
    start = start_of(source.shards, n_components)
    with dask_client(1) as client:
        if client is None:
            return []
        works = {
            "serial": iteration(source, start, 1),
            "dask": iteration(source, start, client),
        }
        spent = by_turns(works, rounds=rounds)
    cost = spent["dask"].wall / spent["serial"].wall
    note = (
        f"{spent['dask'].wall:.2f} s and {spent['serial'].wall:.2f} s; processor seconds "
        f"{spent['dask'].cpu / spent['serial'].cpu:.2f}; load average {os.getloadavg()[0]:.1f}"
    )
    case = f"UBM iteration, {n_frames:,} frames in shards of 100,000, K = {n_components}: one "
    return [Figure("dask", f"{case}worker of Dask / serial", cost, "<= 1.1", note)]


@contextlib.contextmanager
def dask_client(n_workers: int) -> Iterator[Any]:
    """Start a Dask cluster on this machine, one thread per worker; None without Dask."""
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        yield None
        return
    with (
        LocalCluster(
            n_workers=n_workers, threads_per_worker=1, processes=True, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client
