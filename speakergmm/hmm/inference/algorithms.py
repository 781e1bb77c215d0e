"""Forward-backward and Viterbi over graphs: sums over all paths, and the most probable one.

Emissions are logarithms, with one column per pdf; several states may emit with the same pdf. States
that are on no path from an entry to an exit, at a given frame, cost no time.

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
    """Posteriors and expected counts of all paths through a graph, given the frames.

    Parameters
    ----------
    log_likelihood : float
        Natural logarithm of the sum over all paths.
    state_posteriors : array, shape (T, S)
        Posterior probability of each state at each frame; sums to one over the states.
    arc_counts : array, shape (A,)
        Expected number of times that each arc is taken; sums to T - 1.
    entry_counts : array, shape (E,)
        Posterior probability of each entry.
    exit_counts : array, shape (F,)
        Posterior probability of each exit.
    """

    log_likelihood: float
    state_posteriors: Floats
    arc_counts: Floats
    entry_counts: Floats
    exit_counts: Floats


class ExpectedCounts(NamedTuple):
    """Posteriors of pdfs and expected counts of all paths, as training needs them.

    Parameters
    ----------
    log_likelihood : float
        Natural logarithm of the sum over all paths.
    pdf_posteriors : array, shape (T, P)
        Posterior probability that each pdf emits each frame: the sum over its states.
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
        The model.
    log_emissions : array, shape (T, P)
        Log-density of each frame under each pdf, float32 or float64; -inf is allowed. Any range
        will do: each number has an exponent of its own, and none underflows.
    beam : float or None
        States whose forward probability is below e^-beam of the best one at their frame are
        pruned; only states that can still reach an exit in time are compared. None prunes nothing.

    Returns
    -------
    ForwardBackward
        Posteriors below 1e-30 are returned as zero, as are those of paths through such states.

    Raises
    ------
    NoPathError
        If no path has a probability above zero, or the beam has lost all such paths.
    InvalidInputError
        If log-emissions are NaN or +inf or have a wrong shape, or the beam is not above 0.

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
    """Compute posteriors of pdfs, and expected counts: `forward_backward` for training.

    Parameters
    ----------
    graph, log_emissions, beam
        As `forward_backward` takes them.

    Returns
    -------
    ExpectedCounts

    Raises
    ------
    NoPathError, InvalidInputError
        As `forward_backward`.

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
    """Compute the logarithm of the sum over all paths, by the forward pass alone.

    Parameters
    ----------
    graph, log_emissions, beam
        As `forward_backward` takes them.

    Returns
    -------
    float
        Log-likelihood of the sequence of frames, in nats.

    Raises
    ------
    NoPathError, InvalidInputError
        As `forward_backward`.
    """
    return _sum_paths(graph, log_emissions, beam, "sum").log_likelihood


def viterbi(graph: Graph, log_emissions: ArrayLike, *, beam: float | None = None) -> ViterbiPath:
    """Find the most probable path.

    Of equally probable paths it is the one with, from the last frame back, the lowest exit, arcs
    and entry.

    Parameters
    ----------
    graph, log_emissions
        As `forward_backward` takes them.
    beam : float or None
        States whose best path is worse than that of the best state at their frame by more than
        this, in nats, are pruned. None prunes nothing.

    Returns
    -------
    ViterbiPath

    Raises
    ------
    NoPathError, InvalidInputError
        As `forward_backward`.

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
    """Search within one beam after another, until a path is left.

    Parameters
    ----------
    search : callable
        Called with a beam, or None for no pruning.
    beams : sequence of float or None
        Beams, in nats, the narrowest one first.

    Raises
    ------
    NoPathError
        If no path is left within the last one.
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
    """Return log-emissions as float64, checked.

    Raises
    ------
    InvalidInputError
        If their shape is wrong, or one is NaN or +inf.
    """
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
    """Return the result of a recursion within a beam, or raise an error if no path is left.

    Raises
    ------
    NoPathError
        If there are too few frames, the beam has lost every path, or all paths have probability
        zero.
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
