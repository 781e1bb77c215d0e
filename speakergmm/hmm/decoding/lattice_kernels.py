"""Passes over the arcs of a lattice, compiled; each is plain Python underneath (`.py_func`).

Nodes are numbered so that arcs lead upwards, and arcs stand in the order of their sources. Numbers
are natural logarithms. A pass either sums over paths or takes the best one.
"""

from __future__ import annotations

import math

import numpy as np

from speakergmm.kernels import FilledVector, Vector, compiled

FOLLOW, BLOCKED, LEAVE = 0, 1, 2
"""What a backward pass does at an arc: go on within, stop, or take the value outside."""


@compiled()
def topological_order(
    first: Vector[np.int64],
    target: Vector[np.int32],
    start: int,
    order: FilledVector[np.int32],
) -> int:
    """Fill `order` with the nodes that can be reached, each after all that lead to it.

    Returns how many there are, or -1 if arcs go round in a circle.
    """
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
    """Add two probabilities, or take the larger one, in logarithms."""
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
    """Go on from the nodes where `alpha` is finite, along arcs where `stop` is 0.

    `back` gets the arc of the best way into each node reached. `lowest` is the first node to go
    on from.
    """
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
    """Add to `beta`, which holds the values of ending at each node, those of going on.

    Arcs of role `FOLLOW` lead to `beta` of their targets, `LEAVE` to `outside`, `BLOCKED` nowhere.
    """
    for node in range(len(first) - 2, -1, -1):
        total = beta[node]
        for arc in range(first[node], first[node + 1]):
            if role[arc] == BLOCKED:
                continue
            there = target[arc]
            value = weight[arc] + (beta[there] if role[arc] == FOLLOW else outside[there])
            total = _joined(total, value, sums)
        beta[node] = total
