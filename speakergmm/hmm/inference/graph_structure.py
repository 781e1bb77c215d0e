"""The structure of a graph: its arcs sorted by target (CSR), whatever their probabilities.

Graphs that differ in their probabilities alone share it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

UNREACHABLE = int(np.iinfo(np.int32).max)
"""Distance to an exit from states that reach none."""


@dataclass(frozen=True, slots=True, eq=False)
class Structure:
    """Arcs sorted by target, and for one target by number; the arrays are read-only.

    Parameters
    ----------
    pdf, entry_state, exit_state : array of int, shape (S,), (E,) and (F,)
        As the graph has them; indices are unsigned, as kernels take them.
    incoming : array of int, shape (S + 1,)
        Index of the first arc into each state in the two arrays that follow.
    incoming_arc, incoming_source : array of int, shape (A,)
        Numbers and sources of the arcs.
    lowest_target, highest_target : array of int, shape (S,)
        Lowest target of the arcs from each state and all higher ones, and highest target of those
        from each state and all lower ones: together, the range of the targets of a range of states.
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
        """Return the fewest arcs from each state to an exit, over those of finite probability."""
        # Without probabilities of zero, which are rare, the result depends on the structure alone.
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
