"""Recordings of single words: a folder for each word, or a list with a column that names it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from speakergmm.corpora import Corpus, Utterance, read_corpus
from speakergmm.corpora.lists import parse_seconds
from speakergmm.corpora.names import quoted, shown
from speakergmm.corpora.tables import read_table
from speakergmm.corpora.transcripts import read_transcripts
from speakergmm.errors import CorpusError, InvalidInputError
from speakergmm.words import clean, split_words

COLUMNS = ("word", "text")
"""Columns of a list, the first of which that it has says what word a recording is."""


@dataclass(frozen=True, slots=True, eq=False)
class WordCorpus:
    """Recordings of one word each.

    Parameters
    ----------
    corpus : Corpus
        The recordings; speakers are named where they are known.
    words : dict of str to str
        Word of each utterance, by its id.

    Raises
    ------
    CorpusError
        If an utterance has no word.
    """

    corpus: Corpus
    words: dict[str, str]

    def __post_init__(self) -> None:
        """Check that there is a word for each recording."""
        object.__setattr__(self, "words", {clean(u): clean(w) for u, w in self.words.items()})
        for utterance in self.corpus:
            if utterance.id not in self.words:
                raise CorpusError(
                    f"{self.corpus.source}: nothing says what word {quoted(utterance.id)} is"
                )

    @property
    def vocabulary(self) -> tuple[str, ...]:
        """The words, sorted."""
        return tuple(sorted(set(self.words.values())))

    def subset(self, utterances: list[Utterance] | tuple[Utterance, ...]) -> WordCorpus:
        """Keep some utterances."""
        kept = tuple(utterances)
        return WordCorpus(
            replace(self.corpus, utterances=kept), {u.id: self.words[u.id] for u in kept}
        )


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
        ``word``.
    data_dir : path, optional
        Where relative paths in a list begin.
    speaker_pattern : str, optional
        Regular expression whose first group, searched for in a file's name, is the speaker; for
        folders of words, which do not name speakers.

    Raises
    ------
    CorpusError
        If the source is none of these, a recording is of no word or of several, or a file's name
        has no speaker.
    InvalidInputError
        If the pattern is no regular expression with a group.

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
    corpus = read_corpus(path, data_dir=data_dir)
    if path.is_dir() and not (path / "wav.scp").exists():
        words = {u.id: " ".join(split_words(str(u.speaker))) for u in corpus}
        # What other corpora call the speaker was the word.
        unnamed = tuple(replace(u, speaker=None) for u in corpus)
        corpus = replace(corpus, utterances=unnamed)
    elif path.is_dir():
        words = _single_words(corpus, data_dir)
    else:
        words = _listed_words(path, corpus, data_dir)
    if speaker_pattern is not None:
        named = tuple(_with_speaker(corpus, speaker_pattern))
        corpus = replace(corpus, utterances=named)
    return WordCorpus(corpus, words)


def _listed_words(
    path: Path, corpus: Corpus, data_dir: str | os.PathLike[str] | None
) -> dict[str, str]:
    words: dict[str, str] = {}
    rows = read_table(path, required=("path",), optional=COLUMNS)
    for utterance, (line, row) in zip(corpus, rows, strict=True):
        column = next((name for name in COLUMNS if name in row), None)
        if column is None:
            if utterance is corpus.utterances[0]:
                return _single_words(corpus, data_dir)  # files beside the recordings may say it
            raise CorpusError(f"{shown(path)}:{line}: the column that names the word is missing")
        said = split_words(row[column])
        if not said:
            raise CorpusError(f"{shown(path)}:{line}: the column {column} is empty; name the word")
        if column == "text" and len(said) > 1:
            raise CorpusError(
                f"{shown(path)}:{line}: {quoted(row[column])} is more than one word; models of "
                "words need recordings of one each"
            )
        words[utterance.id] = " ".join(said)
    return words


def _single_words(corpus: Corpus, data_dir: str | os.PathLike[str] | None) -> dict[str, str]:
    words: dict[str, str] = {}
    transcripts = read_transcripts(corpus, data_dir=data_dir)
    for name, said in transcripts.items():
        if len(said) != 1:
            raise CorpusError(
                f"{said.path}:{said.line}: {quoted(name)} has {len(said)} words; models of words "
                "need recordings of one each"
            )
        words[name] = said[0]
    return words


def _with_speaker(corpus: Corpus, pattern: str) -> Iterator[Utterance]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidInputError(f"{quoted(pattern)} is no regular expression: {error}") from None
    if compiled.groups < 1:
        raise InvalidInputError(
            f"the pattern {quoted(pattern)} has no group; put the speaker's part in ( )"
        )
    for utterance in corpus:
        found = compiled.search(utterance.path.name)
        if found is None or not found.group(1):
            raise CorpusError(
                f"{utterance.path}: the pattern {quoted(pattern)} finds no speaker in this name"
            )
        yield replace(utterance, speaker=found.group(1))


def cut_words(
    corpus: Corpus, table: str | os.PathLike[str], *, most_frequent: int | None = None
) -> WordCorpus:
    """Take the words of running speech, whose times are known, as recordings of their own.

    Parameters
    ----------
    corpus : Corpus
        Recordings of running speech.
    table : path
        CSV or TSV with the columns ``utterance``, ``start``, ``duration`` (in seconds from where
        the utterance begins) and ``word``; rows of other utterances are passed over.
    most_frequent : int, optional
        Keep only so many words, those with the most recordings.

    Returns
    -------
    WordCorpus
        Utterances are called ``utterance#start``.

    Raises
    ------
    CorpusError
        If the table can't be read or none of its rows is of the corpus.
    """
    known = {utterance.id: utterance for utterance in corpus}
    path = Path(table)
    cut: list[Utterance] = []
    words: dict[str, str] = {}
    for line, row in read_table(path, required=("utterance", "start", "duration", "word")):
        whole = known.get(clean(row["utterance"]))
        if whole is None:
            continue
        where = f"{shown(path)}:{line}"
        start = whole.start + parse_seconds(row["start"], "start", where)
        end = start + parse_seconds(row["duration"], "duration", where)
        try:
            piece = replace(whole, id=f"{whole.id}#{row['start']}", start=start, end=end)
        except InvalidInputError as error:
            raise CorpusError(f"{where}: {error}") from error
        cut.append(piece)
        words[piece.id] = row["word"]
    if not cut:
        raise CorpusError(f"{shown(path)} has no word of the recordings of {corpus.source}")
    kept = {word for word, _ in Counter(words.values()).most_common(most_frequent)}
    whole_corpus = WordCorpus(Corpus(tuple(cut), source=str(path)), words)
    return whole_corpus.subset([piece for piece in cut if words[piece.id] in kept])
