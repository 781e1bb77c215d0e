"""Covariance matrices, one for each Gaussian or one for all."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.covariances import LOG_2PI, Array, Covariances, positive

# Asymmetry, relative to the deviations of the features, that still counts as rounding.
_ASYMMETRY = 1e-6
# Eigenvalue that rounding may leave, relative to the largest one and the size of the matrix.
_LEAST_EIGENVALUE = 4 * float(np.finfo(np.float64).eps)


class FullCovariances(Covariances):
    """A matrix for each Gaussian; the functions of a frame are 1, z and z_i z_j with i <= j."""

    name = "full"
    parameter = "covariances"
    axes = "KDD"
    is_matrix = True

    def checked(self, covariances: Array) -> Array:
        """Return matrices that are exactly symmetric, and positive definite."""
        return check_covariances(covariances)

    def variances(self, covariances: Array, means: Array) -> Array:
        """Return the diagonals."""
        return np.asarray(np.einsum("kdd->kd", covariances))

    def matrices(self, covariances: Array, means: Array) -> Array:
        """Return the matrices as they are."""
        return covariances

    def own_variances(self, covariances: Array, n_features: int) -> Array:
        """Return the diagonals."""
        return np.atleast_2d(np.diagonal(covariances, axis1=-2, axis2=-1))

    def colour(self, covariances: Array, noise: Array, gaussians: NDArray[np.intp]) -> Array:
        """Multiply by Cholesky factors."""
        coloured = np.empty_like(noise)
        for gaussian in np.unique(gaussians):
            rows = gaussians == gaussian
            coloured[rows] = noise[rows] @ np.linalg.cholesky(covariances[gaussian]).T
        return coloured

    def rescaled(self, covariances: Array, scale: Array) -> Array:
        """Multiply by products of scales."""
        return np.asarray(covariances * np.outer(scale, scale))

    def is_positive(self, covariances: Array) -> bool:
        """Return whether all matrices have Cholesky factors."""
        return is_positive_definite(covariances)

    def symmetric(self, covariances: NDArray[Any]) -> Array:
        """Return the means of the matrices and their transposes."""
        return np.asarray((covariances + np.swapaxes(covariances, -1, -2)) / 2)

    def inverses(self, covariances: Array) -> Array:
        """Return exactly symmetric inverses."""
        return self.symmetric(np.linalg.inv(covariances))

    def log_determinants(self, covariances: Array, n_features: int) -> Array:
        """Return the log-determinants of the matrices."""
        return np.asarray(np.linalg.slogdet(covariances)[1])

    def distances(self, inverses: Array, deviations: Array) -> Array:
        """Return quadratic forms of the deviations."""
        return np.asarray(((deviations[:, None] @ inverses)[:, 0] * deviations).sum(axis=1))

    def from_moments(self, counts: Array, means: Array, second_order: Array) -> Array:
        """Return mean products minus products of means."""
        squares = means[:, :, None] * means[:, None, :]
        return np.asarray(second_order / positive(counts)[:, None, None] - squares)

    def second_moments(self, counts: Array, means: Array, covariances: Array) -> Array:
        """Return sums of products (G, D, D)."""
        squares = means[:, :, None] * means[:, None, :]
        return np.asarray(counts[:, None, None] * (covariances + squares))

    def divisor(self, counts: Array, n_features: int) -> Array:
        """Return (G, 1, 1)."""
        return counts[:, None, None]

    def moved(self, second_order: Array, counts: Array, first_order: Array, shift: Array) -> Array:
        """Binomial formula."""
        cross = first_order[:, :, None] * shift[..., None, :]
        squares = counts[:, None, None] * shift[..., :, None] * shift[..., None, :]
        return np.asarray(second_order + cross + np.swapaxes(cross, -1, -2) + squares)

    def total_moment(self, second_order: Array, n_features: int) -> Array:
        """Sum of the diagonals."""
        return np.asarray(np.einsum("...dd->...d", second_order).reshape(-1, n_features).sum(0))

    def regularised(self, covariances: Array, added: Array) -> Array:
        """Add the variances of the features to the diagonals."""
        return np.asarray(covariances + np.diag(added))

    def floored(
        self, covariances: Array, floor: Array, least_eigenvalue: float = 0.0
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Raise each matrix where, in some direction, it is below diag(floor)."""
        return floor_matrices(covariances, floor, least_eigenvalue)

    def losses(self, exact: Array, taken: Array, n_features: int) -> Array:
        """Return (log|C| - log|S| + tr(C^-1 S) - D) / 2 of S = `exact` and C = `taken`."""
        try:
            log_determinants = [
                2 * np.log(np.diagonal(np.linalg.cholesky(m), axis1=-2, axis2=-1)).sum(axis=-1)
                for m in (exact, taken)
            ]
            # A matrix that only just has a Cholesky factor may still have no inverse.
            traces = np.trace(np.linalg.solve(taken, exact), axis1=-2, axis2=-1)
        except np.linalg.LinAlgError:
            return np.full(exact.shape[:-2], np.inf)
        return np.asarray((log_determinants[1] - log_determinants[0] + traces - n_features) / 2)

    def n_rows(self, n_features: int) -> int:
        """Return 1 + D + D (D + 1) / 2."""
        return 1 + n_features + n_features * (n_features + 1) // 2

    def fill(self, rows: NDArray[np.floating[Any]], n_features: int) -> None:
        """Fill in the products, ordered by i."""
        z = rows[1 : n_features + 1]
        start = n_features + 1
        for i in range(n_features):
            stop = start + n_features - i
            np.multiply(z[i], z[i:], out=rows[start:stop])
            start = stop

    def columns(
        self, covariances: Array, means: Array, log_weights: Array, *, factors: Array | None = None
    ) -> tuple[Array, Array]:
        """Constant, precision times mean, -precision_ii / 2 and -precision_ij.

        Sizes are sums of |precision_ij| times the root mean squares of z_i and z_j.
        """
        lower = np.linalg.cholesky(covariances) if factors is None else factors
        inverses = np.linalg.inv(lower)
        precisions = inverses.transpose(0, 2, 1) @ inverses
        linear = (precisions @ means[:, :, None])[:, :, 0]
        log_determinants = 2 * np.log(np.einsum("kdd->kd", lower)).sum(axis=1)
        constants = log_weights - 0.5 * (
            means.shape[1] * LOG_2PI + log_determinants + (linear * means).sum(axis=1)
        )
        i, j, signs = _triangle(means.shape[1])
        columns = np.concatenate([constants[:, None], linear, signs * precisions[:, i, j]], axis=1)
        spread = np.sqrt(means**2 + np.einsum("kdd->kd", covariances))
        sizes = ((spread[:, None, :] @ np.abs(precisions))[:, 0] * spread).sum(axis=1)
        return columns.T, sizes

    def second_order(self, rows: Array, n_features: int) -> Array:
        """Products, shape (G, D, D)."""
        i, j, _ = _triangle(n_features)
        products = np.empty((rows.shape[1], n_features, n_features))
        products[:, i, j] = rows.T
        products[:, j, i] = rows.T
        return products


