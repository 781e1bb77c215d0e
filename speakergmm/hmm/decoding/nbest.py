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
    sources = lattice.source[words_at]
    while heap:
        negative, _, _, prefix, words = heapq.heappop(heap)
        if prefix is None:
            yield words, -negative
            continue
        alpha, _, highest = lattice.go_on(
            prefix.nodes, prefix.scores, stop=lattice.output, sums=False
        )
        end = float((alpha + lattice.final_weight).max())
        if end > -np.inf:
            heapq.heappush(heap, (-end, 0, next(number), None, prefix.words))
        low, high = np.searchsorted(sources, [int(prefix.nodes.min()), highest + 1])
        arcs = words_at[low:high]
        arcs = arcs[alpha[sources[low:high]] > -np.inf]
        scores = alpha[lattice.source[arcs]] + lattice.weight[arcs]
        targets, labels = lattice.target[arcs], lattice.output[arcs]
        alive = ahead[targets] > -np.inf
        scores, targets, labels = scores[alive], targets[alive], labels[alive]
        order = np.lexsort((-scores, targets, labels))
        scores, targets, labels = scores[order], targets[order], labels[order]
        kept = np.ones(len(order), np.bool_)  # the best way to each node with each word
        kept[1:] = (labels[1:] != labels[:-1]) | (targets[1:] != targets[:-1])
        scores, targets, labels = scores[kept], targets[kept], labels[kept]
        bounds = np.concatenate([[0], np.flatnonzero(np.diff(labels)) + 1, [len(labels)]])
        for begin, stop in itertools.pairwise(bounds.tolist()):
            if begin == stop:
                continue
            longer = _Prefix(
                (*prefix.words, int(labels[begin])), targets[begin:stop], scores[begin:stop]
            )
            best = float((longer.scores + ahead[longer.nodes]).max())
            heapq.heappush(heap, (-best, 1, next(number), longer, longer.words))


def path_of_words(lattice: Lattice, words: Sequence[int]) -> LatticePath | None:
    """Find the best path of a word sequence; None if the lattice doesn't hold it."""
    fronts: list[tuple[Floats, Indices]] = []
    nodes, scores = np.zeros(1, np.int32), np.zeros(1)
    crossings: list[dict[int, int]] = []
    for word in (*words, 0):
        alpha, back, _ = lattice.go_on(nodes, scores, stop=lattice.output, sums=False)
        fronts.append((alpha, back))
        if word == 0:
            break
        arcs, reached = _arcs_of_word(lattice, word, alpha)
        if len(arcs) == 0:
            return None
        order = np.lexsort((-reached, lattice.target[arcs]))
        nodes, chosen = np.unique(lattice.target[arcs][order], return_index=True)
        scores = reached[order][chosen]
        crossings.append(dict(zip(nodes.tolist(), arcs[order][chosen].tolist(), strict=True)))
    ends = fronts[-1][0] + lattice.final_weight
    node = int(np.argmax(ends))
    score = float(ends[node])
    if score == -np.inf:
        return None
    pieces: list[Indices] = []
    for place in range(len(words), -1, -1):
        piece = lattice.trace(fronts[place][1], node)
        pieces.append(piece)
        node = int(lattice.source[piece[0]]) if len(piece) else node
        if place > 0:
            crossing = crossings[place - 1][node]
            pieces.append(np.array([crossing], np.int32))
            node = int(lattice.source[crossing])
    return LatticePath(np.concatenate(pieces[::-1]), score)


def log_probability_of_words(lattice: Lattice, words: Sequence[int]) -> float:
    """Logarithm of the sum over all paths with these words and no others; -inf if there is none."""
    nodes, scores = np.zeros(1, np.int32), np.zeros(1)
    for word in words:
        alpha, _, _ = lattice.go_on(nodes, scores, stop=lattice.output, sums=True)
        arcs, reached = _arcs_of_word(lattice, word, alpha)
        if len(arcs) == 0:
            return -np.inf
        nodes, place = np.unique(lattice.target[arcs], return_inverse=True)
        highest = np.full(len(nodes), -np.inf)
        np.maximum.at(highest, place, reached)
        scores = highest + np.log(np.bincount(place, np.exp(reached - highest[place])))
    alpha, _, _ = lattice.go_on(nodes, scores, stop=lattice.output, sums=True)
    ends = alpha + lattice.final_weight
    return float(np.logaddexp.reduce(ends))


def _arcs_of_word(lattice: Lattice, word: int, alpha: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Find the arcs that end a word behind nodes that are reached, and the scores behind them."""
    arcs = np.flatnonzero(lattice.output == word)
    arcs = arcs[alpha[lattice.source[arcs]] > -np.inf]
    return arcs, alpha[lattice.source[arcs]] + lattice.weight[arcs]
