"""A Dask cluster: its workers, their software, and whether it is still there."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from weakref import WeakKeyDictionary

from speakergmm.engine.dask_checks import check_software, raise_allowed_failures
from speakergmm.engine.dask_connection import quiet
from speakergmm.errors import (
    EngineError,
    EngineWarning,
    InvalidInputError,
    InvalidTypeError,
    SchedulerLostError,
)
from speakergmm.progress import announce

Answer = TypeVar("Answer")

KEEP_LOST_WORKERS = "300s"
"""How long a cluster of this process keeps the place of a worker that has died.

By default it looks after 15 seconds, and a worker that has died again just then is never replaced.
"""

WAIT_FOR_WORKERS = 120.0
"""Seconds without any worker, or with all of them paused, before the work is given up."""

_ANSWER_WITHIN = 20.0  # seconds, for the scheduler
_RESUME = "the same command goes on from its checkpoint if it was given one"


def is_dask_client(executor: object) -> bool:
    """Return whether an object is a Dask client, without importing Dask."""
    loaded = sys.modules.get("distributed")
    return loaded is not None and isinstance(executor, loaded.Client)


@dataclass(slots=True, eq=False)
class Cluster:
    """The cluster of a client, known once for all work on it.

    Attributes
    ----------
    slots : list of str
        Addresses of workers: item i of every pass is sent to slot i, modulo their number. A worker
        that goes is replaced in its slot by one that comes, so that the others keep their items.
    n_threads : int
        Threads of all workers when they were last counted.
    """

    client: Any
    slots: list[str] = field(default_factory=list)
    n_threads: int = 0
    checked: set[str] = field(default_factory=set)
    _prepared: bool = False
    _told: set[str] = field(default_factory=set)
    _known: ClassVar[WeakKeyDictionary[Any, Cluster]] = WeakKeyDictionary()

    @classmethod
    def of(cls, client: Any) -> Cluster:
        """Return what is known of the cluster of a client.

        Raises
        ------
        InvalidTypeError
            If the client is asynchronous.
        InvalidInputError
            If it is closed.
        """
        if client.asynchronous:
            raise InvalidTypeError(
                "engine is an asynchronous Dask client; give one made by Client(address), without "
                "asynchronous=True, and not from within a coroutine"
            )
        if client.status in ("closed", "closing", "newly-created"):
            raise InvalidInputError(
                f"engine is a Dask client that is {client.status}; give one that is connected"
            )
        return cls._known.setdefault(client, cls(client))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Wait for workers, check them once, and keep Dask's own messages from the user."""
        import dask

        with (
            quiet(),
            dask.config.set({"distributed.deploy.lost-worker-timeout": KEEP_LOST_WORKERS}),
        ):
            self.check_connected()
            if not self._prepared:
                raise_allowed_failures(self.client)
                self._prepared = True
            self.refresh()
            yield

    def ask(self, question: Callable[[], Answer], what: str = "an answer") -> Answer:
        """Return the answer of the cluster; an error if its scheduler is gone."""
        from distributed.comm.core import CommClosedError

        for remaining in (2, 1, 0):
            self.check_connected()
            try:
                return question()
            except (OSError, TimeoutError, CommClosedError, KeyError) as error:
                self.check_connected()
                if not remaining:
                    raise SchedulerLostError(
                        f"the scheduler {self.address} does not take {what} "
                        f"({type(error).__name__}); {_RESUME}"
                    ) from None
                time.sleep(0.2)  # a worker may have died of which the scheduler does not know yet
                self.refresh()
        raise AssertionError  # not reached

    @property
    def address(self) -> str:
        """Address of the scheduler."""
        scheduler = self.client.scheduler
        return str(scheduler.address) if scheduler is not None else "of the client"

    def announce(self) -> None:
        """Write the address of the dashboard to standard error, once."""
        if "dashboard" in self._told:
            return
        self._told.add("dashboard")
        try:
            link = self.client.dashboard_link
        except (KeyError, AttributeError, OSError):
            link = ""  # it has none
        where = f"dashboard {link}" if link else "without a dashboard"
        announce(f"scheduler {self.address}, {where}")

    def check_connected(self) -> None:
        """Raise an error if the scheduler is gone.

        Raises
        ------
        SchedulerLostError
        """
        if self.client.status != "running":
            raise SchedulerLostError(f"the scheduler {self.address} is gone; {_RESUME}")

    def threads(self) -> dict[str, int]:
        """Return the number of threads of each worker that is there."""
        self.check_connected()
        try:
            found: dict[str, int] = self.client.sync(
                self.client.scheduler.ncores, callback_timeout=_ANSWER_WITHIN
            )
        except OSError as error:  # closed connections and time that has run out are such errors
            self.check_connected()
            # The connection may be closed before the client has noticed that it is.
            what = "does not answer" if isinstance(error, TimeoutError) else "is gone"
            raise SchedulerLostError(f"the scheduler {self.address} {what}; {_RESUME}") from None
        return found

    def refresh(self) -> None:
        """Bring the slots up to date, and warn of workers that are gone.

        Raises
        ------
        EngineError
            If there is no worker for a long time, or one has other software.
        """
        present = self._some_workers()
        for worker in sorted(set(self.slots) - present.keys()):
            text = f"worker {worker} is gone; what it had to compute is computed again"
            warnings.warn(text, EngineWarning, stacklevel=2)
        free = sorted(present.keys() - set(self.slots))
        slots = [
            worker if worker in present else (free.pop(0) if free else "") for worker in self.slots
        ]
        self.slots = [*filter(None, slots), *free]
        self.n_threads = sum(present.values())
        self.checked |= check_software(self.client, set(self.slots) - self.checked)

    def worker_of(self, number: int) -> str:
        """Return the worker of an item."""
        return self.slots[number % len(self.slots)]

    def _some_workers(self) -> dict[str, int]:
        since = time.monotonic()
        while True:
            present = self.threads()
            if present:
                return present
            self._wait(since, "there is no worker", "start some with: dask worker")
            time.sleep(0.1)

    def _wait(self, since: float, reason: str, remedy: str) -> None:
        """Warn once that the work waits; raise an error if it has waited for too long."""
        text = f"scheduler {self.address}: {reason}"
        if time.monotonic() - since > WAIT_FOR_WORKERS:
            raise EngineError(
                f"{text}, after {WAIT_FOR_WORKERS:.0f} seconds; {remedy} {self.address}"
            )
        if reason not in self._told:
            self._told.add(reason)
            warnings.warn(
                f"{text}; waiting {WAIT_FOR_WORKERS:.0f} seconds", EngineWarning, stacklevel=2
            )

    def look(self, silent_since: float) -> None:
        """Find out why no result has come for a while.

        Raises
        ------
        EngineError
            If the scheduler is gone, or no worker has been able to work for long.
        """
        present = self.threads()
        if not present:
            self._wait(silent_since, "there is no worker", "start some with: dask worker")
        elif time.monotonic() - silent_since > 10 * 1.0 and set(self._paused()) >= set(present):
            self._wait(silent_since, "all workers are paused by their memory limit", self.remedy())

    def _paused(self) -> list[str]:
        workers = self._workers()
        return [address for address, each in workers.items() if each.get("status") == "paused"]

    def memory_limits(self) -> list[int]:
        """Return the limits of the memory of all workers, in bytes; 0 where there is none."""
        workers = self.ask(self._workers)
        return [each.get("memory_limit") or 0 for each in workers.values()]

    def _workers(self) -> dict[str, Any]:
        found: dict[str, Any] = self.client.scheduler_info(n_workers=-1)["workers"]
        return found

    def remedy(self) -> str:
        """Return what helps against a lack of memory."""
        return (
            "give each worker more memory (dask worker --memory-limit), fewer threads, or smaller "
            "shards: a thread needs the statistics, one shard and one block of frames"
        )

    def result(self, future: Any) -> Any:
        """Return the result of a future that is done.

        Raises
        ------
        CancelledError
            If it was lost, or does not come for a long time.
        """
        try:
            return future.result(timeout=_ANSWER_WITHIN)
        except TimeoutError:
            if future.status == "error":
                raise  # the task's own
            self.threads()
            raise CancelledError from None

    def explained(self, error: Exception, item: Any) -> Exception:
        """Return an error of a task; one about a file that is there says who cannot see it."""
        notes = getattr(error, "__notes__", [])
        worker = notes.pop() if notes else "a worker"  # the last note is the worker's own
        if not notes and hasattr(error, "__notes__"):
            del error.__notes__
        named = (getattr(item, name, None) for name in ("path", "folder"))
        paths = [each for each in named if isinstance(each, str | os.PathLike)]
        unseen = [path for path in paths if not self._sees(worker, path)]
        for path in (*_paths_missed(error), *unseen):
            if Path(path).exists():
                return EngineError(
                    f"{worker} cannot see {path}; give a path that all workers see, such as "
                    "one on a shared disk"
                )
        return error

    def _sees(self, worker: str, path: str | os.PathLike[str]) -> bool:
        """Return whether a worker sees a path; True if it does not answer."""
        address = worker.removeprefix("worker ")
        with suppress(Exception):
            return bool(self.client.run(os.path.exists, path, workers=[address])[address])
        return True

    def cancel(self, futures: list[Any]) -> None:
        """Cancel tasks, without complaint if the scheduler is gone."""
        if futures and self.client.status == "running":
            with suppress(OSError, TimeoutError):
                self.client.cancel(futures, force=True)


def _paths_missed(error: BaseException | None) -> Iterator[str]:
    """Yield the paths that an error and its causes say are not there."""
    while error is not None:
        if isinstance(error, FileNotFoundError):
            yield from (each for each in (error.filename, *error.args[:1]) if isinstance(each, str))
        elif getattr(error, "kind", None) == "missing":
            yield str(getattr(error, "path", ""))
        error = error.__cause__ or error.__context__
