"""Rows of the benchmark of HMMs that are about inference: sums over paths, and the best one."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from speakergmm.hmm import Graph, expected_counts, forward_backward, viterbi

from ._figure import Figure
from ._timing import interleaved_medians

CALLS = 10


def left_right(n_states: int, n_pdfs: int, rng: np.random.Generator) -> Graph:
    """Make a graph with two arcs a state, to itself and to the next; pdfs in random order."""
    stay, leave = math.log(0.6), math.log(0.4)
    arcs = [(j, j, stay) for j in range(n_states)]
    arcs += [(j, j + 1, leave) for j in range(n_states - 1)]
    pdfs = np.arange(n_states) if n_pdfs >= n_states else rng.integers(0, n_pdfs, n_states)
    return Graph.from_arcs(pdfs, arcs, [(0, 0.0)], [(n_states - 1, leave)])


def log_emissions(
    graph: Graph, n_frames: int, n_pdfs: int, lead: float, rng: np.random.Generator
) -> np.ndarray:
    """Make log-emissions as of 39 features; `lead` is how far those of one path stand out."""
    frames = rng.normal(-60.0, 5.0, (n_frames, n_pdfs))
    path = np.arange(n_frames) * graph.n_states // n_frames
    frames[np.arange(n_frames), graph.pdf[path]] += lead
    return frames.astype(np.float32)


def dense_peer(
    n_states: int, n_frames: int, rng: np.random.Generator
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Ours and hmmlearn's forward-backward, transitions included, of a dense model."""
    from hmmlearn import _hmmc

    start = rng.dirichlet(np.ones(n_states))
    matrix = rng.dirichlet(np.ones(n_states), size=n_states)
    frames = rng.normal(-60.0, 5.0, (n_frames, n_states))
    graph = Graph.dense(start, matrix)

    def theirs() -> Any:
        likelihood, forward = _hmmc.forward_log(start, matrix, frames)
        backward = _hmmc.backward_log(start, matrix, frames)
        posteriors = np.exp(forward + backward - likelihood)
        return posteriors, np.exp(_hmmc.compute_log_xi_sum(forward, matrix, backward, frames))

    return lambda: forward_backward(graph, frames), theirs


def repeated(call: Callable[[], object]) -> Callable[[], None]:
    """Make a call several times, as training does: the first alone would measure cold caches."""

    def work() -> None:
        for _ in range(CALLS):
            call()

    return work


def inference(*, quick: bool = False) -> list[Figure]:
    """Measure CPU milliseconds of calls as users make them, and ratios in one run."""
    rounds = 5 if quick else 15
    rng = np.random.default_rng(0)
    found: list[Figure] = []
    for lead, speech in ((0.0, "broad"), (20.0, "narrow")):
        graph = left_right(150, 150, rng)
        frames = log_emissions(graph, 1000, 150, lead, rng)
        seconds = interleaved_medians(
            {
                "sums": repeated(partial(forward_backward, graph, frames)),
                "viterbi": repeated(partial(viterbi, graph, frames)),
            },
            rounds=rounds,
        )
        seconds = {name: spent / CALLS for name, spent in seconds.items()}
        case = f"1,000 frames, 150 left-right states, {speech} posteriors"
        found.append(
            Figure("inference", f"forward-backward, ms: {case}", seconds["sums"] * 1e3, "<= 2")
        )
        found.append(Figure("inference", f"Viterbi, ms: {case}", seconds["viterbi"] * 1e3, ""))
    graph = left_right(600, 130, rng)
    frames = log_emissions(graph, 1000, 130, 20.0, rng)
    seconds = interleaved_medians(
        {
            "counts": lambda: expected_counts(graph, frames),
            "viterbi": lambda: viterbi(graph, frames),
        },
        rounds=rounds,
    )
    case = "1,000 frames, 600 left-right states of 130 pdfs"
    found.append(
        Figure("inference", f"counts for training, ms: {case}", seconds["counts"] * 1e3, "")
    )
    found.append(Figure("inference", f"Viterbi, ms: {case}", seconds["viterbi"] * 1e3, ""))
    for n_states in (5, 20):
        ours, theirs = dense_peer(n_states, 2000, rng)
        seconds = interleaved_medians({"ours": ours, "theirs": theirs}, rounds=rounds)
        found.append(
            Figure(
                "inference",
                f"forward-backward, dense, 2,000 frames, {n_states} states: hmmlearn / ours",
                seconds["theirs"] / seconds["ours"],
                "",
                f"ours {seconds['ours'] * 1e3:.2f} ms",
            )
        )
    return found
