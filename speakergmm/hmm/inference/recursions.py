"""The recursions of inference on checked arrays: calls of the kernels with arrays of a graph."""

from __future__ import annotations

import math
import threading
from typing import Literal, NamedTuple

import numpy as np

from speakergmm.hmm.inference.graph import Floats, Graph, Indices

Wanted = Literal["states", "pdfs", "sum"]

# Log-probabilities of arcs whose products with values stay in the range of float64.
_MILD = (-170.0, 120.0)
# Most numbers whose memory a thread keeps from one call to the next: 16 MiB.
_MOST_KEPT = 2**21
_rooms = threading.local()


class Sums(NamedTuple):
    """Sums over all paths; see `ForwardBackward` and `ExpectedCounts`, which it becomes."""

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
        Natural logarithm of the joint probability of path and frames.
    states : array of int, shape (T,)
        State at each frame.
    arcs : array of int, shape (T - 1,)
        Number of the arc taken after each frame but the last.
    entry, exit : int
        Numbers of the entry and of the exit.
    """

    log_probability: float
    states: Indices
    arcs: Indices
    entry: int
    exit: int


def sum_paths(
    graph: Graph, log_emissions: Floats, beam: float, wanted: Wanted
) -> tuple[int, int, Sums]:
    """Sum over all paths by the forward pass, and find posteriors by the second one.

    Parameters
    ----------
    graph : Graph
    log_emissions : array, shape (T, P)
        Float64, finite or -inf.
    beam : float
        In nats; inf for none.
    wanted : {"states", "pdfs", "sum"}
        Posteriors of states, posteriors of pdfs, or the likelihood alone.

    Returns
    -------
    frame : int
        Frame at which no path was left; T if some are left.
    dropped : int
        Number of states pruned by the beam over all frames.
    sums : Sums
    """
    from speakergmm.hmm.inference.forward_kernels import SPAN, fill_forward

    # Probabilities of arcs (by target), entries and exits as values and levels.
    structure, (n_frames, n_pdfs) = graph.structure, log_emissions.shape
    of_arcs = with_levels(graph.log_prob[structure.incoming_arc])
    arcs = (structure.incoming, structure.incoming_source, *of_arcs)
    entries = (structure.entry_state, *with_levels(graph.entry_log_prob)[:2])
    exits = (structure.exit_state, *with_levels(graph.exit_log_prob)[:2])
    values: Floats
    posteriors: Floats
    # Memory for forward probabilities: of all frames, or of the last two for the likelihood alone.
    # Posteriors of states overwrite them; those of pdfs have an array of their own.
    if wanted == "states":
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
    """Find the most probable path; the result is that of `sum_paths`, with the path."""
    from speakergmm.hmm.inference import viterbi_kernels

    structure, n_frames = graph.structure, len(log_emissions)
    peaks = log_emissions.max(axis=1)
    peaks[peaks == -math.inf] = 0.0  # the kernel finds that such a frame has no path
    # Arcs into a state are numbered by 16 bits, if that is enough.
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
    """Convert logarithms to values and levels.

    Returns
    -------
    values, levels : array
        As `forward_kernels` has them.
    wide : bool
        Whether products with these may leave the range of float64; if not, all levels are 0.
    """
    from speakergmm.hmm.inference.forward_kernels import SPAN

    nothing = log_prob == -math.inf
    if (((log_prob >= _MILD[0]) & (log_prob <= _MILD[1])) | nothing).all():
        return np.exp(log_prob), np.zeros(len(log_prob)), False
    levels = np.rint(np.where(nothing, 0.0, log_prob) / SPAN)
    # The rest, within a level; of numbers so large that they have no digits left for it, 0.
    values = np.exp(np.clip(log_prob - levels * SPAN, -SPAN / 2, SPAN / 2))
    return np.where(nothing, 0.0, values), levels, True


def _room(*shape: int) -> Floats:
    """Return memory for forward probabilities, which the thread keeps.

    Fresh memory costs as much time as the sums that fill it.
    """
    size = math.prod(shape)
    kept: Floats | None = getattr(_rooms, "kept", None)
    if kept is None or len(kept) < size:
        kept = np.empty(size)
        if size <= _MOST_KEPT:
            _rooms.kept = kept
    return kept[:size].reshape(shape)
