"""What inference is given, checked; and why no path is left."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.inference.graph import Floats, Graph, NoPathError
from speakergmm.hmm.inference.passes import Arithmetic, BestPath, Counts


def checked_emissions(graph: Graph, log_emissions: ArrayLike) -> tuple[Floats, Floats]:
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


def checked_options(beam: float | None, arithmetic: str = "scaled") -> float:
    """Give the width of the beam, inf for none."""
    if arithmetic not in get_args(Arithmetic):
        raise InvalidInputError(
            f"arithmetic must be one of {get_args(Arithmetic)}, found {arithmetic!r}"
        )
    if beam is None:
        return math.inf
    if not beam > 0:
        raise InvalidInputError(f"beam must be above 0 or None, found {beam}")
    return float(beam)


def explained(
    graph: Graph,
    n_frames: int,
    beam: float,
    found: Counts | BestPath,
    without_beam: Callable[[], Counts | BestPath],
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
