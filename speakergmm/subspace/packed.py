"""Symmetric matrices in packed form, so that sums of many of them are matrix products.

A symmetric matrix of size n has n (n + 1) / 2 different numbers. They are kept as a row, in the
order of LAPACK's rectangular full packed format, in which factors and inverses are computed in
place at the speed of whole matrices.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError

Array = NDArray[np.float64]

# Number of rows that are multiplied at a time: they stay in the cache.
_PIECE_ROWS = 32


class PackedLayout(NamedTuple):
    """The places of a packed symmetric matrix of size n; see `packed_layout`.

    Parameters
    ----------
    size : int
        Number of rows and columns, n.
    rows, columns : array of int, shape (P,)
        Row and column, at most the row, of each of the P = n (n + 1) / 2 places.
    diagonal : array of int, shape (n,)
        Places of the diagonal.
    """

    size: int
    rows: NDArray[np.intp]
    columns: NDArray[np.intp]
    diagonal: NDArray[np.intp]

    @property
    def n_places(self) -> int:
        """Number of places, P."""
        return len(self.rows)

    def pack(self, matrices: NDArray[Any]) -> Array:
        """Return matrices (..., n, n) as rows (..., P)."""
        return np.ascontiguousarray(matrices[..., self.rows, self.columns], np.float64)

    def unpack(self, packed: Array) -> Array:
        """Return rows (..., P) as matrices (..., n, n)."""
        matrices = np.empty((*packed.shape[:-1], self.size, self.size))
        matrices[..., self.rows, self.columns] = packed
        matrices[..., self.columns, self.rows] = packed
        return matrices

    def add_outer(self, packed: Array, vectors: Array) -> None:
        """Add the products of vectors (N, n) with themselves to rows (N, P), in place."""
        for start in range(0, len(vectors), _PIECE_ROWS):
            piece = vectors[start : start + _PIECE_ROWS]
            products = piece[:, self.rows]
            products *= piece[:, self.columns]
            packed[start : start + _PIECE_ROWS] += products


@lru_cache
def packed_layout(size: int) -> PackedLayout:
    """Return the layout of packed symmetric matrices of a size.

    Examples
    --------
    >>> layout = packed_layout(2)
    >>> layout.unpack(layout.pack(np.array([[1.0, 2.0], [2.0, 3.0]])))
    array([[1., 2.],
           [2., 3.]])
    """
    from scipy.linalg import lapack

    if size == 0:
        nothing = np.zeros(0, np.intp)
        return PackedLayout(0, nothing, nothing, nothing)
    numbers = np.arange(float(size * size)).reshape(size, size)
    places = lapack.dtrttf(numbers)[0].astype(np.intp)  # of the upper triangle
    first, second = places // size, places % size
    layout = PackedLayout(size, second, first, np.empty(size, np.intp))
    on_diagonal = np.flatnonzero(first == second)
    layout.diagonal[first[on_diagonal]] = on_diagonal
    for array in layout[1:]:
        array.setflags(write=False)
    return layout


def solve_packed(
    precisions: Array, right_sides: Array, size: int, *, invert: bool
) -> tuple[Array, Array]:
    """Solve positive definite systems, in place.

    Parameters
    ----------
    precisions : array, shape (N, P)
        Packed matrices of one size, contiguous; they become inverses, or factors without `invert`.
    right_sides : array, shape (N, n)
    size : int
        Number of rows, n.
    invert : bool
        Leave the inverses in `precisions`.

    Returns
    -------
    solutions : array, shape (N, n)
    log_determinants : array, shape (N,)
        Of the matrices, not of their inverses.

    Raises
    ------
    InvalidInputError
        If a matrix is not positive definite.
    """
    from scipy.linalg import lapack

    diagonal = packed_layout(size).diagonal
    solutions = np.empty_like(right_sides)
    log_determinants = np.zeros(len(precisions))
    if not size:
        return solutions, log_determinants
    for number, (matrix, right) in enumerate(zip(precisions, right_sides, strict=True)):
        factor, failed = lapack.dpftrf(size, matrix, overwrite_a=1)
        if failed:
            raise InvalidInputError("the precision of a posterior is not positive definite")
        log_determinants[number] = 2.0 * np.log(factor[diagonal]).sum()
        solutions[number] = lapack.dpftrs(size, factor, right)[0].ravel()
        if invert:
            lapack.dpftri(size, factor, overwrite_a=1)
    return solutions, log_determinants
