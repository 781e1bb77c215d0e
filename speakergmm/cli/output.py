"""How commands print: a Rich table or text for people, one JSON document for programs."""

from __future__ import annotations

import json as json_module
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output instead.")
]
JobsOption = Annotated[
    int, typer.Option("--jobs", "-j", min=1, help="Processes that extract features in parallel.")
]


def print_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write one JSON document to standard output."""
    json_module.dump(document, sys.stdout, indent=2, ensure_ascii=False, allow_nan=False)
    sys.stdout.write("\n")


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()
) -> None:
    """Print a table; ``right`` names the columns that hold numbers, by index.

    Cells are printed as they stand: a speaker called ``[red]`` is no markup.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=Text(title), box=box.SIMPLE_HEAD, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    if not console.is_terminal:
        # A pipe or a file has no width: let no cell be folded to the 80 columns of a guess.
        console = Console(width=200)
    console.print(table)


def print_line(text: str) -> None:
    """Print one line as it stands, without markup or folding."""
    sys.stdout.write(text + "\n")


def print_note(text: str) -> None:
    """Print one line for the person, on standard error, so that results stay clean."""
    sys.stderr.write(text + "\n")
