"""The second pass of forward-backward: posteriors, passed from the last frame to the first.

It needs no backward probabilities. The posterior of a state is distributed among the states at the
frame before in proportion to their contributions to its forward probability, so that all numbers
are in [0, 1]. States whose posterior is below `NEGLIGIBLE` are left out: all paths through them
together are as improbable, so a frame loses no more than T S times that.
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
# Numbers whose types mypy cannot infer, as the compiler does.
Number = Any

NEGLIGIBLE = 1e-30
_ONE = np.uint64(1)


@compiled(at_first_call=True)
def _share(term: float, level: float, total: float, total_level: float) -> float:
    """Return the share of a sum that is one of its terms."""
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
    """Fill in posteriors, and add the expected counts of arcs, entries and exits.

    Parameters
    ----------
    values, levels : array, shape (T, S)
        Forward probabilities.
    graph : ScaledGraph
        The graph of the forward pass, whose `pdf` is the column of `posteriors` of each state.
    sum_value, sum_level : float
        Sum over all paths.
    posteriors : array, shape (T, C)
        Filled with the posteriors of pdfs, or of states. It may be `values`: a frame is read before
        its posteriors overwrite it.
    arc_counts : array, shape (A,)
        Zeros, to which expected counts are added; in the order of the graph's arcs, by target.
    entry_counts, exit_counts : array, shape (E,) and (F,)
        Filled with the posteriors of entries and exits.

    References
    ----------
    Rabiner (1989), equations 27 and 37.
    """
    pdf, incoming, source, probability, probability_level, wide = graph[:6]
    entry_state, entry, entry_level, exit_state, exit_, exit_level = graph[6:]
    n_frames, n_states = values.shape
    # Posteriors of the states at this frame, and at the one before.
    now = np.zeros(n_states)
    before = np.zeros(n_states)
    first: Number = n_states
    last: Number = -1
    # The last frame: each exit's share of the sum over all paths is its posterior, and adds to the
    # posterior of its state.
    for f in range(len(exit_state)):
        k = np.int64(exit_state[f])
        term, level = values[n_frames - 1, k] * exit_[f], levels[n_frames - 1, k] + exit_level[f]
        exit_counts[f] = _share(term, level, sum_value, sum_level)
        if exit_counts[f] > 0.0:
            now[k] += exit_counts[f]
            first, last = min(first, k), max(last, k)
    # From frame to frame back; states outside `first`..`last` have posterior zero.
    for t in range(n_frames - 1, -1, -1):
        posteriors[t] = 0.0
        before_first, before_last = np.uint64(n_states), np.uint64(0)
        row, row_level = values[max(t - 1, 0)], levels[max(t - 1, 0)]
        for j in range(np.uint64(first), np.uint64(last + 1)):
            posterior = now[j]
            if posterior == 0.0:
                continue
            # The array serves the next frame but one; at frame 0 the entries still need it.
            if t:
                now[j] = 0.0
            if posterior < NEGLIGIBLE:
                continue
            posteriors[t, pdf[j]] += posterior
            if t == 0:
                continue
            # Distribute the posterior among the arcs into the state: each receives its share of
            # the sum that the forward pass computed here.
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
                # A term two levels below the sum is negligible.
                if term_level < level:
                    if term_level < level - 1:
                        continue
                    share *= DOWN
                # It is the expected count of the arc at this frame, and adds to its source.
                share *= factor
                arc_counts[a] += share
                before[i] += share
                before_first, before_last = min(before_first, i), max(before_last, i)
        if t:
            now, before = before, now
            first, last = np.int64(before_first), np.int64(before_last)
    # The first frame: the posterior of a state is divided among its entries by probability.
    sums, sum_levels = np.zeros(n_states), np.zeros(n_states)
    for e in range(len(entry_state)):
        j = entry_state[e]
        sums[j], sum_levels[j] = add(sums[j], sum_levels[j], entry[e], entry_level[e])
    for e in range(len(entry_state)):
        j = entry_state[e]
        if now[j] >= NEGLIGIBLE:
            entry_counts[e] = now[j] * _share(entry[e], entry_level[e], sums[j], sum_levels[j])
