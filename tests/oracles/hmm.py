"""Every path through a graph, one by one: what inference must give, slow and plain."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm import Graph

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Path:
    """An entry, the arcs taken, an exit; the states, and the log-probability with the frames."""

    entry: int
    arcs: tuple[int, ...]
    exit: int
    states: tuple[int, ...]
    log_probability: float


@dataclass(frozen=True)
class Expectations:
    """Sums over all paths."""

    log_likelihood: float
    state_posteriors: Floats
    pdf_posteriors: Floats
    arc_counts: Floats
    entry_counts: Floats
    exit_counts: Floats


def all_paths(graph: Graph, log_emissions: Floats) -> list[Path]:
    """Every path of probability above zero, whatever the order of states."""
    n_frames = len(log_emissions)
    found = []
    for entry, exit_ in itertools.product(
        range(len(graph.entry_state)), range(len(graph.exit_state))
    ):
        for arcs in itertools.product(range(graph.n_arcs), repeat=n_frames - 1):
            states = [int(graph.entry_state[entry])]
            log_probability = float(graph.entry_log_prob[entry])
            for arc in arcs:
                if graph.source[arc] != states[-1]:
                    break
                states.append(int(graph.target[arc]))
                log_probability += float(graph.log_prob[arc])
            if len(states) < n_frames or states[-1] != graph.exit_state[exit_]:
                continue
            log_probability += float(graph.exit_log_prob[exit_])
            for t, state in enumerate(states):
                log_probability += float(log_emissions[t, graph.pdf[state]])
            if log_probability > -math.inf:
                found.append(Path(entry, arcs, exit_, tuple(states), log_probability))
    return found


def expectations(graph: Graph, log_emissions: Floats) -> Expectations | None:
    """Sum over all paths; None where there is no path."""
    paths = all_paths(graph, log_emissions)
    if not paths:
        return None
    best = max(path.log_probability for path in paths)
    total = math.fsum(math.exp(path.log_probability - best) for path in paths)
    n_frames, n_pdfs = log_emissions.shape
    sums = Expectations(
        best + math.log(total),
        np.zeros((n_frames, graph.n_states)),
        np.zeros((n_frames, n_pdfs)),
        np.zeros(graph.n_arcs),
        np.zeros(len(graph.entry_state)),
        np.zeros(len(graph.exit_state)),
    )
    for path in paths:
        share = math.exp(path.log_probability - best) / total
        sums.entry_counts[path.entry] += share
        sums.exit_counts[path.exit] += share
        for arc in path.arcs:
            sums.arc_counts[arc] += share
        for t, state in enumerate(path.states):
            sums.state_posteriors[t, state] += share
            sums.pdf_posteriors[t, graph.pdf[state]] += share
    return sums


def path_log_probability(
    graph: Graph, log_emissions: Floats, entry: int, arcs: NDArray[np.int32], exit_: int
) -> float:
    """Log-probability of a path given by its entry, arcs and exit; it must hang together."""
    state = int(graph.entry_state[entry])
    total = float(graph.entry_log_prob[entry]) + float(log_emissions[0, graph.pdf[state]])
    for t, arc in enumerate(arcs, start=1):
        assert graph.source[arc] == state
        state = int(graph.target[arc])
        total += float(graph.log_prob[arc]) + float(log_emissions[t, graph.pdf[state]])
    assert graph.exit_state[exit_] == state
    return total + float(graph.exit_log_prob[exit_])
