"""Corpora of training and test: the LibriSpeech subset, or synthetic speech."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from speakergmm.corpora import Corpus, Utterance, make_synthetic_corpus, read_transcripts
from speakergmm.errors import CorpusError
from speakergmm.hmm import BackoffLanguageModel, Lexicon, train_ngram
from speakergmm.metrics import TimedLabel


@dataclass(frozen=True)
class Material:
    """Recordings, their transcripts, and language models.

    A phone model of None is estimated from the alignment of the training part. Boundaries are
    exact, where they are known.
    """

    name: str
    train: Corpus
    test: Corpus
    transcripts: Mapping[str, Sequence[str]]
    lexicon: Lexicon
    word_model: BackoffLanguageModel
    phone_model: BackoffLanguageModel | None = None
    boundaries: Mapping[str, Sequence[TimedLabel]] | None = None

    def said(self, corpus: Corpus) -> dict[str, tuple[str, ...]]:
        """Words of each utterance."""
        return {u.id: tuple(self.transcripts[u.id]) for u in corpus}

    def phones(self, corpus: Corpus) -> dict[str, tuple[str, ...]]:
        """Phones of the first pronunciation of each word."""
        return {
            name: self.lexicon.first_pronunciation(words)
            for name, words in self.said(corpus).items()
        }

    def speakers(self, corpus: Corpus) -> dict[str, str]:
        """Return the speaker of each utterance."""
        return {u.id: u.speaker or u.id for u in corpus}


def read_librispeech(data: Path) -> Material:
    """Read the subset and its lexicon and language models."""
    texts = data / "librispeech_asr"
    return Material(
        "LibriSpeech subset",
        _folder(data / "librispeech" / "train-clean-100"),
        _folder(data / "librispeech" / "test-other"),
        read_transcripts(data / "librispeech" / "text"),
        Lexicon.read(texts / "lexicon.txt"),
        BackoffLanguageModel.read_arpa(texts / "word_2gram.arpa"),
        BackoffLanguageModel.read_arpa(texts / "phone_2gram.arpa"),
    )


def hold_out(material: Material, *, fold: int = 0, n_folds: int = 5) -> Material:
    """Test on a part of the training speakers instead; language models know only the others."""
    names = list(material.train.speakers)
    order = np.random.default_rng(0).permutation(len(names))
    held = {names[place] for place in np.array_split(order, n_folds)[fold]}
    parts = [
        Corpus(
            tuple(u for u in material.train if (u.speaker in held) == wanted),
            source=f"{material.train.source}, fold {fold}",
        )
        for wanted in (False, True)
    ]
    kept = material.said(parts[0]).values()
    return replace(
        material,
        name=f"{material.name}, held-out speakers of fold {fold}",
        train=parts[0],
        test=parts[1],
        word_model=train_ngram(kept, vocabulary=material.lexicon),
        phone_model=None,
    )


def make_synthetic(folder: Path, *, jobs: int = 1, **sizes: int) -> Material:
    """Make synthetic speech: train on background speakers, test on others saying other words."""
    make_synthetic_corpus(folder, **{"n_dev": 2, "n_eval": 6, **sizes}, engine=jobs)
    place = folder / "synthetic"
    transcripts = read_transcripts(place / "text")
    utterances = [
        Utterance(path.stem, path, path.parent.name) for path in sorted(place.glob("*/*.wav"))
    ]
    train, test = (
        Corpus(tuple(u for u in utterances if (u.speaker or "")[0] == group), source=str(place))
        for group in "be"
    )
    lexicon = Lexicon.read(place / "lexicon.txt")
    return Material(
        "synthetic speech",
        train,
        test,
        transcripts,
        lexicon,
        # The words of the test are others than those of training: any may follow any.
        train_ngram([[word] for word in lexicon], order=1),
        boundaries=_read_boundaries(place / "phones.tsv"),
    )


def _folder(path: Path) -> Corpus:
    utterances = [
        Utterance(file.stem, file, file.stem.split("-")[0]) for file in sorted(path.glob("*.flac"))
    ]
    if not utterances:
        raise CorpusError(f"{path} holds no .flac files")
    return Corpus(tuple(utterances), source=str(path))


def _read_boundaries(path: Path) -> dict[str, list[TimedLabel]]:
    found: dict[str, list[TimedLabel]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t"):
            start, duration = float(row["start"]), float(row["duration"])
            label = TimedLabel(start, start + duration, row["phone"])
            found.setdefault(row["utterance"], []).append(label)
    return found
