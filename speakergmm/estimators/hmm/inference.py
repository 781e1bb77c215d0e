"""What a hidden Markov model says of sequences: likelihoods, posteriors, best states, samples."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from speakergmm.hmm.inference.sequences import Sequences, as_sequences
from speakergmm.hmm.models.dense import HiddenMarkovParameters
from speakergmm.hmm.models.dense_graph import stationary_distribution
from speakergmm.hmm.models.dense_inference import DenseInference
from speakergmm.hmm.models.dense_sampling import sample_sequence
from speakergmm.parallel import effective_jobs
from speakergmm.ranges import choice


class HiddenMarkovInference:
    """Scores, decodes and samples by the parameters of a model that was fitted or set."""

    algorithm: str
    final: str
    implementation: str
    n_features: int
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
        inference, sequences = self._applied(X, lengths)
        return inference.log_likelihoods(sequences)

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
        inference, sequences = self._applied(X, lengths)
        return inference.posteriors(sequences)

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
        if choice("algorithm", algorithm or self.algorithm, ("viterbi", "map")) == "map":
            posteriors = self.predict_proba(X, lengths)
            return float(posteriors.max(axis=1).sum()), posteriors.argmax(axis=1)
        inference, sequences = self._applied(X, lengths)
        return inference.best_states(sequences)

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
        return sample_sequence(
            self._parameters(), n_samples, check_random_state(source), first=currstate
        )

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
        inference, sequences = self._applied(X, None)
        return inference.emissions(sequences)

    def _applied(self, X: Any, lengths: Any) -> tuple[DenseInference, Sequences]:
        """Check model and sequences that are to be scored by it."""
        self._check_options()
        model = self._parameters()
        inference = DenseInference(
            model=model,
            final=self.final,
            precision=self.precision,
            n_jobs=effective_jobs(self.n_jobs),
        )
        return inference, as_sequences(X, lengths, n_features=model.n_features)
