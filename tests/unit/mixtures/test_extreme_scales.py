"""Weights and frames of any scale: a fit must not notice in what unit they are given."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import GaussianMixture
from speakergmm.gaussians import frame_moments
from speakergmm.mixtures import (
    DiagonalMixture,
    MaximumLikelihoodOptions,
    MixtureStatistics,
    make_mixture,
    train_from,
    update_maximum_likelihood,
)

KINDS = ["spherical", "diag", "tied", "full"]


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    places = ((0.0, 280), (12.0, 15), (-12.0, 5))
    return np.concatenate([rng.normal(mean, 1.0, (n, 2)) for mean, n in places])


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_does_not_depend_on_the_scale_of_weights(clusters, kind):
    # By default; the smallest cluster has 5 of 300 frames.
    def fit(weights):
        estimator = GaussianMixture(3, covariance_type=kind, random_state=0)
        return estimator.fit(clusters, sample_weight=weights)

    whole = fit(np.ones(300))
    np.testing.assert_allclose(np.sort(whole.weights_), [5 / 300, 15 / 300, 280 / 300], rtol=1e-4)
    for exponent in (290, 1, 2, 3, 4, 5, 6, 7, -290):
        light = fit(np.full(300, 10.0**-exponent))
        assert (light.n_iter_, light.convergence_) == (whole.n_iter_, whole.convergence_)
        np.testing.assert_allclose(light.weights_, whole.weights_, rtol=1e-9)
        np.testing.assert_allclose(light.means_, whole.means_, rtol=1e-9)
        np.testing.assert_allclose(light.covariances_, whole.covariances_, rtol=1e-7, atol=1e-9)
        assert light.lower_bound_ == pytest.approx(whole.lower_bound_)


def test_frames_without_weight_do_not_make_the_others_lighter(clusters):
    # What is dead with weights of one is dead with weights of one and zeros beside them.
    start = make_mixture("diag", [0.9, 0.1], [[0.0, 0.0], [-12.0, -12.0]], np.ones((2, 2)))
    padded = np.concatenate([clusters, np.full((3000, 2), 40.0)])
    weights = np.concatenate([np.ones(300), np.zeros(3000)])
    for min_occupancy, revived in ((4.9, ()), (5.1, (1,))):
        options = MaximumLikelihoodOptions(min_occupancy=min_occupancy)
        for factor in (1.0, 2.0**-20):
            result = train_from(
                padded, start, sample_weight=factor * weights, update=options, max_iter=1
            )
            assert result.history[0].report.revived == revived


def test_min_occupancy_has_the_unit_of_a_frame():
    # Two components of 3 and 1 frames; with weights of 1/8, of 3/8 and 1/8.
    model = DiagonalMixture([0.5, 0.5], [[0.0], [9.0]], [[1.0], [1.0]])
    options = MaximumLikelihoodOptions(min_occupancy=2.0)
    for frame_weight in (1.0, 0.125, 1e-12):
        counts = frame_weight * np.array([3.0, 1.0])
        moments = counts[:, None] * [[1.0], [9.0]], counts[:, None] * [[2.0], [82.0]]
        data = MixtureStatistics(counts, *moments, 0.0, counts.sum())
        _, report = update_maximum_likelihood(
            data, model, options=options, frame_weight=frame_weight
        )
        assert report.revived == (1,)
        lenient = MaximumLikelihoodOptions(min_occupancy=0.5)
        new, report = update_maximum_likelihood(
            data, model, options=lenient, frame_weight=frame_weight
        )
        assert report.revived == ()
        np.testing.assert_allclose(new.means, [[1.0], [9.0]], rtol=1e-12)
    for bad in (0.0, -1.0, np.inf, np.nan):
        with pytest.raises(InvalidInputError, match="frame_weight must be finite and > 0"):
            update_maximum_likelihood(data, model, frame_weight=bad)


def test_what_is_empty_has_the_unit_of_a_frame_too():
    # A thousandth of one of a thousand million frames that together weigh 1.
    model = DiagonalMixture([0.5, 0.5], [[0.0], [5.0]], [[1.0], [1.0]])
    counts = np.array([1.0, 1e-12])
    data = MixtureStatistics(
        counts, counts[:, None] * [[1.0], [9.0]], counts[:, None] * [[2.0], [82.0]], 0.0, 1.0
    )
    options = MaximumLikelihoodOptions(min_occupancy=0.0)
    new, _ = update_maximum_likelihood(data, model, options=options, frame_weight=1e-9)
    np.testing.assert_allclose(new.means, [[1.0], [9.0]], rtol=1e-12)


@pytest.mark.parametrize("factor", [1e-300, 1e-170, 1e160, 1e300])
def test_a_survey_of_several_groups_of_frames_takes_any_weights(factor):
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(0.0, 1.0, (10_000, 2)), rng.normal(5.0, 2.0, (10_000, 2))])
    moments = frame_moments(X, np.full(20_000, factor))
    np.testing.assert_allclose(moments.mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.variance, X.var(axis=0), rtol=1e-12)
    np.testing.assert_allclose(moments.weight, 20_000 * factor, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:reg_covar=1e-06 is more than:UserWarning")
@pytest.mark.parametrize("scale", [1e-140, 1e-150, 1e-155, 1e-158, 1e-160, 1e-162, 1e-300])
def test_frames_near_the_smallest_numbers_have_finite_mixtures(clusters, kind, scale):
    fitted = GaussianMixture(2, covariance_type=kind, random_state=0).fit(scale * clusters)
    assert np.isfinite(fitted.means_).all()
    # What is added to variances is all there is of them.
    variances = fitted.mixture_.component_variances()
    np.testing.assert_allclose(variances, 1e-6, rtol=1e-6)
    assert np.isfinite(fitted.lower_bound_)


def test_squares_without_digits_are_no_variance(clusters):
    assert (frame_moments(1e-140 * clusters).variance > 0).all()
    for scale in (1e-150, 1e-155, 1e-162):
        assert frame_moments(scale * clusters).variance.tolist() == [0.0, 0.0]
