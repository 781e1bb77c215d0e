"""Fitting of the map of a calibration, and its cross-validation by speaker."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InsufficientDataError
from speakergmm.speakers.calibration.calibration_options import CalibrationOptions
from speakergmm.speakers.calibration.calibration_trials import CalibrationTrials
from speakergmm.speakers.calibration.measure_kinds import MeasureRanges
from speakergmm.speakers.calibration.score_maps import (
    ScoreMap,
    fit_logistic_map,
    fit_step_map,
)

_LEAST_SPEAKERS = 4


def fit_score_map(
    scores: NDArray[np.float64],
    measures: NDArray[np.float64],
    is_target: NDArray[np.bool_],
    options: CalibrationOptions,
) -> ScoreMap:
    """Fit the map from scores and transformed measures, shape (N, J), that `options` ask for."""
    if options.method == "pav":
        return fit_step_map(scores, is_target)
    return fit_logistic_map(scores, measures, is_target, options)


def cross_validated_llrs(
    trials: CalibrationTrials, options: CalibrationOptions | None = None, **changes: Any
) -> NDArray[np.float64]:
    """Compute the log-likelihood ratio of each trial by a calibration that never saw its speakers.

    Parameters
    ----------
    trials : CalibrationTrials
    options : CalibrationOptions, optional
    **changes
        Fields of `CalibrationOptions`, in place of those of `options`.

    Returns
    -------
    array, shape (N,)
        Natural logarithms, not bounded.

    Raises
    ------
    InsufficientDataError
        If there are fewer than 4 speakers, or a trial is left with no target or no nontarget trials
        of other speakers.
    InvalidInputError
        If an option is out of range.

    Notes
    -----
    Speakers are dealt into groups. Trials between groups i and j are judged by a calibration that
    is fitted on the trials in which no speaker of either group takes part, as model or as test.
    """
    options = CalibrationOptions.of(options, changes)
    n_speakers = len(trials.speakers)
    if n_speakers < _LEAST_SPEAKERS:
        raise InsufficientDataError(
            f"calibration trials of {n_speakers} speakers; cross-validation by speaker needs at "
            f"least {_LEAST_SPEAKERS}"
        )
    measures = MeasureRanges.seen(
        trials.measures, trials.model_index, trials.test_index
    ).transformed(trials.measures, len(trials))
    models, tests, n_folds = _folds(trials, options)
    llrs = np.empty(len(trials))
    # Both groups of a trial, the smaller number first, as one number.
    pairs = np.minimum(models, tests) * n_folds + np.maximum(models, tests)
    for pair in np.unique(pairs).tolist():
        held = divmod(pair, n_folds)
        seen = ~(np.isin(models, held) | np.isin(tests, held))
        n_target = int(np.count_nonzero(trials.is_target[seen]))
        if not 0 < n_target < np.count_nonzero(seen):
            raise InsufficientDataError(
                f"calibration trials: without the speakers of some trials no "
                f"{'nontarget' if n_target else 'target'} trials are left to fit on; more speakers "
                "are needed that are both enrolled and tested"
            )
        fitted = fit_score_map(trials.scores[seen], measures[seen], trials.is_target[seen], options)
        judged = pairs == pair
        llrs[judged] = fitted(trials.scores[judged], measures[judged])
    return llrs


def _folds(
    trials: CalibrationTrials, options: CalibrationOptions
) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the groups of the speakers of models and tests, shape (N,), and their number."""
    n_speakers = len(trials.speakers)
    n_folds = min(options.n_folds, n_speakers)
    fold = np.random.default_rng(options.seed).permutation(n_speakers) % n_folds
    return fold[trials.model_index], fold[trials.test_index], n_folds
