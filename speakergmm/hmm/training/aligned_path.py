"""The best path of an utterance, as Viterbi training keeps it between searches: in run lengths.

Over a second of speech a path stays in some thirty states, so that its run lengths take a tenth of
the bytes that the pdf of each frame would.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError

Counts = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True, slots=True, eq=False, init=False)
class AlignedPath:
    """The best path of an utterance.

    Parameters
    ----------
    pdfs : array of int, shape (T,)
        Number of the pdf of each frame, in the models' numbering.
    transitions : array of int, shape (N,)
        Numbers of the transitions on the path, each as often as it is taken, in any order.
    fixed : float, default=0.0
        Log-probability of the parts that training does not change: pronunciations and silences.

    Attributes
    ----------
    runs, durations : array of int, shape (R,)
        Pdf of each run of frames with one pdf, and its number of frames, of which there are 255 at
        most: longer runs are several.
    taken, times : array of int, shape (M,)
        Transitions, in ascending order, and how often each is taken, likewise.

    Notes
    -----
    Arrays have the smallest types that hold their numbers.

    Examples
    --------
    >>> path = AlignedPath([7, 7, 7, 4, 4, 7], [1, 0, 1])
    >>> path.runs.tolist(), path.durations.tolist(), path.pdfs.tolist()
    ([7, 4, 7], [3, 2, 1], [7, 7, 7, 4, 4, 7])
    >>> path.transitions.tolist(), path.n_frames
    ([0, 1, 1], 6)
    """

    runs: Counts
    durations: NDArray[np.uint8]
    taken: Counts
    times: NDArray[np.uint8]
    fixed: float

    def __init__(self, pdfs: ArrayLike, transitions: ArrayLike, fixed: float = 0.0) -> None:
        runs = _run_lengths(np.asarray(pdfs, np.int64))
        taken = _run_lengths(np.sort(np.asarray(transitions, np.int64)))
        names = (each.name for each in fields(self))
        for name, value in zip(names, (*runs, *taken, float(fixed)), strict=True):
            object.__setattr__(self, name, value)

    @classmethod
    def of_runs(
        cls, runs: ArrayLike, durations: ArrayLike, taken: ArrayLike, times: ArrayLike, fixed: float
    ) -> Self:
        """Return the path of stored runs; see the attributes.

        Raises
        ------
        InvalidInputError
            If two arrays that belong together have different lengths, or a number is negative.
        """
        pairs = [(np.asarray(runs), np.asarray(durations)), (np.asarray(taken), np.asarray(times))]
        for numbers, lengths in pairs:
            whole = numbers.shape == lengths.shape and numbers.ndim == 1
            if not whole or min(numbers.min(initial=0), lengths.min(initial=0)) < 0:
                raise InvalidInputError("the runs of a path do not belong together")
        return cls(np.repeat(*pairs[0]), np.repeat(*pairs[1]), fixed)

    @property
    def n_frames(self) -> int:
        """Number of frames, T."""
        return int(self.durations.sum(dtype=np.int64))

    @property
    def pdfs(self) -> NDArray[np.int32]:
        """Number of the pdf of each frame, shape (T,)."""
        return np.repeat(self.runs, self.durations).astype(np.int32)

    @property
    def transitions(self) -> NDArray[np.int64]:
        """Numbers of the transitions, each as often as it is taken, in ascending order."""
        return np.repeat(self.taken, self.times).astype(np.int64)

    @property
    def nbytes(self) -> int:
        """Number of bytes of the arrays."""
        return sum(each.nbytes for each in (self.runs, self.durations, self.taken, self.times))


def _run_lengths(values: NDArray[np.int64]) -> tuple[Counts, NDArray[np.uint8]]:
    """Return the values of runs of equal ones, and their lengths up to 255."""
    begins = np.ones(len(values), np.bool_)
    begins[1:] = values[1:] != values[:-1]
    first = np.flatnonzero(begins)
    lengths = np.diff(first, append=len(values))
    # A run of 600 is one of 255, one of 255 and one of 90.
    n_pieces = -(-lengths // 255)
    pieces = np.full(n_pieces.sum(), 255)
    pieces[np.cumsum(n_pieces) - 1] = lengths - 255 * (n_pieces - 1)
    runs = np.repeat(values[first], n_pieces)
    smallest = np.min_scalar_type(int(values.max(initial=0)))
    return runs.astype(smallest), pieces.astype(np.uint8)
