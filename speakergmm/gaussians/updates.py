"""Updates of Gaussians from statistics: maximum likelihood, with an optional conjugate prior."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import CollapsedComponentError, InvalidInputError
from speakergmm.gaussians.covariances import Array, Covariances
from speakergmm.gaussians.parameters import Gaussians
from speakergmm.gaussians.statistics import MixtureStatistics

_EPSILON = float(np.finfo(np.float64).eps)
# Part of the mean square below which a variance is rounding of float64 sums.
_LEAST_VARIANCE = 1e-12
# Occupancy, in frames, that is no more than rounding.
_SMALLEST = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class GaussianPrior:
    """A conjugate prior in terms of what it adds to sums of moments and to their divisors.

    Parameters
    ----------
    means : array, shape (G, D)
        Means of the prior.
    means_weight : array, shape (G,)
        Number of frames that the prior means count for.
    scatter : array
        Number that is added to the sums of squares, in the shape of the covariances.
    count : array
        Number that is added to the number of squares; broadcasts to the shape of the covariances.
    """

    means: Array
    means_weight: Array
    scatter: Array
    count: Array

    def rescaled(self, kind: Covariances, scale: Array, shift: Array) -> GaussianPrior:
        """Return the prior of the Gaussians of ``x * scale + shift``, both of shape (D,)."""
        scatter = kind.rescaled(self.scatter, scale)
        return replace(self, means=self.means * scale + shift, scatter=scatter)

    def log_density(self, gaussians: Gaussians) -> float:
        """Return the log-density of Gaussians under the prior, without its constant."""
        kind, covariances = gaussians.kind, gaussians.covariances
        moved = gaussians.means - self.means
        scatter = kind.second_moments(
            self.means_weight, moved, np.zeros_like(gaussians.own_covariances)
        )
        if gaussians.owner is not None:
            scatter = _pooled(scatter, gaussians.owner)
        scatter = scatter + self.scatter
        if not kind.is_matrix:
            return -0.5 * float((self.count * np.log(covariances) + scatter / covariances).sum())
        volumes = self.count[..., 0, 0] * np.linalg.slogdet(covariances)[1]
        traces = np.trace(np.linalg.solve(covariances, scatter), axis1=-2, axis2=-1)
        return -0.5 * float((volumes + traces).sum())


@dataclass(frozen=True, slots=True, eq=False)
class GaussianUpdate:
    """New Gaussians, and a report of what was done beside the formula.

    Attributes
    ----------
    gaussians : Gaussians
        The new Gaussians.
    exact : array
        Covariances of greatest likelihood (with a prior, of greatest posterior density), before
        anything was added or raised.
    was_floored : array of bool
        For each variance, eigenvalue or number that could be raised.
    """

    gaussians: Gaussians
    exact: Array
    was_floored: NDArray[np.bool_]


def update_means(
    statistics: MixtureStatistics,
    gaussians: Gaussians,
    *,
    prior: GaussianPrior | None = None,
    empty: NDArray[np.bool_] | None = None,
    smallest: float = _SMALLEST,
) -> Array:
    """Return the means (G, D) of greatest likelihood, or of greatest posterior density.

    Those of the Gaussians `empty`, shape (G,), stay as they are; with a prior, those of no more
    occupancy than `smallest` together with it.
    """
    return _origins(statistics) + _own_means(statistics, gaussians, prior, empty, smallest)


def update_gaussians(
    statistics: MixtureStatistics,
    gaussians: Gaussians,
    *,
    floor: Array,
    data_variance: Array | None = None,
    regularisation: Array | None = None,
    least_eigenvalue: float = 0.0,
    refuse_collapse: bool = False,
    prior: GaussianPrior | None = None,
    empty: NDArray[np.bool_] | None = None,
    smallest: float = _SMALLEST,
    moves_means: bool = True,
) -> GaussianUpdate:
    """Return the Gaussians of greatest expected log-likelihood, or posterior density.

    Parameters
    ----------
    statistics : MixtureStatistics
        Statistics of the same kind, with second-order moments, in any coordinates.
    gaussians : Gaussians
        The old Gaussians, in the same coordinates.
    floor : array, shape (D,)
        Smallest variance of each feature.
    data_variance : array, shape (D,), optional
        Variance of all frames; by default that of the statistics. Together with the means it
        determines how large the rounding of float64 can be; no variance is left below that.
    regularisation : array, shape (D,), optional
        Number that is added to the variances.
    least_eigenvalue : float
        Smallest eigenvalue of the correlations of matrices.
    refuse_collapse : bool
        Raise an error if a covariance is nothing but rounding.
    prior : GaussianPrior, optional
        A conjugate prior; without it the update is that of maximum likelihood.
    empty : array of bool, shape (G,), optional
        Gaussians whose statistics count as those of no frame: they stay as they are, or follow the
        prior.
    smallest : float
        Occupancy in frames, that of owners and priors included, that is no more than rounding.
    moves_means : bool
        Update the means; covariances are about the resulting means in any case.

    Returns
    -------
    GaussianUpdate
        The new Gaussians, and which variances were floored.

    Raises
    ------
    CollapsedComponentError
        With `refuse_collapse`, if a covariance is no more than rounding.

    Notes
    -----
    With counts n, own means f / n and scatter S about them, a prior mean m of weight w and a prior
    scatter P of count c, the mean is (f + w m) / (n + w), and the covariance about any mean u is
    (S + n (f / n - u)^2 + w (u - m)^2 + P) / (n + c): the maximum-likelihood step without a prior,
    equations 11 to 13 of Reynolds, Quatieri and Dunn (2000) with one. If moments are about origins
    of the Gaussians' own, the variances of narrow Gaussians keep all their digits.
    """
    kind, d = gaussians.kind, gaussians.n_features
    counts, second_order = statistics.counts, statistics.second_order
    assert second_order is not None
    if empty is None:
        empty = np.zeros(len(counts), np.bool_)
    counts = np.where(empty, 0.0, counts)
    origins = _origins(statistics)
    own = _own_means(statistics, gaussians, None, empty, smallest)
    means = gaussians.means - origins
    if moves_means:
        means = own if prior is None else _own_means(statistics, gaussians, prior, empty, smallest)
    # Covariances about the frames' own means. A Gaussian without frames is divided by 1: its
    # covariance is replaced below.
    divisible = counts if kind.is_shared else np.where(empty, 1.0, counts)
    exact = kind.from_moments(divisible, own, second_order)
    stays: NDArray[Any] = empty
    # Where the new means are not those of the frames, or covariances are pooled or have a prior: go
    # back to sums of squares about the new means, add what owners and prior contribute, and divide.
    if prior is not None or gaussians.owner is not None or not moves_means:
        sums = kind.second_moments(counts, own - means, exact)
        divisor = kind.divisor(counts, d)
        if gaussians.owner is not None:
            sums, divisor = _pooled(sums, gaussians.owner), _pooled(divisor, gaussians.owner)
        if prior is not None:
            pulled = kind.second_moments(
                prior.means_weight, means + origins - prior.means, np.zeros_like(exact)
            )
            if gaussians.owner is not None:
                pulled = _pooled(pulled, gaussians.owner)
            sums, divisor = sums + pulled + prior.scatter, divisor + prior.count
        known = np.broadcast_to(divisor > smallest, sums.shape)
        exact = np.where(known, sums / np.where(known, divisor, 1.0), gaussians.covariances)
        stays = np.logical_not(known.reshape(len(exact), -1).any(axis=1))
    # Regularise, and keep the old covariances where there are no frames.
    covariances = exact.copy()
    if regularisation is not None:
        covariances = kind.regularised(exact, regularisation)
    if not kind.is_shared:
        covariances[stays] = gaussians.covariances[stays]
    if data_variance is None:
        data_variance = global_variance(statistics)
    if kind.is_isotropic:
        # Spheres have the mean variance: a constant feature has no unit of its own there.
        data_variance = np.full_like(data_variance, data_variance.mean())
    # Raise variances to the floor, and above what rounding of float64 can produce; Gaussians
    # without frames must not count there.
    was_floored = np.zeros(
        covariances.shape[: 1 if kind.is_isotropic or kind.is_shared else 2], np.bool_
    )
    seen = np.where(empty[:, None], 0.0, own)
    collapsed = np.zeros_like(was_floored)
    for rows, rounding in _roundings(seen, exact, data_variance, statistics, gaussians):
        if refuse_collapse:
            collapsed[rows] = kind.floored(covariances[rows], rounding)[1]
        covariances[rows], was_floored[rows] = kind.floored(
            covariances[rows], np.maximum(floor, rounding), least_eigenvalue
        )
    _refuse_collapse(collapsed)
    new = Gaussians(kind, origins + means, covariances, gaussians.owner)
    return GaussianUpdate(new, exact, was_floored)


def check_statistics(
    statistics: MixtureStatistics, gaussians: Gaussians, *, needs_second_order: bool
) -> None:
    """Raise an error if statistics have another shape or kind than the model.

    Raises
    ------
    InvalidInputError
        If the shape or kind differs, or second-order moments are needed and missing.
    """
    if statistics.first_order.shape != gaussians.means.shape:
        raise InvalidInputError(
            f"statistics of shape {statistics.first_order.shape} (K, D) do not belong to a "
            f"mixture of shape {gaussians.means.shape}"
        )
    if statistics.covariance_type != gaussians.covariance_type:
        raise InvalidInputError(
            f"statistics of a mixture with covariance_type {statistics.covariance_type!r} do not "
            f"belong to one with {gaussians.covariance_type!r}"
        )
    if needs_second_order and statistics.second_order is None:
        raise InvalidInputError(
            "variances need second-order statistics; accumulate them with second_order=True"
        )


def global_variance(statistics: MixtureStatistics) -> Array:
    """Return the variance (D,) of all frames from float64 statistics; 0 where it is rounding."""
    whole = statistics.about_zero()
    assert whole.second_order is not None
    total = max(float(whole.counts.sum()), np.finfo(np.float64).tiny)
    square = whole.kind.total_moment(whole.second_order, whole.n_features) / total
    squares = (whole.first_order.sum(axis=0) / total) ** 2
    if whole.kind.is_isotropic:
        squares = np.full_like(squares, squares.mean())
    variance = square - squares
    return np.where(variance > _LEAST_VARIANCE * square, variance, 0.0)


def _origins(statistics: MixtureStatistics) -> Array:
    if statistics.origins is None:
        return np.zeros(1)
    return statistics.origins


def _own_means(
    statistics: MixtureStatistics,
    gaussians: Gaussians,
    prior: GaussianPrior | None,
    empty: NDArray[np.bool_] | None,
    smallest: float,
) -> Array:
    """Return the new means minus the origins."""
    origins = _origins(statistics)
    counts, first = statistics.counts, statistics.first_order
    if prior is not None:
        weight = prior.means_weight
        counts, first = counts + weight, first + weight[:, None] * (prior.means - origins)
    if empty is None or (prior is not None):
        empty = counts <= smallest if prior is not None else counts <= 0
    divisor = np.where(empty, 1.0, counts)[:, None]
    return np.where(empty[:, None], gaussians.means - origins, first / divisor)


def _pooled(values: NDArray[Any], owner: NDArray[np.intp]) -> Array:
    """Return sums (O, ...) of values (G, ...) over those of one owner."""
    sums = np.zeros((int(owner.max()) + 1, *values.shape[1:]), np.float64)
    np.add.at(sums, owner, values)
    return sums


def _roundings(
    means: Array,
    covariances: Array,
    data_variance: Array,
    statistics: MixtureStatistics,
    gaussians: Gaussians,
) -> Iterator[tuple[Any, Array]]:
    """Yield bounds (D,) of the variance that rounding of float64 leaves where it should be zero.

    Each bound comes with the rows of the covariances for which it holds: moments about zero contain
    the means and the spread of the data, moments about origins only what lies around these.
    """
    kind, d = statistics.kind, statistics.n_features
    variances = kind.own_variances(covariances, d)
    everything = slice(None)
    groups: list[tuple[Any, Any, bool]] = [(everything, everything, False)]
    if statistics.origins is not None:
        about = np.atleast_1d(statistics.origins.any(axis=1))
        whole: NDArray[Any] = about
        if gaussians.owner is not None:
            whole = np.equal(_pooled(~about, gaussians.owner), 0)
        groups = [(whole, about, True), (~whole, ~about, False)]
        if kind.is_shared:
            groups = [(everything, everything, bool(about.all()))]
        elif gaussians.owner is not None:
            groups = [(rows, rows[gaussians.owner], is_near) for rows, _, is_near in groups]
    for rows, members, is_near in groups:
        if not variances[rows].size:
            continue
        spread = np.maximum(variances[rows], 0.0).max(axis=0) if is_near else data_variance
        squares = np.abs(means[members]).max(axis=0) ** 2 + spread
        if is_near:
            # The frames themselves have no more digits than this.
            squares = np.maximum(squares, _EPSILON * data_variance)
        if kind.is_isotropic:
            squares = np.full_like(squares, squares.mean())
        # A constant feature has no scale of its own; in its coordinates it may be anything.
        squares = np.where(data_variance > 0, squares, np.maximum(squares, 1e-3))
        operations = 8 * d if kind.is_matrix else 8
        yield rows, np.asarray(operations * _EPSILON * squares)


def _refuse_collapse(collapsed: NDArray[np.bool_]) -> None:
    if collapsed.any():
        components = np.flatnonzero(collapsed.reshape(len(collapsed), -1).any(axis=1))
        raise CollapsedComponentError(
            f"the covariance has collapsed at {len(components)} components or features, the first "
            f"of them {components[0]}; use fewer components, a reg_covar > 0 or a variance_floor"
        )
