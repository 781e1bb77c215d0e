"""Sums over sessions from which factor analysis is updated, and the task that makes them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.subspace.factor_posteriors import factor_posteriors
from speakergmm.subspace.factors import Factors, PreparedFactors
from speakergmm.subspace.packed import packed_layout
from speakergmm.subspace.session_posteriors import ResidualPosterior, speaker_posterior
from speakergmm.subspace.session_statistics import SessionShard

Array = NDArray[np.float64]

# Number of sessions whose posterior covariances are held at a time.
BLOCK_SESSIONS = 192


@dataclass(slots=True, eq=False)
class ResidualSums:
    """Sums over speakers of the moments of their residual factors z, in whitened coordinates.

    Parameters
    ----------
    first_order, second_order, squares : array, shape (K, D)
        Sums of z times the speaker's deviations, of occupancy times z^2, and of z^2.
    products : array, shape (K, D, H)
        Sums of z times occupancy times factors.
    """

    first_order: Array
    second_order: Array
    squares: Array
    products: Array

    def add(self, total: Array, posterior: ResidualPosterior) -> None:
        """Add a speaker of some occupancy (K,)."""
        self.first_order += posterior.means * posterior.deviations
        self.second_order += total[:, None] * posterior.squares
        self.squares += posterior.squares
        self.products += posterior.products

    def merge(self, other: ResidualSums) -> None:
        """Add the sums over other speakers."""
        self.first_order += other.first_order
        self.second_order += other.second_order
        self.squares += other.squares
        self.products += other.products


@dataclass(slots=True, eq=False)
class FactorSums:
    """Sums over sessions of the moments of their factors.

    Parameters
    ----------
    products : array, shape (K, P)
        Sums of occupancy times second moments of the factors, packed.
    first_order : array, shape (H, K, D)
        Sums of factors times first-order statistics about zero.
    occupancy : array, shape (K, H)
        Sums of occupancy times factors.
    speaker_moments, session_moments : array
        Sums of second moments of the factors of speakers and of sessions, packed.
    speaker_means : array, shape (R,)
        Sum of the factors of speakers.
    residual : ResidualSums or None
    n_speakers, n_sessions : int
    log_likelihood : float
        Beyond that of a model without factors.
    n_frames : float
    """

    products: Array
    first_order: Array
    occupancy: Array
    speaker_moments: Array
    session_moments: Array
    speaker_means: Array
    residual: ResidualSums | None
    n_speakers: int = 0
    n_sessions: int = 0
    log_likelihood: float = 0.0
    n_frames: float = 0.0

    @classmethod
    def zeros(cls, factors: Factors) -> FactorSums:
        """Return the sums over no sessions."""
        n_components, n_features, n_factors = factors.loadings.shape
        residual = None
        if factors.residual is not None:
            zeros = np.zeros((3, n_components, n_features))
            products = np.zeros((n_components, n_features, n_factors))
            residual = ResidualSums(zeros[0], zeros[1], zeros[2], products)
        return cls(
            np.zeros((n_components, packed_layout(n_factors).n_places)),
            np.zeros((n_factors, n_components, n_features)),
            np.zeros((n_components, n_factors)),
            np.zeros(packed_layout(factors.n_speaker).n_places),
            np.zeros(packed_layout(factors.n_session).n_places),
            np.zeros(factors.n_speaker),
            residual,
        )

    def add(
        self, occupancy: Array, first_order: Array, means: Array, second_moments: Array
    ) -> None:
        """Add sessions with posterior means (N, H) and packed second moments (N, P)."""
        self.occupancy += occupancy.T @ means
        if means.size:
            _add_product(self.products, occupancy, second_moments)
            flat = first_order.reshape(len(means), -1)
            _add_product(self.first_order.reshape(means.shape[1], -1), means, flat)
        self.n_frames += float(occupancy.sum())

    def merge(self, other: FactorSums) -> FactorSums:
        """Add the sums over the sessions that follow, and return these."""
        self.products += other.products
        self.first_order += other.first_order
        self.occupancy += other.occupancy
        self.speaker_moments += other.speaker_moments
        self.session_moments += other.session_moments
        self.speaker_means += other.speaker_means
        if self.residual is not None and other.residual is not None:
            self.residual.merge(other.residual)
        self.n_speakers += other.n_speakers
        self.n_sessions += other.n_sessions
        self.log_likelihood += other.log_likelihood
        self.n_frames += other.n_frames
        return self


def _add_product(total: Array, left: Array, right: Array) -> None:
    """Add ``left.T @ right`` to a contiguous array, which is as large as the model, in place."""
    from scipy.linalg import blas

    blas.dgemm(1.0, right.T, left.T, 1.0, total.T, trans_b=1, overwrite_c=1)


@dataclass(frozen=True, slots=True, eq=False)
class SumFactors:
    """A task: the sums over a shard of sessions.

    Parameters
    ----------
    prepared : PreparedFactors
    """

    prepared: PreparedFactors

    def __call__(self, shard: SessionShard) -> FactorSums:
        """Return the sums over all blocks of a shard, in order."""
        factors = self.prepared.factors
        sums = FactorSums.zeros(factors)
        add = self._add_tied if factors.is_tied else self._add_speakers
        for block in shard.blocks(BLOCK_SESSIONS):
            add(sums, block)
        return sums

    def _add_tied(self, sums: FactorSums, block: SessionShard) -> None:
        """Add speakers that have one vector of factors and nothing else."""
        speakers = block.of_speakers()
        means, moments, gains = factor_posteriors(
            self.prepared, speakers.occupancy, speakers.first_order, covariances=True
        )
        assert moments is not None
        packed_layout(means.shape[1]).add_outer(moments, means)
        sums.add(speakers.occupancy, speakers.first_order, means, moments)
        sums.speaker_moments += moments.sum(axis=0)
        sums.speaker_means += means.sum(axis=0)
        sums.n_speakers += len(means)
        sums.n_sessions += len(block.occupancy)
        sums.log_likelihood += float(gains.sum())

    def _add_speakers(self, sums: FactorSums, block: SessionShard) -> None:
        """Add speakers one by one, each with the factors of all sessions."""
        starts = np.arange(len(block.occupancy)) if block.starts is None else block.starts
        n_speaker, n_session = self.prepared.factors.n_speaker, self.prepared.factors.n_session
        whole = packed_layout(n_speaker + n_session)
        for first, last in zip(starts, [*starts[1:], len(block.occupancy)], strict=True):
            occupancy, first_order = block.occupancy[first:last], block.first_order[first:last]
            found = speaker_posterior(self.prepared, occupancy, first_order)
            moments = found.covariances + found.means[:, :, None] * found.means[:, None, :]
            sums.add(occupancy, first_order, found.means, whole.pack(moments))
            of_speaker = moments[0, :n_speaker, :n_speaker]
            of_sessions = moments[:, n_speaker:, n_speaker:].sum(axis=0)
            sums.speaker_moments += packed_layout(n_speaker).pack(of_speaker)
            sums.session_moments += packed_layout(n_session).pack(of_sessions)
            sums.speaker_means += found.means[0, :n_speaker]
            if sums.residual is not None and found.residual is not None:
                sums.residual.add(occupancy.sum(axis=0), found.residual)
            sums.n_speakers += 1
            sums.n_sessions += len(occupancy)
            sums.log_likelihood += found.log_likelihood
