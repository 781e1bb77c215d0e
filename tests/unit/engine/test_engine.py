import os
import threading
import warnings

import numpy as np
import pytest
from joblib.externals import loky
from oracles.parallel_tasks import (
    die_at_three,
    fail_at_three,
    product,
    square,
    threads,
    warn_about_parity,
)
from threadpoolctl import threadpool_limits

from speakergmm.engine import Engine, blas, effective_jobs, single_threaded_blas
from speakergmm.errors import AudioError, EngineWarning, InvalidInputError, SpeakerGmmError
from speakergmm.progress import track


def parallel_map(function, items, *, n_jobs=1, **more):
    return Engine(n_jobs).map(function, items, **more)


def threaded_map(function, items, *, n_jobs=1, **more):
    return Engine(n_jobs).map_threads(function, items, **more)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_results_come_in_order(n_jobs):
    assert list(parallel_map(square, iter(range(50)), n_jobs=n_jobs)) == [n * n for n in range(50)]
    assert list(parallel_map(square, [], n_jobs=n_jobs)) == []


def test_the_number_of_jobs_changes_no_bit():
    one, two = (list(parallel_map(product, range(4), n_jobs=n)) for n in (1, 2))
    np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_linear_algebra_has_one_thread(n_jobs):
    assert list(parallel_map(threads, range(2), n_jobs=n_jobs)) == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_comes_when_its_turn_comes(n_jobs):
    results = parallel_map(fail_at_three, range(6), n_jobs=n_jobs)
    if n_jobs == 1:
        assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(AudioError, match=r"three\.wav"):
        list(results)


@pytest.mark.slow
def test_each_warning_of_the_engine_is_issued_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert list(parallel_map(warn_about_parity, range(10), n_jobs=2)) == list(range(10))
    messages = [str(w.message) for w in caught if w.category is UserWarning]
    assert sorted(messages) == ["remainder 0", "remainder 1"]


@pytest.mark.slow
def test_a_worker_that_dies_is_reported_in_one_line():
    with (
        pytest.warns(EngineWarning, match="is computed again"),
        pytest.raises(SpeakerGmmError, match="worker process died"),
    ):
        list(parallel_map(die_at_three, range(6), n_jobs=2))


@pytest.mark.parametrize("n_jobs", [0, 1.0, True, "2"])
def test_wrong_numbers_of_jobs(n_jobs):
    with pytest.raises(InvalidInputError, match="n_jobs"):
        parallel_map(square, [1], n_jobs=n_jobs)


@pytest.mark.parametrize(("n_jobs", "expected"), [(3, 3), (-1, 6), (-2, 5), (-6, 1), (-1000, 1)])
def test_negative_jobs_count_from_the_cores_that_may_be_used(monkeypatch, n_jobs, expected):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)), raising=False)
    assert effective_jobs(n_jobs) == expected
    # Systems without affinity have all cores.
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 6)
    assert effective_jobs(n_jobs) == expected
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert effective_jobs(-1) == 1


@pytest.fixture
def three_blas_threads():
    with threadpool_limits(limits=3, user_api="blas"):
        if threads(None) != 3:
            pytest.skip("this linear algebra can't have three threads")
        yield


@pytest.mark.usefixtures("three_blas_threads")
def test_overlapping_calls_share_the_limit_and_give_it_back():
    inside, go_on, seen = threading.Event(), threading.Event(), {}

    def first(_):
        inside.set()
        assert go_on.wait(10)

    def second(_):
        go_on.set()
        other.join(10)
        # The first call has ended, this one has not.
        seen["after the first"] = threads(None)

    other = threading.Thread(target=lambda: list(parallel_map(first, [0])))
    other.start()
    assert inside.wait(10)
    list(parallel_map(second, [0]))
    assert seen == {"after the first": 1}
    assert threads(None) == 3


@pytest.mark.usefixtures("three_blas_threads")
def test_the_limit_is_nested_and_outlives_errors():
    with single_threaded_blas():
        assert list(threaded_map(threads, range(3), n_jobs=2)) == [1, 1, 1]
        assert list(parallel_map(threads, range(2))) == [1, 1]
        assert threads(None) == 1
    assert threads(None) == 3
    for run in (parallel_map, threaded_map):
        with pytest.raises(AudioError):
            list(run(fail_at_three, range(6)))
        assert threads(None) == 3
    assert blas._users.count == 0


@pytest.mark.parametrize("n_jobs", [1, 3])
def test_threads_give_results_in_order_and_read_ahead_a_little(n_jobs):
    read = []

    def items():
        for n in range(50):
            read.append(n)
            yield n

    results = threaded_map(square, items(), n_jobs=n_jobs)
    assert next(results) == 0
    assert len(read) <= 2 * n_jobs + 1
    assert list(results) == [n * n for n in range(1, 50)]
    assert list(threaded_map(square, [], n_jobs=n_jobs)) == []


def test_an_error_on_a_thread_comes_when_its_turn_comes():
    results = threaded_map(fail_at_three, range(6), n_jobs=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(AudioError, match=r"three\.wav"):
        next(results)
    with pytest.raises(InvalidInputError, match="n_jobs"):
        list(threaded_map(square, [1], n_jobs=0))


def test_a_progress_bar_changes_nothing(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert list(track(iter("abc"), description="Letters", total=3)) == list("abc")
    assert list(track("abc", description="Letters")) == list("abc")
    assert list(parallel_map(square, [1, 2], description="Squares")) == [1, 4]
    assert capsys.readouterr().out == ""


def test_no_bar_without_a_terminal(capsys):
    list(track(range(3), description="Letters"))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("n_jobs", [1, 2, -1, None])
def test_engine_map_in_order_on_processes_and_threads(n_jobs):
    engine = Engine(n_jobs)
    assert engine.count == effective_jobs(n_jobs)
    wanted = [n * n for n in range(7)]
    assert list(engine.map_threads(square, range(7))) == wanted
    assert list(engine.map(square, iter(range(7)))) == wanted


@pytest.mark.parametrize("n_jobs", [0, 1.5, True, "2"])
def test_engine_are_checked_when_they_are_named(n_jobs):
    with pytest.raises(InvalidInputError, match="n_jobs"):
        Engine(n_jobs)


@pytest.mark.slow
def test_a_pool_of_loky_and_a_number_of_workers_live_together():
    pool = loky.get_reusable_executor(1)
    try:
        for engine in (pool, 2, pool, 2):
            assert list(Engine.of(engine).map(square, range(4))) == [0, 1, 4, 9]
    finally:
        pool.shutdown(wait=False, kill_workers=True)
