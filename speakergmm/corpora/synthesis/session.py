"""Recording sessions: microphone, room, level and the speaker's condition."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from speakergmm.corpora.synthesis.voice import SAMPLE_RATE, Floats

_TAPS: Final = 257


def _flat() -> Floats:
    return np.asarray(np.eye(1, _TAPS, _TAPS // 2)[0])


@dataclass(frozen=True, slots=True)
class SessionConditions:
    """Conditions that are common to all recordings of a session.

    Attributes
    ----------
    channel : array, shape (257,)
        Symmetric impulse response of microphone and room, without delay.
    room : array, shape (257,)
        Spectrum of the background noise, as a symmetric impulse response.
    snr : float
        Power of the speech without silences relative to that of the noise, in dB; inf for no noise.
    level : float
        Root mean square of the speech without silences, in dB relative to full scale.
    f0_factor, rate_factor : float
        Factors on the speaker's f0 and speaking rate.
    tilt_shift : float
        Change of the glottal source's pole: vocal effort.
    """

    channel: Floats = field(default_factory=_flat)
    room: Floats = field(default_factory=_flat)
    snr: float = float("inf")
    level: float = -26.0
    f0_factor: float = 1.0
    rate_factor: float = 1.0
    tilt_shift: float = 0.0


def linear_phase(frequencies: Floats, levels: Floats) -> Floats:
    """Return a symmetric filter with a smooth response through given levels.

    Parameters
    ----------
    frequencies : array, shape (P,)
        Increasing frequencies in Hz.
    levels : array, shape (P,)
        Levels in dB, interpolated linearly over log frequency.

    Returns
    -------
    array, shape (257,)
        Impulse response; a convolution of which the middle part is kept has no delay.
    """
    size = 4 * (_TAPS - 1)
    grid = np.maximum(np.fft.rfftfreq(size, 1.0 / SAMPLE_RATE), 1.0)
    magnitude = 10.0 ** (np.interp(np.log(grid), np.log(frequencies), levels) / 20.0)
    impulse = np.roll(np.fft.irfft(magnitude), _TAPS // 2)[:_TAPS]
    return np.asarray(impulse * np.hanning(_TAPS + 2)[1:-1])


def draw_session(rng: np.random.Generator) -> SessionConditions:
    """Draw the conditions of a session.

    Parameters
    ----------
    rng : numpy.random.Generator
        Generator of everything random about the session.

    Returns
    -------
    Session
    """
    knots = np.array([60.0, 150.0, 300.0, 600.0, 1200.0, 2400.0, 4000.0, 6000.0, 7900.0])
    wobble = rng.normal(0.0, 1.2, len(knots))
    wobble[0] -= 12.0
    wobble[-1] -= 3.0
    # The level of room noise decreases with frequency, from ventilation hum to hiss.
    slope = rng.uniform(-7.0, -3.0)
    hum = slope * np.log2(knots / knots[0]) + rng.normal(0.0, 2.0, len(knots))
    return SessionConditions(
        channel=linear_phase(knots, wobble),
        room=linear_phase(knots, hum - hum.max()),
        snr=float(rng.uniform(28.0, 40.0)),
        level=float(np.clip(rng.normal(-26.0, 1.5), -34.0, -20.0)),
        f0_factor=float(np.exp(rng.normal(0.0, 0.04))),
        rate_factor=float(np.exp(rng.normal(0.0, 0.06))),
        tilt_shift=float(rng.normal(0.0, 0.03)),
    )
