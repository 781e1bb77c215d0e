"""Frames as estimators take them: arrays, or blocks that can be read repeatedly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.gaussians.frame_sources import (
    check_blocks,
    check_matrix,
    pair_with_weights,
    refuse_extreme_weights,
    refuse_infinite,
    refuse_path,
    regroup,
)
from speakergmm.gaussians.source_moments import frame_moments
from speakergmm.moments import Moments

Frames: TypeAlias = NDArray[np.floating[Any]]
Found = TypeVar("Found")

# Number of frames that are checked at a time: a few megabytes.
_CHUNK_FRAMES = 8192


class FrameBlocks:
    """A source of blocks of frames; each call reads it again and checks each block.

    Parameters
    ----------
    source : iterable of arrays of shape (T, D), or callable that returns one
        An iterator is refused, because it could be read only once.
    n_features : int, optional
        Number of features, D; by default that of the first block.

    Attributes
    ----------
    dtype : dtype
        Float32 if all blocks known so far are float32, else float64. Of a sequence all blocks are
        known, otherwise those that have been read.

    Raises
    ------
    InvalidInputError
        If `source` is an iterator or holds no block; and, when it is read, if a block is not a
        finite matrix of D columns.
    """

    def __init__(
        self,
        source: Iterable[Any] | Callable[[], Iterable[Any]],
        *,
        n_features: int | None = None,
    ) -> None:
        if not callable(source) and iter(source) is source:
            raise InvalidInputError(
                f"X must be readable several times, found a one-shot iterator "
                f"({type(source).__name__}); pass a list of arrays, or a callable that returns a "
                f"new iterator"
            )
        self._source = source
        first = next(iter(self._open()), None)
        if first is None:
            raise InvalidInputError("X must hold blocks of frames, found none")
        first = check_matrix(first, name="X", block=0)
        self.n_features = first.shape[1] if n_features is None else n_features
        self.dtype = first.dtype
        if isinstance(source, (list, tuple)):
            wide = any(np.asarray(block).dtype != np.float32 for block in source)
            self.dtype = np.dtype(np.float64 if wide else np.float32)

    def _open(self) -> Iterable[Any]:
        return self._source() if callable(self._source) else self._source

    def __call__(self) -> Iterator[Frames]:
        """Yield the blocks, of shape (T, D), once."""
        for block in check_blocks(self._open(), n_features=self.n_features, name="X"):
            self.dtype = np.result_type(self.dtype, block.dtype)
            yield block


def is_blocks(X: Any) -> bool:
    """Return whether `X` comes in blocks: a callable or an iterable of matrices, not an array."""
    if any(
        hasattr(X, name) for name in ("__array__", "shape", "__dataframe__", "__array_interface__")
    ):
        return False
    if isinstance(X, (list, tuple)):
        return len(X) > 0 and all(
            hasattr(block, "__array__") and np.ndim(block) == 2 for block in X
        )
    return callable(X) or (isinstance(X, Iterable) and not isinstance(X, (str, bytes)))


def check_input_frames(
    estimator: BaseEstimator, X: Any, *, fitting: bool, least: int = 1
) -> Frames | FrameBlocks:
    """Return `X` as an array of float32 or float64, or as blocks of such arrays, after a check.

    Arrays of these types, memory-mapped ones included, are not copied.

    Parameters
    ----------
    estimator : estimator
        Estimator whose number and names of features are set, or compared with those of `X`.
    X : array-like, DataFrame, or blocks
        Frames.
    fitting : bool
        Whether to set the number and names of features instead of comparing them.
    least : int, default=1
        Fewest frames that are accepted (of an array; blocks are not read here).

    Raises
    ------
    InvalidInputError
        If `X` is neither, contains NaN or infinity (the message names the first row and column),
        or has another number of features than the fit.
    """
    refuse_path(X, name="X")
    if is_blocks(X):
        blocks = FrameBlocks(X, n_features=None if fitting else estimator.n_features_in_)
        if fitting:
            estimator.n_features_in_ = blocks.n_features
            if hasattr(estimator, "feature_names_in_"):
                del estimator.feature_names_in_
        return blocks
    try:
        frames: Frames = validate_data(
            estimator,
            X,
            reset=fitting,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            ensure_min_samples=least,
        )
    except (ValueError, TypeError) as error:
        raise _in_one_line(error) from None
    for _ in finite_chunks(frames):
        pass
    return frames


def _in_one_line(error: Exception) -> InvalidInputError:
    """Return an error of scikit-learn's as one of ours, without the array that it prints."""
    first, *more = str(error).splitlines() or [""]
    message = f"{first.removesuffix(':')}. {more[-1]}" if first.endswith(":") else first
    return (InvalidTypeError if isinstance(error, TypeError) else InvalidInputError)(message)


def check_in_memory(
    estimator: BaseEstimator, X: Any, *, fitting: bool = False, least: int = 1
) -> Frames:
    """Return `X` as one array in memory, checked as by `check_input_frames`."""
    frames = check_input_frames(estimator, X, fitting=fitting, least=least)
    return np.concatenate(list(frames())) if isinstance(frames, FrameBlocks) else frames


def finite_chunks(source: Frames | FrameBlocks) -> Iterator[Frames]:
    """Yield pieces of a few thousand frames, each checked for NaN and infinity.

    Raises
    ------
    InvalidInputError
        If a value is not finite; the message names its block, its row among all frames and its
        column.
    """
    if isinstance(source, FrameBlocks):
        # Blocks are checked as they are read.
        for block in source():
            yield from _pieces(block)
        return
    first_frame = 0
    for piece in _pieces(source):
        refuse_infinite(piece, name="X", first_frame=first_frame)
        yield piece
        first_frame += len(piece)


