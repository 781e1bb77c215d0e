"""Conditions: what happens to speech on its way to the recorder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

PIECE_SECONDS = 30.0
"""Length of the pieces in which recordings are changed, in seconds."""


@dataclass(frozen=True, slots=True)
class Condition(ABC):
    """A kind of change of recordings, of which each recording has its own drawn from a generator.

    A condition changes neither the sampling rate nor the number of samples. What it draws holds for
    the whole recording; levels of speech are measured over what has been heard so far.
    """

    @abstractmethod
    def change(
        self, pieces: Iterator[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield a recording as it is in this condition, whatever its peak.

        Parameters
        ----------
        pieces : iterator of float32 arrays
            Consecutive samples with full scale at 1, in pieces of `PIECE_SECONDS`.
        rate : int
            Their sampling rate in Hz.
        rng : numpy.random.Generator
            Generator of everything random about the recording.
        """

    def stream(
        self, pieces: Iterable[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield a recording as it is in this condition, within full scale.

        A piece that would go beyond -1..1 is attenuated, and the later ones by no less; nothing is
        clipped here.

        Parameters
        ----------
        pieces, rate, rng
            As for `change`.

        Yields
        ------
        array of float32, shape (n,)
            As many samples as there were, not necessarily in the same pieces.
        """
        factor = 1.0
        for piece in self.change(iter(pieces), rate, rng):
            factor = min(factor, 1.0 / max(float(np.abs(piece).max(initial=0.0)), 1.0))
            yield np.asarray(piece * np.float32(factor) if factor < 1.0 else piece, np.float32)

    def apply(self, samples: Samples, rate: int, rng: np.random.Generator) -> Samples:
        """Return samples as they are in this condition.

        Parameters
        ----------
        samples : array of float32, shape (n,)
            A recording, full scale at 1.
        rate, rng
            As for `change`.

        Returns
        -------
        array of float32, shape (n,)
            Within -1..1, unless the condition is clean.
        """
        size = piece_samples(rate)
        starts = range(0, len(samples), size)
        parts = (np.asarray(samples[at : at + size], np.float32) for at in starts)
        return np.concatenate([np.empty(0, np.float32), *self.stream(parts, rate, rng)])


@dataclass(frozen=True, slots=True)
class Clean(Condition):
    """The recording as it is."""

    def change(
        self, pieces: Iterator[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield the recording; see `Condition.change`."""
        return pieces

    def stream(
        self, pieces: Iterable[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield the recording, even where it is beyond full scale; see `Condition.stream`."""
        return iter(pieces)


def piece_samples(rate: int) -> int:
    """Return the number of samples of a piece."""
    return max(1, round(PIECE_SECONDS * rate))


def in_pieces(blocks: Iterable[Samples], rate: int) -> Iterator[Samples]:
    """Regroup consecutive blocks of samples into pieces of `PIECE_SECONDS`; the last is shorter.

    Examples
    --------
    >>> blocks = [np.zeros(n, np.float32) for n in (25, 0, 40)]
    >>> [len(piece) for piece in in_pieces(blocks, 1)]
    [30, 30, 5]
    """
    size = piece_samples(rate)
    held: list[Samples] = []
    n_held = 0
    for block in blocks:
        while n_held + len(block) >= size:
            taken, block = block[: size - n_held], block[size - n_held :]
            yield np.concatenate([*held, taken])
            held, n_held = [], 0
        if len(block):
            held.append(block)
            n_held += len(block)
    if n_held:
        yield np.concatenate(held)
