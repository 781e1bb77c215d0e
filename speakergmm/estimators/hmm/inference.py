"""Scores, posteriors, best states and samples of a hidden Markov model with hmmlearn's methods."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from speakergmm.estimators.parameter_checks import engine_of
from speakergmm.hmm.inference.sequences import Sequences, as_sequences
from speakergmm.hmm.models.dense import HiddenMarkovParameters
from speakergmm.hmm.models.dense_graph import stationary_distribution
from speakergmm.hmm.models.dense_inference import DenseInference
from speakergmm.hmm.models.dense_sampling import sample_sequence
from speakergmm.ranges import choice


class HiddenMarkovInference:
    """Methods that score, decode and sample sequences, with parameters that were fitted or set."""

    algorithm: str
    final: str
    implementation: str
    n_features: int
    n_jobs: int | None
    precision: str
    random_state: Any
    transmat_: NDArray[np.float64]

    @abstractmethod
    def _check_options(self) -> None:
        """Raise an error if a constructor parameter is out of range."""

    @abstractmethod
    def _parameters(self) -> HiddenMarkovParameters:
        """Check and return the parameters that were fitted or set."""

    def score(self, X: Any, lengths: Any = None) -> float:
        """Return the log-likelihood of all sequences together.

        Parameters
        ----------
        X : array, shape (T, D), or list of arrays, shape (T_r, D)
            Frames of all sequences, as in `fit`.
        lengths : array of int, shape (R,), optional
            Number of frames of each sequence; by default all frames are one sequence.

        Returns
        -------
        float
            In nats; minus infinity if a sequence is impossible under the model.
        """
        return float(self.score_sequences(X, lengths).sum())

    def score_sequences(self, X: Any, lengths: Any = None) -> NDArray[np.float64]:
        """Return the log-likelihood of each sequence, shape (R,); minus infinity if impossible."""
        inference, sequences = self._check_input(X, lengths)
        return inference.log_likelihoods(sequences)

    def score_samples(self, X: Any, lengths: Any = None) -> tuple[float, NDArray[np.float64]]:
        """Return the log-likelihood of all sequences, and posterior probabilities of states.

        Parameters
        ----------
        X : array, shape (T, D), or list of arrays, shape (T_r, D)
            Frames of all sequences, as in `fit`.
        lengths : array of int, shape (R,), optional
            Number of frames of each sequence; by default all frames are one sequence.

        Returns
        -------
        log_prob : float
            Log-likelihood in nats.
        posteriors : array, shape (T, S)
            Posterior probability of each state per frame; rows sum to one.

        Raises
        ------
        ImpossibleSequenceError
            If a sequence is impossible under the model; the message names it.
        """
        inference, sequences = self._check_input(X, lengths)
        return inference.posteriors(sequences)

    def predict_proba(self, X: Any, lengths: Any = None) -> NDArray[np.float64]:
        """Return the posterior probability of each state in each frame, shape (T, S)."""
        return self.score_samples(X, lengths)[1]

    def predict(self, X: Any, lengths: Any = None) -> NDArray[np.int64]:
        """Return the state of each frame, shape (T,), as from `decode`."""
        return self.decode(X, lengths)[1]

    def decode(
        self, X: Any, lengths: Any = None, algorithm: str | None = None
    ) -> tuple[float, NDArray[np.int64]]:
        """Decode sequences: find the state of each frame.

        Parameters
        ----------
        X : array, shape (T, D), or list of arrays, shape (T_r, D)
            Frames of all sequences, as in `fit`.
        lengths : array of int, shape (R,), optional
            Number of frames of each sequence; by default all frames are one sequence.
        algorithm : {"viterbi", "map"}, optional
            Whether to find the most probable sequence of states, or the most probable state of each
            frame; by default as in the constructor.

        Returns
        -------
        log_prob : float
            Joint log-probability of frames and states, in nats; with "map" the sum of the posterior
            probabilities of the states, as in hmmlearn.
        state_sequence : array of int, shape (T,)
            State of each frame, from 0.

        Raises
        ------
        ImpossibleSequenceError
            If a sequence is impossible under the model; the message names it.
        """
        if choice("algorithm", algorithm or self.algorithm, ("viterbi", "map")) == "map":
            posteriors = self.predict_proba(X, lengths)
            return float(posteriors.max(axis=1).sum()), posteriors.argmax(axis=1)
        inference, sequences = self._check_input(X, lengths)
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
            Source of randomness; by default `random_state` of the constructor.
        currstate : int, optional
            State of the first frame; by default it is drawn from ``startprob_``.

        Returns
        -------
        X : array, shape (T, D)
            Frames.
        state_sequence : array of int, shape (T,)
            State of each frame.

        Notes
        -----
        The condition that sequences end in the last state (`final`) is not applied.
        """
        source = self.random_state if random_state is None else random_state
        return sample_sequence(
            self._parameters(), n_samples, check_random_state(source), first=currstate
        )

    def aic(self, X: Any, lengths: Any = None) -> float:
        """Return Akaike's information criterion on sequences; the lower, the better."""
        return -2.0 * self.score(X, lengths) + 2.0 * self._parameters().n_free

    def bic(self, X: Any, lengths: Any = None) -> float:
        """Return the Bayesian information criterion on sequences; the lower, the better."""
        penalty = self._parameters().n_free * np.log(len(as_sequences(X, lengths).frames))
        return float(penalty - 2.0 * self.score(X, lengths))

    def get_stationary_distribution(self) -> NDArray[np.float64]:
        """Return the stationary distribution of the transitions, shape (S,).

        Raises
        ------
        InvalidInputError
            If the rows of ``transmat_`` are not transition probabilities.
        """
        check_is_fitted(self, "transmat_")
        return stationary_distribution(self.transmat_)

    def _compute_log_likelihood(self, X: Any) -> NDArray[np.float64]:
        """Return the log-density of each frame under each state, shape (T, S)."""
        inference, sequences = self._check_input(X, None)
        return inference.emissions(sequences)

    def _check_input(self, X: Any, lengths: Any) -> tuple[DenseInference, Sequences]:
        """Check the model and the sequences, and return the inference and the sequences."""
        self._check_options()
        model = self._parameters()
        inference = DenseInference(
            model=model,
            final=self.final,
            precision=self.precision,
            engine=engine_of(self),
        )
        return inference, as_sequences(X, lengths, n_features=model.n_features)
