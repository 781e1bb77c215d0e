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
    """First words of a hypothesis, and the nodes just after them with the best score to each."""

    words: tuple[int, ...]
    nodes: Indices
    scores: Floats


def word_sequences(lattice: Lattice) -> Iterator[tuple[tuple[int, ...], float]]:
    """Yield different word sequences, best first, with the score of the best path of each.

    Search for the best first over beginnings of word sequences; what is still to come is known
    exactly from a pass backwards, so that no beginning is taken up before its turn. This is
    determinisation of the lattice as far as it is needed and no farther.

    Parameters
    ----------
    lattice : Lattice
        With the scales that count.

    Yields
    ------
    words : tuple of int
        Outputs (1 + index of the word).
    score : float
        Log-probability of the best path with these words and no others.
    """
    ahead = lattice.backward_best
    number = itertools.count()
    start = _Prefix((), np.zeros(1, np.int32), np.zeros(1))
    # What is complete comes before what is not at the same score; the first found, before others.
    heap: list[tuple[float, int, int, _Prefix | None, tuple[int, ...]]] = []
    heapq.heappush(heap, (-float(ahead[0]), 1, next(number), start, ()))
    words_at = np.flatnonzero(lattice.output)
    while heap:
        negative, _, _, prefix, words = heapq.heappop(heap)
        if prefix is None:
            yield words, -negative
            continue
        alpha, _ = lattice.go_on(prefix.nodes, prefix.scores, stop=lattice.output, sums=False)
        end = float((alpha + lattice.final_weight).max())
        if end > -np.inf:
            heapq.heappush(heap, (-end, 0, next(number), None, prefix.words))
        arcs, reached = _crossed(lattice, words_at, alpha)
        best = reached + ahead[lattice.target[arcs]]
        for label in np.unique(lattice.output[arcs[best > -np.inf]]).tolist():
            mine = lattice.output[arcs] == label
            longer = _Prefix((*prefix.words, label), lattice.target[arcs[mine]], reached[mine])
            score = float(best[mine].max())
            heapq.heappush(heap, (-score, 1, next(number), longer, longer.words))


def path_of_words(lattice: Lattice, words: Sequence[int]) -> LatticePath | None:
    """Find the best path of a word sequence; None if the lattice doesn't hold it."""
    nodes, scores = np.zeros(1, np.int32), np.zeros(1)
    backs: list[Indices] = []
    crossings: list[tuple[NDArray[np.intp], Floats]] = []
    for word in (*words, 0):
        alpha, back = lattice.go_on(nodes, scores, stop=lattice.output, sums=False)
        backs.append(back)
        if word:
            crossings.append(_crossed(lattice, np.flatnonzero(lattice.output == word), alpha))
            nodes, scores = lattice.target[crossings[-1][0]], crossings[-1][1]
    ends = alpha + lattice.final_weight
    node = int(np.argmax(ends))
    score = float(ends[node])
    if score == -np.inf:
        return None
    pieces = [lattice.trace(backs[-1], node)]
    for back, (arcs, reached) in zip(backs[-2::-1], crossings[::-1], strict=True):
        piece = pieces[-1]
        node = int(lattice.source[piece[0]]) if len(piece) else node
        into = np.flatnonzero(lattice.target[arcs] == node)
        crossing = arcs[into[np.argmax(reached[into])]]
        node = int(lattice.source[crossing])
        pieces.append(np.append(lattice.trace(back, node), np.int32(crossing)))
    return LatticePath(np.concatenate(pieces[::-1]), score)


def log_probability_of_words(lattice: Lattice, words: Sequence[int]) -> float:
    """Logarithm of the sum over all paths with these words and no others; -inf if there is none."""
    nodes, scores = np.zeros(1, np.int32), np.zeros(1)
    for word in words:
        alpha, _ = lattice.go_on(nodes, scores, stop=lattice.output, sums=True)
        arcs, scores = _crossed(lattice, np.flatnonzero(lattice.output == word), alpha)
        nodes = lattice.target[arcs]
    alpha, _ = lattice.go_on(nodes, scores, stop=lattice.output, sums=True)
    return float(np.logaddexp.reduce(alpha + lattice.final_weight))


def _crossed(
    lattice: Lattice, arcs: NDArray[np.intp], alpha: Floats
) -> tuple[NDArray[np.intp], Floats]:
    """Give those of some arcs whose source is reached, and the scores behind them."""
    arcs = arcs[alpha[lattice.source[arcs]] > -np.inf]
    return arcs, alpha[lattice.source[arcs]] + lattice.weight[arcs]
