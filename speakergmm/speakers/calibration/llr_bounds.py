"""Bounds of log-likelihood ratios: how large and how small the data allow them to be."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError


def llr_bounds(target: ArrayLike, nontarget: ArrayLike) -> tuple[float, float]:
    """Compute the empirical lower and upper bound of log-likelihood ratios (ELUB).

    Parameters
    ----------
    target, nontarget : array, shapes (T,) and (N,)
        Natural log-likelihood ratios of trials that the calibration was not fitted on.

    Returns
    -------
    low, high : float
        At most 0 and at least 0. Ratios beyond them are not supported: one more misleading ratio
        of either kind would make decisions by them worse than decisions without them.

    Raises
    ------
    InvalidInputError
        If there are no ratios of a kind, or one is NaN.

    Notes
    -----
    Decisions by a ratio at a threshold t (prior odds 1/t) cost ``P_miss + t P_fa``, those without
    the ratio 1, if t is at least 1. One ratio that misleads as far as possible is added to each
    kind: ``(misses + 1) / (T + 1) + t (false accepts + 1) / (N + 1)``. The upper bound is the
    least t from which on this is above 1; both counts are constant between ratios, so it is found
    exactly. The lower bound is that of the two kinds exchanged. [1]_ show the quotient of the two
    costs as the normalised Bayes error rate.

    References
    ----------
    .. [1] Vergeer, van Es, de Jongh, Alberink, Stoel, "Numerical Likelihood Ratios Outputted by LR
       Systems Are Often Based on Extrapolation: When to Stop Extrapolating?", Science & Justice
       56 (2016) 482-491.

    Examples
    --------
    >>> low, high = llr_bounds(np.linspace(2, 9, 50), np.linspace(-9, -2, 400))
    >>> round(low, 2), round(high, 2)
    (-3.66, 5.32)
    """
    kinds = [
        np.sort(np.asarray(values, dtype=np.float64).ravel()) for values in (target, nontarget)
    ]
    for name, values in zip(("target", "nontarget"), kinds, strict=True):
        if not len(values) or np.isnan(values).any():
            raise InvalidInputError(f"{name} ratios must be at least one, and none of them NaN")
    target, nontarget = kinds
    return -_upper(-nontarget[::-1], -target[::-1]), _upper(target, nontarget)


def _upper(target: NDArray[np.float64], nontarget: NDArray[np.float64]) -> float:
    """Return the upper bound of sorted ratios."""
    # Beginnings of the intervals (t, next], in which the counts are constant; t is at least 0.
    beginnings = np.unique(np.maximum(np.concatenate([[0.0], target, nontarget]), 0.0))
    misses = (np.searchsorted(target, beginnings, side="right") + 1) / (len(target) + 1)
    accepts = len(nontarget) - np.searchsorted(nontarget, beginnings, side="right")
    with np.errstate(divide="ignore"):  # no ratio is better than none where all targets are missed
        # Largest threshold at which the counts of an interval are better than no ratios.
        largest = np.log(1 - misses) - np.log((accepts + 1) / (len(nontarget) + 1))
    ends = np.append(beginnings[1:], np.inf)
    worse = np.flatnonzero(largest < ends)
    first = int(worse[0])  # the last interval is always among them: it misses all targets
    return float(max(beginnings[first], largest[first]))
