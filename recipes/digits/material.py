"""Recordings of digits and how they are parted: FSDD, or synthetic speech."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

from speakergmm.corpora import Corpus, Utterance, make_synthetic_corpus, read_corpus
from speakergmm.errors import CorpusError
from speakergmm.recognition import WordCorpus, cut_words

Kept = Callable[[Utterance, int], bool]
TEST_INDEX = 5
"""The usual split tests on the recordings 0 to 4 of each digit and speaker."""


def read_fsdd(data: Path) -> WordCorpus:
    """Read the recordings DIGIT_SPEAKER_INDEX.flac."""
    files = sorted((data / "fsdd" / "recordings").glob("*_*_*.flac"))
    if not files:
        raise CorpusError(f"{data / 'fsdd' / 'recordings'} holds no DIGIT_SPEAKER_INDEX.flac")
    utterances = tuple(Utterance(f.stem, f, f.stem.split("_")[1]) for f in files)
    return WordCorpus(
        Corpus(utterances, source="FSDD"), {u.id: u.id.split("_")[0] for u in utterances}
    )


def make_synthetic(folder: Path, *, jobs: int = 1, **sizes: int) -> WordCorpus:
    """Make synthetic speech and cut out ten words that many speakers say."""
    wanted = {"n_background": 12, "n_dev": 2, "n_eval": 2, "n_background_utterances": 12}
    make_synthetic_corpus(folder, **{**wanted, **sizes}, engine=jobs)
    place = folder / "synthetic"
    whole = read_corpus(place)
    spoken = tuple(u for u in whole if (u.speaker or "")[0] == "b")
    corpus = Corpus(spoken, source="synthetic speech")
    cut = cut_words(corpus, place / "words.tsv", most_frequent=10)
    # Numbered as FSDD's are; of each word's recordings, one in four is for the test.
    seen: Counter[tuple[str | None, str]] = Counter()
    said: Counter[str] = Counter()
    named, words = [], {}
    for piece in cut.corpus:
        word = cut.words[piece.id]
        index = seen[piece.speaker, word]
        if said[word] % 4 or index >= TEST_INDEX:
            index += TEST_INDEX
        seen[piece.speaker, word] += 1
        said[word] += 1
        name = f"{word}_{piece.speaker}_{index}"
        named.append(Utterance(name, piece.path, piece.speaker, piece.start, piece.end))
        words[name] = word
    return WordCorpus(Corpus(tuple(named), source="synthetic speech"), words)


def part(material: WordCorpus, kept: Kept) -> WordCorpus:
    """Keep recordings by speaker and index."""
    return material.subset([u for u in material.corpus if kept(u, int(u.id.split("_")[2]))])


def for_choice(material: WordCorpus, step: int = 1) -> WordCorpus:
    """Keep one recording of so many, and none that the usual split tests on."""
    return part(material, lambda _, index: index >= TEST_INDEX and (index - TEST_INDEX) % step == 0)
