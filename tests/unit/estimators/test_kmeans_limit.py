"""Hard clustering as the limit of one spherical covariance that becomes smaller."""

import numpy as np
import pytest
from sklearn.cluster import KMeans

from speakergmm.mixtures import UpdateReport, accumulate, expectation_maximisation, make_mixture

K = 5


def fit_with_deviation(X, centres, deviation, *, kind, max_iter=300):
    """Train weights and means by EM, from equal weights, with covariances of deviation^2 I."""
    k, d = centres.shape
    covariances = deviation**2 * {"tied": np.eye(d), "spherical": np.ones(k)}[kind]

    def update(statistics, model):
        counts = statistics.counts[:, None]
        means = np.where(
            counts > 0, statistics.first_order / np.maximum(counts, 1e-300), model.means
        )
        return make_mixture(kind, statistics.counts / len(X), means, covariances), UpdateReport()

    return expectation_maximisation(
        make_mixture(kind, np.full(k, 1 / k), centres, covariances),
        lambda model: accumulate(model, X, precision="float64", second_order=False),
        update,
        max_iter=max_iter,
        tol=0.0,
        rounding=1e-12,
    )


def overlapping(seed):
    rng = np.random.default_rng(seed)
    centres = rng.normal(scale=2.0, size=(K, 3))
    X = np.concatenate([rng.normal(centre, 1.0, (60, 3)) for centre in centres])
    return X, X[rng.choice(len(X), K, replace=False)]


@pytest.mark.parametrize("kind", ["tied", "spherical"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_labels_are_those_of_k_means_from_the_same_centres(kind, seed):
    X, centres = overlapping(seed)
    reference = KMeans(K, init=centres, n_init=1, tol=0.0, max_iter=500).fit(X)
    result = fit_with_deviation(X, centres, 1e-3, kind=kind)
    np.testing.assert_array_equal(result.model.predict(X, precision="float64"), reference.labels_)
    np.testing.assert_allclose(result.model.means, reference.cluster_centers_, rtol=0, atol=1e-9)
    shares = np.bincount(reference.labels_) / len(X)
    np.testing.assert_allclose(result.model.weights, shares, rtol=1e-9)


def test_the_likelihood_is_the_distortion_in_the_limit():
    X, centres = overlapping(0)
    reference = KMeans(K, init=centres, n_init=1, tol=0.0, max_iter=500).fit(X)
    variance = 1e-6
    model = fit_with_deviation(X, centres, variance**0.5, kind="tied").model
    total = model.log_likelihood(X, precision="float64").sum()
    constant = -0.5 * X.size * np.log(2 * np.pi * variance)
    np.testing.assert_allclose(-2 * variance * (total - constant), reference.inertia_, rtol=1e-4)


def test_agreement_grows_as_the_covariance_shrinks():
    X, centres = overlapping(1)
    labels = KMeans(K, init=centres, n_init=1, tol=0.0, max_iter=500).fit(X).labels_
    agreement = [
        np.mean(
            fit_with_deviation(X, centres, deviation, kind="spherical").model.predict(X) == labels
        )
        for deviation in (2.0, 0.3, 0.01)
    ]
    # With wide components the limit is far away: were it not, the tests above would show nothing.
    assert agreement[0] < 0.9
    assert agreement[0] < agreement[1] <= agreement[2] == 1.0
