"""The evidence bound against closed forms, random parameters and scikit-learn's bound."""

import numpy as np
import pytest
from oracles import variational as oracle
from scipy import stats

from speakergmm.mixtures.variational import (
    VariationalPrior,
    WishartFactors,
    evidence_lower_bound,
    expected_log_joint,
    parameter_divergence,
    posterior_from_statistics,
    responsibility_entropy,
    update_variational,
)

KINDS = ("full", "tied", "diag", "spherical")
WEIGHTS = ("dirichlet_process", "dirichlet_distribution")
PRIORS = ("wishart", "conjugate")


@pytest.fixture
def X(rng):
    return rng.normal(size=(9, 2)) * [1.0, 2.0]


def make_prior(kind, weights, prior_type):
    covariance = np.array([[2.0, 0.3], [0.3, 1.0]])
    return VariationalPrior(
        kind,
        concentration=1.7,
        mean=[0.2, 0.1],
        mean_precision=0.6,
        degrees_of_freedom=4.5,
        covariance={"diag": np.diag(covariance), "spherical": 1.3}.get(kind, covariance),
        weight_concentration_type=weights,
        covariance_prior_type=prior_type,
    )


def start_from(X, prior, rng, n_components=3):
    shares = rng.dirichlet(np.ones(n_components), len(X))
    return posterior_from_statistics(
        oracle.statistics_of(X, shares, prior.covariance_type), prior=prior
    )


@pytest.mark.slow
@pytest.mark.parametrize("prior_type", PRIORS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_mean_over_random_parameters(X, rng, kind, weights, prior_type):
    prior = make_prior(kind, weights, prior_type)
    responsible = start_from(X, prior, rng)
    # Not the best posterior for these responsibilities: the formula holds for any.
    posterior = start_from(X, prior, rng)
    statistics = oracle.accumulate(responsible, X)
    bound = evidence_lower_bound(statistics, responsible, posterior, prior)
    shares = oracle.responsibilities(responsible, X)
    mean, error = oracle.monte_carlo_bound(X, shares, posterior, prior, n_draws=60, rng=rng)
    assert error < 1.0
    assert abs(bound - mean) < 4 * error


@pytest.mark.parametrize(
    ("kind", "prior_type"),
    [("full", "wishart"), ("tied", "wishart"), *((kind, "conjugate") for kind in KINDS)],
)
def test_one_component_reaches_the_evidence(X, kind, prior_type):
    prior = make_prior(kind, "dirichlet_distribution", prior_type)
    posterior = posterior_from_statistics(
        oracle.statistics_of(X, np.ones((len(X), 1)), kind), prior=prior
    )
    bound = evidence_lower_bound(oracle.accumulate(posterior, X), posterior, posterior, prior)
    assert bound == pytest.approx(oracle.log_evidence(X, prior), rel=1e-12)


@pytest.mark.parametrize("kind", ["diag", "spherical"])
def test_a_restricted_posterior_stays_below_the_evidence_of_the_full_model(X, kind):
    prior = make_prior(kind, "dirichlet_distribution", "wishart")
    posterior = posterior_from_statistics(
        oracle.statistics_of(X, np.ones((len(X), 1)), kind), prior=prior
    )
    bound = evidence_lower_bound(oracle.accumulate(posterior, X), posterior, posterior, prior)
    full = np.diag(prior.covariance) if kind == "diag" else prior.covariance * np.eye(2)
    unrestricted = VariationalPrior(
        "full",
        concentration=1.7,
        mean=prior.mean,
        mean_precision=prior.mean_precision,
        degrees_of_freedom=prior.degrees_of_freedom,
        covariance=full,
    )
    evidence = oracle.log_evidence(X, unrestricted)
    assert evidence - 3.0 < bound < evidence - 0.01


@pytest.mark.parametrize("prior_type", PRIORS)
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_differs_from_scikit_learns_bound_by_a_constant(X, rng, kind, weights, prior_type):
    prior = make_prior(kind, weights, prior_type)
    model = start_from(X, prior, rng)
    differences, bounds = [], []
    for _ in range(8):
        statistics = oracle.accumulate(model, X)
        new, report = update_variational(statistics, model, prior=prior)
        bounds.append(evidence_lower_bound(statistics, model, new, prior))
        differences.append(bounds[-1] - report.bound)
        model = new
    np.testing.assert_allclose(differences, differences[0], rtol=1e-12)
    assert np.ptp(bounds) > 1e-3
    assert np.diff(bounds).min() >= -1e-11


@pytest.mark.parametrize("kind", KINDS)
def test_under_its_own_responsibilities_it_is_the_normalisers_less_the_divergence(X, rng, kind):
    prior = make_prior(kind, "dirichlet_process", "wishart")
    model = start_from(X, prior, rng)
    statistics = oracle.accumulate(model, X)
    expected = statistics.log_likelihood - parameter_divergence(model, prior)
    bound = evidence_lower_bound(statistics, model, model, prior)
    assert bound == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("prior_type", PRIORS)
@pytest.mark.parametrize("kind", KINDS)
def test_terms_of_the_frames_come_from_statistics_alone(X, rng, kind, prior_type):
    prior = make_prior(kind, "dirichlet_process", prior_type)
    model, other = start_from(X, prior, rng), start_from(X, prior, rng)
    weights = rng.uniform(0.0, 2.0, len(X))
    statistics = oracle.accumulate(model, X, weights=weights)
    shares = oracle.responsibilities(model, X)
    entropy = -(weights[:, None] * shares * np.log(shares)).sum()
    joint = (weights[:, None] * shares * oracle.expected_log_joint(other, X)).sum()
    assert responsibility_entropy(statistics, model) == pytest.approx(entropy, rel=1e-11)
    assert expected_log_joint(statistics, other) == pytest.approx(joint, rel=1e-11)


def test_the_divergence_of_the_prior_from_itself_is_zero():
    for kind in KINDS:
        for prior_type in PRIORS:
            prior = make_prior(kind, "dirichlet_distribution", prior_type)
            start = posterior_from_statistics(
                oracle.statistics_of(np.zeros((1, 2)), np.zeros((1, 3)), kind), prior=prior
            )
            assert parameter_divergence(start, prior) == pytest.approx(0.0, abs=1e-12)


def test_wishart_expectations_are_those_of_random_matrices(rng):
    inverse_scale = np.array([[2.0, 0.5], [0.5, 1.0]])
    factors = WishartFactors(
        np.array([5.3]), np.array([np.linalg.slogdet(inverse_scale)[1]]), dimension=2
    )
    draws = stats.wishart(5.3, np.linalg.inv(inverse_scale)).rvs(20000, random_state=rng)
    logs = np.linalg.slogdet(draws)[1]
    error = logs.std() / np.sqrt(len(logs))
    assert abs(factors.expected_log_determinants()[0] - logs.mean()) < 4 * error
