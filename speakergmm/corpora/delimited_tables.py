"""Text tables as people and programs write them: CSV or TSV, with or without a byte order mark."""

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
    """Yield the lines of a list as `raw_lines` does, each with its line end.

    Raises
    ------
    CorpusError
        If it cannot be read or is empty; if it is not UTF-8 and `faults` is strict.
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
    """Lines of a table for the reader of rows, with a limit on the length of a row."""

    path: Path
    lines: Iterator[str]
    in_row: int = 0
    before: list[str] = field(default_factory=list)

    def first(self) -> str:
        """Return the line that names the columns, which stays available to the reader."""
        for line in self.lines:
            # Lines of old Macs end in carriage returns.
            parts = list(io.StringIO(line, newline=""))
            self.before += parts
            if named := next((each for each in parts if each.strip()), ""):
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
    further: list[str] | None = None,
    faults: FaultList | None = None,
    notes: list[str] | None = None,
    opened: io.BufferedReader | None = None,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read a table whose first line names its columns, row by row.

    The separator is the first of tab, comma and semicolon that the first line contains. Letter
    case of the column names does not matter, and synonyms of names are accepted (see `columns`);
    blank lines are skipped.

    Parameters
    ----------
    path : Path
        The table, a file or a pipe; see `open_text`.
    required : sequence of str
        Columns that it must have.
    optional : sequence of str
        Columns that it may have.
    known : sequence of str
        Columns that it may have and that other functions read.
    further : list of str, optional
        Read all other columns, too, each under its own name; the names are appended before the
        first row.
    faults : FaultList, optional
        A fault is added for each row with too many or too few cells or with a cell of several
        lines, which is skipped, for broken quoting, which ends the table, and for a column that
        looks like a missing one. By default the first fault is raised as an error.
    notes : list of str, optional
        A line is appended if there are columns that are not read.
    opened : BufferedReader, optional
        The table, if it is already open; it is closed at the end.

    Yields
    ------
    line : int
        Line of the file on which the row ends, from 1.
    row : dict of str to str
        Cells of the requested columns that the table has.

    Raises
    ------
    CorpusError
        If a column is missing or named twice, a further one has no name, a row has too many or too
        few cells or a cell of several lines, quoting is broken, or there is no row.
    """
    faults = FaultList(str(path), error=CorpusError, strict=True) if faults is None else faults
    known_faults = len(faults.faults)
    lines = _TableLines(path, text_lines(path, faults, opened=opened))
    first = lines.first()
    separator = _separator(path, first)
    # Common Voice does not quote: a sentence may begin with a quotation mark and contain no other.
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
        others = {} if further is None else _further_places(header, read, faults)
        _check_others(header, read, faults, notes if further is None else None)
        if further is not None:
            further += others
        places |= others
        # Line breaks in a path are reported where paths are checked.
        texts = [place for name, place in find_columns(header, read).items() if name != "path"]
        texts += others.values()
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
    """Return what is wrong with a row, or None."""
    if len(row) != len(header):
        plural = "" if len(row) == 1 else "s"
        return f"{len(row)} cell{plural} where the header has {len(header)}"
    if any("\n" in row[place] for place in texts):
        return "a cell holds several lines; is a quotation mark missing before it ends?"
    return None


def _unquoted(cell: str) -> str:
    """Remove the quotation marks of a cell that another program has quoted as a whole."""
    found = _QUOTED.fullmatch(cell)
    return cell if found is None else found.group(1).replace('""', '"')


def read_column_names(path: Path, *, opened: io.BufferedReader | None = None) -> list[str]:
    """Return the names of the columns of a table, as they are written.

    Raises
    ------
    CorpusError
        If the table cannot be read.
    """
    faults = FaultList(str(path), error=CorpusError, strict=True)
    first = _TableLines(path, text_lines(path, faults, opened=opened)).first().rstrip("\r\n")
    try:
        cells = next(csv.reader([first], delimiter=_separator(path, first)))
    except csv.Error as error:
        raise CorpusError(f"{shown(path)}:1: {error}") from None
    return [cell.strip() for cell in cells]


def _separator(path: Path, header: str) -> str:
    """Return the separator of the cells, by the header and otherwise by the suffix."""
    for separator in "\t,;":
        if separator in header:
            return separator
    return "\t" if path.suffix.lower() == ".tsv" else ","


def _places(
    header: list[str], required: Sequence[str], optional: Sequence[str], faults: FaultList
) -> dict[str, int]:
    """Return the places of the columns; raise an error or add a fault if some are wrong."""
    if len(header) > _MOST_COLUMNS:
        raise CorpusError(
            f"{shown(faults.path)}:1: {len(header):,} columns; a list has at most {_MOST_COLUMNS:,}"
        )
    places = find_columns(header, (*required, *optional))
    missing = [name for name in required if name not in places]
    if missing:
        noun = "column" if len(missing) == 1 else "columns"
        wanted = " and ".join(repr(name) for name in missing)
        found = quoted(", ".join(header), limit=200)
        raise CorpusError(
            f"{shown(faults.path)}:1: no {noun} {wanted}; the first line must name the columns, "
            f"and it is {found}"
        )
    for name, column in repeated_columns(header, places).items():
        message = f"column {quoted(column)} is named twice"
        if name in required:
            raise CorpusError(f"{shown(faults.path)}:1: {message}")
        faults.add(1, message)
        del places[name]
    return places


def _further_places(header: list[str], read: Sequence[str], faults: FaultList) -> dict[str, int]:
    """Return the places of all other columns; raise an error if a name is missing or repeats."""
    names = spelled(header)
    known = set(find_columns(header, read).values())
    others = [place for place in range(len(header)) if place not in known]
    for place in others:
        if not names[place]:
            raise CorpusError(f"{shown(faults.path)}:1: column {place + 1} has no name")
        if names.count(names[place]) > 1:
            message = f"column {quoted(names[place])} is named twice"
            raise CorpusError(f"{shown(faults.path)}:1: {message}")
    return {header[place].strip(): place for place in others}


def _check_others(
    header: list[str], known: Sequence[str], faults: FaultList, notes: list[str] | None
) -> None:
    """Add faults for columns that look misspelt, and a note about those that are not read."""
    for name, meant in misspelt_columns(header, known).items():
        message = f"column {quoted(name)} looks like {meant!r}, which is missing"
        faults.add(1, f"{message}; rename it, or drop it")
    unread = unread_columns(header, known)
    if unread is not None and notes is not None:
        notes.append(f"{shown(faults.path)}:1: {unread}")
