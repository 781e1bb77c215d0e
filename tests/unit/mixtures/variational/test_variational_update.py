"""The variational update against scikit-learn's, step by step, and against first principles."""

import numpy as np
import pytest
from oracles import variational as oracle
from sklearn.mixture import BayesianGaussianMixture

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures import MixtureStatistics
from speakergmm.mixtures.variational import (
    VariationalPrior,
    posterior_from_moments,
    posterior_from_statistics,
    prior_as_posterior,
    update_variational,
)

KINDS = ("full", "tied", "diag", "spherical")
WEIGHTS = ("dirichlet_process", "dirichlet_distribution")


@pytest.fixture
def clusters(rng):
    centres = np.array([[0.0, 0.0, 0.0], [4.0, 1.0, 0.0], [0.0, 5.0, 3.0]])
    return np.concatenate([rng.normal(m, [1.0, 2.0, 0.5], (40, 3)) for m in centres])


def make_prior(kind, *, weights="dirichlet_process", prior_type="wishart", **changes):
    covariance = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 1.5]])
    shaped = {"diag": np.diag(covariance), "spherical": 1.3}.get(kind, covariance)
    options = {
        "concentration": 0.7,
        "mean": [0.2, 0.1, -0.4],
        "mean_precision": 0.6,
        "degrees_of_freedom": 4.5,
        "covariance": shaped,
    } | changes
    return VariationalPrior(
        kind, weight_concentration_type=weights, covariance_prior_type=prior_type, **options
    )


