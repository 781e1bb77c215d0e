"""One thread of linear algebra per worker, so that workers do not fight over the cores.

It also makes results independent of the number of workers: a matrix product that is shared out
over threads may round differently.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, TypeVar

from speakergmm.errors import InvalidInputError

Item = TypeVar("Item")
Result = TypeVar("Result")

_lock = threading.Lock()
_users = 0
_limiter: Any = None


@lru_cache(maxsize=1)
def _controller() -> Any:
    # Finding the loaded libraries takes milliseconds; once is enough, NumPy's is always there.
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Limit the linear algebra of this process to one thread; may be nested and shared."""
    global _users, _limiter
    with _lock:
        if _users == 0:
            _limiter = _controller().limit(limits=1, user_api="blas")
            _limiter.__enter__()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limiter.__exit__(None, None, None)
                _limiter = None


def count_workers(n_jobs: int) -> int:
    """Count the threads that `n_jobs` asks for: itself, or all cores less `-n_jobs - 1`.

    Raises
    ------
    InvalidInputError
        If `n_jobs` is zero.
    """
    if n_jobs == 0:
        raise InvalidInputError(
            "n_jobs must be positive, or negative to count from all cores; found 0"
        )
    return n_jobs if n_jobs > 0 else max(1, (os.cpu_count() or 1) + 1 + n_jobs)


def map_in_order(
    function: Callable[[Item], Result], items: Iterable[Item], *, n_jobs: int
) -> Iterator[Result]:
    """Results of `function` in the order of the items, on `n_jobs` threads.

    Few items are in flight at any time, so that a stream from disk is never held as a whole.
    """
    n_workers = count_workers(n_jobs)
    with single_threaded_blas():
        if n_workers == 1:
            yield from map(function, items)
            return
        from collections import deque
        from concurrent.futures import Future, ThreadPoolExecutor

        with ThreadPoolExecutor(n_workers) as pool:
            waiting: deque[Future[Result]] = deque()
            try:
                for item in items:
                    waiting.append(pool.submit(function, item))
                    if len(waiting) > 2 * n_workers:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
