"""Comparison of two recordings, which may be of one speaker."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from speakergmm.corpora import Utterance
from speakergmm.errors import InvalidInputError
from speakergmm.speakers.backends import stack_terms
from speakergmm.speakers.calibration.decisions import verbal_scale
from speakergmm.speakers.enrolment import SessionStatistics, collect_statistics
from speakergmm.speakers.extraction import recording_of, whole_recordings
from speakergmm.speakers.recording_arguments import (
    AnyRecording,
    GivenSamples,
    as_recordings,
    audio_identity,
    sound_of,
)
from speakergmm.speakers.shipped import shipped_system
from speakergmm.speakers.speaker_options import VerificationOptions
from speakergmm.speakers.system import AnySystem, SpeakerSystem, as_system
from speakergmm.speakers.trial_answers import TrialAnswer, decided, rated
from speakergmm.speakers.trial_measures import (
    MeasuredSpeech,
    mean_of_statistics,
    measures_of_trial,
    recording_measures,
)


@dataclass(frozen=True, slots=True)
class RecordingComparison:
    """The result of comparing two recordings.

    Parameters
    ----------
    names : tuple of str
        Names of the recordings.
    speech_seconds : tuple of float
        Seconds of speech in each.
    answer : TrialAnswer
        Means of scores and of likelihood ratios over both directions; the decision, if one was
        asked for.
    directions : tuple of TrialAnswer
        The answers with the first recording enrolled and the second one tested, and the other way
        round.
    """

    names: tuple[str, str]
    speech_seconds: tuple[float, float]
    answer: TrialAnswer
    directions: tuple[TrialAnswer, TrialAnswer]

    @property
    def llr(self) -> float | None:
        """Log-likelihood ratio of one speaker to two; None if the system is not calibrated."""
        return self.answer.llr

    @property
    def decision(self) -> bool | None:
        """Return whether the recordings are of one speaker; None if no decision was asked for."""
        return self.answer.accepted

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return {
            "recordings": list(self.names),
            "speech_seconds": list(self.speech_seconds),
            **self.answer.to_dict(),
            "directions": [{"score": each.score, "llr": each.llr} for each in self.directions],
        }


def compare_recordings(
    a: AnyRecording,
    b: AnyRecording,
    system: AnySystem | None = None,
    options: VerificationOptions | None = None,
    *,
    sample_rate: int | None = None,
    **changes: Any,
) -> RecordingComparison:
    """Compare two recordings: compute how much likelier they are if one speaker speaks in both.

    Parameters
    ----------
    a, b : path or array of shape (N,)
        The recordings, in each of which nobody else speaks.
    system : SpeakerSystem, BackgroundModel or path of either, optional
        By default the one that ships with the package (`shipped_system`).
    options : VerificationOptions, optional
        How a decision is asked for, if at all.
    sample_rate : int, optional
        Sampling rate in hertz of arrays, which need it.
    **changes
        Fields of `VerificationOptions`, in place of those of `options`: ``threshold``,
        ``target_far``, ``prior``, ``c_miss``, ``c_fa``, ``force``, ``top_c``.

    Returns
    -------
    RecordingComparison

    Raises
    ------
    InvalidInputError
        If both are the same audio, an option is out of range, or a decision is asked for that
        needs a calibration.
    AudioError, InsufficientDataError
        If a recording cannot be read, contains less than 0.1 s of speech, or cannot be measured.
    CannotPromiseError, UnlikeCalibrationError
        As for `SpeakerStore.verify`.

    Notes
    -----
    Each recording is enrolled and the other one is scored. The two log-likelihood ratios rest on
    the same evidence: their mean is taken, since the sum would count it twice. The order of the
    recordings makes no difference. Promised error rates are those of the calibration's trials,
    which were scored in one direction; those of the mean were not measured.
    """
    options = VerificationOptions.of(options, changes)
    made = shipped_system() if system is None else as_system(system)
    given = as_recordings([a, b], "compare", sample_rate)
    utterances = whole_recordings(given)
    names = _names(given)
    if audio_identity(utterances[0]) == audio_identity(utterances[1]):
        raise InvalidInputError(
            f"{names[0]} and {names[1]}: the same audio; a comparison needs two recordings"
        )
    sides = [_side(made, utterance) for utterance in utterances]
    directions = (
        _direction(made, sides[0], sides[1], names, options.top_c),
        _direction(made, sides[1], sides[0], names[::-1], options.top_c),
    )
    both = " and ".join(names)
    answer = decided(made, _mean(directions), options, what=both)
    seconds = sides[0].statistics.speech_seconds, sides[1].statistics.speech_seconds
    return RecordingComparison(names, seconds, answer, directions)


def _names(given: list[Path | GivenSamples]) -> tuple[str, str]:
    one, other = (str(each.path if isinstance(each, GivenSamples) else each) for each in given)
    return one, other


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """A recording with its statistics and the measures of its quality."""

    utterance: Utterance
    statistics: SessionStatistics
    quality: dict[str, float]


def _side(system: SpeakerSystem, utterance: Utterance) -> _Side:
    sound, rate = sound_of(utterance)
    found = collect_statistics(
        system.background,
        recording_of(utterance),
        second_order=system.backend.needs_second_order,
        apart=system.backend.versions_apart,
    )
    quality = {}
    if system.calibration is not None:
        quality = recording_measures(sound, system.background.features, **rate)
    return _Side(utterance, found, quality)


def _direction(
    system: SpeakerSystem,
    enrolled: _Side,
    tested: _Side,
    names: tuple[str, str],
    top_c: int | None,
) -> TrialAnswer:
    """Return the answer to the claim that the speaker of one recording speaks in another."""
    sessions = [enrolled.statistics.statistics]
    terms = stack_terms(system.backend, [system.backend.enroll(sessions, name=names[0])])
    stream = system.background.speech([recording_of(tested.utterance)])
    speech = MeasuredSpeech(stream, system.background.mixture)
    scores, _ = system.scorer((names[0],), terms).score_blocks(speech, top_c=top_c)
    measures = measures_of_trial(
        tested.quality, enrolled.quality, speech, mean_of_statistics(sessions)
    )
    found = rated(system, float(scores[0]), measures, what=names[1])
    return replace(found, unlike=tuple(_named(reason, *names) for reason in found.unlike))


def _named(reason: str, enrolled: str, tested: str) -> str:
    """Return a reason of a calibration with the recording in place of its side of the trial."""
    for side, name in (("enrolment", enrolled), ("test", tested)):
        if reason.startswith(f"{side} "):
            return f"{name} as {side}: {reason.removeprefix(f'{side} ')}"
    return reason


def _mean(directions: tuple[TrialAnswer, TrialAnswer]) -> TrialAnswer:
    one, other = directions
    score = (one.score + other.score) / 2
    if one.llr is None or other.llr is None:
        return TrialAnswer(score)
    llr = (one.llr + other.llr) / 2
    unlike = tuple(dict.fromkeys(one.unlike + other.unlike))
    return TrialAnswer(score, llr, verbal_scale(llr), unlike=unlike)
