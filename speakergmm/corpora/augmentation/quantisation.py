"""Quantisation of samples: A-law and uniform steps."""

from __future__ import annotations

import numpy as np

from speakergmm.corpora.augmentation.condition import Samples


def a_law(samples: Samples) -> Samples:
    """Return samples as they are after 8-bit A-law coding.

    Parameters
    ----------
    samples : array of float32, shape (n,)
        Full scale at 1; values beyond it are clipped.

    Returns
    -------
    array of float32, shape (n,)
        The middle of the step in which each sample lies: 16 steps in each of the 8 segments.

    References
    ----------
    .. [1] ITU-T Recommendation G.711, "Pulse code modulation (PCM) of voice frequencies", 1988.
    """
    size = np.minimum(np.abs(samples) * np.float32(4096), np.float32(4095))
    # Segments double their steps from 64 on; frexp gives the power of two above a number.
    exponent = np.maximum(np.frexp(size)[1] - 5, 1)
    step = np.ldexp(np.float32(1), exponent)
    middle = (np.floor(size / step) + np.float32(0.5)) * step
    return np.asarray(np.copysign(middle * np.float32(1 / 4096), samples))


def linear_pcm(samples: Samples, bits: int) -> Samples:
    """Return samples rounded to ``2 ** bits`` equal steps from -1 to 1.

    Parameters
    ----------
    samples : array of float32, shape (n,)
        Full scale at 1; values beyond it are clipped.
    bits : int

    Examples
    --------
    >>> linear_pcm(np.float32([0.1, -0.4, 2.0]), 3).tolist()
    [0.0, -0.5, 0.75]
    """
    steps = np.float32(2 ** (bits - 1))
    return np.asarray(np.clip(np.rint(samples * steps), -steps, steps - 1) / steps)
