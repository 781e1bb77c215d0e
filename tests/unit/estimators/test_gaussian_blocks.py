"""Frames in memory, mapped from disk, or in blocks of any cut: one model."""

import tracemalloc

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from speakergmm.estimators.gaussian import GaussianMixture

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
        ([np.zeros((4, 2)), np.zeros((4, 3))], "block 1 of X has 3 features, 2 were expected"),
        ([np.ones((4, 2)), np.full((2, 2), np.nan)], "NaN at row 0 of block 1, column 0"),
        (lambda: [np.zeros(4)], r"block 0 of X must be a real array of shape \(T, D\)"),
        (list, "must hold blocks of frames, found none"),
        (lambda: [np.zeros((1, 2)), np.array([["a", "b"]])], "block 1 of X must be a real array"),
    ],
)
def test_bad_blocks_are_refused(source, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixture(2).fit(source)


def test_blocks_of_another_width_than_the_fit_are_refused(clusters):
    fitted = GaussianMixture(1).fit(clusters)
    with pytest.raises(ValueError, match="block 0 of X has 2 features, 3 were expected"):
        fitted.predict([clusters[:, :2]])


@pytest.mark.parametrize("name", ["fit", "predict", "score_samples"])
@pytest.mark.parametrize(("value", "word"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_the_first_value_that_is_not_finite_is_named(name, value, word):
    frames = np.random.default_rng(0).normal(size=(20_000, 2))
    estimator = GaussianMixture(1).fit(frames)
    frames[12_345, 1] = value
    frames[15_000, 0] = np.nan
    with pytest.raises(ValueError, match=f"found {word} at row 12345, column 1"):
        getattr(estimator, name)(frames)
