"""The verdict on an evaluation in words: the first paragraph of its report."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from speakergmm.metrics import (
    ConditionEvaluation,
    DecidedTrials,
    Evaluation,
    Scores,
    calibration_loss,
    cllr,
    min_cllr,
    percentage,
    worst_groups,
)

# Calibration loss, in bits, up to which LLRs count as calibrated.
_SMALL_LOSS = 0.05
# With as many trials of both kinds, hindsight gains less than that. With fewer, a loss is taken for
# an accident if more than a part of so many draws of the labels show it, too.
_ENOUGH = 1000
_N_DRAWS, _MOST_DRAWN, _RARE = 200, 10_000_000, 0.05
# Errors that a rate within 30 % of the truth needs, at 90 % confidence.
_RULE_OF_THIRTY = 30
# With fewer speakers, percentile intervals are clearly too narrow.
_FEW_SPEAKERS = 20


def evaluation_verdict(
    evaluation: Evaluation,
    scores: Scores,
    *,
    llr: bool = False,
    groups: Sequence[ConditionEvaluation] = (),
) -> tuple[str, ...]:
    """Return what an evaluation shows and what it cannot show, in sentences.

    Parameters
    ----------
    evaluation : Evaluation
        The error rates.
    scores : Scores
        The trials of the evaluation.
    llr : bool, default=False
        Whether the scores are stated as log-likelihood ratios, natural logarithm.
    groups : sequence of ConditionEvaluation
        Result of `errors_by_condition`, of which the worst are named; see `worst_groups`.

    Returns
    -------
    tuple of str
        What was measured, the error rates, the calibration, the worst group, and what these data
        cannot support.

    References
    ----------
    .. [1] Doddington, Przybocki, Martin, Reynolds, "The NIST Speaker Recognition Evaluation:
       Overview, Methodology, Systems, Results, Perspective", Speech Communication 31 (2000)
       225-254 (rule of 30).
    .. [2] Hanley, Lippman-Hand, "If Nothing Goes Wrong, Is Everything All Right?", JAMA 249 (1983)
       1743-1745 (rule of three).
    """
    measured = (
        f"Measured: {_counted(evaluation.n_target, 'target trial')} and "
        f"{_counted(evaluation.n_nontarget, 'nontarget trial')} of "
        f"{_counted(evaluation.n_models, 'model')} and "
        f"{_counted(evaluation.n_paths, 'test recording')} by "
        f"{_counted(evaluation.n_speakers, 'speaker')}."
    )
    calibration = _calibration(evaluation, scores) if llr else _UNCALIBRATED
    found = (_error_rates(evaluation), calibration, *_worst(scores, groups), *_limits(evaluation))
    return (measured, *found)


_UNCALIBRATED = (
    "The scores are not stated to be log-likelihood ratios: they rank trials, and a decision from "
    "a prior and costs needs a calibration."
)


def _error_rates(evaluation: Evaluation) -> str:
    eer = evaluation["eer_linear"]
    if eer.value == 0:
        # The rule of three, exactly: rates at which one of twenty lists shows no error.
        misses, alarms = (
            _percent(1 - 0.05 ** (1 / count))
            for count in (evaluation.n_target, evaluation.n_nontarget)
        )
        return (
            "Every target trial scored above every nontarget trial. Error rates of up to "
            f"{misses} (misses) and {alarms} (false alarms) would still show no error in one of 20 "
            "such lists, even if all trials were independent."
        )
    if eer.interval is not None:
        shown = f"{100 * eer.interval.confidence:g} % interval {eer.format_interval()}"
    elif evaluation.n_bootstrap:
        shown = "no interval: there are too few speakers"
    else:
        shown = "no interval was computed"
    found = (
        f"At the threshold where both are equally frequent, {eer.format_value()} of target trials "
        f"are missed and as many nontarget trials accepted ({shown})."
    )
    if eer.value > 0.5:
        found += (
            " That is worse than chance: nontarget trials score higher than target trials; check "
            "the labels and the sign of the scores."
        )
    return found


def _calibration(evaluation: Evaluation, scores: Scores) -> str:
    target, nontarget = scores.target, scores.nontarget
    cost, least = cllr(target, nontarget), min_cllr(target, nontarget)
    if math.isinf(cost):
        return (
            "The log-likelihood ratios are not calibrated: an infinite one is wrong, so that Cllr "
            f"is infinite (minCllr {least:.3f})."
        )
    loss = cost - least
    figures = f"Cllr is {cost:.3f} bits, of which {loss:.3f} are calibration loss"
    if loss <= _SMALL_LOSS:
        return f"The log-likelihood ratios are calibrated on these trials: {figures}."
    if _is_usual_loss(target, nontarget, loss, seed=evaluation.seed):
        return (
            "These trials are too few to tell whether the log-likelihood ratios are calibrated: "
            f"{figures}, as much as calibrated ones often show on so few trials."
        )
    worse = " (no evidence at all costs 1)" if cost > 1 else ""
    return (
        f"The log-likelihood ratios are not calibrated: {figures}{worse}. A decision from a "
        "prior and costs would be misled; `speakergmm calibrate` fits a calibration."
    )


def _is_usual_loss(
    target: NDArray[np.float64], nontarget: NDArray[np.float64], loss: float, *, seed: int
) -> bool:
    """Return whether calibrated LLRs often lose as much, because hindsight flatters minCllr.

    If the LLRs are right, they and the proportion of targets give the probability that a trial is a
    target trial: labels are drawn from it, and their losses compared with that of the true labels.
    """
    if min(len(target), len(nontarget)) >= _ENOUGH:
        return False
    llrs, odds = np.concatenate([target, nontarget]), np.log(len(target) / len(nontarget))
    probability = np.exp(-np.logaddexp(0, -(llrs + odds)))
    rng = np.random.default_rng(seed)
    losses = []
    for _ in range(int(np.clip(_MOST_DRAWN / len(llrs), 20, _N_DRAWS))):
        drawn = rng.random(len(llrs)) < probability
        if 0 < drawn.sum() < len(llrs):
            losses.append(calibration_loss(llrs[drawn], llrs[~drawn]))
    return bool(np.mean(np.array(losses) >= loss) > _RARE) if losses else True


def _worst(scores: Scores, groups: Sequence[ConditionEvaluation]) -> tuple[str, ...]:
    """Return sentences on the worst groups of all conditions, at the threshold that they share."""
    if not groups:
        return ()
    decided = DecidedTrials.of(scores, groups[0].threshold)
    return tuple(
        f"The group with the most {each.kind} is {each.name}: at the same threshold "
        f"{each.in_words()}."
        for each in worst_groups(decided, [found.column for found in groups])
    )


def _limits(evaluation: Evaluation) -> tuple[str, ...]:
    """Return what the data cannot support."""
    rates = [
        f"no {kind} rate at all"
        if count <= _RULE_OF_THIRTY
        else f"no {kind} rate below {_percent(_RULE_OF_THIRTY / count)}"
        for kind, count in (
            ("false-alarm", evaluation.n_nontarget),
            ("miss", evaluation.n_target),
        )
    ]
    sentences = [
        f"These data support {rates[0]} and {rates[1]}: fewer than {_RULE_OF_THIRTY} errors are "
        "expected there, too few to know a rate within 30 %."
    ]
    if evaluation.n_speakers < _FEW_SPEAKERS:
        sentences.append(
            f"With {_counted(evaluation.n_speakers, 'speaker')} they say little about other "
            "speakers, and intervals are too narrow."
        )
    sentences.append("All thresholds were chosen on these trials, and others may need other ones.")
    return tuple(sentences)


def _percent(rate: float) -> str:
    return f"{percentage(rate)} %"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
