"""Embeddings with the names of their speakers: the checks, and sums over the sessions of each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError


class EmbeddingWarning(UserWarning):
    """Embeddings leave open a part of what is learnt from them; the message says which."""


def check_embeddings(
    embeddings: ArrayLike, n_dimensions: int | None = None, *, what: str = "embeddings"
) -> NDArray[np.float64]:
    """Return embeddings as a matrix, one per row.

    Parameters
    ----------
    embeddings : array, shape (N, D)
    n_dimensions : int, optional
        The number of dimensions, D, that is needed.
    what : str
        Name of the embeddings, for messages.

    Raises
    ------
    InvalidInputError
        If there are none, they have different dimensions or another one than is needed, or a
        number is not finite.

    Examples
    --------
    >>> check_embeddings([[1.0, 2.0], [3.0]])
    Traceback (most recent call last):
    speakergmm.errors.InvalidInputError: embeddings must have one dimension, found 1 at place 1 and
    2 at place 0
    """
    if not isinstance(embeddings, np.ndarray):
        embeddings = list(embeddings) if hasattr(embeddings, "__iter__") else embeddings  # type: ignore[arg-type] # scalars are refused below
        _refuse_mixed(embeddings, what)
    try:
        matrix = np.asarray(embeddings, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{what} must be a matrix of numbers, one per row") from None
    if matrix.ndim != 2 or not matrix.size:
        raise InvalidInputError(
            f"{what} must be a matrix with one embedding per row, found shape {matrix.shape}"
        )
    if n_dimensions is not None and matrix.shape[1] != n_dimensions:
        raise InvalidInputError(
            f"{what} must have {n_dimensions} dimensions, found {matrix.shape[1]}"
        )
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise InvalidInputError(
            f"{what} must be finite, found {matrix[row, column]} in dimension {column} at place "
            f"{row}"
        )
    return matrix


def _refuse_mixed(embeddings: Any, what: str) -> None:
    """Raise an error if rows have different lengths, which NumPy would report without a place."""
    sizes = [np.size(each) for each in embeddings] if isinstance(embeddings, list) else []
    for place, size in enumerate(sizes):
        if size != sizes[0]:
            raise InvalidInputError(
                f"{what} must have one dimension, found {size} at place {place} and {sizes[0]} at "
                "place 0"
            )


@dataclass(frozen=True, eq=False)
class SpeakerGroups:
    """The rows of a matrix by speaker.

    Parameters
    ----------
    names : array, shape (S,)
        The speakers, sorted.
    places : array, shape (N,)
        For each row the place of its speaker in `names`.
    """

    names: NDArray[Any]
    places: NDArray[np.intp]

    @classmethod
    def of(cls, speakers: ArrayLike, n_rows: int, *, what: str = "embedding") -> SpeakerGroups:
        """Return the groups of N rows by the names of their speakers; a row is a `what`.

        Raises
        ------
        InvalidInputError
            If there is not one name for each row, or a name is empty or no name.
        """
        labels = np.asarray(speakers)
        if labels.shape != (n_rows,):
            raise InvalidInputError(
                f"each {what} needs the name of its speaker: found {n_rows} {what}s and names of "
                f"shape {labels.shape}"
            )
        if labels.dtype.kind == "O":
            labels = np.array(["" if each is None else str(each) for each in labels])
        is_name = labels != "" if labels.dtype.kind in "US" else np.isfinite(labels)
        if not is_name.all():
            raise InvalidInputError(
                f"each {what} needs the name of its speaker: the one at place "
                f"{int(np.argmin(is_name))} has none"
            )
        return cls(*np.unique(labels, return_inverse=True))

    @cached_property
    def counts(self) -> NDArray[np.float64]:
        """Number of sessions of each speaker, shape (S,)."""
        return np.bincount(self.places, minlength=len(self.names)).astype(np.float64)

    @property
    def n_speakers(self) -> int:
        """Number of speakers, S."""
        return len(self.names)

    @property
    def freedom(self) -> int:
        """Sessions beyond the first of each speaker, N - S: the rank of the scatter within."""
        return len(self.places) - self.n_speakers

    def sums(self, embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sums over the sessions of each speaker, shape (S, D)."""
        from scipy.sparse import csr_matrix

        rows = np.arange(len(self.places) + 1)
        shape = (len(self.places), self.n_speakers)
        chosen = csr_matrix((np.ones(len(self.places)), self.places, rows), shape)
        return np.asarray(chosen.T @ embeddings)

    def means(self, embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the means over the sessions of each speaker, shape (S, D)."""
        return self.sums(embeddings) / self.counts[:, None]

    def deviations(self, embeddings: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the deviation of each embedding from its speaker's mean, shape (N, D)."""
        return embeddings - self.means(embeddings)[self.places]

    def need_several_speakers(self, what: str) -> None:
        """Raise an error if there is one speaker only.

        Raises
        ------
        InsufficientDataError
        """
        if self.n_speakers < 2:
            raise InsufficientDataError(f"{what} needs two or more speakers, found one")

    def need_several_sessions(self, what: str) -> None:
        """Raise an error if all speakers have one session only.

        Raises
        ------
        InsufficientDataError
        """
        if not self.freedom:
            raise InsufficientDataError(
                f"{what} needs speakers of two or more sessions, found {self.n_speakers} speakers "
                "of one session each; centring, whitening, length normalisation and cosine scores "
                "need no sessions of a speaker"
            )
