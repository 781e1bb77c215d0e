"""Calibration on mismatched dev lists, and what it is worth on eval."""

from dataclasses import replace

import numpy as np
from conditions import POOLED
from systems import in_condition
from tables import with_interval

from speakergmm.errors import CannotPromiseError
from speakergmm.metrics import Scores, evaluate
from speakergmm.speakers import Calibration, CalibrationTrials, fit_calibration

MEASURES = ("test_speech_seconds", "test_snr_db", "test_bandwidth_hz", "channel_distance")
"""Measures of a trial that move its likelihood ratio."""

CALIBRATION = (
    "Cllr",
    "minCllr",
    "actual DCF(0.05)",
    "minDCF(0.05)",
    "false accepts: promised 1 %, seen",
    "promised 5 %, seen",
)
"""Columns of the table of calibration."""


def fit(dev: Scores) -> Calibration:
    """Return a calibration of the trials of dev."""
    # The recordings of dev are there in each condition: many errors, but of few recordings.
    trials = CalibrationTrials.of(dev, measures_of(dev), n_versions=len(POOLED))
    return fit_calibration(trials)


def measures_of(scores: Scores) -> dict[str, np.ndarray]:
    """Return the measures of trials, as numbers; what cannot be measured is the median."""
    found = {}
    for name in MEASURES:
        values = scores.condition(name).astype(float)
        found[name] = np.where(np.isfinite(values), values, np.nanmedian(values))
    return found


def ratios(calibration: Calibration, scores: Scores) -> Scores:
    """Return scores as calibrated log-likelihood ratios."""
    return replace(scores, scores=calibration.llr(scores.scores, measures_of(scores)))


def calibration_rows(dev: Scores, scores: Scores, *, n_bootstrap: int) -> dict[str, list[str]]:
    """Return the cells of `CALIBRATION` for clean trials, and for all that are pooled."""
    calibration = fit(dev)
    llrs = ratios(calibration, scores)
    rows = {}
    for title, conditions in (("clean", POOLED[:1]), ("pooled", POOLED)):
        group = in_condition(llrs, *conditions)
        found = evaluate(group, llr=True, n_bootstrap=n_bootstrap)
        keys = ("cllr", "min_cllr", "actual_dcf_0.05", "min_dcf_0.05")
        figures = [with_interval(found, key) for key in keys]
        rows[title] = figures + [promised(calibration, group, rate) for rate in (0.01, 0.05)]
    return rows


def promised(calibration: Calibration, llrs: Scores, rate: float) -> str:
    """Return the promised interval of false accepts, and the rate that is seen."""
    try:
        promise = calibration.promise(target_far=rate)
    except CannotPromiseError as error:
        return f"refused: {error}"
    low, high = promise.p_fa_interval
    seen = float(np.mean(llrs.nontarget >= promise.threshold))
    return f"{100 * low:.2f} to {100 * high:.2f} %, {100 * seen:.2f} %"
