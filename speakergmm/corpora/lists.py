"""Corpora given as a CSV or TSV list of recordings."""

import math
from pathlib import Path

from speakergmm.corpora.corpus import Conflict, Corpus, Utterance, and_more, find_conflicts
from speakergmm.corpora.locations import locate
from speakergmm.corpora.names import Spellings, quoted, shown
from speakergmm.corpora.tables import read_table
from speakergmm.errors import CorpusError, InvalidInputError


def read_list(path: Path, *, folder: Path) -> Corpus:
    """Read a list with the column ``path`` and, where wanted, ``speaker``, ``start``, ``end``.

    A column ``id`` names the utterances; without it an utterance is called by its path as listed,
    with ``#start-end`` behind it where it is a stretch of the recording.

    Parameters
    ----------
    path : Path
        The list, CSV or TSV.
    folder : Path
        What relative paths are relative to.

    Returns
    -------
    Corpus
        In the order of the list.

    Raises
    ------
    CorpusError
        With the line, if anything in the list is wrong.
    """
    utterances: list[Utterance] = []
    lines: list[int] = []
    spellings = Spellings()
    for line, row in read_table(
        path, required=("path",), optional=("speaker", "start", "end", "id")
    ):
        where = f"{shown(path)}:{line}"
        speaker = row["speaker"].strip() if "speaker" in row else None
        if speaker is not None:
            if not speaker:
                raise CorpusError(f"{where}: the speaker is empty; name her or drop the column")
            if clash := spellings.clash(speaker, f"line {line}"):
                raise CorpusError(f"{where}: speaker {clash}")
        start = parse_seconds(row.get("start", "") or "0", "start", where)
        end = parse_seconds(row["end"], "end", where) if row.get("end", "").strip() else None
        location = locate(row["path"], folder, where=where)
        identifier = row.get("id", "") or default_id(row["path"], start, end)
        try:
            utterances.append(Utterance(identifier, location, speaker, start, end))
        except InvalidInputError as error:
            raise CorpusError(f"{where}: {error}") from error
        lines.append(line)
    refuse_conflicts(path, find_conflicts(utterances), lines)
    return Corpus(tuple(utterances), source=str(path), root=folder)


def default_id(listed: str, start: float, end: float | None) -> str:
    """Name an utterance whose list gives it no id.

    Examples
    --------
    >>> default_id("ana/1.wav", 0.0, None), default_id("ana/1.wav", 1.5, 3.0)
    ('ana/1.wav', 'ana/1.wav#1.5-3.0')
    """
    if start == 0 and end is None:
        return listed
    return f"{listed}#{start!r}-{'' if end is None else repr(end)}"


def parse_seconds(cell: str, what: str, where: str) -> float:
    """Read a time in seconds.

    Parameters
    ----------
    cell : str
        What the list says.
    what : str
        Name of the column, for the message.
    where : str
        Place in the list, ``file:line``.

    Returns
    -------
    float

    Raises
    ------
    CorpusError
        If it is no finite number.
    """
    try:
        # float() takes "1_000", which no other program that reads the list would.
        seconds = math.nan if "_" in cell else float(cell)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise CorpusError(f"{where}: {what} is {quoted(cell)}; it must be a number of seconds")
    return seconds


def refuse_conflicts(path: Path, conflicts: list[Conflict], lines: list[int]) -> None:
    """Refuse a list that contradicts or repeats itself, naming both lines."""
    if conflicts:
        found = conflicts[0]
        raise CorpusError(
            f"{shown(path)}:{lines[found.second]}: {found.reason} on line {lines[found.first]}"
            f"{and_more(conflicts)}"
        )
