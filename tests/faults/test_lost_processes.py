"""Worker processes of this machine that are killed in the middle of their work."""

import os
import signal
import threading
import time
import warnings
from contextlib import suppress

import numpy as np
import psutil
import pytest
from oracles.parallel_tasks import SlowSums, add, die_at_three

from speakergmm.engine import Engine
from speakergmm.errors import EngineWarning, WorkerLostError

pytestmark = pytest.mark.faults

RNG = np.random.default_rng(4)
SHARDS = [RNG.normal(size=(3000, 13)) for _ in range(40)]
TASK = SlowSums(RNG.normal(size=7))


def workers():
    """Return the processes that joblib has started, without those that track resources."""
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if "popen_loky" in " ".join(process.cmdline())
    ]


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
