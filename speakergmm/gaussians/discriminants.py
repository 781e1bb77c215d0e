"""Linear discriminants: the directions in which classes differ most, by what they vary within."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.covariances import Array

# Variance below this part of the largest one is rounding: the data do not vary in that direction.
LEAST_VARIANCE = 1e-10


def whitening_directions(covariance: Array) -> Array:
    """Return the principal directions of a covariance over their deviations.

    Parameters
    ----------
    covariance : array, shape (D, D)

    Returns
    -------
    array, shape (D, E)
        The largest variance first, without the directions of no variance; after a product with it
        the covariance is the identity. No column if there is no variance at all.
    """
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], vectors[:, ::-1]
    rank = int((values > LEAST_VARIANCE * values[0]).sum()) if values[0] > 0 else 0
    return signed(vectors[:, :rank] / np.sqrt(values[:rank]))


@dataclass(frozen=True, slots=True, eq=False)
class Discriminants:
    """Directions in which classes differ, the largest difference first.

    Parameters
    ----------
    matrix : array, shape (D, E)
        After ``x @ matrix`` the covariance within classes is the identity, and that between them
        is diagonal.
    ratios : array, shape (E,)
        Variance between classes along each direction, by that within.
    n_directions : int
        Directions in which the data vary within classes; the others cannot be used.
    """

    matrix: Array
    ratios: Array
    n_directions: int


def find_discriminants(within: Array, between: Array) -> Discriminants:
    """Solve the generalised eigenproblem of linear discriminant analysis.

    Parameters
    ----------
    within : array, shape (D, D)
        Covariance within classes.
    between : array, shape (R, D)
        Means of the classes about their common mean, times the square roots of the classes'
        weights: the covariance between classes is ``between.T @ between``.

    Returns
    -------
    Discriminants
        At most as many as rows, and as directions in which `within` varies.

    References
    ----------
    .. [1] Bishop, "Pattern Recognition and Machine Learning" (2006), section 4.1.6.

    Examples
    --------
    >>> found = find_discriminants(np.diag([1.0, 4.0]), np.array([[0.0, 6.0]]))
    >>> found.matrix.ravel(), found.ratios
    (array([0. , 0.5]), array([9.]))
    """
    # Dimensions of any scale are equally well seen: in units of their deviations.
    variances = within.diagonal()
    scale = np.sqrt(np.where(variances > 0, variances, 1.0))[:, None]
    basis = whitening_directions(within / (scale * scale.T)) / scale
    if not basis.size:
        return Discriminants(basis, np.zeros(0), 0)
    # As many rows as dimensions suffice, however many the classes are.
    triangle = np.linalg.qr(between @ basis, mode="r")
    _, values, rows = np.linalg.svd(triangle, full_matrices=False)
    return Discriminants(signed(basis @ rows.T), values**2, basis.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class ClassScatter:
    """Statistics of frames by class, from which discriminants are found; they can be added.

    Parameters
    ----------
    counts : array, shape (C,)
        Sum of the weights of each class.
    first_order : array, shape (C, D)
        Sum of weight times deviation from the origin.
    second_order : array, shape (D, D)
        Sum of weight times product of deviations over all classes.
    origin : array, shape (D,)
        A point near the frames, the same in all that are added: an offset costs no digits.

    Examples
    --------
    >>> frames = np.array([[0.0, 1.0], [0.0, -1.0], [9.0, 1.0], [9.5, -1.0]])
    >>> halves = ClassScatter.of(frames[:2], [0, 0], 2) + ClassScatter.of(frames[2:], [1, 1], 2)
    >>> halves.counts, halves.within()
    (array([2., 2.]), array([[ 0.03125, -0.125  ],
           [-0.125  ,  1.     ]]))
    """

    counts: Array
    first_order: Array
    second_order: Array
    origin: Array

    @classmethod
    def of(
        cls,
        frames: NDArray[np.floating[Any]],
        classes: ArrayLike,
        n_classes: int,
        *,
        weights: ArrayLike | None = None,
        origin: ArrayLike | None = None,
    ) -> Self:
        """Return the statistics of some frames.

        Parameters
        ----------
        frames : array, shape (T, D)
        classes : array of int, shape (T,)
            The class of each frame, such as its pdf.
        n_classes : int
            C, the number of all classes; some may have no frame.
        weights : array, shape (T,), optional
            Weight of each frame: 0 for frames that do not count, such as silence. By default 1.
        origin : array, shape (D,), optional
            By default zero, which suits normalised features.

        Raises
        ------
        InvalidInputError
            If a class is not in ``0..n_classes - 1``.
        """
        numbers = np.asarray(classes, np.intp)
        if numbers.size and not (numbers.min() >= 0 and numbers.max() < n_classes):
            found = numbers.min() if numbers.min() < 0 else numbers.max()
            raise InvalidInputError(f"classes must be in 0..{n_classes - 1}, found {found}")
        share = np.ones(len(frames)) if weights is None else np.asarray(weights, np.float64)
        zero = np.zeros(frames.shape[1]) if origin is None else np.asarray(origin, np.float64)
        moved = frames - zero
        weighted = moved * share[:, None]
        first = np.zeros((n_classes, len(zero)))
        np.add.at(first, numbers, weighted)
        counts = np.bincount(numbers, share, n_classes).astype(np.float64)
        return cls(counts, first, weighted.T @ moved, zero)

    def __add__(self, other: ClassScatter) -> ClassScatter:
        """Return the statistics of the frames of both, which must have one origin."""
        if not np.array_equal(self.origin, other.origin) or self.counts.shape != other.counts.shape:
            raise InvalidInputError("statistics to add must have the same classes and one origin")
        return ClassScatter(
            self.counts + other.counts,
            self.first_order + other.first_order,
            self.second_order + other.second_order,
            self.origin,
        )

    def between(self) -> Array:
        """Return the weighted means of the classes that have frames, as in `find_discriminants`.

        The weights are the classes' parts of all frames.
        """
        seen = self.counts > 0
        counts = self.counts[seen]
        total = counts.sum()
        means = self.first_order[seen] / counts[:, None]
        mean = self.first_order.sum(axis=0) / total
        return np.asarray(np.sqrt(counts / total)[:, None] * (means - mean))

    def within(self) -> Array:
        """Return the covariance within classes (D, D), divided by the number of frames."""
        total = self.counts.sum()
        mean = self.first_order.sum(axis=0) / total
        between = self.between()
        within = self.second_order / total - np.outer(mean, mean) - between.T @ between
        return np.asarray((within + within.T) / 2)

    def discriminants(self, n_dimensions: int | None = None) -> Discriminants:
        """Return the directions in which the classes differ most.

        Parameters
        ----------
        n_dimensions : int, optional
            Directions that are kept; as many as there are by default.

        Raises
        ------
        InsufficientDataError
            If the frames have fewer directions.
        """
        most = 0
        if (self.counts > 0).sum() > 1:
            found = find_discriminants(self.within(), self.between())
            most = min(int((self.counts > 0).sum()) - 1, found.n_directions)
        kept = max(most, 1) if n_dimensions is None else n_dimensions
        if kept > most:
            raise InsufficientDataError(
                f"{int((self.counts > 0).sum())} classes with frames have {most} discriminants in "
                f"{len(self.origin)} dimensions, found n_dimensions={kept}"
            )
        return Discriminants(found.matrix[:, :kept], found.ratios[:kept], found.n_directions)


def signed(matrix: Array) -> Array:
    """Return a matrix whose columns have a positive largest element, so that signs are settled."""
    if not matrix.size:
        return matrix
    largest = np.take_along_axis(matrix, np.abs(matrix).argmax(axis=0)[None], axis=0)
    return np.asarray(matrix * np.where(largest < 0, -1.0, 1.0))
