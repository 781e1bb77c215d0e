"""Parameters of dense hidden Markov models with Gaussian-mixture emissions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.parameters import Gaussians, covariance_kind

PARAMETERS = ("startprob_", "transmat_", "weights_", "means_", "covars_")
"""Parameters of a model by hmmlearn's names; their first letters select those that are trained."""

# Largest deviation of a sum of probabilities from one, as in hmmlearn.
_SUM_TOLERANCE = 1e-5


@dataclass(frozen=True, slots=True, eq=False)
class HiddenMarkovParameters:
    """Start and transition probabilities, and the weighted Gaussians of each state.

    Parameters
    ----------
    startprob : array, shape (S,)
        Probability of each state in the first frame.
    transmat : array, shape (S, S)
        Probability of each state (column) after each other one (row).
    weights : array, shape (S, M)
        Weights of the components of each state.
    gaussians : Gaussians
        The S M Gaussians, state by state; if those of a state share a covariance, `owner` is the
        state of each.
    """

    startprob: NDArray[np.float64]
    transmat: NDArray[np.float64]
    weights: NDArray[np.float64]
    gaussians: Gaussians

    @property
    def covariance_type(self) -> str:
        """Kind of covariances, by hmmlearn's name; "tied" ones are shared within a state."""
        return self.gaussians.covariance_type if self.gaussians.owner is None else "tied"

    @property
    def n_states(self) -> int:
        """Number of states, S."""
        return int(self.weights.shape[0])

    @property
    def n_mix(self) -> int:
        """Number of components per state, M."""
        return int(self.weights.shape[1])

    @property
    def n_features(self) -> int:
        """Number of features per frame, D."""
        return self.gaussians.n_features

    @property
    def means(self) -> NDArray[np.float64]:
        """Means of the components, shape (S, M, D)."""
        return self.gaussians.means.reshape(*self.weights.shape, -1)

    @property
    def covars(self) -> NDArray[np.float64]:
        """Covariances in hmmlearn's shapes: (S, M), (S, M, D), (S, D, D) or (S, M, D, D)."""
        covariances = self.gaussians.covariances
        if self.gaussians.owner is not None:
            return covariances
        return covariances.reshape(*self.weights.shape, *covariances.shape[1:])

    @property
    def n_free(self) -> int:
        """Number of free parameters; probabilities of zero, which stay so, do not count."""
        covariances, n_features = self.gaussians.covariances, self.n_features
        n_covariances = covariances.size
        if self.gaussians.kind.is_matrix:
            n_covariances = len(covariances) * n_features * (n_features + 1) // 2
        return (
            max(int(np.count_nonzero(self.startprob)) - 1, 0)
            + int(np.count_nonzero(self.transmat))
            - self.n_states
            + self.n_states * (self.n_mix - 1)
            + self.gaussians.means.size
            + n_covariances
        )

    def weighted(self) -> tuple[Gaussians, NDArray[np.float64], NDArray[np.float64]]:
        """Return the Gaussians for evaluation, with their weights.

        Returns
        -------
        gaussians : Gaussians
        log_weights : array, shape (S M,)
            Logarithms of the weights within each state.
        weights : array, shape (S M,)
            Weights over all states together.

        Notes
        -----
        A Gaussian of weight zero is replaced by the heaviest one of its state, because it must not
        affect the coordinates or the precision in which the others are evaluated.
        """
        gaussians = self.gaussians
        heaviest = self.weights.argmax(axis=1)[:, None]
        places = np.where(self.weights > 0, np.arange(self.n_mix), heaviest)
        places = (places + self.n_mix * np.arange(self.n_states)[:, None]).ravel()
        gaussians = replace(gaussians, means=gaussians.means[places])
        if gaussians.owner is None:
            gaussians = replace(gaussians, covariances=gaussians.covariances[places])
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.weights.ravel())
        return gaussians, log_weights, self.weights.ravel() / self.weights.sum()


