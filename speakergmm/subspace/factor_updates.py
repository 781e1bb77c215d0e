"""Updates of factor analysis: loadings, residual and covariances, and minimum divergence.

The update of the loadings is a regression of the sessions' statistics on the moments of their
factors. Minimum divergence then gives the factors the distribution that they have in the data, and
moves it into the loadings: the model stays the same, and its factors become standard normal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack

from speakergmm.errors import InsufficientDataError
from speakergmm.gaussians import Gaussians
from speakergmm.subspace.factor_sums import FactorSums, ResidualSums
from speakergmm.subspace.factors import Factors
from speakergmm.subspace.packed import packed_layout
from speakergmm.subspace.session_statistics import SessionTotals
from speakergmm.subspace.whitening import Whitening

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorUpdate:
    """The parts of a model that an update changes.

    Parameters
    ----------
    means : bool, default=False
        The means, by the mean of the speaker's factors; with minimum divergence only.
    residual : bool, default=False
        The residual, if there is one.
    covariances : bool, default=False
        The covariances, where there is no residual.
    variance_floor : float, default=0.1
        Smallest variance, as a part of the average variance of the components in that feature.
    minimum_divergence : bool, default=True
    """

    means: bool = False
    residual: bool = False
    covariances: bool = False
    variance_floor: float = 0.1
    minimum_divergence: bool = True


def update_factors(
    sums: FactorSums, factors: Factors, totals: SessionTotals, update: FactorUpdate
) -> tuple[Factors, int]:
    """Return the model that sums lead to, and the number of variances that were floored.

    Parameters
    ----------
    sums : FactorSums
        Sums under the model.
    factors : Factors
        The model.
    totals : SessionTotals
        Of the same sessions; with second order if covariances are updated.
    update : FactorUpdate

    Notes
    -----
    Proposition 3 of [1]_ for the loadings and covariances; minimum divergence is section 4.3 of
    [2]_. The residual is regressed on jointly with the loadings.

    References
    ----------
    .. [1] Kenny, Boulianne, Dumouchel, "Eigenvoice Modeling with Sparse Training Data", IEEE
       Transactions on Speech and Audio Processing 13 (2005) 345-354.
    .. [2] Kenny, "Joint Factor Analysis of Speaker and Session Variability: Theory and
       Algorithms", CRIM-06/08-13 (2005).
    """
    whitening = Whitening.of(factors.gaussians)
    # First-order statistics about the means, as columns of factors.
    right = np.ascontiguousarray(sums.first_order.transpose(1, 2, 0))
    right -= factors.means[:, :, None] * sums.occupancy[:, None, :]
    loadings, residual = _regression(sums, factors, right, whitening, update)
    occupied = totals.occupancy > 0
    loadings[~occupied] = factors.loadings[~occupied]
    covariances, n_floored = factors.covariances, 0
    if update.covariances:
        covariances, n_floored = _covariances(factors, totals, loadings, right, update)
    new = replace(factors, loadings=loadings, residual=residual, covariances=covariances)
    if update.minimum_divergence:
        new = minimum_divergence(new, sums, update)
    return new, n_floored


def _regression(
    sums: FactorSums, factors: Factors, right: Array, whitening: Whitening, update: FactorUpdate
) -> tuple[Array, Array | None]:
    """Return loadings (K, D, H) and residual (K, D)."""
    residual, moments = factors.residual, sums.residual
    if residual is None or moments is None:
        return _solutions(sums.products, right), None
    right = whitening.whiten(right)
    if not update.residual:
        right -= residual[:, :, None] * moments.products
        return whitening.colour(_solutions(sums.products, right)), residual
    loadings = _solutions(sums.products, right)
    shares = _solutions(sums.products, moments.products)
    # What is left of the residual's sums when the loadings have taken their part.
    first = moments.first_order - (shares * right).sum(axis=2)
    second = moments.second_order - (shares * moments.products).sum(axis=2)
    new = np.where(second > 0, first / np.where(second > 0, second, 1.0), residual)
    loadings -= new[:, :, None] * shares
    return whitening.colour(loadings), new


def _solutions(products: Array, right: Array) -> Array:
    """Return right sides (K, D, H) times the inverses of packed matrices (K, P)."""
    size = right.shape[2]
    solutions = np.zeros_like(right)
    for packed, side, solution in zip(products, right, solutions, strict=True):
        if not size or not packed.any():
            continue
        factor, failed = lapack.dpftrf(size, packed)
        if failed:
            raise InsufficientDataError(
                "the loadings of a component cannot be estimated: its sums are singular"
            )
        solution[:] = lapack.dpftrs(size, factor, side.T)[0].T
    return solutions


def _covariances(
    factors: Factors, totals: SessionTotals, loadings: Array, right: Array, update: FactorUpdate
) -> tuple[Array, int]:
    """Return the covariances that are left within sessions, floored."""
    gaussians = factors.gaussians
    kind, counts = gaussians.kind, totals.occupancy
    assert totals.second_order is not None
    scatter = kind.moved(totals.second_order, counts, totals.first_order, -factors.means)
    explained = loadings @ right.swapaxes(1, 2)
    scatter = scatter - _shaped((explained + explained.swapaxes(1, 2)) / 2, gaussians)
    divisor = kind.divisor(counts, gaussians.n_features)
    found = kind.symmetric(scatter / np.where(divisor > 0, divisor, 1.0))
    if not kind.is_shared:
        found[counts <= 0] = factors.covariances[counts <= 0]
    variances = Gaussians(kind, factors.means, found).variances()
    floor = update.variance_floor * (counts @ variances) / counts.sum()
    floored, which = kind.floored(found, floor)
    return floored, int(np.count_nonzero(which))


def _shaped(matrices: Array, gaussians: Gaussians) -> Array:
    """Return matrices (K, D, D) as second-order statistics of the Gaussians' kind."""
    shapes = {"full": "kij->kij", "tied": "kij->ij", "diag": "kii->ki", "spherical": "kii->k"}
    return np.asarray(np.einsum(shapes[gaussians.covariance_type], matrices))


