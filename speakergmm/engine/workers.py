"""The engine: where work is done, and in which order its results are put together."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from numbers import Integral
from typing import Any, TypeAlias, TypeVar

from speakergmm.engine.blas import single_threaded_blas
from speakergmm.engine.cores import effective_jobs
from speakergmm.engine.dask_client import DaskClient, is_dask_client
from speakergmm.engine.executors import Executor, count_workers, on_executor
from speakergmm.engine.pairwise_sums import combine_in_pairs
from speakergmm.engine.processes import on_processes
from speakergmm.engine.worker_errors import named_errors
from speakergmm.errors import InvalidTypeError
from speakergmm.progress import SizedWork, track

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Engine:
    """The place where work is done: what `engine` or `n_jobs` becomes below the public functions.

    Parameters
    ----------
    n_jobs : int or None, default=1
        Number of workers on this machine; -1 for all cores, -2 for all but one. Processes where
        recordings or shards of files are read, threads where arrays are in memory.
    executor : executor, optional
        Does the work instead: anything with `submit`, such as a pool of `concurrent.futures`, the
        one of joblib's loky, or the client of `dask.distributed`. Work on arrays in memory which
        is not worth sending is then done here, on one thread.

    Raises
    ------
    InvalidInputError
        If `n_jobs` is 0 or not an integer.

    Notes
    -----
    The engine changes nothing but the time: results come in the order of the items, and sums are
    combined in a fixed pairwise tree over the numbers of the shards, whoever computed which.
    Linear algebra runs on one thread within each task: workers do not compete for cores, and a
    product does not round differently.

    Examples
    --------
    >>> list(Engine(2).map_threads(abs, [-2, -1, 0]))
    [2, 1, 0]
    >>> Engine(2).map_reduce(abs, [-3, -2, -1], lambda left, right: left + right, in_memory=True)
    6
    """

    n_jobs: int | None = 1
    executor: Any = None

    def __post_init__(self) -> None:
        effective_jobs(self.n_jobs)

    @classmethod
    def of(cls, engine: EngineLike) -> Engine:
        """Return the engine that a function was given.

        Parameters
        ----------
        engine : int, executor, Dask client, Engine or None
            None is the engine of the enclosing ``with use(...)``; without one, one worker.

        Raises
        ------
        InvalidInputError
            If it is 0.
        InvalidTypeError
            If it is something else.
        """
        if engine is None:
            return _used.get()
        if isinstance(engine, cls):
            return engine
        if isinstance(engine, Integral | type) or not hasattr(engine, "submit"):
            if not isinstance(engine, Integral) or isinstance(engine, bool):
                raise InvalidTypeError(
                    "engine must be a number of workers, an executor with submit or a Dask client, "
                    f"found {type(engine).__name__} {engine!r:.80}"
                )
            return cls(int(engine))
        return cls(1, DaskClient(engine) if is_dask_client(engine) else engine)

    @property
    def count(self) -> int:
        """Number of workers."""
        return (
            effective_jobs(self.n_jobs) if self.executor is None else count_workers(self.executor)
        )

    @property
    def sends(self) -> bool:
        """Return whether tasks leave this process even if their arrays are in its memory."""
        return self.executor is not None and not isinstance(self.executor, ThreadPoolExecutor)

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        description: str | SizedWork | None = None,
    ) -> Iterator[Result]:
        """Apply a function to each item, in worker processes, and return the results in order.

        Parameters
        ----------
        function : callable
            Called with one item. With several workers it, the items and the results are sent
            between processes.
        items : iterable
        description : str or SizedWork, optional
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
        if description is not None:
            self.announce()
        return _described(self._results(function, items), items, description)

    def announce(self) -> None:
        """Write the address of the dashboard of a Dask cluster to standard error, once."""
        if isinstance(self.executor, DaskClient):
            self.executor.cluster.announce()

    def _results(
        self, function: Callable[[Item], Result], items: Iterable[Item], *, keep: bool = False
    ) -> Generator[Result, None, None]:
        if self.executor is not None:
            return named_errors(on_executor(self.executor, function, items, keep=keep))
        if self.count == 1:
            return _in_process(function, items)
        return named_errors(on_processes(function, items, self.count))

    def map_threads(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        description: str | SizedWork | None = None,
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
        description : str or SizedWork, optional
            Text of a progress bar on standard error; without it there is none.

        Returns
        -------
        iterator
            The results. An error raised for an item is raised when its turn comes.
        """
        return _described(self._on_threads(function, items), items, description)

    def _on_threads(
        self, function: Callable[[Item], Result], items: Iterable[Item]
    ) -> Generator[Result, None, None]:
        if isinstance(self.executor, ThreadPoolExecutor):
            return on_executor(self.executor, function, items)
        return _on_threads(function, items, 1 if self.sends else self.count)

    def map_reduce(
        self,
        task: Callable[[Item], Result],
        shards: Iterable[Item],
        combine: Callable[[Result, Result], Result],
        *,
        in_memory: bool = False,
        description: str | SizedWork | None = None,
    ) -> Result | None:
        """Compute a part of each shard, and combine the parts in a fixed pairwise tree.

        Parameters
        ----------
        task : callable
            Returns the part of one shard. Unless `in_memory`, task, shards and parts are sent
            between processes.
        shards : iterable
        combine : callable
            Combines a part with the one to the right of it; it may change and return the first.
        in_memory : bool, default=False
            The shards are arrays of this process: a number of workers means threads.
        description : str or SizedWork, optional
            Text of a progress bar on standard error; without it there is none.

        Returns
        -------
        object
            All parts combined, with the same bits on every engine; None if there is no shard.
        """
        if in_memory and not self.sends:
            found = self._on_threads(task, shards)
        else:  # arrays stay where they were sent, for the next pass over them
            if description is not None:
                self.announce()
            found = self._results(task, shards, keep=in_memory)
        with closing(found):  # whatever happens: an error that is kept would keep it open
            return combine_in_pairs(_described(found, shards, description), combine)


EngineLike: TypeAlias = "int | Executor | Engine | None"
"""A number of workers, an executor, a Dask client, or None for the engine in use."""

ONE_WORKER = Engine(1)
"""No parallel work."""

_used: ContextVar[Engine] = ContextVar("engine", default=ONE_WORKER)


@contextmanager
def use(engine: EngineLike) -> Iterator[Engine]:
    """Let all functions and estimators that are not told otherwise work on an engine.

    Parameters
    ----------
    engine : int, executor, Dask client or Engine
        As `Engine.of` takes it.

    Examples
    --------
    >>> with use(2) as engine:
    ...     Engine.of(None).count
    2
    """
    chosen = Engine.of(engine)
    token = _used.set(chosen)
    try:
        yield chosen
    finally:
        _used.reset(token)


def map_reduce(
    task: Callable[[Item], Result],
    shards: Iterable[Item],
    combine: Callable[[Result, Result], Result],
    *,
    engine: EngineLike = None,
    in_memory: bool = False,
) -> Result | None:
    """Compute a part of each shard on an engine, and combine the parts in a fixed pairwise tree.

    Parameters
    ----------
    task, shards, combine, in_memory
        As in `Engine.map_reduce`.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done.

    Returns
    -------
    object
        All parts combined, with the same bits on every engine; None if there is no shard.

    Examples
    --------
    >>> map_reduce(len, ["ab", "c"], lambda left, right: left + right)
    3
    """
    return Engine.of(engine).map_reduce(task, shards, combine, in_memory=in_memory)


def _in_process(
    function: Callable[[Item], Result], items: Iterable[Item]
) -> Generator[Result, None, None]:
    for item in items:
        with single_threaded_blas():
            result = function(item)
        yield result


def _on_threads(
    function: Callable[[Item], Result], items: Iterable[Item], count: int
) -> Generator[Result, None, None]:
    with single_threaded_blas():
        if count == 1:
            yield from map(function, items)
            return
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
    results: Iterator[Result], items: Iterable[Item], description: str | SizedWork | None
) -> Iterator[Result]:
    if description is None:
        return results
    total = len(items) if isinstance(items, Sized) else None
    return track(results, description=description, total=total)
