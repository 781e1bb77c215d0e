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

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
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
    means : array, shape (S, M, D)
        mu.
    means_weight : array, shape (S, M)
        lambda, in frames.
    scatter : array
        What is added to the sum of squares: 2 b or Psi, in the shape of the covariances.
    count : array
        What is added to the number of frames (for "spherical", of features of frames) that it is
        divided by: shape (S, M, D) for "diag", (S,) for "tied", else (S, M).
    """

    starts: NDArray[np.float64]
    transitions: NDArray[np.float64]
    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    means_weight: NDArray[np.float64]
    scatter: NDArray[np.float64]
    count: NDArray[np.float64]

    @property
    def is_flat(self) -> bool:
        """Whether all of it is constant."""
        parts = (self.starts, self.transitions, self.weights, self.means_weight)
        return not any(part.any() for part in (*parts, self.scatter, self.count))

    def rescaled(
        self, scale: NDArray[np.float64], shift: NDArray[np.float64]
    ) -> HiddenMarkovPriors:
        """Give the priors of the model of ``x * scale + shift``, both of shape (D,)."""
        scatter = self.scatter
        if scatter.ndim == 2:
            scatter = scatter * scale[0] ** 2
        elif self.count.shape == scatter.shape:
            scatter = scatter * scale**2
        else:
            scatter = scatter * np.outer(scale, scale)
        return replace(self, means=self.means * scale + shift, scatter=scatter)

    def log_density(self, model: HiddenMarkovParameters) -> float:
        """Logarithm of the priors' density of a model, without their constant.

        Probabilities of zero, which an update leaves where they are, are left out.
        """
        if self.is_flat:
            return 0.0
        total = 0.0
        for excess, values in (
            (self.starts, model.startprob),
            (self.transitions, model.transmat),
            (self.weights, model.weights),
        ):
            there = values > 0
            total += float(excess[there] @ np.log(values[there]))
        return total - 0.5 * self._penalty(model)

    def _penalty(self, model: HiddenMarkovParameters) -> float:
        moved = model.means - self.means
        covars = model.covars
        if model.covariance_type == "spherical":
            scatter = self.scatter + self.means_weight * (moved**2).sum(axis=2)
            return float((self.count * np.log(covars) + scatter / covars).sum())
        if model.covariance_type == "diag":
            scatter = self.scatter + self.means_weight[:, :, None] * moved**2
            return float((self.count * np.log(covars) + scatter / covars).sum())
        outer = np.einsum("sm,smi,smj->smij", self.means_weight, moved, moved)
        scatter = self.scatter + (outer.sum(axis=1) if model.covariance_type == "tied" else outer)
        traces = np.trace(np.linalg.solve(covars, scatter), axis1=-2, axis2=-1)
        return float((self.count * np.linalg.slogdet(covars)[1] + traces).sum())


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
    components = (n_states, n_mix)
    spread = _Broadcast(covariance_type, n_states, n_mix, n_features)
    starts = spread("startprob_prior", startprob, (n_states,), least=0.0) - 1.0
    transitions = spread("transmat_prior", transmat, (n_states, n_states), least=0.0) - 1.0
    shares = spread("weights_prior", weights, components, least=0.0) - 1.0
    centres = spread("means_prior", means, (*components, n_features))
    precision = spread("means_weight", means_weight, components, least=0.0)
    scatter, count = _covariance_prior(spread, covars, covars_weight)
    return HiddenMarkovPriors(starts, transitions, shares, centres, precision, scatter, count)


@dataclass(frozen=True, slots=True)
class _Broadcast:
    covariance_type: str
    n_states: int
    n_mix: int
    n_features: int

    def __call__(
        self, name: str, value: Any, shape: tuple[int, ...], *, least: float = -np.inf
    ) -> NDArray[np.float64]:
        try:
            array = np.broadcast_to(np.asarray(value, np.float64), shape).copy()
        except (TypeError, ValueError):
            raise InvalidInputError(
                f"{name} must be a number or numbers of shape {shape}, found shape "
                f"{np.shape(value)}"
            ) from None
        if not np.isfinite(array).all() or array.min() < least:
            raise InvalidInputError(
                f"{name} must be finite{'' if np.isinf(least) else f' and >= {least:g}'}, found "
                f"{array.min():g}"
            )
        return array


def _covariance_prior(
    spread: _Broadcast, covars: ArrayLike | None, covars_weight: ArrayLike | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say what is added to sums of squares, and to numbers of frames."""
    n_features, components = spread.n_features, (spread.n_states, spread.n_mix)
    if spread.covariance_type in ("spherical", "diag"):
        diagonal = spread.covariance_type == "diag"
        shape: tuple[int, ...] = (*components, n_features) if diagonal else components
        # The factor of the normal density, over the features that share a variance.
        power = 1.0 if diagonal else float(n_features)
        flat = -(power + 2.0) / 2.0
        a = spread("covars_prior", flat if covars is None else covars, shape)
        b = spread("covars_weight", 0.0 if covars_weight is None else covars_weight, shape, least=0)
        return 2.0 * b, power + 2.0 * (a + 1.0)
    tied = spread.covariance_type == "tied"
    shape = (spread.n_states,) if tied else components
    power = float(spread.n_mix if tied else 1)
    flat = -(power + n_features + 1.0)
    nu = spread("covars_weight", flat if covars_weight is None else covars_weight, shape)
    psi = spread("covars_prior", 0.0 if covars is None else covars, (*shape, *[n_features] * 2))
    return (psi + np.swapaxes(psi, -1, -2)) / 2, power + nu + n_features + 1.0
