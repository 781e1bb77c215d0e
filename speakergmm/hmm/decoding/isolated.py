"""Isolated words: each recording is one word of a list, with exact likelihoods of all of them."""

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
from speakergmm.hmm.models.utterance_graph import (
    HasPronunciations,
    UtteranceGraph,
    compile_transcript,
)
from speakergmm.ranges import number

ISOLATED_SCALE = 0.1
"""Power of likelihoods in posteriors of isolated words: at 1 they are nearly all 0 or 1."""


@dataclass(frozen=True, slots=True)
class WordScore:
    """How well a word explains a recording.

    Parameters
    ----------
    word : str
        The word.
    log_likelihood : float
        Logarithm of the sum over all paths, silences and pronunciations; -inf where the recording
        is too short for the word.
    best_path_log_probability : float
        That of the best path alone.
    posterior : float
        Probability of the word among those of the list.
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
    """Recognise recordings that are exactly one word each.

    Parameters
    ----------
    models : PhoneModels
        Models of phones, or of whole words.
    lexicon : Lexicon
        Pronunciations of the words.
    words : iterable of str, or mapping of str to float, optional
        The words, with prior probabilities if they are not the same; by default the lexicon's.
    silence : str or None, default="SIL"
        Unit that may stand before and after the word.
    silence_probability : float, default=0.5
        Probability of a silence in each of the two places.

    Raises
    ------
    InvalidInputError
        If words have no pronunciation or phones no model, or there is no word.

    Notes
    -----
    Words are ranked by their likelihood summed over all paths (the forward algorithm), where a
    search for the best path counts one alignment only. Emissions are evaluated once for all words.
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
            Frames.
        acoustic_scale : float, default=1.0
            Power of the likelihoods in the posteriors, which are near 0 and 1 at 1: frames are
            taken for independent, though they say much the same. It does not change the likelihoods
            themselves, nor, with equal priors, the ranking.

        Returns
        -------
        tuple of WordScore
            The most probable word first; of equal ones, in the order of the list.

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
        """Give the most probable words as a search would, with their times.

        Parameters
        ----------
        X : array, shape (T, D)
            Frames.
        n_best : int, default=1
            How many words to list at most.
        acoustic_scale : float, optional
            As `rank`; the default, 0.1, makes for posteriors that are not all near 0 and 1.

        Returns
        -------
        DecodingResult
            Hypotheses of a word each, by posterior, which is also the confidence of the word; times
            are those of its best path. The acoustic log-likelihood is the sum over all paths,
            transitions and silences included.

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
        """Find the frames of a word and of its phones on its best path."""
        known = self._known[score.word]
        path = viterbi(known.graph, np.ascontiguousarray(emissions[:, known.columns]))
        found = cut_path(known.utterance, path, np.zeros(len(emissions)), None, None)
        (word,) = found.words
        return (word._replace(confidence=score.posterior),), found.phones

    def rank_emissions(
        self, log_emissions: ArrayLike, *, acoustic_scale: float = 1.0
    ) -> tuple[WordScore, ...]:
        """As `rank`, from log-densities (T, P) of ``pdfs``, in their order."""
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
                    f"the shortest word takes {least} frames at least, found {len(emissions)}",
                    reason="duration",
                )
            raise NoPathError("no word has a probability above 0")
        posteriors = np.exp(weights - total)
        order = np.argsort(-weights, kind="stable")
        rows = zip(self.words, sums.tolist(), paths.tolist(), posteriors.tolist(), strict=True)
        scores = [WordScore(*row) for row in rows]
        return tuple(scores[place] for place in order)
