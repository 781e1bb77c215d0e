"""Errors and warnings on the way to workers and back: one line, of the package's own types."""

import threading
import warnings
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest
from oracles.parallel_tasks import die_at_three, fail_unsendably, return_a_lock, square, warn_slowly

from speakergmm.engine import Engine
from speakergmm.errors import EngineError, InvalidTypeError, WorkerLostError


@pytest.fixture(params=["processes", "executor"])
def engine(request):
    if request.param == "processes":
        yield Engine(2)
    else:
        with ProcessPoolExecutor(1) as executor:
            yield Engine.of(executor)


@pytest.mark.slow
def test_an_error_that_cannot_be_sent_comes_as_its_text(engine):
    with pytest.raises(EngineError, match=r"^Unsendable: 7 is wrong: no reason$"):
        list(engine.map(fail_unsendably, [7]))
    assert list(engine.map(square, [2])) == [4]


@pytest.mark.slow
def test_what_cannot_be_pickled_is_named(engine):
    for function, items in ((square, [threading.Lock()]), (return_a_lock, [1])):
        with pytest.raises(EngineError, match=r"cannot be pickled \(.*lock.*\); let") as caught:
            list(engine.map(function, items))
        assert "\n" not in str(caught.value)


def test_executors_that_do_not_work_any_more():
    with ProcessPoolExecutor(1) as executor:
        for _ in range(2):  # it is broken from then on
            with pytest.raises(WorkerLostError, match="workers of the executor are gone"):
                list(Engine.of(executor).map(die_at_three, [3]))
    with ThreadPoolExecutor(1) as executor:
        pass
    with pytest.raises(EngineError, match="takes no work"):
        list(Engine.of(executor).map(square, [1]))


def test_numbers_of_numpy_are_numbers_and_classes_are_no_executors():
    assert Engine.of(np.int64(3)).count == 3
    with pytest.raises(InvalidTypeError, match="executor with submit"):
        Engine.of(ThreadPoolExecutor)


def test_errors_of_the_work_itself_stay_what_they_are():
    class Odd(Executor):
        def submit(self, function, /, *arguments):
            future = Future()
            future.set_exception(TypeError("a number is needed"))
            return future

    with pytest.raises(TypeError, match="a number is needed"):
        list(Engine.of(Odd()).map(square, [1]))


def test_warnings_of_threads_of_any_executor_come_home_and_filters_come_back():
    class Pool:  # it does not say that its workers are threads of this process
        def __init__(self, threads):
            self.submit = threads.submit

    before = list(warnings.filters), warnings.showwarning
    with ThreadPoolExecutor(4) as threads, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert list(Engine.of(Pool(threads)).map(warn_slowly, range(24))) == list(range(24))
    assert sorted(str(each.message) for each in caught) == ["remainder 0", "remainder 1"]
    assert (list(warnings.filters), warnings.showwarning) == before
