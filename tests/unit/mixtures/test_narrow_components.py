"""A few components that float32 does not serve, among many that it does."""

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from speakergmm.hmm import MixtureBank
from speakergmm.mixtures import accumulate, make_mixture, prepare_mixture

NARROW = 3
DEVIATION = 1e-4


def narrow_among_wide(kind):
    """Twenty components of six features; the deviations of one are 1e-4 of those of the others."""
    rng = np.random.default_rng(0)
    variances = np.ones(20)
    variances[NARROW] = DEVIATION**2
    covariances = {
        "spherical": variances,
        "diag": np.repeat(variances[:, None], 6, axis=1),
        "full": variances[:, None, None] * (0.7 * np.eye(6) + 0.3),
    }[kind]
    return make_mixture(kind, np.full(20, 0.05), rng.normal(0.0, 2.0, (20, 6)), covariances)


def frames_of(model):
    """Some of all components, and some around the narrow one, up to twelve deviations away."""
    rng = np.random.default_rng(1)
    directions = rng.normal(size=(300, 6))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    near = model.means[NARROW] + DEVIATION * directions * rng.uniform(0.0, 12.0, (300, 1))
    return np.concatenate([model.sample(300, rng), near])


def joint_log_densities(model, X):
    parts = zip(model.weights, model.means, model.full_covariances(), strict=True)
    return np.stack(
        [np.log(w) + multivariate_normal(mean, matrix).logpdf(X) for w, mean, matrix in parts],
        axis=1,
    )


@pytest.mark.parametrize("kind", ["spherical", "diag", "full"])
def test_they_are_evaluated_exactly_and_the_others_in_float32(kind):
    model = narrow_among_wide(kind)
    dtype, exact = prepare_mixture(model).plan("float32")
    assert (dtype, exact.tolist()) == (np.float32, [NARROW])
    X = frames_of(model)
    joint = joint_log_densities(model, X)
    likelihoods = logsumexp(joint, axis=1)
    np.testing.assert_allclose(model.log_likelihood(X), likelihoods, rtol=0, atol=2e-3)
    np.testing.assert_allclose(
        model.log_density(X)[:, NARROW], joint[:, NARROW], rtol=1e-6, atol=1e-4
    )
    posteriors = np.exp(joint - likelihoods[:, None])
    # There are frames that it shares with others.
    shared = posteriors[:, NARROW]
    assert ((shared > 0.01) & (shared < 0.99)).any()
    np.testing.assert_allclose(model.posteriors(X), posteriors, rtol=0, atol=2e-3)
    found = accumulate(model, X)
    np.testing.assert_allclose(found.counts, posteriors.sum(axis=0), rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(found.first_order, posteriors.T @ X, rtol=1e-3, atol=1e-2)
    # About its mean, in deviations of its own.
    mean = model.means[NARROW]
    moved = found.first_order[NARROW] - found.counts[NARROW] * mean
    expected = shared @ (X - mean)
    assert np.abs(expected).max() > 20 * DEVIATION
    np.testing.assert_allclose(moved, expected, rtol=1e-2, atol=DEVIATION)


@pytest.mark.parametrize("kind", ["spherical", "diag", "full"])
def test_some_pdfs_of_a_bank_have_them_in_their_places(kind):
    model = narrow_among_wide(kind)
    bank = MixtureBank.from_parameters(
        np.arange(0, 21, 2), np.full(20, 0.5), model.means, model.covariances, covariance_type=kind
    )
    X = frames_of(model)
    joint = joint_log_densities(model, X) + np.log(10.0)
    pdfs = [7, 1, 4]
    found = bank.evaluate(X, pdfs)
    places = [14, 15, 2, 3, 8, 9]
    assert found.gaussians.tolist() == places
    np.testing.assert_allclose(found.densities, joint[:, places], rtol=1e-5, atol=2e-3)
    np.testing.assert_allclose(
        found.log_emissions,
        logsumexp(joint[:, places].reshape(len(X), 3, 2), axis=2),
        rtol=1e-5,
        atol=2e-3,
    )
