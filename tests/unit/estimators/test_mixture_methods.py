"""Marginals, conditionals and samples of the fitted mixtures of all estimators."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles import density_uses as oracle
from sklearn.exceptions import NotFittedError

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import BayesianGaussianMixture, DirichletProcessMixture, GaussianMixture

ESTIMATORS = {
    "gaussian": lambda: GaussianMixture(3, random_state=0),
    "bayesian": lambda: BayesianGaussianMixture(n_components=3, random_state=0),
    "dirichlet process": lambda: DirichletProcessMixture(n_sweeps=40, n_chains=2, random_state=0),
    "diagonal dirichlet process": lambda: DirichletProcessMixture(
        "diag", n_sweeps=40, n_chains=2, random_state=0
    ),
}


@pytest.fixture(scope="module", params=list(ESTIMATORS))
def fitted(request, clusters):
    # Three of four frames of one cluster are left out, so that weights differ.
    left_out = (clusters[:, 0] < -3) & (np.arange(len(clusters)) % 4 > 0)
    return ESTIMATORS[request.param]().fit(clusters[~left_out])


def test_marginals_are_of_the_features_asked_for(fitted):
    kept = fitted.marginal([2, 0])
    mixture = fitted.mixture_
    matrices = mixture.full_covariances()
    assert_array_equal(kept.weights, mixture.weights)
    assert_array_equal(kept.means, mixture.means[:, [2, 0]])
    for part, whole in zip(kept.full_covariances(), matrices, strict=True):
        assert_array_equal(part, [[whole[2, 2], whole[2, 0]], [whole[0, 2], whole[0, 0]]])


def test_conditionals_are_those_of_inverses(fitted):
    mixture = fitted.mixture_
    weights, means, covariances = oracle.conditional(
        mixture.weights, mixture.means, mixture.full_covariances(), [1], [4.5]
    )
    found = fitted.condition([1], [4.5])
    assert_allclose(found.weights, weights, rtol=1e-9, atol=1e-300)
    assert_allclose(found.means, means, rtol=1e-9, atol=1e-12)
    assert_allclose(found.full_covariances(), covariances, rtol=1e-9, atol=1e-12)
    assert len(fitted.condition([1], [[4.5], [0.0]]).mean()) == 2


def test_samples_have_the_moments_of_their_components(fitted):
    n = 20_000
    X, y = fitted.sample(n)
    mixture = fitted.mixture_
    matrices = mixture.full_covariances()
    counts = np.bincount(y, minlength=mixture.n_components)
    assert_array_equal(y, np.sort(y))
    # Five deviations of what is estimated.
    spread = np.sqrt(n * mixture.weights * (1 - mixture.weights))
    assert (np.abs(counts - n * mixture.weights) <= 5 * spread + 1).all()
    for k in np.flatnonzero(counts > 1000):
        part, deviations = X[y == k], np.sqrt(np.diag(matrices[k]))
        error = np.abs(part.mean(axis=0) - mixture.means[k]) / deviations
        assert (error < 5 / counts[k] ** 0.5).all()
        covariance = np.cov(part.T) / np.outer(deviations, deviations)
        expected = matrices[k] / np.outer(deviations, deviations)
        assert_allclose(covariance, expected, rtol=0, atol=5 * (2 / counts[k]) ** 0.5)
    again = fitted.sample(n)
    assert_array_equal(again[0], X)


@pytest.mark.parametrize("name", list(ESTIMATORS))
def test_nothing_is_given_before_a_fit_nor_are_no_samples(name, clusters):
    for call in (
        lambda model: model.sample(),
        lambda model: model.marginal([0]),
        lambda model: model.condition([0], [0.0]),
    ):
        with pytest.raises(NotFittedError):
            call(ESTIMATORS[name]())
    fitted = ESTIMATORS[name]().fit(clusters[:60])
    with pytest.raises(InvalidInputError, match="n_samples"):
        fitted.sample(0)
