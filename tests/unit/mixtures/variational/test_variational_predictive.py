"""The posterior predictive density against random mixtures and SciPy's t distributions."""

import numpy as np
import pytest
from oracles import variational as oracle
from scipy import stats
from scipy.special import logsumexp

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures.variational import (
    VariationalPrior,
    posterior_from_statistics,
    predictive_log_density,
)

KINDS = ("full", "tied", "diag", "spherical")


def make_posterior(kind, rng, prior_type, n_components=3):
    X = rng.normal(size=(20, 2)) * [1.0, 2.0]
    covariance = np.array([[2.0, 0.3], [0.3, 1.0]])
    prior = VariationalPrior(
        kind,
        concentration=0.7,
        mean=[0.2, 0.1],
        mean_precision=0.6,
        degrees_of_freedom=3.5,
        covariance={"diag": np.diag(covariance), "spherical": 1.3}.get(kind, covariance),
        weight_concentration_type="dirichlet_distribution",
        covariance_prior_type=prior_type,
    )
    shares = rng.dirichlet(np.ones(n_components), len(X))
    return posterior_from_statistics(oracle.statistics_of(X, shares, kind), prior=prior), prior


@pytest.mark.slow
@pytest.mark.parametrize("prior_type", ["wishart", "conjugate"])
@pytest.mark.parametrize("kind", KINDS)
def test_it_is_the_mean_density_over_random_parameters(rng, kind, prior_type):
    posterior, prior = make_posterior(kind, rng, prior_type)
    X = np.array([[0.0, 0.0], [1.0, -2.0], [3.0, 5.0]])
    n_draws = 100
    values = np.empty((n_draws, len(X)))
    for draw in range(n_draws):
        weights = rng.dirichlet(posterior.concentrations)
        precisions, _ = oracle._precisions(posterior, prior, rng)
        values[draw] = 0.0
        for k in range(3):
            covariance = np.linalg.inv(precisions[k])
            # The mean is integrated out.
            spread = covariance * (1.0 + 1.0 / posterior.mean_precision[k])
            values[draw] += weights[k] * stats.multivariate_normal(posterior.means[k], spread).pdf(
                X
            )
    error = values.std(axis=0, ddof=1) / np.sqrt(n_draws)
    difference = np.exp(predictive_log_density(posterior, X)) - values.mean(axis=0)
    assert (abs(difference) < 4 * error).all()


def test_full_covariances_give_multivariate_t_distributions(rng):
    posterior, _ = make_posterior("full", rng, "wishart")
    X = rng.normal(size=(7, 2)) * 4
    terms = []
    for k in range(3):
        nu, beta = posterior.degrees_of_freedom[k], posterior.mean_precision[k]
        free = nu + 1 - 2
        shape = posterior.covariances[k] * nu * (1 + beta) / (beta * free)
        density = stats.multivariate_t(posterior.means[k], shape, df=free).logpdf(X)
        terms.append(np.log(posterior.weights[k]) + density)
    np.testing.assert_allclose(
        predictive_log_density(posterior, X), logsumexp(terms, axis=0), rtol=1e-11
    )


@pytest.mark.parametrize("prior_type", ["wishart", "conjugate"])
@pytest.mark.parametrize("kind", KINDS)
def test_densities_integrate_to_one(rng, kind, prior_type):
    posterior, _ = make_posterior(kind, rng, prior_type)
    # Far tails hold little: a substitution x = sinh(u) covers +-1e5.
    u = np.linspace(-12.0, 12.0, 300)
    grid = np.stack(np.meshgrid(np.sinh(u), np.sinh(u), indexing="ij"), axis=-1).reshape(-1, 2)
    jacobian = np.cosh(u)[:, None] * np.cosh(u)
    densities = np.exp(predictive_log_density(posterior, grid)).reshape(300, 300)
    total = (densities * jacobian).sum() * (u[1] - u[0]) ** 2
    assert total == pytest.approx(1.0, abs=1e-4)


def test_frames_of_other_dimensions_are_refused(rng):
    posterior, _ = make_posterior("diag", rng, "wishart")
    with pytest.raises(InvalidInputError, match="2 features, found 3"):
        predictive_log_density(posterior, np.zeros((1, 3)))
