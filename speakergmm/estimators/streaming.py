"""Fitting block by block, by stepwise EM: `partial_fit`."""

from __future__ import annotations

from abc import abstractmethod
from time import perf_counter
from typing import Any, Self

from sklearn.utils import check_random_state

from speakergmm.estimators import options
from speakergmm.estimators.base import BaseMixtureEstimator
from speakergmm.estimators.frames import TrainingFrames, training_frames
from speakergmm.estimators.history import FitHistory, FitIteration
from speakergmm.mixtures.maximum_likelihood import MaximumLikelihoodOptions
from speakergmm.mixtures.parameters import Precision
from speakergmm.mixtures.stepwise import StepwiseState, step


class StepwiseFit(BaseMixtureEstimator):
    """Base of estimators of mixtures that also learn block by block.

    Attributes
    ----------
    n_steps_ : int
        Blocks that were learnt from; a fitted mixture that the first of them met is one.
    """

    step_exponent: float
    step_offset: float
    n_steps_: int

    @abstractmethod
    def _update_options(self) -> MaximumLikelihoodOptions:
        """Give the options of the update."""

    def _check_parameters(self) -> None:
        super()._check_parameters()
        options.check_real(self, "step_exponent", least=0.0)
        options.check_real(self, "step_offset", least=0.0)
        if not 0.5 < self.step_exponent <= 1:
            raise options.refuse(self, "step_exponent", "a float in the range (0.5, 1]")

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from one block of a stream, by a step of stepwise EM.

        The first block finds a start as `fit` does (`init_params` and the like, one restart), and
        must hold `n_components` frames or more; later ones may be of any size, and count by their
        weight. The steps become smaller as `step_exponent` and `step_offset` say. After `fit`, or
        in an estimator that was loaded from a file, the fitted mixture is gone on with, and counts
        as one earlier block as heavy as the first new one. One pass over a stream in random order
        comes near to what `fit` finds; several passes come nearer.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            The frames of the block, as in `fit`.
        y : ignored
            For pipelines.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame.

        Returns
        -------
        self
            With all attributes of a fit. `lower_bound_` is the log-likelihood per frame of this
            block under the mixture that had not seen it; `history_` holds this step alone.
            `converged_` is False: a stream has no end.

        Raises
        ------
        ValueError
            As in `fit`. A block that is refused leaves the estimator as it was.
        """
        started = perf_counter()
        self._check_parameters()
        is_new = not hasattr(self, "mixture_")
        # Later blocks may be shorter than there are components.
        least = self.n_components if is_new else 1
        frames = training_frames(self, X, sample_weight, n_components=least, fitting=is_new)
        state = self._stream_state(frames, is_new=is_new)
        precision = self._choose_precision(frames)
        state = step(
            state,
            frames.source,
            sample_weight=frames.sample_weight,
            step_exponent=self.step_exponent,
            step_offset=self.step_offset,
            options=self._update_options(),
            precision=precision,
            n_jobs=self.n_jobs,
            survey=frames.survey,
        )
        self._keep_step(state, frames, precision, perf_counter() - started)
        return self

    def _stream_state(self, frames: TrainingFrames, *, is_new: bool) -> StepwiseState:
        if is_new:
            self._check_against_frames(frames)
            start = self._begin(frames, check_random_state(self.random_state))
            return StepwiseState.begin(start)
        start = self._resume(frames)
        state, mixture = getattr(self, "_stream", (None, None))
        # Whatever fitted the mixture since, it was no step of the stream.
        if state is None or mixture is not start:
            return StepwiseState.begin(start, weight=frames.survey.weight)
        assert isinstance(state, StepwiseState)
        return state

    def _keep_step(
        self, state: StepwiseState, frames: TrainingFrames, precision: Precision, seconds: float
    ) -> None:
        assert state.log_likelihood is not None
        record = FitIteration(
            restart=0,
            iteration=state.n_steps,
            bound=state.log_likelihood,
            seconds=seconds,
            n_floored=state.report.n_floored,
            revived=state.report.revived,
        )
        self.mixture_ = state.model
        self._stream = state, self.mixture_
        self._dtype = frames.dtype
        self.precision_ = precision
        self.convergence_ = "iteration_limit"
        self.converged_ = False
        self.n_steps_ = self.n_iter_ = state.n_steps
        self.lower_bound_ = record.bound
        self.lower_bounds_ = [record.bound]
        self.history_ = FitHistory((record,), (record.bound,))
        if self.callback is not None:
            self.callback(record)