def minimum_divergence(factors: Factors, sums: FactorSums, update: FactorUpdate) -> Factors:
    """Return a model whose factors are standard normal, where they had the moments of `sums`.

    With a prior mean the speaker's factors keep one, in the direction of the first factor.
    """
    loadings = np.array(factors.loadings)
    means, residual, prior_mean = factors.means, factors.residual, factors.prior_mean
    y, x = slice(0, factors.n_speaker), slice(factors.n_speaker, None)
    if factors.n_speaker:
        moments = packed_layout(factors.n_speaker).unpack(sums.speaker_moments) / sums.n_speakers
        mean = sums.speaker_means / sums.n_speakers
        if update.means or prior_mean is not None:
            moments -= np.outer(mean, mean)
        factor = np.asarray(np.linalg.cholesky(moments), np.float64)
        if prior_mean is not None:
            factor, prior_mean = _turned(factor, mean)
        elif update.means:
            means = means + loadings[:, :, y] @ mean
        loadings[:, :, y] = loadings[:, :, y] @ factor
    if factors.n_session:
        moments = packed_layout(factors.n_session).unpack(sums.session_moments) / sums.n_sessions
        loadings[:, :, x] = loadings[:, :, x] @ np.linalg.cholesky(moments)
    if residual is not None and update.residual:
        assert isinstance(sums.residual, ResidualSums)
        residual = residual * np.sqrt(sums.residual.squares / sums.n_speakers)
    return replace(
        factors, means=means, loadings=loadings, residual=residual, prior_mean=prior_mean
    )


def _turned(factor: Array, mean: Array) -> tuple[Array, Array]:
    """Return a factor of the covariance, turned so that the mean lies on the first axis."""
    solved = np.linalg.solve(factor, mean)
    length = float(np.linalg.norm(solved))
    # A reflection that exchanges the direction of the mean with the first axis.
    normal = solved / length
    normal[0] -= 1.0
    reflection = np.eye(len(mean))
    if normal.any():
        reflection -= 2.0 * np.outer(normal, normal) / (normal @ normal)
    new = np.zeros_like(mean)
    new[0] = length
    return factor @ reflection, new
