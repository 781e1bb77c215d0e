"""Filters and conversions of recordings that come in pieces, without seams between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import convert_rate
from speakergmm.corpora.augmentation.condition import Samples


def convolved(
    pieces: Iterator[Samples], response: NDArray[np.floating], *, delay: int = 0
) -> Iterator[Samples]:
    """Convolve a recording with an impulse response.

    Parameters
    ----------
    pieces : iterator of float32 arrays
    response : array, shape (m,)
    delay : int, default=0
        Samples that are dropped at the beginning, such as the delay of a symmetric filter.

    Yields
    ------
    array of float32
        Together as many samples as the pieces.
    """
    from scipy.signal import oaconvolve

    taps = np.asarray(response, np.float32)
    tail = np.zeros(len(taps) - 1, np.float32)
    late = delay
    for piece in pieces:
        whole = oaconvolve(piece, taps)
        whole[: len(tail)] += tail
        ready, tail = whole[: len(piece)], whole[len(piece) :]
        ready, late = ready[late:], max(0, late - len(ready))
        yield ready
    if delay:
        yield np.asarray(tail[late:delay])


def filtered(pieces: Iterator[Samples], sections: NDArray[np.float64]) -> Iterator[Samples]:
    """Filter a recording by second-order sections, shape (S, 6), as scipy designs them."""
    from scipy.signal import sosfilt

    state = np.zeros((len(sections), 2))
    for piece in pieces:
        output, state = sosfilt(sections, piece.astype(np.float64), zi=state)
        yield output.astype(np.float32)


def at_rate(
    pieces: Iterator[Samples],
    rate: int,
    other: int,
    change: Callable[[Iterator[Samples]], Iterator[Samples]],
) -> Iterator[Samples]:
    """Change a recording at another sampling rate, and return to its own.

    Parameters
    ----------
    pieces : iterator of float32 arrays
    rate, other : int
        The rate of the recording, and that at which it is changed, in Hz.
    change : callable
        From pieces at the other rate to pieces at the other rate.

    Yields
    ------
    array of float32
        Together exactly as many samples as the pieces.
    """
    n_read = n_written = 0

    def read() -> Iterator[Samples]:
        nonlocal n_read
        for piece in pieces:
            n_read += len(piece)
            yield piece

    for piece in convert_rate(change(convert_rate(read(), rate, other)), other, rate):
        piece = piece[: n_read - n_written]
        n_written += len(piece)
        yield piece
    if n_written < n_read:  # a conversion may end a few samples early
        yield np.zeros(n_read - n_written, np.float32)
