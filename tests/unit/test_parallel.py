import warnings

import numpy as np
import pytest
from oracles.parallel_tasks import (
    die_at_three,
    fail_at_three,
    product,
    square,
    threads,
    warn_about_parity,
)

from speakergmm.errors import AudioError, InvalidInputError, SpeakerGmmError
from speakergmm.parallel import effective_jobs, parallel_map
from speakergmm.progress import track


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


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_error_comes_when_its_turn_comes(n_jobs):
    results = parallel_map(fail_at_three, range(6), n_jobs=n_jobs)
    if n_jobs == 1:
        assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(AudioError, match=r"three\.wav"):
        list(results)


def test_each_warning_of_the_workers_is_issued_once():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert list(parallel_map(warn_about_parity, range(10), n_jobs=2)) == list(range(10))
    messages = [str(w.message) for w in caught if w.category is UserWarning]
    assert sorted(messages) == ["remainder 0", "remainder 1"]


def test_a_worker_that_dies_is_reported_in_one_line():
    with pytest.raises(SpeakerGmmError, match="worker process died"):
        list(parallel_map(die_at_three, range(6), n_jobs=2))


@pytest.mark.parametrize("n_jobs", [0, 1.0, True, "2", None])
def test_wrong_numbers_of_jobs(n_jobs):
    with pytest.raises(InvalidInputError, match="n_jobs"):
        parallel_map(square, [1], n_jobs=n_jobs)


def test_negative_jobs_count_from_all_cores():
    assert effective_jobs(-1) >= 1
    assert effective_jobs(-2) == max(1, effective_jobs(-1) - 1)
    assert effective_jobs(-1000) == 1


def test_a_progress_bar_changes_nothing(capsys):
    assert list(track(iter("abc"), description="Letters", total=3, enabled=True)) == list("abc")
    assert list(track("abc", description="Letters")) == list("abc")
    assert list(parallel_map(square, [1, 2], description="Squares")) == [1, 4]
    assert capsys.readouterr().out == ""


def test_no_bar_without_a_terminal(capsys):
    list(track(range(3), description="Letters"))
    assert capsys.readouterr().err == ""
