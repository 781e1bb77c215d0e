"""Conjugate priors of a hidden Markov model, with the parameters of hmmlearn's GMMHMM.

Start, rows of transitions and weights have Dirichlet priors, whose parameters alpha enter as
counts alpha - 1. Means and covariances of a component have, with lambda = `means_weight` and
mu = `means_prior`, the joint density

    spherical, diag:  s^-1/2 per feature  s^-(a + 1)  exp(-(2 b + lambda (m - mu)^2) / (2 s))
    tied, full:       |C|^-1/2 per component  |C|^-(nu + D + 1)/2
                      exp(-tr(Psi C^-1) / 2 - lambda (m - mu)^T C^-1 (m - mu) / 2)

in variances s or covariances C, with a = `covars_prior` and b = `covars_weight` for the first two
(inverse gamma; a sphere has one s), and Psi = `covars_prior` and nu = `covars_weight` for the last
two (inverse Wishart). The factor of the normal density, s^-1/2 or |C|^-1/2, is there even where
lambda is 0: that is how hmmlearn counts. By default a, b, Psi and nu are such that all of it is
constant, and the update is maximum likelihood. (hmmlearn's own default for "spherical" is so only
if there are as many components as features.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.gaussians.updates import GaussianPrior
from speakergmm.hmm.models.dense import HiddenMarkovParameters


@dataclass(frozen=True, slots=True, eq=False)
class HiddenMarkovPriors:
    """Priors as the update needs them: what they add to sums, and to what these are divided by.

    Parameters
    ----------
    starts : array, shape (S,)
        Dirichlet parameters less one; transitions and weights likewise.
    transitions : array, shape (S, S)
    weights : array, shape (S, M)
    gaussians : GaussianPrior or None
        Of the S M Gaussians; None where it is constant.
    """

    starts: NDArray[np.float64]
    transitions: NDArray[np.float64]
    weights: NDArray[np.float64]
    gaussians: GaussianPrior | None

    def log_density(self, model: HiddenMarkovParameters) -> float:
        """Logarithm of the priors' density of a model, without their constant.

        Probabilities of zero, which an update leaves where they are, are left out.
        """
        total = 0.0
        for excess, values in (
            (self.starts, model.startprob),
            (self.transitions, model.transmat),
            (self.weights, model.weights),
        ):
            there = values > 0
            total += float(excess[there] @ np.log(values[there]))
        if self.gaussians is not None:
            total += self.gaussians.log_density(model.gaussians)
        return total


def make_priors(
    covariance_type: str,
    n_states: int,
    n_mix: int,
    n_features: int,
    *,
    startprob: ArrayLike = 1.0,
    transmat: ArrayLike = 1.0,
    weights: ArrayLike = 1.0,
    means: ArrayLike = 0.0,
    means_weight: ArrayLike = 0.0,
    covars: ArrayLike | None = None,
    covars_weight: ArrayLike | None = None,
) -> HiddenMarkovPriors:
    """Build priors of hmmlearn's parameters, numbers or arrays that can be broadcast.

    Raises
    ------
    InvalidInputError
        If one is not finite, has a wrong shape, or is out of range.
    """
    components, kind = (n_states, n_mix), covariance_kind(covariance_type)
    starts = _spread("startprob_prior", startprob, (n_states,), least=0.0) - 1.0
    transitions = _spread("transmat_prior", transmat, (n_states, n_states), least=0.0) - 1.0
    shares = _spread("weights_prior", weights, components, least=0.0) - 1.0
    centres = _spread("means_prior", means, (*components, n_features))
    precision = _spread("means_weight", means_weight, components, least=0.0)
    if kind.is_matrix:
        # The factor of the normal density, over the Gaussians that share a covariance.
        power, shape = (n_mix, (n_states,)) if kind.is_shared else (1, components)
        flat = -(power + n_features + 1.0)
        nu = _spread("covars_weight", flat if covars_weight is None else covars_weight, shape)
        square = (*shape, n_features, n_features)
        scatter = _spread("covars_prior", 0.0 if covars is None else covars, square)
        scatter = (scatter + np.swapaxes(scatter, -1, -2)) / 2
        count = (power + nu + n_features + 1.0)[..., None, None]
    else:
        # The same over the features that share a variance.
        power, shape = (n_features, components) if kind.is_isotropic else (1, centres.shape)
        flat = -(power + 2.0) / 2.0
        a = _spread("covars_prior", flat if covars is None else covars, shape)
        weight = 0.0 if covars_weight is None else covars_weight
        scatter = 2.0 * _spread("covars_weight", weight, shape, least=0.0)
        count = power + 2.0 * (a + 1.0)
    gaussians = None
    if precision.any() or scatter.any() or count.any():
        n_axes = 1 if kind.is_shared else 2
        gaussians = GaussianPrior(
            means=centres.reshape(-1, n_features),
            means_weight=precision.ravel(),
            scatter=scatter.reshape(-1, *scatter.shape[n_axes:]),
            count=count.reshape(-1, *count.shape[n_axes:]),
        )
    return HiddenMarkovPriors(starts, transitions, shares, gaussians)


def _spread(
    name: str, value: Any, shape: tuple[int, ...], *, least: float = -np.inf
) -> NDArray[np.float64]:
    """Return a parameter as an array of this shape, or refuse it."""
    try:
        array = np.broadcast_to(np.asarray(value, np.float64), shape).copy()
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"{name} must be a number or numbers of shape {shape}, found shape {np.shape(value)}"
        ) from None
    if not np.isfinite(array).all() or array.min() < least:
        raise InvalidInputError(
            f"{name} must be finite{'' if np.isinf(least) else f' and >= {least:g}'}, found "
            f"{array.min():g}"
        )
    return array
