"""Mixtures of Gaussians with a covariance matrix each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.parameters import CovarianceType, Mixture, freeze, positive

# Of the largest elements: how far a matrix may be from symmetric by rounding.
_ASYMMETRY = 1e-6
# Of the largest eigenvalue, times D: a smaller one does not survive rounding as positive.
_LEAST_EIGENVALUE = 4 * float(np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True, eq=False, init=False)
class FullMixture(Mixture):
    """A mixture of Gaussians, each with a covariance matrix of its own.

    Parameters
    ----------
    weights : array, shape (K,)
        Prior probability of each component; not negative, summing to one within 1e-6.
    means : array, shape (K, D)
        In feature units.
    covariances : array, shape (K, D, D)
        Symmetric and positive definite, in squared feature units.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a weight is negative, the weights do not sum to
        one, or a covariance is not symmetric and positive definite.

    Examples
    --------
    >>> model = FullMixture([1.0], [[0.0, 0.0]], [[[2.0, 1.0], [1.0, 2.0]]])
    >>> model.log_likelihood(np.zeros((1, 2)), precision="float64").round(4)
    array([-2.3872])
    """

    covariance_type: ClassVar[CovarianceType] = "full"
    covariance_name: ClassVar[str] = "covariances"

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariances: ArrayLike) -> None:
        freeze(self, weights, means, covariances, "K", "D", "D")
        object.__setattr__(self, "covariances", check_covariances(self.covariances))

    def component_variances(self) -> NDArray[np.float64]:
        """Variance of each feature in each component, shape (K, D)."""
        return np.asarray(np.einsum("kdd->kd", self.covariances))

    def full_covariances(self) -> NDArray[np.float64]:
        """Covariance matrix of each component, shape (K, D, D)."""
        return self.covariances

    def global_covariance(self) -> NDArray[np.float64]:
        """Covariance, shape (D, D), of the mixture as a whole."""
        moved = self.means - self.weights @ self.means
        between = (self.weights[:, None] * moved).T @ moved
        return np.asarray(np.einsum("k,kij->ij", self.weights, self.covariances) + between)

    def colour(
        self, noise: NDArray[np.float64], components: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Give white noise (N, D) the covariances of its components (N,)."""
        coloured = np.empty_like(noise)
        for component in np.unique(components):
            rows = components == component
            factor = np.linalg.cholesky(self.covariances[component])
            coloured[rows] = noise[rows] @ factor.T
        return coloured

    def rescaled(self, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> FullMixture:
        """Give the mixture of ``x * scale + shift``."""
        covariances = self.covariances * np.outer(scale, scale)
        return FullMixture(self.weights, self.means * scale + shift, covariances)

    @classmethod
    def covariances_from_moments(
        cls,
        counts: NDArray[np.float64],
        means: NDArray[np.float64],
        second_order: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Covariances (K, D, D) of frames with these moments."""
        squares = means[:, :, None] * means[:, None, :]
        return np.asarray(second_order / positive(counts)[:, None, None] - squares)

    @classmethod
    def regularised(
        cls, covariances: NDArray[np.float64], regularisation: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Add to the diagonals of (K, D, D) what is given for the features (D,)."""
        return np.asarray(covariances + np.diag(regularisation))

    @classmethod
    def floored(
        cls, covariances: NDArray[np.float64], floor: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Raise each matrix (K, D, D) where, in some direction, it is below diag(floor)."""
        return floor_matrices(covariances, floor)


def check_covariances(covariances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return matrices (..., D, D) exactly symmetric and read-only; refuse what is no covariance.

    Raises
    ------
    InvalidInputError
        That names the first such matrix.
    """
    stack = covariances.reshape(-1, *covariances.shape[-2:])
    size = np.sqrt(np.abs(np.einsum("kdd->kd", stack)))
    asymmetry = np.abs(stack - stack.transpose(0, 2, 1))
    crooked = (asymmetry > _ASYMMETRY * size[:, :, None] * size[:, None, :]).any(axis=(1, 2))
    if crooked.any():
        raise InvalidInputError(
            f"covariances must be symmetric, found one that is not at component "
            f"{int(np.flatnonzero(crooked)[0])}"
        )
    try:
        np.linalg.cholesky(stack)
    except np.linalg.LinAlgError:
        for component, matrix in enumerate(stack):
            smallest = np.linalg.eigvalsh(matrix)[0]
            if not is_positive_definite(matrix):
                raise InvalidInputError(
                    f"covariances must be positive definite, found a smallest eigenvalue of "
                    f"{smallest:g} at component {component}"
                ) from None
    if asymmetry.any():
        covariances = (covariances + np.swapaxes(covariances, -1, -2)) / 2
        covariances.setflags(write=False)
    return covariances


def is_positive_definite(matrix: NDArray[np.float64]) -> bool:
    """Tell whether a symmetric matrix, or each of a stack of them, has a Cholesky factor."""
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def floor_matrices(
    matrices: NDArray[np.float64], floor: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Raise symmetric matrices until none is below diag(floor) in any direction.

    Those that are raised become positive definite beyond rounding, however low the floor is.

    Parameters
    ----------
    matrices : array, shape (K, D, D)
    floor : array, shape (D,)
        Variances, > 0.

    Returns
    -------
    matrices : array, shape (K, D, D)
        Symmetric; those that need no change are given back as they were.
    was_floored : array of bool, shape (K, D)
        For each eigenvalue in units of the floor, whether it was raised.
    """
    matrices = (matrices + matrices.transpose(0, 2, 1)) / 2
    was_floored = np.zeros(matrices.shape[:2], np.bool_)
    bound = np.diag(floor)
    # Nearly always nothing is below, and a Cholesky factor is far cheaper than eigenvalues.
    if is_positive_definite(matrices - bound):
        return matrices, was_floored
    deviation = np.sqrt(floor)
    unit = np.outer(deviation, deviation)
    for component, matrix in enumerate(matrices):
        if is_positive_definite(matrix - bound):
            continue
        values, vectors = np.linalg.eigh(matrix / unit)
        least = max(1.0, _LEAST_EIGENVALUE * len(floor) * values[-1])
        was_floored[component] = values < least
        raised = (vectors * np.maximum(values, least)) @ vectors.T
        matrices[component] = (raised + raised.T) / 2 * unit
    return matrices, was_floored


def conditioned(
    covariances: NDArray[np.float64], least: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Raise covariance matrices until their correlations have no eigenvalue below `least`.

    Parameters
    ----------
    covariances : array, shape (D, D) or (K, D, D)
        Symmetric, with positive diagonals.
    least : float
        As a part of a matrix's own variances, > 0.

    Returns
    -------
    covariances : array, same shape
        Matrices that need no change are given back as they were.
    was_floored : array of bool, shape (D,) or (K, D)
        For each eigenvalue, whether it was raised.
    """
    stack = covariances.reshape(-1, *covariances.shape[-2:])
    deviations = np.sqrt(np.einsum("kdd->kd", stack))
    unit = deviations[:, :, None] * deviations[:, None, :]
    raised, was_floored = floor_matrices(stack / unit, np.full(stack.shape[-1], least))
    changed = np.flatnonzero(was_floored.any(axis=1))
    stack = stack.copy()
    stack[changed] = raised[changed] * unit[changed]
    return stack.reshape(covariances.shape), was_floored.reshape(covariances.shape[:-1])
