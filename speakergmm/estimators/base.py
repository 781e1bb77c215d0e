"""What estimators of mixtures share: the fit with restarts, and all that a fitted one can say."""

from __future__ import annotations

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import options
from speakergmm.estimators.fitted import FittedParameters
from speakergmm.estimators.frames import (
    Blocks,
    Frames,
    TrainingFrames,
    check_frames,
    check_sample_weight,
    training_frames,
)
from speakergmm.estimators.history import FitHistory, FitIteration, FitReporter
from speakergmm.estimators.starts import STARTS
from speakergmm.mixtures.em import EMResult, Iteration
from speakergmm.mixtures.parameters import Precision
from speakergmm.parallel import effective_jobs, threaded_map

# Frames that are scored at a time by one thread.
_SCORING_FRAMES = 16384
# Multiplications of an iteration up to which float64 is chosen: it takes tens of milliseconds.
_SMALL_WORK = 2**24

Progress = Callable[[int, Iteration], None]


class BaseMixtureEstimator(FittedParameters, DensityMixin, BaseEstimator):  # type: ignore[misc]
    """Base of the estimators: a subclass says how one restart begins, runs and is kept.

    A *state* is whatever the subclass trains: a mixture, or a distribution over mixtures.
    """

    n_components: int
    covariance_type: str
    tol: float
    reg_covar: float
    max_iter: int
    n_init: int
    init_params: str
    random_state: Any
    warm_start: bool
    verbose: int
    verbose_interval: int
    precision: Literal["auto", "float32", "float64"]
    n_jobs: int
    callback: Callable[[FitIteration], Any] | None
    lower_bound_: float

    @abstractmethod
    def _begin(self, frames: TrainingFrames, random_state: np.random.RandomState) -> Any:
        """Find the state from which a restart begins."""

    @abstractmethod
    def _resume(self, frames: TrainingFrames) -> Any:
        """Give the state of the last fit, for `warm_start`."""

    @abstractmethod
    def _train(
        self,
        frames: TrainingFrames,
        state: Any,
        *,
        precision: Precision,
        previous: float | None,
        callback: Progress,
    ) -> EMResult[Any]:
        """Run one restart from a state; `previous` is the bound of a fit that goes on."""

    @abstractmethod
    def _keep(self, frames: TrainingFrames, state: Any) -> None:
        """Set `mixture_`, and whatever else of the state is public."""

    def _check_parameters(self) -> None:
        """Refuse constructor parameters that are out of range; subclasses add their own."""
        options.check_integer(self, "n_components", least=1)
        options.check_choice(self, "covariance_type", ("full", "tied", "diag", "spherical"))
        options.check_real(self, "tol", least=0.0)
        options.check_real(self, "reg_covar", least=0.0)
        options.check_integer(self, "max_iter", least=0)
        options.check_integer(self, "n_init", least=1)
        options.check_choice(self, "init_params", STARTS)
        options.check_flag(self, "warm_start")
        options.check_integer(self, "verbose", least=0)
        options.check_integer(self, "verbose_interval", least=1)
        options.check_choice(self, "precision", ("auto", "float32", "float64"))
        options.check_callable(self, "callback")
        effective_jobs(self.n_jobs)

    def _check_against_frames(self, frames: TrainingFrames) -> None:
        """Refuse parameters that don't fit the frames; subclasses override it."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Estimate the mixture's parameters.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks of shape (T_i, D)
            Frames. Float32 and float64 arrays are not copied, memory-mapped ones neither. A list
            of matrices, another iterable of them that can be read again, or a callable that
            returns an iterable, is the same data as one array of all frames; no more than a few
            blocks are held at a time.
        y : ignored
            For pipelines.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame (over all blocks), finite, >= 0, not all zero. A frame of weight
            2 is the frame twice.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, frames are no finite matrix (the first bad row and
            column, or the block, is named) or fewer than components, or weights are no such.

        Warns
        -----
        ConvergenceWarning
            If the best restart did not converge within `max_iter` iterations.
        """
        self._check_parameters()
        frames = training_frames(self, X, sample_weight, n_components=self.n_components)
        self._check_against_frames(frames)
        goes_on = bool(self.warm_start) and hasattr(self, "mixture_")
        self._fit_restarts(frames, goes_on=goes_on)
        return self

    def _fit_restarts(self, frames: TrainingFrames, *, goes_on: bool) -> None:
        random_state = check_random_state(self.random_state)
        precision = self._choose_precision(frames)
        best: EMResult[Any] | None = None
        best_iterations: tuple[FitIteration, ...] = ()
        best_bound = -math.inf
        ends: list[float] = []
        with FitReporter(self.verbose, self.verbose_interval, self.max_iter) as reporter:
            for restart in range(1 if goes_on else self.n_init):
                previous = self.lower_bound_ if goes_on else None
                reporter.restart_begins(restart, -math.inf if previous is None else previous)
                state = self._resume(frames) if goes_on else self._begin(frames, random_state)
                if self.max_iter == 0:
                    best = EMResult(state, (), "iteration_limit")
                    continue
                seen: list[FitIteration] = []
                result = self._train(
                    frames,
                    state,
                    precision=precision,
                    previous=previous if previous is not None and np.isfinite(previous) else None,
                    callback=self._watch(restart, seen, reporter),
                )
                bound = seen[-1].bound
                ends.append(bound)
                reporter.restart_ends(bound, result.convergence)
                if best is None or bound > best_bound:
                    best, best_bound, best_iterations = result, bound, tuple(seen)
        assert best is not None
        self._keep(frames, best.model)
        self._dtype = frames.dtype
        self.precision_ = precision
        self.convergence_ = best.convergence
        self.converged_ = best.convergence == "converged"
        self.n_iter_ = len(best_iterations)
        self.lower_bound_ = best_bound
        self.lower_bounds_ = [iteration.bound for iteration in best_iterations]
        self.history_ = FitHistory(best_iterations, tuple(ends))
        if not self.converged_ and self.max_iter > 0:
            reason = " The bound decreased." if self.convergence_ == "decreased" else ""
            warnings.warn(
                "Best performing initialization did not converge. Try different init parameters, "
                "or increase max_iter, tol, or check for degenerate data." + reason,
                ConvergenceWarning,
                stacklevel=3,
            )

    def _watch(self, restart: int, seen: list[FitIteration], reporter: FitReporter) -> Progress:
        def watch(number: int, iteration: Iteration) -> None:
            record = FitIteration.of(restart, number, iteration)
            seen.append(record)
            self._check_iteration(record)
            reporter.iteration_ends(record)
            if self.callback is not None:
                self.callback(record)

        return watch

    def _check_iteration(self, iteration: FitIteration) -> None:
        """Stop a fit that can't go on, by raising; subclasses override it."""

    def _choose_precision(self, frames: TrainingFrames) -> Precision:
        if self.precision != "auto":
            return self.precision
        work = frames.n_frames * self.n_components * frames.n_features
        if self.covariance_type == "full":
            work *= frames.n_features
        return "float64" if work <= _SMALL_WORK else "float32"

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> NDArray[np.int64]:
        """Fit to frames and return the most probable component of each: ``fit(X).predict(X)``.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        array, shape (T,)
        """
        return self.fit(X, y, sample_weight=sample_weight).predict(X)

    # Scoring: a subclass whose frames are shared out otherwise than by `mixture_` overrides these.

    def _log_likelihood(self, X: Frames) -> NDArray[np.floating[Any]]:
        return self.mixture_.log_likelihood(X, precision=self.precision_)

    def _most_probable(self, X: Frames) -> NDArray[np.integer]:
        return self.mixture_.predict(X, precision=self.precision_)

    def _posteriors(self, X: Frames) -> NDArray[np.floating[Any]]:
        return self.mixture_.posteriors(X, precision=self.precision_)

    def _map(
        self, function: Callable[[Frames], NDArray[Any]], X: Any
    ) -> tuple[Iterator[NDArray[Any]], np.dtype[Any]]:
        """Apply a function to pieces of checked frames, in order; also give the frames' type."""
        check_is_fitted(self, "mixture_")
        frames = check_frames(self, X, fitting=False)

        def pieces() -> Iterator[Frames]:
            for block in frames() if isinstance(frames, Blocks) else (frames,):
                for start in range(0, len(block), _SCORING_FRAMES):
                    yield block[start : start + _SCORING_FRAMES]

        return threaded_map(function, pieces(), n_jobs=self.n_jobs), frames.dtype

    def score_samples(self, X: Any) -> NDArray[np.floating[Any]]:
        """Log-likelihood of each frame, in natural logarithms.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.

        Returns
        -------
        array, shape (T,)
            Of the frames' type. Frames x components are never held.
        """
        parts, dtype = self._map(self._log_likelihood, X)
        return _joined([part.astype(dtype) for part in parts], dtype)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> float:
        """Mean log-likelihood of the frames.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.
        y : ignored
            For pipelines.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame in the mean.

        Returns
        -------
        float
            Without weights the mean of `score_samples`, in the frames' type.
        """
        if sample_weight is None:
            return float(self.score_samples(X).mean())
        total, weight = self._total_log_likelihood(X, sample_weight)
        return total / weight

    def _total_log_likelihood(self, X: Any, sample_weight: Any) -> tuple[float, float]:
        """Sum of log-likelihoods, and the number of frames or their weight, in float64."""
        parts, _ = self._map(self._log_likelihood, X)
        likelihoods = _joined(list(parts), np.dtype(np.float64))
        weights = check_sample_weight(sample_weight, len(likelihoods))
        if weights is None:
            return float(likelihoods.sum()), float(len(likelihoods))
        return float(likelihoods @ weights), float(weights.sum())

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Most probable component of each frame.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.

        Returns
        -------
        array, shape (T,)
            Component numbers, from 0. Frames x components are never held.
        """
        parts, _ = self._map(self._most_probable, X)
        return _joined(list(parts), np.dtype(np.int64))

    def predict_proba(self, X: Any) -> NDArray[np.floating[Any]]:
        """Posterior probability of each component given each frame.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.

        Returns
        -------
        array, shape (T, K)
            Rows sum to one; of the frames' type.
        """
        parts, dtype = self._map(self._posteriors, X)
        return _joined([part.astype(dtype, copy=False) for part in parts], dtype)

    def sample(self, n_samples: int = 1) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw frames from the fitted mixture, component by component.

        Parameters
        ----------
        n_samples : int, default=1
            How many, >= 1.

        Returns
        -------
        X : array, shape (n_samples, D)
            Frames in the order of their components; those that scikit-learn draws from the same
            `random_state` and parameters.
        y : array, shape (n_samples,)
            Their components.
        """
        check_is_fitted(self, "mixture_")
        if n_samples < 1:
            raise InvalidInputError(
                f"Invalid value for 'n_samples': {n_samples}; sampling requires at least one"
            )
        rng = check_random_state(self.random_state)
        mixture = self.mixture_
        counts = rng.multinomial(n_samples, mixture.weights / mixture.weights.sum())
        drawn = []
        if mixture.covariance_type in ("full", "tied"):
            for mean, covariance, count in zip(
                mixture.means, mixture.full_covariances(), counts, strict=True
            ):
                drawn.append(rng.multivariate_normal(mean, covariance, int(count)))
        else:
            deviations = np.sqrt(mixture.component_variances())
            for mean, deviation, count in zip(mixture.means, deviations, counts, strict=True):
                noise = rng.standard_normal((count, mixture.n_features))
                drawn.append(mean + noise * deviation)
        return np.concatenate(drawn), np.repeat(np.arange(mixture.n_components), counts)


def _joined(parts: list[NDArray[Any]], dtype: np.dtype[Any]) -> NDArray[Any]:
    if not parts:
        raise InvalidInputError("X must hold frames, found none")
    return np.concatenate(parts).astype(dtype, copy=False)
