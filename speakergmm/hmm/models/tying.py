"""Which states share a density: the map from a state of a unit to a pdf."""

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
    """Pdf of each state of each unit.

    Parameters
    ----------
    first : array of int, shape (U + 1,)
        Where the states of each unit begin.
    pdf_id : array of int, shape (N,)
        The pdf of each state, from 0; several states may have the same.

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
        """Copy, freeze, and refuse numbers that leave a pdf out."""
        freeze(self, first=np.int64, pdf_id=np.int32)
        if len(self.pdf_id) == 0 or not np.array_equal(
            np.unique(self.pdf_id), np.arange(self.pdf_id.max() + 1)
        ):
            raise InvalidInputError("pdf ids must be 0, 1, 2, ..., each of some state")

    @property
    def n_pdfs(self) -> int:
        """Number of pdfs, P."""
        return int(self.pdf_id.max()) + 1

    def pdfs(self, unit: int) -> NDArray[np.int32]:
        """Pdfs of the states of a unit, by its number."""
        return self.pdf_id[self.first[unit] : self.first[unit + 1]]

    @classmethod
    def independent(cls, topologies: Sequence[Topology]) -> Self:
        """Give each state of each unit a pdf of its own."""
        return cls.shared(topologies, {})

    @classmethod
    def shared(
        cls, topologies: Sequence[Topology], same: Mapping[tuple[int, int], tuple[int, int]]
    ) -> Self:
        """Give each state a pdf of its own but for those that take another's.

        Parameters
        ----------
        topologies : sequence of Topology
            Of the units.
        same : mapping of (unit, state) to (unit, state)
            Which state takes the pdf of which: HTK's short pause, for instance, that of the middle
            of silence. The one it takes must have its own.

        Raises
        ------
        InvalidInputError
            If a state is missing, or takes the pdf of one that has none of its own.
        """
        places = dict.fromkeys(
            (unit, state)
            for unit, topology in enumerate(topologies)
            for state in range(topology.n_states)
        )
        for pair in [*same, *same.values()]:
            if pair not in places or (pair in same.values() and pair in same):
                raise InvalidInputError(f"state {pair} can't share its pdf: it has none of its own")
        own = {pair: n for n, pair in enumerate(pair for pair in places if pair not in same)}
        pdf_id = [own[same.get(pair, pair)] for pair in places]
        return cls.from_ids(topologies, np.array(pdf_id, np.int32))

    @classmethod
    def from_ids(cls, topologies: Sequence[Topology], pdf_id: NDArray[np.int32]) -> Self:
        """Build from the topologies and the pdf of each of their states, in order.

        Raises
        ------
        InvalidInputError
            If they don't belong together.
        """
        first = np.cumsum([0, *(topology.n_states for topology in topologies)])
        found = np.asarray(pdf_id, np.int32)
        if found.shape != (first[-1],):
            raise InvalidInputError(f"{found.shape} pdf ids for {first[-1]} states of topologies")
        return cls(first.astype(np.int64), found)
