"""Warnings of tasks, caught thread by thread, so that they can be sent home."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

Caught = list[tuple[type[Warning], str]]


@contextmanager
def caught_warnings() -> Iterator[Caught]:
    """Yield a list that receives the warnings of this thread, and of no other one.

    Filters of warnings are one for the whole process, and tasks may run on many of its threads: the
    first to enter changes them, and what was before comes back when the last one leaves.
    """
    before = getattr(_of_thread, "caught", None)
    caught: Caught = []
    with _lock:
        if _users.count == 0:
            _users.outside = warnings.catch_warnings()
            _users.outside.__enter__()
            _users.show = warnings.showwarning
            warnings.simplefilter("always")
            warnings.showwarning = _keep
        _users.count += 1
    _of_thread.caught = caught
    try:
        yield caught
    finally:
        _of_thread.caught = before
        with _lock:
            _users.count -= 1
            if _users.count == 0:
                _users.outside.__exit__(None, None, None)


@dataclass(slots=True)
class _Users:
    """The calls that catch warnings at present, and what comes back after the last of them."""

    count: int = 0
    outside: Any = None
    show: Any = None


_users = _Users()
_lock = threading.Lock()
_of_thread = threading.local()


def _keep(message: Warning | str, category: type[Warning], *place: Any, **more: Any) -> None:
    """Keep a warning for the call of this thread; show it if there is none."""
    caught: Caught | None = getattr(_of_thread, "caught", None)
    if caught is None:
        _users.show(message, category, *place, **more)
    elif (category, str(message)) not in caught:
        caught.append((category, str(message)))
