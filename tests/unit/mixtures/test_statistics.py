import numpy as np
import pytest
from oracles.arrays import arrays_of

from speakergmm.containers import load_arrays, save_arrays
from speakergmm.errors import InvalidInputError, ModelFormatError
from speakergmm.mixtures import MixtureStatistics, accumulate


def equal(a, b):
    np.testing.assert_equal(arrays_of(a), arrays_of(b))


def test_sums_are_sums_of_every_part(mixture, frames):
    a, b = accumulate(mixture, frames[:300]), accumulate(mixture, frames[300:])
    total = a + b
    for name in ("counts", "first_order", "second_order", "log_likelihood", "n_frames"):
        np.testing.assert_array_equal(getattr(total, name), getattr(a, name) + getattr(b, name))
    equal(a + MixtureStatistics.zeros(6, 4), a)


def test_scaling_scales_every_part(mixture, frames):
    whole = accumulate(mixture, frames)
    half = whole.scale(0.5)
    equal(half + half, whole)
    with pytest.raises(InvalidInputError, match="found -1"):
        whole.scale(-1)


def test_what_is_saved_comes_back(mixture, frames, tmp_path):
    for whole in (
        accumulate(mixture, frames),
        accumulate(mixture, frames, second_order=False),
    ):
        whole.save(tmp_path / "s")
        equal(MixtureStatistics.load(tmp_path / "s"), whole)
    assert "second_order" not in arrays_of(whole)
    arrays, tree = load_arrays(tmp_path / "s", kind="mixture statistics")
    del arrays["counts"]
    save_arrays(tmp_path / "s", arrays, kind="mixture statistics", metadata=tree)
    with pytest.raises(ModelFormatError, match="array 'counts' is missing"):
        MixtureStatistics.load(tmp_path / "s")


def test_statistics_of_different_kinds_are_not_added(mixture, frames):
    whole = accumulate(mixture, frames)
    with pytest.raises(InvalidInputError, match="without"):
        whole + accumulate(mixture, frames, second_order=False)
    with pytest.raises(InvalidInputError, match="different mixtures"):
        whole + MixtureStatistics.zeros(5, 4)
    with pytest.raises(TypeError):
        whole + 1


def test_statistics_can_not_be_changed(mixture, frames):
    with pytest.raises(ValueError, match="read-only"):
        accumulate(mixture, frames).counts[0] = 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts": [1.0]}, "shapes"),
        ({"second_order": [[1.0, 2.0]]}, "shapes"),
        ({"counts": [-1.0, 2.0]}, "counts must be >= 0, found -1"),
        ({"first_order": [[np.nan], [0.0]]}, "first_order must be finite"),
        ({"log_likelihood": -np.inf}, "log_likelihood must be finite"),
        ({"n_frames": -1.0}, "n_frames must be finite and >= 0"),
    ],
)
def test_what_are_no_statistics_is_refused(changes, message):
    parts = {
        "counts": [1.0, 2.0],
        "first_order": [[1.0], [2.0]],
        "second_order": [[1.0], [2.0]],
        "log_likelihood": -3.0,
        "n_frames": 3.0,
    }
    with pytest.raises(InvalidInputError, match=message):
        MixtureStatistics(**(parts | changes))
