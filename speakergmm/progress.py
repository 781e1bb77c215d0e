"""How far long work is: a bar or a status at a terminal, now and then a line in a log.

Both go to standard error. Work of less than half a minute leaves no line in a log.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sized
from typing import TypeVar

FIRST_LINE_AFTER = 30.0
"""Seconds of work without a line."""

LINE_EVERY = 60.0
"""Seconds between two lines."""

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
        Taken from lazily, one item at a time.
    description : str
        What is being done, shown before the bar or in the line.
    total : int, optional
        Number of items; by default the iterable's length, where it has one.

    Yields
    ------
    item
        Each item, unchanged and in order.

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
            log.tell(lambda done=done: f"{description}, {done:,}{of}")  # type: ignore[misc] # mypy knows no lambda with a default
        return
    # Here and not above: most runs have no terminal and never need it.
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(iterable, total=total, description=description)


@contextlib.contextmanager
def status(description: str) -> Iterator[Callable[[str], None]]:
    """Show how work goes on whose steps come one by one, such as iterations.

    Parameters
    ----------
    description : str
        What is being done, shown at a terminal until the first step is told.

    Yields
    ------
    callable
        To be called after each step with a text such as ``"iteration 12 of 40"``.

    Examples
    --------
    >>> with status("training") as tell:
    ...     tell("iteration 1 of 40")
    """
    if not _at_a_terminal():
        log = _log()
        yield lambda text: log.tell(lambda: text)
        return
    from rich.console import Console

    with Console(stderr=True).status(description) as shown:
        yield lambda text: shown.update(f"{description}: {text}")


@contextlib.contextmanager
def program(name: str) -> Iterator[None]:
    """Let lines begin with the name of a command, and count its time from here."""
    global _program
    before, _program = _program, _Log(name)
    try:
        yield
    finally:
        _program = before


class _Log:
    """Lines that say how far a piece of work is, each with the time it has taken."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._start = time.monotonic()
        self._due = self._start + FIRST_LINE_AFTER

    def tell(self, text: Callable[[], str]) -> None:
        """Write a line, if it is time for one."""
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
    """Return the command's log, or in a program of somebody's own one for this piece of work."""
    return _program or _Log("speakergmm")


def _at_a_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
