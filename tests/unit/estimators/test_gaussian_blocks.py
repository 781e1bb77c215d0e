"""Equal models from frames in memory, in memory-mapped files, and in blocks of any sizes."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import GaussianMixture
from speakergmm.gaussians import frame_moments

KINDS = ["full", "tied", "diag", "spherical"]
INITS = ["kmeans", "k-means++", "random_from_data", "random", "splitting"]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def cut(frames, *sizes):
    return np.split(frames, np.cumsum(sizes))


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("kind", KINDS)
def test_blocks_give_the_model_of_one_array(clusters, kind, init):
    parameters = {"covariance_type": kind, "init_params": init, "random_state": 0, "max_iter": 5}
    blocks = cut(clusters, 1, 100, 0, 7)
    whole = GaussianMixture(3, **parameters).fit(clusters)
    parts = GaussianMixture(3, **parameters).fit(blocks)
    assert_allclose(parts.means_, whole.means_, rtol=1e-10, atol=1e-10)
    assert_allclose(parts.covariances_, whole.covariances_, rtol=1e-10, atol=1e-10)
    assert_array_equal(parts.predict(blocks), whole.predict(clusters))
    assert_allclose(parts.score_samples(lambda: iter(blocks)), whole.score_samples(clusters))


def test_a_callable_and_a_tuple_are_blocks(clusters):
    blocks = cut(clusters, 50, 50)
    expected = GaussianMixture(2, random_state=0).fit(clusters)
    for source in (tuple(blocks), lambda: iter(blocks), lambda: blocks):
        fitted = GaussianMixture(2, random_state=0).fit(source)
        assert_allclose(fitted.means_, expected.means_, rtol=1e-12)
        assert_allclose(fitted.bic(source), expected.bic(clusters), rtol=1e-12)


def test_weights_run_over_all_blocks(clusters):
    weights = np.arange(len(clusters)) % 3
    one = GaussianMixture(3, random_state=0).fit(clusters, sample_weight=weights)
    other = GaussianMixture(3, random_state=0).fit(cut(clusters, 99, 7), sample_weight=weights)
    assert_allclose(other.means_, one.means_, rtol=1e-10, atol=1e-10)


def test_lists_of_numbers_are_one_array(clusters):
    one = GaussianMixture(1).fit(clusters.tolist())
    assert_allclose(one.means_[0], clusters.mean(axis=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_memory_mapped_array_gives_the_same(clusters, tmp_path, dtype):
    np.save(tmp_path / "frames.npy", clusters.astype(dtype))
    mapped = np.load(tmp_path / "frames.npy", mmap_mode="r")
    one = GaussianMixture(3, random_state=0).fit(clusters.astype(dtype))
    other = GaussianMixture(3, random_state=0).fit(mapped)
    assert_array_equal(one.means_, other.means_)
    assert other.means_.dtype == dtype
    assert_array_equal(one.predict(mapped), other.predict(clusters.astype(dtype)))


@pytest.mark.slow
def test_a_large_array_is_not_copied(tmp_path):
    frames = np.lib.format.open_memmap(
        tmp_path / "frames.npy", mode="w+", dtype=np.float32, shape=(300_000, 40)
    )
    frames[:] = np.random.default_rng(0).normal(size=(1, 40))
    frames[::2] += 1.0
    estimator = GaussianMixture(
        16, covariance_type="diag", init_params="random_from_data", max_iter=1, random_state=0
    )
    tracemalloc.start()
    try:
        estimator.fit(frames)
        estimator.score_samples(frames)
        estimator.predict(frames)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The frames are 48 MB, frames x components would be 19 MB in float32.
    assert peak < 32e6


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((np.zeros((2, 2)) for _ in range(3)), "readable several times, found a one-shot iterator"),
        ([np.zeros((4, 2)), np.zeros((4, 3))], "block 1: X must have 2 features, found 3"),
        ([np.ones((4, 2)), np.full((2, 2), np.nan)], "block 1: X .* found nan at row 4, column 0"),
        (lambda: [np.zeros(4)], r"block 0: X must be a real array of shape \(T, D\)"),
        (list, "must hold blocks of frames, found none"),
        (lambda: [np.zeros((1, 2)), np.array([["a", "b"]])], "block 1: X must be a real array"),
    ],
)
def test_bad_blocks_are_refused(source, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixture(2).fit(source)


def test_blocks_of_another_width_than_the_fit_are_refused(clusters):
    fitted = GaussianMixture(1).fit(clusters)
    with pytest.raises(ValueError, match="block 0: X must have 3 features, found 2"):
        fitted.predict([clusters[:, :2]])


@pytest.mark.parametrize("name", ["fit", "predict", "score_samples"])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "nan"), (-np.inf, "-inf")])
def test_the_first_value_that_is_not_finite_is_named(name, value, word):
    frames = np.random.default_rng(0).normal(size=(20_000, 2))
    estimator = GaussianMixture(1).fit(frames)
    frames[12_345, 1] = value
    frames[15_000, 0] = np.nan
    with pytest.raises(ValueError, match=f"found {word} at row 12345, column 1"):
        getattr(estimator, name)(frames)


@pytest.mark.parametrize("name", ["fit", "predict", "score_samples"])
def test_a_bad_value_of_a_stream_has_one_form_of_message(name):
    blocks = [np.random.default_rng(n).normal(size=(9000, 2)) for n in range(3)]
    estimator = GaussianMixture(1).fit(blocks)
    blocks[1][8500, 1] = np.nan
    place = "must be finite, without NaN or infinity, found nan at row 17500, column 1"
    with pytest.raises(InvalidInputError, match=f"^block 1: X {place}$"):
        getattr(estimator, name)(lambda: iter(blocks))
    with pytest.raises(InvalidInputError, match=f"^block 1: frames {place}$"):
        frame_moments(lambda: iter(blocks))
    with pytest.raises(InvalidInputError, match=f"^X {place}$"):
        getattr(estimator, name)(np.concatenate(blocks))
    with pytest.raises(InvalidInputError, match=f"^frames {place}$"):
        frame_moments(np.concatenate(blocks))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_memory_changes_no_bit(clusters, kind, init, weighted):
    # Sums of an offset round, and more than one group is surveyed.
    frames = np.tile(clusters, (30, 1)) + 1000.1
    weights = np.random.default_rng(1).uniform(0.5, 2.0, len(frames)) if weighted else None
    parameters = {"covariance_type": kind, "init_params": init, "random_state": 0, "max_iter": 2}
    expected = GaussianMixture(3, **parameters).fit(frames, sample_weight=weights)
    in_columns = np.asfortranarray(frames)
    for same in (in_columns, np.repeat(frames, 2, axis=1)[:, ::2], cut(in_columns, 1, 4000, 7)):
        found = GaussianMixture(3, **parameters).fit(same, sample_weight=weights)
        for name in ("weights", "means", "covariances"):
            a, b = getattr(found.mixture_, name), getattr(expected.mixture_, name)
            assert a.tobytes() == b.tobytes(), name
        assert found.lower_bounds_ == expected.lower_bounds_


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("is_callable", [False, True])
def test_blocks_of_two_types_are_float64(clusters, init, kind, is_callable):
    blocks = cut(clusters + 1e4, 100)
    blocks[0] = blocks[0].astype(np.float32)
    parameters = {"covariance_type": kind, "init_params": init, "random_state": 0, "max_iter": 2}
    expected = GaussianMixture(3, **parameters).fit(np.concatenate(blocks))
    found = GaussianMixture(3, **parameters).fit((lambda: iter(blocks)) if is_callable else blocks)
    assert found.means_.dtype == np.float64
    assert_array_equal(found.means_, expected.means_)
    assert_array_equal(found.covariances_, expected.covariances_)
    if not is_callable:
        assert found.score_samples(blocks).dtype == np.float64
        assert_array_equal(found.score_samples(blocks), found.score_samples(np.concatenate(blocks)))
