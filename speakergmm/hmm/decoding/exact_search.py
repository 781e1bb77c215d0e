"""Exact search of a decoding graph, without a beam: every state at every frame.

The paths that a beam prunes depend on the other paths, so that a wider beam may lose a path that a
narrower one has kept: it admits words that score better at first but cannot be completed. The exact
search takes about a nanosecond per arc and frame, and twice that for long recordings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.decoding import exact_search_kernels as kernels
from speakergmm.hmm.decoding.lattice import GraphPath, LatticeArrays
from speakergmm.hmm.decoding.lattice_kernels import topological_order
from speakergmm.hmm.decoding.transducer import DecodingGraph

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MOST_SCORES = 2**24
"""Most scores of states kept at a time (128 MB); longer recordings are searched twice, in parts."""
_MOST_BYTES = 2**30
"""Most memory that the scores of a recording searched twice may take."""
_ROUNDING = 1e-12
"""Relative error of sums in float64: the best path must lie within its own beam."""
_SILENT = np.zeros(1)
"""Log-density of arcs that take no frame."""


class _Arcs(NamedTuple):
    """Some arcs of a graph in a certain order; `column` is 0 for arcs that take no frame."""

    number: Integers
    source: NDArray[np.uint32]
    target: NDArray[np.uint32]
    column: NDArray[np.uint32]
    weight: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ExactSearch:
    """A decoding graph prepared for exact search, with its arcs sorted.

    Parameters
    ----------
    graph : DecodingGraph
        The graph.
    emitting : Arcs
        Arcs that take a frame, by target.
    first_emitting : array of int, shape (S + 1,)
        Index of the first emitting arc into each state.
    empty : Arcs
        Arcs that take no frame, each after those that lead to its source.
    incoming : array of int, shape (A,)
        Numbers of all arcs, by target.
    first_incoming : array of int, shape (S + 1,)
        Index in `incoming` of the first arc into each state.
    column : array of int, shape (A,)
        Column of the log-emissions of each arc, -1 for none.
    """

    graph: DecodingGraph
    emitting: _Arcs
    first_emitting: NDArray[np.uint32]
    empty: _Arcs
    incoming: NDArray[np.int32]
    first_incoming: Integers
    column: NDArray[np.int32]

    @classmethod
    def of(cls, graph: DecodingGraph) -> ExactSearch:
        """Sort the arcs of a graph.

        Raises
        ------
        ValueError
            If arcs that take no frame form a circle.
        """
        takes = graph.input > 0
        column = np.full(graph.n_arcs, -1, np.int32)
        column[takes] = graph.columns[graph.input[takes] - 1]
        incoming = np.argsort(graph.target, kind="stable")
        emitting, empty = incoming[takes[incoming]], np.flatnonzero(~takes)
        rank = _ranks(graph.n_states, graph.source[empty], graph.target[empty])
        empty = empty[np.argsort(rank[graph.source[empty]], kind="stable")]
        return cls(
            graph,
            _arcs(graph, emitting, column),
            _first(graph.target[emitting], graph.n_states).astype(np.uint32),
            _arcs(graph, empty, column),
            incoming.astype(np.int32),
            _first(graph.target[incoming], graph.n_states),
            column,
        )

    def fits(self, n_frames: int) -> bool:
        """Return whether the search of a recording fits into a gigabyte of memory."""
        return 16 * self.graph.n_states * math.isqrt(n_frames) <= _MOST_BYTES

    def best_path(self, emissions: Floats) -> GraphPath | None:
        """Find the best path of a recording; return None if no path is possible.

        Parameters
        ----------
        emissions : array, shape (T, len(graph.pdfs))
            Scaled natural log-densities; -inf is allowed.
        """
        # Parts of the recording come last part first: each is traced back to the state in which the
        # one before it ends.
        state, pieces = -1, []
        for start, alpha in self._scores(emissions):
            if state < 0:
                ends = alpha[-1] + self.graph.final_log_probability
                state = int(np.argmax(ends))
                if ends[state] == -np.inf:
                    return None
            part = emissions[start : start + len(alpha) - 1]
            arcs, state = self._trace(alpha, part, state, whole=start == 0)
            pieces.append(arcs)
        graph, path = self.graph, np.concatenate(pieces[::-1])
        log_probability = float(
            graph.log_probability[path].sum() + graph.final_log_probability[graph.target[path[-1]]]
        )
        return GraphPath(graph.input[path], graph.output[path], log_probability)

    def lattice(self, emissions: Floats, beam: float) -> LatticeArrays | None:
        """Find all arcs on paths within a beam of the best one; return None if there is no path.

        Parameters
        ----------
        emissions : array, shape (T, len(graph.pdfs))
            As `best_path` takes them.
        beam : float
            Largest difference from the score of the best path, in scaled nats.

        Returns
        -------
        LatticeArrays or None
        """
        final = beta = self.graph.final_log_probability
        least = np.nan
        found: list[Integers] = []  # frames and arcs; the last first

        def go_back(
            arcs: _Arcs, frame: int, heard: Floats, alpha: Floats, ahead: Floats, beta: Floats
        ) -> None:
            kept = np.empty(len(arcs.number), np.bool_)
            kernels.score_backward(heard, *arcs[1:], alpha, ahead, least, beta, kept)
            chosen = arcs.number[kept]
            found.append(np.stack([np.full(len(chosen), frame), chosen]))

        # Backwards over the frames. An arc is kept if the best path through it, by the forward
        # score of its source and the backward score of its target, lies within the beam.
        for start, alpha in self._scores(emissions):
            if np.isnan(least):
                best = float((alpha[-1] + final).max())
                if best == -np.inf:
                    return None
                least = best - beam - _ROUNDING * abs(best)
                # After the last frame: states in which a path may end within the beam.
                final, beta = np.where(alpha[-1] + final >= least, final, -np.inf), final.copy()
                go_back(self.empty, len(emissions), _SILENT, alpha[-1], beta, beta)
            for row in range(len(alpha) - 2, -1, -1):
                # First the arcs that take the frame, then empty ones before it.
                frame = start + row
                ahead, beta = beta, np.full(self.graph.n_states, -np.inf)
                go_back(self.emitting, frame, emissions[frame], alpha[row], ahead, beta)
                go_back(self.empty, frame, _SILENT, alpha[row], beta, beta)
        frames, arcs = np.concatenate(found[::-1], axis=1)
        return self._arrays(frames, arcs, final, len(emissions))

    def _arrays(
        self, frames: Integers, arcs: Integers, final: Floats, n_frames: int
    ) -> LatticeArrays:
        """Build a lattice; its nodes are pairs of frame and state, its arcs sorted by source."""
        graph, size = self.graph, self.graph.n_states
        takes = graph.input[arcs] > 0
        ends = np.flatnonzero(final > -np.inf)
        nodes, number = np.unique(
            np.concatenate(
                [
                    frames * size + graph.source[arcs],
                    (frames + takes) * size + graph.target[arcs],
                    n_frames * size + ends,
                ]
            ),
            return_inverse=True,
        )
        source, target, at_end = np.split(number, [len(arcs), 2 * len(arcs)])
        order = np.argsort(source, kind="stable")
        chosen = arcs[order]
        final_cost = np.full(len(nodes), np.inf)
        final_cost[at_end] = -final[ends]
        return LatticeArrays(
            _first(source[order], len(nodes)),
            target[order].astype(np.int32),
            graph.input[chosen],
            graph.output[chosen],
            -graph.log_probability[chosen],
            final_cost,
            0,  # state 0 before the first frame has the lowest number
        )

    def _scores(self, emissions: Floats) -> Iterator[tuple[int, Floats]]:
        """Yield the best scores of all states in parts of the recording, the last part first.

        Yields
        ------
        start : int
            First frame of the part.
        alpha : array, shape (frames of the part + 1, S)
            Best score of a path to each state before the part and after each of its frames; the
            next part overwrites it.
        """
        # If all scores fit into memory, there is one part. Else the scores between parts, of which
        # there are the square root of T, are kept from a first pass, and each part is repeated.
        n_frames, n_states = len(emissions), self.graph.n_states
        most = n_frames
        if (n_frames + 1) * n_states > _MOST_SCORES:
            most = math.isqrt(n_frames - 1) + 1  # the square root of T, rounded up
        parts = [emissions[start : start + most] for start in range(0, n_frames, most)]
        alpha = np.empty((min(n_frames, most) + 1, n_states))
        row = np.full(n_states, -np.inf)
        row[0] = 0.0
        rows = []
        for part in parts:
            rows.append(row)
            self._advance(row, part, alpha)
            row = alpha[len(part)].copy()
        for place in range(len(parts) - 1, -1, -1):
            if place < len(parts) - 1:
                self._advance(rows[place], parts[place], alpha)
            yield place * most, alpha[: len(parts[place]) + 1]

    def _advance(self, row: Floats, emissions: Floats, alpha: Floats) -> None:
        alpha[0] = row
        _, source, _, column, weight = self.emitting
        _, empty_source, empty_target, _, empty_weight = self.empty
        by_state = (self.first_emitting, source, column, weight)
        kernels.score_forward(emissions, *by_state, empty_source, empty_target, empty_weight, alpha)

    def _trace(
        self, alpha: Floats, emissions: Floats, state: int, *, whole: bool
    ) -> tuple[Integers, int]:
        """Return the arcs of the best path to a state, and the state in which it begins."""
        graph, start = self.graph, 0 if whole else -1
        incoming = (self.first_incoming, self.incoming, graph.source, graph.log_probability)
        path = kernels.trace_back(alpha, emissions, *incoming, self.column, start, state)
        return path[1:].astype(np.int64), int(path[0])


def _arcs(graph: DecodingGraph, number: Integers, columns: NDArray[np.int32]) -> _Arcs:
    ends = (graph.source, graph.target, np.maximum(columns, 0))
    source, target, column = (values[number].astype(np.uint32) for values in ends)
    return _Arcs(number, source, target, column, graph.log_probability[number])


def _first(numbers: NDArray[Any], size: int) -> Integers:
    """Return the index of the first occurrence of each of 0..size in a sorted list."""
    return np.searchsorted(numbers, np.arange(size + 1)).astype(np.int64)


def _ranks(n_states: int, source: NDArray[np.int32], target: NDArray[np.int32]) -> Integers:
    """Return the rank of each state in topological order."""
    order = np.argsort(source, kind="stable")
    # A further state leads to all others, so that all are reached.
    first = np.append(_first(source[order], n_states), len(order) + n_states)
    targets = np.concatenate([target[order], np.arange(n_states)]).astype(np.int32)
    states = np.empty(n_states + 1, np.int32)
    if topological_order(first, targets, n_states, states) < 0:
        raise ValueError("arcs that take no frame form a circle")
    ranks = np.empty(n_states + 1, np.int64)
    ranks[states] = np.arange(n_states + 1)
    return ranks
