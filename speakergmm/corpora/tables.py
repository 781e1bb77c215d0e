"""Text tables as people and programs write them: CSV or TSV, with or without byte order mark."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from speakergmm.corpora.columns import (
    find_columns,
    misspelt_columns,
    repeated_columns,
    unread_columns,
)
from speakergmm.corpora.names import quoted, shown
from speakergmm.errors import CorpusError
from speakergmm.text_files import Fault


def read_text(path: Path, faults: list[Fault] | None = None) -> str:
    """Read a text file as UTF-8, dropping a byte order mark.

    Parameters
    ----------
    path : Path
        The file.
    faults : list of Fault, optional
        Gets a fault for each line that isn't UTF-8, which is left empty. By default the first is an
        error.

    Returns
    -------
    str
        Its text, line ends untouched.

    Raises
    ------
    CorpusError
        If it can't be read, is no regular file, is empty, or isn't UTF-8 (the line is named).
    """
    try:
        if path.exists() and not path.is_file():
            raise CorpusError(f"{shown(path)} is no file; a list is needed here")
        raw = path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise CorpusError(f"{shown(path)} can't be read: {reason}") from error
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise CorpusError(f"{shown(path)} is UTF-16 text; save it as UTF-8")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{raw[error.start]:02x} is not UTF-8; save the list as UTF-8 text"
        if faults is None:
            raise CorpusError(f"{shown(path)}:{line}: {byte}") from error
        text = _decoded_lines(path, raw.removeprefix(b"\xef\xbb\xbf"), faults)
    if not text.strip():
        raise CorpusError(f"{shown(path)} is empty; a list has at least one row")
    return text


def _decoded_lines(path: Path, raw: bytes, faults: list[Fault]) -> str:
    """Decode line by line, and leave the lines empty that can't be."""
    lines = raw.split(b"\n")
    for place, line in enumerate(lines):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            message = f"byte 0x{line[error.start]:02x} is not UTF-8; save the list as UTF-8 text"
            faults.append(Fault(str(path), place + 1, message))
            lines[place] = b""
    return b"\n".join(lines).decode("utf-8")


def read_table(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    known: Sequence[str] = (),
    faults: list[Fault] | None = None,
    notes: list[str] | None = None,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a table whose first line names its columns, row by row.

    The separator is a tab, comma or semicolon, whichever the first line has, tabs before commas.
    Letter case of the column names doesn't matter, nor which of its synonyms a column has for a
    name (see `columns`); blank lines are passed over.

    Parameters
    ----------
    path : Path
        The table.
    required : sequence of str
        Columns it must have.
    optional : sequence of str
        Columns it may have.
    known : sequence of str
        Columns it may have that somebody else reads.
    faults : list of Fault, optional
        Gets a fault for each row of too many or too few cells, which is passed over, for broken
        quoting, which ends the table, and for a column that looks like one that is missing. By
        default those are errors.
    notes : list of str, optional
        Gets a line where there are columns that nobody reads.

    Yields
    ------
    line : int
        Line of the file on which the row ends, from 1.
    row : dict of str to str
        Cells of the asked columns that the table has.

    Raises
    ------
    CorpusError
        If a column is missing or named twice, a row has too many or too few cells, quoting is
        broken, or there is no row.
    """
    lines = io.StringIO(read_text(path, faults), newline="")
    first = next((line for line in lines if line.strip()), "")
    separator = _separator(path, first)
    lines.seek(0)
    n_rows = 0
    rows = csv.reader(lines, delimiter=separator, skipinitialspace=separator != "\t", strict=True)
    try:
        header = next((row for row in rows if row), [])
        places = _places(path, header, required, optional)
        _check_others(path, header, [*required, *optional, *known], faults, notes)
        for row in rows:
            if not row:
                continue
            n_rows += 1
            if len(row) != len(header):
                message = f"{len(row)} cells where the header has {len(header)}"
                if faults is None:
                    raise CorpusError(f"{shown(path)}:{rows.line_num}: {message}")
                faults.append(Fault(str(path), rows.line_num, message))
                continue
            yield rows.line_num, {name: row[place] for name, place in places.items()}
    except csv.Error as error:
        reason = str(error).replace("\t", "tab")  # it may quote the separator
        if faults is None or not n_rows:
            raise CorpusError(f"{shown(path)}:{rows.line_num}: {reason}") from error
        faults.append(Fault(str(path), rows.line_num, f"{reason}; the rest is not read"))
    if not n_rows:
        raise CorpusError(f"{shown(path)} has a header and no rows; a list has at least one row")


def read_header(path: Path) -> list[str]:
    """Return the names of a table's columns as they stand.

    Raises
    ------
    CorpusError
        If it can't be read.
    """
    first = next((line for line in read_text(path).splitlines() if line.strip()), "")
    return [cell.strip() for cell in next(csv.reader([first], delimiter=_separator(path, first)))]


def _separator(path: Path, header: str) -> str:
    for separator in "\t,;":
        if separator in header:
            return separator
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _places(
    path: Path, header: list[str], required: Sequence[str], optional: Sequence[str]
) -> dict[str, int]:
    places = find_columns(header, (*required, *optional))
    missing = [name for name in required if name not in places]
    if missing:
        wanted = " and ".join(repr(name) for name in missing)
        found = quoted(", ".join(header), limit=200)
        raise CorpusError(
            f"{shown(path)}:1: no column {wanted}; the first line must name the columns, and it is "
            f"{found}"
        )
    if twice := repeated_columns(header, (*required, *optional)):
        raise CorpusError(f"{shown(path)}:1: column {quoted(twice[0])} is named twice")
    return places


def _check_others(
    path: Path,
    header: list[str],
    known: Sequence[str],
    faults: list[Fault] | None,
    notes: list[str] | None,
) -> None:
    for name, meant in misspelt_columns(header, known).items():
        fault = Fault(
            str(path),
            1,
            f"column {quoted(name)} looks like {meant!r}, which is missing; rename it, or drop it",
        )
        if faults is None:
            raise CorpusError(str(fault))
        faults.append(fault)
    unread = unread_columns(header, known)
    if unread is not None and notes is not None:
        notes.append(f"{shown(path)}:1: {unread}")
