"""Sequences of frames: one matrix with lengths, or a list of matrices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.frame_sources import Frames, check_finite_frames, refuse_extreme_weights

# More frames than memory could hold: the sum of their weights must be finite.
_MOST_FRAMES = 2**40


class ImpossibleSequenceError(InsufficientDataError):
    """A sequence has no path through a model, for instance because it is too short.

    Parameters
    ----------
    sequence : int
        Number of the sequence, from 0.
    reason : str
        The reason, as the predicate of a sentence about the sequence.
    """

    def __init__(self, sequence: int, reason: str) -> None:
        super().__init__(sequence, reason)  # from which the error is made again in a process
        self.sequence, self.reason = sequence, reason

    def __str__(self) -> str:
        return f"sequence {self.sequence} {self.reason}"

    @classmethod
    def under_model(cls, sequence: int, error: Exception) -> ImpossibleSequenceError:
        """Return the error for a sequence without a path through the model."""
        return cls(sequence, f"is impossible under the model: {error}")


@dataclass(frozen=True, slots=True, eq=False)
class Sequences:
    """Sequences of frames, concatenated.

    Parameters
    ----------
    frames : array, shape (T, D)
        Frames of all sequences, float32 or float64, finite.
    bounds : array of int, shape (R + 1,)
        Sequence r is ``frames[bounds[r] : bounds[r + 1]]``, of one frame or more.
    """

    frames: Frames
    bounds: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.bounds) - 1

    def __getitem__(self, number: int) -> Frames:
        """Return the frames (T_r, D) of one sequence."""
        return self.frames[self.bounds[number] : self.bounds[number + 1]]

    @property
    def lengths(self) -> NDArray[np.intp]:
        """Number of frames of each sequence, shape (R,)."""
        return np.diff(self.bounds)

    @property
    def n_features(self) -> int:
        """Number of features per frame, D."""
        return int(self.frames.shape[1])

    def groups(self, n_frames: int, chosen: NDArray[np.bool_] | None = None) -> Iterator[range]:
        """Yield ranges of adjacent sequences that together have up to `n_frames` frames.

        Parameters
        ----------
        n_frames : int
            Most frames of a group; a longer sequence is a group by itself.
        chosen : array of bool, shape (R,), optional
            Sequences to include; the others are in no group.

        Yields
        ------
        range
            Numbers of the sequences of a group.
        """
        first = None
        for number in range(len(self)):
            is_chosen = chosen is None or bool(chosen[number])
            if first is not None and (
                not is_chosen or self.bounds[number + 1] - self.bounds[first] > n_frames
            ):
                yield range(first, number)
                first = None
            if first is None and is_chosen:
                first = number
        if first is not None:
            yield range(first, len(self))


def as_sequences(X: Any, lengths: Any = None, *, n_features: int | None = None) -> Sequences:
    """Return frames as sequences, checked.

    Parameters
    ----------
    X : array, shape (T, D), or list of arrays, shape (T_r, D)
        Frames. A list of matrices is a list of sequences.
    lengths : array of int, shape (R,), optional
        Number of frames of each sequence; by default all of `X` is one.
    n_features : int, optional
        Expected number of features, D.

    Returns
    -------
    Sequences

    Raises
    ------
    InvalidInputError
        If the frames are not a finite matrix, or the lengths are not positive or do not sum to T.
    """
    if isinstance(X, Sequence) and len(X) and np.ndim(X[0]) == 2:
        if lengths is not None:
            raise InvalidInputError(
                "a list of sequences has lengths of its own; give `lengths` with one matrix only"
            )
        parts = []
        for number, part in enumerate(X):
            parts.append(check_finite_frames(part, n_features=n_features, block=number))
            n_features = parts[0].shape[1]
        frames: Frames = np.concatenate(parts)
        counts = np.array([len(part) for part in parts], np.intp)
    else:
        frames = check_finite_frames(X, n_features=n_features)
        counts = np.array([len(frames)], np.intp) if lengths is None else _checked(lengths)
    if len(frames) == 0:
        raise InsufficientDataError("a hidden Markov model needs frames, found none")
    short = np.flatnonzero(counts < 1)
    if short.size:
        raise InvalidInputError(
            f"sequences must have one or more frames, found {counts[short[0]]} in sequence "
            f"{short[0]}"
        )
    if counts.sum() != len(frames):
        raise InvalidInputError(
            f"lengths must sum to the number of frames, {len(frames)}, found {counts.sum()}"
        )
    bounds = np.concatenate([np.zeros(1, np.intp), np.cumsum(counts)])
    return Sequences(np.ascontiguousarray(frames), bounds)


def check_sequence_weights(sample_weight: Any, n_sequences: int) -> NDArray[np.float64]:
    """Return the weights (R,) of sequences, checked; by default they are ones.

    Raises
    ------
    InvalidInputError
        If they are not R finite numbers >= 0, or all zero.
    """
    if sample_weight is None:
        return np.ones(n_sequences)
    weights = np.asarray(sample_weight, np.float64)
    if weights.shape != (n_sequences,):
        raise InvalidInputError(
            f"sample_weight must have one entry for each of {n_sequences} sequences, found shape "
            f"{weights.shape}"
        )
    bad = np.flatnonzero(~((weights >= 0) & (weights < np.inf)))
    if bad.size:
        raise InvalidInputError(
            f"sample_weight must be finite and >= 0, found {weights[bad[0]]} at sequence {bad[0]}"
        )
    if not weights.any():
        raise InvalidInputError("sample_weight must not be zero for all sequences")
    refuse_extreme_weights(weights, times=_MOST_FRAMES)
    return weights


def _checked(lengths: Any) -> NDArray[np.intp]:
    counts = np.asarray(lengths)
    if counts.ndim != 1 or counts.size == 0 or counts.dtype.kind not in "iu":
        raise InvalidInputError(
            f"lengths must be a vector of whole numbers, found {counts.dtype} of shape "
            f"{counts.shape}"
        )
    return counts.astype(np.intp)
