"""How commands print: a Rich table or text for people, one JSON document for programs."""

from __future__ import annotations

import contextlib
import json as json_module
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from speakergmm.cli.streams import one_line, visible, visible_json
from speakergmm.progress import status

if TYPE_CHECKING:
    from speakergmm.hmm.training.state import TrainingState
    from speakergmm.mixtures import Iteration

LARGEST_SEED = (1 << 32) - 1
"""That every generator of random numbers takes, and every model file holds."""

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output instead.")
]


def _at_most_cores(jobs: int) -> int:
    return min(jobs, os.cpu_count() or 1)


JobsOption = Annotated[
    int,
    typer.Option(
        "--jobs",
        "-j",
        "--n-jobs",
        min=1,
        callback=_at_most_cores,
        help="Processes that read recordings in parallel, at most one a core.",
    ),
]


def print_json(document: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write one JSON document to standard output."""
    # Whole before the first byte goes out, and readable in a stream of any encoding.
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    text = json_module.dumps(document, indent=2, ensure_ascii=plain, allow_nan=False)
    sys.stdout.write(visible_json(text) + "\n")


def print_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], *, right: Sequence[int] = ()
) -> None:
    """Print a table; ``right`` names the columns that hold numbers, by index.

    Cells are no markup: a speaker called ``[red]`` is printed so.
    """
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for index, column in enumerate(columns):
        table.add_column(column, justify="right" if index in right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(visible(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        # A pipe or a file has no width: let no cell, such as a long path, be folded to a guess.
        console = Console(width=10_000)
    sys.stdout.write(visible(title) + "\n")
    console.print(table)


def print_line(text: str) -> None:
    """Print one line as it stands, without markup or folding."""
    sys.stdout.write(visible(text, tabs=True) + "\n")


def print_note(text: str) -> None:
    """Print one line for the person, on standard error, so that results stay clean."""
    sys.stderr.write(one_line(text) + "\n")


def counted(number: int, noun: str) -> str:
    """Write a number and what it counts, such as ``1 recording`` or ``2,000 frames``.

    >>> counted(1, "recording"), counted(2000, "frame")
    ('1 recording', '2,000 frames')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(names: Sequence[str], *, most: int = 20) -> str:
    """Write names with commas between, in quotes where they hold a comma or white space.

    >>> listed(["a1", "a 2", "a3"], most=2)
    "a1, 'a 2' and 1 more"
    """
    from speakergmm.corpora.names import quoted

    shown = ", ".join(
        name if name.isprintable() and not re.search(r"[\s,]", name) else quoted(name)
        for name in names[:most]
    )
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


@contextlib.contextmanager
def training_status() -> Iterator[Callable[[int, Iteration], None]]:
    """Show how EM goes on; yields what to call after each iteration."""
    with status("training") as tell:
        yield lambda number, iteration: tell(
            f"iteration {number + 1}, log-likelihood {iteration.objective:.2f} per frame"
        )


@contextlib.contextmanager
def hmm_training_status(n_iterations: int) -> Iterator[Callable[[TrainingState], None]]:
    """Show how a training of hidden Markov models goes on; yields what to call after each step."""
    with status("training") as tell:

        def show(state: TrainingState) -> None:
            last = state.history[-1]
            tell(
                f"iteration {state.iteration} of {n_iterations}, log-likelihood "
                f"{last.log_likelihood:.2f} per frame, {last.n_gaussians:,} Gaussians"
            )

        yield show
