"""A frame of weight n counts as n frames, in fits, scores and criteria."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from speakergmm.estimators import GaussianMixture

KINDS = ["full", "tied", "diag", "spherical"]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def weights(clusters):
    return np.random.default_rng(2).integers(0, 4, len(clusters))


@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random_from_data", "splitting"])
@pytest.mark.parametrize("kind", KINDS)
def test_integer_weights_are_duplicates(clusters, weights, kind, init):
    def estimator():
        return GaussianMixture(
            4, covariance_type=kind, init_params=init, random_state=5, precision="float64"
        )

    repeated = np.repeat(clusters, weights, axis=0)
    weighted = estimator().fit(clusters, sample_weight=weights)
    plain = estimator().fit(repeated)
    assert weighted.n_iter_ == plain.n_iter_
    for name in ("weights_", "means_", "covariances_", "lower_bounds_"):
        assert_allclose(
            getattr(weighted, name), getattr(plain, name), rtol=1e-7, atol=1e-9, err_msg=name
        )
    assert_allclose(weighted.score(clusters, sample_weight=weights), plain.score(repeated))
    assert_allclose(weighted.bic(clusters, sample_weight=weights), plain.bic(repeated))
    assert_allclose(weighted.aic(clusters, sample_weight=weights), plain.aic(repeated))


def test_a_common_factor_of_the_weights_changes_nothing(clusters, weights):
    weights = weights + 0.5
    one = GaussianMixture(3, random_state=0).fit(clusters, sample_weight=weights)
    other = GaussianMixture(3, random_state=0).fit(clusters, sample_weight=weights * 1e-6)
    assert_allclose(one.means_, other.means_, rtol=1e-9, atol=1e-9)
    assert_allclose(one.covariances_, other.covariances_, rtol=1e-7, atol=1e-9)


def test_weights_matter(clusters):
    weights = np.where(clusters[:, 0] > 3, 5.0, 1.0)
    plain = GaussianMixture(1).fit(clusters)
    weighted = GaussianMixture(1).fit(clusters, sample_weight=weights)
    assert_allclose(weighted.means_[0], np.average(clusters, axis=0, weights=weights))
    assert abs(weighted.means_[0, 0] - plain.means_[0, 0]) > 1


def test_frames_of_weight_zero_are_not_there(clusters):
    weights = (np.arange(len(clusters)) % 2).astype(float)
    far = np.where(weights[:, None] > 0, clusters, 1e4)
    one = GaussianMixture(3, random_state=0).fit(far, sample_weight=weights)
    other = GaussianMixture(3, random_state=0).fit(clusters[weights > 0])
    assert_allclose(one.means_, other.means_, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(5), r"one entry per frame, shape \(300,\), found \(5,\)"),
        (np.ones((300, 1)), "1D array or scalar, got 2D"),
        (np.r_[-1.0, np.ones(299)], "finite and >= 0, found -1.0 at row 0"),
        (np.r_[np.ones(299), np.nan], "found nan at row 299"),
        (np.zeros(300), "must not be zero for all frames"),
        (np.r_[1.0, np.zeros(299)], "n_samples = 1 of weight above zero"),
    ],
)
def test_bad_weights_are_refused(clusters, weights, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixture(2).fit(clusters, sample_weight=weights)


def test_bad_weights_of_a_score_are_refused(clusters):
    fitted = GaussianMixture(1).fit(clusters)
    with pytest.raises(ValueError, match="one entry per frame"):
        fitted.score(clusters, sample_weight=[1.0])
