"""Kinds of covariances: all formulas in which they differ, in one class for each kind.

Evaluation, statistics and updates are the same for all kinds: a new one is a class like
`DiagonalCovariances`, a line of `KINDS` in `parameters`, and a mixture of that kind. Covariance
matrices are in `matrices`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.choices import CovarianceType

Array = NDArray[np.float64]

LOG_2PI = float(np.log(2 * np.pi))


class Covariances(ABC):
    """The formulas of one kind, as functions of its arrays.

    G Gaussians of D features have covariances whose shape is that of `axes`, and second-order
    statistics of the same shape. Their log-densities are linear in B functions of a frame, the
    rows of an array (B, T) whose first D + 1 are 1 and the frame itself.

    Attributes
    ----------
    name : {"spherical", "diag", "tied", "full"}
        The kind, as scikit-learn calls it.
    parameter : str
        Name of a mixture's array of covariances.
    axes : str
        Letters K and D for the shape.
    is_shared : bool
        Whether all Gaussians have one covariance.
    is_matrix : bool
        Whether covariances between features are more than zero.
    is_isotropic : bool
        Whether all features of a Gaussian have one variance, and so need one scale.
    """

    name: ClassVar[CovarianceType]
    parameter: ClassVar[str]
    axes: ClassVar[str]
    is_shared: ClassVar[bool] = False
    is_matrix: ClassVar[bool] = False
    is_isotropic: ClassVar[bool] = False

    def shape(self, n_gaussians: int, n_features: int) -> tuple[int, ...]:
        """Return the shape of covariances, and of second-order statistics."""
        return tuple({"K": n_gaussians, "D": n_features}[axis] for axis in self.axes)

    # Properties of covariances.

    @abstractmethod
    def checked(self, covariances: Array) -> Array:
        """Return valid covariances, matrices exactly symmetric; raise an error for others."""

    @abstractmethod
    def variances(self, covariances: Array, means: Array) -> Array:
        """Return the variance of each feature in each Gaussian, shape (G, D)."""

    @abstractmethod
    def matrices(self, covariances: Array, means: Array) -> Array:
        """Return the covariance matrix of each Gaussian, shape (G, D, D)."""

    @abstractmethod
    def own_variances(self, covariances: Array, n_features: int) -> Array:
        """Return variances (G, D), or (1, D) of shared ones, which need not be positive yet."""

    @abstractmethod
    def colour(self, covariances: Array, noise: Array, gaussians: NDArray[np.intp]) -> Array:
        """Return white noise (N, D) the covariances of the Gaussians (N,) that its rows are of."""

    @abstractmethod
    def rescaled(self, covariances: Array, scale: Array) -> Array:
        """Return the covariances of features times `scale`, shape (D,)."""

    def is_positive(self, covariances: Array) -> bool:
        """Return whether all covariances are positive (definite)."""
        return bool(covariances.min() > 0)

    def symmetric(self, covariances: NDArray[Any]) -> Array:
        """Return matrices made exactly symmetric after rounding."""
        return covariances

    def inverses(self, covariances: Array) -> Array:
        """Return the inverses of covariances, in their shape."""
        return np.asarray(1.0 / covariances)

    def log_determinants(self, covariances: Array, n_features: int) -> Array:
        """Return the log-determinants (G,) of the matrices, or () of a shared one."""
        return np.asarray(np.log(self.own_variances(covariances, n_features)).sum(axis=1))

    def distances(self, inverses: Array, deviations: Array) -> Array:
        """Return squared lengths (G,) of deviations (G, D), in terms of inverse covariances."""
        return np.asarray((deviations**2 * self.variances(inverses, deviations)).sum(axis=1))

    # Covariances from statistics, and statistics from covariances.

    @abstractmethod
    def from_moments(self, counts: Array, means: Array, second_order: Array) -> Array:
        """Return covariances about `means` of frames with these moments.

        Rounding may leave them negative. The covariance of a Gaussian of count 0 is meaningless.
        """

    @abstractmethod
    def second_moments(self, counts: Array, means: Array, covariances: Array) -> Array:
        """Return second-order statistics of `counts` frames with these means and covariances."""

    @abstractmethod
    def divisor(self, counts: Array, n_features: int) -> Array:
        """Return the number of squares in each sum of the second-order statistics."""

    @abstractmethod
    def moved(self, second_order: Array, counts: Array, first_order: Array, shift: Array) -> Array:
        """Return second-order statistics of frames moved by `shift`, shape (D,) or (G, D)."""

    @abstractmethod
    def total_moment(self, second_order: Array, n_features: int) -> Array:
        """Return the sum of the squares of each feature (D,) over all frames."""

    # Changes of covariances by an update.

    @abstractmethod
    def regularised(self, covariances: Array, added: Array) -> Array:
        """Return the covariances with a variance for each feature, shape (D,), added."""

    @abstractmethod
    def floored(
        self, covariances: Array, floor: Array, least_eigenvalue: float = 0.0
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Raise variances to a floor for each feature, shape (D,).

        The correlations of matrices are raised to a `least_eigenvalue` as well.

        Returns
        -------
        covariances : array
            Where a matrix is below the floor in some direction, it is raised in that direction.
        was_floored : array of bool
            True for each variance, or eigenvalue, that was raised; the first axis is that of the
            Gaussians, except for shared covariances.
        """

    @abstractmethod
    def losses(self, exact: Array, taken: Array, n_features: int) -> Array:
        """Return KL(exact || taken) of Gaussians of these covariances and equal means, in nats.

        Infinite where `exact` is singular. Shape (G,), or () for shared ones.
        """

    # The functions of a frame in which log-densities are linear.

    @abstractmethod
    def n_rows(self, n_features: int) -> int:
        """Return the number of functions of a frame, B."""

    @abstractmethod
    def fill(self, rows: NDArray[np.floating[Any]], n_features: int) -> None:
        """Fill the rows after the first D + 1, which hold 1 and the frames, of an array (B, T)."""

    @abstractmethod
    def columns(
        self, covariances: Array, means: Array, log_weights: Array, *, factors: Array | None = None
    ) -> tuple[Array, Array]:
        """Return the natural parameters, with which log-densities are products.

        Returns
        -------
        columns : array, shape (B, G)
            Natural parameters: log-densities plus log-weights are ``rows.T @ columns``. Matrices
            may come with their Cholesky `factors` (G, D, D).
        sizes : array, shape (G,)
            Sum of the sizes of a log-density's terms, for frames of that Gaussian.
        """

    @abstractmethod
    def second_order(self, rows: Array, n_features: int) -> Array:
        """Return second-order statistics from sums of the functions (B - D - 1, G)."""


