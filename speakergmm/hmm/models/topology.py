"""Topologies: the emitting states of a unit and the arcs among them, with initial probabilities."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import number, refused, whole_number

ENTRY = -1
"""Source of the arcs by which a path enters a unit."""


def freeze(record: object, **dtypes: Any) -> None:
    """Replace arrays of a frozen dataclass by read-only copies of the given dtypes."""
    for name, dtype in dtypes.items():
        array = np.array(getattr(record, name), dtype)
        array.setflags(write=False)
        object.__setattr__(record, name, array)


class SortedArcs(NamedTuple):
    """The arcs of a topology by kind; `place` is the number of an arc in the topology.

    Parameters
    ----------
    entries, exits : list of (place, state)
        Arcs from the entry to a state, and from a state to the exit.
    tee : list of place
        Arcs from the entry to the exit, past all states (tee models).
    inner : array of int, shape (3, N)
        Source, target and place of the arcs among states.
    """

    entries: list[tuple[int, int]]
    exits: list[tuple[int, int]]
    tee: list[int]
    inner: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Topology:
    """Topology of a unit: its emitting states, and the arcs among, into and out of them.

    Parameters
    ----------
    n_states : int
        Number of emitting states, S >= 1.
    source : array of int, shape (A,)
        Source of each arc: a state, or -1 for the entry.
    target : array of int, shape (A,)
        Target of each arc: a state, or S for the exit. With an arc from the entry to the exit, the
        unit may take no frame (a tee model).
    probability : array, shape (A,)
        Initial probability of each arc, in (0, 1]; those of one source sum to one.

    Raises
    ------
    InvalidInputError
        If the source or target of an arc does not exist, an arc occurs twice, the probabilities of
        a source do not sum to one, or a state cannot be reached or left.

    Examples
    --------
    >>> Topology.left_right(3).n_arcs
    7
    >>> Topology.short_pause().is_tee
    True
    """

    n_states: int
    source: NDArray[np.int32]
    target: NDArray[np.int32]
    probability: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Copy, freeze and check the arrays."""
        whole_number("n_states", self.n_states)
        freeze(self, source=np.int32, target=np.int32, probability=np.float64)
        if not self.source.shape == self.target.shape == self.probability.shape == (self.n_arcs,):
            raise InvalidInputError("source, target and probability must have the same length")
        if self.n_states > self.n_arcs:  # before a loop over a number of any size
            raise refused("arcs", f"at least as many as the {self.n_states} states", self.n_arcs)
        states = range(self.n_states)
        for source, target in zip(self.source, self.target, strict=True):
            if not (source == ENTRY or source in states) or target not in range(self.n_states + 1):
                raise InvalidInputError(
                    f"an arc from {source} to {target} leads out of a topology of "
                    f"{self.n_states} states"
                )
        if len(set(zip(self.source.tolist(), self.target.tolist(), strict=True))) < self.n_arcs:
            raise InvalidInputError("an arc of a topology occurs twice")
        if not ((self.probability > 0) & (self.probability <= 1)).all():
            raise InvalidInputError("probabilities of arcs must be above 0, at most 1")
        for source in (ENTRY, *states):
            total = self.probability[self.source == source].sum()
            if abs(total - 1) > 1e-9:
                where = "the entry" if source == ENTRY else f"state {source}"
                raise InvalidInputError(
                    f"probabilities of the arcs from {where} sum to {total:.9g}; they must sum to 1"
                )
        self._check_reach()

    @property
    def n_arcs(self) -> int:
        """Number of arcs, A."""
        return len(self.source)

    @cached_property
    def sorted_arcs(self) -> SortedArcs:
        """The arcs by kind."""
        end = self.n_states
        arcs = list(enumerate(zip(self.source.tolist(), self.target.tolist(), strict=True)))
        inner = [(s, t, place) for place, (s, t) in arcs if s != ENTRY and t != end]
        return SortedArcs(
            [(place, t) for place, (s, t) in arcs if s == ENTRY and t != end],
            [(place, s) for place, (s, t) in arcs if s != ENTRY and t == end],
            [place for place, (s, t) in arcs if s == ENTRY and t == end],
            np.array(inner, np.int64).reshape(-1, 3).T,
        )

    @property
    def is_tee(self) -> bool:
        """Return whether the unit may take no frame."""
        return bool(((self.source == ENTRY) & (self.target == self.n_states)).any())

    @property
    def shortest_duration(self) -> int:
        """Least number of frames from the entry to the exit."""
        # All states that can be reached after 0, 1, 2, ... frames, until the exit is one of them.
        arcs = list(zip(self.source.tolist(), self.target.tolist(), strict=True))
        frames, at = 0, {ENTRY}
        while True:
            reached = {target for source, target in arcs if source in at}
            if self.n_states in reached:
                return frames
            frames, at = frames + 1, reached

    @classmethod
    def left_right(cls, n_states: int, *, skips: int = 0, self_loop: float = 0.75) -> Self:
        """Return a left-to-right topology, in which each state has a loop to itself.

        Parameters
        ----------
        n_states : int
            Number of states.
        skips : int, default=0
            Most states that an arc may skip (1 in Bakis models); the exit counts as one.
        self_loop : float, default=0.75
            Initial probability of the loop; the arcs onwards share the rest equally.
        """
        whole_number("n_states", n_states)
        whole_number("skips", skips, least=0)
        number("self_loop", self_loop, above=0, below=1)
        arcs = [(ENTRY, 0, 1.0)]
        for state in range(n_states):
            arcs.append((state, state, self_loop))
            onwards = range(state + 1, min(state + 2 + skips, n_states + 1))
            arcs += [(state, target, (1 - self_loop) / len(onwards)) for target in onwards]
        return cls.from_arcs(n_states, arcs)

    @classmethod
    def silence(cls, n_states: int = 5) -> Self:
        """Return Kaldi's topology of silence: inner states in any order between a first and a last.

        Each inner state may be followed by any inner state and by the last one.

        Parameters
        ----------
        n_states : int, default=5
            Number of states, at least 3.
        """
        whole_number("n_states of silence", n_states, least=3)
        inner, last = range(1, n_states - 1), n_states - 1
        arcs = [(ENTRY, 0, 1.0)]
        first = [0, *inner]
        arcs += [(0, target, 1 / len(first)) for target in first]
        for state in inner:
            targets = [*inner, last]
            arcs += [(state, target, 1 / len(targets)) for target in targets]
        arcs += [(last, last, 0.75), (last, n_states, 0.25)]
        return cls.from_arcs(n_states, arcs)

    @classmethod
    def short_pause(cls, *, skip: float = 0.5, self_loop: float = 0.75) -> Self:
        """Return the topology of a short pause: one state in a tee model, HTK's ``sp``.

        Parameters
        ----------
        skip : float, default=0.5
            Initial probability that the unit takes no frame.
        self_loop : float, default=0.75
            Initial probability of the loop.
        """
        return cls.from_arcs(
            1,
            [(ENTRY, 0, 1 - skip), (ENTRY, 1, skip), (0, 0, self_loop), (0, 1, 1 - self_loop)],
        )

    @classmethod
    def ergodic(cls, n_states: int) -> Self:
        """Return a topology in which any state may be first, last, and follow any other.

        Parameters
        ----------
        n_states : int
            Number of states.
        """
        whole_number("n_states", n_states)
        arcs = [(ENTRY, target, 1 / n_states) for target in range(n_states)]
        for state in range(n_states):
            arcs += [(state, target, 1 / (n_states + 1)) for target in range(n_states + 1)]
        return cls.from_arcs(n_states, arcs)

    @classmethod
    def from_arcs(cls, n_states: int, arcs: list[tuple[int, int, float]]) -> Self:
        """Build a topology from a list of (source, target, probability), in any order."""
        source, target, probability = zip(*arcs, strict=True) if arcs else ((), (), ())
        ends = np.array(source, np.int32), np.array(target, np.int32)
        return cls(n_states, *ends, np.array(probability, np.float64))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Topology) and self._content == other._content

    def __hash__(self) -> int:
        return hash(self._content)

    @property
    def _content(self) -> tuple[int, bytes, bytes, bytes]:
        arrays = (self.source, self.target, self.probability)
        source, target, probability = (array.tobytes() for array in arrays)
        return self.n_states, source, target, probability

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.n_states, self.source, self.target, self.probability)

    def _check_reach(self) -> None:
        """Raise an error if a state is on no path from the entry to the exit."""
        forwards = list(zip(self.source.tolist(), self.target.tolist(), strict=True))
        backwards = [(target, source) for source, target in forwards]
        reached = _closure(ENTRY, forwards) & _closure(self.n_states, backwards)
        if lost := set(range(self.n_states)) - reached:
            raise InvalidInputError(f"state {min(lost)} of a topology cannot be reached or left")


def _closure(start: int, arcs: list[tuple[int, int]]) -> set[int]:
    """Return all nodes that can be reached from a start."""
    reached, border = {start}, {start}
    while border:
        border = {target for source, target in arcs if source in border} - reached
        reached |= border
    return reached
