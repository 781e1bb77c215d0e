"""Transition probabilities: those of the arcs of all units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.topology import ENTRY, Topology, freeze
from speakergmm.ranges import number, refused


@dataclass(frozen=True, slots=True, eq=False)
class Transitions:
    """Probabilities of the arcs of all units, unit after unit.

    Parameters
    ----------
    first : array of int, shape (U + 1,)
        First arc of each unit; the last entry is the number of arcs, N. The arcs of a unit are in
        the order of its topology.
    group : array of int, shape (N,)
        Number of the state that each arc leaves; the entry of a unit counts as a state.
    probability : array, shape (N,)
        Probability of each arc; those of a group sum to one.
    """

    first: NDArray[np.int64]
    group: NDArray[np.int64]
    probability: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Copy and freeze the arrays."""
        freeze(self, first=np.int64, group=np.int64, probability=np.float64)

    @classmethod
    def from_topologies(cls, topologies: Sequence[Topology]) -> Self:
        """Return the initial probabilities of the topologies of all units."""
        first = np.cumsum([0, *(topology.n_arcs for topology in topologies)])
        groups, n_groups = [], 0
        for topology in topologies:
            # The entry is a group of its own, before the groups of the states.
            groups.append(topology.source.astype(np.int64) - ENTRY + n_groups)
            n_groups += topology.n_states + 1
        return cls(
            first.astype(np.int64),
            np.concatenate(groups),
            np.concatenate([topology.probability for topology in topologies]),
        )

    @property
    def n_arcs(self) -> int:
        """Number of arcs of all units, N."""
        return len(self.probability)

    def log_probability(self) -> NDArray[np.float64]:
        """Return the natural logarithms, shape (N,); -inf for arcs of probability zero."""
        with np.errstate(divide="ignore"):
            return np.log(self.probability)

    def updated(self, counts: ArrayLike, *, floor: float = 0.0) -> Transitions:
        """Return the transitions that maximise the likelihood of counts.

        The arcs of states without counts keep their probabilities.

        Parameters
        ----------
        counts : array, shape (N,)
            Expected number of times that each arc is taken.
        floor : float, default=0.0
            Smallest probability of an arc, at least 0 and below 1; if n arcs leave a state, at most
            1 / (2 n) is used. At 0 the update is exactly maximum likelihood.

        Returns
        -------
        Transitions

        Raises
        ------
        InvalidInputError
            If the counts are negative, not finite, or of another shape, or the floor is out of its
            range.

        Notes
        -----
        Relative frequencies, Rabiner (1989), equation 40b. With a floor, arcs below it are raised
        to it and the others share the rest in proportion, repeatedly until none is below: the
        maximum under that constraint.
        """
        counts = np.asarray(counts, np.float64)
        if counts.shape != self.probability.shape or not (
            np.isfinite(counts).all() and (counts >= 0).all()
        ):
            raise refused("counts", f"{self.n_arcs} finite numbers >= 0, one per arc", counts.shape)
        number("floor", floor, least=0, below=1)
        totals = np.bincount(self.group, counts)
        seen = totals[self.group] > 0
        probability = self.probability.copy()
        probability[seen] = counts[seen] / totals[self.group[seen]]
        if floor > 0:
            probability = np.where(seen, self._raised(probability, floor), probability)
        return Transitions(self.first, self.group, probability)

    def _raised(self, probability: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
        """Return probabilities of at least the floor; see `updated`."""
        sizes = np.bincount(self.group)[self.group]
        least = np.minimum(floor, 0.5 / sizes)
        at_floor = np.zeros(len(probability), np.bool_)
        while True:
            held = np.bincount(self.group, np.where(at_floor, least, 0.0))
            free = np.bincount(self.group, np.where(at_floor, 0.0, probability))
            share = (1.0 - held) / np.where(free > 0, free, 1.0)
            result = np.where(at_floor, least, probability * share[self.group])
            below = ~at_floor & (result < least)
            if not below.any():
                return result
            at_floor |= below

    @classmethod
    def from_probabilities(
        cls, topologies: Sequence[Topology], probability: NDArray[np.float64]
    ) -> Self:
        """Build transitions from the topologies and the probabilities of their arcs, in order.

        Raises
        ------
        InvalidInputError
            If the shapes disagree, or the probabilities of a state do not sum to one.
        """
        start = cls.from_topologies(topologies)
        found = np.asarray(probability, np.float64)
        if found.shape != start.probability.shape:
            raise InvalidInputError(
                f"{found.shape} transition probabilities for {start.n_arcs} arcs of topologies"
            )
        totals = np.bincount(start.group, found)
        used = np.bincount(start.group) > 0
        if not (found >= 0).all() or not np.allclose(totals[used], 1.0, rtol=0, atol=1e-6):
            raise InvalidInputError("transition probabilities of each state must sum to one")
        return cls(start.first, start.group, found)