def _pieces(frames: Frames) -> Iterator[Frames]:
    for start in range(0, len(frames), _CHUNK_FRAMES):
        yield frames[start : start + _CHUNK_FRAMES]


def are_counts(weights: NDArray[np.float64]) -> bool:
    """Return whether weights are integers, which count how often each frame occurs."""
    return bool((weights == np.floor(weights)).all()) and weights.sum() < 2**31


def check_sample_weight(sample_weight: Any, n_frames: int) -> NDArray[np.float64] | None:
    """Return weights as a float64 array with one entry per frame.

    Raises
    ------
    InvalidInputError
        If their number is not `n_frames`, one is negative or not finite, or all are zero.
    """
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, dtype=np.float64)
    if weights.ndim == 0:
        weights = np.full(n_frames, weights)
    if weights.ndim != 1:
        raise InvalidInputError(
            f"Sample weights must be 1D array or scalar, got {weights.ndim}D array of shape "
            f"{weights.shape}; expected ({n_frames},)"
        )
    if weights.shape != (n_frames,):
        raise InvalidInputError(
            f"sample_weight must have one entry per frame, shape ({n_frames},), found "
            f"{weights.shape}"
        )
    wrong = ~(np.isfinite(weights) & (weights >= 0))
    if wrong.any():
        row = int(wrong.argmax())
        raise InvalidInputError(
            f"sample_weight must be finite and >= 0, found {weights[row]} at row {row}"
        )
    if not weights.any():
        raise InvalidInputError("sample_weight must not be zero for all frames")
    refuse_extreme_weights(weights)
    return weights


@dataclass(frozen=True, slots=True, eq=False)
class TrainingFrames:
    """Checked frames of a fit, with their moments, which all restarts share.

    Parameters
    ----------
    source : array or FrameBlocks
        Finite frames of shape (T, D).
    dtype : dtype
        Float32 or float64: the type of `source`, or the widest of its blocks.
    sample_weight : array, shape (T,), or None
        Weights >= 0, not all zero.
    moments : Moments
        Number of frames, sum of their weights, (weighted) mean and variance.
    """

    source: Frames | FrameBlocks
    dtype: np.dtype[Any]
    sample_weight: NDArray[np.float64] | None
    moments: Moments
    _kept: dict[str, Any] = field(default_factory=dict, init=False, repr=False)

    @property
    def n_features(self) -> int:
        """Number of features, D."""
        return len(self.moments.mean)

    @property
    def n_frames(self) -> int:
        """Number of frames, T."""
        return self.moments.n_frames

    @property
    def weight_unit(self) -> float:
        """Unit in which sums of weights lose no digits: the largest weight, as a power of two."""
        if self.sample_weight is None:
            return 1.0
        return math.ldexp(1.0, math.frexp(self.sample_weight.max())[1] - 1)

    def once(self, name: str, find: Callable[[], Found]) -> Found:
        """Return the result of `find`, which is called only the first time for each `name`."""
        found: Found = self._kept[name] if name in self._kept else find()
        self._kept[name] = found
        return found

    def chunks(self, size: int) -> Iterator[tuple[Frames, NDArray[np.float64]]]:
        """Yield pieces of `size` frames (the last may be shorter) in float64, and their weights."""
        blocks = self.source() if isinstance(self.source, FrameBlocks) else (self.source,)
        # Pieces do not follow the blocks, so that sums over them round the same for any blocks.
        for rows, weights in pair_with_weights(regroup(blocks, size), self.sample_weight):
            yield rows.astype(np.float64), np.ones(len(rows)) if weights is None else weights

    def rows(self, chosen: NDArray[np.intp]) -> Frames:
        """Return the frames with these numbers, in this order, in the type of the source."""
        if not isinstance(self.source, FrameBlocks):
            return np.asarray(self.source[chosen])
        # One pass over the blocks: each fills the rows whose sorted numbers lie in it.
        found = np.empty((len(chosen), self.n_features), self.dtype)
        order = np.argsort(chosen, kind="stable")
        wanted = chosen[order]
        first = done = 0
        for block in self.source():
            stop = int(np.searchsorted(wanted, first + len(block)))
            found[order[done:stop]] = block[wanted[done:stop] - first]
            first, done = first + len(block), stop
        return found


def training_frames(
    estimator: BaseEstimator,
    X: Any,
    sample_weight: Any,
    *,
    n_components: int,
    fitting: bool = True,
) -> TrainingFrames:
    """Check frames for training and compute their moments; `fitting` is as in `check_input_frames`.

    Raises
    ------
    ValueError
        As `check_input_frames` and `check_sample_weight` do; or if there are fewer frames (of
        weight above zero) than components.
    """
    source = check_input_frames(estimator, X, fitting=fitting, least=2 if fitting else 1)
    n_frames = sum(
        len(piece) for piece in (source() if isinstance(source, FrameBlocks) else (source,))
    )
    weights = check_sample_weight(sample_weight, n_frames)
    n_useful = n_frames if weights is None else int(np.count_nonzero(weights))
    if n_useful < n_components:
        of_weight = "" if weights is None else " of weight above zero"
        raise InvalidInputError(
            f"Expected n_samples >= n_components but got n_components = {n_components}, "
            f"n_samples = {n_useful}{of_weight}"
        )
    moments = frame_moments(source, weights)
    if moments.n_frames != n_frames:
        raise InvalidInputError(
            f"the frames must be the same each time they are read, found {n_frames} the first time "
            f"and {moments.n_frames} later"
        )
    return TrainingFrames(source, source.dtype, weights, moments)
