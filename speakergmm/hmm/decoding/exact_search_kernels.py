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
UNREACHABLE, NO_ROOM = -1, -2


@compiled()
def forward(
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
    """Fill rows 1, 2, ... of `alpha`, the best score of each state after each frame, from row 0."""
    for frame in range(len(emissions)):
        before, after, heard = alpha[frame], alpha[frame + 1], emissions[frame]
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
def trace(
    alpha: Matrix[np.float64],
    emissions: Matrix[np.float64],
    first: Vector[np.int64],
    arcs: Vector[np.int32],
    source: Vector[np.int32],
    weight: Vector[np.float64],
    column: Vector[np.int32],
    start: int,
    state: int,
    path: FilledVector[np.int32],
) -> int:
    """Follow the best arcs back from a state after the last frame, to one before the first.

    `first` and `arcs` list all arcs by target; `column` is -1 for empty ones. `path` gets the arcs
    in their order at its end, the last place of all the source of the first one. Returns how many
    there are, `UNREACHABLE` where nothing leads on to `start` (-1: any state), or `NO_ROOM`.
    """
    frame, place = len(emissions), len(path) - 1
    while frame > 0 or (start >= 0 and state != start):
        best, chosen = -np.inf, -1
        for index in range(first[state], first[state + 1]):
            arc = arcs[index]
            if column[arc] >= 0:
                if frame == 0:
                    continue
                value = (
                    alpha[frame - 1, source[arc]] + weight[arc] + emissions[frame - 1, column[arc]]
                )
            else:
                value = alpha[frame, source[arc]] + weight[arc]
            if value > best:
                best, chosen = value, arc
        if chosen < 0:
            return UNREACHABLE
        place -= 1
        if place < 0:
            return NO_ROOM
        path[place] = chosen
        state = source[chosen]
        if column[chosen] >= 0:
            frame -= 1
    path[len(path) - 1] = state
    return len(path) - 1 - place


@compiled()
def emitting_back(
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
    """Raise `beta`, before a frame, to the best scores to the end by arcs that emit it.

    `ahead` is `beta` after the frame; `kept` says which arcs lie on a path of score `least` or
    more.
    """
    for arc in range(len(source)):
        value = weight[arc] + heard[column[arc]] + ahead[target[arc]]
        old = beta[source[arc]]
        beta[source[arc]] = value if value > old else old
        kept[arc] = alpha[source[arc]] + value >= least


@compiled()
def empty_back(
    source: Vector[np.uint32],
    target: Vector[np.uint32],
    weight: Vector[np.float64],
    alpha: Vector[np.float64],
    least: float,
    beta: FilledVector[np.float64],
    kept: FilledVector[np.bool_],
) -> None:
    """As `emitting_back`, for the empty arcs between two frames, the last of them first."""
    for arc in range(len(source) - 1, -1, -1):
        value = weight[arc] + beta[target[arc]]
        old = beta[source[arc]]
        beta[source[arc]] = value if value > old else old
        kept[arc] = alpha[source[arc]] + value >= least
