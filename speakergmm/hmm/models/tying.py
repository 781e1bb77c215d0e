"""Tying: the map from the states of all units to pdfs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.topology import Topology, freeze


@dataclass(frozen=True, slots=True, eq=False)
class Tying:
    """The pdf of each state of each unit.

    Parameters
    ----------
    first : array of int, shape (U + 1,)
        First state of each unit.
    pdf_id : array of int, shape (N,)
        Number of the pdf of each state, from 0; several states may share a pdf.

    Examples
    --------
    >>> three = Topology.left_right(3)
    >>> tying = Tying.independent([three, three])
    >>> tying.pdfs(1), tying.n_pdfs
    (array([3, 4, 5], dtype=int32), 6)
    """

    first: NDArray[np.int64]
    pdf_id: NDArray[np.int32]

    def __post_init__(self) -> None:
        """Copy and freeze the arrays, and check that each pdf has a state."""
        freeze(self, first=np.int64, pdf_id=np.int32)
        if len(self.pdf_id) == 0 or not np.array_equal(
            np.unique(self.pdf_id), np.arange(self.pdf_id.max() + 1)
        ):
            raise InvalidInputError("pdf ids must be 0, 1, 2, ... without gaps")

    @property
    def n_pdfs(self) -> int:
        """Number of pdfs, P."""
        return int(self.pdf_id.max()) + 1

    def pdfs(self, unit: int) -> NDArray[np.int32]:
        """Return the pdfs of the states of a unit, given its number."""
        return self.pdf_id[self.first[unit] : self.first[unit + 1]]

    @classmethod
    def independent(cls, topologies: Sequence[Topology]) -> Self:
        """Return a tying in which each state of each unit has its own pdf."""
        return cls.shared(topologies, {})

    @classmethod
    def shared(
        cls, topologies: Sequence[Topology], same: Mapping[tuple[int, int], tuple[int, int]]
    ) -> Self:
        """Return a tying in which some states share the pdf of another state.

        Parameters
        ----------
        topologies : sequence of Topology
            Topologies of the units.
        same : mapping of (unit, state) to (unit, state)
            For each state without its own pdf, the state whose pdf it shares; that state must have
            its own. HTK's short pause, for instance, shares that of the middle of silence.

        Raises
        ------
        InvalidInputError
            If a state does not exist, or is to share the pdf of a state without its own.
        """
        places = dict.fromkeys(
            (unit, state)
            for unit, topology in enumerate(topologies)
            for state in range(topology.n_states)
        )
        for pair in [*same, *same.values()]:
            if pair not in places or (pair in same.values() and pair in same):
                raise InvalidInputError(
                    f"state {pair} cannot share its pdf: it has none of its own"
                )
        own = {pair: n for n, pair in enumerate(pair for pair in places if pair not in same)}
        pdf_id = [own[same.get(pair, pair)] for pair in places]
        return cls.from_ids(topologies, np.array(pdf_id, np.int32))

    @classmethod
    def roots(
        cls,
        topologies: Sequence[Topology],
        groups: Sequence[Sequence[int]] | None = None,
        *,
        states_shared: bool = True,
    ) -> Self:
        """Return the roots of decision trees: what states share before contexts are told apart.

        Parameters
        ----------
        topologies : sequence of Topology
            Topologies of the units.
        groups : sequence of sequence of int, optional
            Units that share roots, such as the variants of a vowel in stress or tone; each unit
            once. By default each unit has its own.
        states_shared : bool, default=True
            Whether all states of a group share one root, whose tree may ask for the state;
            otherwise each state, by its number, has a root of its own.

        Raises
        ------
        InvalidInputError
            If a unit is in no group or in two.

        Examples
        --------
        >>> three = Topology.left_right(3)
        >>> Tying.roots([three, three, three], [[0], [1, 2]]).pdf_id.tolist()
        [0, 0, 0, 1, 1, 1, 1, 1, 1]
        """
        if groups is None:
            groups = [[unit] for unit in range(len(topologies))]
        if sorted(unit for group in groups for unit in group) != list(range(len(topologies))):
            raise InvalidInputError(
                f"groups of roots must name each of the {len(topologies)} units once"
            )
        group_of = {unit: number for number, group in enumerate(groups) for unit in group}
        keys = [
            (group_of[unit], 0 if states_shared else state)
            for unit, topology in enumerate(topologies)
            for state in range(topology.n_states)
        ]
        place = {key: number for number, key in enumerate(sorted(set(keys)))}
        return cls.from_ids(topologies, np.array([place[key] for key in keys], np.int32))

    @classmethod
    def from_ids(cls, topologies: Sequence[Topology], pdf_id: NDArray[np.int32]) -> Self:
        """Build a tying from the topologies and the pdf of each of their states, in order.

        Raises
        ------
        InvalidInputError
            If the number of pdf ids is not that of the states.
        """
        first = np.cumsum([0, *(topology.n_states for topology in topologies)])
        found = np.asarray(pdf_id, np.int32)
        if found.shape != (first[-1],):
            raise InvalidInputError(f"{found.shape} pdf ids for {first[-1]} states of topologies")
        return cls(first.astype(np.int64), found)
