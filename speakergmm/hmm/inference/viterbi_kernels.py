"""The most probable path through sparse arcs, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from speakergmm.hmm.inference.graph_kernels import LogGraph
from speakergmm.kernels import FilledMatrix, FilledVector, Matrix, Vector, compiled

# Numbers of which mypy can't follow the kind, as the compiler does.
Number = Any

_ONE = np.uint64(1)


@compiled()
def fill_best_path(
    log_emissions: Matrix[np.float64],
    peaks: Vector[np.float64],
    graph: LogGraph,
    arc: Vector[np.int32],
    lowest_target: Vector[np.int32],
    highest_target: Vector[np.int32],
    arcs_to_exit: Vector[np.int32],
    beam: float,
    chosen: FilledMatrix[np.uint16 | np.uint32],
    states: FilledVector[np.int32],
    arcs: FilledVector[np.int32],
) -> tuple[int, int, float, int, int]:
    """Fill in the states and arcs of the best path; of equal ones, that of the lowest arcs.

    Parameters
    ----------
    peaks : array, shape (T,)
        Numbers taken off each frame's log-emissions, lest paths that differ by little are compared
        in the last digits of what all of them share.
    arc : array, shape (A,)
        Numbers of the graph's arcs, which are sorted by target.
    chosen : array, shape (T, S)
        Room for the best arc into each state, counted from the first one into it.

    Returns
    -------
    frame : int
        The frame at which no path was left; T if some are left.
    dropped : int
        Number of states dropped by the beam over all frames.
    log_probability, entry, exit : float, int, int
        The first without the sum of `peaks`.
    """
    pdf, incoming, source, log_prob, entry_state, entry_log_prob, exit_state, exit_log_prob = graph
    n_frames = len(log_emissions)
    n_states = len(pdf)
    now = np.full(n_states, -np.inf)
    before = np.full(n_states, -np.inf)
    entered = np.full(n_states, -1, dtype=np.int64)
    first: Number = n_states
    last: Number = -1
    for e in range(len(entry_state)):
        j = entry_state[e]
        if entry_log_prob[e] > now[j]:
            now[j] = entry_log_prob[e]
            entered[j] = e
            first, last = min(first, np.int64(j)), max(last, np.int64(j))
    dropped = 0
    before_first, before_last = 0, -1
    for t in range(n_frames):
        left = n_frames - 1 - t
        alive_first: Number = first
        alive_last: Number = first
        best = -np.inf
        emission, peak = log_emissions[t], peaks[t]
        for j in range(np.uint64(first), np.uint64(last + 1)):
            if arcs_to_exit[j] > left:
                now[j] = -np.inf
                continue
            if t == 0:
                score = now[j]
            else:
                score = -np.inf
                begin = np.uint64(incoming[j])
                which: Number = begin
                for a in range(begin, np.uint64(incoming[j + _ONE])):
                    through = before[source[a]] + log_prob[a]
                    if through > score:
                        score = through
                        which = a
                chosen[t, j] = which - begin
            score += emission[pdf[j]] - peak
            now[j] = score
            if score > -np.inf:
                alive_last = np.int64(j)
                if best == -np.inf:
                    alive_first = alive_last
                best = max(best, score)
        if best == -np.inf:
            return t, dropped, 0.0, 0, 0
        # What lies more than the beam below the best state of its frame.
        if beam < np.inf:
            alive_first, alive_last = last, first
            for j in range(first, last + 1):
                if now[j] == -np.inf:
                    continue
                if now[j] < best - beam:
                    now[j] = -np.inf
                    dropped += 1
                else:
                    alive_first = min(alive_first, j)
                    alive_last = j
        before[before_first : before_last + 1] = -np.inf
        now, before = before, now
        before_first, before_last = first, last
        first, last = lowest_target[alive_first], highest_target[alive_last]
    best = -np.inf
    leave = -1
    for f in range(len(exit_state)):
        score = before[exit_state[f]] + exit_log_prob[f]
        if score > best:
            best = score
            leave = f
    if leave < 0:
        return n_frames - 1, dropped, 0.0, 0, 0
    k = np.int64(exit_state[leave])
    for t in range(n_frames - 1, 0, -1):
        states[t] = k
        into = np.int64(incoming[k]) + np.int64(chosen[t, k])
        arcs[t - 1] = arc[into]
        k = np.int64(source[into])
    states[0] = k
    return n_frames, dropped, best, entered[k], leave
