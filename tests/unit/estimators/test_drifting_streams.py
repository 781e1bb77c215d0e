"""Streams that drift: `partial_fit` with a constant step size."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.base import clone

from speakergmm import GaussianMixture
from speakergmm.errors import InvalidInputError

KINDS = ("full", "tied", "diag", "spherical")


def drift(n_blocks=100, n=50, seed=0):
    """Yield blocks whose mean moves from 0 to 10."""
    rng = np.random.default_rng(seed)
    return [rng.normal(10.0 * t / n_blocks, 1.0, (n, 2)) for t in range(1, n_blocks + 1)]


@pytest.mark.slow
def test_a_mean_that_drifts_is_followed():
    following = GaussianMixture(1, covariance_type="diag", step_size=0.5)
    keeping = GaussianMixture(1, covariance_type="diag")
    for block in drift():
        following.partial_fit(block)
        keeping.partial_fit(block)
    # 0.1 a block: two blocks behind, of which each has half of what the next has.
    assert_allclose(following.means_[0], 9.9, atol=0.15)
    assert (keeping.means_[0] < 9.5).all()


@pytest.mark.parametrize("kind", KINDS)
def test_moments_are_those_of_a_geometric_average(kind):
    rng = np.random.default_rng(0)
    # Blocks of any length have the same part.
    blocks = [rng.normal(t, 1.0 + t % 2, (5 + 40 * (t % 3), 2)) for t in range(12)]
    model = GaussianMixture(1, covariance_type=kind, step_size=0.3, reg_covar=0.0)
    first = second = 0.0
    for number, block in enumerate(blocks):
        model.partial_fit(block)
        part = 0.3 if number else 1.0
        first = (1 - part) * first + part * block.mean(axis=0)
        second = (1 - part) * second + part * block.T @ block / len(block)
        covariance = second - np.outer(first, first)
        assert_allclose(model.means_[0], first, rtol=1e-9)
        found = model.mixture_.full_covariances()[0]
        if kind == "diag":
            covariance = np.diag(np.diag(covariance))
        elif kind == "spherical":
            covariance = np.eye(2) * np.trace(covariance) / 2
        assert_allclose(found, covariance, rtol=1e-7, atol=1e-9)


def test_weights_of_frames_count_within_a_block():
    rng = np.random.default_rng(0)
    blocks = [rng.normal(t, 1.0, (20, 2)) for t in range(4)]
    weights = rng.integers(0, 4, 20)
    weighted = GaussianMixture(1, step_size=0.3)
    repeated = GaussianMixture(1, step_size=0.3)
    for block in blocks:
        weighted.partial_fit(block, sample_weight=weights)
        repeated.partial_fit(np.repeat(block, weights, axis=0))
    assert_allclose(weighted.means_, repeated.means_)
    assert_allclose(weighted.covariances_, repeated.covariances_)


def test_what_a_long_fit_has_learnt_is_forgotten_at_the_same_pace():
    rng = np.random.default_rng(0)
    model = GaussianMixture(1, step_size=0.25).fit(rng.normal(0.0, 1.0, (20_000, 2)))
    block = rng.normal(8.0, 1.0, (10, 2))
    expected = 0.75 * model.means_[0] + 0.25 * block.mean(axis=0)
    assert_allclose(model.partial_fit(block).means_[0], expected, rtol=1e-9)


def test_two_clusters_that_drift_stay_apart():
    rng = np.random.default_rng(0)
    model = GaussianMixture(2, covariance_type="diag", random_state=0, step_size=0.3)
    for t in range(60):
        centres = np.array([0.1 * t, 20.0 - 0.05 * t])
        model.partial_fit(rng.normal(centres[rng.integers(0, 2, 200)], 0.5)[:, None])
    assert_allclose(np.sort(model.means_.ravel()), centres, atol=0.5)


def test_a_stored_stream_goes_on_with_its_step(tmp_path):
    blocks = drift(6)
    whole = GaussianMixture(1, step_size=0.4)
    for block in blocks[:3]:
        whole.partial_fit(block)
    whole.save(tmp_path / "stream")
    loaded = GaussianMixture.load(tmp_path / "stream")
    for block in blocks[3:]:
        whole.partial_fit(block)
        loaded.partial_fit(block)
    assert loaded.step_size == clone(loaded).step_size == 0.4
    assert loaded.means_.tobytes() == whole.means_.tobytes()


@pytest.mark.parametrize("step_size", [0, -0.5, 1.5, "half", float("nan")])
def test_other_steps_are_refused(step_size):
    with pytest.raises(InvalidInputError, match="step_size must be finite, > 0 and <= 1"):
        GaussianMixture(1, step_size=step_size).partial_fit(np.zeros((5, 2)))
