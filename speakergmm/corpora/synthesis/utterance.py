"""Speak a list of words, or of phones, into an array."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.synthesis.articulation import Segment, Tracks, articulate
from speakergmm.corpora.synthesis.lexicon import LEXICON
from speakergmm.corpora.synthesis.phones import PHONES, SILENCE
from speakergmm.corpora.synthesis.session import Session
from speakergmm.corpora.synthesis.source import glottal_source
from speakergmm.corpora.synthesis.tract import (
    ECHO,
    Complexes,
    cascade,
    cut,
    frame_samples,
    overlap_add,
    quadratic,
    response,
    transform,
    transform_back,
)
from speakergmm.corpora.synthesis.voice import Voice
from speakergmm.errors import InvalidInputError

Floats = NDArray[np.float64]

SAMPLE_RATE: Final = 16000
"""Hz; the synthesiser speaks at this rate only."""

_NASAL_BANDWIDTH: Final = 100.0
_PEAK: Final = 0.95
_BLOCK: Final = 64
"""Frames filtered at once: few enough that all of their spectra stay in the cache."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """A synthetic utterance and the truth about it.

    Attributes
    ----------
    samples : array, shape (N,)
        Float64 within +-0.95, at 16 kHz.
    segments : tuple of Segment
        Phones, contiguous from sample 0 to sample N.
    words : tuple of str
        Transcript.
    f0 : array, shape (N,)
        Requested fundamental frequency in Hz, defined everywhere, heard where voiced.
    """

    samples: Floats
    segments: tuple[Segment, ...]
    words: tuple[str, ...]
    f0: Floats


def lay_out(
    words: Sequence[str],
    rng: np.random.Generator,
    *,
    rate: float = 1.0,
    pause: float = 0.25,
) -> tuple[Segment, ...]:
    """Give every phone of a list of words its place in time.

    Parameters
    ----------
    words : sequence of str
        Words of the lexicon, at least one.
    rng : numpy.random.Generator
        Draws durations and pauses.
    rate : float, default=1.0
        Phones last ``1 / rate`` times their mean.
    pause : float, default=0.25
        Probability of a silence between two words.

    Returns
    -------
    tuple of Segment
        Silence first and last; the last word is drawn out.

    Raises
    ------
    InvalidInputError
        If there is no word, or one is not in the lexicon.
    """
    if not words:
        raise InvalidInputError("words must name at least one word of the lexicon, got none")
    plan: list[tuple[str, int | None]] = [(SILENCE, None)]
    for index, word in enumerate(words):
        if word not in LEXICON:
            raise InvalidInputError(f"words must come from the lexicon, got {word!r}")
        if index > 0 and rng.random() < pause:
            plan.append((SILENCE, None))
        plan.extend((phone, index) for phone in LEXICON[word])
    plan.append((SILENCE, None))
    segments = []
    start = 0
    factors = np.exp(0.15 * np.clip(rng.standard_normal(len(plan)), -2.5, 2.5)) / rate
    for (phone, word_index), factor in zip(plan, factors, strict=True):
        drawl = 1.2 if word_index == len(words) - 1 else 1.0
        length = round(PHONES[phone].duration * float(factor) * drawl * SAMPLE_RATE)
        segments.append(Segment(phone, start, length, word_index))
        start += length
    return tuple(segments)


def intonation(
    segments: Sequence[Segment], voice: Voice, rng: np.random.Generator, *, factor: float = 1.0
) -> Floats:
    """Draw an f0 contour: it declines, rises on every word, and wavers.

    Parameters
    ----------
    segments : sequence of Segment
        What is said.
    voice : Voice
        Habitual f0 and range.
    rng : numpy.random.Generator
        Draws accents and wavering.
    factor : float, default=1.0
        On the habitual f0.

    Returns
    -------
    array, shape (N,)
        Hz at every sample.
    """
    length = segments[-1].end
    n_words = max((s.word for s in segments if s.word is not None), default=-1) + 1
    times, semitones = [0.0], [0.5 * voice.f0_range]
    for word in range(n_words):
        spoken = [s for s in segments if s.word == word]
        start, end = spoken[0].start, spoken[-1].end
        accent = voice.f0_range * float(np.clip(rng.normal(1.0, 0.5), -0.5, 2.5))
        drop = -1.5 * voice.f0_range * start / length
        times.extend((float(start), start + 0.35 * (end - start), end - 1.0))
        semitones.extend((drop, drop + accent, drop - 0.3 * voice.f0_range))
    times.append(float(length))
    semitones.append(-1.5 * voice.f0_range)
    frames = np.arange(0.0, length + 800.0, 800.0)
    contour = np.interp(frames, times, semitones) + rng.normal(0.0, 0.15, len(frames))
    smooth = np.convolve(np.pad(contour, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    hertz = voice.f0 * factor * 2.0 ** (smooth / 12.0)
    f0: Floats = np.interp(np.arange(length, dtype=float), frames, hertz)
    return f0


def render(
    segments: Sequence[Segment],
    f0: Floats,
    voice: Voice,
    rng: np.random.Generator,
    *,
    tilt_shift: float = 0.0,
    variation: float = 0.0,
) -> Floats:
    """Turn phones and an f0 contour into sound, as heard close to the lips.

    Parameters
    ----------
    segments : sequence of Segment
        Contiguous phones from sample 0.
    f0 : array, shape (N,)
        Hz at every sample; N is the end of the last segment.
    voice : Voice
        Who speaks.
    rng : numpy.random.Generator
        Draws jitter, shimmer, noise and variation.
    tilt_shift : float, default=0.0
        Added to the voice's tilt.
    variation : float, default=0.0
        Standard deviation of the factor on each formant of each phone.

    Returns
    -------
    array, shape (N,)
        Not normalised: a vowel's peaks are of the order of 1 to 10.
    """
    n_samples = segments[-1].end
    if f0.shape != (n_samples,):
        raise InvalidInputError(f"f0 must have shape ({n_samples},), got {f0.shape}")
    habits = np.exp(variation * np.clip(rng.standard_normal((len(segments), 4)), -2.5, 2.5))
    tracks = articulate(
        segments, voice, at=frame_samples(n_samples), sample_rate=SAMPLE_RATE, habits=habits
    )
    glottal, flow = glottal_source(
        f0,
        rng,
        sample_rate=SAMPLE_RATE,
        jitter=voice.jitter,
        shimmer=voice.shimmer,
        open_quotient=voice.open_quotient,
        speed_quotient=voice.speed_quotient,
        tilt=float(np.clip(voice.tilt + tilt_shift, 0.0, 0.9)),
    )
    breath = rng.standard_normal(n_samples)
    breathiness = 10.0 ** (voice.breathiness / 20.0)
    # Breath passes when the glottis is open; a fifth leaks through at all times.
    lungs = tracks.voicing * (glottal + breathiness * breath * (0.2 + flow))
    lungs += 0.1 * tracks.breath * breath
    hiss = tracks.noise * rng.standard_normal(n_samples)

    echoes = _filter(cut(lungs), lambda rows: _tract(tracks, voice, rows))
    echoes += _filter(cut(hiss), lambda rows: _constriction(tracks, rows))
    return overlap_add(echoes, n_samples)


def _filter(frames: Floats, response_at: Callable[[NDArray[np.intp]], Complexes]) -> Floats:
    """Filter the frames of a source, those that hold anything, each by its own response."""
    (active,) = np.nonzero(frames.any(axis=1))
    output = np.zeros((len(frames), ECHO))
    for first in range(0, len(active), _BLOCK):
        rows = active[first : first + _BLOCK]
        spectra = transform(frames[rows])
        spectra *= response_at(rows)
        output[rows] = transform_back(spectra)
    return output


def _tract(tracks: Tracks, voice: Voice, rows: NDArray[np.intp]) -> Complexes:
    """Response of the tract, nose included, in some frames."""
    resonances = quadratic(tracks.formants[rows], voice.bandwidths, sample_rate=SAMPLE_RATE)
    width = np.array(_NASAL_BANDWIDTH)
    pole = quadratic(tracks.nasal_pole[rows], width, sample_rate=SAMPLE_RATE)
    zero = quadratic(tracks.nasal_zero[rows], width, sample_rate=SAMPLE_RATE)
    poles = cascade(np.concatenate((resonances, pole[:, np.newaxis]), axis=1))
    # Unity at 0 Hz, as a tube has it: what comes in slowly goes out.
    gains = poles.sum(axis=1) / zero.sum(axis=1)
    values = response(zero * gains[:, np.newaxis])
    values /= response(poles)
    return values


def _constriction(tracks: Tracks, rows: NDArray[np.intp]) -> Complexes:
    """Response of the cavity before a constriction in some frames."""
    centres, widths = tracks.frication[rows, :, 0], tracks.frication[rows, :, 1]
    poles = cascade(quadratic(centres, widths, sample_rate=SAMPLE_RATE))
    # Each resonance is scaled to about unity at its centre; nothing passes at 0 Hz.
    narrow = 1.0 - np.exp(-np.pi * widths / SAMPLE_RATE)
    angle = 2.0 * np.pi * centres / SAMPLE_RATE
    scale = (narrow * 2.0 * np.abs(np.sin(angle))).prod(axis=1)
    values = response(np.stack((scale, -scale), axis=1))
    values /= response(poles)
    return values


def add_session(
    clean: Floats, segments: Sequence[Segment], session: Session, rng: np.random.Generator
) -> Floats:
    """Record sound through a session's channel, in its room, at its level.

    Parameters
    ----------
    clean : array, shape (N,)
        What the lips give.
    segments : sequence of Segment
        Where it is silent.
    session : Session
        Channel, noise, level.
    rng : numpy.random.Generator
        Draws the noise.

    Returns
    -------
    array, shape (N,)
        Turned down where it would leave +-0.95, speech and noise alike.
    """
    from scipy.signal import oaconvolve

    speaking = np.concatenate([np.full(s.n_samples, s.phone != SILENCE) for s in segments])
    speech = oaconvolve(clean, session.channel, mode="same")
    power = float(np.mean(speech[speaking] ** 2))
    speech *= 10.0 ** (session.level / 20.0) / np.sqrt(power)
    if np.isfinite(session.snr):
        noise = oaconvolve(rng.standard_normal(len(clean)), session.room, mode="same")
        wanted = 10.0 ** ((session.level - session.snr) / 10.0)
        speech += noise * np.sqrt(wanted / np.mean(noise**2))
    peak = float(np.abs(speech).max())
    if peak > _PEAK:
        speech *= _PEAK / peak
    recorded: Floats = speech
    return recorded


def speak(
    words: Sequence[str],
    voice: Voice,
    rng: np.random.Generator,
    *,
    session: Session | None = None,
    variation: float = 0.02,
) -> Spoken:
    """Say words of the lexicon.

    Parameters
    ----------
    words : sequence of str
        At least one.
    voice : Voice
        Who speaks.
    rng : numpy.random.Generator
        Draws all that differs from one utterance to the next.
    session : Session, optional
        Circumstances of the recording; by default a flat channel and no noise.
    variation : float, default=0.02
        Standard deviation of the factor on each formant of each phone.

    Returns
    -------
    Spoken

    Raises
    ------
    InvalidInputError
        If there is no word, or one is not in the lexicon.

    Examples
    --------
    >>> import numpy as np
    >>> spoken = speak(["rikae", "vumai"], Voice(f0=110.0), np.random.default_rng(0))
    >>> [segment.phone for segment in spoken.segments][:5]
    ['sil', 'r', 'i', 'k', 'ae']
    >>> spoken.segments[-1].end == len(spoken.samples)
    True
    """
    session = Session() if session is None else session
    timing, melody, sound, noise = rng.spawn(4)
    segments = lay_out(words, timing, rate=voice.rate * session.rate_factor)
    f0 = intonation(segments, voice, melody, factor=session.f0_factor)
    clean = render(segments, f0, voice, sound, tilt_shift=session.tilt_shift, variation=variation)
    samples = add_session(clean, segments, session, noise)
    return Spoken(samples, segments, tuple(words), f0)
