"""Inference with dense hidden Markov models: likelihoods, posteriors and best states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import Engine
from speakergmm.gaussians.prepare import prepare_in_features
from speakergmm.hmm.inference.graph import Graph, NoPathError
from speakergmm.hmm.inference.sequences import ImpossibleSequenceError, Sequences
from speakergmm.hmm.models.dense import HiddenMarkovParameters
from speakergmm.hmm.models.dense_evaluation import StateEvaluator
from speakergmm.hmm.models.dense_graph import state_graph

# Most frames per group of sequences, which one thread scores at a time.
_SCORED_FRAMES = 8192


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DenseInference:
    """Inference over sequences with one model.

    Parameters
    ----------
    model : HiddenMarkovParameters
        The model, in feature units.
    final : {"any", "last"}
        Whether a sequence may end in any state, or in the last one only.
    precision : {"float32", "float64"}
        Precision of densities.
    engine : Engine
        Threads; the results do not depend on their number.
    """

    model: HiddenMarkovParameters
    final: str
    precision: str
    engine: Engine

    def emissions(self, sequences: Sequences) -> NDArray[np.float64]:
        """Return the log-densities (T, S) of all frames under the states."""
        return np.concatenate(self._each(sequences, lambda _, emissions: emissions))

    def log_likelihoods(self, sequences: Sequences) -> NDArray[np.float64]:
        """Return the log-likelihoods (R,) of the sequences; minus infinity for impossible ones."""
        from speakergmm.hmm.inference.algorithms import sequence_log_likelihood

        def score(graph: Graph, emissions: NDArray[np.float64]) -> float:
            try:
                return sequence_log_likelihood(graph, emissions)
            except NoPathError:
                return -np.inf

        return np.array(self._each(sequences, score))

    def posteriors(self, sequences: Sequences) -> tuple[float, NDArray[np.float64]]:
        """Return the log-likelihood of all sequences, and the posteriors (T, S) of states.

        Raises
        ------
        ImpossibleSequenceError
            If a sequence is impossible under the model; the message names it.
        """
        from speakergmm.hmm.inference.algorithms import forward_backward

        def smooth(
            graph: Graph, emissions: NDArray[np.float64]
        ) -> tuple[float, NDArray[np.float64]]:
            passed = forward_backward(graph, emissions)
            return passed.log_likelihood, passed.state_posteriors

        return _joined(self._each(sequences, smooth))

    def best_states(self, sequences: Sequences) -> tuple[float, NDArray[np.int64]]:
        """Return the log-probability of the best paths of all sequences, and their states (T,).

        Raises
        ------
        ImpossibleSequenceError
            If a sequence is impossible under the model; the message names it.
        """
        from speakergmm.hmm.inference.algorithms import viterbi

        def find(graph: Graph, emissions: NDArray[np.float64]) -> tuple[float, NDArray[np.int32]]:
            path = viterbi(graph, emissions)
            return path.log_probability, path.states

        total, states = _joined(self._each(sequences, find))
        return total, states.astype(np.int64)

    def _each(
        self, sequences: Sequences, function: Callable[[Graph, NDArray[np.float64]], Any]
    ) -> list[Any]:
        """Call `function` with the graph and the log-emissions (T_r, S) of each sequence."""
        graph = state_graph(self.model.startprob, self.model.transmat, final=self.final)
        gaussians, log_weights, weights = self.model.weighted()
        prepared = prepare_in_features(gaussians, log_weights, weights=weights)

        def work(numbers: range) -> list[Any]:
            first = sequences.bounds[numbers.start]
            frames = sequences.frames[first : sequences.bounds[numbers.stop]]
            evaluator = StateEvaluator(prepared, self.model.n_mix, precision=self.precision)
            emissions = evaluator.emissions(frames)
            found = []
            for number in numbers:
                place = slice(*(sequences.bounds[number : number + 2] - first))
                try:
                    found.append(function(graph, emissions[place]))
                except NoPathError as error:
                    raise ImpossibleSequenceError.under_model(number, error) from None
            return found

        groups = sequences.groups(_SCORED_FRAMES)
        results = self.engine.map_threads(work, groups)
        return [result for group in results for result in group]


def _joined(found: list[tuple[float, NDArray[Any]]]) -> tuple[float, NDArray[Any]]:
    values, arrays = zip(*found, strict=True)
    return float(np.sum(values)), np.concatenate(arrays)
