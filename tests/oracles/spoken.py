"""A few minutes of synthetic speech with known boundaries, and phone models trained on it."""

import csv
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from speakergmm.audio import read_audio, write_audio
from speakergmm.corpora import (
    Corpus,
    Transcripts,
    Utterance,
    make_synthetic_corpus,
    read_corpus,
    read_transcripts,
)
from speakergmm.hmm import Lexicon, TrainingSchedule
from speakergmm.recognition import AcousticModel, TrainingOptions, train_acoustic_model

try:
    import fcntl
except ImportError:
    fcntl = None


@dataclass(frozen=True)
class Spoken:
    """Recordings, what is said in them, and where."""

    folder: Path
    corpus: Corpus
    transcripts: Transcripts
    lexicon: Lexicon
    model: AcousticModel
    model_path: Path


@lru_cache
def spoken_world(base: Path) -> Spoken:
    """Make speech and models; once for all workers of a run, whose folders share a parent."""
    shared = fcntl is not None and "PYTEST_XDIST_WORKER" in os.environ
    base = base.parent if shared else base
    folder, path = base / "spoken" / "synthetic", base / "spoken" / "am.safetensors"
    with (base / "spoken.lock").open("w") as lock:
        if shared:
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            _make_spoken(base / "spoken", path)
    return Spoken(folder, *_material(folder), AcousticModel.load(path), path)


def _make_spoken(folder: Path, path: Path) -> None:
    make_synthetic_corpus(
        folder,
        n_background=4,
        n_dev=2,
        n_eval=2,
        n_background_utterances=14,
        n_enrolment_utterances=1,
        n_trial_utterances=1,
    )
    schedule = TrainingSchedule(max_iter=12, grow_until=8, n_gaussians=150)
    options = TrainingOptions(schedule=schedule)
    train_acoustic_model(*_material(folder / "synthetic"), options).save(path)


def _material(folder: Path) -> tuple[Corpus, Transcripts, Lexicon]:
    everyone = read_corpus(folder)
    corpus = Corpus(
        tuple(u for u in everyone if u.speaker and u.speaker.startswith("b")), source=str(folder)
    )
    lexicon = Lexicon.read(folder / "lexicon.txt", stress="keep")
    return corpus, read_transcripts(folder), lexicon


@dataclass(frozen=True)
class Sentences:
    """Recordings of a few words between digital zeros, and where the words are."""

    corpus: Corpus
    transcripts: dict[str, tuple[str, ...]]
    words: dict[str, list[tuple[float, float]]]


def short_sentences(
    spoken: Spoken, folder: Path, *, n: int = 20, n_words: int = 3, zeros=(0.1, 0.4), seed: int = 0
) -> Sentences:
    """Cut the first words out of recordings, by one speaker as it were, and put zeros around."""
    rng = np.random.default_rng(seed)
    times: dict[str, list[tuple[float, float, str]]] = {}
    with (spoken.folder / "words.tsv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            start = float(row["start"])
            word = (start, start + float(row["duration"]), row["word"])
            times.setdefault(row["utterance"], []).append(word)
    utterances, transcripts, words = [], {}, {}
    for number in range(n):
        source = spoken.corpus.utterances[number]
        samples, rate = read_audio(source.path)
        said = times[source.id][:n_words]
        first, last = said[0][0], said[-1][1]
        before, after = rng.uniform(*zeros, 2)
        padded = [
            np.zeros(round(before * rate)),
            samples[round(first * rate) : round(last * rate)],
            np.zeros(round(after * rate)),
        ]
        name = f"short-{number:02d}"
        write_audio(folder / f"{name}.wav", np.concatenate(padded).astype(np.float32), rate)
        utterances.append(Utterance(name, folder / f"{name}.wav", "one"))
        transcripts[name] = tuple(word for _, _, word in said)
        words[name] = [(start - first + before, end - first + before) for start, end, _ in said]
    return Sentences(Corpus(tuple(utterances), source=str(folder)), transcripts, words)
