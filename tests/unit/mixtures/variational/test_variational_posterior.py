"""Priors and posteriors: expectations, coordinates, and what is refused."""

import pickle

import numpy as np
import pytest
from oracles import variational as oracle
from scipy import stats

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians import Standardisation, joint_log_densities
from speakergmm.mixtures import prepare_mixture
from speakergmm.mixtures.variational import (
    VariationalPosterior,
    VariationalPrior,
    expected_log_weights,
    expected_weights,
    posterior_concentrations,
    posterior_from_statistics,
    weight_divergence,
)
from speakergmm.records import to_arrays

KINDS = ("full", "tied", "diag", "spherical")
PRIORS = ("wishart", "conjugate")


def make_prior(kind, prior_type="wishart", **changes):
    covariance = np.array([[2.0, 0.3], [0.3, 1.0]])
    options = {
        "concentration": 0.7,
        "mean": [0.2, 0.1],
        "mean_precision": 0.6,
        "degrees_of_freedom": 3.5,
        "covariance": {"diag": np.diag(covariance), "spherical": 1.3}.get(kind, covariance),
    } | changes
    return VariationalPrior(kind, covariance_prior_type=prior_type, **options)


def make_posterior(kind, rng, prior_type="wishart", n_components=4):
    X = rng.normal(size=(30, 2)) * [1.0, 2.0]
    statistics = oracle.statistics_of(X, rng.dirichlet(np.ones(n_components), len(X)), kind)
    return posterior_from_statistics(statistics, prior=make_prior(kind, prior_type))


@pytest.mark.parametrize("prior_type", PRIORS)
@pytest.mark.parametrize("kind", KINDS)
def test_the_kernel_of_mixtures_gives_the_expected_log_joint(rng, kind, prior_type):
    posterior = make_posterior(kind, rng, prior_type)
    X = rng.normal(size=(20, 2)) * 3.0
    natural = prepare_mixture(posterior)
    found = joint_log_densities(natural, X, precision="float64")
    np.testing.assert_allclose(found, oracle.expected_log_joint(posterior, X), rtol=1e-11)


def test_a_stick_is_broken_in_the_order_of_components(rng):
    concentrations = posterior_concentrations(np.array([5.0, 0.0, 2.0]), 0.3, "dirichlet_process")
    np.testing.assert_allclose(concentrations, [[6.0, 1.0, 3.0], [2.3, 2.3, 0.3]])
    draws = stats.beta(*concentrations).rvs((40000, 3), random_state=rng)
    left = np.cumprod(np.column_stack([np.ones(len(draws)), 1.0 - draws[:, :2]]), axis=1)
    weights = draws * left
    logs = np.log(draws) + np.log(left)
    means = weights.mean(axis=0)
    np.testing.assert_allclose(
        expected_weights(concentrations), means / means.sum(), atol=4 * 0.5 / 200
    )
    error = logs.std(axis=0) / np.sqrt(len(logs))
    assert (abs(expected_log_weights(concentrations) - logs.mean(axis=0)) < 4 * error).all()


def test_dirichlet_weights_have_the_moments_of_random_ones(rng):
    concentrations = posterior_concentrations(
        np.array([5.0, 0.0, 2.0]), 0.8, "dirichlet_distribution"
    )
    draws = stats.dirichlet(concentrations).rvs(40000, random_state=rng)
    np.testing.assert_allclose(expected_weights(concentrations), draws.mean(axis=0), atol=0.005)
    logs = np.log(draws)
    error = logs.std(axis=0) / np.sqrt(len(logs))
    assert (abs(expected_log_weights(concentrations) - logs.mean(axis=0)) < 4 * error).all()


@pytest.mark.parametrize("kind", ["dirichlet_process", "dirichlet_distribution"])
def test_the_divergence_of_weights_is_the_mean_log_ratio(rng, kind):
    counts = np.array([4.0, 1.0, 2.0])
    q = posterior_concentrations(counts, 0.9, kind)
    p = posterior_concentrations(0.0 * counts, 0.9, kind)
    if kind == "dirichlet_process":
        draws = stats.beta(*q).rvs((20000, 3), random_state=rng)
        ratios = (stats.beta(*q).logpdf(draws) - stats.beta(*p).logpdf(draws)).sum(axis=1)
    else:
        draws = stats.dirichlet(q).rvs(20000, random_state=rng).T
        ratios = stats.dirichlet(q).logpdf(draws) - stats.dirichlet(p).logpdf(draws)
    error = ratios.std() / np.sqrt(len(ratios))
    assert abs(weight_divergence(q, p) - ratios.mean()) < 4 * error


