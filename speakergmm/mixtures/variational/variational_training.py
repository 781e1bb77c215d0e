"""Variational inference from frames: the loop of expectation-maximisation, anywhere in space.

As in `training`, frames are evaluated and posteriors updated in standardised coordinates, in which
float32 is safe. The prior goes there and the posterior comes back; the bound changes by the volume
of the coordinates' unit cube and nothing else.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.checkpoints import DEFAULT_SECONDS, Resumable, open_checkpoint
from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.accumulate import FramesPass
from speakergmm.gaussians.covariances import Precision
from speakergmm.gaussians.em import (
    EMResult,
    EMState,
    EMStep,
    Iteration,
    UpdateReport,
    em_result,
    iteration_callback,
    run_training_loop,
)
from speakergmm.gaussians.frame_sources import FrameSource, check_rereadable, frame_moments
from speakergmm.gaussians.prepare import check_precision
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.training_steps import TrainingSteps
from speakergmm.mixtures.fingerprint import frames_fingerprint
from speakergmm.mixtures.variational.bound import evidence_lower_bound
from speakergmm.mixtures.variational.posterior import VariationalPosterior
from speakergmm.mixtures.variational.update import update_variational
from speakergmm.mixtures.variational.variational_prior import VariationalPrior
from speakergmm.moments import Moments

# Rounding of float32 densities and moments makes the bound move by some 3e-7 of the size of a
# log-density, per frame; in standardised coordinates that is about 1.4 nats per feature.
# Of the bound per frame: what sums of any kind leave.
_LEAST_ROUNDING: dict[Precision, float] = {"float32": 1e-5, "float64": 1e-9}
_LEAST_GAIN_FLOAT32 = 1.5e-7


@dataclass(frozen=True, slots=True, eq=False)
class VariationalResult:
    """The outcome of variational inference.

    Parameters
    ----------
    model : VariationalPosterior
        In feature units.
    em : EMResult
        History and convergence; objectives are `lower_bound` per frame, in feature units.
    elbo : float
        Lower bound on the log-evidence with all constants, in nats, over all frames: of `model`
        and the responsibilities from which it was found.
    """

    model: VariationalPosterior
    em: EMResult[VariationalPosterior]
    elbo: float


def train_variational(
    source: FrameSource,
    start: VariationalPosterior,
    *,
    prior: VariationalPrior,
    max_iter: int,
    tol: float,
    reg_covar: float = 0.0,
    sample_weight: NDArray[np.float64] | None = None,
    precision: Precision = "float32",
    n_jobs: int = 1,
    previous: float | None = None,
    callback: Callable[[int, Iteration], None] | None = None,
    moments: Moments | None = None,
    checkpoint: str | os.PathLike[str] | Resumable | None = None,
    checkpoint_seconds: float = DEFAULT_SECONDS,
) -> VariationalResult:
    """Infer the parameters of a Bayesian mixture from frames.

    Parameters
    ----------
    source : array of shape (T, D), iterable of such arrays, or callable that returns an iterable
        Frames, read once an iteration.
    start : VariationalPosterior
        In feature units.
    prior : VariationalPrior
        In feature units, of the same kind.
    max_iter : int
        Most updates, >= 1.
    tol : float
        Inference ends when the bound, per frame, changes by no more than this (or than rounding
        can tell).
    reg_covar : float, default=0
        Added to the variances of the frames of each component, in squared feature units. The bound
        may fall a little if it is not 0; inference goes on then.
    sample_weight : array, shape (T,), optional
        Weight of each frame, >= 0; one of weight 2 is two frames.
    precision : {"float32", "float64"}, default="float32"
        Of densities within a block; sums are float64. A step that float32 can't serve, as
        components are far narrower than the data, is made in float64.
    n_jobs : int, default=1
        Threads; -1 for all cores. The result does not depend on it.
    previous : float, optional
        Last bound per frame of an inference on the same frames, weights and prior that is gone on
        with, as in `expectation_maximisation`.
    callback : callable, optional
        Called as ``callback(number, iteration)`` after each iteration.
    moments : Moments, optional
        What `frame_moments` found, where it is known already.
    checkpoint : path, optional
        A file to which the state is written as inference goes on, and from which the same call
        goes on where it was interrupted, to exactly the same result. One that has ended removes
        it; `callback` hears of new iterations only. (Or a `Resumable` that is opened
        and closed elsewhere.)
    checkpoint_seconds : float, default=5
        Least time between two writings, >= 0.

    Returns
    -------
    VariationalResult

    Raises
    ------
    InvalidInputError
        If an option is out of range, frames are no finite matrix of D columns, start and prior
        disagree, or the source can be read only once or gives other frames later.
    IncompatibleModelError
        If the checkpoint is that of other frames, weights or options; they are named.
    ModelFormatError
        If the checkpoint is something else, or damaged.

    Warns
    -----
    CheckpointWarning
        If a checkpoint can't be written, as on a full disk. Inference goes on.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-5, 1, (200, 1)), rng.normal(5, 1, (200, 1))])
    >>> prior = VariationalPrior("diag", concentration=0.01, mean=[0.0], mean_precision=1.0,
    ...     degrees_of_freedom=1.0, covariance=[1.0])
    >>> far = np.linspace(-9.0, 9.0, 6)[:, None]
    >>> from speakergmm.mixtures.variational.closed_form import posterior_from_moments
    >>> start = posterior_from_moments(np.full(6, 9.0), far, np.full((6, 1), 9.0), prior=prior)
    >>> result = train_variational(X, start, prior=prior, max_iter=300, tol=1e-6)
    >>> int((result.model.weights > 0.01).sum())
    2
    """
    check_precision(precision)
    check_rereadable(source)
    _check_kinds(start, prior)
    moments = moments or frame_moments(source, sample_weight)
    standardisation = Standardisation.from_moments(
        moments.mean, moments.variance, isotropic=start.kind.is_isotropic
    )

    update = _Update(
        standardisation.model_to_standard(prior),
        reg_covar / standardisation.scale**2,
        standardisation.log_volume,
    )
    frames = FramesPass.of_training(
        source, sample_weight, moments, precision=precision, n_jobs=n_jobs
    )
    steps = TrainingSteps(
        frames,
        update,
        standardisation=standardisation,
        least_rounding=_LEAST_ROUNDING[precision],
    )
    if precision == "float32":
        tol = max(tol, _LEAST_GAIN_FLOAT32 * start.n_features)
    begin = standardisation.model_to_standard(start)
    step = EMStep(
        accumulate=steps.accumulate,
        update=steps.update,
        max_iter=max_iter,
        tol=tol,
        previous=previous,
        rounding=steps.rounding,
        final_update=True,
    )

    def fingerprint() -> dict[str, Any]:
        return {
            **frames_fingerprint(source, moments, sample_weight),
            "max_iter": max_iter,
            "tol": tol,
            "previous": previous,
            "reg_covar": reg_covar,
            "precision": precision,
            "n_components": start.n_components,
            "covariance_type": start.covariance_type,
            "covariance_prior_type": start.covariance_prior_type,
            "weight_concentration_type": prior.weight_concentration_type,
            "start": start,
            "prior": prior,
        }

    with open_checkpoint(
        checkpoint,
        EMState[VariationalPosterior],
        fingerprint=fingerprint,
        seconds=checkpoint_seconds,
    ) as file:
        result = em_result(
            run_training_loop(
                file.state or EMState(begin, begin, ()),
                step,
                checkpoint=file.record,
                callback=iteration_callback(callback),
            )
        )
    posterior = standardisation.model_from_standard(result.model)
    em = EMResult(posterior, result.history, result.convergence)
    return VariationalResult(posterior, em, update.evidence_of(result.model))


@dataclass(slots=True)
class _Update:
    """The update in standardised coordinates; its bounds are those of feature units.

    `last` is what the last bound is of: statistics, and the posterior that shared the frames out.
    """

    prior: VariationalPrior
    reg_covar: NDArray[np.float64]
    log_volume: float
    last: tuple[MixtureStatistics, VariationalPosterior] | None = None

    def __call__(
        self, statistics: MixtureStatistics, model: VariationalPosterior
    ) -> tuple[VariationalPosterior, UpdateReport]:
        # Its log-likelihood, too, is that of standardised frames.
        statistics = statistics.with_likelihood(
            statistics.log_likelihood + statistics.n_frames * self.log_volume
        )
        self.last = statistics, model
        new, report = update_variational(
            statistics, model, prior=self.prior, reg_covar=self.reg_covar
        )
        assert report.bound is not None
        # A prior density of precisions, K times, and one of the frames: both have units.
        degrees = model.n_components * self.prior.degrees_of_freedom + statistics.n_frames
        return new, replace(report, bound=report.bound - degrees * self.log_volume)

    def evidence_of(self, posterior: VariationalPosterior) -> float:
        """Bound on the evidence, of what the last statistics made."""
        assert self.last is not None
        statistics, responsible = self.last
        bound = evidence_lower_bound(statistics, responsible, posterior, self.prior)
        return bound - statistics.n_frames * self.log_volume


def _check_kinds(start: VariationalPosterior, prior: VariationalPrior) -> None:
    words = [
        f"{one.covariance_type} of {one.n_features} features ({one.covariance_prior_type}, "
        f"{one.weight_concentration_type})"
        for one in (start, prior)
    ]
    if words[0] != words[1]:
        raise InvalidInputError(f"start and prior disagree: {words[0]} and {words[1]}")
