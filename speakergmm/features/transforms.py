"""Linear transforms of frames with their neighbours: LDA, MLLT and transforms of a speaker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import whole_number


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTransform:
    """Frames joined with their neighbours (spliced), times a matrix, plus an offset.

    Parameters
    ----------
    matrix : array, shape (E, W D)
        Rows are the new features; its columns are the D features of the W = left + 1 + right
        frames that are joined, the earliest first.
    offset : array, shape (E,)
    left, right : int
        Neighbours before and after each frame. At the ends of an utterance its first and its last
        frame are repeated.

    Raises
    ------
    InvalidInputError
        If shapes do not agree, or a number is not finite.

    Examples
    --------
    >>> means_of_three = FeatureTransform([[1 / 3, 1 / 3, 1 / 3]], [0.0], left=1, right=1)
    >>> means_of_three(np.array([[0.0], [3.0], [6.0]])).ravel()
    array([1., 3., 5.], dtype=float32)
    """

    matrix: Annotated[NDArray[np.float64], "E C"]
    offset: Annotated[NDArray[np.float64], "E"]
    left: int = 0
    right: int = 0

    def __post_init__(self) -> None:
        """Check shapes and numbers."""
        for name, n_axes in (("matrix", 2), ("offset", 1)):
            array = np.array(getattr(self, name), np.float64, order="C", ndmin=n_axes)
            if array.ndim != n_axes or not array.size or not np.isfinite(array).all():
                raise InvalidInputError(f"{name} of a transform must be finite, of {n_axes} axes")
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        for name in ("left", "right"):
            object.__setattr__(self, name, whole_number(name, getattr(self, name), least=0))
        n_outputs, n_columns = self.matrix.shape
        if self.offset.shape != (n_outputs,) or n_columns % self.width:
            raise InvalidInputError(
                f"a transform of {self.width} frames of D features to E needs a matrix (E, "
                f"{self.width} D) and an offset (E,), found {self.matrix.shape}, "
                f"{self.offset.shape}"
            )

    @classmethod
    def of_matrix(
        cls, matrix: ArrayLike, n_features: int, *, left: int = 0, right: int = 0
    ) -> FeatureTransform:
        """Return the transform of a matrix as Kaldi has it.

        Parameters
        ----------
        matrix : array, shape (E, W D) or (E, W D + 1)
            The last column, if there is one more, is the offset.
        n_features : int
            D, the features of a frame that is transformed.
        left, right : int
            As in the class.

        Raises
        ------
        InvalidInputError
            If the matrix does not have so many columns.
        """
        given = np.asarray(matrix, np.float64)
        n_columns = n_features * (left + 1 + right)
        if given.ndim != 2 or given.shape[1] not in (n_columns, n_columns + 1):
            raise InvalidInputError(
                f"a transform of {left} + 1 + {right} frames of {n_features} features needs "
                f"{n_columns} columns, or one more for an offset, found shape {given.shape}"
            )
        offset = given[:, n_columns] if given.shape[1] > n_columns else np.zeros(len(given))
        return cls(given[:, :n_columns], offset, left, right)

    @property
    def width(self) -> int:
        """Number of frames that are joined, W."""
        return self.left + 1 + self.right

    @property
    def n_inputs(self) -> int:
        """Features of a frame before it, D."""
        return len(self.matrix.T) // self.width

    @property
    def n_outputs(self) -> int:
        """Features of a frame after it, E."""
        return len(self.matrix)

    @property
    def log_determinant(self) -> float:
        """Log-determinant, which log-densities of frames before the transform include.

        Raises
        ------
        InvalidInputError
            If the matrix is not square.
        """
        if self.matrix.shape[0] != self.matrix.shape[1]:
            raise InvalidInputError(
                f"only a square matrix has a log-determinant, found shape {self.matrix.shape}"
            )
        return float(np.linalg.slogdet(self.matrix)[1])

    def to_dict(self) -> dict[str, int]:
        """Return its sizes, as JSON can hold them."""
        sizes = {"n_inputs": self.n_inputs, "left": self.left, "right": self.right}
        return sizes | {"n_outputs": self.n_outputs}

    def then(self, affine: ArrayLike) -> FeatureTransform:
        """Return this transform followed by another, such as that of a speaker.

        Parameters
        ----------
        affine : array, shape (F, E) or (F, E + 1)
            With the offset, if there is one, in the last column.
        """
        last = FeatureTransform.of_matrix(affine, self.n_outputs)
        offset = last.matrix @ self.offset + last.offset
        return FeatureTransform(last.matrix @ self.matrix, offset, self.left, self.right)

    def __call__(self, frames: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
        """Return the transformed frames (T, E) of one utterance (T, D).

        Raises
        ------
        InvalidInputError
            If frames have another number of features.
        """
        n_frames, n_features = frames.shape
        if n_features != self.n_inputs:
            raise InvalidInputError(
                f"the transform takes {self.n_inputs} features per frame, found {n_features}"
            )
        found = np.tile(self.offset, (n_frames, 1))
        # The products of all frames with each part of the matrix are moved against each other.
        for place in range(self.width):
            part = self.matrix[:, place * n_features : (place + 1) * n_features]
            moved = np.arange(n_frames) + (place - self.left)
            found += (frames @ part.T)[np.clip(moved, 0, max(n_frames - 1, 0))]
        return found.astype(np.float32)
