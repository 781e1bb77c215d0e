"""Averages of scores over the frames of a test, by the weights of the frames."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.features import WeightedFrames

# Frames that are scored at a time.
_MOST_FRAMES = 8192


def values_and_weights(
    block: NDArray[np.floating[Any]] | WeightedFrames,
) -> tuple[NDArray[np.floating[Any]], NDArray[np.float64] | None]:
    """Return the frames of a block, and their weights, None if all count fully.

    Raises
    ------
    InvalidInputError
        If the weights are not numbers from 0 to 1, one for each frame.
    """
    if not isinstance(block, WeightedFrames):
        return block, None
    if block.weights is None:
        return block.values, None
    weights = np.asarray(block.weights, dtype=np.float64)
    if weights.shape != np.shape(block.values)[:1]:
        raise InvalidInputError(
            f"weights must have one entry for each of {len(block.values)} frames, found shape "
            f"{weights.shape}"
        )
    bad = np.flatnonzero(~((weights >= 0) & (weights <= 1)))
    if bad.size:
        raise InvalidInputError(
            f"weights of frames must be from 0 to 1, found {weights[bad[0]]:g} at frame {bad[0]}"
        )
    return block.values, weights


def average_over_frames(
    summed_scores: Callable[
        [NDArray[np.floating[Any]], NDArray[np.float64] | None], NDArray[np.float64]
    ],
    blocks: Iterable[NDArray[np.floating[Any]] | WeightedFrames],
    n_models: int,
) -> tuple[NDArray[np.float64], float]:
    """Average scores over the frames of all blocks by weight, some thousand frames at a time.

    Parameters
    ----------
    summed_scores : callable
        Returns the sums of the weighted scores of some frames, shape (S,), from the frames and
        their weights, None if all count fully.
    blocks : iterable of array, shape (T, D), or WeightedFrames
    n_models : int
        Number of models S.

    Returns
    -------
    averages : array, shape (S,)
    n_frames : float
        Sum of the weights of the frames; their number, an int, if no block has weights.

    Raises
    ------
    InsufficientDataError
        If there are no frames, or their weights sum to nothing.
    InvalidInputError
        As for `values_and_weights`.
    """
    total, n_frames, seen = np.zeros(n_models), 0.0, 0
    is_weighted = False
    for block in blocks:
        frames, weights = values_and_weights(block)
        for start in range(0, len(frames), _MOST_FRAMES):
            rows = slice(start, start + _MOST_FRAMES)
            part = None if weights is None else weights[rows]
            total += summed_scores(frames[rows], part)
            n_frames += len(frames[rows]) if part is None else float(part.sum())
        seen += len(frames)
        is_weighted |= weights is not None
    if seen == 0:
        raise InsufficientDataError("there are no frames of speech to score")
    if not n_frames > 0:
        raise InsufficientDataError(
            f"the weights of all {seen} frames of speech are zero: nothing is left to score"
        )
    return total / n_frames, n_frames if is_weighted else seen
