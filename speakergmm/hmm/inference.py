"""Forward-backward and Viterbi over graphs: sums over all paths, and the most probable one.

Emissions come as logarithms, a column for each pdf; several states may emit with the same one.
Rabiner, L. R. (1989). A tutorial on hidden Markov models and selected applications in speech
recognition. Proceedings of the IEEE, 77(2), 257-286.
"""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InvalidInputError
from .graph import Graph, NoPathError

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]


class ForwardBackward(NamedTuple):
    """What all paths through a graph expect, given the frames.

    Parameters
    ----------
    log_likelihood : float
        Logarithm of the sum over all paths.
    state_posteriors : array, shape (T, S)
        Probability of each state at each frame; sums to one over the states.
    arc_counts : array, shape (A,)
        Expected number of times that each arc is taken; sums to T - 1.
    entry_counts : array, shape (E,)
        Probability of each entry.
    exit_counts : array, shape (F,)
        Probability of each exit.
    """

    log_likelihood: float
    state_posteriors: Floats
    arc_counts: Floats
    entry_counts: Floats
    exit_counts: Floats


class ExpectedCounts(NamedTuple):
    """What training needs of `forward_backward`, without an array of frames by states.

    Parameters
    ----------
    log_likelihood : float
    pdf_posteriors : array, shape (T, P)
        Probability that each pdf emits each frame, summed over its states.
    arc_counts : array, shape (A,)
    entry_counts : array, shape (E,)
    exit_counts : array, shape (F,)
    """

    log_likelihood: float
    pdf_posteriors: Floats
    arc_counts: Floats
    entry_counts: Floats
    exit_counts: Floats


class ViterbiPath(NamedTuple):
    """The most probable path.

    Parameters
    ----------
    log_probability : float
        Of the path and the frames together.
    states : array of int, shape (T,)
    arcs : array of int, shape (T - 1,)
        Index of the arc taken between each two frames.
    entry, exit : int
        Index of the entry and exit taken.
    """

    log_probability: float
    states: Indices
    arcs: Indices
    entry: int
    exit: int


def forward_backward(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    arithmetic: Literal["scaled", "log"] = "scaled",
    beam: float | None = None,
    implementation: Literal["compiled", "numpy"] = "compiled",
) -> ForwardBackward:
    """Compute posteriors of states and expected counts of arcs."""
    return _both(graph, log_emissions, beam, True)


def expected_counts(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    arithmetic: Literal["scaled", "log"] = "scaled",
    beam: float | None = None,
    implementation: Literal["compiled", "numpy"] = "compiled",
) -> ExpectedCounts:
    """Compute posteriors of pdfs and expected counts of arcs."""
    return _both(graph, log_emissions, beam, False)


def _both(graph: Graph, log_emissions: ArrayLike, beam: float | None, states: bool) -> Any:
    from . import kernels

    frames = np.ascontiguousarray(log_emissions, dtype=np.float64)
    n_frames, n_pdfs = frames.shape
    structure = graph.structure
    peaks = frames.max(axis=1)
    arcs = np.exp(graph.log_prob)[structure.incoming_arc]
    values = np.zeros((n_frames, graph.n_states))
    levels = np.empty((n_frames, graph.n_states), dtype=np.int32)
    entry, exit_ = np.exp(graph.entry_log_prob), np.exp(graph.exit_log_prob)
    frame, _dropped, value, level = kernels.forward(
        frames,
        peaks,
        graph.pdf,
        structure.incoming,
        structure.incoming_source,
        arcs,
        graph.entry_state,
        entry,
        graph.exit_state,
        exit_,
        structure.lowest_target,
        structure.highest_target,
        graph.arcs_to_exit,
        math.inf if beam is None else beam,
        -1e6,
        values,
        levels,
    )
    if frame < n_frames:
        raise NoPathError(f"no path at frame {frame}", frame=frame)
    state_posteriors = np.zeros((n_frames if states else 0, graph.n_states))
    pdf_posteriors = np.zeros((0 if states else n_frames, n_pdfs))
    sorted_counts = np.zeros(graph.n_arcs)
    entry_counts, exit_counts = np.zeros_like(entry), np.zeros_like(exit_)
    kernels.smooth(
        values,
        levels,
        graph.pdf,
        structure.incoming,
        structure.incoming_source,
        arcs,
        graph.entry_state,
        entry,
        graph.exit_state,
        exit_,
        value,
        level,
        state_posteriors,
        pdf_posteriors,
        sorted_counts,
        entry_counts,
        exit_counts,
    )
    arc_counts = np.empty_like(sorted_counts)
    arc_counts[structure.incoming_arc] = sorted_counts
    total = float(peaks.sum()) + math.log(value) + level * kernels.BITS * math.log(2.0)
    kind: Any = ForwardBackward if states else ExpectedCounts
    return kind(
        total,
        state_posteriors if states else pdf_posteriors,
        arc_counts,
        entry_counts,
        exit_counts,
    )


def log_likelihood(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    arithmetic: Literal["scaled", "log"] = "scaled",
    beam: float | None = None,
    implementation: Literal["compiled", "numpy"] = "compiled",
) -> float:
    """Compute the logarithm of the sum over all paths."""
    result: float = _both(graph, log_emissions, beam, False).log_likelihood
    return result


def viterbi(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    beam: float | None = None,
    implementation: Literal["compiled", "numpy"] = "compiled",
) -> ViterbiPath:
    """Find the most probable path; of equal ones, that of the lowest arcs."""
    from .kernels_viterbi import best_path

    frames = np.ascontiguousarray(log_emissions, dtype=np.float64)
    n_frames = len(frames)
    structure = graph.structure
    states: Indices = np.empty(n_frames, dtype=np.int32)
    arcs: Indices = np.empty(n_frames - 1, dtype=np.int32)
    frame, _dropped, log_probability, entry, leave = best_path(
        frames,
        graph.pdf,
        structure.incoming,
        structure.incoming_arc,
        structure.incoming_source,
        graph.log_prob[structure.incoming_arc],
        graph.entry_state,
        graph.entry_log_prob,
        graph.exit_state,
        graph.exit_log_prob,
        structure.lowest_target,
        structure.highest_target,
        graph.arcs_to_exit,
        math.inf if beam is None else beam,
        np.empty((n_frames, graph.n_states), dtype=np.uint16),
        states,
        arcs,
    )
    if frame < n_frames:
        raise NoPathError(f"no path at frame {frame}", frame=frame)
    if not math.isfinite(log_probability):
        raise InvalidInputError("log-emissions must be below +inf and not NaN")
    return ViterbiPath(log_probability, states, arcs, entry, leave)
