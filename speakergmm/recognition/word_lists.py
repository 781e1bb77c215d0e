"""Corpora of isolated words: one folder per word, or a list with a column for the word."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from speakergmm.corpora import (
    Corpus,
    Utterance,
    parse_seconds,
    read_sidecar_transcripts,
    read_table,
    read_transcripts,
    read_utterances,
)
from speakergmm.corpora.columns import CORPUS_COLUMNS
from speakergmm.corpora.folders import read_folder
from speakergmm.corpora.locations import exists, is_folder
from speakergmm.corpora.names import quoted, shown
from speakergmm.corpora.patterns import NamePattern, name_speakers
from speakergmm.errors import CorpusError, InvalidInputError, SpeakerGmmError
from speakergmm.ranges import wrong_type
from speakergmm.text_files import FaultList, reopened
from speakergmm.words import clean, split_words, words_of

COLUMNS = ("word", "text")
"""Columns of a list that may contain the word of a recording, in order of preference."""
_ONE_EACH = "models of words need recordings of one each"


@dataclass(frozen=True, slots=True, eq=False)
class WordCorpus:
    """Recordings of one word each.

    Parameters
    ----------
    corpus : Corpus
        The recordings; speakers are named where they are known.
    words : dict of str to str
        The word spoken in each utterance, by its id.

    Raises
    ------
    CorpusError
        If an utterance has no word.
    """

    corpus: Corpus
    words: dict[str, str]

    def __post_init__(self) -> None:
        """Raise an error if the word of a recording is missing."""
        object.__setattr__(self, "words", {clean(u): clean(w) for u, w in self.words.items()})
        for utterance in self.corpus:
            if utterance.id not in self.words:
                raise CorpusError(
                    f"{self.corpus.source}: the word of {quoted(utterance.id)} is missing"
                )

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words, sorted."""
        return tuple(sorted(set(self.words.values())))

    def subset(self, utterances: list[Utterance] | tuple[Utterance, ...]) -> WordCorpus:
        """Keep some utterances."""
        words = {u.id: self.words[u.id] for u in utterances}
        return WordCorpus(replace(self.corpus, utterances=tuple(utterances)), words)


def read_words(
    source: str | os.PathLike[str],
    *,
    data_dir: str | os.PathLike[str] | None = None,
    speaker_pattern: str | None = None,
) -> WordCorpus:
    r"""Read recordings of single words.

    Parameters
    ----------
    source : path
        A folder that holds a folder of recordings for each word; or a CSV or TSV list with the
        columns ``path`` and ``word`` (or ``text``), and ``speaker`` where it is known; or a Kaldi
        data directory with ``text``. A word may hold spaces, as a folder's name or the column
        ``word``. Folders of speakers are taken where each recording has its word beside it, in a
        ``.txt`` or ``.lab``.
    data_dir : path, optional
        Folder to which relative paths in a list refer.
    speaker_pattern : str, optional
        Pattern of the speaker in file names, as `read_corpus` takes it, for folders of words, which
        do not name speakers. If it has a part ``{word}`` as well, the word is taken from the file
        name, not from the folder.

    Raises
    ------
    CorpusError
        If the source is none of these, a recording is of no word or of several, or a file's name
        has no speaker.
    InvalidInputError
        If the pattern is not a regular expression with a group.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("stop/ana_1.wav", "go/ana_1.wav", "go/bea_1.wav"):
    ...         path = Path(folder, name)
    ...         path.parent.mkdir(exist_ok=True)
    ...         _ = path.write_bytes(b"")
    ...     found = read_words(folder, speaker_pattern="^(.+)_")
    >>> found.vocabulary, found.corpus.speakers
    (('go', 'stop'), ('ana', 'bea'))
    """
    path = Path(source)
    pattern = None if speaker_pattern is None else NamePattern(speaker_pattern)
    if pattern is not None and "word" in pattern.names:
        corpus = name_speakers(read_utterances(path, data_dir=data_dir, speakers=False), pattern)
        return WordCorpus(corpus, {u.id: pattern.part("word", u, corpus) for u in corpus})
    if is_folder(path) and not exists(path / "wav.scp"):
        corpus, words = _word_folders(path)
    else:
        corpus = read_utterances(path, data_dir=data_dir, speakers=pattern is None)
        listed = None if is_folder(path) else _listed_words(path, corpus)
        words = _single_words(corpus, data_dir) if listed is None else listed
    return WordCorpus(corpus if pattern is None else name_speakers(corpus, pattern), words)


