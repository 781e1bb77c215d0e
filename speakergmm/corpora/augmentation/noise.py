"""Steady noise: white, pink, brown, or with the spectrum of the recording's own speech."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.augmentation.active_speech import mixed
from speakergmm.corpora.augmentation.condition import Condition, Samples

COLOURS = ("white", "pink", "brown", "speech")
"""Kinds of noise."""

# Decay of the amplitude with frequency: the power falls by 3 dB per octave for each half.
_SLOPES = {"pink": 0.5, "brown": 1.0}
_LOWEST_HZ = 40.0
_TAPS = 1024
_SPEECH_TAPS = 512


@dataclass(frozen=True, slots=True)
class Noise(Condition):
    """Steady noise.

    Parameters
    ----------
    snr_db : (float, float)
        Range of the ratio of active speech to noise, in dB.
    colours : tuple of str
        Kinds of noise, of which each recording has one: white; pink and brown, whose power falls by
        3 and 6 dB per octave from 40 Hz on; and speech, with the mean spectrum of the first 30
        seconds of the recording.
    """

    snr_db: tuple[float, float] = (5.0, 20.0)
    colours: tuple[str, ...] = COLOURS

    def change(
        self, pieces: Iterator[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield the recording in noise; see `Condition.change`."""
        snr = rng.uniform(*self.snr_db)
        colour = self.colours[rng.integers(len(self.colours))]
        first = next(pieces, None)
        if first is None:
            return pieces
        response = None
        if colour == "speech":
            response = _speech_response(first)
        elif colour != "white":
            response = _coloured_response(rate, _SLOPES[colour])

        def sound(n: int) -> Samples:
            from scipy.signal import oaconvolve

            if response is None:
                return rng.standard_normal(n, np.float32)
            white = rng.standard_normal(n + len(response) - 1, np.float32)
            return np.asarray(oaconvolve(white, response, mode="valid"), np.float32)

        return mixed(chain([first], pieces), rate, sound, snr)


@lru_cache(maxsize=8)
def _coloured_response(rate: int, slope: float) -> NDArray[np.float32]:
    """Return an impulse response whose amplitude falls with a power of the frequency."""
    frequencies = np.maximum(np.fft.rfftfreq(2 * _TAPS, 1.0 / rate), _LOWEST_HZ)
    return _impulse(frequencies**-slope, _TAPS)


def _speech_response(samples: Samples) -> NDArray[np.float32]:
    """Return an impulse response with the mean spectrum of samples."""
    n_frames = max(1, 2 * (len(samples) // _SPEECH_TAPS) - 1)
    padded = np.zeros((n_frames + 1) * _SPEECH_TAPS // 2, np.float32)
    padded[: min(len(samples), len(padded))] = samples[: len(padded)]
    frames = np.lib.stride_tricks.sliding_window_view(padded, _SPEECH_TAPS)[:: _SPEECH_TAPS // 2]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(_SPEECH_TAPS), n=2 * _SPEECH_TAPS))
    return _impulse(np.sqrt(np.mean(spectra**2, axis=0)), _SPEECH_TAPS)


def _impulse(amplitudes: NDArray[np.floating], taps: int) -> NDArray[np.float32]:
    """Return the symmetric impulse response with the given amplitudes, faded at both ends."""
    whole = np.roll(np.fft.irfft(amplitudes), taps // 2)[:taps]
    return np.asarray(whole * np.hanning(taps + 2)[1:-1], np.float32)
