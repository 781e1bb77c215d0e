"""Trials sorted by score: the polygon of error rates, and the figures read off it.

A trial is accepted when ``score >= threshold``. Raising the threshold past the scores one distinct
value at a time, from "accept all" to "reject all", draws a polygon from (P_fa, P_miss) = (1, 0) to
(0, 1). Scores that are equal move together: where a target and a nontarget share a score, the
polygon takes one diagonal step, so no order of equal scores, and no luck of the sort, can change
a result. Everything here is read off that polygon; its corners are all that is kept.

Infinite scores are allowed (they lie below or above every finite one), NaN is refused.
The last corner rejects all; its threshold is written ``inf`` and stands for "above every score".
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, Self, TypedDict, TypeVar

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


class Costs(TypedDict):
    """Keywords of detection costs: the prior of a target, and costs of a miss and false alarm."""

    p_target: float
    c_miss: float
    c_fa: float


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A figure of merit and the threshold of these very data that goes with it.

    Attributes
    ----------
    value : float
        The figure: an error rate (a fraction, not percent) or a normalised cost.
    threshold : float
        A score of the data, accept when ``score >= threshold``; ``inf`` rejects all. It was found
        on the scores it is reported on, so it describes them and promises nothing elsewhere.
    p_miss, p_fa : float
        Error rates that this threshold has on these data, not interpolated.
    convention : str
        How the figure is defined.
    """

    value: float
    threshold: float
    p_miss: float
    p_fa: float
    convention: str

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; an infinite threshold (reject or accept all) becomes None."""
        return asdict(self) | {"threshold": self.threshold if np.isfinite(self.threshold) else None}


@dataclass(frozen=True, slots=True, eq=False)
class DetCurve:
    """The corners of the (P_fa, P_miss) polygon, by rising threshold.

    Attributes
    ----------
    thresholds : array, shape (C,)
        Accept when ``score >= threshold``; the last is ``inf`` and rejects all.
    misses, false_alarms : array of int, shape (C,)
        Errors at each threshold; misses never fall, false alarms never rise.
    n_target, n_nontarget : int
        Trials of each kind.

    Notes
    -----
    Thresholds between two corners change only one of the errors (or lie inside one tie), and the
    polygon there is a straight line.
    """

    thresholds: NDArray[np.float64]
    misses: NDArray[np.int64]
    false_alarms: NDArray[np.int64]
    n_target: int
    n_nontarget: int

    @property
    def p_miss(self) -> NDArray[np.float64]:
        """Array, shape (C,): misses over target trials."""
        return self.misses / self.n_target

    @property
    def p_fa(self) -> NDArray[np.float64]:
        """Array, shape (C,): false alarms over nontarget trials."""
        return self.false_alarms / self.n_nontarget

    def __len__(self) -> int:
        """Count the corners."""
        return len(self.thresholds)


class SortedTrials:
    """Target and nontarget scores, sorted once; every figure is read off them.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher speaks for the target. Neither may be empty or hold NaN.
    labelled : bool, default=False
        They are known to be scores, and may have the values of labels.

    Raises
    ------
    InvalidInputError
        If a score is NaN or no number, an array is not flat, one kind of trial is missing, or one
        array looks like the labels of the other.
    """

    def __init__(self, target: ArrayLike, nontarget: ArrayLike, *, labelled: bool = False) -> None:
        if not labelled:
            _refuse_labels(target, nontarget)
        self.target = _sorted(target, "target")
        self.nontarget = _sorted(nontarget, "nontarget")

    @classmethod
    def of(cls, scores: Scores) -> Self:
        """Sort labelled trials, whatever values their scores have."""
        return cls(scores.target, scores.nontarget, labelled=True)

    @cached_property
    def curve(self) -> DetCurve:
        """The DET polygon's corners. Takes O(min(T, N) log max(T, N)) after the sort."""
        target, nontarget = self.target, self.nontarget
        swap = len(nontarget) < len(target)
        few, many = (nontarget, target) if swap else (target, nontarget)

        # How many scores of each class lie below each value of the rarer class, and up to it.
        below_few = np.flatnonzero(np.append(True, few[1:] != few[:-1]))
        upto_few = np.append(below_few[1:], len(few))
        values = few[below_few]
        below_many = np.searchsorted(many, values)
        upto_many = below_many.copy()
        tied = (_at(many, below_many) == values) & (below_many < len(many))
        upto_many[tied] = np.searchsorted(many, values[tied], "right")

        # Values with nothing of the other class between them make one straight run: only the
        # point at its first value and the point just above its last can be corners.
        starts = np.append(True, (below_many[1:] != below_many[:-1]) | tied[1:])
        ends = np.append(starts[1:], True)
        above = np.minimum(_at(few, upto_few[ends]), _at(many, upto_many[ends]))
        lowest = min(target[0], nontarget[0])
        thresholds = _interleave(lowest, values[starts], above, np.inf)
        passed_few = _interleave(0, below_few[starts], upto_few[ends], len(few))
        passed_many = _interleave(0, below_many[starts], upto_many[ends], len(many))
        misses, rejected = (passed_many, passed_few) if swap else (passed_few, passed_many)
        # Runs alternate with the other class's, so what doesn't turn is a point met twice.
        keep = np.append(True, (np.diff(misses) > 0) | (np.diff(rejected) > 0))
        false_alarms = len(nontarget) - rejected[keep]
        sizes = len(target), len(nontarget)
        return DetCurve(thresholds[keep], misses[keep], false_alarms, *sizes)

    def equal_error_rate(self, *, method: EerMethod = "linear") -> OperatingPoint:
        """See :func:`equal_error_rate`."""
        choice("method", method, _EER_CONVENTIONS)
        curve = self.curve
        # Scaled by T N the difference P_miss - P_fa is a whole number: the crossing is exact.
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
        # Python's integers don't overflow and their quotient is rounded once.
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
        """See :func:`min_dcf`."""
        weight_miss, weight_fa = dcf_weights(p_target, c_miss, c_fa)
        curve = self.curve
        cost = weight_miss * curve.p_miss + weight_fa * curve.p_fa
        best = int(np.argmin(cost))
        corner = curve.thresholds[best], curve.misses[best], curve.false_alarms[best]
        return self._point(cost[best], *corner, f"minDCF {_dcf_terms(p_target, c_miss, c_fa)}")

    def actual_dcf(
        self, *, threshold: float, p_target: float = 0.01, c_miss: float = 1.0, c_fa: float = 1.0
    ) -> OperatingPoint:
        """See :func:`actual_dcf`."""
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
        """List all thresholds from corner ``left`` to corner ``right`` and count their errors."""
        curve = self.curve
        low, high = curve.thresholds[[left, right]]
        parts = []
        for part in (self.target, self.nontarget):
            # "Reject all" lies above infinite scores too, though its threshold compares equal.
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


