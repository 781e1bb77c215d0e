"""Distances within a graph, compiled."""

from __future__ import annotations

import numpy as np
from numba import float64, int32, types
from numpy.typing import NDArray

from speakergmm.hmm.inference.compilation import compiled, constant, written

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


@compiled(
    types.void,
    constant(int32),
    constant(int32),
    constant(float64),
    constant(int32),
    constant(float64),
    written(int32),
)
def count_arcs_to_exit(
    incoming: Indices,
    source: Indices,
    log_prob: Floats,
    exit_state: Indices,
    exit_log_prob: Floats,
    arcs: Indices,
) -> None:
    """Fill in the fewest arcs from each state to an exit; `arcs` comes full of a larger number.

    Parameters
    ----------
    source, log_prob : array, shape (A,)
        Of arcs sorted by target; states' arcs begin at `incoming`.
    """
    queue = np.empty(len(arcs), dtype=np.int32)
    head = tail = 0
    unseen = arcs.max()
    for f in range(len(exit_state)):
        j = exit_state[f]
        if exit_log_prob[f] > -np.inf and arcs[j] != 0:
            arcs[j] = 0
            queue[tail] = j
            tail += 1
    while head < tail:
        j = queue[head]
        head += 1
        for a in range(incoming[j], incoming[j + 1]):
            i = source[a]
            if log_prob[a] > -np.inf and arcs[i] == unseen:
                arcs[i] = arcs[j] + 1
                queue[tail] = i
                tail += 1
