"""Trials sorted by score: the polygon of error rates, and the metrics that are read from it.

A trial is accepted if ``score >= threshold``. Raising the threshold past one distinct score after
the other, from "accept all" to "reject all", draws a polygon from (P_fa, P_miss) = (1, 0) to
(0, 1). Equal scores are passed together: if a target and a nontarget trial have the same score, the
polygon takes one diagonal step, so that the order in which equal scores are sorted cannot change a
result. All metrics are read from this polygon, of which only the corners are stored.

Infinite scores are allowed (they lie below or above all finite ones), NaN is refused. The last
corner rejects all trials; its threshold is ``inf``, which stands for "above every score".
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics.scores import Scores, as_scores
from speakergmm.ranges import choice, number, refused

EerMethod = Literal["linear", "rocch"]
_EER_CONVENTIONS = {
    "linear": "EER by linear interpolation",
    "rocch": "EER on the ROC convex hull",
}
_Number = TypeVar("_Number", np.float64, np.int64)


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """The value of a metric, and the threshold on the same data at which it is reached.

    Attributes
    ----------
    value : float
        An error rate (a fraction, not a percentage) or a normalised cost.
    threshold : float
        One of the scores, at and above which trials are accepted; ``inf`` rejects all. It was
        chosen on the scores on which it is reported, and may not be as good on others.
    p_miss, p_fa : float
        Error rates of this threshold on these data, not interpolated.
    convention : str
        Definition of the metric.
    """

    value: float
    threshold: float
    p_miss: float
    p_fa: float
    convention: str

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them; an infinite threshold becomes None."""
        return asdict(self) | {"threshold": self.threshold if np.isfinite(self.threshold) else None}


@dataclass(frozen=True, slots=True, eq=False)
class DetCurve:
    """The corners of the (P_fa, P_miss) polygon, by rising threshold.

    Attributes
    ----------
    thresholds : array, shape (C,)
        Trials are accepted if ``score >= threshold``; the last is ``inf`` and rejects all.
    misses, false_alarms : array of int, shape (C,)
        Number of errors at each threshold; misses never decrease, false alarms never increase.
    n_target, n_nontarget : int
        Number of target and of nontarget trials.

    Notes
    -----
    Between the thresholds of two corners only one kind of error changes (or they are the two ends
    of a tie), so that the polygon is a straight line there.
    """

    thresholds: NDArray[np.float64]
    misses: NDArray[np.int64]
    false_alarms: NDArray[np.int64]
    n_target: int
    n_nontarget: int

    @property
    def p_miss(self) -> NDArray[np.float64]:
        """Miss rate at each corner, shape (C,)."""
        return self.misses / self.n_target

    @property
    def p_fa(self) -> NDArray[np.float64]:
        """False-alarm rate at each corner, shape (C,)."""
        return self.false_alarms / self.n_nontarget

    def __len__(self) -> int:
        """Return the number of corners."""
        return len(self.thresholds)


