"""Ways to run a training: by itself, on processes, on a Dask cluster, and through a lost worker."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

# Of the iterations, the one in whose middle a worker is killed.
_KILL_IN = 4


@dataclass
class Way:
    """An engine, and the clock of the iterations on it."""

    engine: Any
    victim: int | None = None
    lost: str = ""
    n_iterations: int = 0
    seconds: float = 0.0
    _last: float = field(default_factory=time.perf_counter)

    def iteration_ends(self, number: int, iteration: Any) -> None:
        """Note the time of an iteration; the callback of the training."""
        self.n_iterations, self.seconds = number + 1, self.seconds + iteration.seconds
        if number + 1 == _KILL_IN - 1 and self.victim is not None:
            threading.Timer(iteration.seconds / 2, self._kill).start()

    def _kill(self) -> None:
        """Kill a worker as a batch system or a lack of memory does: it can do nothing about it."""
        assert self.victim is not None
        os.kill(self.victim, signal.SIGKILL)
        self.lost = f"a worker in iteration {_KILL_IN}"


@contextlib.contextmanager
def serial(jobs: int) -> Iterator[Way]:
    """Use this process alone."""
    yield Way(1)


@contextlib.contextmanager
def processes(jobs: int) -> Iterator[Way]:
    """Use worker processes of this machine."""
    yield Way(jobs)


@contextlib.contextmanager
def dask(jobs: int) -> Iterator[Way]:
    """Start a Dask cluster on this machine; on others, only how it is started differs."""
    from distributed import Client, LocalCluster

    settings: dict[str, Any] = {"threads_per_worker": 1, "dashboard_address": ":0"}
    with LocalCluster(n_workers=jobs, **settings) as cluster, Client(cluster) as client:
        yield Way(client)


@contextlib.contextmanager
def dask_worker_killed(jobs: int) -> Iterator[Way]:
    """Start one whose first worker is killed in the middle of the training."""
    with dask(jobs) as way:
        way.victim = next(iter(way.engine.run(os.getpid).values()))
        yield way


WAYS = {
    "serial": serial,
    "processes": processes,
    "dask": dask,
    "dask-worker-killed": dask_worker_killed,
}
