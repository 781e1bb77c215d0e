"""Hypotheses: words, phones and their frames on the paths of a search."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.decoding.lattice import GraphPath, Lattice
from speakergmm.hmm.decoding.nbest import log_probability_of_words, path_of_words, word_sequences
from speakergmm.hmm.decoding.segments import Segment
from speakergmm.hmm.decoding.transducer import BEGINNING, WITHIN, DecodingGraph
from speakergmm.hmm.inference.graph import NoPathError


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A sequence of words that may have been spoken, with times and scores.

    Parameters
    ----------
    words : tuple of str
        The words, in order; empty if only silence was found.
    word_segments : tuple of Segment
        The words with their frames. The confidence is the mean over these frames of the posterior
        probability, on the lattice, that this word is being spoken; NaN without a lattice.
    phone_segments : tuple of Segment
        The units with their frames, silence included; `parent` is the index of the word.
    acoustic_log_likelihood : float
        Sum of the log-densities along the path, unscaled, in nats.
    transition_log_probability : float
        Log-probability of transitions, silences and pronunciations on the path.
    language_log_probability : float
        Log-probability of the words under the grammar, unscaled.
    score : float
        Score that the search maximises: scaled acoustics, transitions, scaled language, penalties.
    posterior : float
        Posterior probability of the word sequence on the lattice; NaN without a lattice.

    Notes
    -----
    The score is that of one path. Posteriors and confidences are sums over all paths of the
    lattice. With an n-gram model of order 2 or more there are several paths of the same words in
    the same frames: a word that has been seen after a history can also be reached by backing off
    (see `Grammar`). A word sequence then counts once for each of these paths, each with its own
    probability, and its posterior differs from that under the language model itself: compared with
    enumeration, with a small trigram, typically by 0.02, at most by 0.15. With unigrams, loops and
    lists of words posteriors are exact, except for the paths outside the beam.
    """

    words: tuple[str, ...]
    word_segments: tuple[Segment, ...]
    phone_segments: tuple[Segment, ...]
    acoustic_log_likelihood: float
    transition_log_probability: float
    language_log_probability: float
    score: float
    posterior: float = math.nan


def list_hypotheses(lattice: Lattice, n_best: int) -> Iterator[Hypothesis]:
    """Yield the best different word sequences of a lattice, the best one first.

    Parameters
    ----------
    lattice : Lattice
        The lattice.
    n_best : int
        Most hypotheses.

    Yields
    ------
    Hypothesis
        With posteriors and confidences.
    """
    posteriors: dict[str, NDArray[np.float64]] = {}
    for place, (outputs, score) in enumerate(word_sequences(lattice)):
        if place == n_best:
            return
        found = path_of_words(lattice, outputs)
        assert found is not None  # the sequence is from this lattice
        arcs = found.arcs
        log_probability = float(
            lattice.graph_log_probability[arcs].sum()
            + lattice.final_log_probability[lattice.target[arcs[-1]]]
        )
        path = GraphPath(lattice.input[arcs], lattice.output[arcs], log_probability)
        acoustic = float(lattice.acoustic_log_likelihood[arcs].sum())
        hypothesis = _hypothesis(lattice.graph, path, acoustic, score)
        for word in hypothesis.words:
            if word not in posteriors:
                posteriors[word] = lattice.word_posteriors(word)
        units = {unit: number for number, unit in enumerate(lattice.graph.units)}
        yield replace(
            hypothesis,
            word_segments=tuple(_sure(s, posteriors[s.label]) for s in hypothesis.word_segments),
            phone_segments=tuple(
                _sure(s, lattice.unit_posteriors[:, units[s.label]])
                for s in hypothesis.phone_segments
            ),
            posterior=math.exp(log_probability_of_words(lattice, outputs) - lattice.log_total),
        )


def _sure(segment: Segment, posteriors: NDArray[np.float64]) -> Segment:
    """Return a segment with its confidence, the mean posterior over its frames."""
    mean = float(posteriors[segment.start_frame : segment.end_frame].mean())
    return segment._replace(confidence=min(mean, 1.0))