@pytest.mark.parametrize("reg_covar", [0.0, 1e-2])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_steps_are_those_of_scikit_learn(clusters, rng, kind, weights, reg_covar):
    X = clusters
    shares = rng.dirichlet(np.ones(5), len(X))
    theirs = BayesianGaussianMixture(
        n_components=5,
        covariance_type=kind,
        weight_concentration_prior_type=weights,
        reg_covar=reg_covar,
        mean_precision_prior=0.4,
        degrees_of_freedom_prior=3.7,
    )
    theirs._check_parameters(X)
    theirs._initialize(X, shares)
    prior = VariationalPrior(
        kind,
        concentration=theirs.weight_concentration_prior_,
        mean=theirs.mean_prior_,
        mean_precision=theirs.mean_precision_prior_,
        degrees_of_freedom=theirs.degrees_of_freedom_prior_,
        covariance=theirs.covariance_prior_,
        weight_concentration_type=weights,
    )
    model = posterior_from_statistics(
        oracle.statistics_of(X, shares, kind), prior=prior, reg_covar=reg_covar
    )
    for _ in range(12):
        statistics = oracle.accumulate(model, X)
        model, report = update_variational(statistics, model, prior=prior, reg_covar=reg_covar)
        log_norm, log_shares = theirs._e_step(X)
        theirs._m_step(X, log_shares)
        bound = theirs._compute_lower_bound(log_shares, log_norm)
        np.testing.assert_allclose(report.bound, np.squeeze(bound), rtol=1e-9)
        np.testing.assert_allclose(
            model.concentrations, np.array(theirs.weight_concentration_), rtol=1e-9
        )
        np.testing.assert_allclose(model.mean_precision, theirs.mean_precision_, rtol=1e-9)
        np.testing.assert_allclose(model.means, theirs.means_, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(model.degrees_of_freedom, theirs.degrees_of_freedom_, rtol=1e-9)
        np.testing.assert_allclose(model.covariances, theirs.covariances_, rtol=1e-9, atol=1e-9)
    theirs._set_parameters(theirs._get_parameters())
    np.testing.assert_allclose(model.weights, theirs.weights_, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_the_priors_differ_in_expectations_only(clusters, rng, kind):
    statistics = oracle.statistics_of(clusters, rng.dirichlet(np.ones(4), len(clusters)), kind)
    wishart = posterior_from_statistics(statistics, prior=make_prior(kind))
    conjugate = posterior_from_statistics(
        statistics, prior=make_prior(kind, prior_type="conjugate")
    )
    np.testing.assert_array_equal(wishart.covariances, conjugate.covariances)
    same = np.array_equal(wishart.effective_log_weights, conjugate.effective_log_weights)
    assert same == (kind == "full")


@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_without_frames_the_posterior_is_the_prior(kind, weights):
    prior = make_prior(kind, weights=weights)
    model = prior_as_posterior(prior, 3)
    np.testing.assert_array_equal(model.means, np.tile(prior.mean, (3, 1)))
    np.testing.assert_allclose(model.mean_precision, 0.6)
    np.testing.assert_allclose(model.degrees_of_freedom, 4.5)
    np.testing.assert_allclose(
        model.covariances * 4.5,
        np.broadcast_to(
            prior.covariance if kind in ("tied", "full") else np.expand_dims(prior.covariance, 0),
            model.covariances.shape,
        ),
        rtol=1e-15,
    )
    expected = np.full(3, 0.7) if weights != "dirichlet_process" else [[1.0] * 3, [0.7] * 3]
    np.testing.assert_array_equal(model.concentrations, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_integer_weights_are_copies(clusters, rng, kind):
    weights = rng.integers(0, 4, len(clusters))
    shares = rng.dirichlet(np.ones(4), len(clusters))
    prior = make_prior(kind)
    start = posterior_from_statistics(oracle.statistics_of(clusters, shares, kind), prior=prior)
    weighted = oracle.accumulate(start, clusters, weights=weights)
    copied = oracle.accumulate(start, np.repeat(clusters, weights, axis=0))
    one, one_report = update_variational(weighted, start, prior=prior)
    two, two_report = update_variational(copied, start, prior=prior)
    np.testing.assert_allclose(one.covariances, two.covariances, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(one_report.bound, two_report.bound, rtol=1e-11)


@pytest.mark.parametrize("kind", KINDS)
def test_moments_are_statistics_about_the_means(clusters, kind):
    labels = np.arange(len(clusters)) % 3
    shares = np.eye(3)[labels]
    groups = [clusters[labels == k] for k in range(3)]
    matrices = np.stack([np.cov(group.T, bias=True) * len(group) for group in groups])
    diagonals = np.einsum("kdd->kd", matrices)
    scatter = {
        "full": matrices,
        "tied": matrices.sum(axis=0),
        "diag": diagonals,
        "spherical": diagonals.sum(axis=1),
    }[kind]
    means = np.stack([group.mean(axis=0) for group in groups])
    counts = np.full(3, 40.0)
    prior = make_prior(kind)
    one = posterior_from_moments(counts, means, scatter, prior=prior)
    two = posterior_from_statistics(oracle.statistics_of(clusters, shares, kind), prior=prior)
    np.testing.assert_allclose(one.covariances, two.covariances, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(one.means, two.means, rtol=1e-12)


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_a_scatter_that_rounding_made_negative_leaves_a_covariance(kind):
    # Beyond any rounding, so that the remedy shows: an eigenvalue of -50.
    matrix = np.diag([3.0, 2.0, -50.0])
    prior = make_prior(kind)
    scatter = matrix if kind == "tied" else np.stack([matrix, np.eye(3)])
    counts = np.array([10.0, 10.0])
    means = np.tile(prior.mean, (2, 1))
    model = posterior_from_moments(counts, means, scatter, prior=prior)
    assert np.linalg.eigvalsh(model.covariances).min() > 0
    if kind == "full":
        healthy = (prior.covariance + np.eye(3)) / model.degrees_of_freedom[1]
        np.testing.assert_allclose(model.covariances[1], healthy, rtol=1e-12)


@pytest.mark.parametrize("kind", ["diag", "spherical"])
def test_squares_below_those_of_the_mean_count_as_none(kind):
    prior = make_prior(kind)
    second = [[0.9, 1.0, 1.0]] if kind == "diag" else [2.9]
    statistics = MixtureStatistics([1.0], [[1.0, 1.0, 1.0]], second, 0.0, 1.0, kind)
    exact = [[1.0, 1.0, 1.0]] if kind == "diag" else [3.0]
    expected = MixtureStatistics([1.0], [[1.0, 1.0, 1.0]], exact, 0.0, 1.0, kind)
    np.testing.assert_array_equal(
        posterior_from_statistics(statistics, prior=prior).covariances,
        posterior_from_statistics(expected, prior=prior).covariances,
    )


def test_statistics_of_another_kind_are_refused():
    prior = make_prior("full")
    with pytest.raises(InvalidInputError, match=r"diag covariances and 3 features .* full model"):
        posterior_from_statistics(MixtureStatistics.zeros(2, 3), prior=prior)
    with pytest.raises(InvalidInputError, match="4 features do not suit a full model of 3"):
        posterior_from_statistics(
            MixtureStatistics.zeros(2, 4, covariance_type="full"), prior=prior
        )
    with pytest.raises(InvalidInputError, match="second-order"):
        posterior_from_statistics(
            MixtureStatistics.zeros(2, 3, second_order=False, covariance_type="full"), prior=prior
        )


@pytest.mark.parametrize("reg_covar", [-1e-9, np.inf, np.nan])
def test_a_regularisation_out_of_range_is_refused(reg_covar):
    statistics = MixtureStatistics.zeros(2, 3, covariance_type="full")
    with pytest.raises(InvalidInputError, match="reg_covar must be finite and >= 0"):
        posterior_from_statistics(statistics, prior=make_prior("full"), reg_covar=reg_covar)
