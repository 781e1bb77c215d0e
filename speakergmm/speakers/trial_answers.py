"""The answer to a trial: a score, and of a calibrated system its ratio and what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Any

from speakergmm.errors import (
    CannotPromiseError,
    InsufficientDataError,
    InvalidInputError,
    UnlikeCalibrationError,
)
from speakergmm.speakers.calibration.decisions import (
    Decision,
    OpenSetDecision,
    decide,
    decide_open_set,
    verbal_scale,
)
from speakergmm.speakers.calibration.promises import Promise, promise_at
from speakergmm.speakers.calibration.score_calibration import Calibration
from speakergmm.speakers.speaker_options import DecisionOptions
from speakergmm.speakers.system import SpeakerSystem


@dataclass(frozen=True, slots=True)
class TrialAnswer:
    """Answer of a system to a trial.

    Parameters
    ----------
    score : float
        Score of the system.
    llr : float or None
        Calibrated log-likelihood ratio, natural logarithm; None if the system is not calibrated.
    verbal : str or None
        The ratio in words.
    threshold : float or None
        Ratio (or score, without calibration) at and above which the answer is yes; None if no
        decision was asked for.
    accepted : bool or None
        The decision; None if none was asked for.
    prior, posterior : float or None
        Prior and posterior probability that it is the speaker, if a prior was given.
    promise : Promise or None
        Error rates that are expected of the decision.
    unlike : tuple of str
        Reasons why the recordings are unlike those that the calibration saw.
    """

    score: float
    llr: float | None = None
    verbal: str | None = None
    threshold: float | None = None
    accepted: bool | None = None
    prior: float | None = None
    posterior: float | None = None
    promise: Promise | None = None
    unlike: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return {
            "score": self.score,
            "llr": self.llr,
            "verbal": self.verbal,
            "threshold": self.threshold,
            "decision": self.accepted,
            "prior": self.prior,
            "posterior": self.posterior,
            "expected": None if self.promise is None else self.promise.to_dict(),
            "unlike_calibration": list(self.unlike),
        }


def answer_trial(
    system: SpeakerSystem,
    score: float,
    measures: Mapping[str, float],
    options: DecisionOptions,
    *,
    what: str = "the recording",
) -> TrialAnswer:
    """Return the answer to a trial, with a decision if one is asked for.

    Parameters
    ----------
    system : SpeakerSystem
    score : float
        Score of the trial.
    measures : mapping of str to float
        Measures of the trial; see `measures_of_trial`.
    options : DecisionOptions
    what : str
        Name of the recording, for messages.

    Returns
    -------
    TrialAnswer

    Raises
    ------
    InvalidInputError
        If a decision by error rates or a prior is asked of a system that is not calibrated.
    CannotPromiseError
        If the calibration's trials are too few for the error rates that are asked for.
    UnlikeCalibrationError
        If a decision is asked for and the recordings are unlike those that the calibration saw,
        unless it is forced.
    """
    return decided(system, rated(system, score, measures, what=what), options, what=what)


def rated(
    system: SpeakerSystem, score: float, measures: Mapping[str, float], *, what: str
) -> TrialAnswer:
    """Return the answer to a trial without a decision; see `answer_trial`."""
    if system.calibration is None:
        return TrialAnswer(score)
    llr, unlike = _ratio(system.calibration, score, measures, what)
    return TrialAnswer(score, llr, verbal_scale(llr), unlike=unlike)


def decided(
    system: SpeakerSystem, answer: TrialAnswer, options: DecisionOptions, *, what: str
) -> TrialAnswer:
    """Return an answer with the decision that is asked for, if any; see `answer_trial`."""
    calibration, unlike = system.calibration, answer.unlike
    if calibration is None or answer.llr is None:
        if options.asks_for_rates:
            raise InvalidInputError(
                "this system is not calibrated: it has scores and no likelihood ratios, so that "
                "neither error rates nor a prior can decide; calibrate it first (speakergmm "
                "calibrate)"
            )
        accepted = None if options.threshold is None else answer.score >= options.threshold
        return replace(answer, threshold=options.threshold, accepted=accepted)
    if unlike and options.decides and not options.force:
        raise UnlikeCalibrationError(
            f"{what}: unlike what the calibration saw ({'; '.join(unlike)}); its error rates would "
            "not hold: calibrate on recordings like it, or force a decision"
        )
    promise = promised(calibration, options)
    threshold = options.threshold if promise is None else promise.threshold
    decision: Decision = decide(answer.llr, threshold=threshold, prior=options.prior)
    return replace(
        answer,
        threshold=threshold,
        accepted=None if threshold is None else answer.llr >= threshold,
        prior=options.prior,
        posterior=decision.posterior,
        promise=promise,
    )


def identified(
    system: SpeakerSystem,
    best: Mapping[str, TrialAnswer],
    options: DecisionOptions,
    *,
    n_speakers: int,
    what: str,
) -> tuple[dict[str, TrialAnswer], OpenSetDecision]:
    """Return the answers of the best speakers, the best one first, and who of them talks.

    Parameters
    ----------
    system : SpeakerSystem
    best : mapping of str to TrialAnswer
        Answers of the best speakers without a decision; see `rated`.
    options : DecisionOptions
        The false-accept rate and the prior are those of all speakers together, who share them.
    n_speakers : int
        Number of all speakers.
    what : str
        Name of the recording, for messages.

    Returns
    -------
    answers : dict of str to TrialAnswer
        That of the best speaker has the decision; the others have scores and ratios.
    decision : OpenSetDecision

    Raises
    ------
    InvalidInputError, CannotPromiseError, UnlikeCalibrationError
        As for `answer_trial`.
    """
    ratios = {name: each.score if each.llr is None else each.llr for name, each in best.items()}
    order = sorted(best, key=lambda name: (-ratios[name], -best[name].score, name))
    of_one = replace(
        options,
        target_far=options.target_far and options.target_far / n_speakers,
        prior=options.prior and options.prior / n_speakers,
    )
    try:
        first = decided(system, best[order[0]], of_one, what=what)
    except CannotPromiseError as error:
        if n_speakers == 1:
            raise
        raise CannotPromiseError(f"each of {n_speakers:,} speakers: {error}") from error
    decision = decide_open_set(
        {name: ratios[name] for name in order},
        n_speakers=n_speakers,
        threshold=first.threshold,
        prior_known=options.prior,
    )
    # Speakers with equal ratios are in the order of their scores.
    decision = replace(decision, speaker=decision.speaker and order[0])
    first = replace(first, prior=options.prior, posterior=decision.posteriors.get(order[0]))
    return {order[0]: first, **{name: best[name] for name in order[1:]}}, decision


def promised(calibration: Calibration, options: DecisionOptions) -> Promise | None:
    """Return what the calibration promises of the decisions that are asked for, if anything.

    Raises
    ------
    CannotPromiseError
        If its trials are too few, unless a threshold is given, whose rates are then unknown.
    """
    if options.target_far is not None:
        return calibration.promise(target_far=options.target_far)
    if options.prior is not None:
        return calibration.promise(prior=options.prior, c_miss=options.c_miss, c_fa=options.c_fa)
    if options.threshold is not None:
        # The threshold was not chosen for its rates: a decision does not depend on them.
        with suppress(CannotPromiseError):
            return promise_at(calibration.evidence, options.threshold)
    return None


def _ratio(
    calibration: Calibration, score: float, measures: Mapping[str, float], what: str
) -> tuple[float, tuple[str, ...]]:
    """Return the ratio of a trial, and the reasons why it is unlike those of the calibration."""
    missing = [name for name in calibration.measure_names if not isfinite(measures.get(name, nan))]
    if missing:
        raise InsufficientDataError(
            f"{what}: {', '.join(missing)} cannot be measured, and the calibration needs it"
        )
    known = {name: measures[name] for name in calibration.measure_names}
    ratio = calibration.llr([score], {name: [value] for name, value in known.items()})
    watched = {
        name: measures[name]
        for name in calibration.watched_names
        if isfinite(measures.get(name, nan))
    }
    return float(ratio[0]), calibration.unlike({**known, **watched})
