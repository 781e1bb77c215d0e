"""Worker processes of this machine that are killed in the middle of their work."""

import os
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from pathlib import Path

import numpy as np
import psutil
import pytest
from faults.processes import finish, started, wait_for
from oracles.parallel_tasks import DieOnce, SlowSums, add, die_at_three

from speakergmm.engine import Engine
from speakergmm.errors import EngineWarning, WorkerLostError

pytestmark = pytest.mark.faults

RNG = np.random.default_rng(4)
SHARDS = [RNG.normal(size=(3000, 13)) for _ in range(40)]
TASK = SlowSums(RNG.normal(size=7))


def workers():
    """Return the processes that joblib has started, without those that track resources."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended since
            if "popen_loky" in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_sums_are_the_same_if_workers_are_killed_twice():
    wanted = Engine(1).map_reduce(TASK, SHARDS, add)
    killed = []

    def kill_two():
        while len(killed) < 2:
            time.sleep(0.3)
            if found := [each.pid for each in workers() if each.pid not in killed]:
                with suppress(ProcessLookupError):
                    os.kill(found[0], signal.SIGKILL)
                    killed.append(found[0])

    killer = threading.Thread(target=kill_two)
    killer.start()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = Engine(2).map_reduce(TASK, SHARDS, add)
    killer.join(10)
    np.testing.assert_array_equal(found, wanted)
    assert len(killed) == 2
    assert any(issubclass(each.category, EngineWarning) for each in caught)


def test_items_are_read_once_though_workers_die():
    read = []

    def items():
        for number in range(12):
            read.append(number)
            yield number

    with (
        pytest.warns(EngineWarning, match="is computed again"),
        pytest.raises(WorkerLostError, match="most likely for want of memory"),
    ):
        list(Engine(2).map(die_at_three, items()))
    assert read == sorted(set(read))


DIES_WHILE_SENDING = """
import sys, warnings
from oracles.parallel_tasks import DieWhileSending
from speakergmm.engine import Engine

try:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        results = list(Engine(2).map(DieWhileSending(sys.argv[1]), range(8)))
    print([float(each.mean()) for each in results], *(each.category.__name__ for each in caught))
except KeyboardInterrupt:
    print("interrupted")
"""


@pytest.mark.parametrize("interrupted", [False, True])
def test_a_worker_killed_while_it_sends_a_result_is_not_waited_for(tmp_path, interrupted):
    # Loky waits for the rest of the result, and would do so for ever.
    mark = tmp_path / "mark"
    command = [sys.executable, "-c", DIES_WHILE_SENDING, str(mark)]
    with started(command, PYTHONPATH=str(Path(__file__).parents[1])) as process:
        if interrupted:
            assert wait_for(mark.exists, process)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
        found = finish(process, seconds=100)
    whole = f"{[float(number) for number in range(8)]} EngineWarning\n"
    assert found.out == ("interrupted\n" if interrupted else whole)
    assert (found.code, found.err) == (0, "")


def test_a_task_on_its_way_to_workers_that_die_leaves_no_thread_behind(tmp_path):
    # Loky sends it to a pipe that nobody reads any more; larger ones would be files.
    tasks = [np.full(100_000, number) for number in range(12)]
    with pytest.warns(EngineWarning, match="is computed again"):
        found = list(Engine(2).map(DieOnce(str(tmp_path / "mark")), tasks))
    assert found == [100_000 * number for number in range(12)]
    deadline = time.monotonic() + 10
    while len(senders()) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(senders()) == 1


def senders():
    """Return the threads that send tasks to worker processes."""
    return [each for each in threading.enumerate() if each.name == "QueueFeederThread"]
