"""Time derivatives (deltas) of features by linear regression."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import whole_number


def deltas(values: ArrayLike, *, window: int = 2) -> NDArray[np.float32]:
    """Return the slope of the regression line through neighbouring frames.

    Parameters
    ----------
    values : array, shape (T, D)
        Features, T > 0; the first and the last frame are repeated beyond the ends.
    window : int, default=2
        Number N of frames on each side.

    Returns
    -------
    array of float32, shape (T, D)
        Slopes per frame: the sum over n = 1..N of n (x[t+n] - x[t-n]), divided by 2 sum n^2 [1]_.

    Raises
    ------
    InvalidInputError
        If `values` is not a matrix with rows, or `window` is less than 1.

    References
    ----------
    .. [1] Young et al., "The HTK Book", section 5.9, equation 5.16.

    Examples
    --------
    >>> deltas([[0.0], [1.0], [2.0], [3.0], [4.0]])[2].tolist()
    [1.0]
    """
    matrix = np.asarray(values, dtype=np.float32)
    if matrix.ndim != 2 or len(matrix) == 0:
        raise InvalidInputError(f"deltas need values of shape (T, D), T > 0, found {matrix.shape}")
    whole_number("window", window)
    n_frames = len(matrix)
    first, last = (np.repeat(end, window, axis=0) for end in (matrix[:1], matrix[-1:]))
    padded = np.concatenate([first, matrix, last])
    slope = np.zeros_like(matrix)
    for n in range(1, window + 1):
        ahead = padded[window + n : window + n + n_frames]
        behind = padded[window - n : window - n + n_frames]
        slope += np.float32(n) * (ahead - behind)
    slope /= np.float32(2 * sum(n * n for n in range(1, window + 1)))
    return slope


def with_deltas(values: ArrayLike, *, order: int, window: int = 2) -> NDArray[np.float32]:
    """Append derivatives up to an order, each one the regression slope of the previous one.

    Parameters
    ----------
    values : array, shape (T, D)
        Static features.
    order : int
        Highest order: 0 for none, 2 for deltas and delta-deltas.
    window : int, default=2
        Number of frames on each side; a frame depends on ``order * window`` frames on each side.

    Returns
    -------
    array of float32, shape (T, (order + 1) * D)
        Static features, followed by the derivatives.
    """
    parts = [np.asarray(values, dtype=np.float32)]
    for _ in range(order):
        parts.append(deltas(parts[-1], window=window))
    return np.concatenate(parts, axis=1)
