"""Sources of shards that are not what they say, and sources that are none."""

from dataclasses import dataclass, field
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.mixtures import fit_mixture, make_mixture, train_from

FRAMES = np.random.default_rng(0).normal(size=(3000, 3))


@dataclass
class Shard:
    frames: np.ndarray
    n_frames: object
    later: np.ndarray | None = None
    times_read: int = field(default=0)

    def blocks(self):
        self.times_read += 1
        frames = self.frames if self.later is None or self.times_read == 1 else self.later
        return iter([frames[:700], frames[700:]])


def shard(frames, n_frames=None, **more):
    return Shard(frames, len(frames) if n_frames is None else n_frames, **more)


def fit(*shards, **more):
    source = SimpleNamespace(shards=list(shards))
    return fit_mixture(source, n_components=4, max_iter=2, **more).model


@pytest.mark.parametrize("wrong", [0, 999, 1001])
def test_a_shard_that_has_other_frames_than_it_says_is_refused(wrong):
    # With 0, rows of the start were drawn from a shard that does not have them.
    with pytest.raises(InvalidInputError, match=rf"^shard 1 must have the {wrong} frames of its"):
        fit(shard(FRAMES[:1000]), shard(FRAMES[1000:2000], wrong), shard(FRAMES[2000:]))


@pytest.mark.parametrize("wrong", [-1, 3000.0, "3000", None])
def test_the_number_of_frames_is_whole(wrong):
    with pytest.raises(InvalidInputError, match="n_frames of shard 0 must be a whole number"):
        fit(Shard(FRAMES, wrong))


@pytest.mark.parametrize("n_features", [1, 2])
def test_shards_of_other_features_are_refused(n_features):
    narrow = shard(FRAMES[:, :n_features])
    with pytest.raises(InvalidInputError, match=f"same number of features.* 3 and {n_features}"):
        fit(shard(FRAMES), narrow)
    with pytest.raises(InvalidInputError, match=f"same number of features.* {n_features} and 3"):
        fit(narrow, shard(FRAMES))


@pytest.mark.parametrize(
    ("later", "message"),
    [
        (FRAMES[:, :2], "shard 0 must have 3 features, found 2"),
        (FRAMES[:-1], "shard 0 must have the 3000 frames"),
        (np.full_like(FRAMES, np.inf), "finite"),
    ],
)
@pytest.mark.parametrize("drawn", [True, False])
def test_a_shard_that_becomes_another_is_refused(later, message, drawn):
    start = make_mixture("diag", np.full(4, 0.25), FRAMES[:4], np.ones((4, 3)))
    source = SimpleNamespace(shards=[shard(FRAMES, later=later)])
    train = partial(fit_mixture, n_components=4) if drawn else partial(train_from, start=start)
    with pytest.raises(InvalidInputError, match=message):
        train(source, max_iter=2)


@pytest.mark.parametrize("dtype", [np.float16, np.int16, list])
def test_blocks_of_any_real_numbers_are_read(dtype):
    given = np.round(4 * FRAMES) if dtype is not list else FRAMES
    expected = fit(shard(given))

    class Converted(Shard):
        def blocks(self):
            convert = np.ndarray.tolist if dtype is list else dtype
            return map(convert, super().blocks())

    found = fit(Converted(given, len(given)))
    np.testing.assert_array_equal(found.means, expected.means)
    np.testing.assert_array_equal(found.covariances, expected.covariances)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (SimpleNamespace(shards=3), "int"),
        (SimpleNamespace(shards=iter([shard(FRAMES)])), "list_iterator"),
        (SimpleNamespace(shards=[FRAMES]), "ndarray"),
        (SimpleNamespace(shards=None), "SimpleNamespace"),
        (3, "int"),
    ],
)
def test_what_is_no_source_is_named(source, found):
    with pytest.raises(InvalidTypeError, match=f"found {found}$"):
        fit_mixture(source, n_components=2)


def test_no_frame_of_a_shard_is_a_shard():
    parts = [shard(FRAMES[:1000]), shard(FRAMES[1000:])]
    empty = shard(FRAMES[:0])
    expected = fit(*parts)
    found = fit(empty, *parts, empty)
    np.testing.assert_allclose(found.means, expected.means, rtol=1e-6)
