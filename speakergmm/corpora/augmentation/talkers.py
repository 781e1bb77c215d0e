"""Voices that babble is made of: synthetic ones, made once per process, or given recordings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import convert_rate, read_audio
from speakergmm.corpora.augmentation.active_speech import active_power
from speakergmm.corpora.augmentation.condition import PIECE_SECONDS, Samples
from speakergmm.corpora.same_audio import hash_audio
from speakergmm.corpora.synthesis import LEXICON, SAMPLE_RATE, draw_voice, speak
from speakergmm.errors import AudioError, InsufficientDataError

N_TALKERS = 16
"""Synthetic voices, half of them women."""

_N_WORDS = 5  # about 3 seconds
_KEPT_SECONDS = 3.0
_KEPT_PEAK = 2**15 - 1


@dataclass(frozen=True, slots=True, eq=False)
class Talkers:
    """Real voices of babble, which a model contains, so that it makes the same babble anywhere.

    Parameters
    ----------
    samples : array of int16, shape (N, T)
        Speech of N talkers at 16 kHz, as long for each; equally loud when they are mixed.

    Raises
    ------
    InsufficientDataError
        If there is no talker, or one is silent.

    Examples
    --------
    >>> one = Talkers(np.full((1, 8), 5, np.int16))
    >>> one == Talkers(one.samples.copy()), one == Talkers(-one.samples)
    (True, False)
    """

    samples: Annotated[NDArray[np.int16], "N T"]

    def __post_init__(self) -> None:
        """Check the talkers."""
        if not len(self.samples) or not self.samples.any(axis=1).all():
            raise InsufficientDataError("talkers of babble must be one or more, and not silent")

    @classmethod
    def of(cls, recordings: Sequence[str | os.PathLike[str]]) -> Talkers:
        """Return the loudest three seconds of up to `N_TALKERS` recordings.

        They are spaced evenly in the list; a shorter recording is repeated.

        Raises
        ------
        AudioError, InsufficientDataError
            As for `talker_pool`.
        """
        places = np.linspace(0, len(recordings) - 1, min(len(recordings), N_TALKERS))
        chosen = tuple(os.fspath(recordings[place]) for place in places.round().astype(int))
        return cls(np.stack([_loudest(each) for each in talker_pool(SAMPLE_RATE, 0, chosen)]))

    @property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of the samples."""
        shape = np.array(self.samples.shape, np.int64).tobytes()
        return hashlib.sha256(shape + self.samples.astype("<i2").tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Talkers) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


@lru_cache(maxsize=4)
def talker_pool(
    rate: int, seed: int = 0, recordings: tuple[str, ...] | Talkers | None = None
) -> tuple[Samples, ...]:
    """Return voices of equal power of active speech; the pool is kept for the process.

    Parameters
    ----------
    rate : int
        Sampling rate in Hz.
    seed : int, default=0
        Seed of the synthetic voices and of what they say.
    recordings : tuple of str or Talkers, optional
        Paths of recordings, of which the first 30 seconds are used, or what a model contains of
        them; by default `N_TALKERS` synthetic voices of about three seconds.

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
    if isinstance(recordings, Talkers):
        kept = (each.astype(np.float32) / _KEPT_PEAK for each in recordings.samples)
        return tuple(_level(_converted(each, rate), rate) for each in kept)
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


def talkers_digest(recordings: Sequence[str | os.PathLike[str]] | Talkers) -> str:
    """Return the SHA-256, in hexadecimal, of the audio of given talkers, wherever it lies."""
    if isinstance(recordings, Talkers):
        return recordings.digest
    hashes = "\n".join(hash_audio(path) for path in recordings)
    return hashlib.sha256(hashes.encode()).hexdigest()


def _synthetic(number: int, rate: int, seed: int) -> Samples:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(number,)))
    voice = draw_voice("f" if number % 2 else "m", rng)
    words = [tuple(LEXICON)[place] for place in rng.choice(len(LEXICON), _N_WORDS, replace=False)]
    return _converted(speak(words, voice, rng).samples.astype(np.float32), rate)


def _converted(samples: Samples, rate: int) -> Samples:
    """Return samples at 16 kHz at another rate."""
    return np.concatenate(list(convert_rate(iter([samples]), SAMPLE_RATE, rate)))


def _loudest(samples: Samples) -> NDArray[np.int16]:
    """Return the loudest seconds of a recording, at the highest peak that fits."""
    n = round(_KEPT_SECONDS * SAMPLE_RATE)
    if len(samples) < n:
        samples = np.resize(samples, n)
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    begin = int(np.argmax(energy[n:] - energy[:-n]))
    window = samples[begin : begin + n]
    scaled = np.rint(window * (_KEPT_PEAK / np.abs(window).max()))
    return np.asarray(scaled, dtype=np.int16)


def _level(samples: Samples, rate: int) -> Samples:
    return samples / np.float32(np.sqrt(active_power(samples, rate)))