class TiedCovariances(FullCovariances):
    """One matrix for all Gaussians; in whitened coordinates it is the unit matrix."""

    name = "tied"  # type: ignore[assignment]  # a kind of its own, with the formulas of another
    parameter = "covariance"
    axes = "DD"
    is_shared = True

    def variances(self, covariances: Array, means: Array) -> Array:
        """Repeat the diagonal."""
        return np.broadcast_to(np.diag(covariances), means.shape)

    def matrices(self, covariances: Array, means: Array) -> Array:
        """Repeat the matrix."""
        return np.broadcast_to(covariances, (len(means), *covariances.shape))

    def colour(self, covariances: Array, noise: Array, gaussians: NDArray[np.intp]) -> Array:
        """Multiply by the Cholesky factor."""
        return np.asarray(noise @ np.linalg.cholesky(covariances).T)

    def from_moments(self, counts: Array, means: Array, second_order: Array) -> Array:
        """Covariance within the Gaussians."""
        between = (counts[:, None] * means).T @ means
        return np.asarray((second_order - between) / counts.sum())

    def second_moments(self, counts: Array, means: Array, covariances: Array) -> Array:
        """Sum of products (D, D)."""
        return np.asarray(counts.sum() * covariances + (means * counts[:, None]).T @ means)

    def divisor(self, counts: Array, n_features: int) -> Array:
        """Return the number of all frames."""
        return np.asarray(counts.sum())

    def moved(self, second_order: Array, counts: Array, first_order: Array, shift: Array) -> Array:
        """Binomial formula, summed over the Gaussians."""
        shift = np.broadcast_to(shift, first_order.shape)
        cross = first_order.T @ shift
        return np.asarray(second_order + cross + cross.T + (counts[:, None] * shift).T @ shift)

    def floored(
        self, covariances: Array, floor: Array, least_eigenvalue: float = 0.0
    ) -> tuple[Array, NDArray[np.bool_]]:
        """Raise the matrix where, in some direction, it is below diag(floor)."""
        matrices, was_floored = floor_matrices(covariances[None], floor, least_eigenvalue)
        return matrices[0], was_floored[0]


