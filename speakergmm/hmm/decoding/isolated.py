"""Isolated words: recordings of one word each, by the exact likelihoods of all words of a list."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.decoding.beam_search import DecodingResult
from speakergmm.hmm.decoding.graph_building import check_words
from speakergmm.hmm.decoding.hypotheses import Hypothesis
from speakergmm.hmm.decoding.segments import Segment, cut_path
from speakergmm.hmm.inference.algorithms import sequence_log_likelihood, viterbi
from speakergmm.hmm.inference.graph import Graph, NoPathError
from speakergmm.hmm.language.grammar import Grammar
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.unit_edges import HasPronunciations
from speakergmm.hmm.models.utterance_graph import UtteranceGraph, compile_transcript
from speakergmm.ranges import number

ISOLATED_SCALE = 0.1
"""Exponent of likelihoods in posteriors of isolated words; at 1 nearly all would be 0 or 1."""


@dataclass(frozen=True, slots=True)
class WordScore:
    """Likelihood and posterior of a word, given a recording.

    Parameters
    ----------
    word : str
        The word.
    log_likelihood : float
        Logarithm of the sum over all paths, silences and pronunciations, in nats; -inf if the
        recording is too short for the word.
    best_path_log_probability : float
        Logarithm of the probability of the best path alone.
    posterior : float
        Posterior probability of the word among those of the list.
    """

    word: str
    log_likelihood: float
    best_path_log_probability: float
    posterior: float


class _Word(NamedTuple):
    utterance: UtteranceGraph
    graph: Graph
    columns: NDArray[np.intp]


class IsolatedWords:
    """Recognition of recordings that contain exactly one word each.

    Parameters
    ----------
    models : PhoneModels
        Models of phones, or of whole words.
    lexicon : Lexicon
        Pronunciations of the words.
    words : iterable of str, or mapping of str to float, optional
        The words, with prior probabilities unless all are equal; by default all words of the
        lexicon.
    silence : str or None, default="SIL"
        Unit of optional silence before and after the word; None for no silence.
    silence_probability : float, default=0.5
        Probability of silence before, and after, the word.

    Raises
    ------
    InvalidInputError
        If words have no pronunciation or phones no model, or there is no word.

    Notes
    -----
    Words are ranked by their likelihoods, which are sums over all paths (the forward algorithm),
    not by their best paths. Emissions are evaluated once for all words.
    """

    def __init__(
        self,
        models: PhoneModels,
        lexicon: HasPronunciations,
        words: Iterable[str] | Mapping[str, float] | None = None,
        *,
        silence: str | None = "SIL",
        silence_probability: float = 0.5,
    ) -> None:
        grammar = Grammar.isolated(iter(lexicon) if words is None else words)
        check_words(grammar.words, lexicon)
        self.models = models
        self.words = tuple(arc.word for arc in grammar.states[0].arcs)
        self.log_priors = np.array([arc.log_probability for arc in grammar.states[0].arcs])
        silences: dict[str, Any] = {"silence": silence, "silence_probability": silence_probability}
        utterances = [
            compile_transcript([word], {word: lexicon[word]}, models, **silences)
            for word in self.words
        ]
        self.pdfs = np.unique(np.concatenate([utterance.pdfs for utterance in utterances]))
        self._known = {
            word: _Word(u, u.graph(models.transitions), np.searchsorted(self.pdfs, u.pdfs))
            for word, u in zip(self.words, utterances, strict=True)
        }

    def rank(self, X: ArrayLike, *, acoustic_scale: float = 1.0) -> tuple[WordScore, ...]:
        """Rank all words by their posterior probability.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        acoustic_scale : float, default=1.0
            Exponent of the likelihoods in the posteriors. At 1 these are near 0 and 1, because
            adjacent frames are treated as independent. It changes neither the likelihoods
            themselves nor, with equal priors, the ranking.

        Returns
        -------
        tuple of WordScore
            The most probable word first; equally probable ones in the order of the list.

        Raises
        ------
        NoPathError
            If there are fewer frames than the shortest word needs.
        """
        return self.rank_emissions(
            self.models.log_emissions(X, self.pdfs), acoustic_scale=acoustic_scale
        )

    def decode(
        self, X: ArrayLike, *, n_best: int = 1, acoustic_scale: float | None = None
    ) -> DecodingResult:
        """Find the most probable words, with their times, as a search would.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames, in feature units.
        n_best : int, default=1
            Most words to list.
        acoustic_scale : float, optional
            As `rank` has it; by default 0.1, so that posteriors are not all near 0 and 1.

        Returns
        -------
        DecodingResult
            One hypothesis per word, in order of the posteriors, which are also the confidences;
            times are those of the best path. The acoustic log-likelihood is the sum over all paths,
            including transitions and silences.

        Raises
        ------
        NoPathError
            As `rank`.
        """
        if acoustic_scale is None:
            acoustic_scale = ISOLATED_SCALE
        emissions = np.asarray(self.models.log_emissions(X, self.pdfs), np.float64)
        ranked = self.rank_emissions(emissions, acoustic_scale=acoustic_scale)
        priors = dict(zip(self.words, self.log_priors.tolist(), strict=True))
        hypotheses = []
        for score in ranked[:n_best]:
            if score.log_likelihood == -math.inf:
                break
            words, phones = self._segments(score, emissions)
            hypotheses.append(
                Hypothesis(
                    (score.word,),
                    words,
                    phones,
                    acoustic_log_likelihood=score.log_likelihood,
                    transition_log_probability=0.0,
                    language_log_probability=priors[score.word],
                    score=acoustic_scale * score.log_likelihood + priors[score.word],
                    posterior=score.posterior,
                )
            )
        return DecodingResult(tuple(hypotheses), len(emissions), math.inf)

    def _segments(
        self, score: WordScore, emissions: NDArray[np.float64]
    ) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
        """Return the segments of a word and of its phones on its best path."""
        known = self._known[score.word]
        path = viterbi(known.graph, np.ascontiguousarray(emissions[:, known.columns]))
        found = cut_path(known.utterance, path, np.zeros(len(emissions)), None, None)
        (word,) = found.words
        return (word._replace(confidence=score.posterior),), found.phones

    def rank_emissions(
        self, log_emissions: ArrayLike, *, acoustic_scale: float = 1.0
    ) -> tuple[WordScore, ...]:
        """Rank all words, given log-densities (T, P) of ``pdfs``, in their order; see `rank`."""
        number("acoustic_scale", acoustic_scale, above=0)
        emissions = np.asarray(log_emissions, np.float64)
        if emissions.ndim != 2 or emissions.shape[1] != len(self.pdfs):
            raise InvalidInputError(
                f"log_emissions must have shape (frames, {len(self.pdfs)}), found {emissions.shape}"
            )
        sums = np.full(len(self.words), -np.inf)
        paths = np.full(len(self.words), -np.inf)
        for place, known in enumerate(self._known.values()):
            mine: NDArray[np.float64] = np.ascontiguousarray(emissions[:, known.columns])
            with contextlib.suppress(NoPathError):
                sums[place] = sequence_log_likelihood(known.graph, mine)
                paths[place] = viterbi(known.graph, mine).log_probability
        weights = self.log_priors + acoustic_scale * sums
        total = np.logaddexp.reduce(weights)
        if total == -np.inf:
            shortest = [known.graph.shortest_duration for known in self._known.values()]
            least = min(filter(None, shortest), default=0)
            if len(emissions) < least:
                raise NoPathError(
                    f"the shortest word takes {least} frames, found {len(emissions)}",
                    reason="duration",
                )
            raise NoPathError("no word has a probability above 0")
        posteriors = np.exp(weights - total)
        order = np.argsort(-weights, kind="stable")
        rows = zip(self.words, sums.tolist(), paths.tolist(), posteriors.tolist(), strict=True)
        scores = [WordScore(*row) for row in rows]
        return tuple(scores[place] for place in order)
