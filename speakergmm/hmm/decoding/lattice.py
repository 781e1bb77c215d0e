"""Lattices: all paths of a search whose scores are close to the best one."""

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

# The first node, and its score.
_START = (np.zeros(1, np.int32), np.zeros(1))


class GraphPath(NamedTuple):
    """A path through a decoding graph.

    Attributes
    ----------
    input, output : array of int
        Inputs and outputs of its arcs, in order.
    log_probability : float
        Log-probability under the graph, including that of ending, without the frames.
    """

    input: Indices
    output: Indices
    log_probability: float


class LatticeArrays(NamedTuple):
    """Arcs of a lattice as arrays, sorted by source.

    Attributes
    ----------
    first : array of int, shape (S + 1,)
        First arc of each state.
    target, input, output : array of int, shape (A,)
        Targets, inputs and outputs of the arcs.
    graph_cost : array, shape (A,)
        Negative log-probabilities under the graph, without the frames.
    final_cost : array, shape (S,)
        Negative log-probability of ending in each state; inf if a path cannot end there.
    start : int
        First state.
    """

    first: NDArray[np.int64]
    target: NDArray[np.int32]
    input: NDArray[np.int32]
    output: NDArray[np.int32]
    graph_cost: NDArray[np.floating[Any]]
    final_cost: NDArray[np.floating[Any]]
    start: int

    def only_path(self) -> GraphPath:
        """Return the path of a lattice that consists of a single path."""
        arcs, node = [], self.start
        while self.first[node + 1] > self.first[node]:
            arcs.append(int(self.first[node]))
            node = int(self.target[arcs[-1]])
        cost = float(self.graph_cost[arcs].sum(dtype=np.float64)) + float(self.final_cost[node])
        return GraphPath(self.input[arcs], self.output[arcs], -cost)


class LatticePath(NamedTuple):
    """A path through a lattice.

    Attributes
    ----------
    arcs : array of int
        Numbers of its arcs, in order.
    score : float
        Scaled log-probability, including that of ending.
    """

    arcs: Indices
    score: float


