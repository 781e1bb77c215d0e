"""Updates of factor analysis: loadings, residual and covariances, and minimum divergence.

The update of the loadings is a regression of the sessions' statistics on the moments of their
factors. Minimum divergence then gives the factors the distribution that they have in the data, and
moves it into the loadings: the model stays the same, and its factors become standard normal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
    loadings = np.empty(factors.loadings.shape)
    residual = None if factors.residual is None else np.array(factors.residual)
    explained = _no_scatter(factors.gaussians) if update.covariances else None
    # Component by component: what is as large as the loadings is made once, the new ones.
    for component, count in enumerate(totals.occupancy):
        if count <= 0:
            loadings[component] = factors.loadings[component]
            continue
        regression = _Regression.of(sums, factors, whitening, component)
        loadings[component], row = regression.solve(update)
        if residual is not None and row is not None:
            residual[component] = row
        if explained is not None:
            _add_scatter(explained, loadings[component] @ regression.right.T, component)
    covariances, n_floored = factors.covariances, 0
    if explained is not None:
        covariances, n_floored = _covariances(factors, totals, explained, update)
    means, prior_mean = factors.means, factors.prior_mean
    if update.minimum_divergence:
        means, prior_mean = _standardise(loadings, residual, factors, sums, update)
    new = replace(
        factors,
        means=means,
        covariances=covariances,
        loadings=loadings,
        residual=residual,
        prior_mean=prior_mean,
    )
    return new, n_floored


@dataclass(slots=True, eq=False)
class _Regression:
    """The regression of one component's statistics on the moments of factors.

    With a residual everything is in whitened coordinates.
    """

    right: Array  # (D, H): first-order statistics about the mean, times factors
    factor: Array  # of the packed second moments of the factors
    whitening: Whitening
    residual: Array | None  # (D,)
    sums: ResidualSums | None
    component: int

    @classmethod
    def of(
        cls, sums: FactorSums, factors: Factors, whitening: Whitening, component: int
    ) -> _Regression:
        """Return the regression of a component that has frames."""
        from scipy.linalg import lapack

        size = factors.loadings.shape[2]
        moved = factors.means[component][:, None] * sums.occupancy[component]
        right = sums.first_order[:, component].T - moved
        factor, failed = sums.products[component], 0
        if size:
            factor, failed = lapack.dpftrf(size, factor)
        if failed:
            raise InsufficientDataError(
                f"the loadings of component {component} cannot be estimated: the moments of its "
                "factors are singular"
            )
        own = whitening.part(slice(component, component + 1))
        residual = None if factors.residual is None else factors.residual[component]
        return cls(right, factor, own, residual, sums.residual, component)

    def solve(self, update: FactorUpdate) -> tuple[Array, Array | None]:
        """Return loadings (D, H), in feature units, and residual (D,)."""
        if self.residual is None or self.sums is None:
            return self._solution(self.right), None
        right = self.whitening.whiten(self.right[None])[0]
        products = self.sums.products[self.component]
        residual, shares = self.residual, self._solution(products)
        loadings = self._solution(right)
        if update.residual:
            # What is left of the residual's sums when the loadings have taken their part.
            first = self.sums.first_order[self.component] - (shares * right).sum(axis=1)
            second = self.sums.second_order[self.component] - (shares * products).sum(axis=1)
            known = second > 0
            residual = np.where(known, first / np.where(known, second, 1.0), residual)
        loadings -= residual[:, None] * shares
        return self.whitening.colour(loadings[None])[0], residual

    def _solution(self, right: Array) -> Array:
        """Return right sides (D, H) times the inverse of the second moments."""
        from scipy.linalg import lapack

        size = right.shape[1]
        if not size:
            return np.zeros_like(right)
        return np.asarray(lapack.dpftrs(size, self.factor, right.T)[0].reshape(size, -1).T)


def _no_scatter(gaussians: Gaussians) -> Array:
    return np.zeros(gaussians.kind.shape(gaussians.n_gaussians, gaussians.n_features))


def _add_scatter(scatter: Array, product: Array, component: int) -> None:
    """Add a product (D, D) of a component to second-order statistics of any kind."""
    if scatter.ndim == 3:
        scatter[component] += (product + product.T) / 2
    elif scatter.ndim == 1:
        scatter[component] += product.trace()
    elif scatter.shape == product.shape:
        scatter += (product + product.T) / 2
    else:
        scatter[component] += product.diagonal()


def _covariances(
    factors: Factors, totals: SessionTotals, explained: Array, update: FactorUpdate
) -> tuple[Array, int]:
    """Return the covariances that are left within sessions, floored."""
    gaussians = factors.gaussians
    kind, counts = gaussians.kind, totals.occupancy
    assert totals.second_order is not None
    scatter = kind.moved(totals.second_order, counts, totals.first_order, -factors.means)
    divisor = kind.divisor(counts, gaussians.n_features)
    found = kind.symmetric((scatter - explained) / np.where(divisor > 0, divisor, 1.0))
    if not kind.is_shared:
        found[counts <= 0] = factors.covariances[counts <= 0]
    variances = Gaussians(kind, factors.means, found).variances()
    floor = update.variance_floor * (counts @ variances) / counts.sum()
    floored, which = kind.floored(found, floor)
    return floored, int(np.count_nonzero(which))


def _standardise(
    loadings: Array,
    residual: Array | None,
    factors: Factors,
    sums: FactorSums,
    update: FactorUpdate,
) -> tuple[Array, Array | None]:
    """Make factors standard normal that had the moments of `sums`, and change loadings in place.

    Returns
    -------
    means : array, shape (K, D)
    prior_mean : array, shape (R,), or None
        With a prior mean the speaker's factors keep one, in the direction of the first factor.
    """
    means, prior_mean = factors.means, factors.prior_mean
    if factors.n_speaker:
        moments = packed_layout(factors.n_speaker).unpack(sums.speaker_moments) / sums.n_speakers
        mean = sums.speaker_means / sums.n_speakers
        if update.means or prior_mean is not None:
            moments -= np.outer(mean, mean)
        factor = np.asarray(np.linalg.cholesky(moments), np.float64)
        if prior_mean is not None:
            factor, prior_mean = _turned(factor, mean)
        elif update.means:
            means = means + loadings[:, :, : factors.n_speaker] @ mean
        _multiply(loadings[:, :, : factors.n_speaker], factor)
    if factors.n_session:
        moments = packed_layout(factors.n_session).unpack(sums.session_moments) / sums.n_sessions
        _multiply(loadings[:, :, factors.n_speaker :], np.linalg.cholesky(moments))
    if residual is not None and sums.residual is not None and update.residual:
        residual *= np.sqrt(sums.residual.squares / sums.n_speakers)
    return means, prior_mean


def _multiply(loadings: Array, factor: NDArray[Any]) -> None:
    """Multiply loadings by a matrix, in place."""
    for block in loadings:
        block[:] = block @ factor


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
