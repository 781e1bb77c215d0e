"""Types of graphs in kernels, and distances within a graph, compiled."""

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
    bool,  # whether products with these may leave the range of float64
    Vector[np.uint32],  # entry_state
    Vector[np.float64],  # entry
    Vector[np.float64],  # entry_level
    Vector[np.uint32],  # exit_state
    Vector[np.float64],  # exit
    Vector[np.float64],  # exit_level
]
"""A graph in numbers with levels; see `forward_kernels`."""


@compiled()
def count_arcs_to_exit(
    incoming: Vector[np.uint32],
    source: Vector[np.uint32],
    log_prob: Vector[np.float64],
    exit_state: Vector[np.uint32],
    exit_log_prob: Vector[np.float64],
    arcs: FilledVector[np.int32],
) -> None:
    """Fill in the fewest arcs from each state to an exit, by breadth-first search.

    Parameters
    ----------
    incoming : array, shape (S + 1,)
        First arc into each state.
    source, log_prob : array, shape (A,)
        Sources and log-probabilities of the arcs, which are sorted by target.
    exit_state, exit_log_prob : array, shape (F,)
        States of the exits, and their log-probabilities.
    arcs : array, shape (S,)
        Filled with the result; it contains a larger number, which marks states not yet seen.
    """
    # The search begins at the exits of finite probability, at distance 0.
    queue = np.empty(len(arcs), dtype=np.int32)
    head = tail = 0
    unseen = arcs.max()
    for f in range(len(exit_state)):
        j = exit_state[f]
        if exit_log_prob[f] > -np.inf and arcs[j] != 0:
            arcs[j] = 0
            queue[tail] = j
            tail += 1
    # States in the queue are in order of distance: their unseen predecessors are one arc further.
    while head < tail:
        j = queue[head]
        head += 1
        for a in range(incoming[j], incoming[j + 1]):
            i = source[a]
            if log_prob[a] > -np.inf and arcs[i] == unseen:
                arcs[i] = arcs[j] + 1
                queue[tail] = i
                tail += 1
