"""Progress of long work: a bar or status line on a terminal, occasional lines in a log.

Both are written to standard error. Work of less than half a minute leaves no line in a log.
"""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, TypeVar

FIRST_LINE_AFTER = 30.0
"""Seconds of work before the first line in a log."""

LINE_EVERY = 60.0
"""Seconds between two lines in a log."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SizedWork:
    """A description of work on items of known sizes, whose speed and time left can be shown.

    Parameters
    ----------
    text : str
        Description of the work, as a plain description is.
    sizes : sequence of float
        Size of each item, in their order.
    unit : str, default="frames"
        Unit of the sizes, in the plural.
    """

    text: str
    sizes: Sequence[float]
    unit: str = "frames"


def track(
    iterable: Iterable[T],
    *,
    description: str | SizedWork,
    total: int | None = None,
) -> Iterator[T]:
    """Yield the items of an iterable while progress is shown.

    Parameters
    ----------
    iterable : iterable
        Items, which are taken lazily, one at a time.
    description : str or SizedWork
        Description of the work, shown in front of the bar or in the line. With sizes, what is
        shown is the size of the items that are done, the speed and the time left.
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
    >>> frames = SizedWork("Training", [70_000, 30_000])
    >>> list(track(["shard 0", "shard 1"], description=frames))
    ['shard 0', 'shard 1']
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    work = description if isinstance(description, SizedWork) else SizedWork(description, (), "")
    text, unit = work.text, work.unit
    if unit:
        total = round(sum(work.sizes))
    done = _Done(total, unit, start=time.monotonic() if unit else 0.0)
    steps = zip(iterable, chain(work.sizes, repeat(0 if unit else 1)), strict=False)
    if not _at_a_terminal():
        log = _log()
        for item, size in steps:
            yield item
            done.add(size)
            # Of iterations over much data there are fewer than lines.
            step = f"{log.step}; " if unit and log.step else ""
            log.write(lambda step=step: f"{step}{text}, {done}")  # type: ignore[misc] # mypy knows no lambda with a default
        return
    # Imported here, since most runs have no terminal.
    from rich.progress import BarColumn, Progress

    columns = ("{task.description}", BarColumn(), "{task.fields[done]}") if unit else ()
    bar = Progress(*columns)
    task = bar.add_task(text, total=total, done=str(done))
    with _terminal.showing(bar):
        for item, size in steps:
            yield item
            done.add(size)
            bar.update(task, advance=size, done=str(done))


@contextlib.contextmanager
def status(description: str) -> Iterator[Callable[[str], None]]:
    """Show the progress of work in steps, such as iterations.

    Work in such a step may show its own progress by `track`, in a line below.

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
        with _writing_to(_log()) as log:
            yield log.tell
        return
    from rich.spinner import Spinner

    line = Spinner("dots", description, style="status.spinner")
    with _terminal.showing(line):
        yield lambda text: line.update(text=f"{description}: {text}")


@dataclass
class _Done:
    """The amount of work that is done, of which the unit, if there is one, has a speed."""

    total: int | None
    unit: str
    start: float
    amount: float = 0

    def add(self, size: float) -> None:
        self.amount += size

    def __str__(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        text = f"{self.amount:,.0f}{of}"
        if not self.unit:
            return text
        text += f" {self.unit}"
        seconds = time.monotonic() - self.start
        if not (self.amount > 0 and seconds > 0):
            return text
        speed = self.amount / seconds
        text += f", {speed:,.0f} {self.unit}/s"
        if self.total is None or self.amount >= self.total:
            return text
        return f"{text}, {_clock((self.total - self.amount) / speed)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest:02d}"


class _Terminal:
    """The end of a terminal: a line for each piece of work, the outer ones first.

    Two displays that knew nothing of one another would write over each other's lines.
    """

    def __init__(self) -> None:
        self._lines: list[Any] = []
        self._live: Any = None
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def showing(self, line: Any) -> Iterator[None]:
        """Show something that rich can draw, until the ``with`` block ends."""
        with self._lock:
            self._lines = [*self._lines, line]
            if self._live is None:
                self._live = self._started()
        try:
            yield
        finally:
            with self._lock:
                self._lines = [shown for shown in self._lines if shown is not line]
                if not self._lines:
                    self._live.stop()
                    self._live = None

    def _started(self) -> Any:
        from rich.console import Console, Group
        from rich.live import Live

        console = Console(stderr=True)
        live = Live(console=console, transient=True, get_renderable=lambda: Group(*self._lines))
        live.start(refresh=True)
        return live


_terminal = _Terminal()


def announce(text: str) -> None:
    """Write one line about the work at once, such as the address where it can be watched."""
    if sys.stderr is not None:
        sys.stderr.write(f"{_log().name}: {text}\n")
        sys.stderr.flush()


@contextlib.contextmanager
def program(name: str) -> Iterator[None]:
    """Begin lines with the name of a command, and measure its time from here."""
    with _writing_to(_Log(name)):
        yield


class _Log:
    """Lines about the progress of a piece of work, each with the time that it has taken."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._start = time.monotonic()
        self._due = self._start + FIRST_LINE_AFTER
        self.step = ""

    def tell(self, step: str) -> None:
        """Write a line about the step that was taken last, if one is due."""
        self.step = step
        self.write(lambda: step)

    def write(self, text: Callable[[], str]) -> None:
        """Write a line, if the next one is due."""
        now = time.monotonic()
        if now < self._due or sys.stderr is None:
            return
        self._due = now + LINE_EVERY
        sys.stderr.write(f"{self.name}: {text()}, {_clock(now - self._start)}\n")
        sys.stderr.flush()


_current: _Log | None = None


def _log() -> _Log:
    """Return the log of the command, or, outside commands, a new one for this piece of work."""
    return _current or _Log("speakergmm")


@contextlib.contextmanager
def _writing_to(log: _Log) -> Iterator[_Log]:
    """Let all work in the ``with`` block write to a log; what it says of steps ends with it."""
    global _current
    before, _current = _current, log
    try:
        yield log
    finally:
        _current, log.step = before, ""


def _at_a_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty()
