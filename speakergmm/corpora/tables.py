"""Text tables as people and programs write them: CSV or TSV, with or without byte order mark."""

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

from speakergmm.corpora.names import quoted, shown
from speakergmm.errors import CorpusError
from speakergmm.text_files import Fault


def read_text(path: Path) -> str:
    """Read a text file as UTF-8, dropping a byte order mark.

    Parameters
    ----------
    path : Path
        The file.

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
        raise CorpusError(
            f"{shown(path)}:{line}: byte 0x{raw[error.start]:02x} is not UTF-8; save the list as "
            "UTF-8 text"
        ) from error
    if not text.strip():
        raise CorpusError(f"{shown(path)} is empty; a list has at least one row")
    return text


def read_table(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    faults: list[Fault] | None = None,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a table whose first line names its columns, row by row.

    The separator is a tab, comma or semicolon, whichever the first line has, tabs before commas.
    Letter case of the column names doesn't matter; columns that aren't asked for are passed over;
    blank lines too.

    Parameters
    ----------
    path : Path
        The table.
    required : sequence of str
        Columns it must have.
    optional : sequence of str
        Columns it may have.
    faults : list of Fault, optional
        Gets a fault for each row of too many or too few cells, which is passed over, and for broken
        quoting, which ends the table. By default those are errors.

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
    lines = io.StringIO(read_text(path), newline="")
    first = next((line for line in lines if line.strip()), "")
    separator = _separator(path, first)
    lines.seek(0)
    n_rows = 0
    rows = csv.reader(lines, delimiter=separator, skipinitialspace=separator != "\t", strict=True)
    try:
        header = next((row for row in rows if row), [])
        places = _places(path, header, required, optional)
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


def _separator(path: Path, header: str) -> str:
    for separator in "\t,;":
        if separator in header:
            return separator
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _places(
    path: Path, header: list[str], required: Sequence[str], optional: Sequence[str]
) -> dict[str, int]:
    names = [cell.strip().lower() for cell in header]
    missing = [name for name in required if name not in names]
    if missing:
        wanted = " and ".join(repr(name) for name in missing)
        found = quoted(", ".join(header))
        raise CorpusError(
            f"{shown(path)}:1: no column {wanted}; the first line must name the columns, and it is "
            f"{found}"
        )
    places = {}
    for name in (*required, *optional):
        if names.count(name) > 1:
            raise CorpusError(f"{shown(path)}:1: column {name!r} is named twice")
        if name in names:
            places[name] = names.index(name)
    return places
