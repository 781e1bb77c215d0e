"""The accumulator of occupancies and moments of Gaussians over frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.evaluator import DensePosteriors
from speakergmm.gaussians.frame_sources import Frames
from speakergmm.gaussians.prepare import LOG_ZERO, Prepared
from speakergmm.gaussians.statistics import MixtureStatistics


@dataclass(frozen=True, slots=True, eq=False)
class About:
    """The Gaussians whose moments are summed about points of their own, and these points."""

    which: NDArray[np.intp]
    origins: Array


class SparsePosteriors(NamedTuple):
    """Posteriors of the few Gaussians that frames may belong to; all others are zero.

    Attributes
    ----------
    frames, gaussians : array of int, shape (N,)
        Frame and Gaussian of each posterior, without gaps in memory.
    weights : array, shape (N,)
        Probability that the frame belongs to the Gaussian.
    log_likelihood : float
        Log-likelihood of all the frames together.
    """

    frames: NDArray[np.int64]
    gaussians: NDArray[np.int64]
    weights: Array
    log_likelihood: float


class GaussianSums:
    """Accumulator of occupancies and moments of frames, from dense or sparse posteriors.

    Moments are about zero, in the coordinates w in which densities are evaluated (`Coordinates`);
    only those of the Gaussians of `about` are moments of z, about their origins.

    Parameters
    ----------
    prepared : Prepared
        The Gaussians whose posteriors will be added.
    dtype : dtype
        Type of the products of a block; sums over blocks are float64.
    second_order : bool
        Sum second-order moments as well.
    about : About, optional
        Gaussians far narrower than the data, and points near them.
    sparse : bool
        Prepare for `add_sparse`: the moments of a Gaussian then lie side by side.
    """

    def __init__(
        self,
        prepared: Prepared,
        *,
        dtype: np.dtype[Any],
        second_order: bool = True,
        about: About | None = None,
        sparse: bool = False,
    ) -> None:
        self._prepared, self._second_order, self._about = prepared, second_order, about
        d, kind = prepared.gaussians.n_features, prepared.gaussians.kind
        scatters = kind.is_shared and second_order
        n_moments = prepared.n_rows if second_order and not scatters else d + 1
        self._product = np.empty((n_moments, prepared.n_gaussians), dtype)
        self.moments = np.zeros(self._product.shape, order="F" if sparse else "C")
        # The scatter between the means is subtracted from it, hence float64.
        self.scatter = np.zeros((d, d)) if scatters else None
        n_own = d + 1 if scatters or not second_order else kind.n_rows(d)
        self.own = np.zeros((n_own, 0 if about is None else len(about.which)))
        self.log_likelihood = self.n_frames = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Return the sums alone, which travel from workers: no buffer and no Gaussians.

        They can be merged into sums of the same Gaussians, and do no more.
        """
        names = ("moments", "scatter", "own", "log_likelihood", "n_frames")
        return {name: vars(self)[name] for name in names}

    def add(self, frames: Frames, block: DensePosteriors, weights: Array | None) -> None:
        """Add a block of frames (T, D) with these posteriors and, if given, weights (T,)."""
        likelihoods = block.log_likelihood
        self.log_likelihood += float(
            likelihoods.sum() if weights is None else weights @ likelihoods
        )
        self.n_frames += float(len(frames) if weights is None else weights.sum())
        factors: NDArray[Any] = 1.0 / block.normaliser
        if weights is not None:
            factors *= weights.astype(factors.dtype)
        if self._about is not None:
            self.add_own(self._about, frames, block, weights)
            if len(self._about.which) == self._prepared.n_gaussians:
                return
        elif self.scatter is not None:
            self.scatter += self._scatter(block, weights)
        weighted = block.rows[: len(self.moments)]
        # Scale the functions, which are fewer numbers than the responsibilities and are not needed
        # any more.
        np.multiply(weighted, factors, out=weighted)
        self._multiply(weighted, block.unnormalised)
        if block.exception_posteriors is not None and block.exception_rows is not None:
            exact = block.exception_rows[: len(self.moments)]
            if weights is not None:
                exact = exact * weights[block.exceptions]
            with np.errstate(over="ignore", invalid="ignore"):
                self.moments += exact @ block.exception_posteriors

    def add_sparse(self, frames: Frames, posteriors: SparsePosteriors) -> None:
        """Add frames (T, D) with few posteriors, of Gaussians with diagonal covariances."""
        from speakergmm.gaussians.block_kernels import add_sparse

        assert self._prepared.white.kind.name == "diag"
        places, gaussians, weights, log_likelihood = posteriors
        self.log_likelihood += log_likelihood
        self.n_frames += float(len(frames))
        map_to = self._prepared.coordinates.standardisation
        factors = 1.0 / map_to.scale
        add_sparse(frames, map_to.centre, factors, places, gaussians, weights, self.moments.T)

    def add_posteriors(
        self, frames: Frames, rows: NDArray[np.floating[Any]], shares: NDArray[np.floating[Any]]
    ) -> None:
        """Add frames (T, D) of functions (B, T) and shares (T, G) to the moments alone."""
        if self._about is not None:
            self._add_shares(self._about, frames, shares[:, self._about.which].astype(np.float64))
        self._multiply(rows[: len(self.moments)], shares)

    def _multiply(self, rows: NDArray[np.floating[Any]], shares: NDArray[np.floating[Any]]) -> None:
        with np.errstate(over="ignore", invalid="ignore"):
            np.matmul(rows, shares, out=self._product)
        np.add(self.moments, self._product, out=self.moments)

    def add_own(
        self, about: About, frames: Frames, block: DensePosteriors, weights: Array | None
    ) -> None:
        """Add a block to the moments of the Gaussians of `about` alone."""
        shares = block.unnormalised[:, about.which].astype(np.float64)
        # A posterior that was rounded up to the least exponential counts as zero.
        shares[shares <= block.nothing] = 0.0
        if shares.any():
            factors = 1.0 / block.normaliser.astype(np.float64)
            shares *= (factors if weights is None else factors * weights)[:, None]
        if block.exception_posteriors is not None:
            exact = block.exception_posteriors[:, about.which]
            if weights is not None:
                exact = exact * weights[block.exceptions, None]
            shares[block.exceptions] = exact
        self._add_shares(about, frames, shares)

    def _add_shares(self, about: About, frames: Frames, shares: Array) -> None:
        d, kind = self._prepared.n_features, self._prepared.gaussians.kind
        standardisation = self._prepared.coordinates.standardisation
        with np.errstate(over="ignore", invalid="ignore", under="ignore"):
            for n in np.flatnonzero(shares.any(axis=0)):
                places = np.flatnonzero(shares[:, n])
                rows = np.ones((len(self.own), len(places)))
                z = standardisation.applied(frames[places]).T
                np.subtract(z, about.origins[n][:, None], out=rows[1 : d + 1])
                share = shares[places, n]
                if self.scatter is not None:
                    self.scatter += (rows[1:] * share) @ rows[1:].T
                elif self._second_order:
                    kind.fill(rows, d)
                self.own[:, n] += rows @ share

    def _scatter(self, block: DensePosteriors, weights: Array | None) -> Array:
        """Return the sum of w w^T over a block, (D, D)."""
        d = self._prepared.n_features
        rows = block.rows[1 : d + 1].astype(np.float64)
        if block.exception_rows is not None:
            rows[:, block.exceptions] = block.exception_rows[1 : d + 1]
        if weights is not None:
            rows *= np.sqrt(weights)
        return np.asarray(rows @ rows.T)

    def merge(self, other: GaussianSums) -> None:
        """Add the sums over other frames."""
        self.moments += other.moments
        self.own += other.own
        if self.scatter is not None and other.scatter is not None:
            self.scatter += other.scatter
        self.log_likelihood += other.log_likelihood
        self.n_frames += other.n_frames

    def statistics(self, unit: float = 1.0) -> MixtureStatistics:
        """Return the statistics of all that was added, times `unit`, in coordinates z."""
        prepared, d = self._prepared, self._prepared.n_features
        moments, own = self.moments, self.own
        if unit != 1.0:
            moments, own = moments * unit, own * unit
        # Exponentials stay above zero for speed; a Gaussian without weight has no frame.
        absent = prepared.log_weights <= 0.1 * LOG_ZERO
        if absent.any():
            moments = np.where(absent, 0.0, moments)
        counts, first = np.abs(moments[0]), moments[1 : d + 1].T
        second = None
        if self.scatter is not None:
            second = self.scatter * unit
        elif self._second_order:
            second = prepared.white.kind.second_order(moments[d + 1 :], d)
        origins = None
        if self._about is None or self.scatter is None:
            first, second = prepared.coordinates.moments_to_standard(first, second)
        if self._about is not None:
            which = self._about.which
            own = np.where(absent[which], 0.0, own)
            origins, first, counts = np.zeros((len(first), d)), first.copy(), counts.copy()
            origins[which], counts[which] = self._about.origins, own[0]
            first[which] = own[1 : d + 1].T
            if second is not None and self.scatter is None:
                second = second.copy()
                second[which] = prepared.gaussians.kind.second_order(own[d + 1 :], d)
        return MixtureStatistics(
            counts,
            first,
            second,
            self.log_likelihood * unit,
            self.n_frames * unit,
            prepared.gaussians.covariance_type,
            origins=origins,
        )

    def replaced(self, statistics: MixtureStatistics, unit: float = 1.0) -> MixtureStatistics:
        """Return the statistics, those of the Gaussians of `about` replaced by these sums."""
        assert self._about is not None
        return statistics.replaced(self.statistics(unit), self._about.which)
