"""A graph as kernels take it, and distances within it, compiled."""

from __future__ import annotations

import numpy as np

from speakergmm.kernels import FilledVector, Vector, compiled

LogGraph = tuple[
    Vector[np.uint32],  # pdf (S,)
    Vector[np.uint32],  # incoming (S + 1,): where the arcs into each state begin
    Vector[np.uint32],  # source (A,) of arcs sorted by target
    Vector[np.float64],  # log_prob (A,)
    Vector[np.uint32],  # entry_state (E,)
    Vector[np.float64],  # entry_log_prob
    Vector[np.uint32],  # exit_state (F,)
    Vector[np.float64],  # exit_log_prob
]
"""A graph in logarithms."""

ScaledGraph = tuple[
    Vector[np.uint32],  # pdf
    Vector[np.uint32],  # incoming
    Vector[np.uint32],  # source
    Vector[np.float64],  # probability
    Vector[np.float64],  # probability_level
    bool,  # whether products of these need care of their range
    Vector[np.uint32],  # entry_state
    Vector[np.float64],  # entry
    Vector[np.float64],  # entry_level
    Vector[np.uint32],  # exit_state
    Vector[np.float64],  # exit
    Vector[np.float64],  # exit_level
]
"""The same in numbers with levels."""


@compiled()
def count_arcs_to_exit(
    incoming: Vector[np.uint32],
    source: Vector[np.uint32],
    log_prob: Vector[np.float64],
    exit_state: Vector[np.uint32],
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
