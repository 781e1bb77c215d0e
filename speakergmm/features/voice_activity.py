"""Voice activity detection by log energy, with a threshold that adapts to the recording.

There are two rules for the threshold: from the mean log energy of the recording, or from two
Gaussians fitted to its log energies. Both are followed by a vote among neighbouring frames and by
hangover. Log energies are collected in a histogram, so that memory does not depend on the length of
the recording.
"""

import math
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.features.blocks import range_sums
from speakergmm.features.config import FeatureConfig
from speakergmm.features.recording_level import RecordingLevel

# Range in nats of 16-bit units: from far below one step to beyond the loudest frame.
_LOWEST, _HIGHEST, _BINS_PER_NAT = -20.0, 45.0, 20
_EM_ITERATIONS = 100
_EM_TOLERANCE = 1e-6
# The histogram cannot resolve a Gaussian that is narrower than one or two bins.
_LEAST_VARIANCE = 0.01
# A peak below this multiple of `vad_floor` is not moved: it is that of silence.
_SILENT_PEAK = 4.0


class EnergyHistogram:
    """Histogram of the log energies of a recording, which determines the threshold.

    The width of bins is 0.05 nat; the mean is exact.
    """

    def __init__(self) -> None:
        n_bins = round((_HIGHEST - _LOWEST) * _BINS_PER_NAT)
        self.counts = np.zeros(n_bins, np.int64)
        self._sum = 0.0
        self.centres = _LOWEST + (np.arange(n_bins) + 0.5) / _BINS_PER_NAT

    def add(self, log_energy: NDArray[np.float32]) -> None:
        """Add the log energies of a block of frames, shape (T,)."""
        index = ((log_energy.astype(np.float64) - _LOWEST) * _BINS_PER_NAT).astype(np.int64)
        np.clip(index, 0, len(self.counts) - 1, out=index)
        self.counts += np.bincount(index, minlength=len(self.counts))
        self._sum += float(log_energy.sum(dtype=np.float64))

    @classmethod
    def of(cls, log_energy: NDArray[np.float32]) -> Self:
        """Return the histogram of the log energies of a whole recording, shape (T,)."""
        histogram = cls()
        histogram.add(log_energy)
        return histogram

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean log energy, in nats."""
        return self._sum / self.n_frames


def two_gaussian_threshold(
    histogram: EnergyHistogram, *, posterior: float = 0.5, separation: float = 2.0
) -> float | None:
    """Return the log energy at which the louder of two Gaussians has a given posterior.

    Parameters
    ----------
    histogram : EnergyHistogram
        Log energies of the whole recording, at least one.
    posterior : float, default=0.5
        Posterior probability of the louder Gaussian, between 0 and 1.
    separation : float, default=2.0
        Least distance of the two means, in nats.

    Returns
    -------
    float or None
        Threshold in nats of 16-bit units, between the means; None if the means are closer than
        `separation`, as in recordings of only speech or only silence.

    Notes
    -----
    The Gaussians are estimated from the histogram by expectation-maximisation, with the 10th and
    90th percentiles as initial means.
    """
    # Initial parameters: percentiles as means, half the standard deviation of all frames.
    used = histogram.counts > 0
    x, counts = histogram.centres[used], histogram.counts[used].astype(np.float64)
    total = counts.sum()
    share = counts.cumsum() / total
    means = x[np.searchsorted(share, [0.1, 0.9])]
    mean = counts @ x / total
    variances = np.full(2, max(counts @ (x - mean) ** 2 / total / 4, _LEAST_VARIANCE))
    weights = np.full(2, 0.5)

    def log_joint(at: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return log(weight * density) of both Gaussians, shape (2, len(at))."""
        distance = (at - means[:, None]) ** 2 / variances[:, None]
        scale = np.log(np.maximum(weights, 1e-300)) - 0.5 * np.log(2 * np.pi * variances)
        return np.asarray(scale[:, None] - 0.5 * distance)

    # EM until the mean log-likelihood per frame no longer increases.
    previous = -np.inf
    for _ in range(_EM_ITERATIONS):
        joint = log_joint(x)
        likelihood = np.logaddexp(joint[0], joint[1])
        responsibility = np.exp(joint - likelihood) * counts
        occupancy = np.maximum(responsibility.sum(axis=1), 1e-10)
        weights = occupancy / occupancy.sum()
        means = responsibility @ x / occupancy
        squares = (responsibility * (x - means[:, None]) ** 2).sum(axis=1)
        variances = np.maximum(squares / occupancy, _LEAST_VARIANCE)
        current = counts @ likelihood / total
        if current - previous < _EM_TOLERANCE:
            break
        previous = current
    low, high = np.argsort(means)
    if means[high] - means[low] < separation:
        return None
    # Between the means the log odds of the louder Gaussian increase; find where they cross.
    levels = np.linspace(means[low], means[high], 1001)
    joint = log_joint(levels)
    above = joint[high] - joint[low] > np.log(posterior / (1 - posterior))
    return float(levels[np.argmax(above)] if above.any() else levels[-1])


