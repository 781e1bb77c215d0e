"""Mixtures of Gaussians with diagonal covariances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.parameters import CovarianceType, Mixture, freeze, positive


@dataclass(frozen=True, slots=True, eq=False, init=False)
class DiagonalMixture(Mixture):
    """A mixture of Gaussians with diagonal covariances.

    Parameters
    ----------
    weights : array, shape (K,)
        Prior probability of each component; not negative, summing to one within 1e-6.
    means : array, shape (K, D)
        In feature units.
    variances : array, shape (K, D)
        Variances (not deviations), in squared feature units; > 0.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a weight is negative, the weights do not sum to
        one, or a variance is not positive.

    Notes
    -----
    The arrays are copied, float64 and read-only: a model never changes under its users' hands.

    Examples
    --------
    >>> model = DiagonalMixture([0.5, 0.5], [[-1.0], [1.0]], [[1.0], [1.0]])
    >>> model.n_components, model.n_features
    (2, 1)
    >>> model.log_likelihood(np.array([[0.0]]), precision="float64").round(4)
    array([-1.4189])
    """

    covariance_type: ClassVar[CovarianceType] = "diag"
    covariance_name: ClassVar[str] = "variances"

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]

    def __init__(self, weights: ArrayLike, means: ArrayLike, variances: ArrayLike) -> None:
        freeze(self, weights, means, variances, "K", "D")
        if self.variances.min() <= 0:
            component, feature = np.argwhere(self.variances <= 0)[0]
            raise InvalidInputError(
                f"variances must be positive, found {self.variances[component, feature]:g} "
                f"at component {component}, feature {feature}"
            )

    def component_variances(self) -> NDArray[np.float64]:
        """Variance of each feature in each component, shape (K, D)."""
        return self.variances

    def full_covariances(self) -> NDArray[np.float64]:
        """Covariance matrix of each component, shape (K, D, D)."""
        return np.asarray(self.variances[:, :, None] * np.eye(self.n_features))

    def colour(
        self, noise: NDArray[np.float64], components: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Give white noise (N, D) the variances of its components (N,)."""
        return np.asarray(np.sqrt(self.variances[components]) * noise)

    def rescaled(self, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> DiagonalMixture:
        """Give the mixture of ``x * scale + shift``."""
        return DiagonalMixture(self.weights, self.means * scale + shift, self.variances * scale**2)

    @classmethod
    def covariances_from_moments(
        cls,
        counts: NDArray[np.float64],
        means: NDArray[np.float64],
        second_order: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Variances (K, D) of frames with these moments."""
        return np.asarray(second_order / positive(counts)[:, None] - means**2)

    @classmethod
    def regularised(
        cls, covariances: NDArray[np.float64], regularisation: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Add to each variance (K, D) what is given for its feature (D,)."""
        return np.asarray(covariances + regularisation)

    @classmethod
    def floored(
        cls, covariances: NDArray[np.float64], floor: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Raise each variance (K, D) to the floor of its feature (D,)."""
        return np.maximum(covariances, floor), covariances < floor
