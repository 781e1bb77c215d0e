"""Mixtures of Gaussians that share one covariance matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.gaussians.full import check_covariances, floor_matrices
from speakergmm.gaussians.parameters import CovarianceType, Mixture, freeze


@dataclass(frozen=True, slots=True, eq=False, init=False)
class TiedMixture(Mixture):
    """A mixture of Gaussians with one covariance matrix for all.

    Parameters
    ----------
    weights : array, shape (K,)
        Prior probability of each component; not negative, summing to one within 1e-6.
    means : array, shape (K, D)
        In feature units.
    covariance : array, shape (D, D)
        Symmetric and positive definite, in squared feature units.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a weight is negative, the weights do not sum to
        one, or the covariance is not symmetric and positive definite.

    Examples
    --------
    >>> model = TiedMixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0]])
    >>> model.log_likelihood(np.array([[0.0]]), precision="float64").round(4)
    array([-1.4189])
    """

    covariance_type: ClassVar[CovarianceType] = "tied"
    covariance_name: ClassVar[str] = "covariance"

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def __init__(self, weights: ArrayLike, means: ArrayLike, covariance: ArrayLike) -> None:
        freeze(self, weights, means, covariance, "D", "D")
        object.__setattr__(self, "covariance", check_covariances(self.covariance))

    def component_variances(self) -> NDArray[np.float64]:
        """Variance of each feature in each component, shape (K, D)."""
        return np.broadcast_to(np.diag(self.covariance), self.means.shape)

    def full_covariances(self) -> NDArray[np.float64]:
        """Covariance matrix of each component, shape (K, D, D): the same one."""
        return np.broadcast_to(self.covariance, (self.n_components, *self.covariance.shape))

    def colour(
        self, noise: NDArray[np.float64], components: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Give white noise (N, D) the covariance that all components share."""
        return np.asarray(noise @ np.linalg.cholesky(self.covariance).T)

    def rescaled(self, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> TiedMixture:
        """Give the mixture of ``x * scale + shift``."""
        covariance = self.covariance * np.outer(scale, scale)
        return TiedMixture(self.weights, self.means * scale + shift, covariance)

    @classmethod
    def covariances_from_moments(
        cls,
        counts: NDArray[np.float64],
        means: NDArray[np.float64],
        second_order: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Covariance (D, D) within the components of frames with these moments."""
        between = (counts[:, None] * means).T @ means
        return np.asarray((second_order - between) / counts.sum())

    @classmethod
    def regularised(
        cls, covariances: NDArray[np.float64], regularisation: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Add to the diagonal of (D, D) what is given for the features (D,)."""
        return np.asarray(covariances + np.diag(regularisation))

    @classmethod
    def floored(
        cls, covariances: NDArray[np.float64], floor: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Raise the matrix (D, D) where, in some direction, it is below diag(floor)."""
        matrices, was_floored = floor_matrices(covariances[None], floor)
        return matrices[0], was_floored[0]
