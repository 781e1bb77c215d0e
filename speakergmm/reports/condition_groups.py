"""Errors by condition at a threshold that all groups share, and the worst group."""

from collections.abc import Iterable

import numpy as np

from speakergmm.metrics import (
    ConditionEvaluation,
    ConditionGroup,
    Evaluation,
    Scores,
    evaluate_by_condition,
)

# A column of more different names tells single trials apart, not groups.
_MOST_NAMES = 12
_N_BOOTSTRAP = 200


def errors_by_condition(
    scores: Scores, evaluation: Evaluation, *, threshold: float
) -> tuple[ConditionEvaluation, ...]:
    """Evaluate the groups of all conditions.

    Parameters
    ----------
    scores : Scores
        Labelled trials with conditions.
    evaluation : Evaluation
        Their evaluation, whose bootstrap gives the intervals, with at most 200 replicates.
    threshold : float
        The threshold that all groups share, whose miss and false-alarm rates are measured.

    Returns
    -------
    tuple of ConditionEvaluation
        In the order of the columns; without those of more than 12 different names.
    """
    return tuple(
        evaluate_by_condition(
            scores,
            condition,
            threshold=threshold if np.isfinite(threshold) else None,
            p_target=(0.5,),
            n_bootstrap=min(evaluation.n_bootstrap, _N_BOOTSTRAP),
            confidence=evaluation.confidence,
            seed=evaluation.seed,
            resampling=evaluation.resampling,
        )
        for condition, values in scores.conditions.items()
        if _distinguishes_groups(values.tolist())
    )


def worst_group(found: Iterable[ConditionEvaluation]) -> tuple[str, ConditionGroup] | None:
    """Return the group with the highest mean of both error rates at the shared threshold.

    Parameters
    ----------
    found : iterable of ConditionEvaluation
        Result of `errors_by_condition`.

    Returns
    -------
    tuple of str and ConditionGroup, or None
        Condition and group; None if no group has enough trials.
    """
    measured = [
        (each.condition, group)
        for each in found
        for group in each.groups
        if group.evaluation is not None
    ]
    return max(measured, key=lambda each: mean_error(each[1]), default=None)


def mean_error(group: ConditionGroup) -> float:
    """Return the mean of the miss and false-alarm rates at the shared threshold; 0 if unknown."""
    known = {} if group.evaluation is None else {m.name: m for m in group.evaluation.metrics}
    return sum(known[name].value for name in ("miss_rate", "false_alarm_rate") if name in known) / 2


def _distinguishes_groups(values: list[object]) -> bool:
    names = set(map(str, values))
    if len(names) <= _MOST_NAMES:
        return True
    try:
        return bool(np.isfinite([float(name) for name in names]).all())
    except ValueError:
        return False
