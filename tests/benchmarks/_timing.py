"""CPU times of several callables, interleaved, so that a busy machine is unfair to none."""

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any


def interleaved_medians(
    callables: Mapping[str, Callable[[], Any]],
    *,
    rounds: int = 7,
    clock: Callable[[], float] = time.process_time,
) -> dict[str, float]:
    """Median CPU seconds of each callable over rounds in which all take their turn.

    The first round warms up and does not count. CPU time is that of all threads of the process:
    limit BLAS to one thread around this to compare algorithms. Another `clock` may be given, such
    as that on the wall for work on several threads.
    """
    times: dict[str, list[float]] = {name: [] for name in callables}
    for round_number in range(rounds + 1):
        for name, function in callables.items():
            gc.collect()
            before = clock()
            result = function()
            spent = clock() - before
            del result
            if round_number:
                times[name].append(spent)
    return {name: statistics.median(spent) for name, spent in times.items()}
