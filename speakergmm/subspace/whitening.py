"""Coordinates in which the covariance of every Gaussian is the unit matrix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians import Gaussians

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Whitening:
    """The change between features and coordinates of unit covariance, one for each component.

    Parameters
    ----------
    deviations : array, shape (K, D), or None
        Standard deviations, where covariances are diagonal.
    factors, inverses : array, shape (K, D, D), or None
        Cholesky factors of other covariances, and the inverses of the factors.
    """

    deviations: Array | None
    factors: Array | None
    inverses: Array | None

    @classmethod
    def of(cls, gaussians: Gaussians) -> Whitening:
        """Return the whitening of K Gaussians of D features, of any kind of covariances."""
        if not gaussians.kind.is_matrix:
            return cls(np.sqrt(gaussians.variances()), None, None)
        factors = np.asarray(np.linalg.cholesky(gaussians.matrices()), np.float64)
        return cls(None, factors, np.asarray(np.linalg.inv(factors), np.float64))

    def part(self, piece: slice) -> Whitening:
        """Return the change for some of the components."""
        arrays = (self.deviations, self.factors, self.inverses)
        return Whitening(*(None if each is None else each[piece] for each in arrays))

    def whiten(self, columns: Array) -> Array:
        """Return columns (K, D, M) of feature units in units of the Gaussians' deviations."""
        if self.deviations is not None:
            return columns / self.deviations[:, :, None]
        assert self.inverses is not None
        return np.asarray(self.inverses @ columns)

    def colour(self, columns: Array) -> Array:
        """Return columns (K, D, M) in feature units: the inverse of `whiten`."""
        if self.deviations is not None:
            return columns * self.deviations[:, :, None]
        assert self.factors is not None
        return np.asarray(self.factors @ columns)

    def weigh(self, columns: Array) -> Array:
        """Return the inverse covariances times columns (K, D, M) of feature units."""
        if self.deviations is not None:
            return columns / (self.deviations**2)[:, :, None]
        assert self.inverses is not None
        return np.asarray(self.inverses.swapaxes(1, 2) @ (self.inverses @ columns))
