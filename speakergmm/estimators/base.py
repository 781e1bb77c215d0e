"""Base of the estimators of mixtures: their parameters, and a fit of one or several restarts."""

from __future__ import annotations

import os
import warnings
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, DensityMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from speakergmm.checkpoints import DEFAULT_SECONDS
from speakergmm.engine import single_threaded_blas
from speakergmm.estimators import parameter_checks
from speakergmm.estimators.estimator_records import StorableFit
from speakergmm.estimators.history import FitHistory, FitIteration, FitReporter
from speakergmm.estimators.input_frames import TrainingFrames, training_frames
from speakergmm.estimators.mixture_scoring import MixtureScoring
from speakergmm.estimators.parameter_checks import MixtureTrainingParameters
from speakergmm.estimators.restarts import Restarts, objective_digest, open_restarts
from speakergmm.estimators.starts import START_FRAMES, STARTS
from speakergmm.gaussians.choices import Precision
from speakergmm.gaussians.em import EMResult, Iteration

Progress = Callable[[int, Iteration], None]


@dataclass(eq=False, repr=False)
class BaseMixtureEstimator(
    StorableFit,
    MixtureTrainingParameters,
    MixtureScoring,
    DensityMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Base of the estimators: a subclass defines how one restart begins, is trained and is kept.

    A *state* is whatever the subclass trains: a mixture, or a distribution over mixtures.
    """

    record_has_kinds: ClassVar[bool] = True
    _: KW_ONLY
    warm_start: bool = False
    callback: Callable[[FitIteration], Any] | None = None
    checkpoint: str | os.PathLike[str] | None = None
    checkpoint_seconds: float = DEFAULT_SECONDS

    # `FitState` of the model that the loop trains and of the state that is kept of a restart.
    _fit_state: ClassVar[Any]
    # Parameters on which bounds depend, besides frames and weights.
    _objective_parameters: ClassVar[tuple[str, ...]]

    @abstractmethod
    def _begin(self, frames: TrainingFrames, random_state: np.random.RandomState) -> Any:
        """Find the state from which a restart begins."""

    @abstractmethod
    def _resume(self, frames: TrainingFrames) -> Any:
        """Return the state of the last fit, for `warm_start`."""

    @abstractmethod
    def _trainer(
        self, frames: TrainingFrames, precision: Precision
    ) -> Callable[..., EMResult[Any]]:
        """Return the function that trains one restart from a state.

        It takes the state, and as keywords `previous` (the last bound of a fit on these frames, or
        None), `callback` and `checkpoint`.
        """

    def _running_state(self, model: Any) -> Any:
        """Return the state of an interrupted restart, from the model that its checkpoint holds."""
        return model

    @abstractmethod
    def _keep(self, frames: TrainingFrames, state: Any) -> None:
        """Set `mixture_`, and the other public attributes of a state."""

    def _check_parameters(self) -> None:
        """Raise an error if a parameter is out of range; subclasses check their own, too."""
        parameter_checks.check_integer(self, "n_components", least=1)
        parameter_checks.check_choice(
            self, "covariance_type", ("full", "tied", "diag", "spherical")
        )
        parameter_checks.check_real(self, "tol", least=0.0)
        parameter_checks.check_real(self, "reg_covar", least=0.0)
        parameter_checks.check_integer(self, "max_iter", least=0)
        parameter_checks.check_integer(self, "n_init", least=1)
        parameter_checks.check_choice(self, "init_params", STARTS)
        parameter_checks.check_flag(self, "warm_start")
        parameter_checks.check_integer(self, "verbose", least=0)
        parameter_checks.check_integer(self, "verbose_interval", least=1)
        parameter_checks.check_choice(self, "precision", ("auto", "float32", "float64"))
        parameter_checks.check_callable(self, "callback")
        parameter_checks.check_path(self, "checkpoint")
        parameter_checks.check_real(self, "checkpoint_seconds", least=0.0)
        parameter_checks.engine_of(self)

    def _check_against_frames(self, frames: TrainingFrames) -> None:
        """Raise an error if parameters do not suit the frames; subclasses override this."""

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Estimate the mixture's parameters.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks of shape (T_i, D)
            Frames. Float32 and float64 arrays, memory-mapped ones included, are not copied. A list
            of matrices, another iterable of matrices that can be read repeatedly, or a callable
            that returns an iterable, is equivalent to one array of all frames; only a few blocks
            are held in memory at a time.
        y : ignored
            Present for pipelines.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame (over all blocks), finite, >= 0, not all zero. A frame of weight
            2 counts as two equal frames. (The start is the same, too, except with
            `init_params="random"`, which draws random numbers per row.)

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If a parameter is out of range, the frames are not a finite matrix (the message names
            the first bad row and column, or the block), there are fewer frames than components, or
            a weight is negative or not finite.

        Warns
        -----
        ConvergenceWarning
            If the best restart did not converge within `max_iter` iterations.
        UserWarning
            If `reg_covar`, which is absolute, exceeds the variance of a feature; or if a feature
            varies too little for its variance to be represented.
        """
        self._check_parameters()
        frames = training_frames(self, X, sample_weight, n_components=self.n_components)
        self._check_against_frames(frames)
        self._warn_of_regularisation(frames)
        goes_on = bool(self.warm_start) and hasattr(self, "mixture_")
        random_state = check_random_state(self.random_state)
        precision = self._choose_precision(frames)
        train = self._trainer(frames, precision)
        last_fit = self._resume(frames) if goes_on else None
        objective = None
        if self.warm_start:
            objective = objective_digest(self, frames, self._objective_parameters)
        # The last bound can be compared with those of this fit only if both have the same
        # objective: the same frames, weights and regularisation.
        is_same = goes_on and objective == self._objective_of_last_fit()
        last_bound = self.lower_bound_ if is_same else -np.inf
        with (
            single_threaded_blas(),
            open_restarts(
                self, frames, self._fit_state, precision=precision, last_fit=last_fit
            ) as restarts,
            FitReporter(self.verbose, self.verbose_interval, self.max_iter) as reporter,
        ):
            is_global = self.random_state is None or self.random_state is np.random
            if restarts.file is not None and is_global:
                # Resuming a fit must not change the state of NumPy's global generator.
                random_state = np.random.RandomState()
            restarts.restore_or_begin(random_state)
            while restarts.number < (1 if goes_on else self.n_init):
                # The state to train: an interrupted restart, the last fit, or a new start.
                reporter.restart_begins(restarts.number, last_bound)
                if restarts.state is not None:
                    state = self._running_state(restarts.state.model)
                elif goes_on:
                    state = self._resume(frames)
                else:
                    state = self._begin(frames, random_state)
                restarts.begins(random_state)
                # Without iterations the start is the result.
                if self.max_iter == 0:
                    restarts.take_start(EMResult(state, (), "iteration_limit"))
                    continue
                # Train it, and keep it if its bound is the best so far.
                result = train(
                    state,
                    previous=float(last_bound) if np.isfinite(last_bound) else None,
                    callback=self._watch(restarts.number, reporter),
                    checkpoint=None if restarts.file is None else restarts,
                )
                bound = float(result.objective)
                reporter.restart_ends(bound, result.convergence)
                restarts.ends(result, bound, random_state)
        self._end_fit(frames, precision, restarts, objective)
        return self

    def _end_fit(
        self,
        frames: TrainingFrames,
        precision: Precision,
        restarts: Restarts,
        objective: str | None,
    ) -> None:
        """Set the attributes of the fit from the best restart, and warn if it did not converge."""
        best = restarts.best
        assert best is not None
        iterations = tuple(
            FitIteration.of(restarts.best_number, number, iteration)
            for number, iteration in enumerate(best.history)
        )
        self._keep(frames, best.model)
        # After a bound that decreased, a further fit would find the same bound again and count as
        # converged: its objective is therefore not kept.
        self._bound_of = self.mixture_, None if best.convergence == "decreased" else objective
        self._set_dtype(frames.dtype)
        self.precision_ = precision
        self.convergence_ = best.convergence
        self.converged_ = best.convergence == "converged"
        self.n_iter_ = len(iterations)
        self.lower_bound_ = restarts.best_bound
        self.lower_bounds_ = [iteration.bound for iteration in iterations]
        self.history_ = FitHistory(iterations, tuple(restarts.bounds))
        if not self.converged_ and self.max_iter > 0:
            reason = " The bound decreased." if self.convergence_ == "decreased" else ""
            warnings.warn(
                "Best performing initialization did not converge. Try different init parameters, "
                "or increase max_iter, tol, or check for degenerate data." + reason,
                ConvergenceWarning,
                stacklevel=3,
            )

    def _objective_of_last_fit(self) -> str | None:
        """Return the digest of the objective that `lower_bound_` bounds, if it is known."""
        mixture, objective = getattr(self, "_bound_of", (None, None))
        # The bound is not that of a mixture that was set afterwards or learnt from a stream.
        return objective if mixture is self.mixture_ else None

    def _watch(self, restart: int, reporter: FitReporter) -> Progress:
        def watch(number: int, iteration: Iteration) -> None:
            record = FitIteration.of(restart, number, iteration)
            self._check_iteration(record)
            reporter.iteration_ends(record)
            if self.callback is not None:
                self.callback(record)

        return watch

    def _check_iteration(self, iteration: FitIteration) -> None:
        """Raise an error if the fit cannot continue; subclasses override this."""

    def _warn_of_regularisation(self, frames: TrainingFrames) -> None:
        variance = frames.moments.variance
        lost = np.flatnonzero(frames.moments.lost)
        if lost.size:
            warnings.warn(
                f"feature {lost[0]} varies by less than 1e-145, too little to be squared, and "
                f"counts as constant; scale the features up",
                stacklevel=3,
            )
        drowned = np.flatnonzero((variance > 0) & (variance < self.reg_covar))
        if drowned.size:
            warnings.warn(
                f"reg_covar={self.reg_covar:g} is more than the variance of feature {drowned[0]}, "
                f"{variance[drowned[0]]:.2g}: components cannot be distinguished by it; scale the "
                f"features, or pass a smaller reg_covar",
                stacklevel=3,
            )

    def _choose_precision(self, frames: TrainingFrames) -> Precision:
        if self.precision != "auto":
            return self.precision
        return "float64" if frames.n_frames <= START_FRAMES else "float32"

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> NDArray[np.int64]:
        """Fit the mixture and return the most probable component of each frame.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        array, shape (T,)
            The same as ``fit(X).predict(X)``.
        """
        return self.fit(X, y, sample_weight=sample_weight).predict(X)
