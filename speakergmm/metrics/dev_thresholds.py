"""Thresholds chosen on dev scores for a promised false-accept rate, to be tested on others."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.metrics.evaluation_options import EvaluationOptions
from speakergmm.metrics.resampling import Interval
from speakergmm.metrics.scores import Scores, check_scores
from speakergmm.metrics.sorted_trials import SortedTrials
from speakergmm.metrics.trial_evaluation import evaluate
from speakergmm.ranges import number

# The rule of 30: so many errors for an error rate that is within 30 % with 90 % confidence.
_ENOUGH_ERRORS = 30


@dataclass(frozen=True, slots=True)
class DevThreshold:
    """A threshold with the error rates that dev scores promise for it.

    Attributes
    ----------
    threshold : float
        Trials are accepted if ``score >= threshold``.
    target_far : float
        The false-accept rate that was asked for.
    p_fa, p_miss : float
        Rates on the dev scores; the first is at most `target_far`.
    p_fa_interval, p_miss_interval : Interval or None
        Their intervals on the dev scores, the first of which is the promise.
    n_target, n_nontarget : int
        Number of dev trials.
    """

    threshold: float
    target_far: float
    p_fa: float
    p_miss: float
    p_fa_interval: Interval | None
    p_miss_interval: Interval | None
    n_target: int
    n_nontarget: int

    def holds(self, p_fa: float) -> bool | None:
        """Return whether a rate on other scores lies in the promised interval; None without one."""
        promised = self.p_fa_interval
        return None if promised is None else promised.low <= p_fa <= promised.high


def choose_threshold(
    scores: Scores,
    target_far: float,
    options: EvaluationOptions | None = None,
    *,
    force: bool = False,
    **changes: Any,
) -> DevThreshold:
    """Choose the lowest threshold whose false-accept rate on dev scores is at most a target.

    Parameters
    ----------
    scores : Scores
        Labelled dev trials.
    target_far : float
        False-accept rate, between 0 and 1.
    options : EvaluationOptions, optional
    force : bool, default=False
        Whether to choose one from too few trials.
    **changes
        Fields of `EvaluationOptions`, in place of those of `options`.

    Returns
    -------
    DevThreshold

    Raises
    ------
    InsufficientDataError
        If there are too few nontarget trials: the rule of 30 asks for ``30 / target_far``.
    InvalidInputError
        If `target_far` is out of range, or as by `evaluate`.

    References
    ----------
    .. [1] Doddington, Przybocki, Martin, Reynolds, "The NIST Speaker Recognition Evaluation:
       Overview, Methodology, Systems, Results, Perspective", Speech Communication 31 (2000)
       225-254 (rule of 30).
    """
    check_scores(scores, "choose_threshold")
    number("target_far", target_far, above=0, below=1)
    trials = SortedTrials.of(scores)
    count = len(trials.nontarget)
    if not force:
        check_enough_trials(scores, target_far)
    # The highest score that must be rejected, and the lowest above it.
    allowed = int(target_far * count + 1e-9)
    rejected = trials.nontarget[count - 1 - allowed]
    above = [
        side[place]
        for side in (trials.target, trials.nontarget)
        if (place := np.searchsorted(side, rejected, side="right")) < len(side)
    ]
    if not above:
        raise InsufficientDataError(
            f"no score lies above the nontarget score {rejected:g}, which must be rejected for "
            f"{100 * target_far:g} % false accepts"
        )
    threshold = float(min(above))
    found = evaluate(scores, options, **changes, threshold=threshold)
    alarm, miss = found["false_alarm_rate"], found["miss_rate"]
    rates = alarm.value, miss.value, alarm.interval, miss.interval
    return DevThreshold(threshold, target_far, *rates, found.n_target, found.n_nontarget)


def check_enough_trials(dev: Scores, target_far: float) -> None:
    """Refuse dev scores that are too few for a false-accept rate by the rule of 30.

    Raises
    ------
    InsufficientDataError
        The message says how many nontarget trials are needed.
    """
    count = int(dev.is_nontarget.sum())
    needed = int(
        np.ceil(_ENOUGH_ERRORS / number("target_far", target_far, above=0, below=1) - 1e-9)
    )
    if count < needed:
        raise InsufficientDataError(
            f"{count} nontarget trials cannot promise {100 * target_far:g} % false accepts: the "
            f"rule of 30 needs {needed}"
        )


def check_speakers_apart(dev: Scores, scores: Scores) -> None:
    """Refuse dev scores that share speakers or recordings with the scores that are judged.

    Raises
    ------
    InvalidInputError
        The message names the first shared model or recording.
    """
    for kind, one, other in (
        ("models", dev.model_names, scores.model_names),
        ("recordings", dev.path_names, scores.path_names),
    ):
        shared = sorted(set(one) & set(other))
        if shared:
            raise InvalidInputError(
                f"dev scores share {len(shared)} {kind} with the scores that are judged, such as "
                f"{shared[0]!r}; a threshold must be chosen on other speakers"
            )
