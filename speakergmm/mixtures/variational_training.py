"""Variational inference from frames: the loop of expectation-maximisation, anywhere in space.

As in `training`, frames are evaluated and posteriors updated in standardised coordinates, in which
float32 is safe. The prior goes there and the posterior comes back; the bound changes by the volume
of the coordinates' unit cube and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures.accumulation import accumulate_standardised
from speakergmm.mixtures.density import NaturalParameters, check_precision
from speakergmm.mixtures.em import EMResult, EMState, Iteration, expectation_maximisation
from speakergmm.mixtures.frames import FrameSource, check_rereadable
from speakergmm.mixtures.parameters import Precision
from speakergmm.mixtures.standardisation import Standardisation
from speakergmm.mixtures.statistics import MixtureStatistics
from speakergmm.mixtures.survey import Survey, survey_frames
from speakergmm.mixtures.variational_posterior import VariationalPosterior
from speakergmm.mixtures.variational_prior import VariationalPrior
from speakergmm.mixtures.variational_steps import VariationalSteps

# Rounding of float32 densities and moments makes the bound move by some 3e-7 of the size of a
# log-density, per frame; in standardised coordinates that is about 1.4 nats per feature.
_LEAST_GAIN_FLOAT32 = 1.5e-7
_ROUNDING = {"float32": 1e-5, "float64": 1e-9}


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
    survey: Survey | None = None,
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
        may fall if it is not 0; inference goes on then.
    sample_weight : array, shape (T,), optional
        Weight of each frame, >= 0; one of weight 2 is two frames.
    precision : {"float32", "float64"}, default="float32"
        Of densities within a block; sums are float64. A step that float32 can't serve, as
        components are far narrower than the data, is made in float64.
    n_jobs : int, default=1
        Threads; -1 for all cores. The result does not depend on it.
    previous : float, optional
        Bound per frame of an inference that is gone on with.
    callback : callable, optional
        Called as ``callback(number, iteration)`` after each iteration.
    survey : Survey, optional
        What `survey_frames` found, where it is known already.

    Returns
    -------
    VariationalResult

    Raises
    ------
    InvalidInputError
        If an option is out of range, frames are no finite matrix of D columns, start and prior
        disagree, or the source can be read only once.

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
    check_precision(precision)
    check_rereadable(source)
    if start.covariance_type != prior.covariance_type or start.n_features != prior.n_features:
        raise InvalidInputError(
            f"start and prior disagree: {start.covariance_type} of {start.n_features} features, "
            f"{prior.covariance_type} of {prior.n_features}"
        )
    survey = survey or survey_frames(source, sample_weight)
    standardisation = Standardisation.from_moments(
        survey.mean, survey.variance, isotropic=start.covariance_type == "spherical"
    )

    def sum_statistics(natural: NaturalParameters, precision: Precision) -> MixtureStatistics:
        return accumulate_standardised(
            natural,
            source,
            covariance_type=start.covariance_type,
            sample_weight=sample_weight,
            precision=precision,
            n_jobs=n_jobs,
        )

    steps = VariationalSteps(
        sum_statistics,
        prior=prior.to_standard(standardisation),
        reg_covar=reg_covar / standardisation.scale**2,
        standardisation=standardisation,
        precision=precision,
    )
    least_gain = _LEAST_GAIN_FLOAT32 * start.n_features if precision == "float32" else 0.0
    tol = max(tol, least_gain)

    def run(limit: int, state: EMState[VariationalPosterior]) -> EMResult[VariationalPosterior]:
        return expectation_maximisation(
            state.model,
            steps.accumulate,
            steps.update,
            max_iter=limit,
            tol=tol,
            rounding=_ROUNDING[precision],
            callback=callback,
            final_update=True,
            resume=state,
        )

    standard = start.to_standard(standardisation)
    begun = EMState(standard, standard, ())
    result = run(max_iter if previous is None else 1, begun)
    if previous is not None:
        # A bound below that of other frames, or of another prior, is no sign of an error.
        if abs(result.objectives[0] - previous) <= tol:
            result = EMResult(result.model, result.history, "converged")
        elif max_iter > 1:
            result = run(max_iter, EMState(result.model, standard, result.history))
    posterior = result.model.from_standard(standardisation)
    return VariationalResult(
        posterior,
        EMResult(posterior, result.history, result.convergence),
        steps.evidence_bound(result.model),
    )
