"""Error rates by condition: the groups of a further column of the trials, and the worst of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from speakergmm.metrics.evaluation_options import EvaluationOptions
from speakergmm.metrics.group_errors import (
    FEWEST_TRIALS,
    DecidedTrials,
    WorstGroup,
    worst_groups,
)
from speakergmm.metrics.scores import Scores, check_scores
from speakergmm.metrics.sorted_trials import SortedTrials
from speakergmm.metrics.trial_evaluation import Evaluation, evaluate
from speakergmm.metrics.trial_groups import GroupColumn


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
    column : GroupColumn
        The groups of all trials.
    groups : tuple of ConditionGroup
        In the order of the values; numbers by size.
    metric : str
        Name of the metric of each group that is shown: that of the actual detection cost at the
        first prior for log-likelihood ratios, else the EER.
    threshold : float
        Threshold that all groups share.
    worst : tuple of WorstGroup
        The groups with the most misses and the most false accepts at that threshold, as far as the
        trials tell; see `worst_groups`.
    """

    column: GroupColumn
    groups: tuple[ConditionGroup, ...]
    metric: str
    threshold: float
    worst: tuple[WorstGroup, ...]

    @property
    def condition(self) -> str:
        """Name of the column."""
        return self.column.name

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
        return {
            "groups": groups,
            "worst": [each.to_dict() for each in self.worst],
            "compared_at": self.threshold if np.isfinite(self.threshold) else None,
        }


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
        Groups are compared at one threshold: that of `options` or, if there is none, that of the
        EER of all trials.

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
    ([('phone', 1)], ())
    """
    check_scores(scores, "evaluate_by_condition")
    options = EvaluationOptions.of(options, changes)
    column = GroupColumn.of(condition, scores.condition(condition))
    metric = next(iter(options.actual_costs), "eer_linear")
    threshold = options.threshold
    if threshold is None:
        threshold = SortedTrials.of(scores).equal_error_rate().threshold
    if np.isfinite(threshold):
        options = EvaluationOptions.of(options, {"threshold": threshold})
    groups = []
    for value, rows in column.masks():
        counts = int(scores.is_target[rows].sum()), int(scores.is_nontarget[rows].sum())
        enough = min(counts) >= FEWEST_TRIALS
        part = evaluate(scores.select(rows), options) if enough else None
        groups.append(ConditionGroup(value, *counts, part))
    worst = worst_groups(DecidedTrials.of(scores, threshold), [column])
    return ConditionEvaluation(column, tuple(groups), metric, threshold, worst)
