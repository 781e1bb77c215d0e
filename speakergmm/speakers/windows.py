"""Average scores of windows that slide along a recording."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import whole_number


def window_averages(
    frame_scores: NDArray[np.floating[Any]],
    *,
    length: int,
    shift: int = 1,
    weights: NDArray[np.floating[Any]] | None = None,
) -> NDArray[np.float64]:
    """Average frame scores over windows that slide along a recording.

    Parameters
    ----------
    frame_scores : array, shape (T, S)
        Score of each frame for each of S speakers.
    length : int
        Length of a window in frames; at least 1.
    shift : int, default=1
        Number of frames from one window to the next; at least 1.
    weights : array, shape (T,), optional
        Weight of each frame in the averages, >= 0; by default all count fully.

    Returns
    -------
    array, shape (N, S)
        Averages over the frames ``n * shift`` to ``n * shift + length - 1``; no rows if the
        recording is shorter than a window. A window whose weights sum to nothing has no row.

    Raises
    ------
    InvalidInputError
        If `length` or `shift` is not positive, the scores are not a finite matrix, or the weights
        are not finite and >= 0, one for each frame.

    Notes
    -----
    Reynolds and Rose [1]_ test all segments of a given length in this way, one frame apart.

    References
    ----------
    .. [1] Reynolds and Rose, "Robust text-independent speaker identification using Gaussian
       mixture speaker models", IEEE Trans. Speech and Audio Processing 3 (1995) 72-83.

    Examples
    --------
    >>> window_averages(np.array([[1.0], [3.0], [8.0]]), length=2).tolist()
    [[2.0], [5.5]]
    """
    whole_number("length", length)
    whole_number("shift", shift)
    scores = np.asarray(frame_scores, dtype=np.float64)
    if scores.ndim != 2 or not np.isfinite(scores).all():
        raise InvalidInputError("frame scores must be a finite matrix of frames by speakers")
    starts = np.arange(0, len(scores) - length + 1, shift)
    if weights is None:
        windows: NDArray[np.float64] = _window_sums(scores, starts, length) / length
        return windows
    weights = np.asarray(weights, dtype=np.float64)
    if weights.shape != scores.shape[:1] or not ((weights >= 0) & (weights < np.inf)).all():
        raise InvalidInputError("weights must be finite and >= 0, one for each frame")
    weighted = np.column_stack([scores * weights[:, None], weights])
    sums = _window_sums(weighted, starts, length)
    # Small weights vanish in differences of running sums: their windows are summed one by one.
    for place in np.flatnonzero(sums[:, -1] < 1):
        sums[place] = weighted[starts[place] : starts[place] + length].sum(axis=0)
    sums = sums[sums[:, -1] > 0]
    averages: NDArray[np.float64] = sums[:, :-1] / sums[:, -1:]
    return averages


def _window_sums(
    values: NDArray[np.float64], starts: NDArray[np.intp], length: int
) -> NDArray[np.float64]:
    sums = np.vstack([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])
    windows: NDArray[np.float64] = sums[starts + length] - sums[starts]
    return windows