def read_path(
    graph: DecodingGraph,
    path: GraphPath,
    densities: NDArray[np.floating[Any]],
    *,
    acoustic_scale: float,
) -> Hypothesis:
    """Return the words and phones of a path, with scores.

    Parameters
    ----------
    graph : DecodingGraph
        The graph.
    path : GraphPath
        A path of T frames through it.
    densities : array, shape (T, P)
        Log-densities of ``graph.pdfs``, unscaled.
    acoustic_scale : float
        Factor of the log-densities in the score.
    """
    heard = path.input[path.input > 0]
    acoustic = float(
        densities[np.arange(len(heard)), graph.columns[heard - 1]].sum(dtype=np.float64)
    )
    return _hypothesis(graph, path, acoustic, acoustic_scale * acoustic + path.log_probability)


def _hypothesis(graph: DecodingGraph, path: GraphPath, acoustic: float, score: float) -> Hypothesis:
    """Return the words and phones of a path with their frames, and all scores."""
    if acoustic == -np.inf:
        raise NoPathError("all paths that reach a final state have probability zero")
    # Phones begin at frames whose label is not `WITHIN`, words at those with `BEGINNING`; words end
    # on the arcs that write them.
    takes = path.input > 0
    frames = np.cumsum(takes)  # frames up to and with each arc
    heard = path.input[takes] - 1
    kinds = graph.labels.kind[heard]
    starts = np.flatnonzero(kinds != WITHIN)
    ends = np.append(starts[1:], len(heard))
    word_starts = np.flatnonzero(kinds == BEGINNING)
    word_arcs = np.flatnonzero(path.output)
    words = tuple(graph.words[number - 1] for number in path.output[word_arcs].tolist())
    word_ends = frames[word_arcs]
    word_segments = tuple(
        Segment(word, start, end, math.nan)
        for word, start, end in zip(words, word_starts.tolist(), word_ends.tolist(), strict=True)
    )
    # A phone belongs to the last word that began before it, if that has not ended.
    parents = np.searchsorted(word_starts, starts, side="right") - 1
    phone_segments = []
    for start, end, parent in zip(starts.tolist(), ends.tolist(), parents.tolist(), strict=True):
        within = parent >= 0 and start < word_ends[parent]
        name = graph.units[graph.labels.unit[heard[start]]]
        phone_segments.append(Segment(name, start, end, math.nan, parent if within else None))
    language = graph.grammar.score(words)
    return Hypothesis(
        words,
        word_segments,
        tuple(phone_segments),
        acoustic,
        path.log_probability - graph.language_scale * language - graph.word_penalty * len(words),
        language,
        score,
    )


def rescore(
    hypotheses: Sequence[Hypothesis],
    *,
    acoustic_scale: float,
    language_scale: float = 1.0,
    word_penalty: float = 0.0,
    language: Callable[[Sequence[str]], float] | None = None,
) -> tuple[Hypothesis, ...]:
    """Rank hypotheses again, with other scales or another language model.

    Parameters
    ----------
    hypotheses : sequence of Hypothesis
        Alternatives for one recording.
    acoustic_scale, language_scale : float
        Factors of the acoustic and of the language model's log-probabilities.
    word_penalty : float, default=0.0
        Added for each word, in nats.
    language : callable, optional
        Function that returns the log-probability of words, such as
        `BackoffLanguageModel.log_probability`; by default that of the grammar is kept.

    Returns
    -------
    tuple of Hypothesis
        The best one first, each with its new score; posteriors are unknown then, and NaN.
    """
    result = []
    for hypothesis in hypotheses:
        said = (
            hypothesis.language_log_probability if language is None else language(hypothesis.words)
        )
        score = (
            acoustic_scale * hypothesis.acoustic_log_likelihood
            + hypothesis.transition_log_probability
            + (language_scale * said if said > -np.inf else -np.inf)
            + word_penalty * len(hypothesis.words)
        )
        result.append(
            replace(hypothesis, language_log_probability=said, score=score, posterior=float("nan"))
        )
    return tuple(sorted(result, key=lambda hypothesis: -hypothesis.score))
