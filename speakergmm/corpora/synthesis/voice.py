"""Voices: properties that differ between speakers."""

from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.synthesis.phones import PHONES

Floats = NDArray[np.float64]

SAMPLE_RATE: Final = 16000
"""The only sampling rate of the synthesiser, in Hz."""

N_FORMANTS: Final = 7
"""Number of resonances below 8 kHz: four depend on phones, three on the speaker only."""

_UPPER_FORMANTS: Final = np.array([4500.0, 5500.0, 6500.0])
_BANDWIDTHS: Final = np.array([65.0, 90.0, 130.0, 180.0, 250.0, 320.0, 400.0])


@dataclass(frozen=True, slots=True)
class Voice:
    """Anatomy and habits of a speaker.

    Attributes
    ----------
    sex : {"f", "m"}
        Sex, which determines the means of the other properties.
    f0 : float
        Habitual fundamental frequency, in Hz.
    f0_range : float
        Standard deviation of f0 movements, in semitones.
    formant_scale : float
        Factor on all resonances: length of the reference tract divided by that of the speaker's.
    formant_offsets : dict of str to array, shape (4,)
        Idiosyncratic factors on the first four formants of each phone.
    upper_formants : array, shape (3,)
        Resonances 5 to 7, in Hz.
    bandwidths : array, shape (7,)
        Bandwidths of the resonances, in Hz.
    nasal_scale : float
        Factor on the nasal cavity's zero and pole.
    frication_scale : float
        Factor on the resonances of frication noise.
    open_quotient, speed_quotient : float
        As in `rosenberg_flow`.
    tilt : float
        Pole of the low-pass filter that smooths the closure of the glottis, 0 to 1.
    jitter : float
        Standard deviation of the displacement of pulses, in periods.
    shimmer : float
        Standard deviation of the amplitude of pulses, relative to its mean.
    breathiness : float
        Breath noise in voiced sounds, in dB relative to the glottal source.
    rate : float
        Factor on speaking rate.
    """

    sex: Literal["f", "m"] = "m"
    f0: float = 120.0
    f0_range: float = 2.0
    formant_scale: float = 1.0
    formant_offsets: dict[str, Floats] = field(default_factory=dict)
    upper_formants: Floats = field(default_factory=lambda: _UPPER_FORMANTS.copy())
    bandwidths: Floats = field(default_factory=lambda: _BANDWIDTHS.copy())
    nasal_scale: float = 1.0
    frication_scale: float = 1.0
    open_quotient: float = 0.6
    speed_quotient: float = 2.0
    tilt: float = 0.5
    jitter: float = 0.01
    shimmer: float = 0.05
    breathiness: float = -30.0
    rate: float = 1.0


def random_factors(
    rng: np.random.Generator, spread: float, size: int | tuple[int, ...] | None = None
) -> Floats:
    """Draw log-normal factors around 1, truncated at 2.5 standard deviations."""
    return np.exp(spread * np.clip(rng.standard_normal(size), -2.5, 2.5))


def draw_voice(sex: Literal["f", "m"], rng: np.random.Generator) -> Voice:
    """Draw a speaker.

    Parameters
    ----------
    sex : {"f", "m"}
        Sex; female tracts are about 15 % shorter and f0 is about 0.8 octaves higher.
    rng : numpy.random.Generator
        Generator of everything random about the speaker.

    Returns
    -------
    Voice
    """
    female = sex == "f"

    factor = partial(random_factors, rng)
    # The spread of speakers is such that a GMM-UBM errs in a few per cent of the trials of the
    # default corpus (see make_synthetic_corpus).
    scale = (1.15 if female else 1.0) * float(factor(0.055))
    habit = factor(0.045, 4)
    offsets = {name: habit * factor(0.035, 4) for name in PHONES}
    upper = np.minimum(_UPPER_FORMANTS * scale * factor(0.03, 3), 7700.0)
    return Voice(
        sex=sex,
        f0=(205.0 if female else 118.0) * float(factor(0.13)),
        f0_range=2.0 * float(factor(0.25)),
        formant_scale=scale,
        formant_offsets=offsets,
        upper_formants=upper,
        bandwidths=_BANDWIDTHS * factor(0.15, N_FORMANTS) * scale,
        nasal_scale=scale * float(factor(0.05)),
        frication_scale=float(np.sqrt(scale) * factor(0.05)),
        open_quotient=float(np.clip(rng.normal(0.65 if female else 0.58, 0.06), 0.4, 0.8)),
        speed_quotient=float(np.clip(rng.normal(2.0, 0.3), 1.2, 3.0)),
        tilt=float(np.clip(rng.normal(0.58 if female else 0.5, 0.08), 0.25, 0.8)),
        jitter=0.008 * float(factor(0.4)),
        shimmer=0.05 * float(factor(0.3)),
        breathiness=float(rng.normal(-27.0 if female else -30.0, 3.0)),
        rate=float(factor(0.1)),
    )
