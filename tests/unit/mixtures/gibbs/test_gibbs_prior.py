"""The conjugate prior against SciPy's distributions, the chain rule and numerical integration."""

import pickle

import numpy as np
import pytest
from oracles import gibbs as oracle
from scipy.special import logsumexp
from scipy.stats import invwishart, multivariate_normal

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.mixtures.gibbs import NormalInverseWishart


def plain(prior):
    return prior.mean, prior.mean_precision, prior.degrees_of_freedom, prior.scale


def make(covariance_type, n_features, seed=0):
    rng = np.random.default_rng(seed)
    root = rng.standard_normal((n_features, n_features + 2))
    scale = root @ root.T if covariance_type == "full" else rng.uniform(0.5, 2, n_features)
    return NormalInverseWishart(rng.standard_normal(n_features), 0.3, n_features + 1.7, scale)


@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_marginal_likelihood_is_the_product_of_students_predictions(covariance_type, n_features):
    prior = make(covariance_type, n_features)
    X = np.random.default_rng(1).normal(1.0, 3.0, (9, n_features))
    for n in (0, 1, 2, 9):
        np.testing.assert_allclose(
            prior.log_marginal(X[:n]), oracle.log_marginal(X[:n], *plain(prior)), rtol=1e-12
        )


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_marginal_likelihood_in_one_dimension_by_numerical_integration(covariance_type):
    scale = [[1.3]] if covariance_type == "full" else [1.3]
    prior = NormalInverseWishart([0.4], 0.7, 3.5, scale)
    x = np.array([0.1, 1.9, -0.6])
    expected = oracle.log_marginal_by_integration(x, 0.4, 0.7, 3.5, 1.3)
    np.testing.assert_allclose(prior.log_marginal(x[:, None]), expected, rtol=1e-8)


@pytest.mark.slow
def test_marginal_likelihood_is_the_mean_likelihood_of_parameters_drawn_from_the_prior():
    prior = make("full", 2)
    X = np.array([[0.0, 0.5], [1.0, -0.5]])
    rng = np.random.default_rng(2)
    n_draws = 4000
    covariances = invwishart(prior.degrees_of_freedom, prior.scale).rvs(n_draws, random_state=rng)
    likelihoods = []
    for covariance in covariances:
        mean = rng.multivariate_normal(prior.mean, covariance / prior.mean_precision)
        likelihoods.append(multivariate_normal(mean, covariance).logpdf(X).sum())
    likelihoods = np.array(likelihoods)
    expected = logsumexp(likelihoods) - np.log(n_draws)
    weights = np.exp(likelihoods - likelihoods.max())
    relative_error = weights.std() / weights.mean() / np.sqrt(n_draws)
    assert relative_error < 0.1
    assert abs(prior.log_marginal(X) - expected) < 4 * relative_error


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_posterior_is_the_same_frame_by_frame_and_at_once(covariance_type):
    prior = make(covariance_type, 3)
    X = np.random.default_rng(3).standard_normal((6, 3))
    expected = plain(prior)
    for x in X:
        expected = oracle.absorb(x, *expected)
    for found, value in zip(plain(prior.update(X)), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-12)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_prediction_of_a_frame_is_students(covariance_type):
    prior = make(covariance_type, 3)
    X = np.random.default_rng(4).normal(0, 4, (5, 3))
    expected = [oracle.log_predictive(x, *plain(prior)) for x in X]
    np.testing.assert_allclose(prior.log_predictive(X), expected, rtol=1e-12)


def test_expected_covariance_is_the_mean_of_draws():
    prior = NormalInverseWishart([0.0, 0.0], 1.0, 12.0, [[4.0, 1.0], [1.0, 2.0]])
    np.testing.assert_allclose(
        prior.expected_covariance(), invwishart(12.0, prior.scale).mean(), rtol=1e-12
    )
    diagonal = NormalInverseWishart([0.0], 1.0, 12.0, [4.0])
    np.testing.assert_allclose(
        diagonal.expected_covariance(), [invwishart(12.0, 4.0).mean()], rtol=1e-12
    )
    assert NormalInverseWishart([0.0], 1.0, 1.5, [3.0]).expected_covariance() == [2.0]


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_default_prior_divides_the_spread_of_the_data(covariance_type):
    X = np.random.default_rng(5).multivariate_normal([3.0, -1.0], [[4, 1], [1, 1]], 5000)
    prior = NormalInverseWishart.from_data(X, covariance_type=covariance_type, within_fraction=0.3)
    np.testing.assert_allclose(prior.mean, X.mean(axis=0), rtol=1e-10)
    within = prior.expected_covariance()
    total = within * (1 + 1 / prior.mean_precision)
    expected = np.cov(X.T, bias=True) if covariance_type == "full" else X.var(axis=0)
    # Correlations are shrunk by D frames of 5,000.
    np.testing.assert_allclose(total, expected, rtol=1e-3)


