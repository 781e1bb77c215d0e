"""Extraction of features into a store against independent processes, and reading them back."""

import itertools
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speakergmm.audio import write_audio
from speakergmm.corpora import Utterance
from speakergmm.features import FeatureStore, extract_features

from ._figure import Figure
from ._scale_speakers import RATE, murmur
from ._scale_work import Apart, Work, against_apart, by_turns

SECONDS = 15.0
SHARD_FRAMES = 25_000


def make_recordings(folder: Path, n_seconds: int) -> list[Utterance]:
    """Write recordings of 15 s, all different, of speakers with ten each."""
    folder.mkdir(parents=True, exist_ok=True)
    samples = murmur(SECONDS, 0)
    rng = np.random.default_rng(0)
    found = []
    for number in range(round(n_seconds / SECONDS)):
        path = folder / f"{number:05d}.wav"
        if not path.exists():
            shifted = np.roll(samples, rng.integers(len(samples)))
            write_audio(path, shifted * np.float32(rng.uniform(0.5, 1.0)), RATE)
        found.append(Utterance(f"{number:05d}", path, f"{number // 10:04d}"))
    return found


@dataclass(frozen=True)
class Extract:
    """Extraction of recordings into a new folder."""

    utterances: Sequence[Utterance]
    folder: Path
    engine: int = 1

    def __call__(self) -> Work:
        """Return the extraction, which removes the store of the time before."""

        def work() -> None:
            shutil.rmtree(self.folder, ignore_errors=True)
            extract(self.utterances, self.folder, engine=self.engine)

        return work


def extract(
    utterances: Sequence[Utterance],
    folder: Path,
    *,
    engine: int = 1,
    shard_frames: int = SHARD_FRAMES,
) -> FeatureStore:
    """Extract recordings with 39 features per frame."""
    return extract_features(
        utterances, folder, features="hmm", shard_frames=shard_frames, engine=engine
    )


def extraction(folder: Path, utterances: Sequence[Utterance], *, rounds: int) -> list[Figure]:
    """Compare two processes with two independent ones that extract half of the recordings each."""
    halves = [Extract(utterances[part::2], folder / f"half{part}") for part in (0, 1)]
    with Apart(halves) as apart:
        works = {"apart": apart, "engine": Extract(utterances, folder / "whole", engine=2)()}
        spent = by_turns(works, rounds=rounds)
    seconds = len(utterances) * SECONDS
    case = f"extraction of {seconds:,.0f} s to a store, 2 processes: two independent ones / engine"
    speed = seconds / spent["apart"].cpu
    return [
        against_apart("store", case, spent, ">= 0.9"),
        Figure("store", "audio seconds per processor second", speed, ""),
    ]


def reading(store: Path, *, repeats: int = 20) -> list[Figure]:
    """Measure how fast features are read back: first with the check of each shard, then again."""
    start = time.perf_counter()
    opened = FeatureStore.open(store)
    first = time.perf_counter() - start
    n_bytes = opened.n_frames * opened.n_features * 4
    times = {"frames, checked for the first time": [copied(opened.frames)]}
    for name, source in itertools.product(("frames", "speech"), range(repeats)):
        del source
        times.setdefault(name, []).append(copied(getattr(opened, name)))
    size = {"speech": opened.n_speech_frames / opened.n_frames}
    figures = [
        Figure(
            "store",
            f"GB/s, reading {n_bytes / 1e6:.0f} MB back from the page cache, {name}",
            n_bytes * size.get(name, 1.0) / min(seconds) / 1e9,
            ">= 1" if name == "frames" else "",
        )
        for name, seconds in times.items()
    ]
    return [
        *figures,
        Figure("store", f"s, opening the index of {len(opened)} utterances", first, ""),
    ]


def copied(source: object) -> float:
    """Return the seconds in which all blocks of a source are copied into one array."""
    target = np.empty((16_384, 39), np.float32)
    start = time.perf_counter()
    for block in source.blocks():
        np.copyto(target[: len(block)], block)
    return time.perf_counter() - start
