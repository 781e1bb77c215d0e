"""The 30 phones of the artificial language, as a reference vocal tract produces them."""

from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

Manner = Literal["vowel", "glide", "nasal", "fricative", "stop", "silence"]

SILENCE: Final = "sil"


@dataclass(frozen=True, slots=True)
class Frication:
    """Spectrum of the noise at a constriction, with two resonances.

    Attributes
    ----------
    frequencies : tuple of float
        Centres of the two resonances, in Hz.
    bandwidths : tuple of float
        Their -3 dB widths, in Hz.
    level : float
        Level of the noise source, in dB relative to an arbitrary reference shared by all phones.
    """

    frequencies: tuple[float, float]
    bandwidths: tuple[float, float]
    level: float


@dataclass(frozen=True, slots=True)
class Phone:
    """Articulation of a phone by an average adult male with a vocal tract of 17.5 cm.

    Attributes
    ----------
    name : str
        Symbol in the lexicon and in the boundary files.
    formants : tuple of float
        First four resonances in Hz, at the start of the sound.
    end_formants : tuple of float or None
        Resonances at the end of a diphthong; None for other sounds, whose resonances are constant.
    manner : str
        Vowel, glide, nasal, fricative, stop or silence.
    duration : float
        Mean duration in seconds.
    voicing : float or None
        Level of the glottal source in dB, 0 for a vowel; None for voiceless sounds.
    aspiration : float or None
        Level of breath noise that is filtered by the whole tract, in dB; None for no noise.
    yielding : float
        Weight of the formants of neighbouring vowels in the target, from 0 (a fixed locus) to 1 (no
        locus of its own): the slope of a locus equation.
    antiformant : float or None
        Zero of the nasal cavity in Hz; None for oral sounds.
    frication : Frication or None
        Noise at the constriction, or the burst of a stop.
    """

    name: str
    formants: tuple[float, float, float, float]
    end_formants: tuple[float, float, float, float] | None = None
    manner: Manner = "vowel"
    duration: float = 0.1
    voicing: float | None = 0.0
    aspiration: float | None = None
    yielding: float = 0.0
    antiformant: float | None = None
    frication: Frication | None = None


_vowel = partial(Phone, manner="vowel", duration=0.12, yielding=0.1)
_diphthong = partial(Phone, manner="vowel", duration=0.18)
_glide = partial(Phone, manner="glide", duration=0.075, voicing=-3.0, yielding=0.15)
_nasal = partial(Phone, manner="nasal", duration=0.08, voicing=-4.0, yielding=0.4)
_voiceless = partial(Phone, manner="fricative", duration=0.105, voicing=None, yielding=0.4)
_voiced = partial(Phone, manner="fricative", duration=0.08, yielding=0.4)
_voiceless_stop = partial(Phone, manner="stop", duration=0.105, voicing=None, aspiration=-6.0)
_voiced_stop = partial(Phone, manner="stop", duration=0.08, voicing=-16.0)

# A sound whose formants are those of its neighbours.
_neutral = partial(Phone, formants=(500.0, 1500.0, 2500.0, 3500.0), voicing=None, yielding=1.0)

_LABIAL = (230.0, 850.0, 2250.0, 3400.0)
_ALVEOLAR = (230.0, 1800.0, 2700.0, 3400.0)
_VELAR = (230.0, 1950.0, 2350.0, 3400.0)
_LABIAL_BURST = Frication((900.0, 2200.0), (900.0, 2500.0), -12.0)
_ALVEOLAR_BURST = Frication((3900.0, 5600.0), (1200.0, 2500.0), -3.0)
_VELAR_BURST = Frication((1900.0, 4300.0), (500.0, 2500.0), -2.0)


def _hiss(level: float) -> Frication:
    return Frication((4900.0, 6900.0), (1000.0, 1600.0), level)


def _breath(level: float) -> Frication:
    return Frication((1500.0, 7000.0), (4000.0, 4000.0), level)


_SH = Frication((2700.0, 4800.0), (600.0, 1600.0), 2.0)
_X = Frication((1500.0, 3600.0), (500.0, 1500.0), -5.0)

_ALL: Final = (
    _neutral(SILENCE, manner="silence", duration=0.15),
    _vowel("i", (290.0, 2250.0, 2950.0, 3550.0)),
    _vowel("e", (450.0, 2000.0, 2650.0, 3550.0)),
    _vowel("ae", (680.0, 1700.0, 2450.0, 3500.0), duration=0.14),
    _vowel("a", (740.0, 1180.0, 2500.0, 3500.0), duration=0.13),
    _vowel("o", (480.0, 880.0, 2450.0, 3400.0)),
    _vowel("u", (320.0, 840.0, 2300.0, 3350.0)),
    _vowel("ax", (500.0, 1450.0, 2500.0, 3500.0), duration=0.08),
    _vowel("er", (480.0, 1330.0, 1700.0, 3300.0), duration=0.13),
    _diphthong("ai", (720.0, 1250.0, 2500.0, 3500.0), (360.0, 2050.0, 2750.0, 3550.0)),
    _diphthong("au", (720.0, 1350.0, 2500.0, 3500.0), (380.0, 850.0, 2350.0, 3400.0)),
    _glide("w", (300.0, 700.0, 2250.0, 3300.0)),
    _glide("j", (270.0, 2250.0, 3000.0, 3600.0)),
    _glide("r", (350.0, 1150.0, 1600.0, 3250.0)),
    _glide("l", (350.0, 1100.0, 2700.0, 3500.0)),
    _nasal("m", (270.0, 1000.0, 2200.0, 3400.0), antiformant=1050.0),
    _nasal("n", (270.0, 1550.0, 2550.0, 3400.0), antiformant=1650.0),
    _nasal("ng", (270.0, 1950.0, 2450.0, 3400.0), antiformant=3000.0),
    _voiceless("f", (300.0, 1050.0, 2300.0, 3450.0), frication=_breath(-12.0)),
    _voiceless("s", (300.0, 1700.0, 2600.0, 3450.0), frication=_hiss(-3.0)),
    _voiceless("sh", (300.0, 1900.0, 2500.0, 3450.0), frication=_SH),
    _voiceless("x", (300.0, 1400.0, 2300.0, 3450.0), frication=_X),
    _voiced("z", (300.0, 1700.0, 2600.0, 3450.0), voicing=-9.0, frication=_hiss(-9.0)),
    _voiced("v", (300.0, 1050.0, 2300.0, 3450.0), voicing=-7.0, frication=_breath(-20.0)),
    _neutral("h", manner="fricative", duration=0.07, aspiration=-2.0),
    _voiceless_stop("p", _LABIAL, yielding=0.55, frication=_LABIAL_BURST),
    _voiceless_stop("t", _ALVEOLAR, yielding=0.35, frication=_ALVEOLAR_BURST),
    _voiceless_stop("k", _VELAR, yielding=0.65, frication=_VELAR_BURST),
    _voiced_stop("b", _LABIAL, yielding=0.55, frication=_LABIAL_BURST),
    _voiced_stop("d", _ALVEOLAR, yielding=0.35, frication=_ALVEOLAR_BURST),
    _voiced_stop("g", _VELAR, yielding=0.65, frication=_VELAR_BURST),
)

PHONES: Final[dict[str, Phone]] = {phone.name: phone for phone in _ALL}
