"""The fits of a search for the number of components, each a task for a worker."""

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
"""Number of components, and of the fold (None: all frames)."""


@dataclass(frozen=True, slots=True, eq=False)
class FitOutcome:
    """What a worker brings home of one fit.

    Parameters
    ----------
    estimator : estimator or None
        The fitted one; None if it failed, or was fitted to a fold.
    log_likelihood : float
        Mean over the (weighted) frames that were fitted, in nats.
    held_out : float
        Mean over the frames held out; NaN without a fold.
    unit_values : array, shape (U,)
        Mean log-likelihood of each unit that counts as independent, a frame or a group; empty for
        a fold.
    n_parameters : int
        Free parameters.
    seconds : float
        Time of fitting and scoring.
    convergence : str
        How the fit ended.
    error : str or None
        Why it failed.
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
    """Fits one number of components to all frames, or to all but those of a fold.

    Parameters
    ----------
    estimator : estimator
        Cloned for each fit.
    frames : array, shape (T, D)
        All frames; large ones travel to workers as memory-mapped files.
    sample_weight : array, shape (T,), or None
        Their weights.
    folds : sequence of (array, array)
        Frames to fit and frames held out, of each fold.
    groups : array of int, shape (T,), or None
        Number of each frame's group, from 0.
    """

    estimator: Any
    frames: NDArray[Any]
    sample_weight: NDArray[np.float64] | None
    folds: Sequence[tuple[Indices, Indices]]
    groups: NDArray[np.intp] | None

    def __call__(self, task: Task) -> FitOutcome:
        """Fit and score; what a fit raises is told in the outcome."""
        n_components, fold = task
        begun = perf_counter()
        nothing = np.empty(0)
        try:
            estimator = clone(self.estimator).set_params(n_components=n_components)
            train = slice(None) if fold is None else self.folds[fold][0]
            frames, weights = self._take(train)
            # Threads of k-means add in the order in which they end: one alone, as in a worker,
            # or rounding would depend on the number of jobs.
            with warnings.catch_warnings(), threadpool_limits(limits=1, user_api="openmp"):
                # The outcome says it, for each fit.
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
    """Give the mean of each group's values; without groups, the values.

    Parameters
    ----------
    values : array, shape (T,)
        A value of each frame.
    weights : array, shape (T,), or None
        Weights of frames.
    groups : array of int, shape (T,), or None
        Group of each frame, from 0.

    Returns
    -------
    array, shape (U,)
        A group of no weight has 0.
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
