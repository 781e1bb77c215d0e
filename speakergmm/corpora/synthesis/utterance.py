"""Synthesis of an utterance in a session, with its labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from speakergmm.corpora.synthesis.articulation import PlacedPhone
from speakergmm.corpora.synthesis.phones import SILENCE
from speakergmm.corpora.synthesis.prosody import intonation, lay_out
from speakergmm.corpora.synthesis.rendering import render
from speakergmm.corpora.synthesis.session import SessionConditions
from speakergmm.corpora.synthesis.voice import Floats, Voice

_PEAK: Final = 0.95


@dataclass(frozen=True, slots=True)
class Spoken:
    """A synthetic utterance with its labels.

    Attributes
    ----------
    samples : array, shape (N,)
        Samples at 16 kHz, within +-0.95.
    segments : tuple of PlacedPhone
        Contiguous phones from sample 0 to sample N.
    words : tuple of str
        Transcript.
    f0 : array, shape (N,)
        Fundamental frequency in Hz, also defined in voiceless sounds.
    """

    samples: Floats
    segments: tuple[PlacedPhone, ...]
    words: tuple[str, ...]
    f0: Floats


def add_session(
    clean: Floats,
    segments: Sequence[PlacedPhone],
    session: SessionConditions,
    rng: np.random.Generator,
) -> Floats:
    """Add the channel, noise and level of a session to clean speech.

    Parameters
    ----------
    clean : array, shape (N,)
        Speech close to the lips.
    segments : sequence of PlacedPhone
        Phones, which determine the silences.
    session : SessionConditions
        Channel, noise and level.
    rng : numpy.random.Generator
        Generator of the noise.

    Returns
    -------
    array, shape (N,)
        Recorded samples; if they exceeded +-0.95, speech and noise are attenuated.
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
    return np.asarray(speech)


def speak(
    words: Sequence[str],
    voice: Voice,
    rng: np.random.Generator,
    *,
    session: SessionConditions | None = None,
    variation: float = 0.02,
) -> Spoken:
    """Synthesise words of the lexicon.

    Parameters
    ----------
    words : sequence of str
        The words, at least one.
    voice : Voice
        The speaker.
    rng : numpy.random.Generator
        Generator of everything that differs between utterances.
    session : SessionConditions, optional
        Recording conditions; by default a flat channel and no noise.
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
    session = SessionConditions() if session is None else session
    timing, melody, sound, noise = rng.spawn(4)
    segments = lay_out(words, timing, rate=voice.rate * session.rate_factor)
    f0 = intonation(segments, voice, melody, factor=session.f0_factor)
    clean = render(segments, f0, voice, sound, tilt_shift=session.tilt_shift, variation=variation)
    samples = add_session(clean, segments, session, noise)
    return Spoken(samples, segments, tuple(words), f0)
