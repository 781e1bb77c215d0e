"""The best different word sequences of a lattice."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.decoding.lattice import Floats, Indices, Lattice, LatticePath


@dataclass(frozen=True, slots=True)
class _Prefix:
    """The first words of a hypothesis, and the nodes after them with the best score to each."""

    words: tuple[int, ...]
    nodes: Indices
    scores: Floats


def word_sequences(lattice: Lattice) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield different word sequences, the best first, with the score of the best path of each.

    A* search over the beginnings of word sequences, whose remaining scores are known exactly from a
    backward recursion. It determinises the lattice no further than necessary.

    Parameters
    ----------
    lattice : Lattice
        The lattice, with its scales.

    Yields
    ------
    words : tuple of int
        Outputs: 1 + index of each word.
    score : float
        Log-probability of the best path with these words and no others.
    """
    ahead = lattice.backward_best
    number = itertools.count()
    start = _Prefix((), np.zeros(1, np.int32), np.zeros(1))
    # Of equal scores, complete sequences come first, and then the one that was found first.
    heap: list[tuple[float, int, int, _Prefix | None, tuple[int, ...]]] = []
    heapq.heappush(heap, (-float(ahead[0]), 1, next(number), start, ()))
    words_at = np.flatnonzero(lattice.output)
    while heap:
        negative, _, _, prefix, words = heapq.heappop(heap)
        if prefix is None:
            yield words, -negative
            continue
        # The nodes that can be reached without another word: the sequence may end there.
        alpha, _ = lattice.propagate(prefix.nodes, prefix.scores, stop=lattice.output, sums=False)
        end = float((alpha + lattice.final_weight).max())
        if end > -np.inf:
            heapq.heappush(heap, (-end, 0, next(number), None, prefix.words))
        # Arcs that write the next word: for each word a longer beginning, whose score includes the
        # best rest of the path.
        arcs, reached = _crossed(lattice, words_at, alpha)
        best = reached + ahead[lattice.target[arcs]]
        for label in np.unique(lattice.output[arcs[best > -np.inf]]).tolist():
            mine = lattice.output[arcs] == label
            longer = _Prefix((*prefix.words, label), lattice.target[arcs[mine]], reached[mine])
            score = float(best[mine].max())
            heapq.heappush(heap, (-score, 1, next(number), longer, longer.words))


def path_of_words(lattice: Lattice, words: Sequence[int]) -> LatticePath | None:
    """Find the best path of a word sequence; return None if the lattice does not contain it.

    Parameters
    ----------
    lattice : Lattice
        The lattice, with its scales.
    words : sequence of int
        Outputs: 1 + index of each word.
    """
    # Forward, from word to word: the best scores at all nodes, and the arcs that write the word.
    nodes, scores = np.zeros(1, np.int32), np.zeros(1)
    backs: list[Indices] = []
    crossings: list[tuple[NDArray[np.intp], Floats]] = []
    for word in (*words, 0):
        alpha, back = lattice.propagate(nodes, scores, stop=lattice.output, sums=False)
        backs.append(back)
        if word:
            crossings.append(_crossed(lattice, np.flatnonzero(lattice.output == word), alpha))
            nodes, scores = lattice.target[crossings[-1][0]], crossings[-1][1]
    # The best end, and back from it: within each word, and over the best arc that writes it.
    ends = alpha + lattice.final_weight
    node = int(np.argmax(ends))
    score = float(ends[node])
    if score == -np.inf:
        return None
    pieces = [lattice.trace_back(backs[-1], node)]
    for back, (arcs, reached) in zip(backs[-2::-1], crossings[::-1], strict=True):
        piece = pieces[-1]
        node = int(lattice.source[piece[0]]) if len(piece) else node
        into = np.flatnonzero(lattice.target[arcs] == node)
        crossing = arcs[into[np.argmax(reached[into])]]
        node = int(lattice.source[crossing])
        pieces.append(np.append(lattice.trace_back(back, node), np.int32(crossing)))
    return LatticePath(np.concatenate(pieces[::-1]), score)


def log_probability_of_words(lattice: Lattice, words: Sequence[int]) -> float:
    """Return the logarithm of the sum over all paths with exactly these words; -inf for none.

    Parameters
    ----------
    lattice : Lattice
        The lattice, with its scales.
    words : sequence of int
        Outputs: 1 + index of each word.
    """
    nodes, scores = np.zeros(1, np.int32), np.zeros(1)
    for word in words:
        alpha, _ = lattice.propagate(nodes, scores, stop=lattice.output, sums=True)
        arcs, scores = _crossed(lattice, np.flatnonzero(lattice.output == word), alpha)
        nodes = lattice.target[arcs]
    alpha, _ = lattice.propagate(nodes, scores, stop=lattice.output, sums=True)
    return float(np.logaddexp.reduce(alpha + lattice.final_weight))


def _crossed(
    lattice: Lattice, arcs: NDArray[np.intp], alpha: Floats
) -> tuple[NDArray[np.intp], Floats]:
    """Return the arcs whose source is reached, and the scores after them."""
    arcs = arcs[alpha[lattice.source[arcs]] > -np.inf]
    return arcs, alpha[lattice.source[arcs]] + lattice.weight[arcs]
