"""Dask clusters as users start them: a scheduler and machines, each a group of processes."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from distributed import Client

# What workers import besides the package.
TESTS = Path(__file__).parents[1]


@dataclass(eq=False)
class DaskMachines:
    """A scheduler, and machines with one nanny and one worker each."""

    folder: Path
    scheduler: Any = None
    machines: list[Any] = field(default_factory=list)

    @property
    def file(self):
        return self.folder / "scheduler.json"

    def start_scheduler(self):
        self.scheduler = self._start(
            *("distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard"),
            *("--scheduler-file", self.file),
            # Tests that are killed themselves cannot end it; its workers end with it.
            *("--idle-timeout", "5 minutes"),
        )
        _wait_for(self.file.exists)

    def start_machine(self):
        started = self._start(
            *("distributed.cli.dask_worker", "--scheduler-file", self.file, "--nanny"),
            *("--nthreads", "1", "--no-dashboard", "--local-directory", self.folder),
        )
        self.machines.append(started)

    @contextmanager
    def client(self, n_workers=0):
        with Client(scheduler_file=self.file, timeout=20, set_as_default=False) as client:
            if n_workers:
                client.wait_for_workers(n_workers, timeout=60)
            yield client

    def kill_worker(self):
        """Kill one worker, which its nanny starts again."""
        with self.client(1) as client:
            os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)

    def kill_machine(self):
        """Kill a nanny with its worker, as when a machine is switched off."""
        _kill(self.machines.pop())

    def kill_scheduler(self):
        _kill(self.scheduler)

    def close(self):
        for process in (self.scheduler, *self.machines):
            if process is not None:
                _kill(process)

    def _start(self, module, *arguments):
        log = (self.folder / f"{module}.log").open("a")
        path = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
        with log:
            return subprocess.Popen(
                [sys.executable, "-m", module, *map(str, arguments)],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            )


@contextmanager
def dask_machines(folder, n_machines):
    """Start a scheduler and machines; nothing of them survives."""
    folder.mkdir(exist_ok=True)
    made = DaskMachines(folder)
    with ExitStack() as stack:
        stack.callback(made.close)
        made.start_scheduler()
        for _ in range(n_machines):
            made.start_machine()
        with made.client(n_machines):
            pass
        yield made


def _kill(process):
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait_for(found, seconds=60):
    until = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < until
        time.sleep(0.02)
