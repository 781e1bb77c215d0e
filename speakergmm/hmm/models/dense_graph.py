"""Graphs of dense start and transition probabilities, and the initial values of topologies."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.inference.graph import Graph
from speakergmm.ranges import refused

FINAL = ("any", "last")


def state_graph(
    startprob: NDArray[np.float64], transmat: NDArray[np.float64], *, final: str
) -> Graph:
    """Return the graph of the start and transition probabilities that are not zero.

    Parameters
    ----------
    startprob : array, shape (S,)
        Start probabilities.
    transmat : array, shape (S, S)
        Transition probabilities, from row to column.
    final : {"any", "last"}
        Whether a sequence may end in any state, or in the last one only.
    """
    n_states = len(startprob)
    entries = np.flatnonzero(startprob)
    source, target = np.nonzero(transmat)
    exits = np.arange(n_states) if final == "any" else np.array([n_states - 1])
    return Graph(
        pdf=np.arange(n_states, dtype=np.int32),
        source=source.astype(np.int32),
        target=target.astype(np.int32),
        log_prob=np.log(transmat[source, target]),
        entry_state=entries.astype(np.int32),
        entry_log_prob=np.log(startprob[entries]),
        exit_state=exits.astype(np.int32),
        exit_log_prob=np.zeros(len(exits)),
    )


def with_probabilities(
    graph: Graph, startprob: NDArray[np.float64], transmat: NDArray[np.float64]
) -> Graph:
    """Return a graph with other probabilities, which may have become zero."""
    with np.errstate(divide="ignore"):
        return graph.with_log_probs(
            np.log(transmat[graph.source, graph.target]),
            np.log(startprob[graph.entry_state]),
            graph.exit_log_prob,
        )


def start_of_topology(
    topology: Any, n_states: int, *, mean_length: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the start and transition probabilities with which training begins.

    Parameters
    ----------
    topology : {"ergodic", "left-right", "bakis"} or array, shape (S, S)
        Transitions that are possible: all of them; those to the same and the next state; also those
        to the state after next; or those of a matrix of transition probabilities.
    n_states : int
        Number of states, S.
    mean_length : float
        Mean number of frames per sequence; states of left-to-right models begin with equal
        durations.

    Returns
    -------
    startprob : array, shape (S,)
        Uniform; if no transition leads back, one for the first state.
    transmat : array, shape (S, S)

    Raises
    ------
    InvalidInputError
        If there is no such topology, or the matrix does not contain transition probabilities.
    """
    if isinstance(topology, str):
        if topology == "ergodic":
            uniform = np.full((n_states, n_states), 1.0 / n_states)
            return uniform[0].copy(), uniform
        if topology not in ("left-right", "bakis"):
            allowed = "'ergodic', 'left-right', 'bakis' or a matrix of transition probabilities"
            raise refused("topology", allowed, topology)
        stay = float(np.clip(1.0 - n_states / max(mean_length, 1.0), 0.5, 0.99))
        # Of the probability of leaving a state, a third is for the skip.
        steps = (1.0,) if topology == "left-right" else (2 / 3, 1 / 3)
        transmat = stay * np.eye(n_states)
        for distance, part in enumerate(steps, start=1):
            transmat += (1.0 - stay) * part * np.eye(n_states, k=distance)
        transmat /= transmat.sum(axis=1, keepdims=True)
    else:
        transmat = np.array(topology, np.float64)
        if (
            transmat.shape != (n_states, n_states)
            or not np.isfinite(transmat).all()
            or transmat.min() < 0
            or not np.allclose(transmat.sum(axis=1), 1.0)
        ):
            raise InvalidInputError(
                f"a topology of {n_states} states must be {n_states} x {n_states} transition "
                f"probabilities with rows that sum to 1, found shape {transmat.shape}"
            )
    startprob = np.full(n_states, 1.0 / n_states)
    if is_left_right(transmat):
        startprob = np.eye(n_states)[0]
    return startprob, transmat


def stationary_distribution(transmat: ArrayLike) -> NDArray[np.float64]:
    """Return the distribution of states (S,) that transitions (S, S) leave as it is.

    Where there are several, for no path leads from some states to others, it is the flattest one.

    Raises
    ------
    InvalidInputError
        If rows are no probabilities that sum to 1.
    """
    given = np.asarray(transmat, np.float64)
    if given.ndim != 2 or given.shape[0] != given.shape[1] or given.size == 0:
        raise InvalidInputError(f"transitions must be a square matrix, found shape {given.shape}")
    if not (given >= 0).all() or not np.allclose(given.sum(axis=1), 1.0):
        raise InvalidInputError("rows of transitions must be probabilities that sum to 1")
    balance = np.concatenate([given.T - np.eye(len(given)), np.ones((1, len(given)))])
    found = np.linalg.lstsq(balance, np.eye(len(balance))[-1])[0]
    # Rounding may leave a little below zero.
    found = np.maximum(found, 0.0)
    return np.asarray(found / found.sum())


def is_left_right(transmat: NDArray[np.float64]) -> bool:
    """Return whether no transition leads back to an earlier state, and at least one leads on."""
    return bool(
        len(transmat) > 1 and not np.tril(transmat, -1).any() and np.triu(transmat, 1).any()
    )
