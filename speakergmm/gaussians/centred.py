"""Components far narrower than the data: densities and moments, each about its own mean.

As a product of functions of z (`basis`) a log-density is a sum of terms of the size of (deviation
of the data / deviation of the component)^2, and a variance the difference of two such sums: in
float64 some 2e-16 of that size is lost. Where that would show, frames are seen from each mean in
turn. What is left is the rounding of the frames themselves; it costs a pass over the frames for
each component, though only over those that are near it where the components are a mixture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.basis import Basis
from speakergmm.gaussians.frames import Frames
from speakergmm.gaussians.parameters import CovarianceType, Mixture
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.statistics import MixtureStatistics

_LOG_2PI = float(np.log(2 * np.pi))
# Squared deviations of frames so far away that theirs overflow.
_FARTHEST = 1e300
# Nats below a frame's best component beyond which another one changes no digit of a sum.
_NEGLIGIBLE = 60.0


@dataclass(frozen=True, slots=True, eq=False)
class CentredComponents:
    """A mixture whose densities are computed from differences to the means.

    Parameters
    ----------
    standardisation : Standardisation
        The map from frames x to z.
    basis : Basis
        Functions of a difference z - m, of which moments are sums.
    means : array, shape (K, D)
        m, in z.
    factors : array, shape (K, D) or (K, D, D)
        Reciprocal deviations, or inverses of Cholesky factors, of z.
    constants : array, shape (K,)
        Log-densities in feature units at the means, log-weights included.
    origins : array, shape (K, D)
        Points of z that moments are about; nothing cancels where they are near the next means.
    """

    standardisation: Standardisation
    basis: Basis
    means: NDArray[np.float64]
    factors: NDArray[np.float64]
    constants: NDArray[np.float64]
    origins: NDArray[np.float64]

    @classmethod
    def of(
        cls,
        standard: Mixture,
        standardisation: Standardisation,
        basis: Basis,
        log_weights: NDArray[np.float64],
        *,
        origins: NDArray[np.float64] | None = None,
    ) -> CentredComponents:
        """Prepare a mixture that is given in standardised coordinates; origins are its means."""
        if standard.covariance_type in ("diag", "spherical"):
            factors = 1.0 / np.sqrt(standard.component_variances())
            log_determinants = -np.log(factors).sum(axis=1)
        else:
            lower = np.linalg.cholesky(standard.full_covariances())
            factors = np.tril(np.linalg.inv(lower))
            log_determinants = np.log(np.diagonal(lower, axis1=1, axis2=2)).sum(axis=1)
        constants = log_weights - standardisation.log_volume
        constants = constants - log_determinants - 0.5 * standard.n_features * _LOG_2PI
        origins = standard.means if origins is None else origins
        return cls(standardisation, basis, standard.means, factors, constants, origins)

    def log_densities(self, frames: Frames) -> NDArray[np.float64]:
        """Joint log-densities (T, K) of frames (T, D), in feature units, finite."""
        z = self._standardise(frames)
        densities = np.empty((len(z), len(self.means)))
        for k in range(len(self.means)):
            densities[:, k] = self._densities_of(k, z)
        return densities

    def noticeable_log_densities(self, frames: Frames) -> NDArray[np.float64]:
        """As `log_densities`, but -inf for what adds nothing to the density of a frame.

        Most components are far from most frames where all are narrow; these pairs are found by
        matrix products, whose error is allowed for, and nothing more is computed of them.
        """
        if self.factors.ndim == 3:
            return self.log_densities(frames)
        z = self._standardise(frames)
        densities = np.full((len(z), len(self.means)), -np.inf)
        for k, near in enumerate(self._noticeable(z)):
            places = np.flatnonzero(near)
            densities[places, k] = self._densities_of(k, z[places])
        return densities

    def _densities_of(self, k: int, z: NDArray[np.float64]) -> NDArray[np.float64]:
        # What is too far away to be squared is as far away as can be.
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            moved, factor = z - self.means[k], self.factors[k]
            moved = moved * factor if factor.ndim == 1 else moved @ factor.T
            squares = np.einsum("td,td->t", moved, moved)
        squares = np.nan_to_num(squares, nan=_FARTHEST, posinf=_FARTHEST)
        return np.asarray(self.constants[k] - 0.5 * squares)

    def _noticeable(self, z: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which components (K, T) may have a part in the density of a frame."""
        precisions = self.factors**2
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            # Sizes of what is subtracted, of which the result's error is a small part.
            sizes = precisions @ (z * z).T + (precisions * self.means**2).sum(axis=1)[:, None]
            squares = sizes - 2.0 * ((precisions * self.means) @ z.T)
            densities = self.constants[:, None] - 0.5 * squares
            error = 2.0 * z.shape[1] * np.finfo(np.float64).eps * sizes
            least = (densities - error).max(axis=0) - _NEGLIGIBLE
            # Comparisons with NaN, of what overflowed, are false.
            return np.asarray(~(densities + error < least))

    def moments(
        self, frames: Frames, occupancies: NDArray[np.floating[Any]]
    ) -> NDArray[np.float64]:
        """Sum the functions of z - origin, (B, K), with these weights (T, K) of frames (T, D)."""
        z = self._standardise(frames)
        sums = np.empty((self.basis.n_rows, len(self.means)))
        rows = np.ones((self.basis.n_rows, len(z)))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for k, origin in enumerate(self.origins):
                places = np.flatnonzero(occupancies[:, k])
                some = rows[:, : len(places)]
                np.subtract(z[places].T, origin[:, None], out=some[1 : len(origin) + 1])
                self.basis.fill(some)
                sums[:, k] = some @ occupancies[places, k]
        return sums

    def scatter(
        self, frames: Frames, occupancies: NDArray[np.floating[Any]]
    ) -> NDArray[np.float64]:
        """Sum weight times (z - origin) (z - origin)^T over frames and components, (D, D)."""
        z = self._standardise(frames)
        total = np.zeros((z.shape[1], z.shape[1]))
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for k, origin in enumerate(self.origins):
                places = np.flatnonzero(occupancies[:, k])
                moved = z[places] - origin
                total += (moved * occupancies[places, k, None]).T @ moved
        return total

    def _standardise(self, frames: Frames) -> NDArray[np.float64]:
        z = np.empty(frames.shape)
        self.standardisation.apply(frames.astype(np.float64, copy=False), z)
        return z