def test_full_and_diagonal_agree_in_one_dimension():
    X = np.random.default_rng(6).normal(3, 2, (20, 1))
    full = NormalInverseWishart.from_data(X, covariance_type="full")
    diagonal = NormalInverseWishart.from_data(X, covariance_type="diag")
    np.testing.assert_allclose(full.log_marginal(X), diagonal.log_marginal(X), rtol=1e-12)
    np.testing.assert_allclose(full.log_predictive(X), diagonal.log_predictive(X), rtol=1e-12)


@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_rescaled_prior_says_the_same_in_other_units(covariance_type):
    prior = make(covariance_type, 3)
    X = np.random.default_rng(7).standard_normal((4, 3))
    centre, unit = np.array([1.0, -2.0, 30.0]), np.array([0.5, 4.0, 1e-3])
    moved = prior.rescale(centre, unit)
    np.testing.assert_allclose(
        moved.log_marginal((X - centre) / unit),
        prior.log_marginal(X) + 4 * np.log(unit).sum(),
        rtol=1e-9,
    )


@pytest.mark.parametrize(
    "X",
    [
        np.zeros((1, 3)),
        np.ones((5, 2)) * 1e6,
        np.repeat(np.random.default_rng(8).standard_normal((4, 1)), 3, axis=1),
        np.random.default_rng(8).standard_normal((3, 10)),
        np.random.default_rng(8).standard_normal((50, 3)) * [1e-6, 1, 1e6] + 1e6,
        (np.random.default_rng(8).standard_normal((50, 2)) + 1e4).astype(np.float32),
    ],
    ids=["one frame", "constant", "same columns", "few frames", "scales", "float32"],
)
@pytest.mark.parametrize("covariance_type", ["full", "diag"])
def test_default_prior_of_odd_data_is_finite(X, covariance_type):
    prior = NormalInverseWishart.from_data(X, covariance_type=covariance_type)
    assert np.isfinite(prior.log_predictive(X)).all()
    assert np.isfinite(prior.log_marginal(X))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0]], 1.0, 3.0, [1.0]), "disagree"),
        (([0.0, 1.0], 1.0, 3.0, [1.0]), r"mean \(2,\), scale \(1,\)"),
        (([np.nan], 1.0, 3.0, [1.0]), "finite"),
        (([0.0], 0.0, 3.0, [1.0]), "mean_precision must be finite and > 0, found 0.0"),
        (([0.0, 0.0], 1.0, 1.0, np.eye(2)), "degrees_of_freedom must be finite and > 1"),
        (([0.0], 1.0, 0.0, [1.0]), "degrees_of_freedom must be finite and > 0"),
        (([0.0], 1.0, 3.0, [0.0]), "positive"),
        (([0.0, 0.0], 1.0, 3.0, [[1.0, 2.0], [2.0, 1.0]]), "positive definite"),
        (([0.0, 0.0], 1.0, 3.0, [[1.0, 0.5], [0.1, 1.0]]), "symmetric"),
        (([0.0, 0.0], 1.0, 3.0, [[0.0, 0.0], [0.0, 1.0]]), "positive definite"),
    ],
)
def test_what_is_no_prior_is_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        NormalInverseWishart(*arguments)


def test_bad_options_of_the_default_prior_are_refused():
    with pytest.raises(InvalidInputError, match="one of full, diag, found 'tied'"):
        NormalInverseWishart.from_data([[0.0]], covariance_type="tied")
    with pytest.raises(InvalidInputError, match=r"> 0 and < 1, found 1\.0"):
        NormalInverseWishart.from_data([[0.0]], within_fraction=1.0)
    with pytest.raises(InsufficientDataError):
        NormalInverseWishart.from_data(np.zeros((0, 2)))


def test_prior_is_read_only_and_survives_pickling():
    prior = make("full", 2)
    with pytest.raises(ValueError, match="read-only"):
        prior.mean[0] = 0
    copy = pickle.loads(pickle.dumps(prior))
    np.testing.assert_array_equal(copy.scale, prior.scale)
    assert not copy.scale.flags.writeable
