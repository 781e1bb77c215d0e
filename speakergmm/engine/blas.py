"""Linear algebra on one thread, wherever several workers would compete for the cores.

A matrix product that is shared out over threads may also round differently: on one thread, the
number of cores does not change a single bit of a result.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit the linear algebra of this process to one thread; may be nested, and shared by threads.

    The limit is one for the whole process: it is set when the first user enters, and what was
    before comes back when the last one leaves.
    """
    with _users_lock:
        if _users.count == 0:
            controller = _thread_controller("scipy.linalg" in sys.modules)
            _take_control(controller)
            _users.limiter = controller.limit(limits=1, user_api="blas")
            _users.controller = controller
        _users.count += 1
    try:
        yield
    finally:
        with _users_lock:
            _users.count -= 1
            if _users.count == 0:
                _take_control(_users.controller)
                _users.limiter.restore_original_limits()
                _take_control(_users.controller)
                _users.limiter = _users.controller = None


@dataclass(slots=True)
class _Users:
    """The pieces of work that need linear algebra on one thread at present."""

    count: int = 0
    limiter: Any = None
    controller: Any = None


_users = _Users()
_users_lock = threading.Lock()


def _take_control(controller: Any) -> None:
    # From version 3.8 on, threadpoolctl silently ignores every thread but the first that set a
    # limit. Here the first to come sets it and the last to go, another perhaps, takes it back.
    for library in controller.lib_controllers:
        if hasattr(library, "clear_controlling_thread"):
            library.clear_controlling_thread(force=True)


@cache
def _thread_controller(with_scipy: bool) -> Any:
    # Looking through all loaded libraries takes milliseconds: once, not once an item. NumPy's is
    # there from the start, SciPy brings its own later (hence the argument, which tells the two).
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
