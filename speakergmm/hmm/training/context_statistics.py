"""Statistics of the states of phones in context, from which decision trees are grown."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.phone_questions import CENTRE, NO_UNIT, STATE
from speakergmm.hmm.models.topology import freeze
from speakergmm.hmm.models.utterance_graph import UtteranceGraph


@dataclass(frozen=True, slots=True, eq=False)
class ContextStatistics:
    """Count, sum and sum of squares of the frames of each context that was seen.

    Parameters
    ----------
    contexts : array of int, shape (N, 4)
        Unit before, unit, unit after (-1 for none) and state, by their numbers; sorted, each once.
    counts : array, shape (N,)
        Frames of each context.
    first, second : array, shape (N, D)
        Sums of its frames and of their squares, in feature units.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a number is not finite, or a count is not positive.
    """

    contexts: NDArray[np.int32]
    counts: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        freeze(self, contexts=np.int32, **dict.fromkeys(("counts", "first", "second"), np.float64))
        n = len(self.counts)
        if self.contexts.shape != (n, 4) or self.first.ndim != 2 or len(self.first) != n:
            raise InvalidInputError("statistics of contexts need 4 columns and one row a context")
        if self.first.shape != self.second.shape:
            raise InvalidInputError("sums and sums of squares must have the same shape")
        if not (np.isfinite(self.moments).all() and (self.counts > 0).all()):
            raise InvalidInputError("statistics of contexts must be finite, and counts positive")
        if (self.contexts < NO_UNIT).any() or (self.contexts[:, [CENTRE, STATE]] < 0).any():
            raise InvalidInputError("units and states of contexts must not be negative")

    @property
    def moments(self) -> NDArray[np.float64]:
        """Counts, sums and sums of squares side by side, shape (N, 1 + 2 D)."""
        return np.column_stack([self.counts, self.first, self.second])

    @classmethod
    def of_frames(cls, frames: ArrayLike, contexts: ArrayLike) -> Self:
        """Sum frames by their contexts.

        Parameters
        ----------
        frames : array, shape (T, D)
            Frames, in feature units.
        contexts : array of int, shape (T, 4)
            Context of each frame.

        Raises
        ------
        InvalidInputError
            If shapes disagree or a number is not finite.
        """
        x, given = np.asarray(frames, np.float64), np.asarray(contexts, np.int32)
        if x.ndim != 2 or given.shape != (len(x), 4):
            raise InvalidInputError(f"contexts of shape {given.shape} for frames {x.shape}")
        return cls._summed(given, np.column_stack([np.ones(len(x)), x, x * x]))

    def select(self, chosen: NDArray[np.bool_]) -> Self:
        """Return the statistics of some contexts, chosen by a mask (N,)."""
        counts, first, second = self.counts[chosen], self.first[chosen], self.second[chosen]
        return type(self)(self.contexts[chosen], counts, first, second)

    def merge(self, other: Self) -> Self:
        """Return the sums over the frames of both.

        Raises
        ------
        InvalidInputError
            If their numbers of features differ.
        """
        if self.first.shape[1] != other.first.shape[1]:
            raise InvalidInputError("statistics of different features cannot be added")
        contexts = np.concatenate([self.contexts, other.contexts])
        return self._summed(contexts, np.concatenate([self.moments, other.moments]))

    @classmethod
    def _summed(cls, contexts: NDArray[np.int32], moments: NDArray[np.float64]) -> Self:
        """Add the moments of equal contexts, in their order."""
        order = np.lexsort(contexts.T[::-1])
        ordered = contexts[order]
        new = np.ones(len(ordered), np.bool_)
        new[1:] = (ordered[1:] != ordered[:-1]).any(axis=1)
        starts = np.flatnonzero(new)
        sums = np.add.reduceat(moments[order], starts) if len(starts) else moments[:0]
        d = moments.shape[1] // 2
        return cls(ordered[starts], sums[:, 0], sums[:, 1 : d + 1], sums[:, d + 1 :])


def path_contexts(
    utterance: UtteranceGraph,
    states: NDArray[np.integer],
    units: Sequence[str],
    *,
    without_context: Collection[str] = (),
) -> NDArray[np.int32]:
    """Return the context of each frame on a path through the graph of an utterance.

    Parameters
    ----------
    utterance : UtteranceGraph
        The graph.
    states : array of int, shape (T,)
        State of the graph at each frame.
    units : sequence of str
        Names of the models' units, whose places are their numbers.
    without_context : collection of str, optional
        Units, such as silence, whose neighbours do not matter. As neighbours they count.

    Returns
    -------
    array of int, shape (T, 4)
        Unit before, unit, unit after (-1 for none) and state of each frame.
    """
    number = {unit: place for place, unit in enumerate(units)}
    of_frame = utterance.state_unit[states]
    starts = np.ones(len(of_frame), np.bool_)
    starts[1:] = of_frame[1:] != of_frame[:-1]
    names = [utterance.units[place].unit for place in of_frame[starts].tolist()]
    passed = np.array([number[name] for name in names], np.int32)
    around = np.concatenate([[NO_UNIT], passed, [NO_UNIT]])
    neighbours = np.column_stack([around[:-2], passed, around[2:]])
    alone = np.array([name in without_context for name in names], np.bool_)
    neighbours[alone, 0] = neighbours[alone, 2] = NO_UNIT
    runs = np.cumsum(starts) - 1
    return np.column_stack([neighbours[runs], utterance.state_position[states]]).astype(np.int32)
