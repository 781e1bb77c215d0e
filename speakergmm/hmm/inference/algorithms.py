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

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.inference import recursions
from speakergmm.hmm.inference.graph import Floats, Graph, NoPathError
from speakergmm.hmm.inference.recursions import ViterbiPath
from speakergmm.ranges import number

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


def forward_backward(
    graph: Graph, log_emissions: ArrayLike, *, beam: float | None = None
) -> ForwardBackward:
    """Compute posteriors of states, and expected counts of arcs, entries and exits.

    Parameters
    ----------
    graph : Graph
    log_emissions : array, shape (T, P)
        Log-density of each frame under each pdf, float32 or float64; -inf is allowed. They may lie
        any way apart: each number has an exponent of its own, and none underflows.
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
        If log-emissions are NaN or +inf or of the wrong shape, or the beam is not above 0.

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
    return ForwardBackward(*_sum_paths(graph, log_emissions, beam, "states"))


def expected_counts(
    graph: Graph, log_emissions: ArrayLike, *, beam: float | None = None
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
    return ExpectedCounts(*_sum_paths(graph, log_emissions, beam, "pdfs"))


def sequence_log_likelihood(
    graph: Graph, log_emissions: ArrayLike, *, beam: float | None = None
) -> float:
    """Compute the logarithm of the sum over all paths: the forward pass, in little memory.

    Parameters, and what is raised, are those of `forward_backward`.
    """
    return _sum_paths(graph, log_emissions, beam, "sum").log_likelihood


def viterbi(graph: Graph, log_emissions: ArrayLike, *, beam: float | None = None) -> ViterbiPath:
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
    frames = _checked(graph, log_emissions)
    return _unless_lost(
        graph, frames, beam, lambda width: recursions.best_path(graph, frames, width)
    )


def search_within(
    search: Callable[[float | None], Result], beams: Sequence[float | None]
) -> Result:
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
    graph: Graph, log_emissions: ArrayLike, beam: float | None, wanted: recursions.Wanted
) -> recursions.Sums:
    frames = _checked(graph, log_emissions)
    return _unless_lost(
        graph, frames, beam, lambda width: recursions.sum_paths(graph, frames, width, wanted)
    )


def _checked(graph: Graph, log_emissions: ArrayLike) -> Floats:
    """Give log-emissions as float64."""
    frames: Floats = np.ascontiguousarray(log_emissions, dtype=np.float64)
    if frames.ndim != 2 or frames.shape[1] < graph.n_pdfs:
        raise InvalidInputError(
            f"log-emissions need shape (T, {graph.n_pdfs}) or more columns, found {frames.shape}"
        )
    # A comparison with NaN is false.
    if not frames.max(initial=-math.inf) < math.inf:
        frame, pdf = np.argwhere(~(frames < math.inf))[0]
        raise InvalidInputError(
            f"log-emissions must be below +inf, found {frames[frame, pdf]} at frame {frame}, "
            f"pdf {pdf}"
        )
    return frames


def _unless_lost(
    graph: Graph,
    frames: Floats,
    beam: float | None,
    run: Callable[[float], tuple[int, int, Result]],
) -> Result:
    """Return what a pass within a beam finds, or say why no path is left.

    Raises
    ------
    NoPathError
        If the frames are too few, the beam has lost every path, or all have probability zero.
    """
    n_frames = len(frames)
    width = math.inf if beam is None or beam == math.inf else number("beam", beam, above=0)
    lost_at, dropped, found = run(width) if n_frames else (0, 0, None)
    if found is not None and lost_at == n_frames:
        return found
    shortest = graph.shortest_duration
    if shortest is None:
        raise NoPathError("no path of the graph from an entry to an exit is above probability 0")
    if n_frames < shortest:
        raise NoPathError(
            f"graph needs at least {shortest} frames, found {n_frames}", reason="duration"
        )
    if dropped:
        dropped_at = lost_at
        lost_at, _, _ = recursions.sum_paths(graph, frames, math.inf, "sum")
        if lost_at == n_frames:
            raise NoPathError(
                f"a beam of {beam:g} lost every path at frame {dropped_at} of {n_frames}: "
                "a wider one keeps some",
                reason="beam",
                frame=dropped_at,
            )
    raise NoPathError(
        f"every path through the graph has probability 0 at frame {lost_at} of {n_frames}",
        frame=lost_at,
    )
