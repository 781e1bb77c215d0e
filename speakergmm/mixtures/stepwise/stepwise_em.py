"""Stepwise EM: a mixture that learns from a stream, with one update for each block of frames.

Running statistics take the place of those of all frames: the statistics of each block are mixed
into them with a weight that decreases from block to block, and the ordinary maximum-likelihood
update follows. The larger the steps, the sooner old blocks are forgotten; with steps of 1/t none
is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.accumulate import FramesPass
from speakergmm.gaussians.e_step_m_step import TrainingSteps
from speakergmm.gaussians.em import UpdateReport
from speakergmm.gaussians.frame_sources import FrameSource, check_frame_weights, check_rereadable
from speakergmm.gaussians.source_moments import frame_moments
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.updates import check_statistics
from speakergmm.mixtures.maximum_likelihood import average_frame_weight, update_maximum_likelihood
from speakergmm.mixtures.mixture import Mixture, mixture_of
from speakergmm.mixtures.mixture_options import StepwiseOptions
from speakergmm.moments import Moments
from speakergmm.ranges import number, wrong_type

# Largest distance of the stream's mean from that of the coordinates, in deviations, and largest
# factor between their deviations: far below the limits of float32.
_LARGEST_MOVE = 4.0
_LARGEST_FACTOR = 4.0


@dataclass(frozen=True, slots=True, eq=False)
class StepwiseState:
    """A mixture, and the state of the stream from which it has learnt.

    Parameters
    ----------
    standard : Mixture
        The mixture in standardised coordinates.
    standardisation : Standardisation
        The map to these coordinates, which are those of the first block until the stream leaves
        them.
    statistics : MixtureStatistics
        Running statistics in these coordinates. Their `n_frames` is the effective number of frames
        of a mean with these weights; 0 at the beginning.
    mean, variance : array, shape (D,)
        Running mean and variance of all features, in feature units.
    n_steps : int
        Number of blocks so far; a start with a weight counts as one.
    weight : float
        Number of frames so far, or the sum of their weights.
    log_likelihood : float or None
        Log-likelihood per frame of the last block, under the mixture before it.
    report : UpdateReport
        Report of the last update.
    """

    standard: Mixture
    standardisation: Standardisation
    statistics: MixtureStatistics
    mean: Annotated[NDArray[np.float64], "D"]
    variance: Annotated[NDArray[np.float64], "D"]
    n_steps: int = 0
    weight: float = 0.0
    log_likelihood: float | None = None
    report: UpdateReport = field(default_factory=UpdateReport)

    @classmethod
    def begin(cls, start: Mixture, *, weight: float = 0.0, reg_covar: float = 0.0) -> StepwiseState:
        """Return the state before the first block.

        Parameters
        ----------
        start : Mixture
            The mixture from which learning starts, of any kind, in feature units.
        weight : float, default=0
            Number of frames for which the start counts. At 0 it serves for the responsibilities of
            the first block only; otherwise it counts as a first block of so many frames.
        reg_covar : float, default=0
            Part of the start's variances that came from regularisation, in squared feature units;
            later updates add it again.

        Raises
        ------
        InvalidInputError
            If `weight` is out of range.
        """
        weight = number("weight", weight, least=0)
        start = mixture_of(start)
        mean, variance = start.global_moments()
        standardisation = _standardise(start, mean, variance)
        standard = standardisation.model_to_standard(start)
        return cls(
            standard,
            standardisation,
            expected_statistics(standard, weight, reg_covar=reg_covar / standardisation.scale**2),
            mean,
            variance,
            n_steps=int(weight > 0),
            weight=weight,
        )

    @classmethod
    def of_record(cls, **parts: Any) -> StepwiseState:
        """Return a state from its stored parts, after a check of them.

        Raises
        ------
        InvalidInputError
            If the parts do not belong together, or numbers are out of range.
        """
        state = cls(**parts)
        standard, statistics = state.standard, state.statistics
        check_statistics(statistics, standard.gaussians, needs_second_order=True)
        if not state.mean.size == state.standardisation.scale.size == standard.n_features:
            raise InvalidInputError(
                "the parts of the state of a stream must have the same number of features"
            )
        if not (
            (state.variance >= 0).all()
            and min(state.n_steps, state.weight, statistics.n_frames) > 0
            and math.isfinite(state.weight + (state.log_likelihood or 0.0))
        ):
            raise InvalidInputError("the state of a stream contains numbers that are out of range")
        return state

    @property
    def model(self) -> Mixture:
        """The mixture in feature units."""
        return self.standardisation.model_from_standard(self.standard)


def update_stepwise(
    state: StepwiseState,
    X: FrameSource,
    options: StepwiseOptions | None = None,
    *,
    sample_weight: ArrayLike | None = None,
    moments: Moments | None = None,
    engine: EngineLike = None,
    **changes: Any,
) -> StepwiseState:
    """Learn from one block of a stream.

    Parameters
    ----------
    state : StepwiseState
        The state after the blocks before; it is not changed.
    X : array of shape (T, D), iterable of such arrays, or callable that returns an iterable
        The block, in feature units; read twice.
    options : StepwiseOptions, optional
        Sizes of the steps, `precision`, and options of the update.
    sample_weight : array, shape (T,), optional
        Weight of each frame, finite and >= 0, not all 0.
    moments : Moments, optional
        Moments of the same frames and weights, if they are known already.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of threads. The result does not depend on it.
    **changes
        Options by keyword, in place of those of `options`.

    Returns
    -------
    StepwiseState
        The state after this block.

    Raises
    ------
    InsufficientDataError
        If the block contains no frame with a weight.
    InvalidInputError
        If the frames are not a finite matrix of as many features as the mixture has, there is not
        one weight for each frame, or an option is out of range.

    Notes
    -----
    With the statistics s of t blocks and b of the next block, both per frame, and the step size
    eta = (t + offset)^-exponent, the new ones are (1 - eta) s + eta b [1]_, as in stepwise EM over
    mini-batches [2]_. The first block has eta = 1. A block of r times the mean
    weight of those before has r times the odds eta / (1 - eta), so that an exponent and an offset
    of 1 give the plain statistics of all frames, each under the mixture of its time.

    References
    ----------
    .. [1] Cappe, Moulines, "On-line Expectation-Maximization Algorithm for Latent Data Models",
       Journal of the Royal Statistical Society B 71 (2009) 593-613.
    .. [2] Liang, Klein, "Online EM for Unsupervised Models", NAACL (2009) 611-619.

    Examples
    --------
    >>> from speakergmm.mixtures import DiagonalMixture
    >>> rng = np.random.default_rng(0)
    >>> state = StepwiseState.begin(DiagonalMixture([0.5, 0.5], [[-1.0], [1.0]], [[4.0], [4.0]]))
    >>> for _ in range(50):
    ...     block = np.concatenate([rng.normal(-5, 1, (40, 1)), rng.normal(5, 1, (60, 1))])
    ...     state = update_stepwise(state, block)
    >>> state.n_steps, state.model.weights.round(2), state.model.means.round(0)
    (50, array([0.4, 0.6]), array([[-5.],
           [ 5.]]))
    """
    options = StepwiseOptions.of(options, changes)
    engine = Engine.of(engine)
    if not isinstance(state, StepwiseState):
        raise wrong_type(state, "StepwiseState.begin(mixture)", " before the first block")
    check_rereadable(X)
    weights = check_frame_weights(sample_weight)
    moments = moments or frame_moments(X, weights, engine=engine)
    if len(moments.mean) != state.standard.n_features:
        raise InvalidInputError(
            f"frames must have {state.standard.n_features} features, found {len(moments.mean)}"
        )
    # The part of the running statistics that this block takes.
    eta = _step_size(state, moments.weight, options)
    # Mean and variance of the stream. The mean is moved from the old one, so that a constant
    # feature keeps its exact value.
    mean = moments.mean if eta == 1 else state.mean + eta * (moments.mean - state.mean)
    variance = (1.0 - eta) * (state.variance + (state.mean - mean) ** 2)
    variance += eta * (moments.variance + (moments.mean - mean) ** 2)
    # Frames are evaluated in coordinates that follow the stream, in which float32 is safe.
    state = _in_safe_coordinates(state, mean, variance, first=state.n_steps == 0)
    standardisation = state.standardisation
    added = options.update.reg_covar / standardisation.scale**2
    update_options = replace(options.update, reg_covar=added)

    # The E-step goes over the block; the M-step takes the running statistics with it mixed in.
    def update(block: MixtureStatistics, model: Mixture) -> tuple[Mixture, UpdateReport]:
        return update_maximum_likelihood(
            _mix(state.statistics, block.about_zero(), eta),
            model,
            options=update_options,
            data_variance=variance / standardisation.scale**2,
            frame_weight=average_frame_weight(weights),
        )

    frames = FramesPass(X, weights, precision=options.precision, engine=engine)
    steps = TrainingSteps(frames, update, standardisation=standardisation)
    found = steps.accumulate(state.standard)
    standard, report = steps.update(found, state.standard)
    block = found.about_zero()
    statistics = _mix(state.statistics, block, eta)
    if report.revived:
        # The frames of the heavy component must be shared with the one that was dead.
        statistics = expected_statistics(standard, statistics.n_frames, reg_covar=added)
    return StepwiseState(
        standard,
        standardisation,
        statistics,
        mean,
        variance,
        n_steps=state.n_steps + 1,
        weight=state.weight + moments.weight,
        log_likelihood=block.log_likelihood / block.n_frames,
        report=report,
    )


def expected_statistics(
    model: Mixture, n_frames: float, *, reg_covar: float | NDArray[np.float64] = 0.0
) -> MixtureStatistics:
    """Return the statistics of `n_frames` frames from which an update yields this very mixture.

    Without regularisation they are the expected statistics of frames drawn from the mixture, each
    counted for its own component. The number `reg_covar` (one, or one for each feature) that the
    update will add to the variances is subtracted from them.
    """
    kind, counts, means = model.gaussians.kind, model.weights * n_frames, model.means
    added = np.broadcast_to(np.asarray(reg_covar, np.float64), (model.n_features,))
    squares = kind.second_moments(counts, means, kind.regularised(model.covariances, -added))
    return MixtureStatistics(
        counts, counts[:, None] * means, squares, 0.0, n_frames, model.covariance_type
    )


def _step_size(state: StepwiseState, weight: float, options: StepwiseOptions) -> float:
    """Return the part that a block of this weight takes in the running statistics."""
    if state.n_steps == 0:
        return 1.0
    eta = options.step_size
    if eta is None:
        eta = float((state.n_steps + options.step_offset) ** -options.step_exponent)
    if options.weigh_blocks:
        # A block of r times the mean weight of those before has r times the odds.
        ratio = weight * state.n_steps / state.weight
        eta = eta * ratio / (1.0 - eta + eta * ratio)
    return eta


def _mix(running: MixtureStatistics, block: MixtureStatistics, eta: float) -> MixtureStatistics:
    """Return mixed means of statistics; their `n_frames` is the effective number of frames.

    A weighted mean of independent frames has the variance of one of 1 / (sum of squared weights).
    """
    if eta == 1:
        return block
    worth = 1.0 / ((1.0 - eta) ** 2 / running.n_frames + eta**2 / block.n_frames)
    return running.scale((1.0 - eta) * worth / running.n_frames) + block.scale(
        eta * worth / block.n_frames
    )


def _standardise(
    model: Mixture, mean: NDArray[np.float64], variance: NDArray[np.float64]
) -> Standardisation:
    return Standardisation.from_moments(mean, variance, isotropic=model.gaussians.kind.is_isotropic)


def _in_safe_coordinates(
    state: StepwiseState,
    mean: NDArray[np.float64],
    variance: NDArray[np.float64],
    *,
    first: bool,
) -> StepwiseState:
    """Return a state in coordinates of the stream's new moments if the old ones are far off."""
    old = state.standardisation
    new = _standardise(state.standard, mean, variance)
    factor = new.scale / old.scale
    is_near = (
        (np.abs(mean - old.centre) <= _LARGEST_MOVE * old.scale)
        & (factor <= _LARGEST_FACTOR)
        & (factor >= 1.0 / _LARGEST_FACTOR)
    )
    if not first and is_near.all():
        return state
    # Between coordinates, not by way of feature units: there a large offset would cost digits.
    scale = old.scale / new.scale
    shift = (old.centre - new.centre) / new.scale
    return replace(
        state,
        standard=state.standard.rescaled(scale, shift),
        standardisation=new,
        statistics=state.statistics.rescaled(scale, shift),
    )
