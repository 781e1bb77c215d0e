"""The sounds of the invented language: what a reference vocal tract does for 30 phones."""

from dataclasses import dataclass, field
from typing import Final, Literal

Manner = Literal["vowel", "glide", "nasal", "fricative", "stop", "silence"]

SILENCE: Final = "sil"


@dataclass(frozen=True, slots=True)
class Frication:
    """Shape of the noise made at a constriction: two resonances.

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
    """What an average adult male with a 17.5 cm vocal tract does for one sound.

    Attributes
    ----------
    name : str
        Symbol in the lexicon and in the boundary files.
    manner : str
        Vowel, glide, nasal, fricative, stop or silence.
    formants : tuple of float
        First four resonances in Hz, at the start of the sound.
    end_formants : tuple of float or None
        Where the resonances arrive; None where they stay (all but diphthongs).
    duration : float
        Mean duration in seconds.
    voicing : float or None
        Level of the glottal source in dB, 0 for a vowel; None for voiceless sounds.
    aspiration : float or None
        Level of breath noise sent through the whole tract, in dB; None for none.
    yielding : float
        Share of the neighbouring vowels' formants in the target, between 0 (a fixed locus) and 1
        (no place of its own): the slope of a locus equation.
    antiformant : float or None
        Zero of the nasal cavity in Hz; None for oral sounds.
    frication : Frication or None
        Noise at the constriction, or the burst of a stop.
    """

    name: str
    manner: Manner
    formants: tuple[float, float, float, float]
    end_formants: tuple[float, float, float, float] | None = None
    duration: float = 0.1
    voicing: float | None = 0.0
    aspiration: float | None = None
    yielding: float = 0.0
    antiformant: float | None = None
    frication: Frication | None = field(default=None)


def _vowel(name: str, *formants: float, duration: float = 0.12) -> Phone:
    f1, f2, f3, f4 = formants
    return Phone(name, "vowel", (f1, f2, f3, f4), duration=duration, yielding=0.1)


def _glide(name: str, *formants: float) -> Phone:
    f1, f2, f3, f4 = formants
    return Phone(name, "glide", (f1, f2, f3, f4), duration=0.075, voicing=-3.0, yielding=0.15)


def _nasal(name: str, f2: float, f3: float, zero: float) -> Phone:
    return Phone(
        name,
        "nasal",
        (270.0, f2, f3, 3400.0),
        duration=0.08,
        voicing=-4.0,
        yielding=0.4,
        antiformant=zero,
    )


def _fricative(
    name: str, f2: float, f3: float, noise: Frication, *, voicing: float | None = None
) -> Phone:
    return Phone(
        name,
        "fricative",
        (300.0, f2, f3, 3450.0),
        duration=0.105 if voicing is None else 0.08,
        voicing=voicing,
        yielding=0.4,
        frication=noise,
    )


def _stop(name: str, f2: float, f3: float, k: float, burst: Frication, *, voiced: bool) -> Phone:
    return Phone(
        name,
        "stop",
        (230.0, f2, f3, 3400.0),
        duration=0.08 if voiced else 0.105,
        voicing=-16.0 if voiced else None,
        aspiration=None if voiced else -6.0,
        yielding=k,
        frication=burst,
    )


_LABIAL_BURST = Frication((900.0, 2200.0), (900.0, 2500.0), -12.0)
_ALVEOLAR_BURST = Frication((3900.0, 5600.0), (1200.0, 2500.0), -3.0)
_VELAR_BURST = Frication((1900.0, 4300.0), (500.0, 2500.0), -2.0)

_ALL: Final = (
    Phone(
        SILENCE,
        "silence",
        (500.0, 1500.0, 2500.0, 3500.0),
        duration=0.15,
        voicing=None,
        yielding=1.0,
    ),
    _vowel("i", 290.0, 2250.0, 2950.0, 3550.0),
    _vowel("e", 450.0, 2000.0, 2650.0, 3550.0),
    _vowel("ae", 680.0, 1700.0, 2450.0, 3500.0, duration=0.14),
    _vowel("a", 740.0, 1180.0, 2500.0, 3500.0, duration=0.13),
    _vowel("o", 480.0, 880.0, 2450.0, 3400.0),
    _vowel("u", 320.0, 840.0, 2300.0, 3350.0),
    _vowel("ax", 500.0, 1450.0, 2500.0, 3500.0, duration=0.08),
    _vowel("er", 480.0, 1330.0, 1700.0, 3300.0, duration=0.13),
    Phone(
        "ai",
        "vowel",
        (720.0, 1250.0, 2500.0, 3500.0),
        (360.0, 2050.0, 2750.0, 3550.0),
        duration=0.18,
    ),
    Phone(
        "au",
        "vowel",
        (720.0, 1350.0, 2500.0, 3500.0),
        (380.0, 850.0, 2350.0, 3400.0),
        duration=0.18,
    ),
    _glide("w", 300.0, 700.0, 2250.0, 3300.0),
    _glide("j", 270.0, 2250.0, 3000.0, 3600.0),
    _glide("r", 350.0, 1150.0, 1600.0, 3250.0),
    _glide("l", 350.0, 1100.0, 2700.0, 3500.0),
    _nasal("m", 1000.0, 2200.0, 1050.0),
    _nasal("n", 1550.0, 2550.0, 1650.0),
    _nasal("ng", 1950.0, 2450.0, 3000.0),
    _fricative("f", 1050.0, 2300.0, Frication((1500.0, 7000.0), (4000.0, 4000.0), -12.0)),
    _fricative("s", 1700.0, 2600.0, Frication((4900.0, 6900.0), (1000.0, 1600.0), -3.0)),
    _fricative("sh", 1900.0, 2500.0, Frication((2700.0, 4800.0), (600.0, 1600.0), 2.0)),
    _fricative("x", 1400.0, 2300.0, Frication((1500.0, 3600.0), (500.0, 1500.0), -5.0)),
    _fricative(
        "z", 1700.0, 2600.0, Frication((4900.0, 6900.0), (1000.0, 1600.0), -9.0), voicing=-9.0
    ),
    _fricative(
        "v", 1050.0, 2300.0, Frication((1500.0, 7000.0), (4000.0, 4000.0), -20.0), voicing=-7.0
    ),
    Phone(
        "h",
        "fricative",
        (500.0, 1500.0, 2500.0, 3500.0),
        duration=0.07,
        voicing=None,
        aspiration=-2.0,
        yielding=1.0,
    ),
    _stop("p", 850.0, 2250.0, 0.55, _LABIAL_BURST, voiced=False),
    _stop("t", 1800.0, 2700.0, 0.35, _ALVEOLAR_BURST, voiced=False),
    _stop("k", 1950.0, 2350.0, 0.65, _VELAR_BURST, voiced=False),
    _stop("b", 850.0, 2250.0, 0.55, _LABIAL_BURST, voiced=True),
    _stop("d", 1800.0, 2700.0, 0.35, _ALVEOLAR_BURST, voiced=True),
    _stop("g", 1950.0, 2350.0, 0.65, _VELAR_BURST, voiced=True),
)

PHONES: Final[dict[str, Phone]] = {phone.name: phone for phone in _ALL}
