"""What a hidden Markov model says of sequences: likelihoods, posteriors, best states, samples."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.evaluation import Evaluator, block_size
from speakergmm.gaussians.frames import Frames
from speakergmm.gaussians.prepare import Prepared, prepare_in_features
from speakergmm.hmm.models.dense import HiddenMarkovParameters
from speakergmm.hmm.models.dense_graph import state_graph, stationary_distribution
from speakergmm.hmm.models.dense_sampling import draw
from speakergmm.hmm.training.dense_expectation import Arithmetic
from speakergmm.hmm.training.sequences import ImpossibleSequenceError, as_sequences
from speakergmm.parallel import effective_jobs, threaded_map

ARITHMETIC: dict[str, Arithmetic] = {"log": "log", "scaling": "scaled"}
"""What the kernels call hmmlearn's implementations."""

# Frames that one thread scores at a time.
_SCORED_FRAMES = 8192


class HiddenMarkovInference:
    """Scores, decodes and samples by the parameters of a model that was fitted or set."""

    algorithm: str
    final: str
    implementation: str
    n_jobs: int
    precision: str
    random_state: Any
    transmat_: NDArray[np.float64]

    @abstractmethod
    def _check_options(self) -> None:
        """Refuse constructor parameters that are out of range."""

    @abstractmethod
    def _parameters(self) -> HiddenMarkovParameters:
        """Check and give the parameters that were fitted or set."""

    def score(self, X: Any, lengths: Any = None) -> float:
        """Log-likelihood of all sequences together.

        Parameters
        ----------
        X : array, shape (T, D), or list of arrays, shape (T_r, D)
        lengths : array of int, shape (R,), optional

        Returns
        -------
        float
            Natural logarithm; minus infinity if a sequence is impossible.
        """
        return float(self.score_sequences(X, lengths).sum())

    def score_sequences(self, X: Any, lengths: Any = None) -> NDArray[np.float64]:
        """Log-likelihood of each sequence, shape (R,); minus infinity for impossible ones."""
        from speakergmm.hmm.inference.algorithms import log_likelihood
        from speakergmm.hmm.inference.graph import NoPathError

        graph = self._graph()

        def score(emissions: NDArray[np.float64], number: int) -> float:
            try:
                return log_likelihood(graph, emissions, arithmetic=self._arithmetic())
            except NoPathError:
                return -np.inf

        return np.array(self._of_sequences(X, lengths, score))

    def score_samples(self, X: Any, lengths: Any = None) -> tuple[float, NDArray[np.float64]]:
        """Log-likelihood of all sequences, and posterior probabilities of states.

        Parameters
        ----------
        X : array, shape (T, D), or list of arrays, shape (T_r, D)
        lengths : array of int, shape (R,), optional

        Returns
        -------
        log_prob : float
        posteriors : array, shape (T, S)
            Rows sum to one.

        Raises
        ------
        ImpossibleSequenceError
            If a sequence is impossible under the model; it is named.
        """
        from speakergmm.hmm.inference.algorithms import forward_backward

        graph = self._graph()

        def smooth(
            emissions: NDArray[np.float64], number: int
        ) -> tuple[float, NDArray[np.float64]]:
            with _naming(number):
                passed = forward_backward(graph, emissions, arithmetic=self._arithmetic())
            return passed.log_likelihood, passed.state_posteriors

        found = self._of_sequences(X, lengths, smooth)
        total = float(np.sum([log_prob for log_prob, _ in found]))
        return total, np.concatenate([posteriors for _, posteriors in found])

    def predict_proba(self, X: Any, lengths: Any = None) -> NDArray[np.float64]:
        """Posterior probability of each state at each frame, shape (T, S)."""
        return self.score_samples(X, lengths)[1]

    def predict(self, X: Any, lengths: Any = None) -> NDArray[np.int64]:
        """State of each frame, shape (T,), as `decode` finds it."""
        return self.decode(X, lengths)[1]

    def decode(
        self, X: Any, lengths: Any = None, algorithm: str | None = None
    ) -> tuple[float, NDArray[np.int64]]:
        """Find the states that frames come from.

        Parameters
        ----------
        X : array, shape (T, D), or list of arrays, shape (T_r, D)
        lengths : array of int, shape (R,), optional
        algorithm : {"viterbi", "map"}, optional
            The most probable sequence of states, or the most probable state of each frame; by
            default what the constructor says.

        Returns
        -------
        log_prob : float
            Log-probability of frames and states together; with "map" the sum of the posterior
            probabilities of the states, as in hmmlearn.
        state_sequence : array of int, shape (T,)

        Raises
        ------
        ImpossibleSequenceError
            If a sequence is impossible under the model; it is named.
        """
        from speakergmm.hmm.inference.algorithms import viterbi

        algorithm = algorithm or self.algorithm
        if algorithm not in ("viterbi", "map"):
            raise InvalidInputError(f"algorithm must be 'viterbi' or 'map', found {algorithm!r}")
        if algorithm == "map":
            posteriors = self.predict_proba(X, lengths)
            return float(posteriors.max(axis=1).sum()), posteriors.argmax(axis=1)
        graph = self._graph()

        def find(emissions: NDArray[np.float64], number: int) -> tuple[float, NDArray[np.int32]]:
            with _naming(number):
                path = viterbi(graph, emissions)
            return path.log_probability, path.states

        found = self._of_sequences(X, lengths, find)
        total = float(np.sum([log_prob for log_prob, _ in found]))
        return total, np.concatenate([states for _, states in found]).astype(np.int64)

    def sample(
        self, n_samples: int = 1, random_state: Any = None, currstate: int | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw a sequence from the model.

        Parameters
        ----------
        n_samples : int, default=1
            Number of frames, T.
        random_state : int, RandomState or None
            Source of randomness; by default that of the constructor.
        currstate : int, optional
            State of the first frame; by default drawn from ``startprob_``.

        Returns
        -------
        X : array, shape (T, D)
        state_sequence : array of int, shape (T,)

        Notes
        -----
        Where a sequence must end in the last state (`final`), that is not looked at.
        """
        source = self.random_state if random_state is None else random_state
        return draw(self._parameters(), n_samples, check_random_state(source), first=currstate)

    def aic(self, X: Any, lengths: Any = None) -> float:
        """Akaike's information criterion on sequences, `X` and `lengths`: the lower the better."""
        return -2.0 * self.score(X, lengths) + 2.0 * self._parameters().n_free

    def bic(self, X: Any, lengths: Any = None) -> float:
        """Bayesian information criterion on sequences, `X` and `lengths`: the lower the better."""
        penalty = self._parameters().n_free * np.log(len(as_sequences(X, lengths).frames))
        return float(penalty - 2.0 * self.score(X, lengths))

    def get_stationary_distribution(self) -> NDArray[np.float64]:
        """Probability of each state, shape (S,), that the transitions leave as it is.

        Raises
        ------
        InvalidInputError
            If ``transmat_`` holds no transition probabilities.
        """
        check_is_fitted(self, "transmat_")
        return stationary_distribution(self.transmat_)

    def _compute_log_likelihood(self, X: Any) -> NDArray[np.float64]:
        """Log-densities (T, S) of frames under the states."""
        return np.concatenate(self._of_sequences(X, None, lambda emissions, number: emissions))

    def _of_sequences(
        self,
        X: Any,
        lengths: Any,
        function: Callable[[NDArray[np.float64], int], Any],
    ) -> list[Any]:
        """Call `function` with the log-emissions (T_r, S) and the number of each sequence."""
        model = self._parameters()
        sequences = as_sequences(X, lengths, n_features=model.n_features)
        prepared = prepared_for(model)

        def work(numbers: range) -> list[Any]:
            first = sequences.bounds[numbers.start]
            frames = sequences.frames[first : sequences.bounds[numbers.stop]]
            emissions = log_emissions(model, prepared, frames, precision=self.precision)
            return [
                function(
                    emissions[sequences.bounds[r] - first : sequences.bounds[r + 1] - first], r
                )
                for r in numbers
            ]

        groups = sequences.groups(_SCORED_FRAMES)
        results = threaded_map(work, groups, n_jobs=effective_jobs(self.n_jobs))
        return [result for group in results for result in group]

    def _graph(self) -> Any:
        """Graph of the fitted start and transition probabilities."""
        self._check_options()
        model = self._parameters()
        return state_graph(model.startprob, model.transmat, final=self.final)

    def _arithmetic(self) -> Arithmetic:
        return ARITHMETIC[self.implementation]


def log_emissions(
    model: HiddenMarkovParameters, prepared: Prepared, frames: Frames, *, precision: str
) -> NDArray[np.float64]:
    """Log-densities (T, S) of frames (T, D) under the states of a model, in feature units.

    Parameters
    ----------
    model : HiddenMarkovParameters
        The model; only its shape is looked at.
    prepared : Prepared
        Of all its Gaussians, in any coordinates.
    frames : array, shape (T, D)
        In feature units.
    precision : {"float32", "float64"}
        Of densities.
    """
    from speakergmm.hmm.training import dense_kernels as kernels

    emissions = np.empty((len(frames), model.n_states))
    size = max(1, min(len(frames), block_size(prepared.n_gaussians, prepared.n_rows)))
    evaluator = Evaluator(prepared, precision=precision, block_frames=size)
    mix: Any = kernels.mix_states_double
    if evaluator.dtype == np.float32:
        mix = kernels.mix_states_single
    densities = np.empty((size, prepared.n_gaussians), evaluator.dtype)
    for start in range(0, len(frames), size):
        block = frames[start : start + size]
        evaluator.log_densities(block, densities[: len(block)])
        mix(densities[: len(block)], model.n_mix, emissions[start : start + len(block)])
    return emissions


def prepared_for(model: HiddenMarkovParameters) -> Prepared:
    """Return the Gaussians of all states, made ready for frames in feature units."""
    gaussians, log_weights, weights = model.weighted()
    return prepare_in_features(gaussians, log_weights, weights=weights)


class _naming:
    """Says of which sequence it is that no path leads through the model."""

    def __init__(self, number: int) -> None:
        self._number = number

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        from speakergmm.hmm.inference.graph import NoPathError

        if isinstance(error, NoPathError):
            raise ImpossibleSequenceError(
                self._number, f"is impossible under the model: {error}"
            ) from None
