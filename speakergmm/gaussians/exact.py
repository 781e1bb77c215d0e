"""Exact densities of Gaussians for which a matrix product is too coarse, each about its mean.

The matrix product forms (z - mean)^2 / variance as a sum of terms as large as mean^2 / variance.
Where a Gaussian is so narrow that these terms leave no digits, its distances are taken from the
differences z - mean themselves, and its moments are summed about a point near it. Only the few
frames near it need that: a bound from the features in which such Gaussians are narrowest finds
them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.covariances import LOG_2PI, Array
from speakergmm.gaussians.frame_sources import Frames
from speakergmm.gaussians.prepare import Prepared

# Stands for a squared distance that overflows, so that the density still is a number.
_FARTHEST = 1e300
# A Gaussian whose log-density is this far below the frame's adds nothing to its density, in nats.
NEGLIGIBLE = 60.0
# Number of features that the bound uses, and the shift of a frame by rounding in float32.
_BOUND_FEATURES = 4
_BOUND_ROUNDING = 1e-5


class ExactGaussians:
    """Some of the prepared Gaussians, evaluated about their means.

    Parameters
    ----------
    prepared : Prepared
        All Gaussians.
    which : array of int, shape (N,)
        Numbers of those that are evaluated here.
    """

    def __init__(self, prepared: Prepared, which: NDArray[np.intp]) -> None:
        self.which = which
        chosen = prepared.select(which)
        gaussians = chosen.gaussians
        self._standardisation = prepared.coordinates.standardisation
        self._means = gaussians.means
        if gaussians.kind.is_matrix:
            lower = np.linalg.cholesky(gaussians.matrices())
            self._factors = np.tril(np.linalg.inv(lower))
            log_determinants = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        else:
            self._factors = 1.0 / np.sqrt(gaussians.variances())
            log_determinants = -np.log(self._factors).sum(axis=1)
        self._constants = (
            chosen.log_weights - log_determinants - 0.5 * LOG_2PI * len(self._means[0])
        )
        # Densities of the product are those of its own coordinates, which have other units.
        whitening = prepared.coordinates.log_volume - self._standardisation.log_volume
        self._constants = self._constants + whitening
        precisions = 1.0 / chosen.white.variances()
        used = np.argsort(-precisions.sum(axis=0))[:_BOUND_FEATURES]
        means = chosen.white.means[:, used]
        self._used = used + 1
        self._bound_means = means.astype(np.float32)[:, :, None]
        factors = np.sqrt(precisions[:, used])
        with np.errstate(over="ignore"):
            self._bound_factors = factors.astype(np.float32)[:, :, None]
            moved = ((_BOUND_ROUNDING * (1.0 + abs(means)) * factors) ** 2).sum(axis=1)
        # Of matrices the bound is the largest of the features' distances, not their sum.
        self._sums_bounds = not gaussians.kind.is_matrix
        self._bound_constants = (self._constants + 0.5 * moved + 1.0)[:, None]

    def log_densities(self, frames: Frames) -> Array:
        """Return the joint log-densities (T, N) in the units of the product; finite."""
        z = self._standardisation.applied(frames)
        densities = np.empty((len(z), len(self.which)))
        for n in range(len(self.which)):
            densities[:, n] = self._densities_at(n, z)
        return densities

    def fill(
        self,
        frames: Frames,
        rows: NDArray[np.floating[Any]],
        densities: NDArray[np.floating[Any]],
        *,
        shift: Array,
        base: float,
        least: Array | None,
    ) -> None:
        """Write the columns of these Gaussians to `densities` (T, G): (log-density - shift) / base.

        Parameters
        ----------
        frames : array, shape (T, D)
        rows : array, shape (B, T)
            The functions of the frames.
        densities : array, shape (T, G)
            The columns of other Gaussians are kept; in the columns of these, -inf where a
            Gaussian adds nothing.
        shift, base
            Shift (T,) and unit of the values.
        least : array, shape (T,), optional
            Log-densities below which a Gaussian adds nothing; by default `NEGLIGIBLE` below the
            largest of the frame.
        """
        densities[:, self.which] = -np.inf
        bounds = self._upper_bounds(rows)
        if least is None:
            best = bounds.argmax(axis=0)
            largest = np.empty(len(frames))
            for n in np.unique(best).tolist():
                places = np.flatnonzero(best == n)
                largest[places] = self._densities_of(n, frames[places])
            others = densities.max(axis=1).astype(np.float64) * base + shift
            least = np.maximum(largest, others) - NEGLIGIBLE
        near = ~(bounds < least)
        for n in np.flatnonzero(near.any(axis=1)).tolist():
            places = np.flatnonzero(near[n])
            found = self._densities_of(n, frames[places])
            with np.errstate(over="ignore"):
                densities[places, self.which[n]] = (found - shift[places]) / base

    def _upper_bounds(self, rows: NDArray[np.floating[Any]]) -> Array:
        """Return upper bounds (N, T) of the log-densities.

        A frame that rounding moved by s from a squared distance a^2 is at least a^2 / 2 - s^2 away.
        """
        z = rows[self._used].astype(np.float32, copy=False)
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            away = z - self._bound_means
            away *= self._bound_factors
            np.multiply(away, away, out=away)
            squares = away.sum(axis=1) if self._sums_bounds else away.max(axis=1)
        return np.asarray(self._bound_constants - 0.25 * squares)

    def _densities_of(self, n: int, frames: Frames) -> Array:
        return self._densities_at(n, self._standardisation.applied(frames))

    def _densities_at(self, n: int, z: Array) -> Array:
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            moved, factor = z - self._means[n], self._factors[n]
            moved = moved * factor if factor.ndim == 1 else moved @ factor.T
            squares = np.einsum("td,td->t", moved, moved)
        # Where a distance overflows, the frame is far away, too.
        squares = np.fmin(squares, _FARTHEST)
        return np.asarray(self._constants[n] - 0.5 * squares)
