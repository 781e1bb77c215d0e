"""Progress of long work: a bar or status line on a terminal, occasional lines in a log.

Both are written to standard error. Work of less than half a minute leaves no line in a log.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

FIRST_LINE_AFTER = 30.0
"""Seconds of work before the first line in a log."""

LINE_EVERY = 60.0
"""Seconds between two lines in a log."""

T = TypeVar("T")


def track(
    iterable: Iterable[T],
    *,
    description: str,
    total: int | None = None,
) -> Iterator[T]:
    """Yield the items of an iterable while progress is shown.

    Parameters
    ----------
    iterable : iterable
        Items, which are taken lazily, one at a time.
    description : str
        Description of the work, shown in front of the bar or in the line.
    total : int, optional
        Number of items; by default the length of the iterable, if it has one.

    Yields
    ------
    item
        The items, unchanged and in order.

    Examples
    --------
    >>> list(track([1, 2, 3], description="Counting"))
    [1, 2, 3]
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    if not _at_a_terminal():
        log = _log()
        of = "" if total is None else f" of {total:,}"
        for done, item in enumerate(iterable, start=1):
            yield item
            log.write(lambda done=done: f"{description}, {done:,}{of}")  # type: ignore[misc] # mypy knows no lambda with a default
        return
    # Imported here, since most runs have no terminal.
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(iterable, total=total, description=description)


@contextlib.contextmanager
def status(description: str) -> Iterator[Callable[[str], None]]:
    """Show the progress of work in steps, such as iterations.

    Parameters
    ----------
    description : str
        Description of the work, shown on a terminal until the first step is reported.

    Yields
    ------
    callable
        Function to be called after each step with a text such as ``"iteration 12 of 40"``.

    Examples
    --------
    >>> with status("training") as report:
    ...     report("iteration 1 of 40")
    """
    if not _at_a_terminal():
        log = _log()
        yield lambda text: log.write(lambda: text)
        return
    from rich.console import Console

    with Console(stderr=True).status(description) as shown:
        yield lambda text: shown.update(f"{description}: {text}")


@contextlib.contextmanager
def program(name: str) -> Iterator[None]:
    """Begin lines with the name of a command, and measure its time from here."""
    global _program
    before, _program = _program, _Log(name)
    try:
        yield
    finally:
        _program = before


class _Log:
    """Lines about the progress of a piece of work, each with the time that it has taken."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._start = time.monotonic()
        self._due = self._start + FIRST_LINE_AFTER

    def write(self, text: Callable[[], str]) -> None:
        """Write a line, if the next one is due."""
        now = time.monotonic()
        if now < self._due or sys.stderr is None:
            return
        self._due = now + LINE_EVERY
        minutes, seconds = divmod(int(now - self._start), 60)
        clock = f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds:02d}"
        sys.stderr.write(f"{self._name}: {text()}, {clock}\n")
        sys.stderr.flush()


_program: _Log | None = None


def _log() -> _Log:
    """Return the log of the command, or, outside commands, a new one for this piece of work."""
    return _program or _Log("speakergmm")


def _at_a_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
