"""Text tables as people and programs write them: CSV or TSV, with or without byte order mark."""

import csv
import io
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from speakergmm.corpora.columns import (
    find_columns,
    misspelt_columns,
    repeated_columns,
    spelled,
    unread_columns,
)
from speakergmm.corpora.names import quoted, shown
from speakergmm.errors import CorpusError
from speakergmm.files import UnreadableFileError
from speakergmm.text_files import FaultList, raw_lines

_LONGEST_ROW, _MOST_COLUMNS = 1 << 20, 10_000
_QUOTED = re.compile(r'"((?:[^"]|"")*)"')


def text_lines(
    path: Path, faults: FaultList, *, opened: io.BufferedReader | None = None
) -> Iterator[str]:
    """Read the lines of a list as `raw_lines` does, each with its end.

    Raises
    ------
    CorpusError
        If it cannot be read, is empty, or, where `faults` is strict, is not UTF-8.
    """
    is_empty = True
    try:
        for _, line in raw_lines(path, faults, opened=opened):
            is_empty = is_empty and not line.strip()
            yield line
    except UnreadableFileError as error:
        raise CorpusError(f"{shown(path)} {error.reason}") from None
    if is_empty:
        raise CorpusError(f"{shown(path)} is empty; a list has at least one row")


@dataclass(slots=True)
class _TableLines:
    """Lines of a table that the reader of rows takes; of one row only so many."""

    path: Path
    lines: Iterator[str]
    in_row: int = 0
    before: list[str] = field(default_factory=list)

    def first(self) -> str:
        """Return the line that names the columns, and keep it for the reader."""
        for line in self.lines:
            # Old Macs end lines in carriage returns.
            self.before += io.StringIO(line, newline="")
            if named := next((each for each in self.before if each.strip()), ""):
                return named
        return ""

    def __iter__(self) -> Iterator[str]:
        for line in itertools.chain(self.before, self.lines):
            for each in io.StringIO(line, newline="") if "\r" in line else (line,):
                self.in_row += len(each)
                if self.in_row > _LONGEST_ROW:
                    raise CorpusError(
                        f"{shown(self.path)} has a row of more than {_LONGEST_ROW:,} characters; "
                        "perhaps the end of a quotation is missing"
                    )
                yield each


