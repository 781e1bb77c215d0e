"""Forward-backward and Viterbi over graphs: sums over all paths, and the most probable one.

Emissions come as logarithms, with a column for each pdf; several states may emit with the same
one. Frames and states that no path connects to an entry and an exit cost nothing.

References
----------
Rabiner, L. R. (1989). A tutorial on hidden Markov models and selected applications in speech
recognition. Proceedings of the IEEE, 77(2), 257-286.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from ..errors import InvalidInputError
from . import passes
from .graph import Floats, Graph, Indices, NoPathError
from .passes import Arithmetic, Implementation


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
    implementation: Implementation = "compiled",
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
    implementation : {"compiled", "numpy"}
        "numpy" is the slow and plain twin.

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
    >>> graph = Graph.dense([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]])
    >>> counts = forward_backward(graph, np.log([[0.5, 0.5], [0.9, 0.3], [0.1, 0.6]]))
    >>> print(f"{counts.log_likelihood:.4f}", counts.state_posteriors.round(3).tolist())
    -2.1889 [[0.565, 0.435], [0.528, 0.472], [0.295, 0.705]]
    >>> counts.arc_counts.round(3)
    array([0.784, 0.308, 0.039, 0.869])
    """
    found = _sum_paths(graph, log_emissions, arithmetic, beam, implementation, "states")
    return ForwardBackward(
        found.log_likelihood, found.posteriors, found.arcs, found.entries, found.exits
    )


def expected_counts(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    arithmetic: Arithmetic = "scaled",
    beam: float | None = None,
    implementation: Implementation = "compiled",
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
    found = _sum_paths(graph, log_emissions, arithmetic, beam, implementation, "pdfs")
    return ExpectedCounts(
        found.log_likelihood, found.posteriors, found.arcs, found.entries, found.exits
    )


def log_likelihood(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    arithmetic: Arithmetic = "scaled",
    beam: float | None = None,
    implementation: Implementation = "compiled",
) -> float:
    """Compute the logarithm of the sum over all paths: the forward pass, in little memory.

    Parameters, and what is raised, are those of `forward_backward`.
    """
    found = _sum_paths(graph, log_emissions, arithmetic, beam, implementation, "sum")
    return found.log_likelihood


def viterbi(
    graph: Graph,
    log_emissions: ArrayLike,
    *,
    beam: float | None = None,
    implementation: Implementation = "compiled",
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
    >>> graph = Graph.dense([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]])
    >>> viterbi(graph, np.log([[0.5, 0.5], [0.9, 0.3], [0.1, 0.6]])).states
    array([1, 1, 1], dtype=int32)
    """
    frames, _ = _checked_emissions(graph, log_emissions)
    width = _checked_options(beam, "scaled", implementation)
    found = passes.best_path(graph, frames, implementation=implementation, beam=width)
    if found.frame < len(frames):

        def without_beam() -> passes.BestPath:
            return passes.best_path(graph, frames, implementation=implementation, beam=math.inf)

        raise _explained(graph, len(frames), width, found, without_beam)
    return ViterbiPath(*found[2:])


def _sum_paths(
    graph: Graph,
    log_emissions: ArrayLike,
    arithmetic: Arithmetic,
    beam: float | None,
    implementation: Implementation,
    wanted: passes.Wanted,
) -> passes.Counts:
    """Check what is given, sum over all paths, and refuse if there is none."""
    frames, peaks = _checked_emissions(graph, log_emissions)
    width = _checked_options(beam, arithmetic, implementation)

    def run(width: float, wanted: passes.Wanted) -> passes.Counts:
        return passes.sum_paths(
            graph,
            frames,
            peaks,
            arithmetic=arithmetic,
            implementation=implementation,
            beam=width,
            wanted=wanted,
        )

    found = run(width, wanted)
    if found.frame < len(frames):
        raise _explained(graph, len(frames), width, found, lambda: run(math.inf, "sum"))
    return found


def _checked_emissions(graph: Graph, log_emissions: ArrayLike) -> tuple[Floats, Floats]:
    """Give log-emissions as float64, and the largest of each frame."""
    frames: Floats = np.ascontiguousarray(log_emissions, dtype=np.float64)
    if frames.ndim != 2 or frames.shape[1] < graph.n_pdfs:
        raise InvalidInputError(
            f"log-emissions need shape (T, {graph.n_pdfs}) or more columns, found {frames.shape}"
        )
    if not len(frames):
        raise NoPathError(
            f"graph needs at least {graph.shortest_duration or 1} frames, found 0",
            reason="duration",
            frame=0,
        )
    peaks: Floats = frames.max(axis=1)
    # NaN is the largest of what it is among, and a comparison with it is false.
    fine = peaks < math.inf
    if not fine.all():
        frame = int(np.argmin(fine))
        pdf = int(np.argmin(frames[frame] < math.inf))
        raise InvalidInputError(
            f"log-emissions must be below +inf, found {frames[frame, pdf]} at frame {frame}, "
            f"pdf {pdf}"
        )
    return frames, peaks


def _checked_options(beam: float | None, arithmetic: str, implementation: str) -> float:
    """Give the width of the beam, inf for none."""
    for name, value, kind in (
        ("arithmetic", arithmetic, Arithmetic),
        ("implementation", implementation, Implementation),
    ):
        if value not in get_args(kind):
            raise InvalidInputError(f"{name} must be one of {get_args(kind)}, found {value!r}")
    if beam is None:
        return math.inf
    if not beam > 0:
        raise InvalidInputError(f"beam must be above 0 or None, found {beam}")
    return float(beam)


def _explained(
    graph: Graph,
    n_frames: int,
    beam: float,
    found: passes.Counts | passes.BestPath,
    without_beam: Callable[[], passes.Counts | passes.BestPath],
) -> NoPathError:
    """Say why no path is left."""
    shortest = graph.shortest_duration
    if shortest is None:
        return NoPathError("no path of the graph from an entry to an exit is above probability 0")
    if n_frames < shortest:
        return NoPathError(
            f"graph needs at least {shortest} frames, found {n_frames}", reason="duration"
        )
    if found.dropped:
        dropped_at = found.frame
        found = without_beam()
        if found.frame >= n_frames:
            return NoPathError(
                f"a beam of {beam:g} lost every path at frame {dropped_at} of {n_frames}: "
                "a wider one keeps some",
                reason="beam",
                frame=dropped_at,
            )
    return NoPathError(
        f"every path through the graph has probability 0 at frame {found.frame} of {n_frames}",
        frame=found.frame,
    )
