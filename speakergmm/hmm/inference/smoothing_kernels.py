"""The second pass of forward-backward: posteriors, handed back from the last frame to the first.

It needs no backward probabilities. The posterior of a state at one frame is handed to the states
before it in proportion to what each of them gave to its forward probability: all numbers are in
[0, 1]. States whose posterior is below `NEGLIGIBLE` are left out for good: everything that passes
through them is as improbable, so each frame loses no more than T S times that.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.inference.forward_kernels import DOWN, add, into_state, normalise
from speakergmm.hmm.inference.graph_kernels import ScaledGraph
from speakergmm.kernels import FilledMatrix, FilledVector, Matrix, compiled

Floats = NDArray[np.float64]
Indices = NDArray[np.uint32]
# Numbers of which mypy can't follow the kind, as the compiler does.
Number = Any

NEGLIGIBLE = 1e-30
_ONE = np.uint64(1)


@compiled(at_first_call=True)
def _share(term: float, level: float, total: float, total_level: float) -> float:
    """Give the part of a sum that one of its terms is."""
    if term == 0.0:
        return 0.0
    term, level = normalise(term, level)
    if level == total_level:
        return term / total
    return term * DOWN / total if level == total_level - 1.0 else 0.0


@compiled()
def smooth(
    values: Matrix[np.float64],
    levels: Matrix[np.float64],
    graph: ScaledGraph,
    sum_value: float,
    sum_level: float,
    posteriors: FilledMatrix[np.float64],
    arc_counts: FilledVector[np.float64],
    entry_counts: FilledVector[np.float64],
    exit_counts: FilledVector[np.float64],
) -> None:
    """Fill in the posteriors, and what comes as zeros: the last three.

    Parameters
    ----------
    values, levels : array, shape (T, S)
        Forward probabilities.
    sum_value, sum_level : float
        Their sum over the exits.
    posteriors : array, shape (T, C)
        In the columns that the graph has as its pdfs: of these, or of the states themselves. May be
        `values`, of which each frame is read before its posteriors take its place.
    arc_counts : array, shape (A,)
        Sorted by target, as the graph's arcs.
    """
    pdf, incoming, source, probability, probability_level, wide = graph[:6]
    entry_state, entry, entry_level, exit_state, exit_, exit_level = graph[6:]
    n_frames, n_states = values.shape
    now = np.zeros(n_states)
    before = np.zeros(n_states)
    first: Number = n_states
    last: Number = -1
    for f in range(len(exit_state)):
        k = np.int64(exit_state[f])
        term, level = values[n_frames - 1, k] * exit_[f], levels[n_frames - 1, k] + exit_level[f]
        exit_counts[f] = _share(term, level, sum_value, sum_level)
        if exit_counts[f] > 0.0:
            now[k] += exit_counts[f]
            first, last = min(first, k), max(last, k)
    for t in range(n_frames - 1, -1, -1):
        posteriors[t] = 0.0
        before_first, before_last = np.uint64(n_states), np.uint64(0)
        row, row_level = values[max(t - 1, 0)], levels[max(t - 1, 0)]
        for j in range(np.uint64(first), np.uint64(last + 1)):
            posterior = now[j]
            if posterior == 0.0:
                continue
            if t:
                now[j] = 0.0
            if posterior < NEGLIGIBLE:
                continue
            posteriors[t, pdf[j]] += posterior
            if t == 0:
                continue
            total, level = into_state(j, graph, row, row_level)
            factor = posterior / total
            for a in range(np.uint64(incoming[j]), np.uint64(incoming[j + _ONE])):
                i = np.uint64(source[a])
                share = row[i] * probability[a]
                if share == 0.0:
                    continue
                term_level = row_level[i]
                if wide:
                    share, term_level = normalise(share, term_level + probability_level[a])
                # What is two levels lower is nothing beside the highest.
                if term_level < level:
                    if term_level < level - 1:
                        continue
                    share *= DOWN
                share *= factor
                arc_counts[a] += share
                before[i] += share
                before_first, before_last = min(before_first, i), max(before_last, i)
        if t:
            now, before = before, now
            first, last = np.int64(before_first), np.int64(before_last)
    sums, sum_levels = np.zeros(n_states), np.zeros(n_states)
    for e in range(len(entry_state)):
        j = entry_state[e]
        sums[j], sum_levels[j] = add(sums[j], sum_levels[j], entry[e], entry_level[e])
    for e in range(len(entry_state)):
        j = entry_state[e]
        if now[j] >= NEGLIGIBLE:
            entry_counts[e] = now[j] * _share(entry[e], entry_level[e], sums[j], sum_levels[j])
