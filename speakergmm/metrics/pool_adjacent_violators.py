"""The best monotone calibration of scores in hindsight, by pooling adjacent violators (PAV).

Its steps are the edges of the lower convex hull of the DET polygon, so that minimum costs are read
from either. The steps are found on the corners of the polygon, with whole numbers of trials.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics.sorted_trials import SortedTrials


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class PavCalibration:
    """A step function from scores to log-likelihood ratios, by rising score.

    Attributes
    ----------
    scores : array, shape (S,)
        Lowest score of each step.
    llrs : array, shape (S,)
        Log-likelihood ratio of each step, natural logarithm, strictly rising. The first is
        ``-inf`` if its trials are all nontargets, the last ``inf`` if they are all targets.
    targets, nontargets : array of int, shape (S,)
        Number of trials in each step.
    """

    scores: NDArray[np.float64]
    llrs: NDArray[np.float64]
    targets: NDArray[np.int64]
    nontargets: NDArray[np.int64]

    @classmethod
    def of(cls, trials: SortedTrials) -> Self:
        """Calibrate trials that are already sorted."""
        from scipy.optimize import isotonic_regression

        curve = trials.curve
        # Each edge of the polygon has one proportion of targets; pooling makes them rise.
        edges = np.stack([np.diff(curve.misses), -np.diff(curve.false_alarms)])
        total = edges.sum(axis=0)
        pooled = isotonic_regression(edges[0] / total, weights=total.astype(np.float64))
        starts = pooled.blocks[:-1].astype(np.int64)
        targets, nontargets = np.add.reduceat(edges, starts, axis=1)
        # Proportions that differ only by rounding are one step.
        new = np.append(True, targets[1:] * nontargets[:-1] > targets[:-1] * nontargets[1:])
        first = np.flatnonzero(new)
        targets, nontargets = np.add.reduceat(np.stack([targets, nontargets]), first, axis=1)
        with np.errstate(divide="ignore"):
            llrs = np.log(targets / curve.n_target) - np.log(nontargets / curve.n_nontarget)
        return cls(curve.thresholds[starts[first]], llrs, targets, nontargets)

    def __call__(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return the log-likelihood ratios of scores.

        Parameters
        ----------
        scores : array_like of float
            Of any shape. A score between two steps belongs to the lower one, and a score below all
            steps to the first.

        Returns
        -------
        array of float, of the same shape

        Raises
        ------
        InvalidInputError
            If a score is NaN.
        """
        values = np.asarray(scores, dtype=np.float64)
        if np.isnan(values).any():
            raise InvalidInputError("scores: one is NaN; must be numbers")
        step = np.searchsorted(self.scores, values, side="right") - 1
        return np.asarray(self.llrs[np.maximum(step, 0)])

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.llrs)

    def __repr__(self) -> str:
        trials = f"{self.targets.sum()} target and {self.nontargets.sum()} nontarget trials"
        return f"PavCalibration({len(self)} steps, {trials})"

    @property
    def cllr(self) -> float:
        """Cllr of the calibrated trials in bits, which is the minimum for their order."""
        return float(self.cross_entropy(np.zeros(1))[0])

    def cross_entropy(self, log_odds: NDArray[np.float64]) -> NDArray[np.float64]:
        """Compute the empirical cross-entropy of the calibrated trials, in bits.

        Parameters
        ----------
        log_odds : array, shape (K,)
            Prior log odds, finite.

        Returns
        -------
        array, shape (K,)
        """
        shift = np.asarray(log_odds)[:, None]
        costs = np.zeros(len(shift))
        for sign, counts in ((-1, self.targets), (1, self.nontargets)):
            has = counts > 0  # steps without such trials are infinite on the right side
            cost = np.logaddexp(0, sign * (self.llrs[has] + shift)) @ counts[has]
            prior = np.exp(-np.logaddexp(0, sign * shift[:, 0]))
            costs += prior * cost / counts.sum()
        return np.asarray(costs / np.log(2))


def min_cllr_of_curves(
    p_miss: NDArray[np.float64], p_fa: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Compute the minimum Cllr of many curves, in bits.

    Parameters
    ----------
    p_miss, p_fa : array, shape (C, R)
        Points of R curves by rising threshold, from (0, 1) to (1, 0); NaN in an undefined curve.

    Returns
    -------
    array, shape (R,)
        NaN where the curve is undefined.
    """
    from scipy.optimize import isotonic_regression

    result = np.full(p_miss.shape[1], np.nan)
    good = np.flatnonzero(~np.isnan(p_miss[0] + p_fa[0]))
    if not len(good):
        return result
    # The curves one after the other, each lifted above the one before: one regression for all.
    edges = np.stack([np.diff(p_miss[:, good].T).ravel(), -np.diff(p_fa[:, good].T).ravel()])
    curve = np.repeat(np.arange(len(good)), len(p_miss) - 1)
    edges = np.maximum(edges, 0)
    has = edges.sum(axis=0) > 0
    edges, curve = edges[:, has], curve[has]
    total = edges.sum(axis=0)
    pooled = isotonic_regression(edges[0] / total + 2 * curve, weights=total)
    starts = pooled.blocks[:-1].astype(np.int64)
    target, nontarget = np.add.reduceat(edges, starts, axis=1)
    costs = np.zeros(len(starts))
    for own, other in ((target, nontarget), (nontarget, target)):
        has = own > 0
        costs[has] += own[has] * np.log1p(other[has] / own[has])
    result[good] = np.bincount(curve[starts], costs, minlength=len(good)) / (2 * np.log(2))
    return result


def pav_calibration(target: ArrayLike, nontarget: ArrayLike) -> PavCalibration:
    """Calibrate scores by isotonic regression: pool adjacent violators.

    Parameters
    ----------
    target, nontarget : array_like of float, shape (T,) and (N,)
        Scores; higher ones support the target speaker.

    Returns
    -------
    PavCalibration
        Callable; maps scores to log-likelihood ratios. Equal scores are in one step. It is fitted
        to these very trials and flatters them: it shows what a calibration could reach.

    Raises
    ------
    InvalidInputError
        If a score is NaN, or there are no target or no nontarget trials.

    References
    ----------
    .. [1] Zadrozny, Elkan, "Transforming Classifier Scores into Accurate Multiclass Probability
       Estimates", KDD 2002.
    .. [2] Brümmer, du Preez, "Application-Independent Evaluation of Speaker Detection", Computer
       Speech and Language 20 (2006) 230-275, section 7.

    Examples
    --------
    >>> calibration = pav_calibration([1.0, 3.0, 4.0], [0.0, 2.0, 2.5])
    >>> calibration.scores, calibration.llrs.round(4)
    (array([0., 1., 3.]), array([   -inf, -0.6931,     inf]))
    >>> calibration([1.5, 7.0]).round(4)
    array([-0.6931,     inf])
    """
    return PavCalibration.of(SortedTrials(target, nontarget))
