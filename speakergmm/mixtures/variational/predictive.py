"""The posterior predictive density of a Bayesian mixture: a mixture of Student t distributions.

It is the density of a new frame, with weights, means and precisions integrated out over their
posterior.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.mixtures.variational.posterior import VariationalPosterior

# Largest number of values (frames x components x features) that are held at a time.
_BLOCK_SIZE = 2**20


def predictive_log_density(posterior: VariationalPosterior, X: ArrayLike) -> NDArray[np.float64]:
    """Return the logarithm of the posterior predictive density of each frame.

    Parameters
    ----------
    posterior : VariationalPosterior
        Posterior of any kind.
    X : array, shape (T, D)
        Frames, in feature units.

    Returns
    -------
    array, shape (T,)
        Natural logarithms. The weight that a stick leaves over is divided among the K components.

    Raises
    ------
    InvalidInputError
        If `X` is not a finite matrix of D columns.

    Notes
    -----
    Bishop (2006), equation 10.81. With the conjugate prior, diagonal covariances have a product of
    univariate t distributions instead of a multivariate one, spherical ones have D times the
    degrees of freedom, and a tied one has K times as many.

    Examples
    --------
    >>> posterior = VariationalPosterior("full", [1.0], [[0.0]], [1.0], [1.0], [[[0.5]]])
    >>> np.exp(predictive_log_density(posterior, [[0.0]])).round(4)
    array([0.3183])
    """
    from scipy.special import gammaln, logsumexp

    frames = check_finite_frames(X, n_features=posterior.n_features)
    k, d = posterior.means.shape
    # Features are independent if each has a precision of its own.
    separate = posterior.precision_factors.is_of_features
    nu, spread = _student(posterior)
    dimension = 1 if separate else d
    constants = gammaln((nu + dimension) / 2) - gammaln(nu / 2)
    constants = constants - 0.5 * dimension * np.log(nu * np.pi)
    whiteners, log_volumes = _whiteners(posterior)
    if separate:
        constants = d * constants
    constants = constants - log_volumes - 0.5 * d * np.log(spread)
    log_weights = np.log(posterior.weights)
    result = np.empty(len(frames))
    size = max(1, _BLOCK_SIZE // (k * d))
    for start in range(0, len(frames), size):
        block = frames[start : start + size].astype(np.float64)
        deviations = block[:, None, :] - posterior.means
        if whiteners.ndim == 2:
            squares = (deviations * whiteners) ** 2
        else:
            squares = np.einsum("kde,tke->tkd", whiteners, deviations, optimize=True) ** 2
        if not separate:
            squares = squares.sum(axis=2, keepdims=True)
        tails = np.log1p(squares / (nu * spread)[:, None]).sum(axis=2)
        densities = constants - 0.5 * (nu + dimension) * tails
        result[start : start + len(block)] = logsumexp(log_weights + densities, axis=1)
    return result


def _student(
    posterior: VariationalPosterior,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return degrees of freedom, and squared scale in units of the covariances, by component."""
    k, d = posterior.means.shape
    nu = np.broadcast_to(posterior.degrees_of_freedom, (k,))
    uncertain_mean = 1.0 + 1.0 / posterior.mean_precision
    conjugate, kind = posterior.covariance_prior_type == "conjugate", posterior.kind
    if conjugate and not kind.is_matrix:
        return d * nu if kind.is_isotropic else nu, uncertain_mean
    if conjugate and kind.is_shared:
        nu = k * nu
    free = nu - d + 1.0
    return free, uncertain_mean * nu / free


def _whiteners(
    posterior: VariationalPosterior,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return maps that whiten deviations, (K, D) or (K, D, D), and half log-determinants (K,)."""
    if not posterior.kind.is_matrix:
        deviations = np.sqrt(posterior.mixture.component_variances())
        return 1.0 / deviations, np.log(deviations).sum(axis=1)
    factors = np.linalg.cholesky(posterior.mixture.full_covariances())
    log_volumes = np.log(np.einsum("kdd->kd", factors)).sum(axis=1)
    return np.linalg.inv(factors), log_volumes
