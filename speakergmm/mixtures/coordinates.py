"""Where frames are expanded: standardised features, and for a tied covariance whitened ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.mixtures.parameters import Mixture
from speakergmm.mixtures.spherical import SphericalMixture
from speakergmm.mixtures.standardisation import Standardisation
from speakergmm.mixtures.tied import TiedMixture


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
    def amplification(self) -> float:
        """How much larger than that of z the rounding of w can be."""
        if self.factor is None:
            return 0.0
        return float(np.abs(np.linalg.inv(self.factor)).sum(axis=1).max())


def whiten(standard: Mixture, standardisation: Standardisation) -> tuple[Mixture, Coordinates]:
    """Move a tied mixture of z to coordinates in which its covariance is the identity.

    Other mixtures stay where they are.
    """
    if not isinstance(standard, TiedMixture):
        return standard, Coordinates(standardisation)
    factor = np.asarray(np.linalg.cholesky(standard.covariance), np.float64)
    means = np.linalg.solve(factor, standard.means.T).T
    white = SphericalMixture(standard.weights, means, np.ones(standard.n_components))
    return white, Coordinates(standardisation, factor)
