"""A threshold for anomalies from the scores of normal data that trained nothing, and its certainty.

Everything here rests on the scores being exchangeable (independent draws of one source, say), not
on the model that gave them being right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, binom

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import number

# Products that are whole numbers but for rounding count as such: 0.29 x 100 is 28.999... here.
_ABOVE = 1 + 1e-12


@dataclass(frozen=True, slots=True)
class ThresholdCalibration:
    """A threshold, and what the validation scores say of it.

    Parameters
    ----------
    threshold : float
        A score below it is an anomaly.
    threshold_interval : tuple of float
        Confidence interval of the quantile of the source of the scores at the rate that was asked
        for, between two order statistics; infinite where there are too few scores for an end.
    n_validation : int
        Number of scores.
    n_false_alarms : int
        How many of them lie below the threshold.
    false_alarm_rate : float
        Their share.
    false_alarm_interval : tuple of float
        Exact (Clopper-Pearson) confidence interval of the rate.
    confidence : float
        Of both intervals.
    """

    threshold: float
    threshold_interval: tuple[float, float]
    n_validation: int
    n_false_alarms: int
    false_alarm_rate: float
    false_alarm_interval: tuple[float, float]
    confidence: float


def calibrate_threshold(
    scores: ArrayLike,
    *,
    false_alarm: float | None = None,
    quantile: float | None = None,
    confidence: float = 0.95,
) -> ThresholdCalibration:
    """Set a threshold by scores of normal data; give one of `false_alarm` and `quantile`.

    Parameters
    ----------
    scores : array, shape (N,)
        Scores (higher is more normal) of data that the model was not trained on.
    false_alarm : float, optional
        Target of the false-alarm rate, between 0 and 1: the threshold is the highest of the scores
        for which the probability that a new normal score lies below it is at most this, on average
        over validation sets.
    quantile : float, optional
        The threshold is this quantile of the scores, between 0 and 1, interpolated between two
        of them: an estimate that is as often too high as too low.
    confidence : float, default=0.95
        Of the intervals.

    Returns
    -------
    ThresholdCalibration

    Raises
    ------
    InvalidInputError
        If there are too few scores (the message says how many are needed), they are no finite
        numbers, or an option lies outside its range.

    Notes
    -----
    Of N exchangeable scores and a new one, the new one is below the k-th smallest with probability
    k / (N + 1) (less, where scores are equal), so ``k = floor(false_alarm (N + 1))``, as in
    conformal prediction [1]_. The upper end of the Clopper-Pearson interval at an order statistic
    is exact for the rate of new scores too, the lower one errs to the safe side.

    References
    ----------
    .. [1] Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World" (2005), chapter 2.

    Examples
    --------
    >>> found = calibrate_threshold(np.arange(99.0), false_alarm=0.05)
    >>> found.threshold, found.n_false_alarms
    (4.0, 4)
    """
    ordered = np.sort(_check_scores(scores))
    n = len(ordered)
    check_validation_count(n, false_alarm=false_alarm, quantile=quantile)
    if false_alarm is not None:
        rate = float(false_alarm)
        threshold = float(ordered[math.floor(rate * (n + 1) * _ABOVE) - 1])
    else:
        assert quantile is not None
        rate = float(quantile)
        threshold = float(np.quantile(ordered, rate))
    n_below = int(np.searchsorted(ordered, threshold, side="left"))
    return ThresholdCalibration(
        threshold=threshold,
        threshold_interval=quantile_interval(ordered, rate, confidence=confidence),
        n_validation=n,
        n_false_alarms=n_below,
        false_alarm_rate=n_below / n,
        false_alarm_interval=proportion_interval(n_below, n, confidence=confidence),
        confidence=float(confidence),
    )


def samples_needed(*, false_alarm: float | None = None, quantile: float | None = None) -> int:
    """Tell how many validation samples a target needs; give one of the two.

    Parameters
    ----------
    false_alarm, quantile : float, optional
        As `calibrate_threshold` takes them.

    Raises
    ------
    InvalidInputError
        If none or both are given, or one does not lie between 0 and 1.

    Examples
    --------
    >>> samples_needed(false_alarm=0.01), samples_needed(quantile=0.01)
    (99, 100)
    """
    if (false_alarm is None) == (quantile is None):
        raise InvalidInputError(
            f"exactly one of false_alarm and quantile sets the threshold, found "
            f"false_alarm={false_alarm} and quantile={quantile}"
        )
    if quantile is not None:
        return math.ceil(1 / number("quantile", quantile, above=0, below=1) / _ABOVE)
    return math.ceil(1 / number("false_alarm", false_alarm, above=0, below=1) / _ABOVE) - 1


def check_validation_count(
    n_validation: int,
    *,
    false_alarm: float | None = None,
    quantile: float | None = None,
    whence: str = "",
) -> None:
    """Refuse fewer validation samples than a target needs; `whence` says where they come from.

    Raises
    ------
    InvalidInputError
        With the number that is needed; or as `samples_needed`.
    """
    needed = samples_needed(false_alarm=false_alarm, quantile=quantile)
    if n_validation < needed:
        name, rate = ("false_alarm", false_alarm) if quantile is None else ("quantile", quantile)
        raise InvalidInputError(
            f"{name}={rate:g} needs {needed} or more validation samples, found "
            f"{n_validation}{whence}; give more data or a higher rate"
        )


def proportion_interval(
    n_events: int, n_trials: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Exact confidence interval of a probability from a count of events.

    Parameters
    ----------
    n_events : int
        From 0 to `n_trials`.
    n_trials : int
        At least 1.
    confidence : float, default=0.95
        The interval covers the probability at least this often, and misses it on either side at
        most half as often as it may in all.

    Returns
    -------
    tuple of float
        Lower and upper end.

    Raises
    ------
    InvalidInputError
        If an argument lies outside its range.

    References
    ----------
    .. [1] Clopper, Pearson, "The use of confidence or fiducial limits illustrated in the case of
       the binomial", Biometrika 26 (1934) 404-413.

    Examples
    --------
    >>> low, high = proportion_interval(0, 59)
    >>> low, round(high, 4)
    (0.0, 0.0606)
    """
    if not 0 <= n_events <= n_trials or n_trials < 1:
        raise InvalidInputError(
            f"a proportion needs 0 <= events <= trials and a trial, found {n_events} of {n_trials}"
        )
    tail = (1 - number("confidence", confidence, above=0, below=1)) / 2
    low = beta.ppf(tail, n_events, n_trials - n_events + 1) if n_events else 0.0
    high = beta.isf(tail, n_events + 1, n_trials - n_events) if n_events < n_trials else 1.0
    return float(low), float(high)


