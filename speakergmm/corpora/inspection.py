"""Level, clipping and hash of a part of a recording, measured block by block."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.same_audio import AudioHash

_LEVEL_SECONDS = 0.1
# The highest positive sample of 8-bit audio is 127/128.
_FULL_SCALE = 0.99
_SHORTEST_RUN = 3


@dataclass(frozen=True, slots=True)
class Inspection:
    """Measurements of a part of a recording.

    Parameters
    ----------
    n_samples : int
        Its length in samples.
    loudest_level : float
        Root mean square of its loudest tenth of a second after subtraction of the mean, in dB
        relative to full scale; ``-inf`` for digital silence.
    clipped_share : float
        Share of samples that lie in runs of three or more equal samples at full scale, 0 to 1.
    content : str
        Hash of samples and rate, equal for the same audio; see `AudioHash`.
    """

    n_samples: int
    loudest_level: float
    clipped_share: float
    content: str


def inspect_blocks(blocks: Iterable[NDArray[np.float32]], *, sample_rate: int) -> Inspection:
    """Measure audio that comes in blocks.

    Parameters
    ----------
    blocks : iterable of array of float32, shape (n,)
        Consecutive samples with full scale at 1.
    sample_rate : int
        Sampling rate in Hz.

    Returns
    -------
    Inspection
        Clipping and content do not depend on how the audio is cut into blocks.

    Examples
    --------
    >>> tone = np.sin(np.arange(16000) / 5, dtype=np.float32)
    >>> round(inspect_blocks([0.1 * tone], sample_rate=16000).loudest_level)
    -23
    """
    n_samples, power = 0, 0.0
    clipping = ClippingCounter()
    content = AudioHash(sample_rate)
    for block in blocks:
        n_samples += len(block)
        power = max(power, _loudest_power(block, max(1, round(_LEVEL_SECONDS * sample_rate))))
        clipping.add(block)
        content.add(block)
    return Inspection(
        n_samples=n_samples,
        loudest_level=10 * math.log10(power) if power > 0 else -math.inf,
        clipped_share=clipping.total / n_samples if n_samples else 0.0,
        content=content.hexdigest(),
    )


def _loudest_power(block: NDArray[np.float32], length: int) -> float:
    """Return the greatest variance of consecutive pieces of a block, each of `length` samples."""
    whole = len(block) // length * length
    pieces = [block[:whole].reshape(-1, length)] if whole else []
    if whole < len(block):
        pieces.append(block[whole:].reshape(1, -1))
    return max((float(piece.var(axis=1, dtype=np.float64).max()) for piece in pieces), default=0.0)


class ClippingCounter:
    """Counter of samples in runs at full scale, independent of the division into blocks.

    A clipped waveform is constant at full scale; one that only reaches full scale is not. Lossy
    formats decode clipped samples to values beyond full scale instead, which count as constant.

    Attributes
    ----------
    total : int
        Number of samples in runs of three or more so far.

    Examples
    --------
    >>> counter = ClippingCounter()
    >>> counter.add(np.float32([0.2, 1, 1]))
    >>> counter.add(np.float32([1, 0.3, 1, 0.5]))
    >>> counter.total
    3
    """

    def __init__(self) -> None:
        self._last = np.zeros(1, np.float32)
        # Pairs of equal samples at the end of the previous blocks, at most two.
        self._open = np.zeros(0, np.bool_)
        self.total = 0

    def add(self, block: NDArray[np.float32]) -> None:
        """Count the samples of the next block, shape (n,)."""
        if not len(block):
            return
        # A pair is clipped if both samples are equal at full scale, or both are beyond it.
        samples = np.concatenate((self._last, block))
        self._last = samples[-1:]
        magnitude = np.abs(samples)
        still = (samples[1:] == samples[:-1]) & (magnitude[1:] >= _FULL_SCALE)
        still |= (magnitude[1:] >= 1) & (magnitude[:-1] >= 1)
        # Continue the run that was open; if it was counted, its three samples are not counted
        # again.
        self.total -= _SHORTEST_RUN if len(self._open) == _SHORTEST_RUN - 1 else 0
        still = np.concatenate((self._open, still))
        # Runs of n pairs are runs of n + 1 samples.
        change = np.flatnonzero(np.diff(still, prepend=False, append=False))
        lengths = change[1::2] - change[::2] + 1
        self.total += int(lengths[lengths >= _SHORTEST_RUN].sum())
        tail = still[1 - _SHORTEST_RUN :]
        self._open = tail if tail.all() else tail[-1:][tail[-1:]]
