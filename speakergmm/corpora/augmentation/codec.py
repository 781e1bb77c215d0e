"""Codecs of mobile networks, voice messages and compressed files at low rates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np

from speakergmm.audio import Coding, can_code, recode
from speakergmm.corpora.augmentation.condition import Condition, Samples
from speakergmm.corpora.augmentation.sample_filters import at_rate

CODECS = {
    "gsm": (Coding("WAV", "GSM610"), 8000),
    "adpcm": (Coding("WAV", "IMA_ADPCM"), 8000),
    "adpcm-microsoft": (Coding("WAV", "MS_ADPCM"), 8000),
    "vorbis": (Coding("OGG", "VORBIS", 1.0), 16000),
    "opus": (Coding("OGG", "OPUS", 1.0), 16000),
    "opus-narrow": (Coding("OGG", "OPUS", 1.0), 8000),
    "mp3": (Coding("MP3", "MPEG_LAYER_III", 0.99), 16000),
}
"""Codecs by name: how libsndfile codes, and at which sampling rate, in Hz."""


@cache
def available_codecs() -> tuple[str, ...]:
    """Return the names of the codecs that the installed libsndfile has."""
    return tuple(name for name, (coding, rate) in CODECS.items() if can_code(coding, rate))


@dataclass(frozen=True, slots=True)
class Codec(Condition):
    """Coding and decoding by libsndfile, whose version the result depends on.

    Parameters
    ----------
    names : tuple of str, optional
        Codecs of which each recording has one; by default all that are available.
    """

    names: tuple[str, ...] | None = None

    def change(
        self, pieces: Iterator[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield the recording as it was coded and decoded; see `Condition.change`."""
        names = available_codecs() if self.names is None else self.names
        coding, other = CODECS[names[rng.integers(len(names))]]

        def code(received: Iterator[Samples]) -> Iterator[Samples]:
            return (recode(piece, other, coding) for piece in received)

        return at_rate(pieces, rate, other, code)
