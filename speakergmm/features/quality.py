"""Quality of a recording: seconds of speech, noise, bandwidth, clipping and level, in one pass.

A joint histogram of frame powers and of the powers of narrow bands, in decibels, is collected while
the samples pass. Which frames are speech, what the noise is and where the spectrum ends are decided
at its end, so that memory does not depend on the length, and the gain has no influence on any
measure but the level and the clipping.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from math import log10, nan

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from speakergmm.audio import probe, resample_blocks
from speakergmm.corpora import ClippingCounter
from speakergmm.features.config import FeatureConfig, as_feature_config
from speakergmm.features.framing import frame_blocks, window
from speakergmm.features.sample_blocks import Audio, SampleBlocks, is_recording

# Decibels relative to full scale: from below the rounding of 24 bits to beyond the loudest frame.
_LOWEST, _HIGHEST = -150, 10
_N_LEVELS = _HIGHEST - _LOWEST
_FRAMES_PER_STEP = 1024

# Frames of speech lie within 30 dB of the loudest and above twice the power of the noise.
_LOUDEST_SHARE, _SPEECH_RANGE, _SPEECH_TO_NOISE = 0.98, 1e-3, 2.0
_QUIET_SHARE = 0.25
_HIGHEST_SNR = 60.0

_BAND = 125.0
_BAND_SHARE = 0.95
# Bands that are quieter than the strongest by so much, or than the rounding of 16-bit samples in
# such a band by less, hold nothing.
_BAND_RANGE, _ABOVE_ROUNDING = 80.0, 10.0
_ROUNDING = 10 * log10(2.0**-30 / 12)
_LOWEST_LIMIT, _REFERENCE_WIDTH, _TRANSITION = 2000.0, 1000.0, 500.0
_LEAST_DROP, _GREATEST_EXCESS, _EDGE_DROP = 26.0, 6.0, 15.0


@dataclass(frozen=True, slots=True)
class RecordingQuality:
    """Measures of the quality of a recording; see `measure_quality` for their formulas.

    Parameters
    ----------
    speech_seconds : float
        Duration of the frames of speech; 0 if there is none.
    snr_db : float
        Signal-to-noise ratio of the speech, 0 to 60 dB; NaN without speech.
    bandwidth_hz : float
        Frequency above which the recording holds nothing; NaN without speech.
    clipped : float
        Share of samples in runs at full scale, 0 to 1; 0 for no samples.
    level_db : float
        Power of the speech in dB relative to full scale; NaN without speech.
    """

    speech_seconds: float
    snr_db: float
    bandwidth_hz: float
    clipped: float
    level_db: float

    def to_dict(self) -> dict[str, float]:
        """Return the measures by name."""
        return asdict(self)


def measure_quality(
    audio: Audio,
    *,
    sample_rate: int | None = None,
    config: FeatureConfig | str = "speaker",
    start: float = 0.0,
    end: float | None = None,
) -> RecordingQuality:
    """Measure the quality of a recording in one pass and constant memory.

    Parameters
    ----------
    audio, sample_rate, start, end
        As in `FeatureExtractor.extract`.
    config : FeatureConfig or str, default="speaker"
        Features for which the recording is judged: length and shift of frames, and the sampling
        rate, above half of which no band is measured. Recordings at lower rates are not converted.

    Returns
    -------
    RecordingQuality
        Silence, steady noise, and audio shorter than a frame hold no speech: `speech_seconds` is 0,
        and measures of speech are NaN.

    Raises
    ------
    AudioError, InvalidInputError, InvalidTypeError
        As in `FeatureExtractor.extract`.

    Notes
    -----
    P is the mean square of a frame after removal of its mean; full scale is 1.

    - *Noise* N: mean of P over the quietest quarter of the frames.
    - *Speech*: frames with P above both 2 N and a thousandth (-30 dB) of the 98th percentile of P.
      Its number times the shift are `speech_seconds`; `level_db` is 10 log10(mean of P over them).
    - ``snr_db = 10 log10((mean of P over speech - N) / N)``, at most 60 dB. As the quietest quarter
      is quieter than the mean of a noise that fluctuates, and only the loudest frames stand out of
      a loud noise, it is too high: for white and pink noise and babble added to speech by 0.5 to
      3 dB at 20 dB, 1 to 4 dB at 10 dB, 2 to 5 dB at 5 dB and 3 to 6 dB at 0 dB, with a standard
      deviation of 1 dB among recordings. Where speech has no pauses, the quarter holds speech, and
      20 to 30 dB are the most that is found.
    - `bandwidth_hz`: bands of 125 Hz have the levels L, the 95th percentile of their power over
      speech (fricatives are short), and M, the same over the quietest quarter. Levels are raised to
      80 dB below the greatest L, and to 10 dB above the rounding of 16-bit samples. A limit at f is
      a fall by at least 26 dB from the median of L over the 1000 Hz below f to the greatest L from
      f + 500 Hz on, where no L may exceed M by 6 dB or more, f being 2 kHz or above; of several the
      deepest fall counts. The bandwidth is the upper end of the highest band below f + 500 Hz that
      lies within 15 dB of that median; without a limit it is half the sampling rate. Steep limits
      are found to within 0.2 kHz (a telephone at 3.4 to 3.9 kHz), gentle ones late or not at all,
      and so are those of a second of speech with little energy near the limit.
    - `clipped`: samples in runs of three or more equal ones at full scale; see `ClippingCounter`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(scale=0.001, size=32000)
    >>> noise[8000:16000] += rng.normal(scale=0.1, size=8000)
    >>> found = measure_quality(noise, sample_rate=16000)
    >>> round(found.speech_seconds, 2), round(found.snr_db), round(found.level_db)
    (0.52, 40, -20)
    """
    config = as_feature_config(config)
    native = probe(audio).sample_rate if is_recording(audio) else sample_rate or config.sample_rate
    blocks = SampleBlocks(audio, native, sample_rate=sample_rate, start=start, end=end)
    clipping = _Clipping()
    rate = min(native, config.sample_rate)
    levels = _Levels(rate)
    length = max(1, round(config.frame_length * rate))
    shift = max(1, round(config.frame_shift * rate))
    at_rate = resample_blocks(clipping.counted(blocks()), native, rate)
    for frames in frame_blocks(at_rate, length=length, shift=shift):
        for first in range(0, len(frames), _FRAMES_PER_STEP):
            levels.add(frames[first : first + _FRAMES_PER_STEP])
    speech = levels.speech()
    n_speech = int(levels.counts[speech].sum())
    if not n_speech:
        return RecordingQuality(0.0, nan, nan, clipping.share, nan)
    power = float(levels.sums[speech].sum()) / n_speech
    noise = levels.noise()
    snr = 10 * log10((power - noise) / noise) if noise > 0 else _HIGHEST_SNR
    return RecordingQuality(
        speech_seconds=n_speech * shift / rate,
        snr_db=min(snr, _HIGHEST_SNR),
        bandwidth_hz=_bandwidth(levels.bands(speech), levels.bands(levels.quiet()), rate),
        clipped=clipping.share,
        level_db=10 * log10(power),
    )


class _Clipping:
    """Share of clipped samples in blocks that are passed on."""

    def __init__(self) -> None:
        self._counter = ClippingCounter()
        self._n_samples = 0

    def counted(self, blocks: Iterator[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
        for block in blocks:
            self._counter.add(block)
            self._n_samples += len(block)
            yield block

    @property
    def share(self) -> float:
        return self._counter.total / self._n_samples if self._n_samples else 0.0


class _Levels:
    """Joint histogram of the powers of frames and of their bands, in steps of 1 dB.

    Attributes
    ----------
    counts, sums : arrays, shape (n_levels,)
        Number of frames at each level of power, and the sum of their powers.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self.n_bands = max(1, int(rate / 2 / _BAND))
        self.counts = np.zeros(_N_LEVELS, np.int64)
        self.sums = np.zeros(_N_LEVELS)
        self._joint = np.zeros(_N_LEVELS * self.n_bands * _N_LEVELS, np.int32)

    def add(self, frames: NDArray[np.float32]) -> None:
        """Add consecutive frames, shape (T, length)."""
        centred = frames - frames.mean(axis=1, keepdims=True)
        power = np.vecdot(centred, centred).astype(np.float64) / centred.shape[1]
        level = _level_index(power)
        self.counts += np.bincount(level, minlength=_N_LEVELS)
        self.sums += np.bincount(level, weights=power, minlength=_N_LEVELS)
        of_band = _level_index(self._band_powers(centred))
        place = (level[:, None] * self.n_bands + np.arange(self.n_bands)) * _N_LEVELS + of_band
        np.add.at(self._joint, place.ravel(), np.int32(1))

    def _band_powers(self, frames: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the mean squares of frames in bands, shape (T, n_bands)."""
        length = frames.shape[1]
        n_fft = 1 << (length - 1).bit_length()
        taper = window("hann", length, periodic=True).astype(np.float32)
        spectrum = np.abs(np.fft.rfft(frames * taper, n_fft)) ** 2
        band = (np.arange(n_fft // 2 + 1) * (self._rate / n_fft) / _BAND).astype(np.int64)
        starts = np.searchsorted(band, np.arange(self.n_bands + 1))
        sums = np.cumsum(np.pad(spectrum, ((0, 0), (1, 0))), axis=1, dtype=np.float64)
        scale = 2 / (n_fft * float(np.vecdot(taper, taper)))
        return np.asarray((sums[:, starts[1:]] - sums[:, starts[:-1]]) * scale)

    def quiet(self) -> slice:
        """Return the levels of the quietest quarter of the frames."""
        return slice(0, int(_first_reaching(self.counts, _QUIET_SHARE)) + 1)

    def noise(self) -> float:
        """Return the mean power of the quietest quarter of the frames."""
        wanted = max(1.0, _QUIET_SHARE * float(self.counts.sum()))
        before = self.counts.cumsum() - self.counts
        taken = np.clip(wanted - before, 0, self.counts)
        return float(taken @ (self.sums / np.maximum(self.counts, 1)) / wanted)

    def speech(self) -> NDArray[np.bool_]:
        """Return a mask of the levels of speech."""
        if not self.counts.any():
            return np.zeros(_N_LEVELS, bool)
        mean = self.sums / np.maximum(self.counts, 1)
        loudest = float(mean[int(_first_reaching(self.counts, _LOUDEST_SHARE))])
        least = max(loudest * _SPEECH_RANGE, self.noise() * _SPEECH_TO_NOISE)
        return np.asarray(mean > least)

    def bands(self, levels: NDArray[np.bool_] | slice) -> NDArray[np.float64]:
        """Return the 95th percentile of the level of each band over some frames, in dB."""
        joint = self._joint.reshape(_N_LEVELS, self.n_bands, _N_LEVELS)
        taken = np.arange(_N_LEVELS)[levels]
        counts = joint[taken[self.counts[taken] > 0]].sum(axis=0, dtype=np.int64)
        return np.asarray(_first_reaching(counts, _BAND_SHARE) + (_LOWEST + 0.5), np.float64)


def _level_index(power: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the places of powers in a histogram of decibels."""
    level = 10 * np.log10(np.maximum(power, 10 ** (_LOWEST / 10)))
    return np.clip((level - _LOWEST).astype(np.int64), 0, _N_LEVELS - 1)


def _first_reaching(counts: NDArray[np.int64], share: float) -> NDArray[np.int64]:
    """Return the first places along the last axis up to which a share of all counts lies."""
    sums = counts.cumsum(axis=-1)
    return np.asarray((sums < np.maximum(1.0, share * sums[..., -1:])).sum(axis=-1))


def _bandwidth(speech: NDArray[np.float64], quiet: NDArray[np.float64], rate: int) -> float:
    """Return the frequency of the deepest fall of the levels of bands, or half the rate."""
    n_bands = len(speech)
    rounding = _ROUNDING - 10 * log10(n_bands) + _ABOVE_ROUNDING
    floor = max(float(speech.max()) - _BAND_RANGE, rounding)
    speech, quiet = np.maximum(speech, floor), np.maximum(quiet, floor)
    width, gap = round(_REFERENCE_WIDTH / _BAND), round(_TRANSITION / _BAND)
    medians = np.median(sliding_window_view(speech, min(width, n_bands)), axis=1)
    deepest, found = _LEAST_DROP, rate / 2
    for limit in range(round(_LOWEST_LIMIT / _BAND), n_bands - gap + 1):
        above = slice(min(limit + gap, n_bands - 1), None)
        reference = float(medians[limit - width])
        drop = reference - float(speech[above].max())
        if drop > deepest and (speech - quiet)[above].max() < _GREATEST_EXCESS:
            inside = np.flatnonzero(speech[: limit + gap] >= reference - _EDGE_DROP)
            deepest, found = drop, (int(inside[-1]) + 1) * _BAND
    return float(found)
