"""Corpora in CSV or TSV lists of recordings."""

import math
from collections.abc import Mapping
from pathlib import Path

from speakergmm.corpora.columns import CORPUS_COLUMNS
from speakergmm.corpora.conflicts import without_conflicts
from speakergmm.corpora.corpus import Corpus, Utterance
from speakergmm.corpora.delimited_tables import read_table
from speakergmm.corpora.locations import exists, is_folder, locate
from speakergmm.corpora.names import Spellings, quoted, shown
from speakergmm.errors import CorpusError
from speakergmm.files import UnreadableFileError
from speakergmm.text_files import FaultList, pipe_content, reopened
from speakergmm.words import clean


def read_list(path: Path, *, folder: Path, strict: bool = True, speakers: bool = True) -> Corpus:
    """Read a list with the column ``path`` and optionally ``speaker``, ``start`` and ``end``.

    A column ``id`` names the utterances; without it the id of an utterance is its path as listed,
    followed by ``#start-end`` if it is a part of the recording. A list of Common Voice is read as
    it is: ``client_id`` names the speaker, and recordings lie in the folder ``clips``. The notes
    name columns that are not read.

    Parameters
    ----------
    path : Path
        The list, CSV or TSV.
    folder : Path
        Folder to which relative paths are relative.
    strict : bool, default=True
        Raise an error if the list has faults. Otherwise the rows with faults are left out, and the
        result lists the faults.
    speakers : bool, default=True
        Read the speakers; without it no speaker is named.

    Returns
    -------
    Corpus
        In the order of the list.

    Raises
    ------
    CorpusError
        If anything in the list is wrong, with the line; without ``strict`` only if the list has no
        rows.
    """
    clips = folder / "clips" if is_folder(folder / "clips") else None
    listed: list[tuple[Utterance, int]] = []
    spellings = Spellings()
    faults = FaultList(str(path), error=CorpusError, strict=strict)
    notes: list[str] = []
    try:
        listing = pipe_content(path)
    except UnreadableFileError as error:
        raise CorpusError(f"{shown(path)} {error.reason}") from None
    for line, row in read_table(
        path,
        required=("path",),
        optional=("speaker", "start", "end", "duration", "id"),
        known=CORPUS_COLUMNS,
        faults=faults,
        notes=notes,
        opened=reopened(listing),
    ):
        if not speakers:
            row.pop("speaker", None)
        with faults.of_line(line, row.get("id") or row["path"] or None):
            listed.append((_utterance(row, line, folder, clips, spellings), line))
    return Corpus(
        without_conflicts(listed, faults),
        source=str(path),
        root=folder,
        notes=tuple(notes),
        faults=tuple(faults.faults),
        listing=listing,
    )


def _utterance(
    row: dict[str, str], line: int, folder: Path, clips: Path | None, spellings: Spellings
) -> Utterance:
    speaker = row["speaker"].strip() if "speaker" in row else None
    if speaker == "":
        raise CorpusError("the speaker is empty; name one or drop the column")
    if speaker is not None:
        speaker = spellings.take(speaker, f"line {line}")
    start, end = parse_stretch(row)
    location = locate(row["path"], folder)
    if clips is not None and location.parent == folder and not exists(location):
        location = clips / location.name  # as in Common Voice
    identifier = row.get("id", "") or default_id(row["path"], start, end)
    return Utterance(identifier, location, speaker, start, end)


def default_id(listed: str, start: float, end: float | None) -> str:
    """Return the id of an utterance whose list contains no ids.

    Examples
    --------
    >>> default_id("ana/1.wav", 0.0, None), default_id("ana/1.wav", 1.5, 3.0)
    ('ana/1.wav', 'ana/1.wav#1.5-3.0')
    """
    listed = clean(listed)
    if start == 0 and end is None:
        return listed
    return f"{listed}#{start!r}-{'' if end is None else repr(end)}"


def parse_stretch(row: Mapping[str, str]) -> tuple[float, float | None]:
    """Return start and end of an utterance in seconds; None for the end of its recording.

    A duration is used if the list has a column of starts and the row has no end; without a column
    of starts it is the duration of the recording, and not used.

    Examples
    --------
    >>> parse_stretch({"start": "1.5", "duration": "2"})
    (1.5, 3.5)
    >>> parse_stretch({"duration": "2"}), parse_stretch({"end": "2"})
    ((0.0, None), (0.0, 2.0))
    """
    given = {
        what: cell for what in ("start", "end", "duration") if (cell := row.get(what, "").strip())
    }
    start = parse_seconds(given.get("start", "0"), "start")
    if "end" in given:
        return start, parse_seconds(given["end"], "end")
    if "start" in row and "duration" in given:
        return start, start + parse_seconds(given["duration"], "duration")
    return start, None


def parse_seconds(cell: str, what: str) -> float:
    """Convert a time in seconds from text.

    Parameters
    ----------
    cell : str
        Text of the cell.
    what : str
        Name of the column, for the message.

    Returns
    -------
    float

    Raises
    ------
    CorpusError
        If it is not a finite number.
    """
    try:
        # float() accepts "1_000", which other programs that read the list would not.
        seconds = math.nan if "_" in cell else float(cell)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise CorpusError(f"{what} is {quoted(cell)}; it must be a number of seconds")
    return seconds
