"""Distances within a graph, compiled."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakergmm.kernels import FilledVector, Vector, compiled

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


@compiled()
def count_arcs_to_exit(
    incoming: Vector[np.int32],
    source: Vector[np.int32],
    log_prob: Vector[np.float64],
    exit_state: Vector[np.int32],
    exit_log_prob: Vector[np.float64],
    arcs: FilledVector[np.int32],
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
