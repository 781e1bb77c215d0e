"""Terms of many speakers in a byte each, for systems that are shipped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError

# Largest code: codes are symmetric, so that zero is represented exactly.
_LARGEST = 127


@dataclass(frozen=True, slots=True, eq=False)
class PackedTerms:
    """The terms of C speakers as whole multiples of a step for each of P numbers.

    Parameters
    ----------
    codes : array of int8, shape (C, P)
    steps : array of float32, shape (P,)

    Raises
    ------
    InvalidInputError
        If a step is negative.

    Notes
    -----
    A number is off by at most half a step, the 254th part of the largest of its column.

    Examples
    --------
    >>> PackedTerms.of(np.array([[1.0, 0.0], [-0.5, 0.0]], np.float32)).values.round(2).tolist()
    [[1.0, 0.0], [-0.5, 0.0]]
    """

    codes: Annotated[NDArray[np.int8], "C P"]
    steps: Annotated[NDArray[np.float32], "P"]

    def __post_init__(self) -> None:
        if not (self.steps >= 0).all():
            raise InvalidInputError("steps of packed terms must not be negative")

    def __len__(self) -> int:
        """Return the number of speakers."""
        return len(self.codes)

    @classmethod
    def of(cls, terms: NDArray[np.float32]) -> Self:
        """Return terms of shape (C, P) in packed form."""
        steps = (np.abs(terms).max(axis=0) / _LARGEST).astype(np.float32)
        whole = np.rint(terms / np.where(steps > 0, steps, 1.0))
        return cls(np.clip(whole, -_LARGEST, _LARGEST).astype(np.int8), steps)

    @property
    def values(self) -> NDArray[np.float32]:
        """The terms, shape (C, P)."""
        return self.codes * self.steps
