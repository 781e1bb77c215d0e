"""Output of commands: text and tables for people, one JSON document for programs."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from speakergmm.cli.streams import one_line, visible, visible_json
from speakergmm.files import atomic_text_writer

_MOST_NOTES = 20


def print_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write one JSON document to standard output."""
    # The document is complete before its first byte is written, and fits any encoding.
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    text = json.dumps(document, indent=2, ensure_ascii=plain, allow_nan=False)
    sys.stdout.write(visible_json(text) + "\n")


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write one JSON document to a file, completely or not at all."""
    with atomic_text_writer(path) as file:
        json.dump(document, file, indent=1, ensure_ascii=False, allow_nan=False)
        file.write("\n")


class Table(NamedTuple):
    """A table for people; ``right`` lists the indices of columns that are aligned to the right.

    Cells are printed without markup: a speaker called ``[red]`` is printed as such.
    """

    title: str
    columns: Sequence[str]
    rows: Iterable[Sequence[str]]
    right: Sequence[int] = ()

    def print(self) -> None:
        """Print the title and the table."""
        from rich import box, table
        from rich.console import Console
        from rich.text import Text

        shown = table.Table(box=box.SIMPLE_HEAD)
        for index, column in enumerate(self.columns):
            justify: Literal["left", "right"] = "right" if index in self.right else "left"
            shown.add_column(column, justify=justify, overflow="fold")
        for row in self.rows:
            shown.add_row(*(Text(visible(cell)) for cell in row))
        console = Console()
        sys.stdout.write(visible(self.title) + "\n")
        if console.is_terminal:
            console.print(shown)
            return
        # A pipe or a file has no width: cells such as paths must not be folded, and blanks that
        # fill up the last column, or a rule as wide as its longest cell, help nobody.
        console = Console(width=10_000)
        with console.capture() as captured:
            console.print(shown)
        lines = [line.rstrip() for line in captured.get().splitlines()]
        width = max(map(len, lines[:2]))
        lines = [
            line[:width] if set(line) <= {" ", "\N{BOX DRAWINGS LIGHT HORIZONTAL}"} else line
            for line in lines
        ]
        sys.stdout.write("\n".join(lines) + "\n")


def print_line(text: str) -> None:
    """Print one line unchanged, without markup or folding."""
    sys.stdout.write(visible(text, tabs=True) + "\n")


def print_note(text: str) -> None:
    """Print one line on standard error, which keeps it apart from results."""
    sys.stderr.write(one_line(text) + "\n")


def print_warnings(notes: Iterable[str]) -> None:
    """Print each note as a warning on a line of its own."""
    for note in notes:
        print_note(f"warning: {note}")


def print_first_notes(lines: Sequence[str], *, hint: str = "") -> None:
    """Print the first lines of many, and the number of further ones."""
    for line in lines[:_MOST_NOTES]:
        print_note(line)
    if len(lines) > _MOST_NOTES:
        print_note(f"and {len(lines) - _MOST_NOTES} more{hint}")


def counted(number: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 recording`` or ``2,000 frames``.

    >>> counted(1, "recording"), counted(2000, "frame")
    ('1 recording', '2,000 frames')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], *, most: int = 20) -> str:
    """Return names with commas between them, in quotes if they contain a comma or white space.

    >>> listed(["a1", "a 2", "a3"], most=2)
    "a1, 'a 2' and 1 more"
    """
    from speakergmm.corpora import quoted

    shown = ", ".join(
        name if name.isprintable() and not re.search(r"[\s,]", name) else quoted(name)
        for name in names[:most]
    )
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"
