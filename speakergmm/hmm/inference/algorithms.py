"""Forward-backward and Viterbi over graphs: sums over all paths, and the most probable one.

Emissions come as logarithms, with a column for each pdf; several states may emit with the same
one. Frames and states that no path connects to an entry and an exit cost nothing.

References
----------
Rabiner, L. R. (1989). A tutorial on hidden Markov models and selected applications in speech
recognition. Proceedings of the IEEE, 77(2), 257-286.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from numpy.typing import ArrayLike

from speakergmm.hmm.inference import passes
from speakergmm.hmm.inference.checks import checked_emissions, checked_options, explained
from speakergmm.hmm.inference.graph import Floats, Graph, Indices, NoPathError
from speakergmm.hmm.inference.passes import Arithmetic

Result = TypeVar("Result")


class ForwardBackward(NamedTuple):
    """What is expected of all paths through a graph, given the frames.

    Parameters
    ----------
    log_likelihood : float
        Natural logarithm of the sum over all paths.
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
    """What training needs of forward-backward, without an array of frames by states to return.

    Parameters
    ----------
    log_likelihood : float
    pdf_posteriors : array, shape (T, P)
        Probability that each pdf emits each frame: the sum over its states.
    arc_counts, entry_counts, exit_counts : array, shape (A,), (E,) and (F,)
        As in `ForwardBackward`.
    """

    log_likelihood: float
    pdf_posteriors: Floats
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


def forward_backward(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    arithmetic: Arithmetic = "scaled",
    beam: float | None = None,
) -> ForwardBackward:
    """Compute posteriors of states, and expected counts of arcs, entries and exits.

    Parameters
    ----------
    graph : Graph
    log_emissions : array, shape (T, P)
        Log-density of each frame under each pdf, float32 or float64; -inf is allowed.
    arithmetic : {"scaled", "log"}
        "scaled" keeps each number with an exponent of its own and never underflows; log-emissions
        that lie more than a million below the best one of their frame are left to "log", which
        works in logarithms and is some times slower.
    beam : float or None
        States whose forward probability is below e^-beam of the best one of their frame are
        dropped; only states that can still reach an exit in time are compared. None drops none.

    Returns
    -------
    ForwardBackward
        Posteriors below 1e-30 are given as zero, as is what passes through them.

    Raises
    ------
    NoPathError
        If no path has a probability above zero, or the beam has lost all that have.
    InvalidInputError
        If log-emissions are NaN or +inf or of the wrong shape, or an option is unknown.

    Examples
    --------
    >>> import numpy as np
    >>> graph = Graph.dense([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]])
    >>> counts = forward_backward(graph, np.log([[0.5, 0.5], [0.9, 0.3], [0.1, 0.6]]))
    >>> print(f"{counts.log_likelihood:.4f}", counts.state_posteriors.round(3).tolist())
    -2.6468 [[0.481, 0.519], [0.524, 0.476], [0.333, 0.667]]
    >>> counts.arc_counts.round(3)
    array([0.743, 0.262, 0.114, 0.88 ])
    """
    found = _sum_paths(graph, log_emissions, arithmetic, beam, "states")
    return ForwardBackward(
        found.log_likelihood, found.posteriors, found.arcs, found.entries, found.exits
    )


def expected_counts(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    arithmetic: Arithmetic = "scaled",
    beam: float | None = None,
) -> ExpectedCounts:
    """Compute posteriors of pdfs in place of those of states: `forward_backward` for training.

    Parameters, and what is raised, are those of `forward_backward`.

    Returns
    -------
    ExpectedCounts

    Examples
    --------
    Two states that share a pdf:

    >>> graph = Graph.from_arcs([0, 0], [(0, 1, 0.0)], [(0, 0.0)], [(1, 0.0)])
    >>> expected_counts(graph, [[-1.0], [-2.0]]).pdf_posteriors.tolist()
    [[1.0], [1.0]]
    """
    found = _sum_paths(graph, log_emissions, arithmetic, beam, "pdfs")
    return ExpectedCounts(
        found.log_likelihood, found.posteriors, found.arcs, found.entries, found.exits
    )


def log_likelihood(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    arithmetic: Arithmetic = "scaled",
    beam: float | None = None,
) -> float:
    """Compute the logarithm of the sum over all paths: the forward pass, in little memory.

    Parameters, and what is raised, are those of `forward_backward`.
    """
    found = _sum_paths(graph, log_emissions, arithmetic, beam, "sum")
    return found.log_likelihood


def viterbi(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    beam: float | None = None,
) -> ViterbiPath:
    """Find the most probable path.

    Of equal ones it takes, from the last frame back, the lowest exit, arcs and entry. Parameters,
    and what is raised, are those of `forward_backward`; the beam compares the best paths into
    each state.

    Returns
    -------
    ViterbiPath

    Examples
    --------
    >>> import numpy as np
    >>> graph = Graph.dense([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]])
    >>> viterbi(graph, np.log([[0.5, 0.5], [0.9, 0.3], [0.1, 0.6]])).states
    array([1, 1, 1], dtype=int32)
    """
    frames, peaks = checked_emissions(graph, log_emissions)
    width = checked_options(beam)

    def run(width: float) -> passes.BestPath:
        return passes.best_path(graph, frames, peaks, width)

    found = run(width)
    if found.frame < len(frames):
        raise explained(graph, len(frames), width, found, lambda: run(math.inf))
    return ViterbiPath(*found[2:])


def widening(search: Callable[[float | None], Result], beams: Sequence[float | None]) -> Result:
    """Search within one beam after another, until one keeps a path.

    Raises
    ------
    NoPathError
        If the last one keeps none.
    """
    for beam in beams[:-1]:
        with contextlib.suppress(NoPathError):
            return search(beam)
    return search(beams[-1])


def _sum_paths(
    graph: Graph,
    log_emissions: ArrayLike,
    arithmetic: Arithmetic,
    beam: float | None,
    wanted: passes.Wanted,
) -> passes.Counts:
    """Check what is given, sum over all paths, and refuse if there is none."""
    frames, peaks = checked_emissions(graph, log_emissions)
    width = checked_options(beam, arithmetic)

    def run(width: float, wanted: passes.Wanted) -> passes.Counts:
        return passes.sum_paths(graph, frames, peaks, width, arithmetic, wanted)

    found = run(width, wanted)
    if found.frame < len(frames):
        raise explained(graph, len(frames), width, found, lambda: run(math.inf, "sum"))
    return found
