"""Extraction into a feature store by two workers, and reading it back.

`measure_extraction` compares two workers with two processes that have nothing to do with each
other and extract half of the recordings each, in the same run; `measure_reading` sums a store.
"""

import argparse
import multiprocessing
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speakergmm.audio import write_audio
from speakergmm.corpora import Utterance
from speakergmm.features import FeatureConfig, FeatureStore, extract_features

from ._scale_speakers import RATE, murmur


@dataclass(frozen=True)
class ExtractionTimes:
    """Seconds by the clock, the medians of several runs that took turns.

    Parameters
    ----------
    n_frames : int
        Frames of the store.
    independent : float
        Two processes without anything in common, half of the recordings each.
    workers : float
        One extraction by two workers.
    """

    n_frames: int
    independent: float
    workers: float

    @property
    def efficiency(self) -> float:
        """Throughput of two workers, as a part of that of two independent processes."""
        return self.independent / self.workers


def make_recordings(folder: Path, n_files: int, seconds: float) -> list[Utterance]:
    """Write recordings of synthetic noise, a few of which are made and the others copied."""
    paths = []
    for number in range(n_files):
        path = folder / f"{number:05d}.wav"
        if number < 16:
            write_audio(path, murmur(seconds, number), RATE)
        else:
            shutil.copy(paths[number % 16], path)
        paths.append(path)
    return [Utterance(path.stem, path, None) for path in paths]


def measure_extraction(folder: Path, *, n_files: int = 400, repeats: int = 5) -> ExtractionTimes:
    """Extract the same recordings both ways, by turns, in processes that are warm."""
    (folder / "audio").mkdir()
    recordings = make_recordings(folder / "audio", n_files, 10.0)
    extract_features(recordings[:32], folder / "warm", engine=2)
    context = multiprocessing.get_context("spawn")
    alone, together = [], []
    with _Pair(context) as pair:
        pair.extract(recordings[:32], folder, "warm-up")
        for run in range(repeats):
            alone.append(pair.extract(recordings, folder, f"alone-{run}"))
            start = time.perf_counter()
            store = extract_features(recordings, folder / f"together-{run}", engine=2)
            together.append(time.perf_counter() - start)
            n_frames = store.n_frames
            if run < repeats - 1:
                shutil.rmtree(folder / f"together-{run}")
    (folder / f"together-{repeats - 1}").rename(folder / "store")
    return ExtractionTimes(n_frames, statistics.median(alone), statistics.median(together))


class _Pair:
    """Two processes that know nothing of each other, and begin at the same time."""

    def __init__(self, context) -> None:
        self._pipes = [context.Pipe() for _ in range(2)]
        self._processes = [
            context.Process(target=_serve, args=(there,), daemon=True) for _, there in self._pipes
        ]

    def __enter__(self) -> "_Pair":
        for process in self._processes:
            process.start()
        return self

    def __exit__(self, *_: object) -> None:
        for here, _ in self._pipes:
            here.send(None)
        for process in self._processes:
            process.join()

    def extract(self, recordings: Sequence[Utterance], folder: Path, name: str) -> float:
        """Extract half of the recordings in each, and return the seconds until both are done."""
        start = time.perf_counter()
        for number, (here, _) in enumerate(self._pipes):
            here.send((recordings[number::2], folder / f"{name}-{number}"))
        for here, _ in self._pipes:
            here.recv()
        seconds = time.perf_counter() - start
        for number in range(2):
            shutil.rmtree(folder / f"{name}-{number}")
        return seconds


def _serve(pipe) -> None:
    while (work := pipe.recv()) is not None:
        recordings, path = work
        extract_features(recordings, path)
        pipe.send(True)


def measure_reading(store: FeatureStore, *, repeats: int = 5) -> float:
    """Return bytes per second of a sum over all frames, from the page cache, after the check."""
    total = sum(float(block.sum()) for block in store.blocks())
    assert np.isfinite(total)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        sum(float(block.sum()) for block in store.blocks())
        seconds.append(time.perf_counter() - start)
    return 4.0 * store.n_frames * store.n_features / min(seconds)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--files", type=int, default=400, help="recordings of 10 s")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        times = measure_extraction(Path(folder), n_files=options.files)
        print(times, f"efficiency {times.efficiency:.3f}")
        read = measure_reading(FeatureStore.open(Path(folder, "store")))
        print(f"read {read / 1e9:.2f} GB/s, {FeatureConfig.preset('speaker').name} features")


if __name__ == "__main__":
    main()
