"""The compiled kernels by themselves: range, memory that is not theirs, interpreters' locks."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from speakergmm.hmm import Graph, expected_counts, forward_backward, sequence_log_likelihood

# The kernels are tested by themselves, down to their private parts.
from speakergmm.hmm.inference import (
    forward_kernels,
    recursions,
    smoothing_kernels,
    viterbi_kernels,
)


def powers(logs, peak):
    values, levels = np.empty(len(logs)), np.empty(len(logs))
    forward_kernels._exponentiate(np.asarray(logs, dtype=np.float64), peak, values, levels)
    return values, levels


@pytest.mark.slow
def test_exponentials_are_right_to_the_last_digits_at_any_size():
    logs = np.concatenate([-np.random.default_rng(0).random(4000) * 700.0, [0.0, -1e-300]])
    values, levels = powers(logs, 0.0)
    # Numbers of level 0 and -1, put together without loss where float64 can hold them.
    whole = values * 2.0 ** (forward_kernels.BITS * levels)
    np.testing.assert_allclose(whole, np.exp(logs), rtol=4e-16)
    assert values.max() < 2.0**256
    assert values.min() >= 2.0**-257
    assert set(levels) == {0, -1, -2}


@pytest.mark.parametrize("log", [-1e3, -12345.6, -9e5, -1.1e6, -3e9, -1e17, -1e30, -1e280, 1e200])
def test_exponentials_of_any_size_keep_their_logarithm(log):
    values, levels = powers([log + 50.0], 50.0)
    assert math.log(values[0]) + levels[0] * forward_kernels.SPAN == pytest.approx(log, rel=1e-15)


def test_exponentials_of_nothing():
    values, _ = powers([-np.inf, 0.0], 0.0)
    assert values.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "log_prob", [0.0, -169.0, 119.0, -171.0, 121.0, -740.0, -5e5, 800.0, -1e30, -1e300]
)
def test_probabilities_with_levels_keep_their_logarithm(log_prob):
    values, levels, wide = recursions.with_levels(np.array([-np.inf, log_prob, -1.0]))
    assert wide == (not -170.0 <= log_prob <= 120.0)
    assert values[0] == 0.0
    found = np.log(values[1:]) + levels[1:] * forward_kernels.SPAN
    assert found == pytest.approx([log_prob, -1.0], rel=1e-14, abs=1e-14)


@pytest.mark.parametrize("log_prob", [-1.0, -165.0, -175.0, -700.0, -2e4, 300.0])
def test_chains_of_arcs_of_any_probability(log_prob):
    """A ring of two arcs a state, one the other's double: a sum that is known."""
    arcs = [(0, 1, log_prob), (0, 1, log_prob + math.log(2)), (1, 0, log_prob), (1, 0, log_prob)]
    graph = Graph.from_arcs([0, 0], arcs, [(0, log_prob)], [(0, -log_prob), (1, log_prob)])
    n_frames = 301
    counts = forward_backward(graph, np.zeros((n_frames, 1)))
    turns = (n_frames - 1) // 2
    expected = turns * (2 * log_prob + math.log(3) + math.log(2))
    assert counts.log_likelihood == pytest.approx(expected, rel=1e-13, abs=1e-10)
    assert counts.arc_counts == pytest.approx(np.array([1 / 3, 2 / 3, 0.5, 0.5]) * turns, rel=1e-11)


def test_what_stood_in_the_memory_given_does_not_matter():
    graph = Graph.dense([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]])
    frames = np.random.default_rng(0).normal(size=(50, 2))
    expected = forward_backward(graph, frames)
    recursions._room(50, 2)[:] = np.nan
    for ours, theirs in zip(forward_backward(graph, frames), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_each_thread_has_memory_of_its_own():
    own = recursions._room(4, 2)
    with ThreadPoolExecutor(1) as pool:
        others = pool.submit(recursions._room, 4, 2).result()
    assert np.shares_memory(own, recursions._room(4, 2))
    assert not np.shares_memory(own, others)


def test_no_more_memory_is_kept_than_is_said(monkeypatch):
    monkeypatch.setattr(recursions, "_MOST_KEPT", 2000)
    monkeypatch.setattr(recursions, "_rooms", threading.local())
    graph = Graph.dense([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]])
    expected_counts(graph, np.zeros((501, 2)))
    assert not hasattr(recursions._rooms, "kept")
    expected_counts(graph, np.zeros((500, 2)))
    assert len(recursions._rooms.kept) == 2000
    sequence_log_likelihood(graph, np.zeros((5000, 2)))
    assert len(recursions._rooms.kept) == 2000


@pytest.mark.parametrize(
    ("kernel", "n_signatures"),
    [
        (forward_kernels.fill_forward, 1),
        (smoothing_kernels.smooth, 1),
        # Arcs into a state are numbered by 16 bits or by 32.
        (viterbi_kernels.fill_best_path, 2),
    ],
)
def test_kernels_are_compiled_once_and_run_without_the_lock(kernel, n_signatures):
    assert len(kernel.signatures) == n_signatures
    assert kernel.targetoptions["nogil"] is True


def test_another_thread_runs_while_a_kernel_does():
    graph = Graph.dense(np.full(60, 1 / 60), np.full((60, 60), 1 / 60))
    frames = np.zeros((4000, 60))
    forward_backward(graph, frames[:2])
    # A busy machine may not let the other thread run at once.
    assert any(
        seen_from_another_thread(lambda: sequence_log_likelihood(graph, frames)) for _ in range(8)
    )


def seen_from_another_thread(work):
    """Return whether another thread has a turn in the middle half of the time of the work."""
    seen = []
    done = threading.Event()

    def watch():
        while not done.is_set():
            seen.append(time.perf_counter())
            time.sleep(0.001)

    watcher = threading.Thread(target=watch)
    watcher.start()
    before = time.perf_counter()
    work()
    after = time.perf_counter()
    done.set()
    watcher.join()
    quarter = (after - before) / 4
    return any(before + quarter < moment < after - quarter for moment in seen)
