"""The passes of inference on checked arrays: which kernel, with which arrays of the graph."""

from __future__ import annotations

import math
import threading
from typing import Literal, NamedTuple

import numpy as np

from speakergmm.hmm.inference.graph import Floats, Graph, Indices

Wanted = Literal["states", "pdfs", "sum"]

# Logarithms of arcs for which products need no care of their range.
_MILD = (-170.0, 120.0)
# Numbers that each thread keeps memory for from one call to the next: 16 MiB.
_MOST_KEPT = 2**21
_rooms = threading.local()


class Sums(NamedTuple):
    """Of all paths: see `ForwardBackward` and `ExpectedCounts`, which it becomes."""

    log_likelihood: float
    posteriors: Floats
    arc_counts: Floats
    entry_counts: Floats
    exit_counts: Floats


class ViterbiPath(NamedTuple):
    """The most probable path through a graph, given the frames.

    Parameters
    ----------
    log_probability : float
        Natural logarithm, of the path and the frames together.
    states : array of int, shape (T,)
    arcs : array of int, shape (T - 1,)
        Index of the arc taken after each frame but the last.
    entry, exit : int
        Index of the entry and of the exit taken.
    """

    log_probability: float
    states: Indices
    arcs: Indices
    entry: int
    exit: int


def sum_paths(
    graph: Graph, log_emissions: Floats, beam: float, wanted: Wanted
) -> tuple[int, int, Sums]:
    """Sum over all paths; with `wanted` "sum" the likelihood is all that is computed.

    Returns
    -------
    frame : int
        The frame at which no path was left; T if some are left.
    dropped : int
        Number of states dropped by the beam over all frames.
    sums : Sums
    """
    from speakergmm.hmm.inference.forward_kernels import SPAN, fill_forward

    structure, (n_frames, n_pdfs) = graph.structure, log_emissions.shape
    of_arcs = with_levels(graph.log_prob[structure.incoming_arc])
    arcs = (structure.incoming, structure.incoming_source, *of_arcs)
    entries = (structure.entry_state, *with_levels(graph.entry_log_prob)[:2])
    exits = (structure.exit_state, *with_levels(graph.exit_log_prob)[:2])
    values: Floats
    posteriors: Floats
    if wanted == "states":  # posteriors take the place of forward probabilities
        columns = np.arange(graph.n_states, dtype=np.uint32)
        posteriors = values = np.empty((n_frames, graph.n_states))
        levels = _room(n_frames, graph.n_states)
    else:
        columns = structure.pdf
        posteriors = np.empty((n_frames, n_pdfs if wanted == "pdfs" else 0))
        values, levels = _room(2, n_frames if wanted == "pdfs" else 2, graph.n_states)
    frame, dropped, value, sum_level, taken_off = fill_forward(
        log_emissions,
        (structure.pdf, *arcs, *entries, *exits),
        structure.lowest_target,
        structure.highest_target,
        graph.arcs_to_exit,
        beam,
        values,
        levels,
    )
    counts = np.zeros(graph.n_arcs)
    sums = Sums(
        taken_off + sum_level * SPAN + math.log(value) if frame == n_frames else -math.inf,
        posteriors,
        np.zeros(graph.n_arcs),
        np.zeros(len(graph.entry_state)),
        np.zeros(len(graph.exit_state)),
    )
    if frame == n_frames and wanted != "sum":
        from speakergmm.hmm.inference.smoothing_kernels import smooth

        results = (posteriors, counts, sums.entry_counts, sums.exit_counts)
        smooth(values, levels, (columns, *arcs, *entries, *exits), value, sum_level, *results)
        sums.arc_counts[structure.incoming_arc] = counts
    return frame, dropped, sums


def best_path(graph: Graph, log_emissions: Floats, beam: float) -> tuple[int, int, ViterbiPath]:
    """Find the most probable path; returns what `sum_paths` does, with the path."""
    from speakergmm.hmm.inference import viterbi_kernels

    structure, n_frames = graph.structure, len(log_emissions)
    peaks = log_emissions.max(axis=1)
    peaks[peaks == -math.inf] = 0.0  # a frame that no pdf can emit is found to have no paths
    # Arcs into a state are told apart by 16 bits, where that is enough.
    many = int(np.diff(structure.incoming).max()) > 2**16
    states: Indices = np.empty(n_frames, dtype=np.int32)
    arcs: Indices = np.empty(n_frames - 1, dtype=np.int32)
    frame, dropped, log_probability, entry, exit_ = viterbi_kernels.fill_best_path(
        log_emissions,
        peaks,
        (
            structure.pdf,
            structure.incoming,
            structure.incoming_source,
            graph.log_prob[structure.incoming_arc],
            structure.entry_state,
            graph.entry_log_prob,
            structure.exit_state,
            graph.exit_log_prob,
        ),
        structure.incoming_arc,
        structure.lowest_target,
        structure.highest_target,
        graph.arcs_to_exit,
        beam,
        np.empty((n_frames, graph.n_states), dtype=np.uint32 if many else np.uint16),
        states,
        arcs,
    )
    path = ViterbiPath(log_probability + float(peaks.sum()), states, arcs, entry, exit_)
    return frame, dropped, path


def with_levels(log_prob: Floats) -> tuple[Floats, Floats, bool]:
    """Give numbers, their levels, and whether products need care of their range."""
    from speakergmm.hmm.inference.forward_kernels import SPAN

    nothing = log_prob == -math.inf
    if (((log_prob >= _MILD[0]) & (log_prob <= _MILD[1])) | nothing).all():
        return np.exp(log_prob), np.zeros(len(log_prob)), False
    levels = np.rint(np.where(nothing, 0.0, log_prob) / SPAN)
    # Numbers that float64 has no digits behind the point of are taken for whole levels.
    values = np.exp(np.clip(log_prob - levels * SPAN, -SPAN / 2, SPAN / 2))
    return np.where(nothing, 0.0, values), levels, True


def _room(*shape: int) -> Floats:
    """Give room for forward probabilities, the thread's own: fresh memory costs as much as sums."""
    size = math.prod(shape)
    kept: Floats | None = getattr(_rooms, "kept", None)
    if kept is None or len(kept) < size:
        kept = np.empty(size)
        if size <= _MOST_KEPT:
            _rooms.kept = kept
    return kept[:size].reshape(shape)
