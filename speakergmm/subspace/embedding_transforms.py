"""Transforms of embeddings that were learnt or chosen: affine ones, a projection, and lengths."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm import records
from speakergmm.errors import InvalidInputError
from speakergmm.ranges import switch
from speakergmm.subspace.labelled_embeddings import check_embeddings


class EmbeddingTransform:
    """Base of the transforms of embeddings: the steps of an `EmbeddingAnalysis`."""

    record_has_kinds: ClassVar[bool] = True
    file_kind: ClassVar[str]

    @property
    def n_dimensions(self) -> int | None:
        """Dimensions of the embeddings that it takes; None for any."""
        raise NotImplementedError

    @property
    def n_outputs(self) -> int | None:
        """Dimensions of the embeddings that it returns; None for as many as it is given."""
        return self.n_dimensions

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return embeddings transformed, one per row.

        Raises
        ------
        InvalidInputError
            If they are no finite matrix of the right number of dimensions.
        """
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class AffineTransform(EmbeddingTransform, records.Filed):
    """A shift and a matrix: centring, whitening, linear discriminants, WCCN.

    Parameters
    ----------
    mean : array, shape (D,)
        Subtracted from each embedding.
    matrix : array, shape (D, E)
        Embeddings, as rows, are multiplied by it from the right.
    name : str
        Name of the analysis.

    Raises
    ------
    InvalidInputError
        If shapes do not agree or numbers are not finite.

    Examples
    --------
    >>> AffineTransform([1.0, 1.0], [[2.0], [0.0]]).transform([[2.0, 5.0]])
    array([[2.]])
    """

    file_kind: ClassVar[str] = "affine transform"

    mean: Annotated[NDArray[np.float64], "D"]
    matrix: Annotated[NDArray[np.float64], "D E"]
    name: str = "affine"

    def __post_init__(self) -> None:
        """Check the shapes."""
        object.__setattr__(self, "matrix", check_embeddings(self.matrix, what="a matrix"))
        mean = check_embeddings([self.mean], len(self.matrix), what="a mean")[0]
        object.__setattr__(self, "mean", mean)

    @property
    def n_dimensions(self) -> int:
        """Dimensions of the embeddings that it takes, D."""
        return len(self.matrix)

    @property
    def n_outputs(self) -> int:
        """Dimensions of the embeddings that it returns, E."""
        return len(self.matrix.T)

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return ``(X - mean) @ matrix``, shape (N, E); see `EmbeddingTransform.transform`."""
        return np.asarray((check_embeddings(X, self.n_dimensions) - self.mean) @ self.matrix)


@dataclass(frozen=True, eq=False)
class NuisanceProjection(EmbeddingTransform, records.Filed):
    """The projection that removes some directions and leaves all others as they are.

    Parameters
    ----------
    directions : array, shape (K, D)
        Orthonormal rows. The matrix of the projection is never made: of supervectors it would not
        fit the memory.

    Raises
    ------
    InvalidInputError
        If the directions are not orthonormal.

    References
    ----------
    .. [1] Solomonoff, Campbell, Boardman, "Advances in channel compensation for SVM speaker
       recognition", ICASSP 2005.

    Examples
    --------
    >>> NuisanceProjection([[0.0, 1.0]]).transform([[2.0, 5.0]])
    array([[2., 0.]])
    """

    file_kind: ClassVar[str] = "nuisance projection"

    directions: Annotated[NDArray[np.float64], "K D"]

    def __post_init__(self) -> None:
        """Check that the directions are orthonormal."""
        rows = check_embeddings(self.directions, what="directions")
        object.__setattr__(self, "directions", rows)
        if np.abs(rows @ rows.T - np.eye(len(rows))).max() > 1e-6:
            raise InvalidInputError("directions of a projection must be orthonormal rows")

    @property
    def n_dimensions(self) -> int:
        """Dimensions of the embeddings that it takes, D."""
        return len(self.directions.T)

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return ``X - (X V) V'`` for directions V, shape (N, D)."""
        embeddings = check_embeddings(X, self.n_dimensions)
        return embeddings - (embeddings @ self.directions.T) @ self.directions


@dataclass(frozen=True, eq=False)
class LengthNormalisation(EmbeddingTransform, records.Filed):
    """Scaling of each embedding to one length.

    Parameters
    ----------
    by_dimension : bool, default=False
        The length is the square root of the number of dimensions, as Kaldi has it, in place of 1:
        that of a vector whose elements have variance 1.

    References
    ----------
    .. [1] Garcia-Romero, Espy-Wilson, "Analysis of i-vector length normalization in speaker
       recognition systems", Interspeech 2011.

    Examples
    --------
    >>> LengthNormalisation().transform([[3.0, 4.0]])
    array([[0.6, 0.8]])
    """

    file_kind: ClassVar[str] = "length normalisation"

    by_dimension: bool = False

    def __post_init__(self) -> None:
        """Check the switch."""
        object.__setattr__(self, "by_dimension", switch("by_dimension", self.by_dimension))

    @property
    def n_dimensions(self) -> None:
        """None: it takes embeddings of any dimensions."""
        return

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the embeddings at one length, shape (N, D).

        Raises
        ------
        InvalidInputError
            If an embedding is zero, which has no direction; or as in the base class.
        """
        embeddings = unit_rows(check_embeddings(X))
        return embeddings * np.sqrt(embeddings.shape[1]) if self.by_dimension else embeddings


def unit_rows(embeddings: NDArray[np.float64], *, what: str = "embeddings") -> NDArray[np.float64]:
    """Return the rows of a matrix divided by their lengths.

    Raises
    ------
    InvalidInputError
        If a row is zero.
    """
    # By the largest element first: squares of tiny or huge numbers are no numbers.
    largest = np.abs(embeddings).max(axis=1, keepdims=True)
    if not largest.all():
        place = int(np.argmin(largest))
        raise InvalidInputError(f"{what} must have a direction: the one at place {place} is zero")
    scaled = embeddings / largest
    return np.asarray(scaled / np.linalg.norm(scaled, axis=1, keepdims=True))


def apply_transforms(transforms: Iterable[EmbeddingTransform], X: ArrayLike) -> NDArray[np.float64]:
    """Return embeddings after a chain of transforms, in order."""
    embeddings = check_embeddings(X)
    for each in transforms:
        embeddings = each.transform(embeddings)
    return embeddings


def cosine_scores(models: ArrayLike, tests: ArrayLike) -> NDArray[np.float64]:
    """Compute the cosines of the angles between models and tests.

    Parameters
    ----------
    models : array, shape (M, D)
    tests : array, shape (N, D)

    Returns
    -------
    array, shape (M, N)
        Scores from -1 to 1; higher ones support the same speaker.

    Raises
    ------
    InvalidInputError
        If shapes do not agree, numbers are not finite, or an embedding is zero.

    References
    ----------
    .. [1] Dehak, Kenny, Dehak, Dumouchel, Ouellet, "Front-end factor analysis for speaker
       verification", IEEE Transactions on Audio, Speech, and Language Processing 19 (2011) 788-798.

    Examples
    --------
    >>> cosine_scores([[2.0, 0.0]], [[1.0, 0.0], [0.0, 3.0]])
    array([[1., 0.]])
    """
    left = check_embeddings(models, what="models")
    right = check_embeddings(tests, left.shape[1], what="tests")
    return np.asarray(unit_rows(left, what="models") @ unit_rows(right, what="tests").T)
