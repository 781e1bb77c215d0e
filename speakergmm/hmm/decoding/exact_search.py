"""Search of a decoding graph without a beam: every state at every frame.

What a beam drops depends on what else is found, so that a wider one may lose what a narrower one
has found: it comes upon words that sound better at first and can't end. All of a small graph is
gone through in about a nanosecond an arc and frame, twice that for long recordings.
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
"""Scores of states kept at a time (128 MB); longer recordings are gone through twice, in parts."""
_MOST_BYTES = 2**30
"""What the scores of a recording that is gone through twice may take."""
_ROUNDING = 1e-12
"""Relative error of sums in float64: a path must lie within the beam of itself."""


class _Arcs(NamedTuple):
    """Some arcs of a graph, in an order of their own."""

    number: Integers
    source: NDArray[np.uint32]
    target: NDArray[np.uint32]
    weight: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ExactSearch:
    """A decoding graph with its arcs in the orders in which a search goes through them.

    Parameters
    ----------
    graph : DecodingGraph
        What is searched.
    emitting : Arcs
        Those that take a frame, in the order of their targets.
    first_emitting : array of int, shape (S + 1,)
        Where those into each state begin.
    empty : Arcs
        Those that take none, each after those that lead to its source.
    incoming : array of int, shape (A,)
        All arcs in the order of their targets.
    first_incoming : array of int, shape (S + 1,)
        Where those into each state begin.
    column : array of int, shape (A,)
        Column of the log-emissions that each arc takes, -1 for none.
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
            If arcs that take no frame go round in a circle.
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
            _arcs(graph, emitting),
            _first(graph.target[emitting], graph.n_states).astype(np.uint32),
            _arcs(graph, empty),
            incoming.astype(np.int32),
            _first(graph.target[incoming], graph.n_states),
            column,
        )

    def fits(self, n_frames: int) -> bool:
        """Say whether a recording of so many frames can be searched in a gigabyte."""
        return 16 * self.graph.n_states * math.isqrt(n_frames) <= _MOST_BYTES

    def best_path(self, emissions: Floats) -> GraphPath | None:
        """Find the best path; None where no path is possible.

        Parameters
        ----------
        emissions : array, shape (T, len(graph.pdfs))
            Scaled natural log-densities; -inf allowed.
        """
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
        """Find all arcs on paths within a beam of the best one; None where no path is possible.

        Parameters
        ----------
        emissions : array, shape (T, len(graph.pdfs))
            As `best_path`.
        beam : float
            In scaled natural logarithms.
        """
        kept = np.zeros(len(self.emitting.number), np.bool_)
        kept_empty = np.zeros(len(self.empty.number), np.bool_)
        heard = self.column[self.emitting.number].astype(np.uint32)
        final = beta = self.graph.final_log_probability
        least = np.nan
        found: list[Integers] = []  # frames and arcs; the last first

        def keep(frame: int, arcs: Integers) -> None:
            found.append(np.stack([np.full(len(arcs), frame), arcs]))

        def skip(frame: int, alpha: Floats, beta: Floats) -> None:
            kernels.empty_back(*self.empty[1:], alpha, least, beta, kept_empty)
            keep(frame, self.empty.number[kept_empty])

        for start, alpha in self._scores(emissions):
            if np.isnan(least):
                best = float((alpha[-1] + final).max())
                if best == -np.inf:
                    return None
                least = best - beam - _ROUNDING * abs(best)
                final, beta = np.where(alpha[-1] + final >= least, final, -np.inf), final.copy()
                skip(len(emissions), alpha[-1], beta)
            for row in range(len(alpha) - 2, -1, -1):
                ahead, beta = beta, np.full(self.graph.n_states, -np.inf)
                kernels.emitting_back(
                    emissions[start + row],
                    self.emitting.source,
                    self.emitting.target,
                    heard,
                    self.emitting.weight,
                    alpha[row],
                    ahead,
                    least,
                    beta,
                    kept,
                )
                keep(start + row, self.emitting.number[kept])
                skip(start + row, alpha[row], beta)
        frames, arcs = np.concatenate(found[::-1], axis=1)
        return self._arrays(frames, arcs, final, emissions)

    def _arrays(
        self, frames: Integers, arcs: Integers, final: Floats, emissions: Floats
    ) -> LatticeArrays:
        """Give the nodes, states between frames, numbers, and sort the arcs by source."""
        graph, size = self.graph, self.graph.n_states
        takes = graph.input[arcs] > 0
        ends = np.flatnonzero(final > -np.inf)
        nodes, number = np.unique(
            np.concatenate(
                [
                    frames * size + graph.source[arcs],
                    (frames + takes) * size + graph.target[arcs],
                    len(emissions) * size + ends,
                ]
            ),
            return_inverse=True,
        )
        source, target, at_end = np.split(number, [len(arcs), 2 * len(arcs)])
        order = np.argsort(source, kind="stable")
        chosen = arcs[order]
        acoustic_cost = np.zeros(len(arcs))
        heard = takes[order]
        acoustic_cost[heard] = -emissions[frames[order[heard]], self.column[chosen[heard]]]
        final_cost = np.full((len(nodes), 2), np.inf)
        final_cost[at_end] = np.stack([-final[ends], np.zeros(len(ends))], axis=1)
        return LatticeArrays(
            _first(source[order], len(nodes)),
            target[order].astype(np.int32),
            graph.input[chosen],
            graph.output[chosen],
            -graph.log_probability[chosen],
            acoustic_cost,
            final_cost,
            0,  # state 0 before the first frame has the lowest number
        )

    def _scores(self, emissions: Floats) -> Iterator[tuple[int, Floats]]:
        """Yield parts of the best scores of all states, the last part first.

        Yields
        ------
        start : int
            The part's first frame.
        alpha : array, shape (frames of the part + 1, S)
            Best score of a path to each state before the first frame and after each one; the
            next part takes its place.
        """
        n_frames, n_states = len(emissions), self.graph.n_states
        most = n_frames
        if (n_frames + 1) * n_states > _MOST_SCORES:
            most = math.isqrt(n_frames - 1) + 1  # as many parts, of each a row, as rows of a part
        parts = [emissions[start : start + most] for start in range(0, n_frames, most)]
        alpha = np.empty((min(n_frames, most) + 1, n_states))
        row = np.full(n_states, -np.inf)
        row[0] = 0.0
        _, source, target, weight = self.empty
        for arc in range(len(source)):
            row[target[arc]] = max(row[target[arc]], row[source[arc]] + weight[arc])
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
        kernels.forward(
            emissions,
            self.first_emitting,
            self.emitting.source,
            self.column[self.emitting.number].astype(np.uint32),
            self.emitting.weight,
            *self.empty[1:],
            alpha,
        )

    def _trace(
        self, alpha: Floats, emissions: Floats, state: int, *, whole: bool
    ) -> tuple[Integers, int]:
        """Give the arcs of the best path to a state, and the state where it begins."""
        room = 3 * len(emissions) + 16
        while True:
            path = np.empty(room, np.int32)
            count = kernels.trace(
                alpha,
                emissions,
                self.first_incoming,
                self.incoming,
                self.graph.source,
                self.graph.log_probability,
                self.column,
                0 if whole else -1,
                state,
                path,
            )
            assert count != kernels.UNREACHABLE  # it has a finite score
            if count >= 0:
                return path[room - 1 - count : -1].astype(np.int64), int(path[-1])
            room *= 2


def _arcs(graph: DecodingGraph, number: Integers) -> _Arcs:
    source, target = (ends[number].astype(np.uint32) for ends in (graph.source, graph.target))
    return _Arcs(number, source, target, graph.log_probability[number])


def _first(numbers: NDArray[Any], size: int) -> Integers:
    """Say where each number begins in a sorted list."""
    return np.searchsorted(numbers, np.arange(size + 1)).astype(np.int64)


def _ranks(n_states: int, source: NDArray[np.int32], target: NDArray[np.int32]) -> Integers:
    """Give all states numbers, so that arcs lead upwards."""
    order = np.argsort(source, kind="stable")
    # One more state leads to all, so that all are reached.
    first = np.append(_first(source[order], n_states), len(order) + n_states)
    targets = np.concatenate([target[order], np.arange(n_states)]).astype(np.int32)
    states = np.empty(n_states + 1, np.int32)
    if topological_order(first, targets, n_states, states) < 0:
        raise ValueError("arcs that take no frame go round in a circle")
    ranks = np.empty(n_states + 1, np.int64)
    ranks[states] = np.arange(n_states + 1)
    return ranks
