"""Paths in run lengths: nothing is lost, and they are small."""

import pickle

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.training import AlignedPath

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "pdfs",
    [
        [],
        [3],
        [0, 0, 1, 0],
        [5] * 254,
        [5] * 255,
        [5] * 256,
        [7] + [2] * 600 + [70000],
        RNG.integers(0, 3, 500),
    ],
)
@pytest.mark.parametrize("transitions", [[], [4, 4, 1], [9] * 700, RNG.integers(0, 300, 900)])
def test_a_path_comes_back_as_it_was(pdfs, transitions):
    path = AlignedPath(np.array(pdfs, np.int32), np.array(transitions, np.int64), -1.5)
    for found in (path, pickle.loads(pickle.dumps(path))):
        assert found.pdfs.tolist() == list(pdfs)
        assert found.transitions.tolist() == sorted(transitions)
        assert found.fixed == -1.5
        assert found.n_frames == len(pdfs)
        assert (found.pdfs.dtype, found.transitions.dtype) == (np.int32, np.int64)
    again = AlignedPath.of_runs(path.runs, path.durations, path.taken, path.times, path.fixed)
    assert pickle.dumps(again) == pickle.dumps(path)


def test_runs_are_as_long_as_possible():
    path = AlignedPath([1] * 600 + [2] * 3, [4])
    assert path.runs.tolist() == [1, 1, 1, 2]
    assert path.durations.tolist() == [255, 255, 90, 3]
    assert AlignedPath([5] * 255 + [6] * 510, []).durations.tolist() == [255, 255, 255]
    assert (path.runs.dtype, path.taken.dtype, path.times.dtype) == (np.uint8,) * 3
    assert AlignedPath([256], [65536]).runs.dtype == np.uint16
    assert AlignedPath([256], [65536]).taken.dtype == np.uint32
    assert path.nbytes == 4 + 4 + 1 + 1


def test_a_second_of_speech_takes_few_bytes():
    """Ten phones a second, of three states each, whose transitions are seldom the same."""
    n_seconds = 15
    n_states = 30 * n_seconds
    durations = RNG.multinomial(100 * n_seconds - n_states, np.full(n_states, 1 / n_states)) + 1
    pdfs = np.repeat(RNG.integers(0, 5000, n_states), durations)
    path = AlignedPath(pdfs, np.repeat(RNG.integers(0, 60000, 2 * n_states), 2))
    assert path.nbytes < 280 * n_seconds < (4 + 8) * 100 * n_seconds / 4


@pytest.mark.parametrize(
    "runs",
    [
        ([1, 2], [3], [], []),
        ([1], [3], [1, 2], [1]),
        ([1], [-3], [], []),
        ([-1], [3], [], []),
        ([[1]], [[3]], [], []),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(runs):
    with pytest.raises(InvalidInputError, match="do not belong together"):
        AlignedPath.of_runs(*runs, 0.0)
