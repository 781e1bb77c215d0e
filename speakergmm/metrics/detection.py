"""Detection errors: EER, detection cost and the DET curve, exactly, by sorting.

A trial is accepted if ``score >= threshold``; infinite scores are allowed, NaN is refused.
:mod:`speakergmm.metrics.sorted_trials` describes the treatment of ties; its
:class:`~speakergmm.metrics.sorted_trials.SortedTrials` sorts the scores once for several metrics.
"""

from numpy.typing import ArrayLike

from speakergmm.metrics.sorted_trials import (
    DetCurve,
    EerMethod,
    OperatingPoint,
    SortedTrials,
)


def det_curve(target: ArrayLike, nontarget: ArrayLike) -> DetCurve:
    """Compute the detection error trade-off (DET) curve, reduced without loss to its corners.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher ones support the target speaker.

    Returns
    -------
    DetCurve
        Corners by rising threshold, from "accept all" to "reject all".

    Raises
    ------
    InvalidInputError
        If a score is NaN, or there are no target or no nontarget trials.

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
    """Compute the equal error rate, at which miss and false-alarm rates are the same.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher ones support the target speaker.
    method : {"linear", "rocch"}
        ``"linear"``: P_miss and P_fa are interpolated linearly between adjacent thresholds (the
        distinct scores, and "reject all"); the EER is where they cross. Equal scores are passed
        together, in one diagonal step. ``"rocch"``: the same on the lower-left convex hull of the
        points (P_fa, P_miss), as obtained by the pool-adjacent-violators algorithm; it is never
        larger.

    Returns
    -------
    OperatingPoint
        ``threshold`` is the threshold of the data (for ``"rocch"``, of the two ends of the edge of
        the hull) at which P_miss and P_fa differ least, the lower one of two; ``p_miss`` and
        ``p_fa`` are its error rates.

    Raises
    ------
    InvalidInputError
        If a score is NaN, there are no target or no nontarget trials, or the method is unknown.

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
    """Compute the minimum detection cost over all thresholds, normalised as by NIST.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher ones support the target speaker.
    p_target : float, default=0.01
        Prior of a target trial, between 0 and 1.
    c_miss, c_fa : float, default=1.0
        Costs of a miss and of a false alarm, > 0.

    Returns
    -------
    OperatingPoint
        ``value`` is ``(c_miss p P_miss + c_fa (1-p) P_fa) / min(c_miss p, c_fa (1-p))``: 1 is the
        cost of a system that ignores the speech. Of equally good thresholds, the lowest is
        returned.

    Raises
    ------
    InvalidInputError
        If a score is NaN, there are no target or no nontarget trials, or a parameter is out of
        range.

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
    """Compute the detection cost at a given threshold, normalised as by NIST.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher ones support the target speaker.
    threshold : float
        A trial is accepted if ``score >= threshold``.
    p_target, c_miss, c_fa
        As for :func:`min_dcf`.

    Returns
    -------
    OperatingPoint
        The cost, with the error rates at the threshold.

    Raises
    ------
    InvalidInputError
        If a score or the threshold is NaN, there are no target or no nontarget trials, or a
        parameter is out of range.

    Examples
    --------
    >>> actual_dcf([1.0, 2.0, 3.0], [0.0, 1.5], threshold=1.5, p_target=0.5).value
    0.8333333333333333
    """
    return SortedTrials(target, nontarget).actual_dcf(
        threshold=threshold, p_target=p_target, c_miss=c_miss, c_fa=c_fa
    )
