"""Threshold for anomalies from scores of held-out normal data, with its confidence intervals.

All results assume that the scores are exchangeable (for example independent draws from one source),
but not that the model that computed them is correct.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, binom

from speakergmm.errors import InvalidInputError
from speakergmm.ranges import number

# Products that differ from a whole number by rounding count as whole: 0.29 x 100 is 28.999... in
# float64.
_ABOVE = 1 + 1e-12


@dataclass(frozen=True, slots=True)
class ThresholdCalibration:
    """A threshold, with its false-alarm rate on validation scores and confidence intervals.

    Parameters
    ----------
    threshold : float
        Scores below it are anomalies.
    threshold_interval : tuple of float
        Confidence interval, between two order statistics, of the quantile of the distribution of
        scores at the requested rate; an end for which there are too few scores is infinite.
    n_validation : int
        Number of scores.
    n_false_alarms : int
        Number of scores below the threshold.
    false_alarm_rate : float
        Share of the scores below the threshold.
    false_alarm_interval : tuple of float
        Exact (Clopper-Pearson) confidence interval of the rate.
    confidence : float
        Confidence of both intervals.
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
    """Compute a threshold from scores of normal data, for a false-alarm rate or at a quantile.

    Exactly one of `false_alarm` and `quantile` is required.

    Parameters
    ----------
    scores : array, shape (N,)
        Scores (higher is more normal) of normal data that the model was not trained on.
    false_alarm : float, optional
        Target of the false-alarm rate, between 0 and 1. The threshold is the highest score for
        which the probability that a new normal score lies below it is at most this, on average
        over validation sets.
    quantile : float, optional
        The threshold is this quantile of the scores, between 0 and 1, interpolated between two
        scores: an estimate that is too high as often as too low.
    confidence : float, default=0.95
        Confidence of the intervals.

    Returns
    -------
    ThresholdCalibration

    Raises
    ------
    InvalidInputError
        If there are too few scores (the message states how many are needed), scores are not
        finite numbers, or an option is out of range.

    Notes
    -----
    If a new score and N validation scores are exchangeable, the new one lies below the k-th
    smallest of the N with probability k / (N + 1) (less if scores are equal), hence
    ``k = floor(false_alarm (N + 1))``, as in conformal prediction [1]_. The upper end of the
    Clopper-Pearson interval at an order statistic is exact for the rate of new scores, too; the
    lower end is conservative.

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
    # The threshold: an order statistic, or a quantile.
    check_validation_count(n, false_alarm=false_alarm, quantile=quantile)
    if false_alarm is not None:
        rate = float(false_alarm)
        threshold = float(ordered[math.floor(rate * (n + 1) * _ABOVE) - 1])
    else:
        assert quantile is not None
        rate = float(quantile)
        threshold = float(np.quantile(ordered, rate))
    # The rate of the validation scores themselves, and both intervals.
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
    """Return the number of validation samples that a target needs.

    Parameters
    ----------
    false_alarm, quantile : float, optional
        Target as in `calibrate_threshold`; exactly one of the two.

    Returns
    -------
    int

    Raises
    ------
    InvalidInputError
        If none or both are passed, or one does not lie between 0 and 1.

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
    """Raise an error if there are fewer validation samples than a target needs.

    Parameters
    ----------
    n_validation : int
        Number of validation samples.
    false_alarm, quantile : float, optional
        Target as in `calibrate_threshold`; exactly one of the two.
    whence : str
        Origin of the samples, for the message.

    Raises
    ------
    InvalidInputError
        With the number that is needed; or as in `samples_needed`.
    """
    needed = samples_needed(false_alarm=false_alarm, quantile=quantile)
    if n_validation < needed:
        name, rate = ("false_alarm", false_alarm) if quantile is None else ("quantile", quantile)
        raise InvalidInputError(
            f"{name}={rate:g} needs {needed} or more validation samples, found "
            f"{n_validation}{whence}; pass more data or a higher rate"
        )


def proportion_interval(
    n_events: int, n_trials: int, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Compute the exact (Clopper-Pearson) confidence interval of a probability from a count.

    Parameters
    ----------
    n_events : int
        Number of events, from 0 to `n_trials`.
    n_trials : int
        Number of trials, >= 1.
    confidence : float, default=0.95
        Probability with which the interval at least covers the true one; each side misses it
        with at most half of the remaining probability.

    Returns
    -------
    tuple of float
        Lower and upper end.

    Raises
    ------
    InvalidInputError
        If an argument is out of range.

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
            f"a proportion needs 0 <= events <= trials and trials >= 1, found {n_events} events in "
            f"{n_trials} trials"
        )
    tail = (1 - number("confidence", confidence, above=0, below=1)) / 2
    low = beta.ppf(tail, n_events, n_trials - n_events + 1) if n_events else 0.0
    high = beta.isf(tail, n_events + 1, n_trials - n_events) if n_events < n_trials else 1.0
    return float(low), float(high)


def quantile_interval(
    scores: ArrayLike, quantile: float, *, confidence: float = 0.95
) -> tuple[float, float]:
    """Compute a distribution-free confidence interval of a quantile from independent draws.

    Parameters
    ----------
    scores : array, shape (N,)
        Independent draws.
    quantile : float
        Quantile of the distribution, between 0 and 1.
    confidence : float, default=0.95
        Probability with which the interval at least covers the quantile; each side misses it with
        at most half of the remaining probability.

    Returns
    -------
    tuple of float
        Two order statistics; -inf or inf if no draw lies far enough out.

    Raises
    ------
    InvalidInputError
        If scores are not finite numbers or an option is out of range.

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
