"""Recursions over the arcs of a lattice, compiled; `.py_func` is each in plain Python.

Nodes are numbered in topological order, and arcs are sorted by source. Scores are natural
logarithms. A recursion either sums over paths or takes the best one.
"""

from __future__ import annotations

import math

import numpy as np

from speakergmm.kernels import FilledVector, Vector, compiled

FOLLOW, BLOCKED, LEAVE = 0, 1, 2
"""Roles of arcs in a backward recursion: continue within, stop, or take the value outside."""


@compiled()
def topological_order(
    first: Vector[np.int64],
    target: Vector[np.int32],
    start: int,
    order: FilledVector[np.int32],
) -> int:
    """Sort the nodes that can be reached from a start topologically (Kahn's algorithm).

    Parameters
    ----------
    first : array, shape (N + 1,)
        First arc of each node.
    target : array, shape (A,)
        Targets of the arcs, which are sorted by source.
    start : int
        Node from which the others are reached.
    order : array, shape (N,)
        Filled with the nodes, each after all nodes that lead to it.

    Returns
    -------
    int
        Number of nodes reached, or -1 if arcs form a circle.
    """
    # Find the nodes that can be reached, and the number of arcs into each of them.
    n_nodes = len(first) - 1
    degree = np.zeros(n_nodes, np.int32)
    seen = np.zeros(n_nodes, np.bool_)
    order[0] = start
    seen[start] = True
    n_reached, place = 1, 0
    while place < n_reached:
        node = order[place]
        place += 1
        for arc in range(first[node], first[node + 1]):
            degree[target[arc]] += 1
            if not seen[target[arc]]:
                seen[target[arc]] = True
                order[n_reached] = target[arc]
                n_reached += 1
    if degree[start] > 0:
        return -1
    # Take nodes in order; a node follows when the last arc into it has been passed. Nodes on
    # a circle never do.
    n_sorted, place = 1, 0
    order[0] = start
    while place < n_sorted:
        node = order[place]
        place += 1
        for arc in range(first[node], first[node + 1]):
            degree[target[arc]] -= 1
            if degree[target[arc]] == 0:
                order[n_sorted] = target[arc]
                n_sorted += 1
    return n_sorted if n_sorted == n_reached else -1


@compiled(at_first_call=True, inline="always")
def _joined(one: float, other: float, sums: bool) -> float:
    """Return the logarithm of the sum of two probabilities, or the larger of the two."""
    lower, higher = min(one, other), max(one, other)
    return higher + math.log1p(math.exp(lower - higher)) if sums and lower > -np.inf else higher


@compiled()
def propagate_forward(
    first: Vector[np.int64],
    target: Vector[np.int32],
    stop: Vector[np.int32],
    weight: Vector[np.float64],
    lowest: int,
    sums: bool,
    alpha: FilledVector[np.float64],
    back: FilledVector[np.int32],
) -> None:
    """Propagate scores forward, from nodes that have one, along the arcs where `stop` is 0.

    Parameters
    ----------
    first : array, shape (N + 1,)
        First arc of each node.
    target, stop, weight : array, shape (A,)
        Targets of the arcs, whether they are excluded (other than 0), and log-probabilities.
    lowest : int
        First node to propagate from.
    sums : bool
        Whether to sum over paths, or take the best one.
    alpha : array, shape (N,)
        Scores of the nodes, -inf for none; those of nodes that are reached are raised.
    back : array, shape (N,)
        Filled with the arc of the best path into each node that is reached.
    """
    # In topological order, the score of a node is complete when its turn comes.
    for node in range(lowest, len(first) - 1):
        here = alpha[node]
        if here == -np.inf:
            continue
        for arc in range(first[node], first[node + 1]):
            value = here + weight[arc]
            if stop[arc] != 0 or value == -np.inf:
                continue
            there = target[arc]
            if value > alpha[there]:
                back[there] = arc
            alpha[there] = _joined(alpha[there], value, sums)


@compiled()
def propagate_backward(
    first: Vector[np.int64],
    target: Vector[np.int32],
    role: Vector[np.int8],
    weight: Vector[np.float64],
    outside: Vector[np.float64],
    sums: bool,
    beta: FilledVector[np.float64],
) -> None:
    """Propagate scores backward, from the ends of paths to their beginnings.

    Parameters
    ----------
    first : array, shape (N + 1,)
        First arc of each node.
    target, weight : array, shape (A,)
        Targets and log-probabilities of the arcs.
    role : array, shape (A,)
        An arc of role `FOLLOW` continues with `beta` of its target, one of role `LEAVE` with
        `outside` of its target; a path through one of role `BLOCKED` does not count.
    outside : array, shape (N,)
        Scores from the targets of arcs of role `LEAVE` on.
    sums : bool
        Whether to sum over paths, or take the best one.
    beta : array, shape (N,)
        Scores of ending at each node, to which those of continuing are added.
    """
    # In reverse topological order, the scores of all targets are complete when they are needed.
    for node in range(len(first) - 2, -1, -1):
        total = beta[node]
        for arc in range(first[node], first[node + 1]):
            if role[arc] == BLOCKED:
                continue
            there = target[arc]
            value = weight[arc] + (beta[there] if role[arc] == FOLLOW else outside[there])
            total = _joined(total, value, sums)
        beta[node] = total
