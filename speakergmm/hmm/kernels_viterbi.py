"""The most probable path through sparse arcs, compiled."""

from __future__ import annotations

import numpy as np
from numba import float64, int32, int64, types, uint16
from numpy.typing import NDArray

from .compilation import compiled, constant, written

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


@compiled(
    types.Tuple((int64, int64, float64, int64, int64)),
    constant(float64, 2),
    constant(int32),
    constant(int32),
    constant(int32),
    constant(int32),
    constant(float64),
    constant(int32),
    constant(float64),
    constant(int32),
    constant(float64),
    constant(int32),
    constant(int32),
    constant(int32),
    float64,
    written(uint16, 2),
    written(int32),
    written(int32),
)
def best_path(
    log_emissions: Floats,
    pdf: Indices,
    incoming: Indices,
    arc: Indices,
    source: Indices,
    log_prob: Floats,
    entry_state: Indices,
    entry_log_prob: Floats,
    exit_state: Indices,
    exit_log_prob: Floats,
    lowest_target: Indices,
    highest_target: Indices,
    arcs_to_exit: Indices,
    beam: float,
    chosen: NDArray[np.uint16],
    states: Indices,
    arcs: Indices,
) -> tuple[int, int, float, int, int]:
    """Fill in the states and arcs of the best path; of equal ones, that of the lowest arcs.

    Parameters
    ----------
    arc, source, log_prob : array, shape (A,)
        Of arcs sorted by target; states' arcs begin at `incoming`.
    chosen : array, shape (T, S)
        Room for the best arc into each state, counted from the first one into it.

    Returns
    -------
    frame : int
        The frame at which no path was left; T if some are left.
    dropped : int
        Number of states dropped by the beam over all frames.
    log_probability, entry, exit : float, int, int
    """
    n_frames = len(log_emissions)
    n_states = len(pdf)
    now = np.full(n_states, -np.inf)
    before = np.full(n_states, -np.inf)
    entered = np.full(n_states, -1, dtype=np.int64)
    first, last = n_states, -1
    for e in range(len(entry_state)):
        j = entry_state[e]
        if entry_log_prob[e] > now[j]:
            now[j] = entry_log_prob[e]
            entered[j] = e
            first, last = min(first, j), max(last, j)
    dropped = 0
    before_first, before_last = 0, -1
    for t in range(n_frames):
        left = n_frames - 1 - t
        next_first, next_last = n_states, -1
        best = -np.inf
        for j in range(first, last + 1):
            if t == 0:
                score = now[j]
            else:
                score = -np.inf
                begin = incoming[j]
                which = 0
                for a in range(begin, incoming[j + 1]):
                    through = before[source[a]] + log_prob[a]
                    if through > score:
                        score = through
                        which = a - begin
                chosen[t, j] = which
            score += log_emissions[t, pdf[j]]
            if arcs_to_exit[j] > left:
                score = -np.inf
            now[j] = score
            if score > -np.inf:
                best = max(best, score)
                next_first = min(next_first, lowest_target[j])
                next_last = max(next_last, highest_target[j])
        if best == -np.inf:
            return t, dropped, 0.0, 0, 0
        if beam < np.inf:
            next_first, next_last = n_states, -1
            for j in range(first, last + 1):
                if now[j] == -np.inf:
                    continue
                if now[j] < best - beam:
                    now[j] = -np.inf
                    dropped += 1
                else:
                    next_first = min(next_first, lowest_target[j])
                    next_last = max(next_last, highest_target[j])
        before[before_first : before_last + 1] = -np.inf
        now, before = before, now
        before_first, before_last = first, last
        first, last = next_first, next_last
    best = -np.inf
    leave = -1
    for f in range(len(exit_state)):
        score = before[exit_state[f]] + exit_log_prob[f]
        if score > best:
            best = score
            leave = f
    if leave < 0:
        return n_frames - 1, dropped, 0.0, 0, 0
    j = exit_state[leave]
    for t in range(n_frames - 1, 0, -1):
        states[t] = j
        a = incoming[j] + chosen[t, j]
        arcs[t - 1] = arc[a]
        j = source[a]
    states[0] = j
    return n_frames, dropped, best, entered[j], leave
