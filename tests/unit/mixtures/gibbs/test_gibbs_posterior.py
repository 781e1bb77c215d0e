"""What the sampler draws from: long runs against enumeration, Geweke's test, the concentration."""

import numpy as np
import pytest
from oracles import gibbs as oracle
from scipy.special import gammaln
from scipy.stats import gamma

from speakergmm.mixtures.gibbs import (
    Chain,
    GammaPrior,
    NormalInverseWishart,
    PartitionState,
    draw_concentration,
    name_by_appearance,
    sample_dirichlet_process,
)


def plain(prior):
    return prior.mean, prior.mean_precision, prior.degrees_of_freedom, prior.scale


@pytest.mark.slow
@pytest.mark.parametrize(
    ("covariance_type", "n_frames", "n_features", "concentration"),
    [("full", 5, 2, 1.0), ("full", 6, 1, 0.5), ("diag", 5, 3, 2.0), ("diag", 6, 2, 1.0)],
)
def test_long_run_frequencies_are_the_posterior_by_enumeration(
    covariance_type, n_frames, n_features, concentration
):
    rng = np.random.default_rng(0)
    # Feature units far from standard ones: the posterior must not notice the standardisation.
    X = 1e3 + 50 * rng.normal(0, 1.5, (n_frames, n_features))
    root = 50 * rng.standard_normal((n_features, n_features + 2))
    scale = root @ root.T if covariance_type == "full" else (root**2).sum(axis=1)
    prior = NormalInverseWishart(np.full(n_features, 990.0), 0.2, n_features + 2.5, scale)
    posterior = oracle.exact_posterior(X, plain(prior), concentration)
    samples = sample_dirichlet_process(
        X,
        covariance_type=covariance_type,
        concentration=concentration,
        prior=prior,
        n_sweeps=6000,
        burn_in=0,
        n_chains=2,
        n_kept=6000,
        init="single",
    )
    drawn = [tuple(name_by_appearance(p).tolist()) for p in samples.labels.reshape(-1, n_frames)]
    number = {labels: i for i, labels in enumerate(posterior)}
    visits = np.array([number[labels] for labels in drawn])
    checked = 0
    for labels, probability in posterior.items():
        indicator = visits == number[labels]
        if probability < 0.01:
            continue
        checked += 1
        n_effective = oracle.effective_draws(indicator)
        assert n_effective > 500
        error = np.sqrt(probability * (1 - probability) / n_effective)
        assert abs(indicator.mean() - probability) < 4 * error, (labels, probability)
    assert checked > 5
    # Of the number of clusters; the Monte-Carlo error is below 0.01 for each.
    found = samples.n_clusters_posterior()
    assert abs(sum(found.values()) - 1) < 1e-12
    for k in range(1, n_frames + 1):
        expected = sum(p for labels, p in posterior.items() if max(labels) + 1 == k)
        assert abs(found.get(k, 0.0) - expected) < 0.025


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
@pytest.mark.parametrize("concentration", [0.7, (2.0, 1.5)])
def test_trace_of_the_log_probability_is_the_joint_one_in_feature_units(
    covariance_type, concentration
):
    X = np.random.default_rng(1).normal(100, 7, (6, 2))
    samples = sample_dirichlet_process(
        X,
        covariance_type=covariance_type,
        concentration=concentration,
        n_sweeps=12,
        burn_in=2,
        n_chains=2,
    )
    np.testing.assert_array_equal(samples.kept_sweeps, np.arange(2, 12))
    for chain in range(2):
        for sweep, labels in zip(samples.kept_sweeps, samples.labels[chain], strict=True):
            value = samples.concentration[chain, sweep]
            expected = oracle.log_joint(labels, X, plain(samples.prior), value)
            if isinstance(concentration, tuple):
                shape, rate = concentration
                expected += gamma.logpdf(value, shape, scale=1 / rate)
            np.testing.assert_allclose(samples.log_probability[chain, sweep], expected, rtol=1e-11)
    best = samples.log_probability[:, 2:].max()
    if not isinstance(concentration, tuple):
        joint = oracle.log_joint(samples.partition("map"), X, plain(samples.prior), 0.7)
        np.testing.assert_allclose(joint, best, rtol=1e-11)


