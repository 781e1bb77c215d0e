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
from speakergmm.mixtures.density import standard_natural_parameters
from speakergmm.mixtures.em import EMResult, Iteration, UpdateReport, expectation_maximisation
from speakergmm.mixtures.frames import FrameSource, check_rereadable
from speakergmm.mixtures.parameters import Precision
from speakergmm.mixtures.standardisation import Standardisation
from speakergmm.mixtures.statistics import MixtureStatistics
from speakergmm.mixtures.survey import Survey, survey_frames
from speakergmm.mixtures.variational import update_variational
from speakergmm.mixtures.variational_bound import evidence_lower_bound
from speakergmm.mixtures.variational_posterior import VariationalPosterior
from speakergmm.mixtures.variational_prior import VariationalPrior

# By how much, relative to its size, rounding makes the bound of float32 densities move.
_ROUNDING_FLOAT32 = 1e-8


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


@dataclass(frozen=True, slots=True, kw_only=True)
class VariationalReport(UpdateReport):
    """Report of a variational update.

    Parameters
    ----------
    is_exact : bool
        Whether no variance was added, so that the bound can't have fallen but by rounding.
    """

    is_exact: bool = True

    @property
    def is_plain(self) -> bool:
        """Whether the update did nothing beside its formula."""
        return self.is_exact


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
        Of densities within a block; sums are float64.
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
    check_rereadable(source)
    if start.covariance_type != prior.covariance_type or start.n_features != prior.n_features:
        raise InvalidInputError(
            f"start and prior disagree: {start.covariance_type} of {start.n_features} features, "
            f"{prior.covariance_type} of {prior.n_features}"
        )
    survey = survey or survey_frames(source, sample_weight)
    kind = start.covariance_type
    standardisation = Standardisation.from_moments(
        survey.mean, survey.variance, isotropic=kind == "spherical"
    )
    standard_prior = prior.to_standard(standardisation)
    standard_reg = reg_covar / standardisation.scale**2
    log_volume = standardisation.log_volume
    # Each degree of freedom of a precision's distribution counts half its log-determinant.
    degrees = start.n_components * prior.degrees_of_freedom
    last: list[tuple[MixtureStatistics, VariationalPosterior, VariationalPosterior]] = []

    def accumulate(model: VariationalPosterior) -> MixtureStatistics:
        statistics = accumulate_standardised(
            standard_natural_parameters(
                model.mixture, standardisation, log_weights=model.effective_log_weights
            ),
            source,
            covariance_type=kind,
            sample_weight=sample_weight,
            precision=precision,
            n_jobs=n_jobs,
        )
        # Densities of z, as the moments are.
        return MixtureStatistics(
            statistics.counts,
            statistics.first_order,
            statistics.second_order,
            statistics.log_likelihood + statistics.n_frames * log_volume,
            statistics.n_frames,
            kind,
        )

    def update(
        statistics: MixtureStatistics, model: VariationalPosterior
    ) -> tuple[VariationalPosterior, UpdateReport]:
        new, report = update_variational(
            statistics, model, prior=standard_prior, reg_covar=standard_reg
        )
        last[:] = [(statistics, model, new)]
        assert report.bound is not None
        bound = report.bound - (degrees + statistics.n_frames) * log_volume
        return new, VariationalReport(bound=bound, is_exact=reg_covar == 0)

    least_gain = _ROUNDING_FLOAT32 if precision == "float32" else 0.0
    result = expectation_maximisation(
        start.to_standard(standardisation),
        accumulate,
        update,
        max_iter=max_iter,
        tol=max(tol, least_gain),
        callback=callback,
        final_update=True,
        previous=previous,
    )
    statistics, responsible, model = last[0]
    elbo = evidence_lower_bound(statistics, responsible, model, standard_prior)
    posterior = result.model.from_standard(standardisation)
    return VariationalResult(
        posterior,
        EMResult(posterior, result.history, result.convergence),
        elbo - statistics.n_frames * log_volume,
    )
