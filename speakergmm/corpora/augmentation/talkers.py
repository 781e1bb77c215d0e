"""Voices that babble is made of: synthetic ones, made once per process, or given recordings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from speakergmm.audio import convert_rate, read_audio
from speakergmm.corpora.augmentation.active_speech import active_power
from speakergmm.corpora.augmentation.condition import PIECE_SECONDS, Samples
from speakergmm.corpora.same_audio import hash_audio
from speakergmm.corpora.synthesis import LEXICON, SAMPLE_RATE, draw_voice, speak
from speakergmm.errors import AudioError, InsufficientDataError

N_TALKERS = 16
"""Synthetic voices, half of them women."""

_N_WORDS = 5  # about 3 seconds


@lru_cache(maxsize=4)
def talker_pool(
    rate: int, seed: int = 0, recordings: tuple[str, ...] | None = None
) -> tuple[Samples, ...]:
    """Return voices of equal power of active speech; the pool is kept for the process.

    Parameters
    ----------
    rate : int
        Sampling rate in Hz.
    seed : int, default=0
        Seed of the synthetic voices and of what they say.
    recordings : tuple of str, optional
        Paths of recordings, of which the first 30 seconds are used; by default `N_TALKERS`
        synthetic voices of about three seconds.

    Returns
    -------
    tuple of float32 arrays

    Raises
    ------
    AudioError
        If a recording cannot be read.
    InsufficientDataError
        If a recording is silent.
    """
    if recordings is None:
        return tuple(_level(_synthetic(number, rate, seed), rate) for number in range(N_TALKERS))
    pool = []
    for path in recordings:
        try:
            samples, _ = read_audio(path, sample_rate=rate)
        except AudioError as error:
            raise AudioError(f"a talker of babble: {error}") from None
        samples = samples[: round(PIECE_SECONDS * rate)]
        if not samples.any():
            raise InsufficientDataError(f"{path}: a talker of babble is silent; leave it out")
        pool.append(_level(samples, rate))
    return tuple(pool)


def talkers_digest(recordings: Sequence[str | os.PathLike[str]]) -> str:
    """Return the SHA-256, in hexadecimal, of the audio of given talkers, wherever it lies."""
    hashes = "\n".join(hash_audio(path) for path in recordings)
    return hashlib.sha256(hashes.encode()).hexdigest()


def _synthetic(number: int, rate: int, seed: int) -> Samples:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    voice = draw_voice("f" if number % 2 else "m", rng)
    words = [tuple(LEXICON)[place] for place in rng.choice(len(LEXICON), _N_WORDS, replace=False)]
    spoken = speak(words, voice, rng).samples.astype(np.float32)
    return np.concatenate(list(convert_rate(iter([spoken]), SAMPLE_RATE, rate)))


def _level(samples: Samples, rate: int) -> Samples:
    return samples / np.float32(np.sqrt(active_power(samples, rate)))