def dcf_weights(p_target: float, c_miss: float, c_fa: float) -> tuple[float, float]:
    """Weights of P_miss and P_fa in the normalised detection cost.

    Parameters
    ----------
    p_target, c_miss, c_fa : float
        As for :func:`min_dcf`.

    Returns
    -------
    tuple of float
        The lesser of the two is 1.

    Raises
    ------
    InvalidInputError
        If a parameter lies outside its range.

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
    """Refuse a call of the form ``(scores, labels)``, which other libraries have."""
    for kind, given, other in (("nontarget", nontarget, target), ("target", target, nontarget)):
        try:
            array, scores = np.asarray(given), np.asarray(other)
        except (TypeError, ValueError):
            continue
        if array.dtype.kind == "b" or (
            array.size == scores.size and _two_valued(array) and _tells_more(scores, array)
        ):
            raise InvalidInputError(
                f"{kind} scores: look like labels ({len(array)} of two values); give the scores "
                "of target trials first and those of nontarget trials second, as "
                "scores[labels == 1], scores[labels == 0]"
            )


def _two_valued(array: NDArray[Any]) -> bool:
    """Whether all is 0 and 1, -1 and 1, or 1 and 2, and both occur."""
    if array.dtype.kind not in "iuf" or not array.size:
        return False
    low, high = array.min(), array.max()
    is_pair = (low, high) in ((0, 1), (-1, 1), (1, 2))
    return bool(is_pair and ((array == low) | (array == high)).all())


def _tells_more(scores: NDArray[Any], labels: NDArray[Any]) -> bool:
    """Whether scores aren't two-valued themselves, and enough of them to be sure.

    Systems that answer only yes or no give two values for both kinds; of a few whole numbers
    nothing can be said.
    """
    if scores.dtype.kind not in "iuf" or np.isin(scores, labels).all():
        return False
    finite = scores[np.isfinite(scores)]
    fractional = bool((finite != np.floor(finite)).any())
    return labels.size >= 16 or (fractional and (labels.dtype.kind in "iu" or labels.size > 3))


def _sorted(scores: ArrayLike, kind: str) -> NDArray[np.float64]:
    array = as_scores(scores, f"{kind} scores")
    if not array.size:
        raise InvalidInputError(
            f"no {kind} scores: detection errors need at least one target and one nontarget trial"
        )
    array.sort()
    return array


def _at(scores: NDArray[np.float64], places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Take ``scores[places]``, infinity past the end."""
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

    Starts with the chord from "accept all" to "reject all". The corner farthest below a chord lies
    on the hull; whichever half then still straddles the diagonal is the next chord. All numbers
    are whole, hence the comparison with zero is exact.
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
