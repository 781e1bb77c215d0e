"""Quality of log-likelihood ratios (LLRs): Cllr, its two parts, and the Tippett plot.

LLRs are natural logarithms. An infinite LLR on the right side costs nothing; on the wrong side it
makes the cost infinite, because it claims a certainty that was wrong.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.metrics.pool_adjacent_violators import PavCalibration
from speakergmm.metrics.scores import as_scores
from speakergmm.metrics.sorted_trials import SortedTrials, as_trials


def cllr(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Compute the log-likelihood-ratio cost Cllr, in bits.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Log-likelihood ratios, natural logarithm.

    Returns
    -------
    float
        0 is perfect, 1 is what LLRs of zero cost, and more is worse than no evidence; ``inf`` if
        an infinite LLR is wrong.

    Raises
    ------
    InvalidInputError
        If an LLR is NaN, or there are no target or no nontarget trials.

    References
    ----------
    .. [1] Brümmer, du Preez, "Application-Independent Evaluation of Speaker Detection", Computer
       Speech and Language 20 (2006) 230-275, equation 20.

    Examples
    --------
    >>> cllr([0.0, 0.0], [0.0])
    1.0
    >>> round(cllr([2.0, 4.0], [-3.0, -1.0, 0.5]), 4)
    0.3735
    """
    return cllr_of_trials(*as_trials(target, nontarget))


def cllr_of_trials(target: NDArray[np.float64], nontarget: NDArray[np.float64]) -> float:
    """Compute Cllr of arrays that are already checked; see `cllr`."""
    costs = np.logaddexp(0, -target).mean() + np.logaddexp(0, nontarget).mean()
    return float(costs / (2 * np.log(2)))


def min_cllr(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Compute the smallest Cllr that a monotone calibration of the scores can reach, in bits.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores, which need not be log-likelihood ratios.

    Returns
    -------
    float
        Between 0 (separable) and 1; Cllr after `pav_calibration`.

    Raises
    ------
    InvalidInputError
        If a score is NaN, or there are no target or no nontarget trials.

    References
    ----------
    .. [1] Brümmer, du Preez, as for `cllr`, section 7.

    Examples
    --------
    >>> min_cllr([2.0, 4.0], [-3.0, -1.0, 0.5])
    0.0
    """
    return PavCalibration.of(SortedTrials(target, nontarget)).cllr


def calibration_loss(target: ArrayLike, nontarget: ArrayLike) -> float:
    """Compute what poor calibration adds to Cllr: ``cllr - min_cllr``, in bits.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Log-likelihood ratios, natural logarithm.

    Returns
    -------
    float
        At least 0.

    Raises
    ------
    InvalidInputError
        If an LLR is NaN, or there are no target or no nontarget trials.
    """
    trials = SortedTrials(target, nontarget)
    return cllr_of_trials(trials.target, trials.nontarget) - PavCalibration.of(trials).cllr


@dataclass(frozen=True, slots=True, eq=False)
class TippettCurve:
    """The shares of trials whose LLR is at or above a value, for both kinds of trial.

    Attributes
    ----------
    llrs : array, shape (L,)
        Rising values.
    target, nontarget : array, shape (L,)
        Share of the target and of the nontarget trials whose LLR is at or above each value.
    """

    llrs: NDArray[np.float64]
    target: NDArray[np.float64]
    nontarget: NDArray[np.float64]


def tippett_curve(
    target: ArrayLike, nontarget: ArrayLike, llrs: ArrayLike | None = None
) -> TippettCurve:
    """Compute the curves of a Tippett plot.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Log-likelihood ratios, natural logarithm.
    llrs : array_like of float, shape (L,), optional
        Values at which to read the curves; by default all distinct ones of the trials.

    Returns
    -------
    TippettCurve

    Raises
    ------
    InvalidInputError
        If an LLR is NaN, or there are no target or no nontarget trials.

    References
    ----------
    .. [1] Meuwly, Drygajlo, "Forensic Speaker Recognition Based on a Bayesian Framework and
       Gaussian Mixture Modelling (GMM)", Odyssey 2001.

    Examples
    --------
    >>> curve = tippett_curve([1.0, 3.0], [-2.0, 1.0])
    >>> curve.llrs, curve.target, curve.nontarget
    (array([-2.,  1.,  3.]), array([1. , 1. , 0.5]), array([1. , 0.5, 0. ]))
    """
    trials = SortedTrials(target, nontarget)
    if llrs is None:
        values = np.unique(np.concatenate([trials.target, trials.nontarget]))
    else:
        values = np.sort(as_scores(llrs, "llrs"))
    return TippettCurve(
        values,
        *(1 - np.searchsorted(s, values) / len(s) for s in (trials.target, trials.nontarget)),
    )
