"""Constants of this machine from which the cost of large corpora follows, and that cost.

The recipe `recipes/scale` says what they mean.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from speakergmm.mixtures import MixtureStatistics, accumulate

from ._figure import Figure
from ._scale_store import SECONDS, Extract
from ._scale_training import start_of
from ._scale_work import N_FEATURES, GeneratedFrames

FRAMES_PER_HOUR = 360_000


@dataclass(frozen=True)
class Constants:
    """Microseconds of one processor for each frame, and of the client for each shard."""

    extraction: float
    ubm_512: float
    ubm_2048: float
    ivector_2048: float
    baum_welch: float
    merge_512: float
    merge_2048: float


def measured(folder: Path, utterances: list[Any], *, n_frames: int, phones: float) -> Constants:
    """Measure the constants on one processor, the least of three runs."""
    extract = Extract(utterances, folder / "constants")()
    n_extracted = round(len(utterances) * SECONDS * 100)
    shards = GeneratedFrames(n_frames).shards
    frames = np.concatenate([np.concatenate(list(shard.blocks())) for shard in shards])
    seconds: dict[str, float] = {
        "extraction": least(extract) / n_extracted,
        "baum_welch": phones,
    }
    for k in (512, 2048):
        model = start_of(shards, k)
        sums = [accumulate(model, frames[:4096]) for _ in range(2)]

        def merge(sums: list[MixtureStatistics] = sums) -> None:
            sums[0] + sums[1]

        def accumulated(model: Any = model, second_order: bool = True) -> None:
            accumulate(model, frames, second_order=second_order)

        seconds[f"ubm_{k}"] = least(accumulated) / n_frames
        seconds[f"merge_{k}"] = least(merge)
        if k == 2048:
            seconds["ivector_2048"] = least(lambda: accumulated(second_order=False)) / n_frames
    return Constants(**{name: 1e6 * value for name, value in seconds.items()})


def least(work: Callable[[], object]) -> float:
    """Return the processor seconds of the fastest of three runs after the first."""
    found = []
    for _ in range(4):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found[1:])


def costs(constants: Constants, *, hours: int) -> list[str]:
    """Return lines about a corpus of some hours, of which every frame is used."""
    n_frames = hours * FRAMES_PER_HOUR
    n_bytes = n_frames * N_FEATURES * 4

    def worker_hours(microseconds: float, passes: int = 1) -> str:
        return f"{n_frames * microseconds * passes / 3.6e9:,.1f}"

    c = constants
    return [
        f"{hours:,} h: {n_frames:,} frames, {-(-n_frames // 100_000):,} shards; float32 "
        f"{n_bytes / 1e9:,.0f} GB, float16 {n_bytes / 2e9:,.0f} GB",
        f"  worker hours: extraction {worker_hours(c.extraction)}; UBM of 20 iterations, K = 512 "
        f"{worker_hours(c.ubm_512, 20)}, K = 2,048 {worker_hours(c.ubm_2048, 20)}; i-vector "
        f"statistics, K = 2,048 {worker_hours(c.ivector_2048)}; phones, 40 iterations of "
        f"Baum-Welch {worker_hours(c.baum_welch, 40)}",
    ]


def constants(folder: Path, utterances: list[Any], *, n_frames: int, phones: float) -> list[Figure]:
    """Measure the constants and print what large corpora cost.

    `phones` is the time of an iteration of Baum-Welch per frame, in seconds.
    """
    found = measured(folder, utterances, n_frames=n_frames, phones=phones)
    for hours in (1000, 100_000):
        print("\n".join(costs(found, hours=hours)))
    meanings = {
        "extraction": "extraction, per frame",
        "ubm_512": "an iteration of a UBM, K = 512, per frame",
        "ubm_2048": "an iteration of a UBM, K = 2,048, per frame",
        "ivector_2048": "statistics without second order, K = 2,048, per frame",
        "baum_welch": "an iteration of Baum-Welch, 500 Gaussians, per frame",
        "merge_512": "adding the statistics of two shards, K = 512",
        "merge_2048": "adding the statistics of two shards, K = 2,048",
    }
    return [
        Figure("constants", f"us of one processor: {meaning}", getattr(found, name), "")
        for name, meaning in meanings.items()
    ]
