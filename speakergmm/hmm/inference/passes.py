"""The passes of inference on checked arrays: which kernel, with which arrays of the graph."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.inference.graph import Floats, Graph, Indices

if TYPE_CHECKING:
    from speakergmm.hmm.inference.kernels_graph import LogGraph

Arithmetic = Literal["scaled", "log"]
Wanted = Literal["states", "pdfs", "sum"]

# Logarithms of arcs for which products need no care of their range.
_MILD = (-170.0, 120.0)
# Largest logarithm whose level, summed over frames, is certain to fit into an integer.
_WIDEST = 1e6
_WIDEST_SUM = 1e11
# Frames times states that each thread keeps memory for from one call to the next: 12 MiB.
_MOST_KEPT = 2**20
_rooms = threading.local()


@dataclass(slots=True)
class Counts:
    """What a pass has found; arrays are filled in in place.

    Parameters
    ----------
    frame : int
        The frame at which no path was left; T if some are left.
    dropped : int
        Number of states dropped by the beam over all frames.
    log_likelihood : float
    posteriors : array, shape (T, S) or (T, P)
        Of states or of pdfs.
    arcs, entries, exits : array, shape (A,), (E,) and (F,)
    """

    frame: int
    dropped: int
    log_likelihood: float
    posteriors: Floats
    arcs: Floats
    entries: Floats
    exits: Floats


class BestPath(NamedTuple):
    """What a Viterbi pass has found.

    Parameters
    ----------
    frame, dropped : int
        As in `Counts`.
    log_probability : float
    states, arcs : array of int, shape (T,) and (T - 1,)
    entry, exit : int
    """

    frame: int
    dropped: int
    log_probability: float
    states: Indices
    arcs: Indices
    entry: int
    exit: int


def sum_paths(
    graph: Graph,
    log_emissions: Floats,
    peaks: Floats,
    beam: float,
    arithmetic: Arithmetic,
    wanted: Wanted,
) -> Counts:
    """Sum over all paths; with `wanted` "sum" the likelihood is all that is computed."""
    n_frames, n_pdfs = log_emissions.shape
    n_columns = {"states": graph.n_states, "pdfs": n_pdfs, "sum": 0}[wanted]
    found = Counts(
        frame=0,
        dropped=0,
        log_likelihood=-math.inf,
        posteriors=np.zeros((n_frames, n_columns)),
        arcs=np.zeros(graph.n_arcs),
        entries=np.zeros(len(graph.entry_state)),
        exits=np.zeros(len(graph.exit_state)),
    )
    if arithmetic == "log" or not _sum_scaled(graph, log_emissions, peaks, beam, wanted, found):
        _sum_log(graph, log_emissions, beam, wanted, found)
    return found


def _sum_scaled(
    graph: Graph, log_emissions: Floats, peaks: Floats, beam: float, wanted: Wanted, found: Counts
) -> bool:
    """Sum in numbers with levels; False if their range is not enough."""
    from speakergmm.hmm.inference.kernels import SPAN, forward

    n_frames = len(log_emissions)
    lowest = -_widest(n_frames)
    incoming_arc = graph.structure.incoming_arc
    probability, level, wide, fine = _with_levels(graph.log_prob[incoming_arc], lowest)
    entry, entry_level, _, fine_entry = _with_levels(graph.entry_log_prob, lowest)
    exit_, exit_level, _, fine_exit = _with_levels(graph.exit_log_prob, lowest)
    if not (fine and fine_entry and fine_exit):
        return False
    structure = graph.structure
    scaled = (
        structure.pdf,
        structure.incoming,
        structure.incoming_source,
        probability,
        level,
        wide,
        structure.entry_state,
        entry,
        entry_level,
        structure.exit_state,
        exit_,
        exit_level,
    )
    n_rows = 2 if wanted == "sum" else n_frames
    values, levels = _room(n_rows, graph.n_states)
    found.frame, found.dropped, value, sum_level = forward(
        log_emissions,
        _finite(peaks),
        scaled,
        structure.lowest_target,
        structure.highest_target,
        graph.arcs_to_exit,
        beam,
        lowest,
        values,
        levels,
    )
    if found.frame < 0:
        return False
    if found.frame < n_frames:
        return True
    found.log_likelihood = float(peaks.sum()) + sum_level * SPAN + math.log(value)
    if wanted != "sum":
        from speakergmm.hmm.inference.kernels_smoothing import smooth

        counts = np.zeros(graph.n_arcs)
        results = (found.posteriors, counts, found.entries, found.exits)
        of_columns = (_columns(graph, wanted), *scaled[1:])
        smooth(values, levels, of_columns, value, sum_level, *results)
        found.arcs[incoming_arc] = counts
    return True


def _sum_log(
    graph: Graph, log_emissions: Floats, beam: float, wanted: Wanted, found: Counts
) -> None:
    """Sum in logarithms."""
    from speakergmm.hmm.inference.kernels_log import forward_log, smooth_log

    logs = _in_logs(graph)
    n_frames = len(log_emissions)
    alpha = np.empty((2 if wanted == "sum" else n_frames, graph.n_states))
    found.frame, found.dropped, found.log_likelihood = forward_log(
        log_emissions, logs, graph.arcs_to_exit, beam, alpha
    )
    if found.frame < n_frames or wanted == "sum":
        return
    counts = np.zeros(graph.n_arcs)
    of_columns = (_columns(graph, wanted), *logs[1:])
    smooth_log(of_columns, alpha, found.posteriors, counts, found.entries, found.exits)
    found.arcs[graph.structure.incoming_arc] = counts


def best_path(graph: Graph, log_emissions: Floats, peaks: Floats, beam: float) -> BestPath:
    """Find the most probable path."""
    from speakergmm.hmm.inference import kernels_viterbi

    structure = graph.structure
    taken_off = _finite(peaks)
    n_frames = len(log_emissions)
    # Arcs into a state are told apart by 16 bits, where that is enough.
    many = int(np.diff(structure.incoming).max()) > 2**16
    states: Indices = np.empty(n_frames, dtype=np.int32)
    arcs: Indices = np.empty(n_frames - 1, dtype=np.int32)
    frame, dropped, log_probability, entry, exit_ = kernels_viterbi.best_path(
        log_emissions,
        taken_off,
        _in_logs(graph),
        structure.incoming_arc,
        structure.lowest_target,
        structure.highest_target,
        graph.arcs_to_exit,
        beam,
        np.empty((n_frames, graph.n_states), dtype=np.uint32 if many else np.uint16),
        states,
        arcs,
    )
    log_probability += float(taken_off.sum())
    return BestPath(frame, dropped, log_probability, states, arcs, entry, exit_)


def _finite(peaks: Floats) -> Floats:
    """Give what is taken off each frame; one that no pdf can emit is found to have no paths."""
    return np.where(peaks == -math.inf, 0.0, peaks)


def _widest(n_frames: int) -> float:
    """Give how far below the peak the scaled arithmetic reaches."""
    return min(_WIDEST, _WIDEST_SUM / n_frames)


def _with_levels(log_prob: Floats, lowest: float) -> tuple[Floats, Indices, bool, bool]:
    """Give numbers, their levels, whether any is not 0, and whether all are in range."""
    from speakergmm.hmm.inference.kernels import SPAN

    levels: Indices = np.zeros(len(log_prob), dtype=np.int32)
    highest = log_prob.max(initial=-math.inf)
    values = np.exp(log_prob) if highest <= _MILD[1] else np.zeros(len(log_prob))
    if highest <= _MILD[1] and ((log_prob >= _MILD[0]) | (log_prob == -math.inf)).all():
        return values, levels, False, True
    finite = log_prob > -math.inf
    if np.abs(log_prob[finite]).max(initial=0.0) > -lowest:
        return values, levels, True, False
    levels[finite] = np.rint(log_prob[finite] / SPAN)
    values[finite] = np.exp(log_prob[finite] - levels[finite] * SPAN)
    values[~finite] = 0.0
    return values, levels, True, True


def _room(n_rows: int, n_states: int) -> tuple[Floats, Indices]:
    """Give room for forward probabilities, the thread's own: fresh memory costs as much as sums."""
    size = n_rows * n_states
    kept: tuple[Floats, Indices] | None = getattr(_rooms, "arrays", None)
    if kept is None or len(kept[0]) < size:
        kept = (np.empty(size), np.empty(size, dtype=np.int32))
        if size <= _MOST_KEPT:
            _rooms.arrays = kept
    shape = (n_rows, n_states)
    return kept[0][:size].reshape(shape), kept[1][:size].reshape(shape)


def _columns(graph: Graph, wanted: Wanted) -> NDArray[np.uint32]:
    """Give the column of each state's posteriors."""
    own = np.arange(graph.n_states, dtype=np.uint32)
    return own if wanted == "states" else graph.structure.pdf


def _in_logs(graph: Graph) -> LogGraph:
    """Give the arrays of a graph as kernels take them."""
    structure = graph.structure
    return (
        structure.pdf,
        structure.incoming,
        structure.incoming_source,
        graph.log_prob[structure.incoming_arc],
        structure.entry_state,
        graph.entry_log_prob,
        structure.exit_state,
        graph.exit_log_prob,
    )