@dataclass(frozen=True, eq=False)
class Lattice:
    """Paths through a decoding graph within a beam of the best one, with their scores.

    Parameters
    ----------
    graph : DecodingGraph
        The graph that was searched.
    n_frames : int
        Number of frames of the recording, T.
    first : array of int, shape (N + 1,)
        First arc of each node. Arcs lead to higher nodes; node 0 is the start.
    target, input, output : array of int, shape (A,)
        Target node, and input and output as in the graph.
    graph_log_probability : array, shape (A,)
        Log-probabilities of transitions, silences, pronunciations and grammar.
    acoustic_log_likelihood : array, shape (A,)
        Log-density of the frame, unscaled; 0 for arcs that take none.
    final_log_probability : array, shape (N,)
        Log-probability of ending at each node.
    frame : array of int, shape (N,)
        Number of frames before each node.
    acoustic_scale, graph_scale : float
        Factors of the two kinds of log-probability in the score of a path.

    Notes
    -----
    The posterior of a path is proportional to exp(acoustic_scale * acoustic + graph_scale * graph),
    and posteriors are sums over paths of states. Different alignments of the same words therefore
    add up, as do different back-off paths of an n-gram model to the same words. Paths outside the
    beam count as impossible.
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
        """Build a lattice from the arcs of a search, with its nodes sorted and exact densities.

        Parameters
        ----------
        arrays : LatticeArrays
            Arcs, as `read_lattice` returns them.
        graph : DecodingGraph
            The graph that was searched.
        log_emissions : array, shape (T, len(graph.pdfs))
            Log-densities, unscaled.
        acoustic_scale : float
            Factor of the log-densities in the search.

        Raises
        ------
        InvalidInputError
            If the arcs form a circle.
        """
        # Number the nodes in topological order, those that can be reached.
        order = np.empty(len(arrays.first) - 1, np.int32)
        count = kernels.topological_order(arrays.first, arrays.target, arrays.start, order)
        if count < 0:
            raise InvalidInputError("the arcs of the lattice form a circle")
        order = order[:count]
        number = np.full(len(arrays.first) - 1, -1, np.int32)
        number[order] = np.arange(count)
        sizes = np.diff(arrays.first)[order]
        first = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        # The arcs of the nodes in this order.
        arcs = np.repeat(arrays.first[order] - first[:-1], sizes) + np.arange(first[-1])
        target, inputs = number[arrays.target[arcs]], arrays.input[arcs]
        source, heard = np.repeat(np.arange(count), sizes), inputs > 0
        # The number of frames before a node is the same on all paths to it, and selects the
        # log-density of each arc.
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
        """Source of each arc, shape (A,)."""
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
        """Return the lattice with other scales; the best path depends on their ratio alone."""
        return replace(self, acoustic_scale=acoustic_scale, graph_scale=graph_scale)

    @cached_property
    def log_total(self) -> float:
        """Logarithm of the sum over all paths."""
        return float(self.backward_sums[0])

    @cached_property
    def forward_sums(self) -> Floats:
        """Logarithm of the sum over all paths to each node, shape (N,)."""
        return self.propagate(*_START, stop=np.zeros(self.n_arcs, np.int32), sums=True)[0]

    @cached_property
    def backward_sums(self) -> Floats:
        """Logarithm of the sum over all paths from each node to an end, shape (N,)."""
        return self._backward(sums=True)

    @cached_property
    def backward_best(self) -> Floats:
        """Score of the best path from each node to an end, shape (N,)."""
        return self._backward(sums=False)

    @cached_property
    def arc_posteriors(self) -> Floats:
        """Posterior probability of each arc, shape (A,)."""
        log_posteriors = (
            self.forward_sums[self.source] + self.weight + self.backward_sums[self.target]
        )
        return np.exp(log_posteriors - self.log_total)

    def best_path(self) -> LatticePath:
        """Return the path with the highest score."""
        alpha, back = self.propagate(*_START, stop=np.zeros(self.n_arcs, np.int32), sums=False)
        ends = alpha + self.final_weight
        end = int(np.argmax(ends))
        return LatticePath(self.trace_back(back, end), float(ends[end]))

    def propagate(
        self, nodes: Indices, scores: Floats, *, stop: Indices, sums: bool
    ) -> tuple[Floats, Indices]:
        """Propagate scores forward from some nodes, along the arcs where `stop` is 0.

        Parameters
        ----------
        nodes : array of int
            Nodes to begin with, which may be repeated.
        scores : array
            Their scores.
        stop : array of int, shape (A,)
            Other than 0 for arcs that are excluded.
        sums : bool
            Whether to sum over paths, or take the best one.

        Returns
        -------
        alpha : array, shape (N,)
            Score of the best path to each node, or the logarithm of the sum over all of them.
        back : array of int, shape (N,)
            Arc of the best path into each node; -1 for none.
        """
        alpha, back = np.full(self.n_nodes, -np.inf), np.full(self.n_nodes, -1, np.int32)
        (np.logaddexp if sums else np.maximum).at(alpha, nodes, scores)
        lowest = int(nodes.min(initial=self.n_nodes))
        kernels.propagate_forward(
            self.first, self.target, stop, self.weight, lowest, sums, alpha, back
        )
        return alpha, back

    def trace_back(self, back: Indices, node: int) -> Indices:
        """Return the arcs of the best path to a node, in order."""
        arcs = []
        while back[node] >= 0:
            arcs.append(int(back[node]))
            node = int(self.source[back[node]])
        return np.array(arcs[::-1], np.int32)

    def word_posteriors(self, word: str) -> Floats:
        """Compute the posterior probability that a word is being spoken, frame by frame.

        A path has at most one word at a frame, so the posteriors of all paths with this word there
        add up to a probability, whatever its beginning, end and pronunciation on each of them.

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
        # A word is written where it ends. Backward from the arcs that write this word to the arcs
        # on which words begin, all arcs belong to it.
        role = np.where(self._begins, kernels.BLOCKED, kernels.FOLLOW).astype(np.int8)
        role[self.output != 0] = kernels.BLOCKED
        role[self.output == label] = kernels.LEAVE
        inside = np.full(self.n_nodes, -np.inf)
        kernels.propagate_backward(
            self.first, self.target, role, self.weight, self.backward_sums, True, inside
        )
        # Posteriors of the arcs within the word that take a frame, summed by frame.
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
        """Return the lattice in Kaldi's text format, with costs of graph and acoustics per arc.

        A line is ``from to input output graph,acoustic``, or ``node graph,acoustic`` if a path may
        end at the node; inputs are those of the decoding graph (0 for none), outputs words
        (``<eps>`` for none), acoustic costs are unscaled. A blank line ends the lattice.

        Parameters
        ----------
        name : str
            Name of the utterance.
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
        """Mask of the arcs on which a word begins."""
        kinds = np.concatenate([[0], self.graph.labels.kind])
        begins: NDArray[np.bool_] = kinds[self.input] == BEGINNING
        return begins

    def _backward(self, *, sums: bool) -> Floats:
        beta = self.final_weight.copy()
        role = np.zeros(self.n_arcs, np.int8)
        kernels.propagate_backward(self.first, self.target, role, self.weight, beta, sums, beta)
        if not math.isfinite(beta[0]):
            raise InvalidInputError("no path of the lattice leads to a final node")
        return beta