def quantile_interval(
    scores: ArrayLike, quantile: float, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Confidence interval of a quantile of the source of some scores, whatever its distribution.

    Parameters
    ----------
    scores : array, shape (N,)
        Independent draws.
    quantile : float
        Between 0 and 1.
    confidence : float, default=0.95
        The interval covers the quantile at least this often, and misses it on either side at most
        half as often as it may in all.

    Returns
    -------
    tuple of float
        Two order statistics; -inf or inf where none lies far enough out.

    Raises
    ------
    InvalidInputError
        If scores are no finite numbers or an option lies outside its range.

    Notes
    -----
    The number of draws below the quantile is binomial; see [1]_.

    References
    ----------
    .. [1] David, Nagaraja, "Order Statistics" (2003), section 7.1.

    Examples
    --------
    >>> quantile_interval(np.arange(1.0, 101.0), 0.5)
    (40.0, 61.0)
    """
    ordered = np.sort(_check_scores(scores))
    n = len(ordered)
    share = number("quantile", quantile, above=0, below=1)
    tail = (1 - number("confidence", confidence, above=0, below=1)) / 2
    # The r-th smallest lies above the quantile if fewer than r draws lie below it.
    lower = int(binom.ppf(tail, n, share))
    if binom.cdf(lower, n, share) <= tail:
        lower += 1
    upper = int(binom.isf(tail, n, share)) + 1
    return (
        float(ordered[lower - 1]) if lower >= 1 else -math.inf,
        float(ordered[upper - 1]) if upper <= n else math.inf,
    )


def _check_scores(scores: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(scores, dtype=np.float64)
    if array.ndim != 1 or not len(array):
        raise InvalidInputError(
            f"validation scores must be one or more numbers, found shape {array.shape}"
        )
    if not np.isfinite(array).all():
        raise InvalidInputError(
            f"validation scores must be finite, found {array[~np.isfinite(array)][0]} at "
            f"{int(np.argmin(np.isfinite(array)))}"
        )
    return array
