"""Progress bars on standard error, for people at a terminal only."""

import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

T = TypeVar("T")


def track(
    iterable: Iterable[T],
    *,
    description: str,
    total: int | None = None,
    enabled: bool | None = None,
) -> Iterator[T]:
    """Yield the items of an iterable while a progress bar runs.

    Parameters
    ----------
    iterable : iterable
        Taken from lazily, one item at a time.
    description : str
        What is being done, shown before the bar.
    total : int, optional
        Number of items; by default the iterable's length, where it has one.
    enabled : bool, optional
        Draw the bar; by default only if standard error is a terminal.

    Yields
    ------
    item
        Each item, unchanged and in order.

    Examples
    --------
    >>> list(track([1, 2, 3], description="Counting"))
    [1, 2, 3]
    """
    if enabled is None:
        enabled = sys.stderr is not None and sys.stderr.isatty()
    if not enabled:
        yield from iterable
        return
    # Here and not above: most runs have no terminal and never need it.
    from rich.console import Console
    from rich.progress import Progress

    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with Progress(console=Console(stderr=True), transient=True) as progress:
        yield from progress.track(iterable, total=total, description=description)
