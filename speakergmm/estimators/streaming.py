"""Training on one block after another by stepwise EM: `partial_fit`."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import KW_ONLY, dataclass, field, replace
from time import perf_counter
from typing import Any, ClassVar, Self

from sklearn.utils import check_random_state

from speakergmm.errors import InvalidInputError
from speakergmm.estimators.base import BaseMixtureEstimator
from speakergmm.estimators.history import FitHistory, FitIteration
from speakergmm.estimators.input_frames import TrainingFrames, training_frames
from speakergmm.estimators.parameter_checks import engine_of
from speakergmm.gaussians.choices import Precision
from speakergmm.mixtures.mixture import Mixture
from speakergmm.mixtures.mixture_options import MaximumLikelihoodOptions, StepwiseOptions
from speakergmm.mixtures.stepwise.stepwise_em import StepwiseState, update_stepwise
from speakergmm.ranges import number
from speakergmm.records import Types


@dataclass(frozen=True, slots=True, eq=False)
class _Past:
    """Weight and state of the data that a mixture was learnt from, for further blocks.

    Parameters
    ----------
    mixture : Mixture
        The mixture; if an estimator has another one, that was set later.
    weight : float
        Number of frames, or the sum of their weights.
    state : StepwiseState or None
        State of the stream; None after a fit.
    """

    mixture: Mixture
    weight: float
    state: StepwiseState | None = None


@dataclass(eq=False, repr=False)
class StepwiseFit(BaseMixtureEstimator):
    """Base of estimators of mixtures that also learn from one block after another.

    Attributes
    ----------
    n_steps_ : int
        Number of blocks that were learnt from; a mixture that was fitted before the first of them
        counts as one. Not set after `fit`.
    """

    record_has_kinds: ClassVar[bool] = True
    _extra_types: ClassVar[dict[str, Any]] = BaseMixtureEstimator._extra_types | {
        "learnt_weight": float | None,
        "stream": StepwiseState | None,
    }
    _: KW_ONLY
    step_exponent: float = 0.7
    step_offset: float = 2.0
    step_size: float | None = None
    mixture_: Mixture = field(init=False)

    @abstractmethod
    def _update_options(self) -> MaximumLikelihoodOptions:
        """Return the options of the update."""

    def _check_parameters(self) -> None:
        super()._check_parameters()
        self._step_options()

    def _step_options(self) -> StepwiseOptions:
        return StepwiseOptions(
            step_exponent=self.step_exponent,
            step_offset=self.step_offset,
            step_size=self.step_size,
            # With a constant step, the share of a block does not depend on its weight.
            weigh_blocks=self.step_size is None,
        )

    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from one block of a stream, by one step of stepwise EM.

        On the first block a start is found as in `fit` (by `init_params` and related parameters,
        with one restart); it must have at least `n_components` frames. Later blocks may have any
        size, and count by their weight. Steps decrease as `step_exponent` and `step_offset`
        determine. One pass over a stream in random order approximates the result of `fit`, several
        passes do so more closely. For a source that changes with time, a constant `step_size`
        forgets at a constant rate: each block, however long, then has this share in the
        statistics, and all earlier ones together have the rest.

        After `fit`, the fitted mixture counts as the first block of the stream, with the weight of
        the frames that it was fitted to: 20 frames after 100,000 hardly change it, and n frames
        after n count for somewhat less than half. `save` keeps the state of the stream and the
        weight of a fit, so that a loaded estimator continues like the saved one. If that weight is
        unknown (after `from_mixture`, or in files without it), the mixture counts as a block of
        the same weight as the first new one.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            The frames of the block, as in `fit`.
        y : ignored
            Present for pipelines.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame.

        Returns
        -------
        self
            With all attributes of a fit. `lower_bound_` is the log-likelihood per frame of this
            block under the mixture before the step; `history_` contains this step only;
            `converged_` is False, because a stream has no end.

        Raises
        ------
        ValueError
            As in `fit`. A block that is refused leaves the estimator unchanged.
        """
        started = perf_counter()
        self._check_parameters()
        is_new = not hasattr(self, "mixture_")
        # Later blocks may have fewer frames than there are components.
        least = self.n_components if is_new else 1
        frames = training_frames(self, X, sample_weight, n_components=least, fitting=is_new)
        state = self._stream_state(frames, is_new=is_new)
        precision = self._choose_precision(frames)
        state = update_stepwise(
            state,
            frames.source,
            replace(self._step_options(), precision=precision, update=self._update_options()),
            sample_weight=frames.sample_weight,
            moments=frames.moments,
            engine=engine_of(self),
        )
        self._keep_step(state, frames, precision, perf_counter() - started)
        return self

    def _stream_state(self, frames: TrainingFrames, *, is_new: bool) -> StepwiseState:
        if is_new:
            self._check_against_frames(frames)
            start = self._begin(frames, check_random_state(self.random_state))
            return StepwiseState.begin(start)
        start = self._resume(frames)
        past = self._past()
        if past is not None and past.state is not None:
            return past.state
        weight = frames.moments.weight if past is None else past.weight
        return StepwiseState.begin(start, weight=weight, reg_covar=self.reg_covar)

    def _past(self) -> _Past | None:
        past: _Past | None = getattr(self, "_learnt", None)
        return past if past is not None and past.mixture is self.mixture_ else None

    def _keep(self, frames: TrainingFrames, state: Mixture) -> None:
        self.mixture_ = state
        self._learnt = _Past(state, frames.moments.weight)
        # This fit replaces whatever was learnt from a stream before.
        if hasattr(self, "n_steps_"):
            del self.n_steps_

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
        self._learnt = _Past(self.mixture_, state.weight, state)
        self._set_dtype(frames.dtype)
        self.precision_ = precision
        self.convergence_ = "iteration_limit"
        self.converged_ = False
        self.n_steps_ = self.n_iter_ = state.n_steps
        self.lower_bound_ = record.bound
        self.lower_bounds_ = [record.bound]
        self.history_ = FitHistory((record,), (record.bound,))
        if self.callback is not None:
            self.callback(record)

    def record_parts(self) -> dict[str, Any]:
        """Return the parts of a fit, and the weight and state of a stream."""
        past = self._past()
        learnt = {} if past is None else {"learnt_weight": past.weight, "stream": past.state}
        return super().record_parts() | learnt

    def _restored(self, parts: Types) -> None:
        super()._restored(parts)
        stream: StepwiseState | None = parts.get("stream")
        weight: float | None = parts.get("learnt_weight")
        if stream is not None:
            if stream.model.means.shape != self.mixture_.means.shape:
                raise InvalidInputError("the state of the stream belongs to another mixture")
            self._learnt = _Past(self.mixture_, stream.weight, stream)
            self.n_steps_ = self.n_iter_ = stream.n_steps
        elif weight is not None:
            self._learnt = _Past(self.mixture_, number("weight of a fit", weight, above=0))