def read_table(
    path: Path,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    known: Sequence[str] = (),
    faults: FaultList | None = None,
    notes: list[str] | None = None,
    opened: io.BufferedReader | None = None,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a table whose first line names its columns, row by row.

    The separator is a tab, comma or semicolon, whichever the first line has, tabs before commas.
    Letter case of the column names does not matter, nor which of its synonyms a column has for a
    name (see `columns`); blank lines are passed over.

    Parameters
    ----------
    path : Path
        The table, a file or a pipe; see `open_text`.
    required : sequence of str
        Columns it must have.
    optional : sequence of str
        Columns it may have.
    known : sequence of str
        Columns it may have that somebody else reads.
    faults : FaultList, optional
        Gets a fault for each row of too many or too few cells, or of a cell with several lines,
        which is passed over, for broken quoting, which ends the table, and for a column that looks
        like one that is missing. By default the first of them is an error.
    notes : list of str, optional
        Gets a line where there are columns that nobody reads.
    opened : BufferedReader, optional
        The table, if it is open already; it is closed at the end.

    Yields
    ------
    line : int
        Line of the file on which the row ends, from 1.
    row : dict of str to str
        Cells of the asked columns that the table has.

    Raises
    ------
    CorpusError
        If a column is missing or named twice, a row has too many or too few cells or one of several
        lines, quoting is broken, or there is no row.
    """
    faults = FaultList(str(path), error=CorpusError, strict=True) if faults is None else faults
    known_faults = len(faults.faults)
    lines = _TableLines(path, text_lines(path, faults, opened=opened))
    first = lines.first()
    separator = _separator(path, first)
    # Common Voice quotes nothing: a sentence may begin with a quotation mark and have no other.
    is_unquoted = separator == "\t" and "client_id" in spelled(first.split(separator))
    rows = csv.reader(
        lines,
        delimiter=separator,
        quoting=csv.QUOTE_NONE if is_unquoted else csv.QUOTE_MINIMAL,
        skipinitialspace=separator != "\t",
        strict=True,
    )
    n_rows = 0
    try:
        header = next(filter(None, rows), [])
        read = list(dict.fromkeys([*known, *required, *optional]))
        places = _places(header, required, optional, faults)
        _check_others(header, read, faults, notes)
        # What is wrong with a path is said where paths are looked at.
        texts = [place for name, place in find_columns(header, read).items() if name != "path"]
        for row in rows:
            lines.in_row = 0
            if not row:
                continue
            n_rows += 1
            if fault := _row_fault(row, header, texts):
                faults.add(rows.line_num, fault)
                continue
            cells = [_unquoted(cell) for cell in row] if is_unquoted else row
            yield rows.line_num, {name: cells[place] for name, place in places.items()}
    except csv.Error as error:
        reason = str(error).replace("\t", "tab")  # it may quote the separator
        if "limit" not in reason:
            reason = f"a quotation mark is missing or misplaced ({reason})"
        if faults.strict or not n_rows:
            raise CorpusError(f"{shown(path)}:{rows.line_num}: {reason}") from error
        faults.add(rows.line_num, f"{reason}; the rest is not read")
    if not n_rows and len(faults.faults) == known_faults:
        raise CorpusError(f"{shown(path)} has a header and no rows; a list has at least one row")


def _row_fault(row: Sequence[str], header: Sequence[str], texts: Sequence[int]) -> str | None:
    if len(row) != len(header):
        plural = "" if len(row) == 1 else "s"
        return f"{len(row)} cell{plural} where the header has {len(header)}"
    if any("\n" in row[place] for place in texts):
        return "a cell holds several lines; is a quotation mark missing before it ends?"
    return None


def _unquoted(cell: str) -> str:
    """Take the quotation marks from a cell that is quoted as a whole, as other programs write."""
    found = _QUOTED.fullmatch(cell)
    return cell if found is None else found.group(1).replace('""', '"')


def read_column_names(path: Path, *, opened: io.BufferedReader | None = None) -> list[str]:
    """Return the names of a table's columns as they stand; of one that may be open already.

    Raises
    ------
    CorpusError
        If it cannot be read.
    """
    faults = FaultList(str(path), error=CorpusError, strict=True)
    first = _TableLines(path, text_lines(path, faults, opened=opened)).first().rstrip("\r\n")
    try:
        cells = next(csv.reader([first], delimiter=_separator(path, first)))
    except csv.Error as error:
        raise CorpusError(f"{shown(path)}:1: {error}") from None
    return [cell.strip() for cell in cells]


def _separator(path: Path, header: str) -> str:
    for separator in "\t,;":
        if separator in header:
            return separator
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _places(
    header: list[str], required: Sequence[str], optional: Sequence[str], faults: FaultList
) -> dict[str, int]:
    if len(header) > _MOST_COLUMNS:
        raise CorpusError(f"{shown(faults.path)}:1: {len(header):,} columns; no list has so many")
    places = find_columns(header, (*required, *optional))
    missing = [name for name in required if name not in places]
    if missing:
        wanted = " and ".join(repr(name) for name in missing)
        found = quoted(", ".join(header), limit=200)
        raise CorpusError(
            f"{shown(faults.path)}:1: no column {wanted}; the first line must name the columns, "
            f"and it is {found}"
        )
    for name, column in repeated_columns(header, places).items():
        message = f"column {quoted(column)} is named twice"
        if name in required:
            raise CorpusError(f"{shown(faults.path)}:1: {message}")
        faults.add(1, message)
        del places[name]
    return places


def _check_others(
    header: list[str], known: Sequence[str], faults: FaultList, notes: list[str] | None
) -> None:
    for name, meant in misspelt_columns(header, known).items():
        message = f"column {quoted(name)} looks like {meant!r}, which is missing"
        faults.add(1, f"{message}; rename it, or drop it")
    unread = unread_columns(header, known)
    if unread is not None and notes is not None:
        notes.append(f"{shown(faults.path)}:1: {unread}")
