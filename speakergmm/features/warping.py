"""Feature warping (short-time Gaussianisation): normal quantiles of ranks in a sliding window."""

import numpy as np
from numpy.typing import NDArray

from speakergmm.features.blocks import range_sums
from speakergmm.features.normalisation import window_bounds

# Counters of one byte are added to the totals before they overflow.
_CARRY_AFTER = 255
# Number of frames whose comparisons stay in the cache of the processor.
_FRAMES_PER_STEP = 256


def warp(
    values: NDArray[np.float32], speech: NDArray[np.bool_], *, window: int
) -> NDArray[np.float32]:
    """Map each feature to a standard normal distribution within a sliding window.

    Parameters
    ----------
    values : array of float32, shape (T, D)
        Features.
    speech : array of bool, shape (T,)
        Frames among which values are ranked; if a window has none of them, all its frames are used.
    window : int
        Length N of the window in frames, see `normalisation.window_bounds`; a frame depends on
        `window` frames on each side.

    Returns
    -------
    array of float32, shape (T, D)
        The standard normal quantile at (N + 1/2 - R) / N, where R is the rank of the value of the
        frame among the N speech frames of the window, 1 for the largest [1]_. Equal values are
        ranked in order of time, so that values of silence are about 0. Frames without speech have
        the rank of the next larger value among the speech frames, at least 1.

    Raises
    ------
    InvalidInputError
        If shapes disagree or `window` is less than 1.

    References
    ----------
    .. [1] Pelecanos, Sridharan, "Feature warping for robust speaker verification", Odyssey 2001.
    """
    first, last = window_bounds(values, speech, window)
    if len(values) == 0:
        return values.copy()
    # Ranks are one more than the number of larger values in the window.
    count = range_sums(speech, first, last)
    larger = _count_larger(values, speech, first, last)
    alone = count == 0
    if alone.any():
        larger[alone] = _count_larger(values, np.ones_like(speech), first, last)[alone]
        count = np.where(alone, last - first, count)
    from scipy.special import ndtri  # here, because few configurations need it

    rank = np.clip(larger + 1, 1, count[:, None])
    quantile = ndtri((count[:, None] + 0.5 - rank) / count[:, None])
    return np.asarray(quantile, dtype=np.float32)


def _count_larger(
    values: NDArray[np.float32],
    speech: NDArray[np.bool_],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Return, for each value, the number of larger (or equal and later) ones in its window.

    Away from the ends the windows move with their frames, so that a comparison of two contiguous
    parts of memory covers one position in the window for many frames and features at once.
    """
    n_frames = len(values)
    ranked = np.where(speech[:, None], values, np.float32(-np.inf))
    larger = np.empty(values.shape, np.int64)
    length = int(last[0] - first[0])
    before = length // 2
    moving = slice(before, n_frames - length + before + 1) if length < n_frames else slice(0, 0)
    # Near the ends windows do not move: frames are compared with their window one by one.
    for edge in (slice(0, moving.start), slice(moving.stop, n_frames)):
        for t in range(*edge.indices(n_frames)):
            earlier = ranked[first[t] : t] > values[t]
            later = ranked[t + 1 : last[t]] >= values[t]
            larger[t] = earlier.sum(axis=0) + later.sum(axis=0)
    # Elsewhere frames are compared with those at each offset, in counters of one byte.
    for start in range(moving.start, moving.stop, _FRAMES_PER_STEP):
        stop = min(start + _FRAMES_PER_STEP, moving.stop)
        current, total = values[start:stop], larger[start:stop]
        is_larger = np.empty(current.shape, np.bool_)
        small = np.zeros(current.shape, np.uint8)
        total[:] = 0
        for n, offset in enumerate(range(-before, length - before), start=1):
            if offset:
                compare = np.greater if offset < 0 else np.greater_equal
                compare(ranked[start + offset : stop + offset], current, out=is_larger)
                small += is_larger.view(np.uint8)
            if n % _CARRY_AFTER == 0:
                total += small
                small[:] = 0
        total += small
    return larger
