"""Work on a Dask cluster, through the loss of workers and of what they hold."""

from __future__ import annotations

import hashlib
import pickle
import queue
import time
import uuid
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from speakergmm.engine.dask_calls import Sent, same, work
from speakergmm.engine.dask_cluster import Cluster
from speakergmm.engine.dask_cluster import is_dask_client as is_dask_client
from speakergmm.engine.kept_items import KeptItems
from speakergmm.engine.processes import issue_warnings
from speakergmm.errors import WorkerLostError

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_LOSSES = 10
"""How often one task may be lost with its worker before it is given up."""

# Tasks in flight for each thread of a worker: one that runs, and some that hide the latency.
_AHEAD = 4
# Items of more bytes than this are worth keeping on a worker for the next pass over them.
_WORTH_KEEPING = 100_000
_LOOK_EVERY = 1.0  # seconds without a result
_LOOK_FOR_WORKERS_EVERY = 5.0  # seconds


@dataclass(slots=True, eq=False)
class _Task(Generic[Item]):
    """An item on its way to its result."""

    number: int
    item: Sent[Item]
    digest: bytes | None
    future: Any = None
    worker: str = ""
    losses: int = 0


@dataclass(slots=True)
class _Outcome:
    """The result of a task, or its error."""

    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True, eq=False)
class DaskClient:
    """An executor whose workers are those of a Dask client.

    What is sent once is kept for the next pass: the function of a pass, and arrays that each pass
    of a training goes over, up to a quarter of the memory of the workers.

    Parameters
    ----------
    client : distributed.Client

    Raises
    ------
    InvalidTypeError, InvalidInputError
        If the client is asynchronous or closed.
    """

    client: Any
    cluster: Cluster = field(init=False)
    _kept: KeptItems = field(default_factory=KeptItems, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "cluster", Cluster.of(self.client))

    @property
    def count(self) -> int:
        """Number of threads of all workers at present."""
        return max(1, sum(self.cluster.threads().values()))

    def map(
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        keep: bool = False,
    ) -> Generator[Result, None, None]:
        """Yield the results of a function for items, in order.

        Parameters
        ----------
        function : callable
            Sent to each worker once.
        items : iterable
            Item i is sent to the same worker in each pass, as long as that worker is there, since
            the files that it names may be in its memory; others help out.
        keep : bool, default=False
            Items are arrays: they stay on the workers for the next pass over the same numbers, as
            far as there is room.

        Raises
        ------
        EngineError
            If the scheduler is gone, there is no worker, a worker has other software, or every
            worker dies that computes some item.
        """
        with self.cluster.at_work():
            if keep:
                self._kept.begin_pass(self.cluster.memory_limits())
            flow = _Flow(self, Sent(function), keep)
            try:
                yield from issue_warnings(flow.outcomes(items))
            finally:
                flow.cancel()

    def held(self, task: _Task[Any]) -> Any:
        """Return the item of a task as it is to be submitted: a future, if workers keep it."""
        if task.digest is None:
            return task.item
        found = self._kept.find(task.digest)
        if found is None and self._kept.has_room(task.item.n_bytes):

            def send() -> Any:
                task.worker = self.cluster.worker_of(task.number)
                return self.client.scatter([task.item], workers=[task.worker], hash=False)[0]

            found = self.cluster.ask(send, "the data")
            self._kept.add(task.digest, found, task.item.n_bytes)
        return task.item if found is None else found


