"""One function over many items, in worker processes or threads, results in the items' order.

Wherever there are several workers, linear algebra runs on one thread: workers do not fight for the
cores, and a matrix product that is shared out over threads may round differently.
"""

import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Generic, TypeVar

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.progress import track

_WATCH_PARENT_EVERY = 0.5  # seconds

Item = TypeVar("Item")
Result = TypeVar("Result")


def _on_threads(
    function: Callable[[Item], Result], items: Iterable[Item], count: int
) -> Iterator[Result]:
    with single_threaded_blas():
        if count == 1:
            yield from map(function, items)
            return
        from collections import deque
        from concurrent.futures import Future, ThreadPoolExecutor

        with ThreadPoolExecutor(count) as pool:
            waiting: deque[Future[Result]] = deque()
            try:
                for item in items:
                    waiting.append(pool.submit(function, item))
                    if len(waiting) > 2 * count:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()


def _described(
    results: Iterator[Result], items: Iterable[Item], description: str | None
) -> Iterator[Result]:
    if description is None:
        return results
    total = len(items) if isinstance(items, Sized) else None
    return track(results, description=description, total=total)


def effective_jobs(n_jobs: int | None) -> int:
    """Return the number of processes or threads that `n_jobs` asks for; None asks for one.

    Raises
    ------
    InvalidInputError
        If it is 0 or not an integer.

    Examples
    --------
    >>> effective_jobs(3)
    3
    """
    if n_jobs is None:
        return 1
    if isinstance(n_jobs, bool) or not isinstance(n_jobs, int) or n_jobs == 0:
        raise InvalidInputError(
            f"n_jobs (--jobs) is {n_jobs!r}; give a positive number, or -1 for all cores"
        )
    if n_jobs > 0:
        return n_jobs
    return max(1, _count_cores() + 1 + n_jobs)


@dataclass(frozen=True, slots=True)
class Workers:
    """The workers that a piece of work may use: what `n_jobs` becomes below the public functions.

    Parameters
    ----------
    n_jobs : int or None, default=1
        Number of workers; -1 for all cores, -2 for all but one. Processes where recordings are
        read, threads where arrays are in memory. The number changes nothing but the time.

    Raises
    ------
    InvalidInputError
        If `n_jobs` is 0 or not an integer.

    Examples
    --------
    >>> list(Workers(2).map_threads(abs, [-2, -1, 0]))
    [2, 1, 0]
    """

    n_jobs: int | None = 1

    def __post_init__(self) -> None:
        effective_jobs(self.n_jobs)

    @property
    def count(self) -> int:
        """Number of workers on this machine."""
        return effective_jobs(self.n_jobs)

    def map_processes(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        description: str | None = None,
    ) -> Iterator[Result]:
        """Apply a function to each item in worker processes, and return the results in order.

        Linear algebra runs on one thread within each call, however many workers there are: they do
        not compete for cores, and their number does not change a single bit of a result.

        Parameters
        ----------
        function : callable
            Called with one item. With several workers it, the items and the results are sent
            between processes.
        items : iterable
        description : str, optional
            Text of a progress bar on standard error; without it there is none.

        Returns
        -------
        iterator
            The results. An error raised for an item is raised when its turn comes. Each distinct
            warning of the workers is issued once in this process.

        Raises
        ------
        SpeakerGmmError
            If a worker process dies (most often for lack of memory).
        """
        count = self.count
        if count == 1:
            results = _in_process(function, items)
        else:
            results = _in_workers(function, items, count)
        return _described(results, items, description)

    def map_threads(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        description: str | None = None,
    ) -> Iterator[Result]:
        """Apply a function to each item on threads of this process, and return results in order.

        It suits functions that spend their time in NumPy, on arrays that need not be sent then.

        Parameters
        ----------
        function : callable
            Called with one item.
        items : iterable
            Read as results are taken: few items are in flight at any time, so that a stream from
            disk is never held as a whole.
        description : str, optional
            Text of a progress bar on standard error; without it there is none.

        Returns
        -------
        iterator
            The results. An error raised for an item is raised when its turn comes.
        """
        return _described(_on_threads(function, items, self.count), items, description)


ONE_WORKER = Workers(1)
"""No parallel work."""


def _count_cores() -> int:
    """Count the cores that this process may use, which containers and batch systems limit."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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


def _in_process(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    for item in items:
        with single_threaded_blas():
            result = function(item)
        yield result


def _in_workers(
    function: Callable[[Item], Result], items: Iterable[Item], count: int
) -> Iterator[Result]:
    from joblib import Parallel, delayed, parallel_config
    from joblib.externals.loky.process_executor import BrokenProcessPool, TerminatedWorkerError

    call = delayed(_Recorded(function))
    issued: set[tuple[type[Warning], str]] = set()
    workers = parallel_config(
        backend="loky",
        n_jobs=count,
        inner_max_num_threads=1,
        initializer=_begin_worker,
        initargs=(os.getpid(),),
    )
    try:
        with workers, _beyond_the_terminal():
            outcomes = Parallel(return_as="generator")(call(item) for item in items)
        for result, caught in outcomes:
            for category, message in caught:
                if (category, message) not in issued:
                    issued.add((category, message))
                    warnings.warn(message, category, stacklevel=2)
            yield result
    except TerminatedWorkerError:
        raise SpeakerGmmError(
            f"a worker process died, most likely for want of memory; try fewer than {count} jobs"
        ) from None
    except BrokenProcessPool as error:
        reason = " ".join(str(error.__cause__ or error).split())[:200]
        raise SpeakerGmmError(f"a worker process failed: {reason}") from None


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
class _Recorded(Generic[Item, Result]):
    """A call that brings its warnings home, where they can be seen and filtered."""

    function: Callable[[Item], Result]

    def __call__(self, item: Item) -> tuple[Result, list[tuple[type[Warning], str]]]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = self.function(item)
        return result, list(dict.fromkeys((w.category, str(w.message)) for w in caught))


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
