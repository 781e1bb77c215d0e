"""Average scores of windows that slide along a recording."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import whole_number


def window_averages(
    frame_scores: NDArray[np.floating[Any]], *, length: int, shift: int = 1
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

    Returns
    -------
    array, shape (N, S)
        Averages over the frames ``n * shift`` to ``n * shift + length - 1``; no rows if the
        recording is shorter than a window.

    Raises
    ------
    InvalidInputError
        If `length` or `shift` is not positive, or the scores are not a finite matrix.

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
    sums = np.vstack([np.zeros((1, scores.shape[1])), np.cumsum(scores, axis=0)])
    starts = np.arange(0, len(scores) - length + 1, shift)
    windows: NDArray[np.float64] = (sums[starts + length] - sums[starts]) / length
    return windows
