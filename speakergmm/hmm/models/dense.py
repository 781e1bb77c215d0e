"""The parameters of a hidden Markov model whose states emit mixtures of Gaussians."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.matrices import check_covariances
from speakergmm.gaussians.parameters import Gaussians, covariance_kind

# How far probabilities may be from summing to one, as hmmlearn allows it.
_SUM_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class HiddenMarkovParameters:
    """Start, transitions and emissions, in the shapes of hmmlearn's GMMHMM.

    Parameters
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        Kind of covariances; "tied" shares one over the components of a state.
    startprob : array, shape (S,)
        Probability of each state in the first frame.
    transmat : array, shape (S, S)
        Probability of each state (column) after each other one (row).
    weights : array, shape (S, M)
        Of the components of each state.
    means : array, shape (S, M, D)
        In feature units.
    covars : array, shape (S, M), (S, M, D), (S, D, D) or (S, M, D, D)
        Variances or covariances of the kind, in squared feature units.
    """

    covariance_type: str
    startprob: NDArray[np.float64]
    transmat: NDArray[np.float64]
    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covars: NDArray[np.float64]

    @property
    def n_states(self) -> int:
        """Number of states, S."""
        return int(self.means.shape[0])

    @property
    def n_mix(self) -> int:
        """Number of components of a state, M."""
        return int(self.means.shape[1])

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return int(self.means.shape[2])

    @property
    def n_free(self) -> int:
        """Number of parameters that training may choose; probabilities of zero stay, are none."""
        triangle = self.n_features * (self.n_features + 1) // 2
        of_covariance = {
            "spherical": 1,
            "diag": self.n_features,
            "tied": triangle,
            "full": triangle,
        }
        n_covariances = self.n_states * (1 if self.covariance_type == "tied" else self.n_mix)
        return (
            max(int(np.count_nonzero(self.startprob)) - 1, 0)
            + int(np.count_nonzero(self.transmat))
            - self.n_states
            + self.n_states * (self.n_mix - 1)
            + self.means.size
            + n_covariances * of_covariance[self.covariance_type]
        )

    def component_covars(self) -> NDArray[np.float64]:
        """Covariances of each component, those that are tied repeated: first axes (S, M)."""
        if self.covariance_type != "tied":
            return self.covars
        shape = (self.n_states, self.n_mix, self.n_features, self.n_features)
        return np.broadcast_to(self.covars[:, None], shape)

    def rescaled(
        self, scale: NDArray[np.float64], shift: NDArray[np.float64]
    ) -> HiddenMarkovParameters:
        """Give the model of ``x * scale + shift``, both of shape (D,); one scale if spherical."""
        if self.covariance_type == "spherical":
            factor: Any = scale[0] ** 2
        elif self.covariance_type == "diag":
            factor = scale**2
        else:
            factor = np.outer(scale, scale)
        return replace(self, means=self.means * scale + shift, covars=self.covars * factor)

    def weighted(
        self,
    ) -> tuple[Gaussians, NDArray[np.float64], NDArray[np.float64]]:
        """Return the Gaussians of all states, state by state, with what weighs them.

        Log-weights are those within each state; weights are those of all states together. A
        component without weight takes part nowhere, but must not disturb the coordinates: it is
        given the place of the heaviest of its state.
        """
        n_gaussians = self.n_states * self.n_mix
        means, covars, owner = self.means.copy(), np.array(self.covars), None
        tied = self.covariance_type == "tied"
        for state, component in np.argwhere(self.weights == 0):
            heaviest = self.weights[state].argmax()
            means[state, component] = means[state, heaviest]
            if not tied:
                covars[state, component] = covars[state, heaviest]
        if tied:
            owner = np.repeat(np.arange(self.n_states), self.n_mix)
        else:
            covars = covars.reshape(n_gaussians, *covars.shape[2:])
        kind = covariance_kind("full" if tied else self.covariance_type)
        gaussians = Gaussians(kind, means.reshape(n_gaussians, -1), covars, owner)
        weights = self.weights.reshape(n_gaussians)
        with np.errstate(divide="ignore"):
            return gaussians, np.log(weights), weights / weights.sum()


def least_variances(min_covar: float, variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give the smallest variance of each feature, shape (D,), in squared feature units.

    Parameters
    ----------
    min_covar : float
        In squared feature units; of a feature whose variance is less than 1, a part of that.
    variance : array, shape (D,)
        Of all frames; 0 for a constant feature.
    """
    return min_covar * np.where(variance > 0, np.minimum(variance, 1.0), 1.0)


def check_parameters(
    covariance_type: str,
    n_states: int,
    n_mix: int,
    *,
    startprob: Any,
    transmat: Any,
    weights: Any,
    means: Any,
    covars: Any,
) -> HiddenMarkovParameters:
    """Return parameters as float64 arrays, or refuse them.

    Raises
    ------
    InvalidInputError
        If the kind is unknown, a shape is not that of the model, a value is not finite,
        probabilities are negative or don't sum to one, or a covariance is not positive (definite).
    """
    covariance_kind(covariance_type)
    means = _array("means_", means, 3)
    n_features = means.shape[2]
    _check_shape("means_", means, (n_states, n_mix, n_features))
    startprob = _array("startprob_", startprob, 1)
    _check_shape("startprob_", startprob, (n_states,))
    transmat = _array("transmat_", transmat, 2)
    _check_shape("transmat_", transmat, (n_states, n_states))
    weights = _array("weights_", weights, 2)
    _check_shape("weights_", weights, (n_states, n_mix))
    for name, values in (("startprob_", startprob), ("transmat_", transmat), ("weights_", weights)):
        _check_probabilities(name, values)
    shape = {
        "spherical": (n_states, n_mix),
        "diag": (n_states, n_mix, n_features),
        "tied": (n_states, n_features, n_features),
        "full": (n_states, n_mix, n_features, n_features),
    }[covariance_type]
    covars = _array("covars_", covars, len(shape))
    _check_shape(f"covars_ of type {covariance_type!r}", covars, shape)
    if covariance_type in ("spherical", "diag"):
        if covars.min() <= 0:
            place = ", ".join(str(index) for index in np.argwhere(covars <= 0)[0])
            raise InvalidInputError(
                f"covars_ must be positive, found {covars.min():g} at ({place})"
            )
    else:
        matrices = covars.reshape(-1, n_features, n_features)
        covars = np.array(check_covariances(matrices)).reshape(shape)
    return HiddenMarkovParameters(covariance_type, startprob, transmat, weights, means, covars)


def _array(name: str, value: Any, n_axes: int) -> NDArray[np.float64]:
    array = np.array(value, dtype=np.float64)
    if array.ndim != n_axes or array.size == 0:
        raise InvalidInputError(f"{name} must have {n_axes} axes, found shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidInputError(f"{name} must be finite, found NaN or infinity")
    return array


def _check_shape(name: str, array: NDArray[np.float64], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise InvalidInputError(f"{name} must have shape {shape}, found {array.shape}")


def _check_probabilities(name: str, values: NDArray[np.float64]) -> None:
    sums = values.sum(axis=-1)
    if values.min() < 0 or (np.abs(sums - 1.0) > _SUM_TOLERANCE).any():
        raise InvalidInputError(
            f"{name} must hold probabilities that sum to 1, found a smallest of "
            f"{values.min():g} and sums of {np.array2string(np.atleast_1d(sums), threshold=5)}"
        )
