"""What one stretch of a recording sounds like in a few figures, measured block by block."""

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
    """Figures of a stretch of audio.

    Parameters
    ----------
    n_samples : int
        Its length.
    loudest_level : float
        Root mean square of its loudest tenth of a second, without its mean, in dB of full scale;
        ``-inf`` for digital silence.
    clipped_share : float
        Share of its samples that lie in runs of three or more equal samples at full scale, 0 to 1.
    content : str
        Hash of samples and rate: the same for the same audio, see `AudioHash`.
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
        Consecutive samples, full scale 1.
    sample_rate : int
        Samples per second.

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
    whole = len(block) // length * length
    pieces = [block[:whole].reshape(-1, length)] if whole else []
    if whole < len(block):
        pieces.append(block[whole:].reshape(1, -1))
    return max((float(piece.var(axis=1, dtype=np.float64).max()) for piece in pieces), default=0.0)


class ClippingCounter:
    """Counts samples in runs at full scale, however the audio is cut into blocks.

    A waveform that is cut off stands still at full scale; one that only reaches it does not. Lossy
    formats decode to values beyond full scale instead, which count as standing still.

    Attributes
    ----------
    total : int
        Samples in runs of three or more so far.

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
        self._open = np.zeros(
            0, np.bool_
        )  # still pairs at the end of what has been seen, 2 at most
        self.total = 0

    def add(self, block: NDArray[np.float32]) -> None:
        """Count the samples of the next block, shape (n,)."""
        if not len(block):
            return
        samples = np.concatenate((self._last, block))
        self._last = samples[-1:]
        magnitude = np.abs(samples)
        still = (samples[1:] == samples[:-1]) & (magnitude[1:] >= _FULL_SCALE)
        still |= (magnitude[1:] >= 1) & (magnitude[:-1] >= 1)
        # The run that was open goes on; if it was counted, its three samples are not counted again.
        self.total -= _SHORTEST_RUN if len(self._open) == _SHORTEST_RUN - 1 else 0
        still = np.concatenate((self._open, still))
        change = np.flatnonzero(np.diff(still, prepend=False, append=False))
        lengths = change[1::2] - change[::2] + 1
        self.total += int(lengths[lengths >= _SHORTEST_RUN].sum())
        tail = still[1 - _SHORTEST_RUN :]
        self._open = tail if tail.all() else tail[-1:][tail[-1:]]