def check_covariances(covariances: Array) -> Array:
    """Return matrices (..., D, D) exactly symmetric and read-only.

    Raises
    ------
    InvalidInputError
        If a matrix is not symmetric and positive definite; the first such matrix is named.
    """
    stack = covariances.reshape(-1, *covariances.shape[-2:])
    size = np.sqrt(np.abs(np.einsum("kdd->kd", stack)))
    asymmetry = np.abs(stack - stack.transpose(0, 2, 1))
    crooked = (asymmetry > _ASYMMETRY * size[:, :, None] * size[:, None, :]).any(axis=(1, 2))
    if crooked.any():
        raise InvalidInputError(
            f"covariances must be symmetric, found one that is not at component "
            f"{int(np.flatnonzero(crooked)[0])}"
        )
    try:
        np.linalg.cholesky(stack)
    except np.linalg.LinAlgError:
        for component, matrix in enumerate(stack):
            smallest = np.linalg.eigvalsh(matrix)[0]
            if not is_positive_definite(matrix):
                raise InvalidInputError(
                    f"covariances must be positive definite, found a smallest eigenvalue of "
                    f"{smallest:g} at component {component}"
                ) from None
    if asymmetry.any():
        covariances = (covariances + np.swapaxes(covariances, -1, -2)) / 2
        covariances.setflags(write=False)
    return covariances


def is_positive_definite(matrix: Array) -> bool:
    """Return whether a symmetric matrix, or each of a stack of them, has a Cholesky factor."""
    try:
        np.linalg.cholesky(matrix)
    except np.linalg.LinAlgError:
        return False
    return True


def floor_matrices(
    matrices: Array, floor: Array, least_eigenvalue: float = 0.0
) -> tuple[Array, NDArray[np.bool_]]:
    """Raise symmetric matrices until none is below diag(floor) in any direction.

    Those that are raised become positive definite beyond rounding, however low the floor is.

    Parameters
    ----------
    matrices : array, shape (K, D, D)
        Symmetric.
    floor : array, shape (D,)
        Smallest variances, > 0.
    least_eigenvalue : float, default=0.0
        Smallest eigenvalue of the matrices' correlations, which are raised to it as well.

    Returns
    -------
    matrices : array, shape (K, D, D)
        Symmetric; those that need no change are returned as they were.
    was_floored : array of bool, shape (K, D)
        True for each eigenvalue, in units of the floor, that was raised.
    """
    matrices = (matrices + matrices.transpose(0, 2, 1)) / 2
    was_floored = np.zeros(matrices.shape[:2], np.bool_)
    diagonals = np.einsum("kdd->kd", matrices)
    bounds = np.zeros_like(matrices)
    np.einsum("kdd->kd", bounds)[:] = floor + least_eigenvalue * np.maximum(diagonals, 0.0)
    # Nearly always nothing is below the floor, and a Cholesky factor is far cheaper than
    # eigenvalues. A matrix that is above the sum of two bounds is above each.
    if is_positive_definite(matrices - bounds):
        return matrices, was_floored
    for component, matrix in enumerate(matrices):
        raised, was_floored[component] = _raised(matrix, floor)
        if least_eigenvalue > 0:
            raised, others = _raised(raised, least_eigenvalue * raised.diagonal())
            was_floored[component] |= others
        matrices[component] = raised
    return matrices, was_floored


def _raised(matrix: Array, floor: Array) -> tuple[Array, NDArray[np.bool_]]:
    """Return one matrix raised to diag(floor), and which of its eigenvalues were raised."""
    if is_positive_definite(matrix - np.diag(floor)):
        return matrix, np.zeros(len(floor), np.bool_)
    deviation = np.sqrt(floor)
    unit = np.outer(deviation, deviation)
    values, vectors = np.linalg.eigh(matrix / unit)
    least = max(1.0, _LEAST_EIGENVALUE * len(floor) * values[-1])
    raised = (vectors * np.maximum(values, least)) @ vectors.T
    return (raised + raised.T) / 2 * unit, values < least


@lru_cache
def _triangle(n_features: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """Return rows and columns of a matrix's upper triangle, ordered by rows, and their factors."""
    i, j = np.triu_indices(n_features)
    return i, j, np.where(i == j, -0.5, -1.0)