@pytest.mark.parametrize("kind", KINDS)
def test_coordinates_are_left_and_found_again(rng, kind):
    scale = np.array([0.25, 0.25]) if kind == "spherical" else np.array([0.25, 16.0])
    there = Standardisation(np.array([3.0, -7.0]), scale)
    posterior, prior = make_posterior(kind, rng), make_prior(kind)
    back = there.model_from_standard(there.model_to_standard(posterior))
    np.testing.assert_allclose(back.means, posterior.means, rtol=1e-12)
    np.testing.assert_allclose(back.covariances, posterior.covariances, rtol=1e-14)
    np.testing.assert_allclose(
        there.model_from_standard(there.model_to_standard(prior)).mean, prior.mean
    )
    X = rng.normal(size=(5, 2))
    standard = oracle.expected_log_joint(
        there.model_to_standard(posterior), (X - there.centre) / scale
    )
    plain = oracle.expected_log_joint(posterior, X)
    np.testing.assert_allclose(standard - there.log_volume, plain, rtol=1e-11)


def test_spheres_need_one_scale(rng):
    stretched = Standardisation(np.zeros(2), np.array([1.0, 2.0]))
    with pytest.raises(InvalidInputError, match="one scale"):
        stretched.model_to_standard(make_posterior("spherical", rng))
    with pytest.raises(InvalidInputError, match="one scale"):
        stretched.model_to_standard(make_prior("spherical"))


def test_a_posterior_is_frozen_and_survives_a_process_boundary(rng):
    posterior = make_posterior("full", rng, "conjugate")
    with pytest.raises(ValueError, match="read-only"):
        posterior.concentrations[0, 0] = 1.0
    copy = pickle.loads(pickle.dumps(posterior))
    np.testing.assert_array_equal(copy.effective_log_weights, posterior.effective_log_weights)
    np.testing.assert_array_equal(copy.covariances, posterior.covariances)
    assert copy.covariance_prior_type == "conjugate"
    with pytest.raises(ValueError, match="read-only"):
        copy.means[0, 0] = 1.0


@pytest.mark.parametrize("kind", KINDS)
def test_a_prior_survives_a_process_boundary(kind):
    prior = make_prior(kind, "conjugate", weight_concentration_type="dirichlet_distribution")
    copy = pickle.loads(pickle.dumps(prior))
    for name, array in to_arrays(prior)[0].items():
        np.testing.assert_array_equal(to_arrays(copy)[0][name], array)
    assert to_arrays(copy)[1] == to_arrays(prior)[1]
    assert copy.covariance_type == kind
    assert copy.weight_concentration_type == "dirichlet_distribution"
    assert copy.covariance_prior_type == "conjugate"
    with pytest.raises(ValueError, match="read-only"):
        copy.mean[0] = 1.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"concentration": 0.0}, "concentration must be finite and > 0, found 0"),
        ({"mean_precision": -1.0}, "mean_precision must be finite and > 0, found -1"),
        ({"degrees_of_freedom": 1.0}, "degrees_of_freedom must be finite and > 1, found 1"),
        ({"mean": [np.nan, 0.0]}, "mean must be finite"),
        ({"mean": [[0.0, 0.0]]}, "mean must have shape"),
        ({"covariance": np.eye(3)}, r"must have shape \(2, 2\), found \(3, 3\)"),
        ({"covariance": -np.eye(2)}, "positive definite"),
        ({"weight_concentration_type": "pitman_yor"}, "found 'pitman_yor'"),
    ],
)
def test_priors_that_are_none_are_refused(changes, message):
    with pytest.raises(InvalidInputError, match=message):
        make_prior("full", **changes)


def test_unknown_kinds_and_variances_below_zero_are_refused():
    with pytest.raises(InvalidInputError, match="covariance_type must be one of"):
        make_prior("banded")
    with pytest.raises(InvalidInputError, match="found 'gamma'"):
        make_prior("diag", "gamma")
    with pytest.raises(InvalidInputError, match="covariance must be > 0, found -2"):
        make_prior("diag", covariance=[1.0, -2.0])


def test_conjugate_precisions_of_single_features_need_hardly_any_degrees_of_freedom():
    assert make_prior("diag", "conjugate", degrees_of_freedom=0.1).degrees_of_freedom == 0.1
    with pytest.raises(InvalidInputError, match=r"finite and > 1, found 0\.1"):
        make_prior("diag", "wishart", degrees_of_freedom=0.1)
    with pytest.raises(InvalidInputError, match=r"finite and > 1, found 0\.1"):
        make_prior("tied", "conjugate", degrees_of_freedom=0.1)


def test_posteriors_that_are_none_are_refused():
    with pytest.raises(InvalidInputError, match="concentrations must be finite and > 0, found 0"):
        VariationalPosterior("diag", [0.0], [[0.0]], [1.0], [1.0], [[1.0]])
    with pytest.raises(InvalidInputError, match="one entry for each of 1 components"):
        VariationalPosterior("diag", [1.0], [[0.0]], [1.0, 2.0], [1.0], [[1.0]])
    with pytest.raises(InvalidInputError, match="one for all if tied"):
        VariationalPosterior("tied", [1.0], [[0.0]], [1.0], [1.0], [[1.0]])
