"""Where frames are expanded: standardised features, and whitened ones for full and tied kinds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.full import FullMixture, floor_matrices
from speakergmm.gaussians.parameters import Mixture
from speakergmm.gaussians.spherical import SphericalMixture
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.tied import TiedMixture

# How much a whitening may enlarge float32's rounding before it is done in float64.
_LARGEST_AMPLIFICATION = 16.0
# Of a whitened component, for which that of the mixture as a whole is 1: less is rounding.
_LEAST_VARIANCE = 1e-30


@dataclass(frozen=True, slots=True, eq=False)
class Coordinates:
    """The map w = L^-1 (x - centre) / scale; without a factor L, the standardisation alone.

    Parameters
    ----------
    standardisation : Standardisation
        The map to z.
    factor : array, shape (D, D), or None
        L, lower triangular: the Cholesky factor of a covariance of z.
    """

    standardisation: Standardisation
    factor: NDArray[np.float64] | None = None

    @property
    def log_volume(self) -> float:
        """Logarithm of the volume of a unit cube of w, in feature units."""
        volume = self.standardisation.log_volume
        if self.factor is not None:
            volume += float(np.log(np.diag(self.factor)).sum())
        return volume

    @property
    def linear_map(self) -> NDArray[np.float64] | None:
        """A, shape (D, D), with w = A (x - centre); None without a factor."""
        if self.factor is None:
            return None
        return np.asarray(np.linalg.inv(self.factor) / self.standardisation.scale)

    @property
    def needs_double(self) -> bool:
        """Whether whitening in float32 would cost digits: features are strongly correlated."""
        if self.factor is None:
            return False
        amplification = np.abs(np.linalg.inv(self.factor)).sum(axis=1).max()
        return bool(amplification > _LARGEST_AMPLIFICATION)

    def moments_to_standard(
        self, first_order: NDArray[np.float64], second_order: NDArray[np.float64] | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        """Moments of z, given those of w: first order (K, D), second (D, D) or (K, D, D)."""
        if self.factor is None:
            return first_order, second_order
        if second_order is not None:
            second_order = self.factor @ second_order @ self.factor.T
        return first_order @ self.factor.T, second_order


def _factor_near(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cholesky factor of a covariance, or of one near it that has such a factor.

    One component far from the others makes the covariance of all singular to rounding; for
    coordinates anything near it will do.
    """
    variance = np.diag(covariance)
    for addition in (0.0, 1e-14, 1e-12, 1e-10):
        try:
            factor = np.linalg.cholesky(covariance + addition * np.diag(variance))
        except np.linalg.LinAlgError:
            continue
        return np.asarray(factor, np.float64)
    return np.diag(np.sqrt(variance))


def whiten(standard: Mixture, standardisation: Standardisation) -> tuple[Mixture, Coordinates]:
    """Move a mixture of z to where float32 serves it best.

    A tied covariance becomes the identity; of full ones the covariance of the mixture as a whole
    does, so that correlated features are as good as others. Diagonal and spherical mixtures stay
    where they are.
    """
    if isinstance(standard, TiedMixture):
        factor = np.asarray(np.linalg.cholesky(standard.covariance), np.float64)
        means = np.linalg.solve(factor, standard.means.T).T
        white: Mixture = SphericalMixture(standard.weights, means, np.ones(standard.n_components))
        return white, Coordinates(standardisation, factor)
    if isinstance(standard, FullMixture):
        factor = _factor_near(standard.global_covariance())
        inverse = np.linalg.inv(factor)
        # Of the factors and not the matrices: a product with its transpose has no eigenvalue < 0.
        factors = inverse @ np.linalg.cholesky(standard.covariances)
        covariances, _ = floor_matrices(
            factors @ factors.transpose(0, 2, 1), np.full(standard.n_features, _LEAST_VARIANCE)
        )
        white = FullMixture(standard.weights, standard.means @ inverse.T, covariances)
        return white, Coordinates(standardisation, factor)
    return standard, Coordinates(standardisation)
