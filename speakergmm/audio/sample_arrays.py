"""Samples that are given as arrays: their checks, and their conversion to float32."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio.reading import sample_fault
from speakergmm.errors import InvalidInputError


def as_samples(value: Any) -> NDArray[Any]:
    """Return samples as an array, in their own type.

    Raises
    ------
    InvalidInputError
        If it is not one-dimensional, or neither floating point nor int16.
    """
    try:
        samples = np.asarray(value)
    except ValueError:  # lists of different lengths
        samples = np.array(None)
    if samples.ndim != 1 or not (samples.dtype.kind == "f" or samples.dtype == np.int16):
        raise InvalidInputError(
            "samples must be a one-dimensional array of floating point or int16, found "
            f"shape {samples.shape} and type {samples.dtype}"
        )
    return samples


def checked_samples(samples: NDArray[Any]) -> NDArray[Any]:
    """Return samples; raise an error if they are not finite, or not in units of full scale."""
    if samples.dtype.kind == "f" and (fault := sample_fault(samples)):
        raise InvalidInputError(f"found {fault}")
    return samples


def as_float_samples(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return samples in float32 with full scale at 1."""
    if samples.dtype == np.int16:
        return samples.astype(np.float32) * np.float32(1 / 32768)
    return samples.astype(np.float32, copy=False)