def smoothed_decisions(
    loud: ArrayLike, *, context: int = 0, proportion: float = 0.5, hangover: int = 0
) -> NDArray[np.bool_]:
    """Smooth decisions by a vote among neighbouring frames, followed by hangover.

    Parameters
    ----------
    loud : array of bool, shape (T,)
        Decision for each frame on its own.
    context : int, default=0
        Number of frames on each side that vote; fewer at the ends of the recording.
    proportion : float, default=0.5
        A frame is speech if more than this share of the voting frames is loud.
    hangover : int, default=0
        Number of frames that remain speech after the last frame of speech.

    Returns
    -------
    array of bool, shape (T,)
        Mask of speech; each frame depends on ``context + hangover`` frames before it and on
        `context` frames after it.

    Examples
    --------
    >>> smoothed_decisions([0, 0, 1, 0, 0, 0], context=1, proportion=0.3, hangover=1).astype(int)
    array([0, 1, 1, 1, 1, 0])
    """
    raw = np.asarray(loud, dtype=bool)
    if raw.ndim != 1:
        raise InvalidInputError(f"decisions must have shape (T,), found {raw.shape}")
    frames = np.arange(len(raw))
    first, last = np.maximum(frames - context, 0), np.minimum(frames + context + 1, len(raw))
    speech = range_sums(raw, first, last) > proportion * (last - first)
    if hangover:
        speech = range_sums(speech, np.maximum(frames - hangover, 0), frames + 1) > 0
    return speech


class SpeechRule:
    """Voice activity detection as a feature configuration defines it.

    Parameters
    ----------
    config : FeatureConfig
        Configuration with the rule and its parameters.

    Attributes
    ----------
    hangover : int
        Number of frames after speech that count as speech.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self.hangover = config.grid(0).count(config.vad_hangover)
        self._least = config.frame_samples * config.vad_floor**2

    def log_energy(
        self, energy: NDArray[np.float32], level: RecordingLevel | None = None
    ) -> NDArray[np.float32]:
        """Return log energies of frames in nats of 16-bit units, whatever the scale of samples.

        Parameters
        ----------
        energy : array of float32, shape (T,)
            Sums of squares of the frames.
        level : RecordingLevel, optional
            Level of the recording, whose peak is moved to `vad_peak`, unless that is None.
        """
        moved = energy * np.float32(self._gain(level))
        return np.asarray(np.log(np.maximum(moved, np.float32(self._least))))

    def _gain(self, level: RecordingLevel | None) -> float:
        """Return the factor from energies to those of 16-bit units, or of the moved recording."""
        to_steps = (32768.0 / self.config.sample_scale) ** 2
        if level is None or self.config.vad_peak is None:
            return to_steps
        is_silent = level.peak * to_steps < _SILENT_PEAK**2 * self._least
        return to_steps if is_silent else math.exp(self.config.vad_peak) / level.peak

    def loud_above(self, histogram: EnergyHistogram, level: RecordingLevel | None = None) -> float:
        """Return the log energy above which frames of a recording are loud.

        Parameters
        ----------
        histogram : EnergyHistogram
            Log energies of the recording, from `log_energy`.
        level : RecordingLevel, optional
            Its level; needed for `vad_peak` and `vad_above_noise`.
        """
        threshold = self.threshold(histogram)
        above_noise = self.config.vad_above_noise
        if level is None or above_noise is None:
            return threshold
        noise = max(level.noise * self._gain(level), self._least)
        return max(threshold, math.log(noise) + above_noise)

    def threshold(self, histogram: EnergyHistogram) -> float:
        """Return the threshold of the rule, in nats of 16-bit units.

        Unless two Gaussians determine it, it is threshold + scale * mean of the recording [1]_.

        References
        ----------
        .. [1] Povey et al., "The Kaldi Speech Recognition Toolkit", ASRU 2011, whose energy-based
           detection uses this rule.
        """
        config = self.config
        if config.voice_activity == "two_gaussian":
            found = two_gaussian_threshold(
                histogram, posterior=config.vad_posterior, separation=config.vad_separation
            )
            if found is not None:
                return found
        return config.vad_threshold + config.vad_mean_scale * histogram.mean

    def smoothed(self, loud: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the mask of speech for a mask of loud frames; see `smoothed_decisions`."""
        return smoothed_decisions(
            loud,
            context=self.config.vad_context,
            proportion=self.config.vad_proportion,
            hangover=self.hangover,
        )
