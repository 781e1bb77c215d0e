"""E- and M-steps of training, that notice where float32 has lost what they are about.

A variance is the difference of two sums, which float32 leaves with an error of some 1e-7 of the
mean square. Where a component turns out far narrower than the data the difference is mostly error,
and the step is made anew in float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeAlias

import numpy as np

from speakergmm.errors import CollapsedComponentError
from speakergmm.gaussians.centred import CentredStatistics
from speakergmm.gaussians.density import NaturalParameters, standard_natural_parameters
from speakergmm.gaussians.em import UpdateReport
from speakergmm.gaussians.parameters import AnyMixture, Mixture, Precision
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.statistics import MixtureStatistics

AnyStatistics: TypeAlias = MixtureStatistics | CentredStatistics

# Part of a variance, roughly: the log-likelihood that a step gains changes by its square.
_LARGEST_ROUNDING = 1e-2
# Of a log-likelihood per frame, in nats; and what is left of float32's rounding in float64.
_LEAST_ROUNDING = 1e-6
_FLOAT64 = float(np.finfo(np.float64).eps / np.finfo(np.float32).eps)
# Operations behind an element of a covariance, each of which may lose its last digit.
_OPERATIONS = 16


def moment_rounding(standard: Mixture) -> float:
    """Say what float64's rounding of covariances does to a log-likelihood per frame, in nats.

    Parameters
    ----------
    standard : Mixture
        In standardised coordinates, where the sums are made of which covariances are differences.

    Returns
    -------
    float
        Infinite where a covariance can't be inverted in float64.

    Notes
    -----
    An element (i, j) of a covariance C is off by a few eps sqrt(q_i q_j), q the mean squares of
    the features, and the log-determinant to first order by the trace of C^-1 times that. Where a
    covariance is nearly singular, as of frames with a column that is there twice, this is far more
    than eps.
    """
    if standard.covariance_type in ("spherical", "diag"):
        inverses = 1.0 / standard.component_variances()
        squares = np.maximum(1.0, standard.component_variances() + standard.means**2)
        sizes = (inverses * squares).sum(axis=1)
    else:
        try:
            inverses = np.abs(np.linalg.inv(standard.covariances))
        except np.linalg.LinAlgError:
            return float("inf")
        squares = np.maximum(1.0, standard.component_variances() + standard.means**2)
        roots = np.sqrt(squares)
        sizes = ((roots[:, None, :] @ inverses)[:, 0] * roots).sum(axis=1)
    eps = float(np.finfo(np.float64).eps)
    return 0.5 * _OPERATIONS * eps * float(standard.weights @ sizes)


class Steps(Generic[AnyMixture]):
    """The two halves of an iteration, for `expectation_maximisation`, in standardised coordinates.

    What precision is used depends on the model alone, not on the iterations before.

    Parameters
    ----------
    sum_statistics : callable
        Called as ``sum_statistics(natural, precision)``: statistics of all frames.
    update : callable
        Called as ``update(statistics, model)``: new model and report.
    standardisation : Standardisation
        Of the frames.
    precision : {"float32", "float64"}
        The coarsest that may be used.
    """

    def __init__(
        self,
        sum_statistics: Callable[[NaturalParameters, Precision], AnyStatistics],
        update: Callable[[AnyStatistics, AnyMixture], tuple[AnyMixture, UpdateReport]],
        *,
        standardisation: Standardisation,
        precision: Precision,
    ) -> None:
        self._sum = sum_statistics
        self._update = update
        self._standardisation = standardisation
        self._precision = precision
        self._rounding = 0.0
        self._of_moments = 0.0
        # What the last accumulation found out on its way.
        self._natural: tuple[AnyMixture, NaturalParameters] | None = None
        self._updated: tuple[AnyStatistics, tuple[AnyMixture, UpdateReport]] | None = None

    def accumulate(self, model: AnyMixture) -> AnyStatistics:
        """E-step, in float32 where that serves the update."""
        natural = self._natural_of(model)
        self._rounding = natural.rounding * _FLOAT64
        self._of_moments = moment_rounding(model)
        if natural.centred is not None:
            # Neither densities nor moments lose more than the frames have lost already.
            self._rounding = self._of_moments = 0.0
        precision = self._precision
        if natural.rounding > _LARGEST_ROUNDING:
            precision = "float64"
        while True:
            statistics = self._sum(natural, precision)
            if natural.centred is not None:
                return statistics
            try:
                updated = self._update(statistics, model)
            except CollapsedComponentError:
                if precision == "float64":
                    return statistics
                # The variance may be there, below float32's rounding.
                precision = "float64"
                continue
            following = self._natural_of(updated[0])
            if following.centred is not None:
                # Or even below float64's.
                natural = standard_natural_parameters(
                    model, self._standardisation, origins=updated[0].means
                )
            elif precision == "float64" or following.rounding <= _LARGEST_ROUNDING:
                break
            precision = "float64"
        if precision == "float32":
            self._rounding = natural.rounding
        self._updated = statistics, updated
        return statistics

    def rounding(self) -> float:
        """Error to expect of the log-likelihood per frame that was accumulated last, in nats."""
        return max(_LEAST_ROUNDING, self._rounding, self._of_moments)

    def update(
        self, statistics: AnyStatistics, model: AnyMixture
    ) -> tuple[AnyMixture, UpdateReport]:
        """M-step."""
        if self._updated is not None and self._updated[0] is statistics:
            return self._updated[1]
        return self._update(statistics, model)

    def _natural_of(self, model: AnyMixture) -> NaturalParameters:
        if self._natural is None or self._natural[0] is not model:
            natural = standard_natural_parameters(model, self._standardisation)
            self._natural = model, natural
        return self._natural[1]
