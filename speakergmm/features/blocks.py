"""Blocks of frames with context, for local operations on recordings of any length."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Window(NamedTuple):
    """Consecutive frames of which some are only context of the others.

    Attributes
    ----------
    arrays : tuple of arrays
        Arrays with one row per frame.
    wanted : slice
        Rows for which the window yields results.
    """

    arrays: tuple[NDArray[Any], ...]
    wanted: slice


def with_context(
    blocks: Iterable[tuple[NDArray[Any], ...]], *, context: int, block_frames: int
) -> Iterator[Window]:
    """Regroup consecutive blocks of frames into windows that overlap.

    An operation whose result at a frame depends on at most `context` frames on each side yields on
    the wanted rows of each window the same as on the whole recording, including edge effects: only
    at the ends of the recording a window has less context.

    Parameters
    ----------
    blocks : iterable of tuples of arrays
        Consecutive frames; the arrays of a tuple have one row per frame.
    context : int
        Number of frames before and after the wanted ones.
    block_frames : int
        Number of wanted frames in each window but the last.

    Yields
    ------
    Window
        Every frame of the input is wanted once, in order.
    """
    held: tuple[NDArray[Any], ...] | None = None
    done = 0  # rows of `held` that were wanted by previous windows
    for block in blocks:
        if held is not None:
            block = tuple(np.concatenate(pair) for pair in zip(held, block, strict=True))
        held = block
        while len(held[0]) >= done + block_frames + context:
            yield _window(held, done, done + block_frames, context)
            done += block_frames
            # Rows that are no longer needed as context are dropped.
            dropped = max(0, done - context)
            held = tuple(array[dropped:] for array in held)
            done -= dropped
    # The last windows end with the recording.
    while held is not None and done < len(held[0]):
        stop = min(done + block_frames, len(held[0]))
        yield _window(held, done, stop, context)
        done = stop


def range_sums(
    values: NDArray[Any], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[Any]:
    """Return the sum of the rows ``first[t]:last[t]`` of an array for each t, or the count of true.

    Examples
    --------
    >>> range_sums(np.array([1, 2, 4]), np.array([0, 1]), np.array([2, 3])).tolist()
    [3, 6]
    """
    sums = np.cumsum(values, axis=0)
    sums = np.concatenate([np.zeros_like(sums[:1]), sums])
    return np.asarray(sums[last] - sums[first])


def _window(held: tuple[NDArray[Any], ...], start: int, stop: int, context: int) -> Window:
    """Return the window of the rows `start` to `stop`, with context."""
    first = max(0, start - context)
    last = min(len(held[0]), stop + context)
    return Window(tuple(array[first:last] for array in held), slice(start - first, stop - first))
