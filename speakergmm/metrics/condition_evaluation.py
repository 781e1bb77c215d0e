"""Error rates by condition: the groups of a further column of the trials, and the worst of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.metrics.evaluation_options import EvaluationOptions
from speakergmm.metrics.scores import Scores, check_scores
from speakergmm.metrics.trial_evaluation import Evaluation, evaluate

# Groups with fewer trials of either kind are not measured: an error would be 5 % or more.
_FEWEST_TRIALS = 20
# A column of numbers with more distinct values than this is cut at its quantiles.
_MOST_VALUES, _N_QUANTILES = 8, 4


@dataclass(frozen=True, slots=True, eq=False)
class ConditionGroup:
    """The trials that share a value of a condition.

    Attributes
    ----------
    value : str
        The value, or the range of a number.
    n_target, n_nontarget : int
        Number of trials.
    evaluation : Evaluation or None
        None if there are fewer than 20 target or 20 nontarget trials.
    """

    value: str
    n_target: int
    n_nontarget: int
    evaluation: Evaluation | None


@dataclass(frozen=True, slots=True, eq=False)
class ConditionEvaluation:
    """The evaluation of each group of a condition.

    Attributes
    ----------
    condition : str
        Name of the column.
    groups : tuple of ConditionGroup
        In the order of the values; numbers by size.
    metric : str
        Name of the metric by which groups are compared: that of the actual detection cost at the
        first prior for log-likelihood ratios, else the EER.
    """

    condition: str
    groups: tuple[ConditionGroup, ...]
    metric: str

    @property
    def worst(self) -> ConditionGroup | None:
        """The group with the highest value of the metric; None if all groups are too small."""
        measured = [group for group in self.groups if group.evaluation is not None]
        return max(measured, key=self._value, default=None)

    def _value(self, group: ConditionGroup) -> float:
        return group.evaluation[self.metric].value if group.evaluation is not None else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the groups as JSON can hold them."""
        groups = {
            group.value: {
                "target": group.n_target,
                "nontarget": group.n_nontarget,
                "metrics": group.evaluation and group.evaluation.to_dict()["metrics"],
            }
            for group in self.groups
        }
        worst = self.worst and self.worst.value
        return {"groups": groups, "worst": worst, "compared_by": self.metric}


def evaluate_by_condition(
    scores: Scores, condition: str, options: EvaluationOptions | None = None, **changes: Any
) -> ConditionEvaluation:
    """Measure detection on the trials of each value of a condition.

    Parameters
    ----------
    scores : Scores
        Labelled trials with conditions.
    condition : str
        Name of a condition. If its values are more than 8 different numbers, the groups are the
        quarters between their quantiles.
    options : EvaluationOptions, optional
    **changes
        Fields of `EvaluationOptions`, in place of those of `options`.

    Returns
    -------
    ConditionEvaluation

    Raises
    ------
    InvalidInputError
        If there is no such condition, or as by `evaluate`.

    Examples
    --------
    >>> scores = Scores(
    ...     ["ann", "bob"],
    ...     ["a.wav", "a.wav"],
    ...     [1.5, -0.5],
    ...     ["target", "nontarget"],
    ...     {"device": ["phone", "phone"]},
    ... )
    >>> found = evaluate_by_condition(scores, "device")
    >>> [(group.value, group.n_target) for group in found.groups], found.worst
    ([('phone', 1)], None)
    """
    check_scores(scores, "evaluate_by_condition")
    options = EvaluationOptions.of(options, changes)
    groups = []
    for value, rows in condition_groups(scores, condition):
        counts = int(scores.is_target[rows].sum()), int(scores.is_nontarget[rows].sum())
        enough = min(counts) >= _FEWEST_TRIALS
        part = evaluate(scores.select(rows), options) if enough else None
        groups.append(ConditionGroup(value, *counts, part))
    metric = next(iter(options.actual_costs), "eer_linear")
    return ConditionEvaluation(condition, tuple(groups), metric)


def condition_groups(scores: Scores, condition: str) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Yield each value of a condition, or each range of a number, with the mask of its trials."""
    named = scores.condition(condition)
    values, place = np.unique(named.astype(str), return_inverse=True)
    numbers = _as_numbers(values)
    if numbers is None:
        for index, value in enumerate(values.tolist()):
            yield value or "(none)", place == index
        return
    if len(values) <= _MOST_VALUES:
        for index in np.argsort(numbers).tolist():
            yield str(values[index]), place == index
        return
    number = numbers[place]
    edges = np.unique(np.quantile(number, np.linspace(0, 1, _N_QUANTILES + 1)))
    quarter = np.clip(np.searchsorted(edges, number, side="right") - 1, 0, len(edges) - 2)
    for index in range(len(edges) - 1):
        yield f"{edges[index]:.4g} to {edges[index + 1]:.4g}", quarter == index


def _as_numbers(values: NDArray[Any]) -> NDArray[np.float64] | None:
    """Return texts as finite numbers; None if one of them is none."""
    try:
        numbers = values.astype(np.float64)
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None
