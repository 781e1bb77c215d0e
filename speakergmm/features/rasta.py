"""RASTA: a band-pass filter over time that removes the effect of the channel on log spectra."""

import numpy as np
from numpy.typing import NDArray

POLE = 0.98
NUMERATOR = (0.2, 0.1, 0.0, -0.1, -0.2)


class RastaFilter:
    """Band-pass filter of each feature over time, in consecutive blocks.

    Notes
    -----
    The transfer function is 0.1 (2 + z^-1 - z^-3 - 2 z^-4) / (1 - 0.98 z^-1), that of [1]_ without
    its factor z^4, which only shifts all frames: the output is delayed by about two frames, 20 ms,
    and depends on no future frames. The initial state is that of a constant input equal to the
    first frame, so that a constant yields 0 from the first frame on. Since the filter is linear,
    filtering cepstra is equivalent to filtering log filter energies.

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
        """Return the filtered next frames, shape (T, D), T > 0."""
        from scipy.signal import lfilter  # here, because it is slow to import and rarely needed

        # In float64, since rounding errors persist for 50 frames at this pole.
        frames = block.astype(np.float64)
        if self._state is None:
            # State of the delays after a constant input: sums of the remaining coefficients.
            to_come = np.cumsum(NUMERATOR[:0:-1])[::-1]
            self._state = to_come[:, None] * frames[0]
        filtered, self._state = lfilter(NUMERATOR, (1.0, -POLE), frames, axis=0, zi=self._state)
        return np.asarray(filtered, dtype=np.float32)