class DiagonalCovariances(Covariances):
    """A variance for each feature of each Gaussian; the functions of a frame are 1, z, z^2."""

    name = "diag"
    parameter = "variances"
    axes = "KD"

    def checked(self, covariances: Array) -> Array:
        """Return variances, all of them positive."""
        if covariances.min() <= 0:
            component, feature = np.argwhere(covariances <= 0)[0]
            raise InvalidInputError(
                f"variances must be positive, found {covariances[component, feature]:g} at "
                f"component {component}, feature {feature}"
            )
        return covariances

    def variances(self, covariances: Array, means: Array) -> Array:
        """Return the variances as they are."""
        return covariances

    def matrices(self, covariances: Array, means: Array) -> Array:
        """Diagonal matrices."""
        return np.asarray(covariances[:, :, None] * np.eye(covariances.shape[1]))

    def own_variances(self, covariances: Array, n_features: int) -> Array:
        """Return the variances as they are."""
        return covariances

    def colour(self, covariances: Array, noise: Array, gaussians: NDArray[np.intp]) -> Array:
        """Multiply by deviations."""
        return np.asarray(np.sqrt(covariances[gaussians]) * noise)

    def rescaled(self, covariances: Array, scale: Array) -> Array:
        """Multiply by squares."""
        return np.asarray(covariances * scale**2)

    def from_moments(self, counts: Array, means: Array, second_order: Array) -> Array:
        """Return the mean square minus the square of the mean."""
        return np.asarray(second_order / positive(counts)[:, None] - means**2)

    def second_moments(self, counts: Array, means: Array, covariances: Array) -> Array:
        """Return sums of squares (G, D)."""
        return np.asarray(counts[:, None] * (covariances + means**2))

    def divisor(self, counts: Array, n_features: int) -> Array:
        """Return (G, 1)."""
        return counts[:, None]

    def moved(self, second_order: Array, counts: Array, first_order: Array, shift: Array) -> Array:
        """Apply the binomial formula."""
        return np.asarray(second_order + 2.0 * shift * first_order + counts[:, None] * shift**2)

    def total_moment(self, second_order: Array, n_features: int) -> Array:
        """Sum over the Gaussians."""
        return np.asarray(second_order.sum(axis=0))

    def regularised(self, covariances: Array, added: Array) -> Array:
        """Add the variance of its feature to each variance."""
        return np.asarray(covariances + added)

    def floored(
        self, covariances: Array, floor: Array, least_eigenvalue: float = 0.0
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Raise each variance to the floor of its feature."""
        return np.maximum(covariances, floor), covariances < floor

    def losses(self, exact: Array, taken: Array, n_features: int) -> Array:
        """Return the sum of the divergences of the features."""
        return np.asarray(_losses_of_variances(exact, taken).sum(axis=1))

    def n_rows(self, n_features: int) -> int:
        """Return 2 D + 1."""
        return 2 * n_features + 1

    def fill(self, rows: NDArray[np.floating[Any]], n_features: int) -> None:
        """Fill in the squares."""
        z = rows[1 : n_features + 1]
        np.multiply(z, z, out=rows[n_features + 1 :])

    def columns(
        self, covariances: Array, means: Array, log_weights: Array, *, factors: Array | None = None
    ) -> tuple[Array, Array]:
        """Return constant, mean / variance, -1 / (2 variance); sizes are 1 + mean^2 / variance."""
        precisions = 1.0 / covariances
        linear = means * precisions
        distances = (means * linear).sum(axis=1)
        constants = log_weights - 0.5 * (np.log(2 * np.pi * covariances).sum(axis=1) + distances)
        columns = np.concatenate([constants[:, None], linear, -0.5 * precisions], axis=1)
        return columns.T, distances + means.shape[1]

    def second_order(self, rows: Array, n_features: int) -> Array:
        """Squares, shape (G, D)."""
        return rows.T


class SphericalCovariances(Covariances):
    """A variance for each Gaussian; the functions of a frame are 1, z, |z|^2."""

    name = "spherical"
    parameter = "variances"
    axes = "K"
    is_isotropic = True

    def checked(self, covariances: Array) -> Array:
        """Return variances, all of them positive."""
        if covariances.min() <= 0:
            component = int(np.flatnonzero(covariances <= 0)[0])
            raise InvalidInputError(
                f"variances must be positive, found {covariances[component]:g} at component "
                f"{component}"
            )
        return covariances

    def variances(self, covariances: Array, means: Array) -> Array:
        """Repeat the variances for each feature."""
        return np.broadcast_to(covariances[:, None], means.shape)

    def matrices(self, covariances: Array, means: Array) -> Array:
        """Multiples of the unit matrix."""
        return np.asarray(covariances[:, None, None] * np.eye(means.shape[1]))

    def own_variances(self, covariances: Array, n_features: int) -> Array:
        """Repeat the variances for each feature."""
        return np.repeat(covariances[:, None], n_features, axis=1)

    def colour(self, covariances: Array, noise: Array, gaussians: NDArray[np.intp]) -> Array:
        """Multiply by deviations."""
        return np.asarray(np.sqrt(covariances[gaussians])[:, None] * noise)

    def rescaled(self, covariances: Array, scale: Array) -> Array:
        """Multiply by the square of the one scale; others would leave no spheres."""
        if (scale != scale[0]).any():
            raise InvalidInputError("a spherical mixture needs one scale for all features")
        return np.asarray(covariances * scale[0] ** 2)

    def from_moments(self, counts: Array, means: Array, second_order: Array) -> Array:
        """Mean over the features."""
        squares = second_order / positive(counts) - (means**2).sum(axis=1)
        return np.asarray(squares / means.shape[1])

    def second_moments(self, counts: Array, means: Array, covariances: Array) -> Array:
        """Return sums of squared lengths (G,)."""
        return np.asarray(counts * (covariances * means.shape[1] + (means**2).sum(axis=1)))

    def divisor(self, counts: Array, n_features: int) -> Array:
        """Return D squares for each frame."""
        return n_features * counts

    def moved(self, second_order: Array, counts: Array, first_order: Array, shift: Array) -> Array:
        """Apply the binomial formula."""
        squares = (2.0 * first_order * shift).sum(axis=1) + counts * (shift * shift).sum(axis=-1)
        return np.asarray(second_order + squares)

    def total_moment(self, second_order: Array, n_features: int) -> Array:
        """Share the squared lengths out evenly."""
        return np.full(n_features, second_order.sum() / n_features)

    def regularised(self, covariances: Array, added: Array) -> Array:
        """Add the mean variance of the features to each variance."""
        return np.asarray(covariances + added.mean())

    def floored(
        self, covariances: Array, floor: Array, least_eigenvalue: float = 0.0
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Raise each variance to the mean of the features' floors."""
        return np.maximum(covariances, floor.mean()), covariances < floor.mean()

    def losses(self, exact: Array, taken: Array, n_features: int) -> Array:
        """Return D times the divergence of one feature."""
        return np.asarray(n_features * _losses_of_variances(exact, taken))

    def n_rows(self, n_features: int) -> int:
        """Return D + 2."""
        return n_features + 2

    def fill(self, rows: NDArray[np.floating[Any]], n_features: int) -> None:
        """Fill in the squared lengths."""
        z = rows[1 : n_features + 1]
        np.einsum("dt,dt->t", z, z, out=rows[n_features + 1])

    def columns(
        self, covariances: Array, means: Array, log_weights: Array, *, factors: Array | None = None
    ) -> tuple[Array, Array]:
        """Return constant, mean / variance, -1 / (2 variance).

        Sizes are D + |mean|^2 / variance.
        """
        d = means.shape[1]
        distances = (means**2).sum(axis=1) / covariances
        constants = log_weights - 0.5 * (d * (LOG_2PI + np.log(covariances)) + distances)
        linear, quadratic = means / covariances[:, None], -0.5 / covariances[:, None]
        columns = np.concatenate([constants[:, None], linear, quadratic], axis=1)
        return columns.T, distances + d

    def second_order(self, rows: Array, n_features: int) -> Array:
        """Squared lengths, shape (G,)."""
        return np.asarray(rows[0])


def positive(counts: Array) -> Array:
    """Return counts as divisors, which are not 0."""
    return np.maximum(counts, np.finfo(np.float64).tiny)


def _losses_of_variances(exact: Array, taken: Array) -> Array:
    """Return (u - 1 - log u) / 2 of u = exact / taken; infinite if a variance is not positive."""
    ratios = np.maximum(exact, 0.0) / taken
    with np.errstate(divide="ignore"):
        return np.asarray((ratios - 1.0 - np.log(ratios)) / 2)
