"""Several passes over worker processes at a time, and passes that end before their time."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from operator import neg

import pytest
from oracles.parallel_tasks import square

from speakergmm.engine import Engine, blas

SQUARES = [n * n for n in range(12)]


@pytest.mark.parametrize("others", [2, 3])
def test_passes_of_several_threads_share_the_workers(others):
    # A pass of another size would wait for ever.
    def passes(n_jobs):
        return [list(Engine(n_jobs).map(square, range(12))) for _ in range(3)]

    with ThreadPoolExecutor(2) as threads:
        found = [threads.submit(passes, n_jobs) for n_jobs in (2, others)]
        assert [each.result(timeout=60) for each in found] == [[SQUARES] * 3] * 2


@pytest.mark.slow
def test_a_pass_within_a_pass_may_have_another_size_and_may_fail():
    found = []
    for each in Engine(2).map(square, range(12)):
        found.append(each)
        assert list(Engine(3).map(neg, [1, 2])) == [-1, -2]
        with pytest.raises(TypeError, match="NoneType"):
            list(Engine(2).map(neg, [1, None]))
    assert found == SQUARES


def test_a_pass_that_is_left_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = Engine(2).map(square, range(100))
        assert next(results) == 0
        results.close()


@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interrupted_sum_leaves_nothing_running(n_jobs, in_memory):
    def interrupted(left, right):
        raise KeyboardInterrupt

    before = threading.active_count()
    # The error is held, as a notebook does, and with it every frame that it has passed through.
    with pytest.raises(KeyboardInterrupt) as held:
        Engine(n_jobs).map_reduce(square, range(50), interrupted, in_memory=in_memory)
    assert held.value is not None
    assert blas._users.count == 0
    assert threading.active_count() <= before + (0 if in_memory else 3)
    assert Engine(n_jobs).map_reduce(square, range(4), int.__add__, in_memory=in_memory) == 14