@dataclass(frozen=True, slots=True, eq=False)
class CentredStatistics:
    """Statistics whose moments are about a point of each component, in place of zero.

    Parameters
    ----------
    about : MixtureStatistics
        Moments of z - origin; of a tied kind the second order sums those of all components.
    origins : array, shape (K, D)
        The points.
    """

    about: MixtureStatistics
    origins: NDArray[np.float64]

    @property
    def log_likelihood(self) -> float:
        """Sum over the frames."""
        return self.about.log_likelihood

    @property
    def n_frames(self) -> float:
        """Number of frames."""
        return self.about.n_frames

    def about_zero(self) -> MixtureStatistics:
        """Give the moments of z; digits of the variances are lost."""
        about, origins = self.about, self.origins
        counts, first, second = about.counts, about.first_order, about.second_order
        moved = counts[:, None] * origins
        if second is not None:
            second = second + _moved(about.covariance_type, counts, first, origins)
        return MixtureStatistics(
            counts, first + moved, second, self.log_likelihood, self.n_frames, about.covariance_type
        )


def about_zero(statistics: MixtureStatistics | CentredStatistics) -> MixtureStatistics:
    """Give statistics whose moments are about zero, of either."""
    return statistics.about_zero() if isinstance(statistics, CentredStatistics) else statistics


def _moved(
    kind: CovarianceType,
    counts: NDArray[np.float64],
    first: NDArray[np.float64],
    origins: NDArray[np.float64],
) -> Any:
    """Give what second-order moments about zero have more than those about the origins."""
    if kind in ("diag", "spherical"):
        added = (2 * first + counts[:, None] * origins) * origins
        return added if kind == "diag" else added.sum(axis=1)
    cross = first[:, :, None] * origins[:, None, :]
    squares = counts[:, None, None] * origins[:, :, None] * origins[:, None, :]
    added = cross + cross.transpose(0, 2, 1) + squares
    return added if kind == "full" else added.sum(axis=0)