@dataclass(slots=True, eq=False)
class _Flow:
    """One pass of a function over items: few in flight at any time, what is lost sent again."""

    executor: DaskClient
    function: Sent[Any]
    keep: bool
    name: str = ""
    sent: Any = None
    tasks: dict[int, _Task[Any]] = field(default_factory=dict)
    done: queue.SimpleQueue[tuple[int, Any]] = field(default_factory=queue.SimpleQueue)
    looked: float = 0.0

    def outcomes(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield the outcome of each item in order, with its warnings; raise its error."""
        self.name = type(self.function.value).__name__
        found: dict[int, _Outcome] = {}
        waiting, due = enumerate(items), 0
        exhausted = False
        while True:
            most = _AHEAD * self.executor.cluster.n_threads
            # Those that wait for an earlier one count, too: they take memory.
            while not exhausted and len(self.tasks) < most and len(found) < most:
                try:
                    number, item = next(waiting)
                except StopIteration:
                    exhausted = True
                else:
                    self.submit(self.prepared(number, item))
            if not self.tasks and exhausted and not found:
                return
            while due not in found:
                self.take(found)
            outcome = found.pop(due)
            due += 1
            if outcome.error is not None:
                raise outcome.error
            yield outcome.value

    def prepared(self, number: int, item: Any) -> _Task[Any]:
        """Return the task of an item; arrays that stay on workers are known by their content."""
        if not self.keep:
            return _Task(number, Sent(item), None)
        buffers: list[pickle.PickleBuffer] = []
        digest = hashlib.blake2b(pickle.dumps(item, 5, buffer_callback=buffers.append))
        n_bytes = 0
        for buffer in buffers:
            with buffer.raw() as raw:
                digest.update(raw)
                n_bytes += raw.nbytes
        worth = n_bytes > _WORTH_KEEPING
        return _Task(number, Sent(item, n_bytes), digest.digest() if worth else None)

    def submit(self, task: _Task[Any]) -> None:
        """Send a task to the worker of its number."""
        self.look_for_workers()
        client = self.executor.client
        task.worker = self.executor.cluster.worker_of(task.number)
        if self.sent is None or self.sent.status in ("cancelled", "lost", "error"):
            # Not scattered: what the scheduler has seen submitted it makes again on any worker.
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Sending large graph")
                self.sent = client.submit(same, self.function, pure=False)
        item = self.executor.held(task)
        task.future = client.submit(
            work,
            self.sent,
            item,
            key=f"{self.name}-{uuid.uuid4().hex}",
            pure=False,
            workers=[task.worker],
            allow_other_workers=True,
        )
        self.tasks[task.number] = task
        number = task.number
        task.future.add_done_callback(lambda future: self.done.put((number, future)))

    def take(self, found: dict[int, _Outcome]) -> None:
        """Wait for a task; keep its outcome, or send it again if it was lost."""
        silent_since = time.monotonic()
        while True:
            try:
                number, future = self.done.get(timeout=_LOOK_EVERY)
                break
            except queue.Empty:
                self.executor.cluster.look(silent_since)
        task = self.tasks[number]
        if future is not task.future:
            return  # it was sent again meanwhile
        outcome = self.outcome_of(task)
        if outcome is None:
            self.send_again(task)
        else:
            del self.tasks[number]
            found[number] = outcome

    def outcome_of(self, task: _Task[Any]) -> _Outcome | None:
        """Return what became of a task; None if it was lost."""
        from distributed.scheduler import KilledWorker

        future, task.future = task.future, None
        try:
            return _Outcome(self.executor.cluster.result(future).value)
        except CancelledError:
            self.executor.cluster.check_connected()
            return None
        except KilledWorker as killed:
            raise self.given_up(task, killed.last_worker.address) from None
        except Exception as error:
            self.executor.cluster.check_connected()
            return _Outcome(error=self.executor.cluster.explained(error, task.item.value))
        finally:
            future.release()

    def send_again(self, task: _Task[Any]) -> None:
        """Send a task again whose worker, or the data that it needs, is gone."""
        task.losses += 1
        if task.losses > MOST_LOSSES:
            raise self.given_up(task, task.worker)
        self.looked = 0.0
        self.submit(task)

    def given_up(self, task: _Task[Any], worker: str) -> WorkerLostError:
        """Return the error of a task whose workers die one after another."""
        return WorkerLostError(
            f"worker {worker} and {MOST_LOSSES} before it died while they computed item "
            f"{task.number} or one beside it, most likely for want of memory; "
            f"{self.executor.cluster.remedy()}"
        )

    def look_for_workers(self) -> None:
        """Notice workers that have come or gone, from time to time."""
        now = time.monotonic()
        if now - self.looked < _LOOK_FOR_WORKERS_EVERY:
            return
        self.looked = now
        self.executor.cluster.refresh()

    def cancel(self) -> None:
        """Cancel what is not wanted any more, and release what was sent."""
        futures = [task.future for task in self.tasks.values() if task.future is not None]
        self.tasks.clear()
        self.executor.cluster.cancel(futures)
        self.sent = None
