"""The best posterior of weights, means and precisions for given responsibilities."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.choices import CovarianceType
from speakergmm.gaussians.covariances import Covariances
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.mixtures.variational.posterior import VariationalPosterior
from speakergmm.mixtures.variational.variational_prior import VariationalPrior
from speakergmm.mixtures.variational.weights import posterior_concentrations

# An inverse scale is never below that of the prior, except by rounding; it is kept above this part
# of it.
_LEAST_OF_PRIOR = 0.5


def prior_as_posterior(prior: VariationalPrior, n_components: int) -> VariationalPosterior:
    """Return the prior of K components in the form of a posterior, that of no frame."""
    means = np.tile(prior.mean, (n_components, 1))
    nothing = np.zeros(prior.kind.shape(n_components, prior.n_features))
    return posterior_from_moments(np.zeros(n_components), means, nothing, prior=prior)


def posterior_from_statistics(
    statistics: MixtureStatistics,
    *,
    prior: VariationalPrior,
    reg_covar: float | ArrayLike = 0.0,
) -> VariationalPosterior:
    """Return the best posterior of weights, means and precisions for given responsibilities.

    Parameters
    ----------
    statistics : MixtureStatistics
        Statistics with second-order moments, of the prior's kind and in its units.
    prior : VariationalPrior
        The prior.
    reg_covar : float or array of shape (D,), default=0
        Number that is added to the variance of each feature of the frames of each component; >= 0.
        At 0 the bound never falls.

    Returns
    -------
    VariationalPosterior
        Posterior of as many components as the statistics have; a component without frames keeps
        the prior.

    Raises
    ------
    InvalidInputError
        If the statistics are of another kind or dimension than the prior, or have no second-order
        moments.
    """
    moments = centred_moments(statistics, prior.covariance_type, prior.mean)
    return posterior_from_moments(*moments, prior=prior, reg_covar=reg_covar)


def posterior_from_moments(
    counts: NDArray[np.float64],
    means: NDArray[np.float64],
    scatter: NDArray[np.float64],
    *,
    prior: VariationalPrior,
    reg_covar: float | ArrayLike = 0.0,
) -> VariationalPosterior:
    """Return the best posterior for moments about the means; see `posterior_from_statistics`.

    Parameters
    ----------
    counts : array, shape (K,)
        Number of frames of each component.
    means : array, shape (K, D)
        Means of these frames; anything finite where there are none.
    scatter : array, shape (K,), (K, D), (D, D) or (K, D, D)
        Sum of squared distances from the means (spherical), of squared deviations, or of products
        of deviations, over all components if tied.
    prior, reg_covar
        As in `posterior_from_statistics`.
    """
    n_components, d = means.shape
    regularisation = np.broadcast_to(np.asarray(reg_covar, np.float64), (d,))
    if not (np.isfinite(regularisation) & (regularisation >= 0)).all():
        raise InvalidInputError(f"reg_covar must be finite and >= 0, found {reg_covar!r}")
    mean_precision = prior.mean_precision + counts
    posterior_means = (
        prior.mean_precision * prior.mean + counts[:, None] * means
    ) / mean_precision[:, None]
    shrinkage = prior.mean_precision * counts / mean_precision
    deviation = means - prior.mean
    kind = prior.kind
    nothing = np.zeros_like(scatter)
    squares = scatter + kind.second_moments(shrinkage, deviation, nothing)
    squares += kind.second_moments(
        counts, np.zeros_like(means), kind.regularised(nothing, regularisation)
    )
    # Squares of a sphere are those of all features; a tied scatter is, as in scikit-learn, the sum
    # over the components divided by their number.
    inverse_scale = prior.covariance + squares / kind.divisor(np.ones(n_components), d)
    if kind.is_matrix:
        inverse_scale = _at_least_prior(inverse_scale, prior, kind)
    degrees_of_freedom = np.asarray(
        prior.degrees_of_freedom + (counts.mean() if kind.is_shared else counts)
    )
    covariances = inverse_scale / kind.divisor(degrees_of_freedom, 1)
    return VariationalPosterior(
        prior.covariance_type,
        posterior_concentrations(counts, prior.concentration, prior.weight_concentration_type),
        posterior_means,
        mean_precision,
        degrees_of_freedom,
        covariances,
        prior.covariance_prior_type,
    )


def centred_moments(
    statistics: MixtureStatistics, covariance_type: CovarianceType, empty: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return counts (K,), means (K, D) and scatter about the means, not divided by the counts.

    The scatter has the shape of second-order statistics. A component without frames has the mean
    `empty`, (D,) or (K, D).
    """
    if statistics.second_order is None:
        raise InvalidInputError(
            "precisions need second-order statistics; accumulate them with second_order=True"
        )
    if statistics.covariance_type != covariance_type or statistics.n_features != empty.shape[-1]:
        raise InvalidInputError(
            f"statistics of {statistics.covariance_type} covariances and {statistics.n_features} "
            f"features do not suit a {covariance_type} model of {empty.shape[-1]} features"
        )
    kind = statistics.kind
    counts, first, second = statistics.counts, statistics.first_order, statistics.second_order
    # Below this count, a quotient of two sums is not a mean.
    seen = counts > 1e-300
    # About the statistics' own origins if they have some, so that no digit of a scatter cancels.
    means = np.where(seen[:, None], first / np.where(seen, counts, 1.0)[:, None], 0.0)
    scatter = second - kind.second_moments(counts, means, np.zeros_like(second))
    scatter = kind.symmetric(scatter) if kind.is_matrix else np.maximum(scatter, 0.0)
    if statistics.origins is not None:
        means = means + statistics.origins
    return counts, np.where(seen[:, None], means, empty), scatter


def _at_least_prior(
    inverse_scales: NDArray[np.float64], prior: VariationalPrior, kind: Covariances
) -> NDArray[np.float64]:
    """Return matrices raised to the prior's inverse scale where rounding has left less."""
    factor = np.linalg.cholesky(prior.covariance)
    inverse = np.linalg.inv(factor)
    # In these coordinates the prior is the identity.
    raised, was_floored = kind.floored(
        inverse @ inverse_scales @ inverse.T, np.full(prior.n_features, _LEAST_OF_PRIOR)
    )
    if not was_floored.any():
        return inverse_scales
    rows = np.asarray(was_floored.any(axis=-1))[..., None, None]
    return kind.symmetric(np.where(rows, factor @ raised @ factor.T, inverse_scales))
