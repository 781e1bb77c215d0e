"""Sources of frames: arrays, lists or iterators of them, or shards that workers read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.progress import SizedWork
from speakergmm.ranges import whole_number

Frames: TypeAlias = NDArray[np.floating[Any]]


class FrameShard(Protocol):
    """A part of the frames of a corpus that any worker can read; it can be pickled."""

    @property
    def n_frames(self) -> int:
        """Number of its frames."""

    def blocks(self) -> Iterable[NDArray[Any]]:
        """Return its frames in blocks (T, D) of bounded size."""


class ShardedFrames(Protocol):
    """Frames in shards, such as those of a feature store."""

    @property
    def shards(self) -> Sequence[FrameShard]:
        """The shards, in a fixed order."""


FrameSource: TypeAlias = (
    NDArray[Any] | Iterable[NDArray[Any]] | Callable[[], Iterable[NDArray[Any]]] | ShardedFrames
)


def check_matrix(
    X: ArrayLike,
    *,
    n_features: int | None = None,
    name: str = "frames",
    block: int | None = None,
) -> Frames:
    """Return `X` as a matrix of frames, whose values are not checked.

    Parameters
    ----------
    X : array, shape (T, D)
        Float32 and float64 stay what they are, other real numbers become float64.
    n_features : int, optional
        The number of features D that is expected.
    name : str, default="frames"
        Name of the frames in the message.
    block : int, optional
        Number of the block of a stream, for the message.

    Returns
    -------
    array, shape (T, D)
        Float32 or float64.

    Raises
    ------
    InvalidInputError
        If `X` is not a real matrix of D columns.
    """
    refuse_path(X, name=name)
    frames = np.asarray(X)
    where = _in_block(block)
    if frames.ndim != 2 or frames.dtype.kind not in "fiub":
        raise InvalidInputError(
            f"{where}{name} must be a real array of shape (T, D), found {frames.dtype} of shape "
            f"{frames.shape}"
        )
    if frames.shape[1] == 0 or (n_features is not None and frames.shape[1] != n_features):
        raise InvalidInputError(
            f"{where}{name} must have {n_features or 'one or more'} features, found "
            f"{frames.shape[1]}"
        )
    return frames if frames.dtype in (np.float32, np.float64) else frames.astype(np.float64)


def refuse_path(X: Any, *, name: str = "frames") -> None:
    """Raise an error if a path is passed in place of its contents.

    Raises
    ------
    InvalidTypeError
        If `X` is a path or a list of paths; the message states how to read it.
    """
    is_list = isinstance(X, (list, tuple)) and len(X) > 0
    is_words = isinstance(X, np.ndarray) and X.ndim == 1 and X.dtype.kind in "US"
    if is_words or (is_list and isinstance(X[0], (str, os.PathLike))):
        raise InvalidTypeError(
            f"{name} must be arrays of shape (T, D), found a list of paths or words; read "
            f"recordings first, by [FeatureExtractor().extract(path) for path in paths]"
        )
    if isinstance(X, (str, bytes, os.PathLike)):
        path = os.fspath(X)
        raise InvalidTypeError(
            f"{name} must be an array of shape (T, D), found the path {path!r}; read it first, an "
            f"array by numpy.load(path, mmap_mode='r'), a recording by FeatureExtractor().extract"
        )


def refuse_infinite(
    frames: Frames, *, name: str = "frames", first_frame: int = 0, block: int | None = None
) -> None:
    """Raise an error if a value is NaN or infinite, with the place of the first one.

    Parameters
    ----------
    frames : array, shape (T, D)
        Float32 or float64.
    name : str, default="frames"
        Name of the frames in the message.
    first_frame : int, default=0
        Number of the first row among all frames, for the message.
    block : int, optional
        Number of the block of a stream, for the message.

    Raises
    ------
    InvalidInputError
        If a value is not finite; the message names the block, the row among all frames, and the
        column.
    """
    # The extremes are NaN where any value is; finding them needs no array of answers.
    if frames.size and not np.isfinite([frames.min(), frames.max()]).all():
        row, column = np.argwhere(~np.isfinite(frames))[0]
        raise InvalidInputError(
            f"{_in_block(block)}{name} must be finite, without NaN or infinity, found "
            f"{frames[row, column]} at row {first_frame + row}, column {column}"
        )


def _in_block(number: int | None) -> str:
    return "" if number is None else f"block {number}: "


def check_finite_frames(
    X: ArrayLike,
    *,
    n_features: int | None = None,
    first_frame: int = 0,
    name: str = "frames",
    block: int | None = None,
) -> Frames:
    """Return `X` as a finite matrix of frames.

    Parameters
    ----------
    X, n_features, first_frame, name, block
        As in `check_matrix` and `refuse_infinite`.

    Returns
    -------
    array, shape (T, D)
        Float32 or float64.

    Raises
    ------
    InvalidInputError
        If `X` is not a real matrix of D columns, or a value is NaN or infinite; the message names
        the first such row and column.
    """
    frames = check_matrix(X, n_features=n_features, name=name, block=block)
    refuse_infinite(frames, name=name, first_frame=first_frame, block=block)
    return frames


def check_blocks(
    blocks: Iterable[Any],
    *,
    n_features: int | None = None,
    name: str = "frames",
    is_stream: bool = True,
) -> Iterator[Frames]:
    """Yield each block after a check, empty blocks included.

    Parameters
    ----------
    blocks : iterable of arrays of shape (T, D)
        All with the same D. A block must not be overwritten after it was yielded.
    n_features : int, optional
        The number of features D that is expected; by default that of the first block.
    name : str, default="frames"
        Name of the frames in messages.
    is_stream : bool, default=True
        Let messages name the block.

    Yields
    ------
    array, shape (T, D)

    Raises
    ------
    InvalidInputError
        If a block is not a finite matrix of D columns; it is named by its number, from 0, and rows
        are counted over all blocks.
    """
    first_frame = 0
    for number, block in enumerate(blocks):
        frames = check_finite_frames(
            block,
            n_features=n_features,
            first_frame=first_frame,
            name=name,
            block=number if is_stream else None,
        )
        n_features = frames.shape[1]
        first_frame += len(frames)
        yield frames


def read_blocks(source: FrameSource, *, n_features: int | None = None) -> Iterator[Frames]:
    """Yield the checked blocks of a source, one pass over it; empty blocks are left out.

    Parameters
    ----------
    source : array, iterable of arrays, or callable that returns an iterable of arrays
        Each array of shape (T, D), all with the same D. A block must not be overwritten after it
        was yielded.
    n_features : int, optional
        The number of features D that is expected; by default that of the first block.

    Yields
    ------
    array, shape (T, D)

    Raises
    ------
    InvalidInputError
        If a block is not a finite matrix of D columns; it is named by its number, from 0, and rows
        are counted over the whole source.
    """
    blocks: Any
    if isinstance(source, np.ndarray):
        blocks = (source,)
    elif (shards := shards_of(source)) is not None:
        blocks = chain.from_iterable(shard.blocks() for shard in shards)
    elif callable(source):
        blocks = source()
    else:
        blocks = source
    # A single array is not a block of a stream, and messages do not name a block then.
    is_stream = not isinstance(source, np.ndarray)
    for frames in check_blocks(blocks, n_features=n_features, is_stream=is_stream):
        if len(frames):
            yield frames


def shards_of(source: FrameSource) -> Sequence[FrameShard] | None:
    """Return the shards of a source; None if it is an array or a stream of arrays."""
    if isinstance(source, np.ndarray | list | tuple):
        return None
    found: Sequence[FrameShard] | None = getattr(source, "shards", None)
    return found


def work_on_shards(description: str | None, source: FrameSource) -> SizedWork | None:
    """Return a description of a pass over the shards of a source; None if it has none."""
    shards = shards_of(source)
    if description is None or shards is None:
        return None
    return SizedWork(description, [shard.n_frames for shard in shards])


def is_held(source: FrameSource) -> bool:
    """Return whether the frames are one array in memory, and not in a file that is mapped."""
    array: Any = source
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(source, np.ndarray) and not isinstance(array, np.memmap)


def check_rereadable(source: FrameSource) -> None:
    """Raise an error if a source can be read only once, such as a generator.

    Raises
    ------
    InvalidInputError
        If `source` is an iterator, or no source of frames.
    """
    refuse_path(source)
    if (shards := shards_of(source)) is not None:
        _check_shards(shards)
        return
    if isinstance(source, np.ndarray) or callable(source):
        return
    stream: Any = source
    if not hasattr(stream, "__iter__"):
        raise InvalidTypeError(
            "frames must be an array of shape (T, D), a list of such arrays or a callable that "
            f"returns them, found {type(stream).__name__}"
        )
    if iter(stream) is stream:
        raise InvalidInputError(
            "training reads the frames several times, found an iterator that can be read once; "
            "give a list of arrays, or a callable that returns a new iterator"
        )


def _check_shards(shards: Any) -> None:
    is_sequence = hasattr(shards, "__len__") and hasattr(shards, "__getitem__")
    wrong = shards if not is_sequence else None
    for number, shard in enumerate(shards if is_sequence else ()):
        if not (callable(getattr(shard, "blocks", None)) and hasattr(shard, "n_frames")):
            wrong = shard
            break
        whole_number(f"n_frames of shard {number}", shard.n_frames, least=0)
    if wrong is not None:
        raise InvalidTypeError(
            "shards of frames must be a sequence of objects with n_frames and blocks(), found "
            f"{type(wrong).__name__}"
        )


def regroup(blocks: Iterable[Frames], size: int) -> Iterator[Frames]:
    """Yield the frames of a stream of blocks in groups of `size` (the last one may be shorter).

    The cuts between blocks, and the layout of blocks in memory, leave no trace: results that depend
    on the groups alone are the same for one array, in C or Fortran order, and for a list of
    utterances.
    """
    pending: list[Frames] = []
    n_pending = 0
    for block in blocks:
        start = 0
        while start < len(block):
            piece = block[start : start + size - n_pending]
            pending.append(piece)
            n_pending += len(piece)
            start += len(piece)
            if n_pending == size:
                yield _joined(pending)
                pending, n_pending = [], 0
    if pending:
        yield _joined(pending)


def _joined(pieces: list[Frames]) -> Frames:
    # Sums go in the order of memory, and so does their rounding; joined pieces keep that order.
    return np.ascontiguousarray(pieces[0] if len(pieces) == 1 else np.concatenate(pieces))


def check_frame_weights(sample_weight: ArrayLike | None) -> NDArray[np.float64] | None:
    """Return weights of frames as a float64 vector.

    Raises
    ------
    InvalidInputError
        If they are not a vector of finite real numbers >= 0; the first bad one is named.
    """
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight)
    if weights.ndim != 1 or weights.dtype.kind not in "fiub":
        raise InvalidInputError(
            f"sample_weight must be a real array of shape (T,), found {weights.dtype} of shape "
            f"{weights.shape}"
        )
    weights = weights.astype(np.float64, copy=False)
    bad = np.flatnonzero(~((weights >= 0) & (weights < np.inf)))
    if bad.size:
        raise InvalidInputError(
            f"sample_weight must be finite and >= 0, found {weights[bad[0]]} at frame {bad[0]}"
        )
    refuse_extreme_weights(weights)
    return weights


def refuse_extreme_weights(weights: NDArray[np.float64], *, times: int = 1) -> None:
    """Raise an error if the sum of weights overflows, or the weights have lost their digits.

    Parameters
    ----------
    weights : array
        Finite and >= 0.
    times : int, default=1
        Largest number of frames for which a weight counts.

    Raises
    ------
    InvalidInputError
        If the weights are too large or too small; the message states how to scale them.
    """
    largest = float(weights.max(initial=0.0))
    with np.errstate(over="ignore"):
        total = weights.sum() * times
    if not np.isfinite(total):
        raise InvalidInputError(
            f"sample_weight must have a finite sum, found weights up to {largest:.3g}; divide them "
            f"by the largest"
        )
    if 0 < largest < np.finfo(np.float64).tiny:
        raise InvalidInputError(
            f"sample_weight must be more than 1e-307 somewhere, found {largest:.3g} at most; "
            f"divide them by the largest"
        )


def pair_with_weights(
    groups: Iterable[Frames], sample_weight: NDArray[np.float64] | None
) -> Iterator[tuple[Frames, NDArray[np.float64] | None]]:
    """Yield each group of frames with the weights of these frames.

    Raises
    ------
    InvalidInputError
        After the last group, if there are more or fewer weights than frames.
    """
    first_frame = 0
    for frames in groups:
        stop = first_frame + len(frames)
        if sample_weight is not None and stop > len(sample_weight):
            raise InvalidInputError(
                f"sample_weight must have one entry for each frame, found {len(sample_weight)} "
                f"for at least {stop} frames"
            )
        yield frames, None if sample_weight is None else sample_weight[first_frame:stop]
        first_frame = stop
    if sample_weight is not None and first_frame < len(sample_weight):
        raise InvalidInputError(
            f"sample_weight must have one entry for each frame, found {len(sample_weight)} for "
            f"{first_frame} frames"
        )
