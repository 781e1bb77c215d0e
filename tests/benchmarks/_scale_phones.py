"""Iterations of embedded Baum-Welch over a feature store, against independent processes."""

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from speakergmm.corpora import Corpus, make_synthetic_corpus, read_corpus, read_transcripts
from speakergmm.features import FeatureStore, extract_features
from speakergmm.hmm import Lexicon, TrainingSchedule
from speakergmm.recognition import AcousticModel, TrainingOptions
from speakergmm.run_context import RunContext

from ._figure import Figure
from ._scale_work import Apart, Spent, Work, against_apart, processor_seconds

# The first iterations divide frames equally, compile graphs and load code.
_WARM_UP = 2


@dataclass(frozen=True)
class Train:
    """Training on each `step`-th utterance from `first` on, of which iterations are timed."""

    folder: Path
    copies: int
    n_gaussians: int
    n_iterations: int
    first: int = 0
    step: int = 1
    engine: Any = None

    def __call__(self) -> Work:
        """Read the corpus, and return the training.

        It returns the seconds of an iteration, by the clock and of this process.
        """
        corpus, said = spoken(self.folder, self.copies)
        part = Corpus(corpus.utterances[self.first :: self.step], source="synthetic")
        lexicon = Lexicon.read(self.folder / "synthetic" / "lexicon.txt")
        schedule = TrainingSchedule(
            algorithm="baum-welch",
            max_iter=_WARM_UP + self.n_iterations,
            n_gaussians=self.n_gaussians,
            grow_until=1,
        )

        def work() -> tuple[float, float]:
            ends: list[tuple[float, float]] = []
            clocks = time.perf_counter, time.process_time
            run = RunContext(callback=lambda _: ends.append((clocks[0](), clocks[1]())))
            AcousticModel.train(
                FeatureStore.open(self.folder / "store").subset(part),
                said,
                lexicon,
                TrainingOptions(schedule=schedule),
                engine=self.engine,
                run=run,
            )
            wall, cpu = np.median(np.diff(ends, axis=0)[_WARM_UP - 1 :], axis=0)
            return float(wall), float(cpu)

        return work


def spoken(folder: Path, copies: int) -> tuple[Corpus, dict[str, Sequence[str]]]:
    """Return synthetic sentences, each as often as asked for, and their words."""
    corpus = read_corpus(folder / "synthetic")
    said = read_transcripts(corpus)
    utterances, words = [], {}
    for number in range(copies):
        for utterance in corpus:
            name = f"{utterance.id}-{number}"
            path = folder / "copies" / f"{name}.wav"
            if not path.exists():
                path.parent.mkdir(exist_ok=True)
                shutil.copy(utterance.path, path)
            utterances.append(replace(utterance, id=name, path=path))
            words[name] = said[utterance.id]
    return Corpus(tuple(utterances), source="synthetic"), words


def make_sentences(folder: Path, *, n_speakers: int, copies: int) -> None:
    """Make the corpus and its store."""
    if not (folder / "synthetic").exists():
        make_synthetic_corpus(
            folder,
            n_background=n_speakers,
            n_dev=2,
            n_eval=2,
            n_background_utterances=10,
            n_enrolment_utterances=1,
            n_trial_utterances=1,
            engine=2,
        )
    extract_features(spoken(folder, copies)[0], folder / "store", features="hmm", engine=2)


def baum_welch(
    folder: Path, *, copies: int, n_gaussians: int, n_iterations: int, rounds: int
) -> list[Figure]:
    """Compare iterations on two workers with those of two independent processes on halves."""
    shape = (folder, copies, n_gaussians, n_iterations)
    seconds: dict[str, list[float]] = {"apart": [], "engine": []}
    cpus: dict[str, list[float]] = {"apart": [], "engine": []}
    ours = Train(*shape, engine=2)()
    with Apart([Train(*shape, first=first, step=2) for first in (0, 1)]) as apart:
        works: dict[str, Work] = {"apart": lambda: max(apart())[0], "engine": lambda: ours()[0]}
        for number in range(rounds + 1):
            for name, work in works.items():
                before = processor_seconds()
                found = work()
                after = processor_seconds()
                if number:
                    seconds[name].append(found)
                    cpus[name].append(sum(after[p] - before.get(p, 0.0) for p in after))
    spent = {
        name: Spent(float(np.median(seconds[name])), float(np.median(cpus[name]))) for name in works
    }
    n_frames = FeatureStore.open(folder / "store").n_frames
    case = (
        f"embedded Baum-Welch, an iteration over a store, {n_frames:,} frames, {n_gaussians} "
        "Gaussians, 2 workers: two independent processes / processes"
    )
    return [against_apart("baum-welch", case, spent, ">= 0.85")]


def seconds_per_frame(folder: Path, *, copies: int, n_gaussians: int) -> float:
    """Return the processor seconds of an iteration on one worker, for each frame."""
    _, cpu = Train(folder, copies, n_gaussians, 2, engine=1)()()
    return cpu / FeatureStore.open(folder / "store").n_frames