class SortedTrials:
    """Target and nontarget scores, sorted once for all metrics.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher ones support the target speaker. Neither array may be empty or contain NaN.
    labelled : bool, default=False
        Whether they are known to be scores, which then may look like labels.

    Raises
    ------
    InvalidInputError
        If a score is NaN or not a number, an array is not flat, there are no target or no nontarget
        trials, or one array looks like the labels of the other.
    """

    def __init__(self, target: ArrayLike, nontarget: ArrayLike, *, labelled: bool = False) -> None:
        self.target, self.nontarget = as_trials(target, nontarget, labelled=labelled)
        self.target.sort()
        self.nontarget.sort()

    @classmethod
    def of(cls, scores: Scores) -> Self:
        """Sort the scores of labelled trials, whatever their values."""
        return cls(scores.target, scores.nontarget, labelled=True)

    @cached_property
    def curve(self) -> DetCurve:
        """Corners of the DET polygon, found in O(min(T, N) log max(T, N)) after the sort."""
        target, nontarget = self.target, self.nontarget
        swap = len(nontarget) < len(target)
        few, many = (nontarget, target) if swap else (target, nontarget)

        # Numbers of scores of each class below each value of the rarer class, and up to it.
        below_few = np.flatnonzero(np.append(True, few[1:] != few[:-1]))
        upto_few = np.append(below_few[1:], len(few))
        values = few[below_few]
        below_many = np.searchsorted(many, values)
        upto_many = below_many.copy()
        tied = (_at(many, below_many) == values) & (below_many < len(many))
        upto_many[tied] = np.searchsorted(many, values[tied], "right")

        # Values without scores of the other class between them form a straight run, of which only
        # the point at the first value and the point just above the last can be corners.
        starts = np.append(True, (below_many[1:] != below_many[:-1]) | tied[1:])
        ends = np.append(starts[1:], True)
        above = np.minimum(_at(few, upto_few[ends]), _at(many, upto_many[ends]))
        lowest = min(target[0], nontarget[0])
        thresholds = _interleave(lowest, values[starts], above, np.inf)
        passed_few = _interleave(0, below_few[starts], upto_few[ends], len(few))
        passed_many = _interleave(0, below_many[starts], upto_many[ends], len(many))
        misses, rejected = (passed_many, passed_few) if swap else (passed_few, passed_many)
        # Runs of the two classes alternate, so that a point without a turn is a repeated one.
        keep = np.append(True, (np.diff(misses) > 0) | (np.diff(rejected) > 0))
        false_alarms = len(nontarget) - rejected[keep]
        sizes = len(target), len(nontarget)
        return DetCurve(thresholds[keep], misses[keep], false_alarms, *sizes)

    def equal_error_rate(self, *, method: EerMethod = "linear") -> OperatingPoint:
        """Compute the equal error rate; see :func:`equal_error_rate`."""
        choice("method", method, _EER_CONVENTIONS)
        curve = self.curve
        # Scaled by T N, the difference P_miss - P_fa is a whole number: the crossing is exact.
        excess = curve.misses * curve.n_nontarget - curve.false_alarms * curve.n_target
        if method == "linear":
            right = int(np.searchsorted(excess, 0))
            left = right - 1
            thresholds, misses, false_alarms = self._between(left, right)
        else:
            left, right = _hull_edge(curve.misses, curve.false_alarms, excess)
            ends = [left, right]
            thresholds = curve.thresholds[ends]
            misses, false_alarms = curve.misses[ends], curve.false_alarms[ends]
        # Python's integers do not overflow, and their quotient is rounded once.
        below, above = int(excess[left]), int(excess[right])
        first, last = int(curve.misses[left]), int(curve.misses[right])
        value = (first * above - last * below) / (curve.n_target * (above - below))
        best = int(np.argmin(np.abs(misses * curve.n_nontarget - false_alarms * curve.n_target)))
        return self._point(
            value, thresholds[best], misses[best], false_alarms[best], _EER_CONVENTIONS[method]
        )

    def min_dcf(
        self, *, p_target: float = 0.01, c_miss: float = 1.0, c_fa: float = 1.0
    ) -> OperatingPoint:
        """Compute the minimum detection cost; see :func:`min_dcf`."""
        weight_miss, weight_fa = dcf_weights(p_target, c_miss, c_fa)
        curve = self.curve
        cost = weight_miss * curve.p_miss + weight_fa * curve.p_fa
        best = int(np.argmin(cost))
        corner = curve.thresholds[best], curve.misses[best], curve.false_alarms[best]
        return self._point(cost[best], *corner, f"minDCF {_dcf_terms(p_target, c_miss, c_fa)}")

    def actual_dcf(
        self, *, threshold: float, p_target: float = 0.01, c_miss: float = 1.0, c_fa: float = 1.0
    ) -> OperatingPoint:
        """Compute the detection cost at a threshold; see :func:`actual_dcf`."""
        weight_miss, weight_fa = dcf_weights(p_target, c_miss, c_fa)
        if np.isnan(threshold):
            raise refused("threshold", "a number", threshold)
        misses = np.searchsorted(self.target, threshold)
        accepted = len(self.nontarget) - np.searchsorted(self.nontarget, threshold)
        p_miss, p_fa = misses / len(self.target), accepted / len(self.nontarget)
        cost = weight_miss * p_miss + weight_fa * p_fa
        title = f"actual DCF {_dcf_terms(p_target, c_miss, c_fa)}"
        return self._point(cost, threshold, misses, accepted, title)

    def _point(
        self, value: Any, threshold: Any, misses: Any, false_alarms: Any, convention: str
    ) -> OperatingPoint:
        p_miss, p_fa = misses / len(self.target), false_alarms / len(self.nontarget)
        return OperatingPoint(
            float(value), float(threshold), float(p_miss), float(p_fa), convention
        )

    def _between(
        self, left: int, right: int
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Return all thresholds from corner ``left`` to corner ``right``, with their errors."""
        curve = self.curve
        low, high = curve.thresholds[[left, right]]
        parts = []
        for part in (self.target, self.nontarget):
            # "Reject all" lies above infinite scores as well, although its threshold equals them.
            stop = None if right == len(curve) - 1 else np.searchsorted(part, high)
            parts.append(part[np.searchsorted(part, low) : stop])
        scores = np.unique(np.concatenate(parts))
        misses = np.searchsorted(self.target, scores)
        false_alarms = curve.n_nontarget - np.searchsorted(self.nontarget, scores)
        return (
            np.append(scores, high),
            np.append(misses, curve.misses[right]),
            np.append(false_alarms, curve.false_alarms[right]),
        )


def as_trials(
    target: ArrayLike, nontarget: ArrayLike, *, labelled: bool = False
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the scores of both kinds of trial as new arrays of float64.

    Parameters
    ----------
    target, nontarget, labelled
        As for `SortedTrials`, whose errors are raised.
    """
    if not labelled:
        _refuse_labels(target, nontarget)
    return _some(target, "target"), _some(nontarget, "nontarget")


def dcf_weights(p_target: float, c_miss: float, c_fa: float) -> tuple[float, float]:
    """Compute the weights of P_miss and P_fa in the normalised detection cost.

    Parameters
    ----------
    p_target, c_miss, c_fa : float
        As for :func:`min_dcf`.

    Returns
    -------
    tuple of float
        The smaller one of the two is 1.

    Raises
    ------
    InvalidInputError
        If a parameter is out of range.

    Examples
    --------
    >>> dcf_weights(0.01, 1.0, 1.0)
    (1.0, 99.0)
    """
    number("p_target", p_target, above=0, below=1)
    number("c_miss", c_miss, above=0)
    number("c_fa", c_fa, above=0)
    miss, false_alarm = c_miss * p_target, c_fa * (1 - p_target)
    least = min(miss, false_alarm)
    return miss / least, false_alarm / least


def _dcf_terms(p_target: float, c_miss: float, c_fa: float) -> str:
    return f"(p_target={p_target:g}, c_miss={c_miss:g}, c_fa={c_fa:g}), normalised"


def _refuse_labels(target: ArrayLike, nontarget: ArrayLike) -> None:
    """Raise an error at a call of the form ``(scores, labels)``, as in other libraries."""
    for kind, values, other in (("nontarget", nontarget, target), ("target", target, nontarget)):
        try:
            array, scores = np.asarray(values), np.asarray(other)
        except (TypeError, ValueError):
            continue
        if array.dtype.kind == "b" or (
            array.size == scores.size and _two_valued(array) and _differ_from_labels(scores, array)
        ):
            raise InvalidInputError(
                f"{kind} scores: look like labels ({len(array)} of two values); give the scores "
                "of target trials first and those of nontarget trials second, as "
                "scores[labels == 1], scores[labels == 0]"
            )


def _two_valued(array: NDArray[Any]) -> bool:
    """Return whether all values are 0 and 1, -1 and 1, or 1 and 2, and both occur."""
    if array.dtype.kind not in "iuf" or not array.size:
        return False
    low, high = array.min(), array.max()
    is_pair = (low, high) in ((0, 1), (-1, 1), (1, 2))
    return bool(is_pair and ((array == low) | (array == high)).all())


def _differ_from_labels(scores: NDArray[Any], labels: NDArray[Any]) -> bool:
    """Return whether the scores are more than labels, and numerous enough to be sure.

    Systems that answer only yes or no have two values for both kinds of trial; a few whole
    numbers are not enough to tell.
    """
    if scores.dtype.kind not in "iuf" or np.isin(scores, labels).all():
        return False
    finite = scores[np.isfinite(scores)]
    fractional = bool((finite != np.floor(finite)).any())
    return labels.size >= 16 or (fractional and (labels.dtype.kind in "iu" or labels.size > 3))


def _some(scores: ArrayLike, kind: str) -> NDArray[np.float64]:
    array = as_scores(scores, f"{kind} scores")
    if not array.size:
        raise InvalidInputError(
            f"no {kind} scores: detection errors need at least one target and one nontarget trial"
        )
    return array


def _at(scores: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return ``scores[places]``, with infinity past the end."""
    taken = scores[np.minimum(places, len(scores) - 1)]
    taken[places == len(scores)] = np.inf
    return taken


def _interleave(
    start: float, at: NDArray[_Number], after: NDArray[_Number], end: float
) -> NDArray[_Number]:
    merged = np.empty(2 * len(at) + 2, dtype=at.dtype)
    merged[0], merged[1:-1:2], merged[2:-1:2], merged[-1] = start, at, after, end
    return merged


def _hull_edge(
    misses: NDArray[np.int64], false_alarms: NDArray[np.int64], excess: NDArray[np.int64]
) -> tuple[int, int]:
    """Find the edge of the lower-left convex hull on which misses overtake false alarms.

    The search starts with the chord from "accept all" to "reject all". The corner farthest below a
    chord lies on the hull; the half that still crosses the diagonal is the next chord. All numbers
    are whole, so that the comparison with zero is exact.
    """
    left, right = 0, len(misses) - 1
    while True:
        m, f = misses[left : right + 1] - misses[left], false_alarms[left : right + 1]
        side = m * (f[0] - f[-1]) + (f - f[0]) * m[-1]
        lowest = int(np.argmin(side))
        if side[lowest] >= 0:
            return left, right
        if excess[left + lowest] >= 0:
            right = left + lowest
        else:
            left += lowest
