"""What the samples say: known clusters, mixtures, predictive densities."""

import numpy as np
import pytest
from oracles import gibbs as oracle
from scipy import integrate
from scipy.special import logsumexp

from speakergmm.mixtures import DiagonalMixture, FullMixture
from speakergmm.mixtures.gibbs import (
    name_by_appearance,
    sample_dirichlet_process,
)


def plain(prior):
    return prior.mean, prior.mean_precision, prior.degrees_of_freedom, prior.scale


def three_clusters(n_frames=150, seed=0):
    rng = np.random.default_rng(seed)
    true = np.repeat(np.arange(3), n_frames // 3)
    centres = np.array([[-6.0, 0.0], [0.0, 6.0], [6.0, -3.0]])
    return centres[true] + rng.normal(0, 0.7, (len(true), 2)), true


def same_partition(first, second):
    return np.array_equal(name_by_appearance(first), name_by_appearance(second))


@pytest.mark.parametrize("init", ["single", "singletons", "random", "sequential", 20, 1])
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_three_clusters_are_found_from_any_start(covariance_type, init):
    X, true = three_clusters()
    samples = sample_dirichlet_process(
        X, covariance_type=covariance_type, n_sweeps=300, n_chains=2, init=init
    )
    posterior = samples.n_clusters_posterior()
    assert max(posterior, key=posterior.get) == 3
    assert same_partition(samples.partition(), true)
    assert same_partition(samples.partition("map"), true)


@pytest.mark.slow
def test_chains_of_three_clusters_agree_and_co_clustering_shows_them():
    pytest.importorskip("arviz")
    X, true = three_clusters()
    samples = sample_dirichlet_process(X, n_sweeps=400)
    assert set(samples.r_hat()) == {"n_clusters", "log_probability", "concentration"}
    assert max(samples.r_hat().values()) < 1.05
    assert min(samples.effective_sample_size().values()) > 100
    together = samples.coclustering()
    same = true[:, None] == true
    assert together[same].mean() > 0.95
    assert together[~same].max() < 0.01


def test_fixed_concentration_has_no_trace_to_judge():
    pytest.importorskip("arviz")
    X, _ = three_clusters(30)
    samples = sample_dirichlet_process(X, concentration=1.0, n_sweeps=40, n_chains=2)
    assert set(samples.r_hat()) == {"n_clusters", "log_probability"}


def test_larger_concentration_gives_more_clusters():
    X = np.random.default_rng(2).standard_normal((100, 2))
    numbers = [
        sample_dirichlet_process(X, concentration=value, n_sweeps=100, n_chains=2)
        .n_clusters[:, 50:]
        .mean()
        for value in (0.1, 1.0, 10.0)
    ]
    assert numbers[0] + 0.5 < numbers[1] < numbers[2] - 0.5


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_mixture_of_a_partition_has_posterior_mean_parameters(covariance_type):
    X, true = three_clusters(30)
    X = X * [1.0, 100.0] + [0.0, 1e4]
    samples = sample_dirichlet_process(X, covariance_type=covariance_type, n_sweeps=40, n_chains=1)
    mixture = samples.to_mixture(true)
    assert isinstance(mixture, FullMixture if covariance_type == "full" else DiagonalMixture)
    np.testing.assert_allclose(mixture.weights, [1 / 3] * 3)
    for k in range(3):
        posterior = plain(samples.prior)
        for x in X[true == k]:
            posterior = oracle.absorb(x, *posterior)
        mean, _, freedom, scale = posterior
        np.testing.assert_allclose(mixture.means[k], mean, rtol=1e-12)
        excess = freedom - (2 if covariance_type == "full" else 1) - 1
        np.testing.assert_allclose(mixture.covariances[k], scale / excess, rtol=1e-10)
    np.testing.assert_array_equal(
        samples.to_mixture().means, samples.to_mixture(samples.partition()).means
    )


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_predictive_density_averages_over_partitions(covariance_type):
    X = np.random.default_rng(3).normal(50, 10, (8, 2))
    samples = sample_dirichlet_process(
        X, covariance_type=covariance_type, concentration=(1.0, 1.0), n_sweeps=12, n_chains=2
    )
    new = np.array([[50.0, 50.0], [20.0, 90.0], [1e3, -1e3]])
    terms = []
    for chain in range(2):
        for sweep, labels in zip(samples.kept_sweeps, samples.labels[chain], strict=True):
            value = samples.concentration[chain, sweep]
            for k in range(labels.max() + 1):
                posterior = plain(samples.prior)
                for x in X[labels == k]:
                    posterior = oracle.absorb(x, *posterior)
                weight = np.log(np.count_nonzero(labels == k) / (8 + value))
                terms.append([weight + oracle.log_predictive(x, *posterior) for x in new])
            prior = plain(samples.prior)
            weight = np.log(value / (8 + value))
            terms.append([weight + oracle.log_predictive(x, *prior) for x in new])
    n_partitions = 2 * len(samples.kept_sweeps)
    expected = logsumexp(terms, axis=0) - np.log(n_partitions)
    np.testing.assert_allclose(samples.log_predictive(new), expected, rtol=1e-10)


def test_predictive_density_integrates_to_one():
    X, _ = three_clusters(30)
    samples = sample_dirichlet_process(X[:, :1] * 1e-3, n_sweeps=20, n_chains=1)
    # A tangent maps the whole line to a bounded interval.
    angles = np.linspace(-np.pi / 2, np.pi / 2, 40003)[1:-1]
    x = 1e-2 * np.tan(angles)
    density = np.exp(samples.log_predictive(x[:, None])) * 1e-2 / np.cos(angles) ** 2
    assert abs(integrate.simpson(density, x=angles) - 1) < 1e-6


def test_most_probable_partition_is_none_of_the_burn_in():
    X = np.random.default_rng(0).standard_normal((20, 2))
    samples = sample_dirichlet_process(X, n_sweeps=30, burn_in=29, n_chains=1)
    # A sweep of the burn-in was more probable than the only one after it.
    assert samples.log_probability[0].argmax() < 29
    assert same_partition(samples.best_labels, samples.labels[0, 0])
