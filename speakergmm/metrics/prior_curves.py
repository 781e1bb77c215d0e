"""Costs of log-likelihood ratios over the prior: normalised Bayes errors and cross-entropy.

Both curves have one value per prior log odds and compare three systems: the LLRs as they are, the
same after the best monotone calibration in hindsight, and a system that only knows the prior.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics.pool_adjacent_violators import PavCalibration
from speakergmm.metrics.scores import as_scores
from speakergmm.metrics.sorted_trials import SortedTrials

_LARGEST_LOG_ODDS = 500.0
# More LLRs than this are represented by the nodes of an interpolation.
_MANY = 1 << 14
# Number of nodes per unit interval: the interpolation of log(1 + e^x), whose singularities are pi
# from the real axis, is exact to rounding.
_NODES = 15


@dataclass(frozen=True, slots=True, eq=False)
class BayesErrors:
    """Normalised Bayes error over the prior: detection cost at unit costs, 1 is no information.

    Attributes
    ----------
    log_odds : array, shape (K,)
        Prior log odds of a target trial, natural logarithm.
    actual : array, shape (K,)
        Cost of accepting LLRs at or above ``-log_odds``.
    minimum : array, shape (K,)
        Cost at the best threshold on these trials.
    default : array, shape (K,)
        Cost of the better one of accepting all and rejecting all: 1.
    """

    log_odds: NDArray[np.float64]
    actual: NDArray[np.float64]
    minimum: NDArray[np.float64]
    default: NDArray[np.float64]

    @classmethod
    def of(cls, trials: SortedTrials, calibration: PavCalibration, log_odds: ArrayLike) -> Self:
        """Compute the curve of trials that are already sorted, with their `pav_calibration`."""
        odds = _as_log_odds(log_odds)
        miss_weight, alarm_weight = np.exp(np.maximum(odds, 0)), np.exp(np.maximum(-odds, 0))
        misses = np.searchsorted(trials.target, -odds) / len(trials.target)
        alarms = 1 - np.searchsorted(trials.nontarget, -odds) / len(trials.nontarget)
        # The best threshold accepts the steps whose LLR is high enough.
        accepted = np.searchsorted(calibration.llrs, -odds)
        missed, rejected = (
            np.append(0, np.cumsum(counts))[accepted] / counts.sum()
            for counts in (calibration.targets, calibration.nontargets)
        )
        return cls(
            odds,
            miss_weight * misses + alarm_weight * alarms,
            miss_weight * missed + alarm_weight * (1 - rejected),
            np.ones_like(odds),
        )


@dataclass(frozen=True, slots=True, eq=False)
class EmpiricalCrossEntropy:
    """Empirical cross-entropy over the prior, in bits: what is left unknown about the speaker.

    Attributes
    ----------
    log_odds : array, shape (K,)
        Prior log odds of a target trial, natural logarithm.
    actual : array, shape (K,)
        Of the LLRs as they are; Cllr at log odds of 0.
    minimum : array, shape (K,)
        After `pav_calibration`; minCllr at log odds of 0.
    reference : array, shape (K,)
        Of LLRs of zero: the entropy of the prior.
    """

    log_odds: NDArray[np.float64]
    actual: NDArray[np.float64]
    minimum: NDArray[np.float64]
    reference: NDArray[np.float64]

    @classmethod
    def of(cls, trials: SortedTrials, calibration: PavCalibration, log_odds: ArrayLike) -> Self:
        """Compute the curve of trials that are already sorted, with their `pav_calibration`."""
        odds = _as_log_odds(log_odds)
        log_target, log_nontarget = -np.logaddexp(0, -odds), -np.logaddexp(0, odds)
        p_target, p_nontarget = np.exp(log_target), np.exp(log_nontarget)
        missed = _softplus_means(-trials.target[::-1], -odds)
        accepted = _softplus_means(trials.nontarget, odds)
        return cls(
            odds,
            (p_target * missed + p_nontarget * accepted) / np.log(2),
            calibration.cross_entropy(odds),
            -(p_target * log_target + p_nontarget * log_nontarget) / np.log(2),
        )


def bayes_error_curve(target: ArrayLike, nontarget: ArrayLike, log_odds: ArrayLike) -> BayesErrors:
    """Compute the normalised Bayes error at many priors.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Log-likelihood ratios, natural logarithm.
    log_odds : array_like of float, shape (K,)
        Prior log odds of a target trial, within -500 to 500. For costs other than 1, add
        ``log(c_miss / c_fa)``.

    Returns
    -------
    BayesErrors
        At log odds of ``log(p / (1 - p))`` it has the actual and minimum DCF of ``p_target=p``.

    Raises
    ------
    InvalidInputError
        If an LLR is NaN, there are no target or no nontarget trials, or log odds are out of range.

    References
    ----------
    .. [1] Brümmer, de Villiers, "The BOSARIS Toolkit: Theory, Algorithms and Code for Surviving
       the New DCF", 2011, section 4.

    Examples
    --------
    >>> curve = bayes_error_curve([3.0, 1.0], [-2.0, 2.0], [0.0, 2.5])
    >>> curve.actual.round(4), curve.minimum.round(4)
    (array([0.5, 1. ]), array([0.5, 0.5]))
    """
    trials = SortedTrials(target, nontarget)
    return BayesErrors.of(trials, PavCalibration.of(trials), log_odds)


def empirical_cross_entropy(
    target: ArrayLike, nontarget: ArrayLike, log_odds: ArrayLike
) -> EmpiricalCrossEntropy:
    """Compute the empirical cross-entropy at many priors.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Log-likelihood ratios, natural logarithm.
    log_odds : array_like of float, shape (K,)
        Prior log odds of a target trial, within -500 to 500; ECE plots in the literature have
        ``log_odds / log(10)`` on their axis.

    Returns
    -------
    EmpiricalCrossEntropy

    Raises
    ------
    InvalidInputError
        If an LLR is NaN, there are no target or no nontarget trials, or log odds are out of range.

    References
    ----------
    .. [1] Ramos, Gonzalez-Rodriguez, "Reliable Support: Measuring Calibration of Likelihood
       Ratios", Forensic Science International 230 (2013) 156-169.

    Examples
    --------
    >>> curve = empirical_cross_entropy([2.0, 4.0], [-3.0, -1.0, 0.5], [0.0])
    >>> curve.actual.round(4), curve.minimum, curve.reference
    (array([0.3735]), array([0.]), array([1.]))
    """
    trials = SortedTrials(target, nontarget)
    return EmpiricalCrossEntropy.of(trials, PavCalibration.of(trials), log_odds)


def _as_log_odds(values: ArrayLike) -> NDArray[np.float64]:
    odds = as_scores(np.atleast_1d(np.asarray(values)), "log_odds")
    if (np.abs(odds) > _LARGEST_LOG_ODDS).any():
        wrong = odds[np.abs(odds) > _LARGEST_LOG_ODDS][0]
        raise InvalidInputError(
            f"log_odds must be within -{_LARGEST_LOG_ODDS:g} to {_LARGEST_LOG_ODDS:g}, found "
            f"{wrong:g}"
        )
    return odds


def _softplus_means(
    values: NDArray[np.float64], shifts: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the means of log(1 + exp(value + shift)) over rising values, for each shift."""
    if not len(shifts):
        return np.zeros(0)
    # Beyond these ends the function is zero or the identity, to the last digit.
    low, high = np.searchsorted(values, [-800.0 - shifts.max(), 40.0 - shifts.min()])
    above, middle = values[high:], values[low:high]
    sums = np.asarray(above.sum() + len(above) * shifts)
    if len(middle) > _MANY:
        nodes, weights = _interpolation(middle)
    else:
        nodes, weights = middle, np.ones(len(middle))
    step = max(1, (1 << 22) // max(1, len(nodes)))
    for start in range(0, len(shifts), step):
        part = shifts[start : start + step, None]
        sums[start : start + step] += np.logaddexp(0, nodes + part) @ weights
    return sums / len(values)


def _interpolation(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return nodes and weights whose sums over smooth functions are those over rising values.

    In each unit interval a function is interpolated at Chebyshev nodes, which is linear in its
    values there; a node's weight is what all values in the interval take from it.
    """
    cell = np.floor(values)
    starts = np.flatnonzero(np.append(True, cell[1:] != cell[:-1]))
    middles = cell[starts] + 0.5
    place = 2 * (values - (cell + 0.5))  # -1 to 1
    angles = np.pi * (np.arange(_NODES) + 0.5) / _NODES
    # Sums of the Chebyshev polynomials over the values of each interval, by their recurrence.
    before, now = np.ones_like(place), place.copy()
    weights = np.add.reduceat(before, starts)[:, None] * np.full(_NODES, 1 / _NODES)
    for degree in range(1, _NODES):
        moments = np.add.reduceat(now, starts)
        weights += moments[:, None] * (2 / _NODES * np.cos(degree * angles))
        before, now = now, 2 * place * now - before
    nodes = middles[:, None] + 0.5 * np.cos(angles)
    return nodes.ravel(), weights.ravel()
