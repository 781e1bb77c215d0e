"""Worker processes on this machine: started by joblib, ended with their parent."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Generic, TypeVar

from speakergmm.engine.caught_warnings import caught_warnings
from speakergmm.engine.freed_memory import keep_freed_memory
from speakergmm.engine.worker_errors import reason_of, sendable
from speakergmm.errors import EngineError, EngineWarning, WorkerLostError

MOST_DEATHS = 3
"""How often worker processes may die without a result in between."""

_WATCH_PARENT_EVERY = 0.5  # seconds

Item = TypeVar("Item")
Result = TypeVar("Result")


def on_processes(
    function: Callable[[Item], Result], items: Iterable[Item], count: int
) -> Iterator[Result]:
    """Yield the results of a function for items, in order, from worker processes.

    If a worker process dies, all of them are started again, and what was lost is computed again.

    Raises
    ------
    WorkerLostError
        If workers die again and again without a result, most often for want of memory.
    EngineError
        If a worker cannot be sent the work.
    """
    return issue_warnings(_outcomes(CallWithWarnings(function), items, count))


def _outcomes(
    call: Callable[[Item], Result], items: Iterable[Item], count: int
) -> Iterator[Result]:
    from speakergmm.engine.shared_workers import agreed_number

    with agreed_number(count) as n_workers:
        yield from _until_done(call, _Repeatable(items), n_workers)


def _until_done(
    call: Callable[[Item], Result], source: _Repeatable[Item], count: int
) -> Iterator[Result]:
    from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

    deaths = 0
    while True:
        try:
            for outcome in _in_parallel(call, source.begin(), count):
                source.drop_first()
                deaths = 0
                yield outcome
            return
        except TerminatedWorkerError:
            deaths += 1
            if deaths > MOST_DEATHS:
                raise WorkerLostError(
                    "a worker process died, most likely for want of memory; try fewer than "
                    f"{count} jobs"
                ) from None
            text = "a worker process died; what it had to compute is computed again"
            warnings.warn(text, EngineWarning, stacklevel=2)
        except BrokenProcessPool as error:
            raise EngineError(f"a worker process failed: {reason_of(error)}") from None


def _in_parallel(
    call: Callable[[Item], Result], items: Iterable[Item], count: int
) -> Iterator[Result]:
    from joblib import delayed, parallel_config

    from speakergmm.engine.shared_workers import QuietParallel, SharedWorkers

    workers = SharedWorkers(initializer=_begin_worker, initargs=(os.getpid(),))
    config = parallel_config(backend=workers, n_jobs=count, inner_max_num_threads=1)
    delay = delayed(call)
    with config, _beyond_the_terminal():
        parallel = QuietParallel(return_as="generator")
        found: Iterator[Result] = parallel(delay(item) for item in items)
    return found


class _Repeatable(Generic[Item]):
    """Items that are read once, but can be begun again from the first without a result.

    A thread of joblib reads them, which may still do so when its workers are lost: what it takes
    then is taken from it.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._items = iter(items)
        self._waiting: deque[Item] = deque()
        self._lock = threading.Lock()
        self._reader = 0

    def begin(self) -> Iterator[Item]:
        """Return an iterator over all items without a result; earlier iterators end."""
        with self._lock:
            self._reader += 1
            reader, again = self._reader, list(self._waiting)
        return chain(again, self._further(reader))

    def _further(self, reader: int) -> Iterator[Item]:
        while True:
            with self._lock:
                if reader != self._reader:
                    return
                try:
                    item = next(self._items)
                except StopIteration:
                    return
                self._waiting.append(item)
            yield item

    def drop_first(self) -> None:
        """Forget the first item, which has its result."""
        with self._lock:
            self._waiting.popleft()


@contextmanager
def _beyond_the_terminal() -> Iterator[None]:
    """Start processes that Ctrl-C and a closed terminal do not reach; this one answers them after.

    A terminal sends these signals to all processes, and only this one knows what to do.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGHUP})
    try:
        _start_trackers()
        # They let interrupts through again.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_trackers() -> None:
    """Start the processes that remove shared memory after a crash, without their complaints."""
    from multiprocessing import resource_tracker

    from joblib.externals.loky.backend import resource_tracker as loky_tracker

    resource_tracker.ensure_running()
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore"
    try:
        loky_tracker.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONWARNINGS"]
        else:
            os.environ["PYTHONWARNINGS"] = before


def _begin_worker(parent: int) -> None:
    """See to it that a worker process answers no Ctrl-C and does not outlive its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with, args=(parent,), daemon=True).start()


def _leave_with(parent: int) -> None:
    """End this process when its parent has ended, however that was."""
    # Linux can be asked to send a signal then, but sends it when the *thread* that started the
    # worker ends, which in a server may be long before the process.
    if sys.platform == "win32":
        import _winapi

        synchronize = 0x0010_0000
        try:
            handle = _winapi.OpenProcess(synchronize, False, parent)
            _winapi.WaitForSingleObject(handle, _winapi.INFINITE)
        except OSError:
            pass  # there is no such process any more
    else:
        while os.getppid() == parent:
            time.sleep(_WATCH_PARENT_EVERY)
    os._exit(1)


@dataclass(frozen=True, slots=True)
class CallWithWarnings(Generic[Item, Result]):
    """A call that brings its warnings home, where they can be seen and filtered."""

    function: Callable[[Item], Result]

    def __call__(self, item: Item) -> tuple[Result, list[tuple[type[Warning], str]]]:
        """Return the result for an item, and the distinct warnings that were issued."""
        keep_freed_memory()
        with caught_warnings() as caught:
            try:
                return self.function(item), caught
            except Exception as error:
                failure = sendable(error)
        raise failure  # outside, as what cannot be sent would go along as its context


def issue_warnings(
    outcomes: Iterable[tuple[Result, list[tuple[type[Warning], str]]]],
) -> Generator[Result, None, None]:
    """Yield the results of such calls, and issue each distinct warning of theirs once."""
    issued: set[tuple[type[Warning], str]] = set()
    for result, caught in outcomes:
        for category, message in caught:
            if (category, message) not in issued:
                issued.add((category, message))
                warnings.warn(message, category, stacklevel=2)
        yield result
