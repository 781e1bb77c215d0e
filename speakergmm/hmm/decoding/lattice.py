"""Lattices: all paths that a search found nearly as good as the best one."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.decoding import lattice_kernels as kernels
from speakergmm.hmm.decoding.transducer import BEGINNING, DecodingGraph

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

# The first node, with its score.
_START = (np.zeros(1, np.int32), np.zeros(1))


class GraphPath(NamedTuple):
    """A path through a decoding graph.

    Attributes
    ----------
    input, output : array of int
        Of its arcs, in order.
    log_probability : float
        Of all that the graph says, that of ending included.
    """

    input: Indices
    output: Indices
    log_probability: float


class LatticeArrays(NamedTuple):
    """Arcs of a lattice in the order of their states.

    Attributes
    ----------
    first : array of int, shape (S + 1,)
        Where the arcs of each state begin.
    target, input, output : array of int, shape (A,)
    graph_cost : array, shape (A,)
        Negative log-probabilities of the graph, without those of frames.
    final_cost : array, shape (S,)
        That of ending; inf where a path can't end.
    start : int
    """

    first: NDArray[np.int64]
    target: NDArray[np.int32]
    input: NDArray[np.int32]
    output: NDArray[np.int32]
    graph_cost: NDArray[np.floating[Any]]
    final_cost: NDArray[np.floating[Any]]
    start: int

    def only_path(self) -> GraphPath:
        """Return the path of a lattice that has no other."""
        arcs, node = [], self.start
        while self.first[node + 1] > self.first[node]:
            arcs.append(int(self.first[node]))
            node = int(self.target[arcs[-1]])
        cost = float(self.graph_cost[arcs].sum(dtype=np.float64)) + float(self.final_cost[node])
        return GraphPath(self.input[arcs], self.output[arcs], -cost)


class LatticePath(NamedTuple):
    """A way through a lattice.

    Attributes
    ----------
    arcs : array of int
        Its arcs, in order.
    score : float
        Scaled log-probability, that of ending included.
    """

    arcs: Indices
    score: float


@dataclass(frozen=True, eq=False)
class Lattice:
    """Paths through a decoding graph that lie within a beam of the best one, with their scores.

    Parameters
    ----------
    graph : DecodingGraph
        What was searched.
    n_frames : int
        Frames of the recording, T.
    first : array of int, shape (N + 1,)
        Where the arcs of each node begin. Arcs lead to higher nodes; node 0 is the start.
    target, input, output : array of int, shape (A,)
        Target node, and input and output as in the graph.
    graph_log_probability : array, shape (A,)
        Transitions, silences, pronunciations and grammar.
    acoustic_log_likelihood : array, shape (A,)
        Log-density of the frame, not scaled; 0 where the arc takes none.
    final_log_probability : array, shape (N,)
        Of ending at each node.
    frame : array of int, shape (N,)
        How many frames lie before each node.
    acoustic_scale, graph_scale : float
        Factors with which the two make a path's score.

    Notes
    -----
    A posterior is that of paths, p ~ exp(acoustic_scale * acoustic + graph_scale * graph), summed
    over all paths of the lattice: state by state, so that different alignments of the same words
    add up, and so do the ways back to shorter histories of an n-gram model by which the same words
    can be reached. What fell out of the beam counts as impossible.
    """

    graph: DecodingGraph
    n_frames: int
    first: NDArray[np.int64]
    target: Indices
    input: Indices
    output: Indices
    graph_log_probability: Floats
    acoustic_log_likelihood: Floats
    final_log_probability: Floats
    frame: Indices
    acoustic_scale: float
    graph_scale: float = 1.0

    @classmethod
    def from_arrays(
        cls,
        arrays: LatticeArrays,
        graph: DecodingGraph,
        log_emissions: NDArray[np.floating[Any]],
        *,
        acoustic_scale: float,
    ) -> Lattice:
        """Sort the nodes of a lattice of the search engine, and put the exact densities in.

        Parameters
        ----------
        arrays : LatticeArrays
            From `read_lattice`.
        graph : DecodingGraph
            What was searched.
        log_emissions : array, shape (T, len(graph.pdfs))
            Log-densities, not scaled.
        acoustic_scale : float
            Factor with which they were searched.
        """
        order = np.empty(len(arrays.first) - 1, np.int32)
        count = kernels.topological_order(arrays.first, arrays.target, arrays.start, order)
        if count < 0:
            raise InvalidInputError("the lattice has a circle of arcs")
        order = order[:count]
        number = np.full(len(arrays.first) - 1, -1, np.int32)
        number[order] = np.arange(count)
        sizes = np.diff(arrays.first)[order]
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        # Arcs of the nodes in their new order.
        arcs = np.repeat(arrays.first[order] - first[:-1], sizes) + np.arange(first[-1])
        target, inputs = number[arrays.target[arcs]], arrays.input[arcs]
        source, heard = np.repeat(np.arange(count), sizes), inputs > 0
        # Frames from the start are the same along any path.
        frames, anywhere = np.full(count, -np.inf), np.zeros(len(arcs), np.int32)
        frames[0] = 0.0
        steps = heard.astype(np.float64)
        kernels.propagate_forward(
            first, target, anywhere, steps, 0, False, frames, np.empty(count, np.int32)
        )
        frame = frames.astype(np.int32)
        acoustic = np.zeros(len(arcs))
        acoustic[heard] = log_emissions[frame[source[heard]], graph.columns[inputs[heard] - 1]]
        return cls(
            graph,
            len(log_emissions),
            first,
            target,
            inputs,
            arrays.output[arcs],
            -arrays.graph_cost[arcs].astype(np.float64),
            acoustic,
            -arrays.final_cost[order].astype(np.float64),
            frame,
            acoustic_scale,
        )

    @property
    def n_nodes(self) -> int:
        """Number of nodes, N."""
        return len(self.frame)

    @property
    def n_arcs(self) -> int:
        """Number of arcs, A."""
        return len(self.target)

    @cached_property
    def source(self) -> Indices:
        """Node that each arc comes from, shape (A,)."""
        sources: Indices = np.repeat(np.arange(self.n_nodes, dtype=np.int32), np.diff(self.first))
        return sources

    @cached_property
    def weight(self) -> Floats:
        """Scaled log-probability of each arc, shape (A,)."""
        return (
            self.acoustic_scale * self.acoustic_log_likelihood
            + self.graph_scale * self.graph_log_probability
        )

    @cached_property
    def final_weight(self) -> Floats:
        """Scaled log-probability of ending at each node, shape (N,)."""
        ends = self.final_log_probability > -np.inf
        return np.where(
            ends, self.graph_scale * np.where(ends, self.final_log_probability, 0), -np.inf
        )

    def scaled(self, *, acoustic_scale: float, graph_scale: float = 1.0) -> Lattice:
        """Weigh acoustics and graph otherwise; only their ratio changes which path is best."""
        return replace(self, acoustic_scale=acoustic_scale, graph_scale=graph_scale)

    @cached_property
    def log_total(self) -> float:
        """Logarithm of the sum over all paths."""
        return float(self.backward_sums[0])

    @cached_property
    def forward_sums(self) -> Floats:
        """Logarithm of the sum over all ways to each node, shape (N,)."""
        return self.go_on(*_START, stop=np.zeros(self.n_arcs, np.int32), sums=True)[0]

    @cached_property
    def backward_sums(self) -> Floats:
        """Logarithm of the sum over all ways from each node to an end, shape (N,)."""
        return self._backward(sums=True)

    @cached_property
    def backward_best(self) -> Floats:
        """Score of the best way from each node to an end, shape (N,)."""
        return self._backward(sums=False)

    @cached_property
    def arc_posteriors(self) -> Floats:
        """Posterior probability of each arc, shape (A,)."""
        log_posteriors = (
            self.forward_sums[self.source] + self.weight + self.backward_sums[self.target]
        )
        return np.exp(log_posteriors - self.log_total)

    def best_path(self) -> LatticePath:
        """Return the path of the highest score."""
        alpha, back = self.go_on(*_START, stop=np.zeros(self.n_arcs, np.int32), sums=False)
        ends = alpha + self.final_weight
        end = int(np.argmax(ends))
        return LatticePath(self.trace(back, end), float(ends[end]))

    def go_on(
        self, nodes: Indices, scores: Floats, *, stop: Indices, sums: bool
    ) -> tuple[Floats, Indices]:
        """Go on from some nodes, which may be repeated, along the arcs where `stop` is 0.

        Returns
        -------
        alpha : array, shape (N,)
            Score of the best way to each node, or the logarithm of the sum over all.
        back : array of int, shape (N,)
            Arc of the best way into each node; -1 for none.
        """
        alpha, back = np.full(self.n_nodes, -np.inf), np.full(self.n_nodes, -1, np.int32)
        (np.logaddexp if sums else np.maximum).at(alpha, nodes, scores)
        lowest = int(nodes.min(initial=self.n_nodes))
        kernels.propagate_forward(
            self.first, self.target, stop, self.weight, lowest, sums, alpha, back
        )
        return alpha, back

    def trace(self, back: Indices, node: int) -> Indices:
        """Follow the best arcs back from a node until one that none leads to."""
        arcs = []
        while back[node] >= 0:
            arcs.append(int(back[node]))
            node = int(self.source[back[node]])
        return np.array(arcs[::-1], np.int32)

    def word_posteriors(self, word: str) -> Floats:
        """Posterior probability that a word is being spoken, frame by frame.

        Paths have one word at a frame at most, so the posteriors of all paths that have this one
        there add up to a probability, however its beginning, end and pronunciation differ.

        Parameters
        ----------
        word : str
            The word.

        Returns
        -------
        array, shape (T,)

        References
        ----------
        .. [1] Wessel, Schlüter, Macherey, Ney, "Confidence measures for large vocabulary continuous
           speech recognition", IEEE Trans. Speech and Audio Processing 9 (2001).
        """
        if word not in self._word_index:
            return np.zeros(self.n_frames)
        label = self._word_index[word] + 1
        # A word is known where it ends; back from there to where it began, its arcs are its own.
        role = np.where(self._begins, kernels.BLOCKED, kernels.FOLLOW).astype(np.int8)
        role[self.output != 0] = kernels.BLOCKED
        role[self.output == label] = kernels.LEAVE
        inside = np.full(self.n_nodes, -np.inf)
        kernels.propagate_backward(
            self.first, self.target, role, self.weight, self.backward_sums, True, inside
        )
        heard = np.flatnonzero((self.input > 0) & (inside[self.target] > -np.inf))
        source = self.source[heard]
        log_posteriors = self.forward_sums[source] + self.weight[heard] + inside[self.target[heard]]
        posteriors = np.exp(log_posteriors - self.log_total)
        by_frame = np.bincount(self.frame[source], posteriors, minlength=self.n_frames)
        return np.asarray(by_frame, np.float64)

    @cached_property
    def unit_posteriors(self) -> Floats:
        """Posterior probability of each unit at each frame, shape (T, len(graph.units))."""
        heard = np.flatnonzero(self.input > 0)
        n_units = len(self.graph.units)
        cell = (
            self.frame[self.source[heard]] * n_units + self.graph.labels.unit[self.input[heard] - 1]
        )
        sums = np.bincount(cell, self.arc_posteriors[heard], minlength=self.n_frames * n_units)
        return np.asarray(sums, np.float64).reshape(self.n_frames, n_units)

    def to_text(self, name: str) -> str:
        """Write as Kaldi's text format of lattices: costs of graph and acoustics on each arc.

        A line is ``from to input output graph,acoustic`` or ``node graph,acoustic`` where a path
        may end; inputs are those of the decoding graph (0 for none), outputs words (``<eps>`` for
        none), acoustic costs are not scaled. A blank line ends the lattice.
        """
        names = ["<eps>", *self.graph.words]
        lines = [name]
        rows = zip(
            self.source.tolist(),
            self.target.tolist(),
            self.input.tolist(),
            self.output.tolist(),
            self.graph_log_probability.tolist(),
            self.acoustic_log_likelihood.tolist(),
            strict=True,
        )
        lines += [
            f"{source} {target} {label} {names[word]} {-graph + 0.0:.6g},{-acoustic + 0.0:.6g}"
            for source, target, label, word, graph, acoustic in rows
        ]
        for node in np.flatnonzero(self.final_log_probability > -np.inf).tolist():
            lines.append(f"{node} {-self.final_log_probability[node] + 0.0:.6g},0")
        return "\n".join(lines) + "\n\n"

    @cached_property
    def _word_index(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.graph.words)}

    @cached_property
    def _begins(self) -> NDArray[np.bool_]:
        """Arcs on which a word begins."""
        kinds = np.concatenate([[0], self.graph.labels.kind])
        begins: NDArray[np.bool_] = kinds[self.input] == BEGINNING
        return begins

    def _backward(self, *, sums: bool) -> Floats:
        beta = self.final_weight.copy()
        role = np.zeros(self.n_arcs, np.int8)
        kernels.propagate_backward(self.first, self.target, role, self.weight, beta, sums, beta)
        if not math.isfinite(beta[0]):
            raise InvalidInputError("no path of the lattice leads to an end")
        return beta
