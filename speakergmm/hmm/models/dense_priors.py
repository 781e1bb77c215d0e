"""Conjugate priors of dense hidden Markov models, with the parameters of hmmlearn's GMMHMM.

Start probabilities, rows of transitions, and weights have Dirichlet priors, whose parameters alpha
are used as counts alpha - 1. Means and covariances of a component have, with
lambda = `means_weight` and mu = `means_prior`, the joint density

    spherical, diag:  s^-1/2 per feature  s^-(a + 1)  exp(-(2 b + lambda (m - mu)^2) / (2 s))
    tied, full:       |C|^-1/2 per component  |C|^-(nu + D + 1)/2
                      exp(-tr(Psi C^-1) / 2 - lambda (m - mu)^T C^-1 (m - mu) / 2)

in variances s or covariances C, with a = `covars_prior` and b = `covars_weight` for the first two
(inverse gamma; a sphere has one s), and Psi = `covars_prior` and nu = `covars_weight` for the last
two (inverse Wishart). The factor of the normal density, s^-1/2 or |C|^-1/2, is present even if
lambda is 0, as in hmmlearn. By default a, b, Psi and nu are such that the density is constant, and
the update is maximum likelihood. (hmmlearn's own default for "spherical" is constant only if there
are as many components as features.)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.covariances import Array, Covariances
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.updates import GaussianPrior
from speakergmm.hmm.models.dense import HiddenMarkovParameters

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class HiddenMarkovPriors:
    """Priors in the form of the update: as counts and sums that are added to the statistics.

    Parameters
    ----------
    starts : array, shape (S,)
        Dirichlet parameters of start probabilities, minus one.
    transitions : array, shape (S, S)
        Dirichlet parameters of transitions, minus one.
    weights : array, shape (S, M)
        Dirichlet parameters of weights, minus one.
    gaussians : GaussianPrior or None
        Prior of the S M Gaussians; None if it is constant.
    """

    starts: NDArray[np.float64]
    transitions: NDArray[np.float64]
    weights: NDArray[np.float64]
    gaussians: GaussianPrior | None

    def standardised(self, kind: Covariances, by: Standardisation) -> HiddenMarkovPriors:
        """Return the priors of the model in standardised features."""
        if self.gaussians is None:
            return self
        moved = self.gaussians.rescaled(kind, np.ones_like(by.scale), -by.centre)
        scaled = moved.rescaled(kind, 1.0 / by.scale, np.zeros_like(by.scale))
        return replace(self, gaussians=scaled)

    def log_density(self, model: HiddenMarkovParameters) -> float:
        """Return the log-density of a model under the priors, up to a constant.

        Probabilities of zero, which an update does not change, are left out.
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
    covariance_type: str, n_states: int, n_mix: int, n_features: int, given: Mapping[str, Any]
) -> HiddenMarkovPriors:
    """Build priors from hmmlearn's parameters, which are numbers or arrays that can be broadcast.

    Parameters
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        Kind of covariances.
    n_states, n_mix, n_features : int
        S, M and D.
    given : mapping
        The parameters by name, such as "startprob_prior"; others are ignored.

    Returns
    -------
    HiddenMarkovPriors

    Raises
    ------
    InvalidInputError
        If a parameter is not finite, has a wrong shape, or is out of its range.
    """

    def spread(
        name: str, shape: Shape, *, least: float = -np.inf, flat: float | None = None
    ) -> Array:
        value = given[name]
        return _spread(name, flat if value is None else value, shape, least=least)

    components, kind = (n_states, n_mix), covariance_kind(covariance_type)
    starts = spread("startprob_prior", (n_states,), least=0.0) - 1.0
    transitions = spread("transmat_prior", (n_states, n_states), least=0.0) - 1.0
    shares = spread("weights_prior", components, least=0.0) - 1.0
    centres = spread("means_prior", (*components, n_features))
    precision = spread("means_weight", components, least=0.0)
    if kind.is_matrix:
        # The factor of the normal density, over the Gaussians that share a covariance.
        power, shape = (n_mix, (n_states,)) if kind.is_shared else (1, components)
        nu = spread("covars_weight", shape, flat=-(power + n_features + 1.0))
        scatter = spread("covars_prior", (*shape, n_features, n_features), flat=0.0)
        scatter = (scatter + np.swapaxes(scatter, -1, -2)) / 2
        count = (power + nu + n_features + 1.0)[..., None, None]
    else:
        # The same over the features that share a variance.
        power, shape = (n_features, components) if kind.is_isotropic else (1, centres.shape)
        a = spread("covars_prior", shape, flat=-(power + 2.0) / 2.0)
        scatter = 2.0 * spread("covars_weight", shape, least=0.0, flat=0.0)
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
    """Return a parameter as an array of the given shape, and check it."""
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
