"""The two halves of an iteration of variational inference, in standardised coordinates.

As `steps` does for maximum likelihood, they notice where float32 has lost what they are about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.gaussians.density import NaturalParameters, standard_natural_parameters
from speakergmm.gaussians.em import UpdateReport
from speakergmm.gaussians.parameters import Precision
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.steps import moment_rounding
from speakergmm.mixtures.variational.bound import evidence_lower_bound
from speakergmm.mixtures.variational.posterior import VariationalPosterior
from speakergmm.mixtures.variational.prior import VariationalPrior
from speakergmm.mixtures.variational.update import update_variational

# Error of a log-density, in nats, from which on a step is made in float64: the relative error of
# variances, which are differences of two sums, is of that size too.
_LARGEST_ROUNDING = 1e-2
# Of the bound per frame: what sums of any kind leave; and what is left of float32's in float64.
_LEAST_ROUNDING: dict[Precision, float] = {"float32": 1e-5, "float64": 1e-9}
_FLOAT64 = float(np.finfo(np.float64).eps / np.finfo(np.float32).eps)


class VariationalSteps:
    """E- and M-step for `expectation_maximisation`, whose bounds are those in feature units.

    Parameters
    ----------
    sum_statistics : callable
        Called as ``sum_statistics(natural, precision)``: statistics of all frames.
    prior : VariationalPrior
        In standardised coordinates.
    reg_covar : float or array, shape (D,)
        What is added to variances, in standardised coordinates.
    standardisation : Standardisation
        Of the frames.
    precision : {"float32", "float64"}
        The coarsest that may be used.
    """

    def __init__(
        self,
        sum_statistics: Callable[[NaturalParameters, Precision], MixtureStatistics],
        *,
        prior: VariationalPrior,
        reg_covar: ArrayLike,
        standardisation: Standardisation,
        precision: Precision,
    ) -> None:
        self._sum = sum_statistics
        self._prior = prior
        self._reg_covar = reg_covar
        self._standardisation = standardisation
        self._precision = precision
        self._rounding = 0.0
        self._of_moments = 0.0
        # What the last accumulation found out on its way, and the last update was made of.
        self._natural: tuple[VariationalPosterior, NaturalParameters] | None = None
        self._updated: tuple[MixtureStatistics, VariationalPosterior, UpdateReport] | None = None
        self._last: tuple[MixtureStatistics, VariationalPosterior] | None = None

    def accumulate(self, model: VariationalPosterior) -> MixtureStatistics:
        """Share the frames out, in float32 where that serves the update."""
        natural = self._natural_of(model)
        self._rounding = natural.rounding * _FLOAT64
        if self._precision == "float64" or natural.rounding > _LARGEST_ROUNDING:
            return self._standard(self._sum(natural, "float64"))
        statistics = self._standard(self._sum(natural, "float32"))
        new, report = self._update(statistics, model)
        if self._natural_of(new).rounding > _LARGEST_ROUNDING:
            return self._standard(self._sum(natural, "float64"))
        self._rounding = natural.rounding
        self._updated = statistics, new, report
        return statistics

    def rounding(self) -> float:
        """Error to expect of the bound per frame after the last update, in nats."""
        return max(_LEAST_ROUNDING[self._precision], self._rounding, self._of_moments)

    def update(
        self, statistics: MixtureStatistics, model: VariationalPosterior
    ) -> tuple[VariationalPosterior, UpdateReport]:
        """Find the posterior, and the bound in feature units."""
        self._last = statistics, model
        if self._updated is not None and self._updated[0] is statistics:
            new, report = self._updated[1], self._updated[2]
        else:
            new, report = self._update(statistics, model)
        # The bound before is that of the one, the bound now that of the other.
        self._of_moments = max(moment_rounding(model.mixture), moment_rounding(new.mixture))
        return new, report

    def evidence_bound(self, model: VariationalPosterior) -> float:
        """Give the bound with all constants, in feature units: of a model in these coordinates.

        The responsibilities are those behind the last update.
        """
        assert self._last is not None
        statistics, responsible = self._last
        bound = evidence_lower_bound(statistics, responsible, model, self._prior)
        return bound - statistics.n_frames * self._standardisation.log_volume

    def _update(
        self, statistics: MixtureStatistics, model: VariationalPosterior
    ) -> tuple[VariationalPosterior, UpdateReport]:
        new, report = update_variational(
            statistics, model, prior=self._prior, reg_covar=self._reg_covar
        )
        assert report.bound is not None
        # Each degree of freedom of a precision counts half its log-determinant.
        degrees = model.n_components * self._prior.degrees_of_freedom + statistics.n_frames
        bound = report.bound - degrees * self._standardisation.log_volume
        return new, replace(report, bound=bound)

    def _standard(self, statistics: MixtureStatistics) -> MixtureStatistics:
        """Turn the log-likelihood, too, into that of standardised frames."""
        volume = statistics.n_frames * self._standardisation.log_volume
        return MixtureStatistics(
            statistics.counts,
            statistics.first_order,
            statistics.second_order,
            statistics.log_likelihood + volume,
            statistics.n_frames,
            statistics.covariance_type,
        )

    def _natural_of(self, model: VariationalPosterior) -> NaturalParameters:
        if self._natural is None or self._natural[0] is not model:
            natural = standard_natural_parameters(
                model.mixture, self._standardisation, log_weights=model.effective_log_weights
            )
            self._natural = model, natural
        return self._natural[1]
