"""Variational inference of a mixture from frames, by the loop of expectation-maximisation.

As in `mixture_training`, frames are evaluated and posteriors updated in standardised coordinates,
in which float32 is safe. The prior is moved there and the posterior is moved back; the bound
changes by nothing but the volume of the coordinates' unit cube.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.accumulate import FramesPass
from speakergmm.gaussians.choices import Precision
from speakergmm.gaussians.e_step_m_step import TrainingSteps
from speakergmm.gaussians.em import EMResult, EMState, EMStep, UpdateReport
from speakergmm.gaussians.frame_sources import FrameSource, check_rereadable
from speakergmm.gaussians.source_moments import frame_moments
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.mixtures.fingerprint import frames_fingerprint
from speakergmm.mixtures.mixture_options import VariationalOptions
from speakergmm.mixtures.resumable_em import run_resumable_em
from speakergmm.mixtures.variational.bound import evidence_lower_bound
from speakergmm.mixtures.variational.posterior import VariationalPosterior
from speakergmm.mixtures.variational.update import update_variational
from speakergmm.mixtures.variational.variational_prior import VariationalPrior
from speakergmm.moments import Moments
from speakergmm.ranges import wrong_type
from speakergmm.run_context import RunContext

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
    options: VariationalOptions | None = None,
    *,
    prior: VariationalPrior,
    sample_weight: NDArray[np.float64] | None = None,
    moments: Moments | None = None,
    previous: float | None = None,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> VariationalResult:
    """Infer the parameters of a Bayesian mixture from frames.

    Parameters
    ----------
    source : array of shape (T, D), iterable of such arrays, or callable that returns an iterable
        Frames, read once per iteration.
    start : VariationalPosterior
        The posterior from which inference starts, in feature units.
    options : VariationalOptions, optional
        Options of the inference: `max_iter`, `tol`, `reg_covar` and `precision`.
    prior : VariationalPrior
        Prior of the parameters, in feature units, of the same kind as the start.
    sample_weight : array, shape (T,), optional
        Weight of each frame, >= 0; a frame of weight 2 counts as two frames.
    moments : Moments, optional
        Moments of the same frames and weights, if they are known already.
    previous : float, optional
        Last bound per frame of an earlier inference on the same frames, weights and prior, which
        this call continues; as in `expectation_maximisation`.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of threads. The result does not depend on it.
    run : RunContext, optional
        Its `callback`, `checkpoint` and `checkpoint_seconds` are used as in `train_from`.
    **changes
        Options by keyword, in place of those of `options`.

    Returns
    -------
    VariationalResult
        The posterior in feature units, the history, and the bound on the evidence.

    Raises
    ------
    InvalidInputError
        If an option is out of range, the frames are not a finite matrix of D columns, start and
        prior disagree, or the source can be read only once or yields other frames later.
    IncompatibleModelError
        If the checkpoint was written with other frames, weights or options; they are named.
    ModelFormatError
        If the checkpoint is another kind of file, or damaged.

    Warns
    -----
    CheckpointWarning
        If a checkpoint cannot be written, as on a full disk. Inference goes on.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-5, 1, (200, 1)), rng.normal(5, 1, (200, 1))])
    >>> prior = VariationalPrior("diag", concentration=0.01, mean=[0.0], mean_precision=1.0,
    ...     degrees_of_freedom=1.0, covariance=[1.0])
    >>> far = np.linspace(-9.0, 9.0, 6)[:, None]
    >>> from speakergmm.mixtures.variational import posterior_from_moments
    >>> start = posterior_from_moments(np.full(6, 9.0), far, np.full((6, 1), 9.0), prior=prior)
    >>> result = train_variational(X, start, prior=prior, max_iter=300, tol=1e-6)
    >>> int((result.model.weights > 0.01).sum())
    2
    """
    options = VariationalOptions.of(options, changes)
    engine, run = Engine.of(engine), RunContext.checked(run)
    check_rereadable(source)
    _check_kinds(start, prior)
    moments = moments or frame_moments(source, sample_weight, engine=engine)
    # All that follows happens in coordinates in which the data have mean 0 and variance near 1:
    # the prior and the start are moved there, and the posterior is moved back at the end.
    standardisation = Standardisation.from_moments(
        moments.mean, moments.variance, isotropic=start.kind.is_isotropic
    )
    update = _Update(
        standardisation.model_to_standard(prior),
        options.reg_covar / standardisation.scale**2,
        standardisation.log_volume,
    )
    step = _variational_step(
        FramesPass.of_training(
            source, sample_weight, moments, precision=options.precision, engine=engine
        ),
        update,
        standardisation,
        options,
        previous=previous,
    )

    def fingerprint() -> dict[str, Any]:
        """Return what a checkpoint must share with this call."""
        return {
            **frames_fingerprint(source, moments, sample_weight),
            "max_iter": options.max_iter,
            "tol": step.tol,
            "previous": previous,
            "reg_covar": options.reg_covar,
            "precision": options.precision,
            "n_components": start.n_components,
            "covariance_type": start.covariance_type,
            "covariance_prior_type": start.covariance_prior_type,
            "weight_concentration_type": prior.weight_concentration_type,
            "start": start,
            "prior": prior,
        }

    result = run_resumable_em(
        standardisation.model_to_standard(start),
        step,
        EMState[VariationalPosterior],
        fingerprint=fingerprint,
        run=run,
    )
    posterior = standardisation.model_from_standard(result.model)
    em = EMResult(posterior, result.history, result.convergence)
    return VariationalResult(posterior, em, update.evidence_of(result.model))


def _variational_step(
    frames: FramesPass,
    update: _Update,
    standardisation: Standardisation,
    options: VariationalOptions,
    *,
    previous: float | None,
) -> EMStep[VariationalPosterior, MixtureStatistics]:
    """Return one iteration: responsibilities of all frames, then the posterior they imply."""
    steps = TrainingSteps(
        frames,
        update,
        standardisation=standardisation,
        least_rounding=_LEAST_ROUNDING[options.precision],
    )
    tol = options.tol
    if options.precision == "float32":
        tol = max(tol, _LEAST_GAIN_FLOAT32 * len(standardisation.scale))
    return EMStep(
        accumulate=steps.accumulate,
        update=steps.update,
        max_iter=options.max_iter,
        tol=tol,
        previous=previous,
        rounding=steps.rounding,
        # The bound is that of the posterior after the update.
        final_update=True,
    )


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
    if not isinstance(start, VariationalPosterior):
        raise wrong_type(start, "VariationalPosterior(...)", " for start")
    if not isinstance(prior, VariationalPrior):
        raise wrong_type(prior, "VariationalPrior(...)", " for prior")
    words = [
        f"{one.covariance_type} of {one.n_features} features ({one.covariance_prior_type}, "
        f"{one.weight_concentration_type})"
        for one in (start, prior)
    ]
    if words[0] != words[1]:
        raise InvalidInputError(f"start and prior disagree: {words[0]} and {words[1]}")
