"""Errors by condition: the groups of trials that further columns of the list distinguish."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.metrics import Evaluation, Interval, Scores, evaluate

# Columns with more values are numbers, which are cut at quartiles, or names of single trials.
_MOST_VALUES = 12
_FEWEST = 30
_N_BOOTSTRAP = 200


@dataclass(frozen=True, slots=True)
class GroupErrors:
    """The errors of the trials of one group.

    Attributes
    ----------
    condition, value : str
        Name of the column, and the value or range of values of the group.
    n_target, n_nontarget : int
        Number of trials.
    p_miss, p_fa : float
        Error rates at a threshold that all groups share; NaN without such trials.
    eer : float
        EER of the group by itself, at a threshold of its own; NaN with one kind of trial.
    interval : Interval or None
        Interval of the EER, if there are enough speakers.
    """

    condition: str
    value: str
    n_target: int
    n_nontarget: int
    p_miss: float
    p_fa: float
    eer: float
    interval: Interval | None

    @property
    def name(self) -> str:
        """Condition and value."""
        return f"{self.condition} = {self.value}"

    @property
    def mean_error(self) -> float:
        """Mean of both error rates at the shared threshold."""
        return (self.p_miss + self.p_fa) / 2


def errors_by_condition(
    scores: Scores, evaluation: Evaluation, *, threshold: float
) -> tuple[GroupErrors, ...]:
    """Compute the errors of each group of trials.

    Parameters
    ----------
    scores : Scores
        Labelled trials with conditions.
    evaluation : Evaluation
        Their evaluation, whose bootstrap gives the intervals, with at most 200 replicates.
    threshold : float
        The threshold that all groups share.

    Returns
    -------
    tuple of GroupErrors
        By condition in the order of the columns, then by value. A column of more than 12 numbers
        is cut at its quartiles; a column of more than 12 names distinguishes no groups.
    """
    found = []
    for condition, values in scores.conditions.items():
        for value, rows in _groups(values):
            found.append(_errors(scores.select(rows), evaluation, threshold, condition, value))
    return tuple(found)


def worst_group(groups: Sequence[GroupErrors]) -> GroupErrors | None:
    """Return the group with the highest mean error at the shared threshold.

    Parameters
    ----------
    groups : sequence of GroupErrors

    Returns
    -------
    GroupErrors or None
        None if no group has at least 30 trials of each kind.
    """
    large = [each for each in groups if min(each.n_target, each.n_nontarget) >= _FEWEST]
    return max(large, key=lambda each: each.mean_error, default=None)


def _groups(values: NDArray[Any]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield name and rows of each group."""
    texts = list(map(str, values.tolist()))
    names = sorted(set(texts))
    if len(names) <= _MOST_VALUES:
        number_of = {name: number for number, name in enumerate(names)}
        place = np.fromiter(map(number_of.__getitem__, texts), np.int64, len(texts))
        for name, number in number_of.items():
            yield name or "(empty)", place == number
        return
    try:
        numbers = values.astype(np.float64)
    except (TypeError, ValueError):
        return
    if not np.isfinite(numbers).all():
        return
    edges = np.unique(np.quantile(numbers, [0, 0.25, 0.5, 0.75, 1]))
    place = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    for number, (low, high) in enumerate(pairwise(edges.tolist())):
        yield f"{low:.3g} to {high:.3g}", place == number


def _errors(
    part: Scores, evaluation: Evaluation, threshold: float, condition: str, value: str
) -> GroupErrors:
    target, nontarget = part.target, part.nontarget
    p_miss, p_fa = (
        float(np.mean(wrong)) if len(wrong) else float("nan")
        for wrong in (target < threshold, nontarget >= threshold)
    )
    eer, interval = float("nan"), None
    if len(target) and len(nontarget):
        n_bootstrap = min(evaluation.n_bootstrap, _N_BOOTSTRAP)
        own = evaluate(
            part,
            n_bootstrap=n_bootstrap,
            confidence=evaluation.confidence,
            seed=evaluation.seed,
            p_target=(0.5,),
        )["eer_linear"]
        eer, interval = own.value, own.interval
    return GroupErrors(condition, value, len(target), len(nontarget), p_miss, p_fa, eer, interval)
