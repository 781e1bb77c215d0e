"""Division of samples into overlapping frames, and window functions."""

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from speakergmm.ranges import choice, whole_number

# Constant a, factor b and power p of the window (a - b cos)^p.
_WINDOWS = {
    "hamming": (0.54, 0.46, 1.0),
    "hann": (0.5, 0.5, 1.0),
    "povey": (0.5, 0.5, 0.85),
    "rectangular": (1.0, 0.0, 1.0),
}


def frame_blocks(
    blocks: Iterable[NDArray[np.float32]], *, length: int, shift: int, scale: float = 1.0
) -> Iterator[NDArray[np.float32]]:
    """Divide consecutive blocks of samples into frames that lie entirely inside the audio.

    Parameters
    ----------
    blocks : iterable of float32 arrays, shape (n,)
        Consecutive samples.
    length, shift : int
        Length and distance of frames in samples; ``shift <= length``.
    scale : float, default=1.0
        Factor by which samples are multiplied.

    Yields
    ------
    array of float32, shape (n_frames, length)
        Frames as overlapping views of one buffer, n_frames > 0; copy them before changing them.
    """
    rest = np.empty(0, np.float32)
    for block in blocks:
        samples = np.empty(len(rest) + len(block), np.float32)
        samples[: len(rest)] = rest
        np.multiply(block, np.float32(scale), out=samples[len(rest) :])
        n_frames = 0
        if len(samples) >= length:
            frames = sliding_window_view(samples, length)[::shift]
            n_frames = len(frames)
            yield frames
        # The first samples of an incomplete frame are kept for the next block.
        rest = samples[n_frames * shift :].copy()


def padded(blocks: Iterable[NDArray[np.float32]], n_zeros: int) -> Iterator[NDArray[np.float32]]:
    """Yield `n_zeros` zeros, consecutive blocks of samples, and `n_zeros` zeros.

    Parameters
    ----------
    blocks : iterable of float32 arrays
        Consecutive samples.
    n_zeros : int
        Number of zeros at each end.

    Yields
    ------
    array of float32
        Consecutive samples.
    """
    zeros = np.zeros(n_zeros, np.float32)
    yield zeros
    yield from blocks
    yield zeros


def window(name: str, length: int, *, periodic: bool = False) -> NDArray[np.float64]:
    """Return the window function of a frame.

    Parameters
    ----------
    name : {"hamming", "hann", "povey", "rectangular"}
        Name of the window; ``povey`` is Kaldi's, the Hann window to the power 0.85.
    length : int
        Length in samples.
    periodic : bool, default=False
        Make the window periodic with its length (DFT-even) instead of symmetric.

    Returns
    -------
    array, shape (length,)
        Values between 0 and 1.

    Raises
    ------
    InvalidInputError
        If there is no window of that name, or `length` is less than 1.

    Examples
    --------
    >>> window("hann", 5).round(6).tolist()
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    whole_number("length", length)
    level, swing, power = _WINDOWS[choice("window", name, _WINDOWS)]
    steps = length if periodic else max(length - 1, 1)
    cosine = np.cos(2 * np.pi * np.arange(length) / steps)
    return np.asarray((level - swing * cosine) ** power)
