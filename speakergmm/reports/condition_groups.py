"""Errors by condition at a threshold that all groups share."""

import numpy as np

from speakergmm.metrics import (
    ConditionEvaluation,
    Evaluation,
    GroupColumn,
    Scores,
    evaluate_by_condition,
)

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
        if GroupColumn.of(condition, values).tells_groups
    )
