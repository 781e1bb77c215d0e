"""What depends on the arcs of a graph alone, not on their probabilities: sorted once, and shared.

Arcs are kept in compressed rows (CSR) by target.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

# Stands for a distance without end.
UNREACHABLE = int(np.iinfo(np.int32).max)


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """Arcs sorted by target; of one target, lower arcs come first. Not to be written to.

    Parameters
    ----------
    pdf, entry_state, exit_state : array of int, shape (S,), (E,) and (F,)
        Those of the graph. Indices are unsigned, as kernels want them.
    incoming : array of int, shape (S + 1,)
        Where the arcs into each state begin in the two arrays that follow.
    incoming_arc, incoming_source : array of int, shape (A,)
    lowest_target, highest_target : array of int, shape (S,)
        Lowest state that an arc leads to from each state or a higher one, and highest state that
        one leads to from each state or a lower one: together, where arcs from a range lead to.
    """

    pdf: NDArray[np.uint32]
    entry_state: NDArray[np.uint32]
    exit_state: NDArray[np.uint32]
    incoming: NDArray[np.uint32]
    incoming_arc: Indices
    incoming_source: NDArray[np.uint32]
    lowest_target: Indices
    highest_target: Indices
    _kept: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls, pdf: Indices, source: Indices, target: Indices, entry: Indices, exit_: Indices
    ) -> Structure:
        """Sort the arcs of a graph."""
        n_states = len(pdf)
        by_target = np.argsort(target, kind="stable").astype(np.int32)
        incoming = np.zeros(n_states + 1, dtype=np.uint32)
        np.cumsum(np.bincount(target, minlength=n_states), out=incoming[1:])
        lowest = np.full(n_states, n_states, dtype=np.int32)
        highest = np.full(n_states, -1, dtype=np.int32)
        np.minimum.at(lowest, source, target)
        np.maximum.at(highest, source, target)
        arrays = (
            pdf.astype(np.uint32),
            entry.astype(np.uint32),
            exit_.astype(np.uint32),
            incoming,
            by_target,
            source[by_target].astype(np.uint32),
            np.ascontiguousarray(np.minimum.accumulate(lowest[::-1])[::-1]),
            np.maximum.accumulate(highest),
        )
        for array in arrays:
            array.flags.writeable = False
        return cls(*arrays)

    def arcs_to_exit(self, log_prob: Floats, exit_log_prob: Floats) -> Indices:
        """Fewest arcs of finite probability from each state to an exit of finite probability."""
        # Probabilities of zero are rare: without them the answer is that of the structure.
        plain = bool(np.isfinite(log_prob).all() and np.isfinite(exit_log_prob).all())
        if plain and "arcs_to_exit" in self._kept:
            kept: Indices = self._kept["arcs_to_exit"]
            return kept
        from speakergmm.hmm.inference.graph_kernels import count_arcs_to_exit

        arcs: Indices = np.full(len(self.incoming) - 1, UNREACHABLE, dtype=np.int32)
        count_arcs_to_exit(
            self.incoming,
            self.incoming_source,
            log_prob[self.incoming_arc],
            self.exit_state,
            exit_log_prob,
            arcs,
        )
        arcs.flags.writeable = False
        if plain:
            self._kept["arcs_to_exit"] = arcs
        return arcs
