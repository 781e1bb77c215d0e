"""The vocal tract as a time-varying cascade of resonances, applied frame by frame.

A source is cut into short overlapping frames whose sum is the source itself; each frame is filtered
exactly by the tract at its centre, in the frequency domain; and the responses are added. Thus all
frames of an utterance are filtered in a few array operations, and the formants move every 4 ms.
"""

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.synthesis.voice import SAMPLE_RATE, Floats

Complexes = NDArray[np.complex128]

HOP: Final = 64
"""Distance of the centres of frames, in samples."""

_WINDOW: Final = 2 * HOP
ECHO: Final = 10 * HOP
"""Length of the response of a frame, in samples: after 32 ms it has decayed by about 55 dB."""


def n_frames(n_samples: int) -> int:
    """Return the number of frames that cover `n_samples`, centred on multiples of `HOP`."""
    return -(-n_samples // HOP) + 1


def frame_samples(n_samples: int) -> Floats:
    """Return the sample at the centre of each frame, shape ``(n_frames(n_samples),)``."""
    return np.arange(n_frames(n_samples), dtype=float) * HOP


def quadratic(frequencies: Floats, bandwidths: Floats) -> Floats:
    """Coefficients of ``1 - 2 r cos(theta) z^-1 + r^2 z^-2`` for pairs of poles or zeros.

    Parameters
    ----------
    frequencies, bandwidths : array, shape (...)
        Centre and -3 dB width of each pair, in Hz; the arrays are broadcast.

    Returns
    -------
    array, shape (..., 3)
    """
    radius = np.exp(-np.pi * np.asarray(bandwidths, dtype=float) / SAMPLE_RATE)
    angle = 2.0 * np.pi * np.asarray(frequencies, dtype=float) / SAMPLE_RATE
    middle = -2.0 * radius * np.cos(angle)
    return np.stack(np.broadcast_arrays(np.ones_like(middle), middle, radius**2), axis=-1)


def cascade(pairs: Floats) -> Floats:
    """Return the products of N quadratics: coefficients (T, N, 3) to (T, 2 N + 1)."""
    product = pairs[:, 0]
    for index in range(1, pairs.shape[1]):
        pair = pairs[:, index]
        longer = np.zeros((len(product), product.shape[1] + 2))
        longer[:, :-2] += product
        longer[:, 1:-1] += product * pair[:, 1:2]
        longer[:, 2:] += product * pair[:, 2:3]
        product = longer
    return product


@cache
def _circle(n_coefficients: int) -> tuple[Floats, Floats]:
    """Return cosines and sines of the powers of z^-1 on the unit circle, shape (P, bins)."""
    turns = np.outer(np.arange(n_coefficients), np.arange(ECHO // 2 + 1)) / ECHO
    return np.cos(2.0 * np.pi * turns), -np.sin(2.0 * np.pi * turns)


def response(polynomial: Floats) -> Complexes:
    """Return values of polynomials in ``z^-1`` on the upper unit circle: (T, P) to (T, bins)."""
    cosines, sines = _circle(polynomial.shape[1])
    values = np.empty((len(polynomial), ECHO // 2 + 1), dtype=np.complex128)
    # Two real products take half the time of one with a complex matrix.
    values.real = polynomial @ cosines
    values.imag = polynomial @ sines
    return values


def cut(source: Floats) -> Floats:
    """Cut a source into tapered frames whose sum is the source: (N,) to (T, window)."""
    padded = np.zeros((n_frames(len(source)) + 1) * HOP)
    padded[HOP : HOP + len(source)] = source
    frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::HOP]
    window = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_WINDOW) / _WINDOW)
    return np.asarray(frames * window)


def overlap_add(responses: Floats, n_samples: int) -> Floats:
    """Add responses, each at the place of its frame: (T, ECHO) to (N,)."""
    count, parts = len(responses), ECHO // HOP
    pieces = responses.reshape(count, parts, HOP)
    output = np.zeros((count + parts, HOP))
    for part in range(parts):
        output[part : part + count] += pieces[:, part]
    return output.reshape(-1)[HOP : HOP + n_samples]