@pytest.mark.parametrize(("n_clusters", "n_frames"), [(1, 4), (3, 10), (12, 200)])
@pytest.mark.parametrize("prior", [GammaPrior(1.0, 1.0), GammaPrior(0.5, 0.1), GammaPrior(8, 2)])
def test_concentration_is_drawn_from_its_posterior(n_clusters, n_frames, prior):
    def log_density(value):
        return (
            gamma.logpdf(value, prior.shape, scale=1 / prior.rate)
            + n_clusters * np.log(value)
            + gammaln(value)
            - gammaln(value + n_frames)
        )

    grid = np.geomspace(1e-8, 500, 20001)
    weights = np.exp(log_density(grid) - log_density(grid).max()) * grid
    weights /= weights.sum()
    mean = weights @ np.log(grid)
    deviation = np.sqrt(weights @ (np.log(grid) - mean) ** 2)
    rng = np.random.default_rng(0)
    value, draws = 1.0, []
    for _ in range(4000):
        value = draw_concentration(value, n_clusters, n_frames, prior, rng)
        draws.append(np.log(value))
    batches = np.array(draws).reshape(20, 200).mean(axis=1)
    error = batches.std(ddof=1) / np.sqrt(20)
    assert error < 0.1 * deviation
    assert abs(np.mean(draws) - mean) < 4 * error
    assert abs(np.std(draws) / deviation - 1) < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_getting_it_right(covariance_type):
    # Geweke (2004): sweeps that alternate with new frames drawn for the partition must leave the
    # prior of partitions and concentrations as it is.
    n_frames, n_features = 4, 2
    scale = np.array([[2.0, 0.5], [0.5, 1.0]]) if covariance_type == "full" else [2.0, 1.0]
    prior = NormalInverseWishart([0.5, 0.0], 0.5, 5.0, scale)
    concentration_prior = GammaPrior(3.0, 2.0)
    rng = np.random.default_rng(0)
    labels = np.zeros(n_frames, dtype=np.int64)
    X = rng.standard_normal((n_frames, n_features))
    value = 1.0
    n_clusters, concentrations = [], []
    for _ in range(4000):
        partition = PartitionState(X, prior, labels)
        chain = Chain(partition, rng, value, concentration_prior, keep=(), burn_in=0)
        chain.advance(1)
        labels, value = partition.labels.copy(), chain.concentration
        n_clusters.append(partition.n_clusters)
        concentrations.append(value)
        X = draw_frames(labels, prior, rng)
    grid = np.linspace(1e-3, 12, 4000)
    weights = np.exp([concentration_prior.log_density(a) for a in grid])
    weights /= weights.sum()
    for k in range(1, n_frames + 1):
        by_partition = [
            [oracle.log_chinese_restaurant(p, a) for a in grid[::40]]
            for p in oracle.set_partitions(n_frames)
            if max(p) + 1 == k
        ]
        expected = weights[::40] @ np.exp(by_partition).sum(axis=0) / weights[::40].sum()
        indicator = np.array(n_clusters) == k
        n_effective = oracle.effective_draws(indicator)
        assert n_effective > 200
        error = np.sqrt(expected * (1 - expected) / n_effective)
        assert abs(indicator.mean() - expected) < 4 * error, k
    batches = np.array(concentrations).reshape(20, 200).mean(axis=1)
    error = batches.std(ddof=1) / np.sqrt(20)
    assert abs(np.mean(concentrations) - concentration_prior.mean) < 4 * error


def draw_frames(labels, prior, rng):
    """Draw frames for a partition, from parameters drawn from the prior, one after the other."""
    X = np.empty((len(labels), prior.n_features))
    for k in range(labels.max() + 1):
        members = np.flatnonzero(labels == k)
        freedom = prior.degrees_of_freedom
        if prior.scale.ndim == 2:
            # Inverse-Wishart as the inverse of the scatter of `freedom` normal vectors.
            root = np.linalg.cholesky(np.linalg.inv(prior.scale))
            normals = rng.standard_normal((int(freedom), prior.n_features)) @ root.T
            covariance = np.linalg.inv(normals.T @ normals)
        else:
            covariance = np.diag(prior.scale / rng.chisquare(freedom, prior.n_features))
        factor = np.linalg.cholesky(covariance)
        spread = rng.standard_normal(prior.n_features) / np.sqrt(prior.mean_precision)
        mean = prior.mean + factor @ spread
        X[members] = mean + rng.standard_normal((len(members), prior.n_features)) @ factor.T
    return X
