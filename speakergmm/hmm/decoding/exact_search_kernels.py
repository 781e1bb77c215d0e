"""Passes over all arcs of a decoding graph, compiled; each is plain Python underneath (`.py_func`).

Emitting arcs stand in the order of their targets, empty arcs so that each comes after those that
lead to its source. Numbers are scaled natural logarithms; -inf is impossible.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from speakergmm.kernels import FilledMatrix, FilledVector, Matrix, Vector, compiled

# Numbers of which mypy can't follow the kind, as the compiler does.
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
    """Fill `alpha`, the best score of each state after each frame, from its row 0."""
    for frame in range(len(emissions) + 1):
        after = alpha[frame]
        if frame > 0:
            before, heard = alpha[frame - 1], emissions[frame - 1]
            arc = first[0]
            for state in range(len(after)):
                best = -np.inf
                last = first[state + 1]
                while arc < last:
                    value = before[source[arc]] + weight[arc] + heard[column[arc]]
                    best = value if value > best else best  # no branch: it would be guessed wrong
                    arc += ONE
                after[state] = best
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
    """Follow the best arcs back from a state after the last frame, to one before the first.

    `first` and `arcs` list all arcs by target; `column` is -1 for empty ones. `start` is the state
    to arrive at, -1 for any. Returns the state arrived at, and the arcs in their order.
    """
    frame = len(emissions)
    path = np.empty(3 * frame + 16, np.int32)
    place = len(path)
    while frame > 0 or (start >= 0 and state != start):
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
        assert chosen >= 0  # for the state has a finite score
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
    """Raise `beta` to the best scores to the end by some arcs, the last of them first.

    Parameters
    ----------
    heard, column : array
        What arcs emit, and where in it.
    alpha : array, shape (S,)
        Best scores from the start to the sources.
    ahead : array, shape (S,)
        Best scores from the targets to the end: of arcs that emit those after the frame, of empty
        ones `beta` itself.
    least : float
        `kept` says which arcs lie on a path of this score or more.
    """
    for arc in range(len(source) - 1, -1, -1):
        value = weight[arc] + heard[column[arc]] + ahead[target[arc]]
        old = beta[source[arc]]
        beta[source[arc]] = value if value > old else old
        kept[arc] = alpha[source[arc]] + value >= least
