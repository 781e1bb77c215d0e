"""Forward and backward passes in logarithms, compiled: slower, and of any range whatever."""

from __future__ import annotations

import math

import numpy as np
from numba import float64, int32, int64, types, uint32
from numpy.typing import NDArray

from speakergmm.hmm.compilation import compiled, constant, results, written

Floats = NDArray[np.float64]
Levels = NDArray[np.int32]
Indices = NDArray[np.uint32]

_ONE = np.uint64(1)


@compiled()
def _add(a: float, b: float) -> float:
    """Logarithm of the sum of two numbers given by theirs."""
    if a < b:
        a, b = b, a
    return a if b == -np.inf else a + math.log1p(math.exp(b - a))


@compiled(
    results(int64, int64, float64),
    constant(float64, 2),
    constant(uint32),
    constant(uint32),
    constant(uint32),
    constant(float64),
    constant(uint32),
    constant(float64),
    constant(uint32),
    constant(float64),
    constant(int32),
    float64,
    written(float64, 2),
)
def forward_log(
    log_emissions: Floats,
    pdf: Indices,
    incoming: Indices,
    source: Indices,
    log_prob: Floats,
    entry_state: Indices,
    entry_log_prob: Floats,
    exit_state: Indices,
    exit_log_prob: Floats,
    arcs_to_exit: Levels,
    beam: float,
    alpha: Floats,
) -> tuple[int, int, float]:
    """Fill in logarithms of the forward probabilities.

    Parameters
    ----------
    source, log_prob : array, shape (A,)
        Of arcs sorted by target; states' arcs begin at `incoming`.
    alpha : array, shape (T, S), or (2, S) to keep no more than the last frames

    Returns
    -------
    frame : int
        The frame at which no path was left; T if some are left.
    dropped : int
        Number of states dropped by the beam over all frames.
    log_likelihood : float
    """
    n_frames, n_states = len(log_emissions), len(pdf)
    n_rows = len(alpha)
    dropped = 0
    alpha[0] = -np.inf
    for e in range(len(entry_state)):
        alpha[0, entry_state[e]] = _add(alpha[0, entry_state[e]], entry_log_prob[e])
    for t in range(n_frames):
        row, previous, frame = alpha[t % n_rows], alpha[(t - 1) % n_rows], log_emissions[t]
        best = -np.inf
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
            row[j] += frame[pdf[j]]
            best = max(best, row[j])
        if best == -np.inf:
            return t, dropped, best
        if beam < np.inf:
            for j in range(n_states):
                if -np.inf < row[j] < best - beam:
                    row[j] = -np.inf
                    dropped += 1
    total = -np.inf
    for f in range(len(exit_state)):
        total = _add(total, alpha[(n_frames - 1) % n_rows, exit_state[f]] + exit_log_prob[f])
    return n_frames if total > -np.inf else n_frames - 1, dropped, total


@compiled(
    types.void,
    constant(float64, 2),
    constant(uint32),
    constant(uint32),
    constant(uint32),
    constant(uint32),
    constant(float64),
    constant(uint32),
    constant(float64),
    constant(uint32),
    constant(float64),
    constant(float64, 2),
    float64,
    written(float64, 2),
    written(float64, 2),
    written(float64),
    written(float64),
    written(float64),
)
def backward_log(
    log_emissions: Floats,
    pdf: Indices,
    outgoing: Indices,
    arc: Indices,
    target: Indices,
    log_prob: Floats,
    entry_state: Indices,
    entry_log_prob: Floats,
    exit_state: Indices,
    exit_log_prob: Floats,
    alpha: Floats,
    log_likelihood: float,
    state_posteriors: Floats,
    pdf_posteriors: Floats,
    arc_counts: Floats,
    entry_counts: Floats,
    exit_counts: Floats,
) -> None:
    """Fill in what comes as zeros: the last five.

    Parameters
    ----------
    arc, target, log_prob : array, shape (A,)
        Of arcs sorted by source; states' arcs begin at `outgoing`.
    state_posteriors : array, shape (T, S), or (0, S) where they are not wanted
    pdf_posteriors : array, shape (T, P), or (0, P) where they are not wanted
    """
    n_frames, n_states = alpha.shape
    beta = np.full(n_states, -np.inf)
    after = np.empty(n_states)
    for f in range(len(exit_state)):
        j = exit_state[f]
        leaving = alpha[n_frames - 1, j] + exit_log_prob[f]
        if leaving > -np.inf:
            exit_counts[f] = math.exp(leaving - log_likelihood)
            beta[j] = _add(beta[j], exit_log_prob[f])
    for t in range(n_frames - 1, -1, -1):
        if t < n_frames - 1:
            frame = log_emissions[t + 1]
            for i in range(np.uint64(n_states)):
                beta[i] = -np.inf
                if alpha[t, i] == -np.inf:
                    continue
                for a in range(outgoing[i], outgoing[i + _ONE]):
                    j = target[a]
                    # States that the beam has dropped belong to no path.
                    if alpha[t + 1, j] > -np.inf:
                        further = log_prob[a] + frame[pdf[j]] + after[j]
                        beta[i] = _add(beta[i], further)
                        arc_counts[arc[a]] += math.exp(alpha[t, i] + further - log_likelihood)
        for j in range(n_states):
            if alpha[t, j] > -np.inf and beta[j] > -np.inf:
                posterior = math.exp(alpha[t, j] + beta[j] - log_likelihood)
                if len(state_posteriors):
                    state_posteriors[t, j] = posterior
                if len(pdf_posteriors):
                    pdf_posteriors[t, pdf[j]] += posterior
        beta, after = after, beta
    for e in range(len(entry_state)):
        j = entry_state[e]
        if alpha[0, j] > -np.inf and entry_log_prob[e] > -np.inf:
            further = entry_log_prob[e] + log_emissions[0, pdf[j]] + after[j]
            entry_counts[e] = math.exp(further - log_likelihood)
