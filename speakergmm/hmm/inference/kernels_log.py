"""Forward pass and smoothing in logarithms, compiled: slower, and of any range whatever.

At each frame the best state has logarithm 0, and what was taken off goes to the likelihood alone:
digits of paths compared aren't lost to what all of them share, such as an outlying frame.
"""

from __future__ import annotations

import math

import numpy as np

from speakergmm.hmm.inference.kernels_graph import LogGraph
from speakergmm.kernels import FilledMatrix, FilledVector, Matrix, Vector, compiled

# As in the other arithmetic.
_NEGLIGIBLE = 1e-30
_ONE = np.uint64(1)


@compiled(at_first_call=True)
def _add(a: float, b: float) -> float:
    """Logarithm of the sum of two numbers given by theirs."""
    if a < b:
        a, b = b, a
    return a if b == -np.inf else a + math.log1p(math.exp(b - a))


@compiled()
def forward_log(
    log_emissions: Matrix[np.float64],
    graph: LogGraph,
    arcs_to_exit: Vector[np.int32],
    beam: float,
    alpha: FilledMatrix[np.float64],
) -> tuple[int, int, float]:
    """Fill in logarithms of the forward probabilities, less that of the best state of each frame.

    Parameters
    ----------
    alpha : array, shape (T, S), or (2, S) to keep no more than the last frames

    Returns
    -------
    frame : int
        The frame at which no path was left; T if some are left.
    dropped : int
        Number of states dropped by the beam over all frames.
    log_likelihood : float
    """
    pdf, incoming, source, log_prob, entry_state, entry_log_prob, exit_state, exit_log_prob = graph
    n_frames, n_states = len(log_emissions), len(pdf)
    n_rows = len(alpha)
    dropped = 0
    taken_off = 0.0
    alpha[0] = -np.inf
    for e in range(len(entry_state)):
        alpha[0, entry_state[e]] = _add(alpha[0, entry_state[e]], entry_log_prob[e])
    for t in range(n_frames):
        row, previous, frame = alpha[t % n_rows], alpha[(t - 1) % n_rows], log_emissions[t]
        # Of the states that a path leads to; the others' may be of another size.
        peak = -np.inf
        for j in range(np.uint64(n_states)):
            if arcs_to_exit[j] > n_frames - 1 - t or frame[pdf[j]] == -np.inf:
                row[j] = -np.inf
                continue
            if t:
                highest = -np.inf
                for a in range(incoming[j], incoming[j + _ONE]):
                    highest = max(highest, previous[source[a]] + log_prob[a])
                total = 0.0
                if highest > -np.inf:
                    for a in range(incoming[j], incoming[j + _ONE]):
                        total += math.exp(previous[source[a]] + log_prob[a] - highest)
                row[j] = highest + math.log(total) if total > 0.0 else -np.inf
            if row[j] > -np.inf:
                peak = max(peak, frame[pdf[j]])
        if peak == -np.inf:
            return t, dropped, peak
        best = -np.inf
        for j in range(np.uint64(n_states)):
            if row[j] > -np.inf:
                row[j] += frame[pdf[j]] - peak
                best = max(best, row[j])
        if best == -np.inf:
            return t, dropped, best
        taken_off += peak + best
        for j in range(n_states):
            if row[j] > -np.inf:
                row[j] -= best
                if row[j] < -beam:
                    row[j] = -np.inf
                    dropped += 1
    total = -np.inf
    for f in range(len(exit_state)):
        total = _add(total, alpha[(n_frames - 1) % n_rows, exit_state[f]] + exit_log_prob[f])
    return n_frames if total > -np.inf else n_frames - 1, dropped, total + taken_off


@compiled()
def smooth_log(
    graph: LogGraph,
    alpha: Matrix[np.float64],
    posteriors: FilledMatrix[np.float64],
    arc_counts: FilledVector[np.float64],
    entry_counts: FilledVector[np.float64],
    exit_counts: FilledVector[np.float64],
) -> None:
    """Fill in what comes as zeros, the last four, by handing posteriors back.

    What a frame hands to the one before it sums to one as it does itself, whatever digits the
    forward probabilities have left.

    Parameters
    ----------
    arc_counts : array, shape (A,)
        Sorted by target, as the graph's arcs.
    alpha : array, shape (T, S)
        Logarithms of the forward probabilities, each frame's less a number of its own.
    posteriors : array, shape (T, C)
        In the columns that the graph has as its pdfs: of these, or of the states themselves.
    """
    pdf, incoming, source, log_prob, entry_state, entry_log_prob, exit_state, exit_log_prob = graph
    n_frames, n_states = alpha.shape
    now = np.zeros(n_states)
    before = np.zeros(n_states)
    highest, total = -np.inf, 0.0
    for f in range(len(exit_state)):
        highest = max(highest, alpha[n_frames - 1, exit_state[f]] + exit_log_prob[f])
    for f in range(len(exit_state)):
        share = math.exp(alpha[n_frames - 1, exit_state[f]] + exit_log_prob[f] - highest)
        exit_counts[f] = share
        total += share
    for f in range(len(exit_state)):
        exit_counts[f] /= total
        now[exit_state[f]] += exit_counts[f]
    for t in range(n_frames - 1, -1, -1):
        before[:] = 0.0
        for j in range(np.uint64(n_states)):
            posterior = now[j]
            if posterior < _NEGLIGIBLE:
                now[j] = 0.0
                continue
            posteriors[t, pdf[j]] += posterior
            if t == 0:
                continue
            highest, total = -np.inf, 0.0
            for a in range(incoming[j], incoming[j + _ONE]):
                highest = max(highest, alpha[t - 1, source[a]] + log_prob[a])
            for a in range(incoming[j], incoming[j + _ONE]):
                total += math.exp(alpha[t - 1, source[a]] + log_prob[a] - highest)
            for a in range(incoming[j], incoming[j + _ONE]):
                i = source[a]
                share = math.exp(alpha[t - 1, i] + log_prob[a] - highest) / total * posterior
                arc_counts[a] += share
                before[i] += share
        if t:
            now, before = before, now
    peaks = np.full(n_states, -np.inf)
    for e in range(len(entry_state)):
        peaks[entry_state[e]] = max(peaks[entry_state[e]], entry_log_prob[e])
    sums = np.zeros(n_states)
    for e in range(len(entry_state)):
        j = entry_state[e]
        if now[j] > 0.0:
            sums[j] += math.exp(entry_log_prob[e] - peaks[j])
    for e in range(len(entry_state)):
        j = entry_state[e]
        if now[j] > 0.0:
            entry_counts[e] = math.exp(entry_log_prob[e] - peaks[j]) / sums[j] * now[j]
