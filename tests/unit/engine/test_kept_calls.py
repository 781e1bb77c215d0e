"""Large functions are sent to the workers of an executor once, and work wherever they arrive."""

import pickle
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass

import numpy as np
import pytest

from speakergmm.engine import Engine, kept_calls


@dataclass(frozen=True)
class Lookup:
    """A function that takes eight bytes for each value that it knows."""

    values: np.ndarray

    def __call__(self, item):
        return float(self.values[item])


class Remote:
    """Workers that get pickled calls in turn, each of them with a memory of its own."""

    def __init__(self, monkeypatch, n_workers):
        self.monkeypatch, self._max_workers = monkeypatch, n_workers
        self.kept = [OrderedDict() for _ in range(n_workers)]
        self.turn, self.sent = 0, []

    def submit(self, call, item):
        sent = pickle.dumps((call, item))
        self.sent.append(len(sent))
        self.monkeypatch.setattr(kept_calls, "_kept", self.kept[self.turn % self._max_workers])
        self.turn += 1
        call, item = pickle.loads(sent)
        future = Future()
        future.set_result(call(item))
        return future


@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_a_large_function_is_sent_to_each_worker_once(monkeypatch, n_workers):
    values = np.random.default_rng(0).normal(size=50_000)
    remote = Remote(monkeypatch, n_workers)
    assert list(Engine.of(remote).map(Lookup(values), range(40))) == values[:40].tolist()
    whole = [size for size in remote.sent if size > values.nbytes]
    assert len(whole) == 2 * n_workers  # those of the items that are in flight at first
    assert sum(remote.sent) < len(whole) * (values.nbytes + 1_000) + 40 * 1_000


def test_a_worker_that_came_later_or_forgot_asks_for_the_function(monkeypatch):
    values = np.random.default_rng(1).normal(size=50_000)
    remote = Remote(monkeypatch, 2)
    results = Engine.of(remote).map(Lookup(values), range(40))
    assert [next(results) for _ in range(10)] == values[:10].tolist()
    for kept in remote.kept:
        kept.clear()
    assert list(results) == values[10:40].tolist()
    assert 5 <= sum(size > values.nbytes for size in remote.sent) <= 16


def test_workers_keep_few_functions(monkeypatch):
    remote = Remote(monkeypatch, 1)
    for seed in range(5):
        values = np.random.default_rng(seed).normal(size=20_000)
        assert list(Engine.of(remote).map(Lookup(values), range(9))) == values[:9].tolist()
    assert len(remote.kept[0]) == 2


def test_small_functions_and_those_of_scripts_are_sent_as_ever(monkeypatch):
    remote = Remote(monkeypatch, 2)
    small = Lookup(np.arange(10.0))
    of_script = Lookup(np.array([1.0, 2.0, "__main__" * 20_000], dtype=object))
    assert list(Engine.of(remote).map(small, range(10))) == list(range(10))
    assert list(Engine.of(remote).map(of_script, [0, 1])) == [1.0, 2.0]
    assert not any(remote.kept)