def _word_folders(path: Path) -> tuple[Corpus, dict[str, str]]:
    corpus = read_folder(path, owner="word")
    words = {u.id: " ".join(split_words(str(u.speaker))) for u in corpus}
    said, _ = read_sidecar_transcripts(corpus)
    spoken = {name: each.words[0] for name, each in said.items() if len(each) == 1}
    if len(spoken) == len(corpus) and all(spoken[name] != words[name] for name in spoken):
        # What lies beside the recordings says otherwise: these are folders of speakers.
        note = "the folders name speakers: the words are in files beside the recordings"
        return replace(corpus, notes=(*corpus.notes, note)), spoken
    # What other corpora call the speaker is the word.
    unnamed = tuple(replace(u, speaker=None) for u in corpus)
    notes = corpus.notes
    if len(set(words.values())) == 1:
        only = quoted(next(iter(words.values())))
        note = (
            f"all recordings are of one word, {only}; there must be a folder for each word, or a "
            "pattern such as '{word}_{speaker}_*'"
        )
        notes = (*notes, note)
    return replace(corpus, utterances=unnamed, notes=notes), words


def _listed_words(path: Path, corpus: Corpus) -> dict[str, str] | None:
    """Read the words of a list; None where files beside the recordings may say them."""
    words: dict[str, str] = {}
    faults = FaultList(str(path), error=CorpusError, strict=True)
    rows = read_table(
        path,
        required=("path",),
        optional=COLUMNS,
        known=CORPUS_COLUMNS,
        opened=reopened(corpus.listing),
    )
    for utterance, (line, row) in zip(corpus, rows, strict=True):
        column = next((name for name in COLUMNS if name in row), None)
        if column is None:
            return None
        said = split_words(row[column])
        if not said:
            faults.add(line, f"the column {column} is empty; name the word")
        if column == "text" and len(said) > 1:
            faults.add(line, f"{quoted(row[column])} is more than one word; {_ONE_EACH}")
        words[utterance.id] = " ".join(said)
    return words


def _single_words(corpus: Corpus, data_dir: str | os.PathLike[str] | None) -> dict[str, str]:
    return {
        name: _only_word(name, said, CorpusError, f"{said.path}:{said.line}: ")
        for name, said in read_transcripts(corpus, data_dir=data_dir).items()
    }


def _only_word(
    name: str, said: Sequence[str], error: type[SpeakerGmmError], where: str = "utterance "
) -> str:
    if len(said) != 1:
        raise error(f"{where}{quoted(name)} has {len(said)} words; {_ONE_EACH}")
    return said[0]


def cut_words(
    corpus: Corpus, table: str | os.PathLike[str], *, most_frequent: int | None = None
) -> WordCorpus:
    """Return words of running speech, whose times are known, as recordings of their own.

    Parameters
    ----------
    corpus : Corpus
        Recordings of running speech.
    table : path
        CSV or TSV with the columns ``utterance``, ``start``, ``duration`` (in seconds from where
        the utterance begins) and ``word``; rows of other utterances are ignored.
    most_frequent : int, optional
        Number of words to keep: those with the most recordings.

    Returns
    -------
    WordCorpus
        Utterances are called ``utterance#start``.

    Raises
    ------
    CorpusError
        If the table cannot be read, or none of its rows belongs to the corpus.
    """
    known = {utterance.id: utterance for utterance in corpus}
    path = Path(table)
    cut: list[Utterance] = []
    words: dict[str, str] = {}
    faults = FaultList(str(path), error=CorpusError, strict=True)
    for line, row in read_table(path, required=("utterance", "start", "duration", "word")):
        whole = known.get(clean(row["utterance"]))
        if whole is None:
            continue
        with faults.of_line(line):
            start = whole.start + parse_seconds(row["start"], "start")
            end = start + parse_seconds(row["duration"], "duration")
            piece = replace(whole, id=f"{whole.id}#{row['start']}", start=start, end=end)
            cut.append(piece)
            words[piece.id] = row["word"]
    if not cut:
        raise CorpusError(f"{shown(path)} has no word of the recordings of {corpus.source}")
    kept = {word for word, _ in Counter(words.values()).most_common(most_frequent)}
    whole_corpus = WordCorpus(Corpus(tuple(cut), source=str(path)), words)
    return whole_corpus.subset([piece for piece in cut if words[piece.id] in kept])


def as_single_words(words: Mapping[str, str | Sequence[str]]) -> dict[str, str]:
    """Return the word of each utterance, from words or from transcripts of one word each.

    Raises
    ------
    InvalidTypeError
        If it is not a mapping; the message names the right call.
    InvalidInputError
        If an utterance has no word or several.
    """
    if not isinstance(words, Mapping):
        raise wrong_type(words, "words by utterance, read = read_words(folder) and read.words,")
    return {
        name: said if isinstance(said, str) else _only_word(name, words_of(said), InvalidInputError)
        for name, said in words.items()
    }
