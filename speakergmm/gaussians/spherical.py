"""Mixtures of Gaussians that are round: one variance per component."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.parameters import CovarianceType, Mixture, freeze, positive


@dataclass(frozen=True, slots=True, eq=False, init=False)
class SphericalMixture(Mixture):
    """A mixture of Gaussians with the same variance in all directions.

    Parameters
    ----------
    weights : array, shape (K,)
        Prior probability of each component; not negative, summing to one within 1e-6.
    means : array, shape (K, D)
        In feature units.
    variances : array, shape (K,)
        In squared feature units; > 0.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, a weight is negative, the weights do not sum to
        one, or a variance is not positive.

    Examples
    --------
    >>> model = SphericalMixture([1.0], [[0.0, 0.0]], [4.0])
    >>> model.full_covariances()
    array([[[4., 0.],
            [0., 4.]]])
    """

    covariance_type: ClassVar[CovarianceType] = "spherical"
    covariance_name: ClassVar[str] = "variances"

    weights: NDArray[np.float64]
    means: NDArray[np.float64]
    variances: NDArray[np.float64]

    def __init__(self, weights: ArrayLike, means: ArrayLike, variances: ArrayLike) -> None:
        freeze(self, weights, means, variances, "K")
        if self.variances.min() <= 0:
            component = int(np.flatnonzero(self.variances <= 0)[0])
            raise InvalidInputError(
                f"variances must be positive, found {self.variances[component]:g} at component "
                f"{component}"
            )

    def component_variances(self) -> NDArray[np.float64]:
        """Variance of each feature in each component, shape (K, D)."""
        return np.broadcast_to(self.variances[:, None], self.means.shape)

    def full_covariances(self) -> NDArray[np.float64]:
        """Covariance matrix of each component, shape (K, D, D)."""
        return np.asarray(self.variances[:, None, None] * np.eye(self.n_features))

    def colour(
        self, noise: NDArray[np.float64], components: NDArray[np.intp]
    ) -> NDArray[np.float64]:
        """Give white noise (N, D) the variances of its components (N,)."""
        return np.asarray(np.sqrt(self.variances[components])[:, None] * noise)

    def rescaled(self, scale: NDArray[np.float64], shift: NDArray[np.float64]) -> SphericalMixture:
        """Give the mixture of ``x * scale + shift``.

        Raises
        ------
        InvalidInputError
            If features are scaled differently, which would leave no spheres.
        """
        if (scale != scale[0]).any():
            raise InvalidInputError("a spherical mixture needs one scale for all features")
        return SphericalMixture(
            self.weights, self.means * scale + shift, self.variances * scale[0] ** 2
        )

    @classmethod
    def covariances_from_moments(
        cls,
        counts: NDArray[np.float64],
        means: NDArray[np.float64],
        second_order: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Variances (K,) of frames with these moments: the mean over the features."""
        squares = second_order / positive(counts) - (means**2).sum(axis=1)
        return np.asarray(squares / means.shape[1])

    @classmethod
    def regularised(
        cls, covariances: NDArray[np.float64], regularisation: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Add to each variance (K,) the mean of what is given for the features (D,)."""
        return np.asarray(covariances + regularisation.mean())

    @classmethod
    def floored(
        cls, covariances: NDArray[np.float64], floor: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Raise each variance (K,) to the mean of the features' floors (D,)."""
        return np.maximum(covariances, floor.mean()), covariances < floor.mean()
