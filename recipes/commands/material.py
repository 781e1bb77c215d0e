"""Recordings of command words in their three parts: Arabic, or synthetic speech."""

import csv
from dataclasses import dataclass
from pathlib import Path

from speakergmm.corpora import Corpus, Utterance, make_synthetic_corpus, read_corpus
from speakergmm.errors import CorpusError
from speakergmm.recognition import WordCorpus, cut_words

PARTS = ("train", "val", "test")


@dataclass(frozen=True)
class Material:
    """Three parts without a speaker in common."""

    name: str
    train: WordCorpus
    validation: WordCorpus
    test: WordCorpus


def read_arabic(data: Path) -> Material:
    """Read the parts as the corpus lists them, those recordings that are there.

    The lists name dataset/WORD/SPEAKER_NO_ROUND.wav for all rounds; recordings may be FLAC, and
    have ``_`` for spaces in names of folders.
    """
    folder = data / "arabic_speech_commands"
    parts = []
    for part in PARTS:
        utterances, words = [], {}
        with (folder / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                listed = Path(row["file"].replace(" ", "_")).relative_to("dataset")
                found = (folder / listed.with_suffix(end) for end in (".flac", ".wav"))
                path = next((each for each in found if each.is_file()), None)
                if path is not None:
                    name = listed.with_suffix("").as_posix()
                    utterances.append(Utterance(name, path, path.stem.split("_")[0]))
                    words[name] = row["class"].replace(" ", "_")
        if not utterances:
            raise CorpusError(f"{folder} has no recording of {part}.csv")
        parts.append(WordCorpus(Corpus(tuple(utterances), source=f"Arabic, {part}"), words))
    return Material("Arabic Speech Commands", *parts)


def make_synthetic(folder: Path, *, jobs: int = 1, **sizes: int) -> Material:
    """Make synthetic speech and cut out twenty words; a fifth of the speakers for each test."""
    wanted = {"n_background": 15, "n_dev": 2, "n_eval": 2, "n_background_utterances": 12}
    make_synthetic_corpus(folder, **{**wanted, **sizes}, engine=jobs)
    place = folder / "synthetic"
    spoken = tuple(u for u in read_corpus(place) if (u.speaker or "")[0] == "b")
    corpus = Corpus(spoken, source="synthetic speech")
    cut = cut_words(corpus, place / "words.tsv", most_frequent=20)
    names = cut.corpus.speakers
    first, second = len(names) * 3 // 5, len(names) * 4 // 5
    groups = names[:first], names[first:second], names[second:]
    parts = [cut.subset([u for u in cut.corpus if u.speaker in group]) for group in groups]
    return Material("synthetic speech", *parts)
