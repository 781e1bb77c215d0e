"""Sexes of speakers and further columns, as a corpus states them."""

from __future__ import annotations

import io
from pathlib import Path

from speakergmm.corpora.corpus import Corpus
from speakergmm.corpora.delimited_tables import read_column_names, read_table
from speakergmm.corpora.names import comparison_key, first_few, quoted, shown
from speakergmm.corpora.recording_lists import default_id, parse_stretch
from speakergmm.errors import CorpusError
from speakergmm.files import kind_of
from speakergmm.text_files import read_text_lines, reopened
from speakergmm.words import clean

UNKNOWN_SEX = "unknown"
_OF_IDS = ("id", "start", "end", "duration")
_SEX_COLUMNS = ("sex", "gender")
_SEX_OF = {"f": "f", "w": "f", "m": "m"}


def read_corpus_column(corpus: Corpus, column: str) -> dict[str, str]:
    """Return the values of a further column of the list of a corpus, by the id of the utterance.

    Parameters
    ----------
    corpus : Corpus
        A corpus that was read from a list.
    column : str
        The column; letter case does not matter.

    Raises
    ------
    CorpusError
        If the corpus was not read from a list, or the list has no such column.
    """
    path = Path(corpus.source)
    if corpus.listing is None and kind_of(path) != "file":
        raise CorpusError(
            f"{shown(corpus.source)} is no list; only a list of recordings has a column "
            f"{quoted(column)}"
        )
    names = {name.lower(): name for name in read_column_names(path, opened=_opened(corpus))}
    if column.lower() not in names:
        raise CorpusError(
            f"{shown(path)}:1: no column {quoted(column)}; the columns are "
            f"{first_few(list(names.values()), most=12)}"
        )
    key = names[column.lower()]
    values = {}
    for _, row in read_table(
        path, required=("path",), optional=_OF_IDS, further=[], opened=_opened(corpus)
    ):
        if key not in row:
            raise CorpusError(f"{shown(path)}:1: column {quoted(key)} has another meaning")
        listed = clean(row.get("id", "")) or default_id(row["path"], *parse_stretch(row))
        values[listed] = row[key].strip()
    return values


def read_speaker_sexes(corpus: Corpus) -> dict[str, str]:
    """Return the sexes of speakers, ``"f"`` or ``"m"``, as far as a corpus states them.

    They are stated by a column ``sex`` or ``gender`` of its list, or by a file ``spk2gender`` in
    its folder, as in Kaldi. Values that begin with f or w, and with m, are known.

    Parameters
    ----------
    corpus : Corpus

    Returns
    -------
    dict of str to str
        By speaker, without those whose sex is not known.

    Raises
    ------
    CorpusError
        If the list or file is wrong, or a speaker has two sexes.
    """
    stated: list[tuple[str, str, str]] = []  # speaker, value, and where it is stated
    source = Path(corpus.source)
    is_list = corpus.listing is not None or kind_of(source) == "file"
    if is_list:
        found = [name.lower() for name in read_column_names(source, opened=_opened(corpus))]
        column = next((name for name in _SEX_COLUMNS if name in found), None)
        if column is not None:
            values = read_corpus_column(corpus, column)
            stated = [(u.speaker or "", values.get(u.id, ""), shown(source)) for u in corpus]
    folders = [source.parent if is_list else source, corpus.root or source]
    files = [folder / "spk2gender" for folder in folders]
    if not stated and (file := next((f for f in files if kind_of(f) == "file"), None)):
        for line, text in read_text_lines(file, error=CorpusError):
            speaker, _, value = text.replace("\t", " ").partition(" ")
            if not value or " " in value.strip():
                raise CorpusError(f"{shown(file)}:{line}: a line is 'speaker f' or 'speaker m'")
            stated.append((speaker, value.strip(), f"{shown(file)}:{line}"))
    spelled = {comparison_key(speaker): speaker for speaker in corpus.speakers}
    sexes: dict[str, str] = {}
    for speaker, value, where in stated:
        name, sex = spelled.get(comparison_key(speaker)), _SEX_OF.get(value[:1].lower())
        if name is None or sex is None:
            continue
        if sexes.setdefault(name, sex) != sex:
            raise CorpusError(f"{where}: speaker {quoted(name)} has two sexes, f and m")
    return sexes


def _opened(corpus: Corpus) -> io.BufferedReader | None:
    return reopened(corpus.listing)
