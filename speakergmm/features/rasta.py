"""RASTA: a band-pass filter along time that removes what the channel adds to log spectra."""

import numpy as np
from numpy.typing import NDArray

POLE = 0.98
NUMERATOR = (0.2, 0.1, 0.0, -0.1, -0.2)


class RastaFilter:
    """Filter each feature over time, block after block.

    Notes
    -----
    The transfer function is 0.1 (2 + z^-1 - z^-3 - 2 z^-4) / (1 - 0.98 z^-1), that of [1]_ without
    its factor z^4, which only moves all frames: output comes about two frames late, 20 ms, and
    needs no frames ahead. The filter starts as if the first frame had gone on for ever before, so
    that a constant gives 0 from the first frame on. The filter is linear, hence the same on
    cepstra as on the log energies of the filters.

    References
    ----------
    .. [1] Hermansky, Morgan, "RASTA processing of speech", IEEE Transactions on Speech and Audio
       Processing 2 (1994) 578-589.

    Examples
    --------
    >>> bool(np.allclose(RastaFilter()(np.full((4, 1), 7.0)), 0.0))
    True
    """

    def __init__(self) -> None:
        self._state: NDArray[np.float64] | None = None

    def __call__(self, block: NDArray[np.floating]) -> NDArray[np.float32]:
        """Return the next frames filtered, shape (T, D), T > 0."""
        from scipy.signal import lfilter  # here, because it is slow to import and rarely needed

        # In float64: the pole keeps rounding errors for 50 frames.
        frames = block.astype(np.float64)
        if self._state is None:
            # What a constant input leaves in the delays: the part of the numerator still to come.
            to_come = np.cumsum(NUMERATOR[:0:-1])[::-1]
            self._state = to_come[:, None] * frames[0]
        filtered, self._state = lfilter(NUMERATOR, (1.0, -POLE), frames, axis=0, zi=self._state)
        return np.asarray(filtered, dtype=np.float32)
