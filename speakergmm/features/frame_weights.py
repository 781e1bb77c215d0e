"""Weights of frames by their local signal-to-noise ratio: soft decisions about speech."""

import numpy as np
from numpy.typing import NDArray

from speakergmm.features.config import FeatureConfig
from speakergmm.features.recording_level import RecordingLevel

# Log energy to which the peak of a recording is moved, in nats, before powers are compared with 1.
_REFERENCE_PEAK = 25.0
_NATS_PER_DECIBEL = np.log(10.0) / 10.0


class LocalSnr:
    """Weights of frames by how far their filter energies lie above the noise of the recording.

    Parameters
    ----------
    config : FeatureConfig
        Configuration with `snr_midpoint` and `snr_slope`, and the unit of log filter energies.

    Notes
    -----
    The ratio of a frame is the mean over filters of ln(power + 1) - ln(noise + 1), in nats, where
    noise is the mean power of the quietest quarter of the frames. Powers are those of a recording
    whose peak has been moved to a log energy of 25 nats, a loud recording of 16 bits; 1 is far
    below the noise of any room, so that digital silence counts as little as noise.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        to_nats = 1.0 if config.logarithm == "natural" else _NATS_PER_DECIBEL
        self._to_log_power = np.float32(to_nats * (1 if config.spectrum == "power" else 2))

    def powers(
        self, log_filters: NDArray[np.float32], level: RecordingLevel
    ) -> NDArray[np.float32]:
        """Return filter powers of frames, shape (T, n_filters), of the recording moved in level."""
        moved = log_filters * self._to_log_power
        moved += np.float32(_REFERENCE_PEAK - level.log_peak)
        return np.asarray(np.exp(moved, out=moved))

    def weights(
        self, log_filters: NDArray[np.float32], level: RecordingLevel, noise: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the weights of frames.

        Parameters
        ----------
        log_filters : array of float32, shape (T, n_filters)
            Log filter energies.
        level : RecordingLevel
            Level of the recording.
        noise : array of float64, shape (n_filters,)
            Mean of `powers` of its quiet frames.

        Returns
        -------
        array of float32, shape (T,)
            1 / (1 + exp(-(ratio - midpoint) / slope)), 0 to 1.
        """
        powers = self.powers(log_filters, level)
        powers += np.float32(1.0)
        ratio = np.log(powers, out=powers).mean(axis=1) - np.float32(np.log1p(noise).mean())
        slopes = (ratio - np.float32(self.config.snr_midpoint)) / np.float32(self.config.snr_slope)
        # The logistic function without overflow.
        return np.asarray(0.5 + 0.5 * np.tanh(0.5 * slopes), dtype=np.float32)
