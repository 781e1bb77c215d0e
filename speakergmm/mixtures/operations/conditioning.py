"""Mixtures of some of the features: marginals, conditionals, regression.

With the features of a component in the order (known, remaining), let its covariance be ``L L^T``, L
in blocks ``[[A, 0], [B, C]]``. Then ``A A^T`` is the covariance of the known features,
``G = B A^-1`` maps a deviation of the known features to the expected deviation of the remaining
ones, and ``C C^T``, which rounding cannot make indefinite, is the conditional covariance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.evaluator import block_size
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.mixtures.mixture import Mixture, make_mixture, mixture_of
from speakergmm.mixtures.operations.conditionals import ConditionalMixtures, of_kind

__all__ = ["ConditionalMixtures", "Dims", "condition", "conditional_mean", "marginal"]

# Largest distance from the mixture, in deviations; densities of frames farther away overflow.
_FARTHEST = 1e100

Dims: TypeAlias = int | Sequence[int] | NDArray[np.integer[Any]]


def marginal(mixture: Mixture, dims: Dims) -> Mixture:
    """Return the marginal mixture of some of the features.

    Parameters
    ----------
    mixture : Mixture
        A mixture of D features.
    dims : int or sequence of int
        Numbers of the features to keep, in the order of the result; negative numbers count from
        the end.

    Returns
    -------
    Mixture
        The marginal mixture, of the same covariance type.

    Raises
    ------
    InvalidInputError
        If `dims` is empty, repeats a feature, or names a feature that does not exist.

    Examples
    --------
    >>> joint = make_mixture("full", [1.0], [[0.0, 5.0]], [[[2.0, 1.0], [1.0, 3.0]]])
    >>> kept = marginal(joint, [1])
    >>> float(kept.means[0, 0]), float(kept.covariances[0, 0, 0])
    (5.0, 3.0)
    """
    mixture = mixture_of(mixture)
    kept = _check_dims(dims, mixture.n_features)
    kind, covariances = mixture.gaussians.kind, mixture.covariances
    if kind.is_matrix:
        covariances = covariances[..., kept[:, None], kept]
    elif not kind.is_isotropic:
        covariances = covariances[:, kept]
    return make_mixture(kind.name, mixture.weights, mixture.means[:, kept], covariances)


def condition(mixture: Mixture, dims: Dims, values: ArrayLike) -> Mixture | ConditionalMixtures:
    """Return the mixture of the remaining features, given the values of some.

    Parameters
    ----------
    mixture : Mixture
        A mixture of D features.
    dims : int or sequence of int
        Numbers of the known features; at least one, and not all. Negative numbers count from the
        end.
    values : array, shape (C,) or (T, C)
        Their values in the order of `dims`, in feature units: one vector, or one vector per row.

    Returns
    -------
    Mixture or ConditionalMixtures
        For one vector, the mixture of the D - C remaining features (in their order), of the same
        covariance type; for a matrix, the mixtures of all rows.

    Raises
    ------
    InvalidInputError
        If `dims` is empty, repeats a feature, names one that does not exist, or leaves none;
        if `values` have another shape, are not finite, or lie more than 1e100 deviations from the
        mixture, where densities overflow.

    Notes
    -----
    Weights are normalised in the logarithmic domain: even for values far from all components, one
    component is the most probable. A component's covariance does not depend on the values [1]_.

    References
    ----------
    .. [1] Bishop, "Pattern Recognition and Machine Learning" (2006), equations 2.81 and 2.82.

    Examples
    --------
    >>> joint = make_mixture("full", [1.0], [[0.0, 5.0]], [[[2.0, 1.0], [1.0, 3.0]]])
    >>> given = condition(joint, [0], [4.0])
    >>> float(given.means[0, 0]), round(float(given.covariances[0, 0, 0]), 6)
    (7.0, 2.5)
    """
    mixture = mixture_of(mixture)
    split = _Split(mixture, dims)
    rows = np.asarray(values)
    if rows.ndim == 1:
        rows = split.check(rows[None], rows.shape)
        weights, means = split.weights(rows), split.means(rows)
        return of_kind(mixture.covariance_type, weights[0], means[0], split.covariances())
    rows = split.check(rows, rows.shape)
    return ConditionalMixtures(
        mixture.covariance_type, split.weights(rows), split.means(rows), split.covariances()
    )


def conditional_mean(mixture: Mixture, dims: Dims, values: ArrayLike) -> NDArray[np.float64]:
    """Return the expected remaining features of each row: Gaussian mixture regression.

    Parameters
    ----------
    mixture : Mixture
        A mixture of D features.
    dims : int or sequence of int
        Numbers of the known features.
    values : array, shape (T, C)
        Their values, one vector per row.

    Returns
    -------
    array, shape (T, D - C)
        ``condition(mixture, dims, values).mean()``, computed block by block, so that the means of
        all components are never held for all rows.

    Raises
    ------
    InvalidInputError
        As in `condition`.

    Examples
    --------
    >>> joint = make_mixture("full", [1.0], [[0.0, 5.0]], [[[2.0, 1.0], [1.0, 3.0]]])
    >>> conditional_mean(joint, [0], [[0.0], [4.0]])
    array([[5.],
           [7.]])
    """
    split = _Split(mixture, dims)
    shape = np.shape(values)
    rows = split.check(values, shape)
    result = np.empty((len(rows), len(split.remaining)))
    for block in _blocks(len(rows), split.n_numbers):
        result[block] = np.einsum(
            "tk,tkr->tr", split.weights(rows[block]), split.means(rows[block])
        )
    return result


class _Split:
    """A mixture with its features divided into known and remaining ones."""

    def __init__(self, mixture: Mixture, dims: Dims) -> None:
        mixture = mixture_of(mixture)
        self.given = _check_dims(dims, mixture.n_features)
        self.remaining = np.setdiff1d(np.arange(mixture.n_features), self.given)
        if not len(self.remaining):
            raise InvalidInputError(
                f"dims must leave at least one of the {mixture.n_features} features "
                f"unknown, found all of them"
            )
        self._mixture = mixture
        self._given_mixture = marginal(mixture, self.given)
        self._gains: NDArray[np.float64] | None = None
        # In spherical and diagonal components, only the weight depends on the known features.
        if mixture.gaussians.kind.is_matrix:
            self._gains, self._covariances = self._regress()
        else:
            self._covariances = marginal(mixture, self.remaining).full_covariances()

    def _regress(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        order = np.concatenate([self.given, self.remaining])
        covariances = self._mixture.covariances[..., order[:, None], order]
        if covariances.ndim == 2:
            covariances = covariances[None]
        roots = np.linalg.cholesky(covariances)
        n_given = len(self.given)
        a, b = roots[:, :n_given, :n_given], roots[:, n_given:, :n_given]
        c = roots[:, n_given:, n_given:]
        gains = np.linalg.solve(a.swapaxes(1, 2), b.swapaxes(1, 2)).swapaxes(1, 2)
        shape = (self._mixture.n_components, len(self.remaining))
        return (
            np.broadcast_to(gains, (*shape, n_given)),
            np.broadcast_to(c @ c.swapaxes(1, 2), (*shape, shape[1])),
        )

    @property
    def n_numbers(self) -> int:
        """Number of values in the conditional means of one row."""
        return self._mixture.n_components * len(self.remaining)

    def check(self, values: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.float64]:
        if len(shape) not in (1, 2) or shape[-1] != len(self.given):
            raise InvalidInputError(
                f"values of {len(self.given)} given features must have shape "
                f"({len(self.given)},) or (T, {len(self.given)}), found {shape}"
            )
        rows = check_finite_frames(values).astype(np.float64)
        mean, variance = self._given_mixture.global_moments()
        with np.errstate(over="ignore"):
            distances = np.abs((rows - mean) / np.sqrt(variance))
        if distances.size and distances.max() > _FARTHEST:
            row, feature = np.unravel_index(distances.argmax(), distances.shape)
            raise InvalidInputError(
                f"given values must lie within {_FARTHEST:g} deviations of the mixture, found "
                f"{rows[row, feature]:g} at row {row} for feature {self.given[feature]}"
            )
        return rows

    def weights(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(self._given_mixture.posteriors(rows, precision="float64"), np.float64)

    def means(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        means = self._mixture.means[:, self.remaining]
        shape = (len(rows), *means.shape)
        if self._gains is None:
            return np.broadcast_to(means, shape).copy()
        result = np.empty(shape)
        for k, gain in enumerate(self._gains):
            deviations = rows - self._mixture.means[k, self.given]
            result[:, k] = means[k] + deviations @ gain.T
        return result

    def covariances(self) -> NDArray[np.float64]:
        return np.array(self._covariances)


def _check_dims(dims: Dims, n_features: int) -> NDArray[np.intp]:
    """Return the numbers of features, counted from 0, after a check."""
    named = np.atleast_1d(np.asarray(dims))
    if named.ndim != 1 or not named.size or named.dtype.kind not in "iu":
        raise InvalidInputError(
            f"dims must be one or more integers, found {named.dtype} of shape {named.shape}"
        )
    outside = named[(named < -n_features) | (named >= n_features)]
    if outside.size:
        raise InvalidInputError(
            f"dims must lie between {-n_features} and {n_features - 1} for {n_features} features, "
            f"found {outside[0]}"
        )
    features = np.where(named < 0, named.astype(np.intp) + n_features, named).astype(np.intp)
    if len(np.unique(features)) < len(features):
        repeated = features[np.argmax(np.bincount(features)[features] > 1)]
        raise InvalidInputError(f"dims must be different features, found {repeated} more than once")
    return features


def _blocks(n_rows: int, n_numbers: int) -> Iterator[slice]:
    size = block_size(n_numbers)
    for start in range(0, n_rows, size):
        yield slice(start, start + size)
