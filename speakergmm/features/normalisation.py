"""Mean and variance normalisation, over a recording or over a window that slides along it.

Statistics are of speech frames only: pauses say nothing about the voice, and how long they are
must not matter. All frames are normalised with them.
"""

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError

# A feature that does not vary is left at its mean instead of being divided by nothing.
_LEAST_DEVIATION = 1e-5


class FeatureMoments:
    """Mean and standard deviation of speech frames, accumulated block by block in float64.

    Parameters
    ----------
    n_features : int
        Columns.
    """

    def __init__(self, n_features: int) -> None:
        self.n_frames = 0
        self._mean = np.zeros(n_features)
        self._squares = np.zeros(n_features)

    def add(self, values: NDArray[np.float32]) -> None:
        """Take in the speech frames of a block, shape (T, D)."""
        if len(values) == 0:
            return
        # Merged about the means: squares of large values would drown their differences.
        n = len(values)
        block = values.astype(np.float64)
        mean = block.mean(axis=0)
        step = mean - self._mean
        total = self.n_frames + n
        self._squares += ((block - mean) ** 2).sum(axis=0) + step**2 * self.n_frames * n / total
        self._mean += step * n / total
        self.n_frames = total

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean, shape (D,)."""
        return self._mean

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation (divided by the number of frames), shape (D,), never 0."""
        return np.maximum(np.sqrt(self._squares / max(self.n_frames, 1)), _LEAST_DEVIATION)


def normalise(
    values: NDArray[np.float32], moments: FeatureMoments, *, variance: bool
) -> NDArray[np.float32]:
    """Subtract a mean and, if asked for, divide by a standard deviation.

    Parameters
    ----------
    values : array of float32, shape (T, D)
        Features.
    moments : FeatureMoments
        Of the whole recording.
    variance : bool
        Whether to divide by the deviation.

    Returns
    -------
    array of float32, shape (T, D)
        New array.
    """
    centred = values - moments.mean.astype(np.float32)
    if variance:
        centred /= moments.deviation.astype(np.float32)
    return centred


def window_bounds(n_frames: int, window: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First frame, and frame after the last, of the window of each frame.

    Parameters
    ----------
    n_frames, window : int
        Frames in the recording, and in a window.

    Returns
    -------
    first, last : arrays of int, shape (n_frames,)
        The window is centred on the frame; near the ends it is shifted inside, so that it has its
        full length, unless the recording is shorter.

    Examples
    --------
    >>> first, last = window_bounds(6, 3)
    >>> first.tolist(), last.tolist()
    ([0, 0, 1, 2, 3, 3], [3, 3, 4, 5, 6, 6])
    """
    first = np.arange(n_frames) - window // 2
    first = np.clip(first, 0, max(n_frames - window, 0))
    return first, np.minimum(first + window, n_frames)


def normalise_sliding(
    values: NDArray[np.float32], speech: NDArray[np.bool_], *, window: int, variance: bool
) -> NDArray[np.float32]:
    """Normalise each frame by the speech frames in a window about it.

    Parameters
    ----------
    values : array of float32, shape (T, D)
        Features.
    speech : array of bool, shape (T,)
        Frames to take statistics of; where a window holds none, all its frames serve.
    window : int
        Frames, placed as `window_bounds` has it; a frame depends on `window` frames on each side.
    variance : bool
        Whether to divide by the standard deviation.

    Returns
    -------
    array of float32, shape (T, D)
        New array.

    Raises
    ------
    InvalidInputError
        If shapes disagree or `window` is less than 1.
    """
    if values.ndim != 2 or speech.shape != values.shape[:1] or window < 1:
        raise InvalidInputError(
            "sliding normalisation needs values (T, D), speech (T,) and window >= 1, got "
            f"{values.shape}, {speech.shape} and {window}"
        )
    if len(values) == 0:
        return values.copy()
    first, last = window_bounds(len(values), window)
    spoken = _range_sums(speech[:, None].astype(np.float64), first, last)
    # Sums of differences to a typical value: float64 then keeps all of float32's digits.
    offset = values.mean(axis=0, dtype=np.float64)
    block = values - offset
    mask = speech[:, None]
    none = spoken == 0
    count = np.where(none, (last - first)[:, None], spoken)
    mean = _window_mean(block, mask, none, count, first, last)
    centred = block - mean
    if variance:
        square = _window_mean(block**2, mask, none, count, first, last) - mean**2
        centred /= np.maximum(np.sqrt(np.maximum(square, 0.0)), _LEAST_DEVIATION)
    return np.asarray(centred, dtype=np.float32)


def _window_mean(
    block: NDArray[np.float64],
    mask: NDArray[np.bool_],
    none: NDArray[np.bool_],
    count: NDArray[np.float64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Mean over the speech frames of each window, or over all where it has none."""
    sums = _range_sums(block * mask, first, last)
    if none.any():
        sums = np.where(none, _range_sums(block, first, last), sums)
    return np.asarray(sums / count)


def _range_sums(
    block: NDArray[np.float64], first: NDArray[np.int64], last: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sum of rows first[t]:last[t] for each t."""
    sums = np.concatenate([np.zeros((1, block.shape[1])), np.cumsum(block, axis=0)])
    return np.asarray(sums[last] - sums[first])
