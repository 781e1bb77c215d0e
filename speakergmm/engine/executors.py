"""Work on an executor that the user gives: anything with `submit`, such as a pool."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from speakergmm.engine.blas import single_threaded_blas
from speakergmm.engine.dask_client import DaskClient
from speakergmm.engine.kept_calls import MISSING, SentCall
from speakergmm.engine.processes import CallWithWarnings, issue_warnings
from speakergmm.errors import EngineError

Item = TypeVar("Item")
Result = TypeVar("Result")

# Tasks in flight for each worker: one that runs, and one that waits for it.
_AHEAD = 2


class Executor(Protocol):
    """Anything that runs functions elsewhere, as those of `concurrent.futures` do."""

    def submit(self, function: Any, /, *arguments: Any) -> Any:
        """Start a call and return its future, which has `result()` and `cancel()`."""


@dataclass(frozen=True, slots=True)
class _OnOneThread(Generic[Item, Result]):
    """A call with linear algebra on one thread."""

    function: Callable[[Item], Result]

    def __call__(self, item: Item) -> Result:
        with single_threaded_blas():
            return self.function(item)


def on_executor(
    executor: Executor | DaskClient,
    function: Callable[[Item], Result],
    items: Iterable[Item],
    *,
    keep: bool = False,
) -> Generator[Result, None, None]:
    """Yield the results of a function for items, in order, from an executor.

    Few items are in flight at any time. Calls that have not begun are cancelled if the results are
    not wanted any more. Warnings of other processes are issued here, and these keep a large
    function, which is not sent with every item.
    """
    if isinstance(executor, DaskClient):
        return executor.map(function, items, keep=keep)
    call = _OnOneThread(function)
    if isinstance(executor, ThreadPoolExecutor):
        return _in_order(executor, call, items)
    return issue_warnings(_in_order(executor, SentCall(CallWithWarnings(call)), items))


def _in_order(
    executor: Executor, call: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[Result, None, None]:
    most = _AHEAD * count_workers(executor)
    later = call.without_function() if isinstance(call, SentCall) else call
    waiting: deque[tuple[Any, Item]] = deque()
    whole = most  # the next calls that are sent with the function, to reach all workers

    def next_result() -> Result:
        nonlocal whole
        future, item = waiting.popleft()
        result: Result = future.result()
        if result is MISSING:  # in a worker that has been started since
            whole = most
            result = _submitted(executor, call, item).result()
        return result

    try:
        for item in items:
            waiting.append((_submitted(executor, call if whole > 0 else later, item), item))
            whole -= 1
            if len(waiting) >= most:
                yield next_result()
        while waiting:
            yield next_result()
    finally:
        for future, _ in waiting:
            future.cancel()


def _submitted(executor: Executor, call: Callable[[Item], Result], item: Item) -> Any:
    """Return the future of a call.

    Raises
    ------
    EngineError
        If the executor is closed.
    """
    try:
        return executor.submit(call, item)
    except BrokenExecutor:
        raise
    except RuntimeError as error:
        raise EngineError(
            f"engine is an executor that takes no work ({error}); give one that is open"
        ) from None


def count_workers(executor: Any) -> int:
    """Return the number of workers of an executor, or the number of cores if it does not say."""
    from speakergmm.engine.cores import count_cores

    if isinstance(executor, DaskClient):
        return executor.count
    found = getattr(executor, "_max_workers", None)
    return found if isinstance(found, int) and found > 0 else count_cores()
