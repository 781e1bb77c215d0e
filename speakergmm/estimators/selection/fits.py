"""Fits of several numbers of components, each a task for a worker process."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from speakergmm.estimators.information_criteria import count_parameters

Indices: TypeAlias = NDArray[np.intp]
Task: TypeAlias = tuple[int, int | None]
"""Number of components, and number of the fold (None for all frames)."""


@dataclass(frozen=True, slots=True, eq=False)
class FitOutcome:
    """Result of one fit, as a worker returns it.

    Parameters
    ----------
    estimator : estimator or None
        The fitted estimator; None if the fit failed, or was one of a fold.
    log_likelihood : float
        Mean log-likelihood of the (weighted) training frames, in nats.
    held_out : float
        Mean log-likelihood of the held-out frames, in nats; NaN without a fold.
    unit_values : array, shape (U,)
        Mean log-likelihood of each independent unit, a frame or a group; empty for a fold.
    n_parameters : int
        Number of free parameters.
    seconds : float
        Time of fitting and scoring, in seconds.
    convergence : str
        Reason why the fit ended.
    error : str or None
        Error with which the fit failed.
    """

    estimator: Any
    log_likelihood: float
    held_out: float
    unit_values: NDArray[np.float64]
    n_parameters: int
    seconds: float
    convergence: str
    error: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Fitting:
    """Function that fits one number of components to all frames, or to those of a fold.

    Parameters
    ----------
    estimator : estimator
        Estimator that is cloned for each fit.
    frames : array, shape (T, D)
        All frames; large arrays are passed to workers as memory-mapped files.
    sample_weight : array, shape (T,), or None
        Weight of each frame.
    folds : sequence of (array, array)
        Numbers of the training frames and held-out frames of each fold.
    groups : array of int, shape (T,), or None
        Group of each frame, from 0.
    """

    estimator: Any
    frames: NDArray[Any]
    sample_weight: NDArray[np.float64] | None
    folds: Sequence[tuple[Indices, Indices]]
    groups: NDArray[np.intp] | None

    def __call__(self, task: Task) -> FitOutcome:
        """Fit and score; the outcome contains the error of a fit that fails."""
        n_components, fold = task
        begun = perf_counter()
        nothing = np.empty(0)
        try:
            estimator = clone(self.estimator).set_params(n_components=n_components)
            train = slice(None) if fold is None else self.folds[fold][0]
            frames, weights = self._take(train)
            # scikit-learn's k-means adds results of its threads in the order in which they end.
            # With one thread, as in a worker, rounding does not depend on the number of jobs.
            with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="openmp"):
                # The outcome of each fit contains whether it converged.
                warnings.simplefilter("ignore", ConvergenceWarning)
                if weights is None:
                    estimator.fit(frames)
                else:
                    estimator.fit(frames, sample_weight=weights)
            likelihoods = np.asarray(estimator.score_samples(frames), dtype=np.float64)
            units, held_out = nothing, math.nan
            if fold is None:
                units = unit_means(likelihoods, weights, self.groups)
            else:
                others, other_weights = self._take(self.folds[fold][1])
                held_out = _mean(estimator.score_samples(others), other_weights)
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            seconds = perf_counter() - begun
            return FitOutcome(None, math.nan, math.nan, nothing, 0, seconds, "failed", reason)
        return FitOutcome(
            estimator=estimator if fold is None else None,
            log_likelihood=_mean(likelihoods, weights),
            held_out=held_out,
            unit_values=units,
            n_parameters=count_parameters(
                estimator.covariance_type, n_components, self.frames.shape[1]
            ),
            seconds=perf_counter() - begun,
            convergence=_convergence(estimator),
        )

    def _take(self, chosen: Any) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
        weights = self.sample_weight
        return self.frames[chosen], None if weights is None else weights[chosen]


def unit_means(
    values: NDArray[np.float64],
    weights: NDArray[np.float64] | None,
    groups: NDArray[np.intp] | None,
) -> NDArray[np.float64]:
    """Return the mean value of each group; without groups, the values themselves.

    Parameters
    ----------
    values : array, shape (T,)
        Value of each frame.
    weights : array, shape (T,), or None
        Weight of each frame.
    groups : array of int, shape (T,), or None
        Group of each frame, from 0.

    Returns
    -------
    array, shape (U,)
        Means; 0 for a group of weight 0.
    """
    if groups is None:
        return values
    weights = np.ones(len(values)) if weights is None else weights
    totals = np.bincount(groups, weights=weights)
    sums = np.bincount(groups, weights=weights * values)
    return sums / np.where(totals > 0, totals, 1.0)


def _mean(values: Any, weights: NDArray[np.float64] | None) -> float:
    values = np.asarray(values, dtype=np.float64)
    return float(values.mean() if weights is None else weights @ values / weights.sum())


def _convergence(estimator: Any) -> str:
    named = getattr(estimator, "convergence_", None)
    if named is not None:
        return str(named)
    return "converged" if estimator.converged_ else "iteration_limit"
