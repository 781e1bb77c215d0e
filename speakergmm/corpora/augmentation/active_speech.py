"""The level of speech, without its pauses, and sounds that are added at a given distance to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.augmentation.condition import Samples

_FRAME_SECONDS = 0.02
_RANGE_DB = 30.0


def active_power(samples: Samples, rate: int) -> float:
    """Return the mean power of the frames of 20 ms that are within 30 dB of the loudest one.

    Parameters
    ----------
    samples : array, shape (n,)
    rate : int
        Sampling rate in Hz.

    Returns
    -------
    float
        Mean square; 0 if all samples are zero.

    Examples
    --------
    >>> half_silent = np.concatenate([np.zeros(800), np.full(800, 0.5)])
    >>> active_power(half_silent, 8000)
    0.25
    """
    return _mean_active(_frame_powers(samples, rate))


def mixed(
    pieces: Iterator[Samples], rate: int, sound: Callable[[int], Samples], distance_db: float
) -> Iterator[Samples]:
    """Add a sound to speech.

    Parameters
    ----------
    pieces : iterator of float32 arrays
        The speech.
    rate : int
        Sampling rate in Hz.
    sound : callable
        Returns the next n samples of the sound, at any level.
    distance_db : float
        Power of active speech relative to that of the sound in each piece, in dB. Active are the
        frames within 30 dB of the loudest one so far. Digital silence stays silent.

    Yields
    ------
    array of float32, shape (n,)
        The sums.
    """
    powers = np.empty(0)
    for piece in pieces:
        powers = np.concatenate([powers, _frame_powers(piece, rate)])
        wanted = _mean_active(powers) * 10.0 ** (-distance_db / 10.0)
        added = sound(len(piece))
        found = mean_power(added)
        yield piece + added * np.float32(np.sqrt(wanted / found)) if found > 0.0 else piece


def mean_power(samples: Samples) -> float:
    """Return the mean square of samples; 0 if there are none."""
    return float(np.vdot(samples, samples)) / len(samples) if len(samples) else 0.0


def _frame_powers(samples: Samples, rate: int) -> NDArray[np.float64]:
    """Return the mean square of each whole frame, or of all samples if there is none."""
    size = max(1, round(_FRAME_SECONDS * rate))
    if len(samples) < size:
        return np.array([mean_power(samples)])
    frames = np.asarray(samples[: len(samples) // size * size], np.float64).reshape(-1, size)
    return np.asarray(np.einsum("ij,ij->i", frames, frames) / size)


def _mean_active(powers: NDArray[np.float64]) -> float:
    loudest = powers.max(initial=0.0)
    return float(powers[powers >= loudest * 10.0 ** (-_RANGE_DB / 10.0)].mean())
