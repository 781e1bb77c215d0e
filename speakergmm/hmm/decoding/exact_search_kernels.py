"""Recursions over all arcs of a decoding graph, compiled; `.py_func` is each in plain Python.

Emitting arcs are sorted by target; empty arcs, which take no frame, so that each comes after those
that lead to its source. Scores are scaled natural logarithms, -inf for impossible paths.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from speakergmm.kernels import FilledMatrix, FilledVector, Matrix, Vector, compiled

# Numbers whose types mypy cannot infer, as the compiler does.
Number = Any

ONE: Number = np.uint32(1)


@compiled()
def score_forward(
    emissions: Matrix[np.float64],
    first: Vector[np.uint32],
    source: Vector[np.uint32],
    column: Vector[np.uint32],
    weight: Vector[np.float64],
    empty_source: Vector[np.uint32],
    empty_target: Vector[np.uint32],
    empty_weight: Vector[np.float64],
    alpha: FilledMatrix[np.float64],
) -> None:
    """Fill in the best score of each state after each frame.

    Parameters
    ----------
    emissions : array, shape (T, P)
        Scaled log-densities.
    first : array, shape (S + 1,)
        First emitting arc into each state.
    source, column, weight : array
        Source, column of `emissions` and log-probability of each emitting arc.
    empty_source, empty_target, empty_weight : array
        Source, target and log-probability of each empty arc.
    alpha : array, shape (T + 1, S)
        Row 0 contains the scores before the first frame; the others are filled.
    """
    for frame in range(len(emissions) + 1):
        after = alpha[frame]
        # The best emitting arc into each state, from the states after the frame before.
        if frame > 0:
            before, heard = alpha[frame - 1], emissions[frame - 1]
            arc = first[0]
            for state in range(len(after)):
                best = -np.inf
                last = first[state + 1]
                while arc < last:
                    value = before[source[arc]] + weight[arc] + heard[column[arc]]
                    best = value if value > best else best  # no branch: it is unpredictable
                    arc += ONE
                after[state] = best
        # Empty arcs within the frame, in topological order: one pass over them is enough.
        for empty in range(len(empty_source)):
            value = after[empty_source[empty]] + empty_weight[empty]
            target = empty_target[empty]
            old = after[target]
            after[target] = value if value > old else old


@compiled()
def trace_back(
    alpha: Matrix[np.float64],
    emissions: Matrix[np.float64],
    first: Vector[np.int64],
    arcs: Vector[np.int32],
    source: Vector[np.int32],
    weight: Vector[np.float64],
    column: Vector[np.int32],
    start: int,
    state: int,
) -> FilledVector[np.int32]:
    """Trace the best path back from a state after the last frame to one before the first.

    Parameters
    ----------
    alpha : array, shape (T + 1, S)
        Best scores, as `score_forward` fills them in.
    emissions : array, shape (T, P)
        Scaled log-densities.
    first : array, shape (S + 1,)
        Where the arcs into each state begin in `arcs`.
    arcs : array, shape (A,)
        Numbers of all arcs, by target.
    source, weight, column : array, shape (A,)
        Source, log-probability and column of `emissions` of each arc; -1 for empty arcs.
    start : int
        State in which the path must begin; -1 for any.
    state : int
        State after the last frame.

    Returns
    -------
    array of int
        The state in which the path begins, and then its arcs in order.
    """
    # The path is filled from the end of an array, which grows when it is full: empty arcs make its
    # length unknown.
    frame = len(emissions)
    path = np.empty(3 * frame + 16, np.int32)
    place = len(path)
    while frame > 0 or (start >= 0 and state != start):
        # The arc into the state that gives the best score: empty ones come from the same frame,
        # emitting ones from the frame before.
        best, chosen = -np.inf, -1
        for index in range(first[state], first[state + 1]):
            arc = arcs[index]
            if column[arc] < 0:
                value = alpha[frame, source[arc]] + weight[arc]
            elif frame > 0:
                value = (
                    alpha[frame - 1, source[arc]] + weight[arc] + emissions[frame - 1, column[arc]]
                )
            else:
                continue
            if value > best:
                best, chosen = value, arc
        assert chosen >= 0  # because the state has a finite score
        if place == 1:
            place += len(path)
            path = np.concatenate((np.empty(len(path), np.int32), path))
        place -= 1
        path[place] = chosen
        state = source[chosen]
        if column[chosen] >= 0:
            frame -= 1
    path[place - 1] = state
    return path[place - 1 :]


@compiled()
def score_backward(
    heard: Vector[np.float64],
    source: Vector[np.uint32],
    target: Vector[np.uint32],
    column: Vector[np.uint32],
    weight: Vector[np.float64],
    alpha: Vector[np.float64],
    ahead: Vector[np.float64],
    least: float,
    beta: FilledVector[np.float64],
    kept: FilledVector[np.bool_],
) -> None:
    """Update the best scores to the end of the recording over some arcs, the last one first.

    Parameters
    ----------
    heard : array, shape (P,)
        Scaled log-densities of the frame; a zero for empty arcs.
    source, target, column, weight : array
        Source, target, column of `heard` and log-probability of each arc.
    alpha : array, shape (S,)
        Best scores from the start to the sources.
    ahead : array, shape (S,)
        Best scores from the targets to the end: after the frame for emitting arcs, and `beta`
        itself for empty ones.
    least : float
        Least score of paths of interest.
    beta : array, shape (S,)
        Best scores from the sources to the end, which are raised.
    kept : array of bool
        Filled: whether each arc lies on a path whose score is at least `least`.
    """
    # The best path through an arc is the best one to its source, the arc, and the best one on.
    for arc in range(len(source) - 1, -1, -1):
        value = weight[arc] + heard[column[arc]] + ahead[target[arc]]
        old = beta[source[arc]]
        beta[source[arc]] = value if value > old else old
        kept[arc] = alpha[source[arc]] + value >= least
