"""Durations of phones and intonation of utterances."""

from collections.abc import Sequence

import numpy as np

from speakergmm.corpora.synthesis.articulation import PlacedPhone
from speakergmm.corpora.synthesis.phones import PHONES, SILENCE
from speakergmm.corpora.synthesis.vocabulary import LEXICON
from speakergmm.corpora.synthesis.voice import SAMPLE_RATE, Floats, Voice, random_factors
from speakergmm.errors import InvalidInputError


def lay_out(
    words: Sequence[str],
    rng: np.random.Generator,
    *,
    rate: float = 1.0,
    pause: float = 0.25,
) -> tuple[PlacedPhone, ...]:
    """Return the phones of a list of words with their places in time.

    Parameters
    ----------
    words : sequence of str
        Words of the lexicon, at least one.
    rng : numpy.random.Generator
        Generator of durations and pauses.
    rate : float, default=1.0
        Speaking rate: phones last ``1 / rate`` times their mean duration.
    pause : float, default=0.25
        Probability of a silence between two words.

    Returns
    -------
    tuple of PlacedPhone
        Phones, with silence at both ends; the last word is lengthened.

    Raises
    ------
    InvalidInputError
        If there is no word, or one is not in the lexicon.
    """
    if not words:
        raise InvalidInputError("words must contain at least one word of the lexicon, found none")
    plan: list[tuple[str, int | None]] = [(SILENCE, None)]
    for index, word in enumerate(words):
        if word not in LEXICON:
            raise InvalidInputError(f"words must be words of the lexicon, found {word!r}")
        if index > 0 and rng.random() < pause:
            plan.append((SILENCE, None))
        plan.extend((phone, index) for phone in LEXICON[word])
    plan.append((SILENCE, None))
    segments = []
    # Durations vary around the mean of each phone.
    start = 0
    factors = random_factors(rng, 0.15, len(plan)) / rate
    for (phone, word_index), factor in zip(plan, factors, strict=True):
        drawl = 1.2 if word_index == len(words) - 1 else 1.0
        length = round(PHONES[phone].duration * float(factor) * drawl * SAMPLE_RATE)
        segments.append(PlacedPhone(phone, start, length, word_index))
        start += length
    return tuple(segments)


def intonation(
    segments: Sequence[PlacedPhone], voice: Voice, rng: np.random.Generator, *, factor: float = 1.0
) -> Floats:
    """Draw an f0 contour with declination, an accent on each word, and random fluctuation.

    Parameters
    ----------
    segments : sequence of PlacedPhone
        Phones of the utterance.
    voice : Voice
        The speaker, with habitual f0 and range.
    rng : numpy.random.Generator
        Generator of accents and fluctuation.
    factor : float, default=1.0
        Factor on the habitual f0.

    Returns
    -------
    array, shape (N,)
        f0 at every sample, in Hz.
    """
    length = segments[-1].end
    n_words = max((s.word for s in segments if s.word is not None), default=-1) + 1
    # Targets in semitones: each word begins on the declination line, rises and falls below it.
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
    # Interpolated every 50 ms, with smoothed fluctuation, then at every sample.
    frames = np.arange(0.0, length + 800.0, 800.0)
    contour = np.interp(frames, times, semitones) + rng.normal(0.0, 0.15, len(frames))
    smooth = np.convolve(np.pad(contour, 1, mode="edge"), [0.25, 0.5, 0.25], mode="valid")
    hertz = voice.f0 * factor * 2.0 ** (smooth / 12.0)
    return np.asarray(np.interp(np.arange(length, dtype=float), frames, hertz))
