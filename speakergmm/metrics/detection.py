"""Detection errors: EER, detection cost and the DET curve, exactly, by sorting.

A trial is accepted when ``score >= threshold``; infinite scores are allowed, NaN is refused. How
ties are handled is written in :mod:`speakergmm.metrics.sorted_trials`, whose
:class:`~speakergmm.metrics.sorted_trials.SortedTrials` sorts once for several figures.
"""

from numpy.typing import ArrayLike

from speakergmm.metrics.sorted_trials import (
    DetCurve,
    EerMethod,
    OperatingPoint,
    SortedTrials,
)


def det_curve(target: ArrayLike, nontarget: ArrayLike) -> DetCurve:
    """Draw the detection error trade-off, thinned without loss to its corners.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher speaks for the target.

    Returns
    -------
    DetCurve
        Corners by rising threshold, from "accept all" to "reject all".

    Raises
    ------
    InvalidInputError
        If a score is NaN, or one kind of trial is missing.

    References
    ----------
    .. [1] Martin, Doddington, Kamm, Ordowski, Przybocki, "The DET Curve in Assessment of Detection
       Task Performance", Eurospeech 1997.

    Examples
    --------
    >>> curve = det_curve([1.0, 2.0, 3.0], [0.0, 1.5])
    >>> curve.thresholds, curve.misses, curve.false_alarms
    (array([0. , 1. , 1.5, 2. , inf]), array([0, 0, 1, 1, 3]), array([2, 1, 1, 0, 0]))
    """
    return SortedTrials(target, nontarget).curve


def equal_error_rate(
    target: ArrayLike, nontarget: ArrayLike, *, method: EerMethod = "linear"
) -> OperatingPoint:
    """Find the error rate at which misses and false alarms are as frequent.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher speaks for the target.
    method : {"linear", "rocch"}
        ``"linear"``: P_miss and P_fa are interpolated linearly between adjacent thresholds (the
        distinct scores, and "reject all"); the EER is where they cross. Scores that are equal move
        together, one diagonal step. ``"rocch"``: the same on the lower-left convex hull of the
        points (P_fa, P_miss), which is what pool-adjacent-violators yields; never larger.

    Returns
    -------
    OperatingPoint
        ``threshold`` is that of the data (for ``"rocch"``, of the two ends of the hull's edge)
        whose P_miss and P_fa differ least, the lower one of two; ``p_miss`` and ``p_fa`` are its.

    Raises
    ------
    InvalidInputError
        If a score is NaN, one kind of trial is missing, or the method is unknown.

    References
    ----------
    .. [1] Brümmer, de Villiers, "The BOSARIS Toolkit: Theory, Algorithms and Code for Surviving
       the New DCF", arXiv:1304.2865, 2013 (ROCCH-EER).

    Examples
    --------
    >>> equal_error_rate([1.0, 2.0, 3.0], [0.0, 1.5]).value
    0.3333333333333333
    >>> equal_error_rate([1.0, 2.0, 3.0], [0.0, 1.5], method="rocch").value
    0.2
    """
    return SortedTrials(target, nontarget).equal_error_rate(method=method)


def min_dcf(
    target: ArrayLike,
    nontarget: ArrayLike,
    *,
    p_target: float = 0.01,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> OperatingPoint:
    """Find the least detection cost over all thresholds, normalised as NIST does.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher speaks for the target.
    p_target : float, default=0.01
        Prior of a target trial, between 0 and 1.
    c_miss, c_fa : float, default=1.0
        Costs of a miss and of a false alarm, > 0.

    Returns
    -------
    OperatingPoint
        ``value`` is ``(c_miss p P_miss + c_fa (1-p) P_fa) / min(c_miss p, c_fa (1-p))``: 1 is what
        a system that ignores the speech reaches. Of equally good thresholds, the lowest.

    Raises
    ------
    InvalidInputError
        If a score is NaN, one kind of trial is missing, or a parameter lies outside its range.

    References
    ----------
    .. [1] NIST 2016 Speaker Recognition Evaluation Plan, section 3 (normalised detection cost).

    Examples
    --------
    >>> min_dcf([1.0, 2.0, 3.0], [0.0, 1.5], p_target=0.5).value
    0.3333333333333333
    """
    trials = SortedTrials(target, nontarget)
    return trials.min_dcf(p_target=p_target, c_miss=c_miss, c_fa=c_fa)


def actual_dcf(
    target: ArrayLike,
    nontarget: ArrayLike,
    *,
    threshold: float,
    p_target: float = 0.01,
    c_miss: float = 1.0,
    c_fa: float = 1.0,
) -> OperatingPoint:
    """Measure the detection cost at a given threshold, normalised as NIST does.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher speaks for the target.
    threshold : float
        Accept when ``score >= threshold``.
    p_target, c_miss, c_fa
        As for :func:`min_dcf`.

    Returns
    -------
    OperatingPoint
        The cost, with the error rates at the threshold.

    Raises
    ------
    InvalidInputError
        If a score or the threshold is NaN, one kind of trial is missing, or a parameter lies
        outside its range.

    Examples
    --------
    >>> actual_dcf([1.0, 2.0, 3.0], [0.0, 1.5], threshold=1.5, p_target=0.5).value
    0.8333333333333333
    """
    return SortedTrials(target, nontarget).actual_dcf(
        threshold=threshold, p_target=p_target, c_miss=c_miss, c_fa=c_fa
    )
