"""The Viterbi algorithm over sparse arcs, compiled."""

from __future__ import annotations

from typing import Any

import numpy as np

from speakergmm.hmm.inference.graph_kernels import LogGraph
from speakergmm.kernels import FilledMatrix, FilledVector, Matrix, Vector, compiled

# Numbers whose types mypy cannot infer, as the compiler does.
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
    """Fill in the states and arcs of the best path; of equal paths, the one with the lowest arcs.

    Parameters
    ----------
    log_emissions : array, shape (T, P)
    peaks : array, shape (T,)
        Subtracted from the log-emissions of each frame, so that paths of similar scores are not
        compared in the last digits of a large common part.
    graph : LogGraph
        Arcs, entries and exits, in logarithms.
    arc : array, shape (A,)
        Numbers of the graph's arcs, which are sorted by target.
    lowest_target, highest_target, arcs_to_exit : array, shape (S,)
        As `Structure` has them.
    beam : float
        States worse than the best one at their frame by more than this, in nats, are pruned.
    chosen : array, shape (T, S)
        Work space: the best arc into each state, counted from the first one into it.
    states, arcs : array, shape (T,) and (T - 1,)
        Filled with the path.

    Returns
    -------
    frame : int
        Frame at which no path was left; T if some are left.
    dropped : int
        Number of states pruned over all frames.
    log_probability, entry, exit : float, int, int
        Log-probability of the path, without the sum of `peaks`, and its entry and exit.

    References
    ----------
    Rabiner (1989), equations 32 to 35.
    """
    pdf, incoming, source, log_prob, entry_state, entry_log_prob, exit_state, exit_log_prob = graph
    n_frames = len(log_emissions)
    n_states = len(pdf)
    # Best scores of the states at this frame, and at the one before; the best entry of each state.
    now = np.full(n_states, -np.inf)
    before = np.full(n_states, -np.inf)
    entered = np.full(n_states, -1, dtype=np.int64)
    first: Number = n_states
    last: Number = -1
    # Initialisation: the best entry into each state. `first`..`last` is the range of states that
    # may have been reached; all others have the score -inf.
    for e in range(len(entry_state)):
        j = entry_state[e]
        if entry_log_prob[e] > now[j]:
            now[j] = entry_log_prob[e]
            entered[j] = e
            first, last = min(first, np.int64(j)), max(last, np.int64(j))
    dropped = 0
    before_first, before_last = 0, -1
    # Recursion: the best arc into each state, plus the log-emission; states too far from any exit
    # for the frames that are left are not reached.
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
        # Prune states that are worse than the best one by more than the beam.
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
        # The scores of two frames before are cleared for the next frame, whose states lie in the
        # range of targets of those that are left.
        before[before_first : before_last + 1] = -np.inf
        now, before = before, now
        before_first, before_last = first, last
        first, last = lowest_target[alive_first], highest_target[alive_last]
    # Termination: the best exit.
    best = -np.inf
    leave = -1
    for f in range(len(exit_state)):
        score = before[exit_state[f]] + exit_log_prob[f]
        if score > best:
            best = score
            leave = f
    if leave < 0:
        return n_frames - 1, dropped, 0.0, 0, 0
    # Trace the best arcs back from it.
    k = np.int64(exit_state[leave])
    for t in range(n_frames - 1, 0, -1):
        states[t] = k
        into = np.int64(incoming[k]) + np.int64(chosen[t, k])
        arcs[t - 1] = arc[into]
        k = np.int64(source[into])
    states[0] = k
    return n_frames, dropped, best, entered[k], leave