def emission_gaussians(
    covariance_type: str, means: NDArray[np.float64], covars: NDArray[np.float64]
) -> Gaussians:
    """Return the Gaussians of means (S, M, D) and covariances in hmmlearn's shapes."""
    n_states, n_mix, n_features = means.shape
    flat = means.reshape(-1, n_features)
    if covariance_type == "tied":
        owner = np.repeat(np.arange(n_states), n_mix)
        return Gaussians(covariance_kind("full"), flat, covars, owner)
    covariances = covars.reshape(len(flat), *covars.shape[2:])
    return Gaussians(covariance_kind(covariance_type), flat, covariances)


def least_variances(min_covar: float, variance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the smallest variance of each feature, shape (D,), in squared feature units.

    Parameters
    ----------
    min_covar : float
        Smallest variance, in squared feature units; for features whose variance is below 1, as a
        part of that variance.
    variance : array, shape (D,)
        Variance of all frames; 0 for a constant feature.
    """
    return min_covar * np.where(variance > 0, np.minimum(variance, 1.0), 1.0)


def check_parameters(
    covariance_type: str, n_states: int, n_mix: int, given: Mapping[str, Any]
) -> HiddenMarkovParameters:
    """Return a model, given its `PARAMETERS` by name, and check it.

    Parameters
    ----------
    covariance_type : {"spherical", "diag", "tied", "full"}
        Kind of covariances.
    n_states, n_mix : int
        Number of states S, and of components per state M.
    given : mapping of str to array
        The parameters, in hmmlearn's shapes.

    Returns
    -------
    HiddenMarkovParameters

    Raises
    ------
    InvalidInputError
        If the kind is unknown, a shape is not that of the model, a value is not finite,
        probabilities are negative or do not sum to one, or a covariance is not positive (definite).
    """
    kind = covariance_kind(covariance_type)
    means = _checked("means_", given, n_states, n_mix, None)
    n_features = means.shape[2]
    probabilities = (
        _checked("startprob_", given, n_states),
        _checked("transmat_", given, n_states, n_states),
        _checked("weights_", given, n_states, n_mix),
    )
    for name, values in zip(PARAMETERS, probabilities, strict=False):
        sums = values.sum(axis=-1)
        if values.min() < 0 or (np.abs(sums - 1.0) > _SUM_TOLERANCE).any():
            raise InvalidInputError(
                f"{name} must contain probabilities that sum to 1, found a smallest of "
                f"{values.min():g} and sums of {np.array2string(np.atleast_1d(sums), threshold=5)}"
            )
    components = (n_states,) if kind.is_shared else (n_states, n_mix)
    of_one = (n_features, n_features) if kind.is_shared else kind.shape(1, n_features)[1:]
    covars = _checked("covars_", given, *components, *of_one)
    if not kind.is_matrix and covars.min() <= 0:
        place = ", ".join(str(index) for index in np.argwhere(covars <= 0)[0])
        raise InvalidInputError(f"covars_ must be positive, found {covars.min():g} at ({place})")
    gaussians = emission_gaussians(covariance_type, means, covars)
    checked = gaussians.kind.checked(gaussians.covariances)
    return HiddenMarkovParameters(*probabilities, replace(gaussians, covariances=checked))


def _checked(name: str, given: Mapping[str, Any], *shape: int | None) -> NDArray[np.float64]:
    """Return a parameter as a finite array of the given shape, in which None is any size."""
    array = np.array(given[name], dtype=np.float64)
    if array.ndim != len(shape) or array.size == 0:
        raise InvalidInputError(f"{name} must have {len(shape)} axes, found shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidInputError(f"{name} must be finite, found NaN or infinity")
    sizes = zip(array.shape, shape, strict=True)
    wanted = tuple(found if size is None else size for found, size in sizes)
    if array.shape != wanted:
        raise InvalidInputError(f"{name} must have shape {wanted}, found {array.shape}")
    return array
