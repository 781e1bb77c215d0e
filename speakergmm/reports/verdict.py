"""The verdict on an evaluation in words: the first paragraph of its report."""

import math

from speakergmm.metrics import Evaluation, Scores, cllr, min_cllr

# Calibration loss, in bits, up to which LLRs count as calibrated.
_SMALL_LOSS = 0.05
# Errors that a rate within 30 % of the truth needs, at 90 % confidence.
_RULE_OF_THIRTY = 30
# With fewer speakers, percentile intervals are clearly too narrow.
_FEW_SPEAKERS = 20


def evaluation_verdict(
    evaluation: Evaluation, scores: Scores, *, llr: bool = False
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

    Returns
    -------
    tuple of str
        What was measured, the error rates, the calibration, and what these data cannot support.

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
    calibration = _calibration(scores) if llr else _UNCALIBRATED
    return (measured, _error_rates(evaluation), calibration, *_limits(evaluation))


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


def _calibration(scores: Scores) -> str:
    cost, least = cllr(scores.target, scores.nontarget), min_cllr(scores.target, scores.nontarget)
    if math.isinf(cost):
        return (
            "The log-likelihood ratios are not calibrated: an infinite one is wrong, so that Cllr "
            f"is infinite (minCllr {least:.3f})."
        )
    figures = f"Cllr {cost:.3f} bits, of which {cost - least:.3f} are calibration loss"
    if cost - least <= _SMALL_LOSS:
        return f"The log-likelihood ratios are calibrated on these trials: {figures}."
    harm = (
        "they are worse than no evidence at even odds, and"
        if cost > 1
        else "at some priors they may be worse than no evidence, and"
    )
    return (
        f"The log-likelihood ratios are not calibrated: {figures}; {harm} a decision from a prior "
        "and costs would be misled."
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
    return f"{100 * rate:.2g} %"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
