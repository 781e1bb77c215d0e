"""Results that a speaker store returns."""

from dataclasses import asdict, dataclass, field
from typing import Any

from speakergmm.speakers.calibration.decisions import OpenSetDecision
from speakergmm.speakers.trial_answers import TrialAnswer


@dataclass(frozen=True, slots=True)
class EnrolledRecording:
    """A recording that has been enrolled.

    Parameters
    ----------
    file_name : str
        Name without folders.
    seconds, speech_seconds : float
        Duration of the recording, and of the speech in it.
    n_frames : int
        Number of frames of speech.
    """

    file_name: str
    seconds: float
    speech_seconds: float
    n_frames: int


@dataclass(frozen=True, slots=True)
class EnrolmentReport:
    """The result of an enrolment.

    Parameters
    ----------
    speaker : str
        Name of the speaker as it is stored.
    new_speaker : bool
        Whether the speaker was not enrolled before.
    recordings : tuple of EnrolledRecording
        The recordings that were added.
    n_sessions : int
        Number of recordings of the speaker in the store.
    total_seconds : float
        Seconds of speech of the speaker in the store.
    warnings : tuple of str
        Warnings, one line each: the same audio under another name, a name nearly the same.
    """

    speaker: str
    new_speaker: bool
    recordings: tuple[EnrolledRecording, ...]
    n_sessions: int
    total_seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def added_seconds(self) -> float:
        """Seconds of speech that were added."""
        return sum(recording.speech_seconds for recording in self.recordings)

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return asdict(self) | {"added_seconds": self.added_seconds}


@dataclass(frozen=True, slots=True)
class VerificationScore:
    """The result of verifying a claimed speaker.

    Parameters
    ----------
    speaker : str
        Name of the claimed speaker.
    speech_seconds : float
        Seconds of speech that were scored.
    n_frames : float
        Number of frames of speech; a sum of weights where frames have weights.
    answer : TrialAnswer
        Score and, of a calibrated store, likelihood ratio; the decision, if one was asked for.
    """

    speaker: str
    speech_seconds: float
    n_frames: float
    answer: TrialAnswer

    @property
    def score(self) -> float:
        """Score of the claim; see `TrialAnswer`."""
        return self.answer.score

    @property
    def llr(self) -> float | None:
        """Calibrated log-likelihood ratio of the claim; None without calibration."""
        return self.answer.llr

    @property
    def threshold(self) -> float | None:
        """The decision threshold, if there was one."""
        return self.answer.threshold

    @property
    def decision(self) -> bool | None:
        """Return whether the claim is accepted; None if no decision was asked for."""
        return self.answer.accepted

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return {
            "speaker": self.speaker,
            "speech_seconds": self.speech_seconds,
            "n_frames": self.n_frames,
            **self.answer.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class SpeakerRanking:
    """The result of identifying an unknown speaker.

    Parameters
    ----------
    ranking : tuple of (str, float)
        The best speakers and their scores, the best first; those of equal scores in the order of
        the names. Of a calibrated store they are ranked by likelihood ratios.
    n_speakers : int
        Number of speakers that were compared.
    speech_seconds : float
        Seconds of speech that were scored, over all recordings.
    n_frames : float
        Number of frames of speech; a sum of weights where frames have weights.
    answers : tuple of TrialAnswer
        The answers of the speakers in `ranking`, of which that of the best one may hold a decision.
    decision : OpenSetDecision
        Who talks, or nobody of them.
    """

    ranking: tuple[tuple[str, float], ...]
    n_speakers: int
    speech_seconds: float
    n_frames: float
    answers: tuple[TrialAnswer, ...]
    decision: OpenSetDecision

    @property
    def threshold(self) -> float | None:
        """The decision threshold, if there was one."""
        return self.decision.threshold

    @property
    def margin(self) -> float | None:
        """Distance of the best speaker from the next one, in ratios if they are calibrated."""
        return self.decision.margin

    @property
    def speaker(self) -> str | None:
        """Name of the best speaker; None ("unknown") if the decision is no."""
        return self.decision.speaker

    @property
    def unknown(self) -> bool:
        """Return whether the decision is that none of the enrolled speakers speaks."""
        return self.speaker is None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return {
            "speaker": self.speaker,
            "unknown": self.unknown,
            "margin": self.margin,
            "n_speakers": self.n_speakers,
            "speech_seconds": self.speech_seconds,
            "n_frames": self.n_frames,
            **{name: value for name, value in self.answers[0].to_dict().items() if name != "score"},
            "ranking": [
                {
                    "speaker": name,
                    "score": score,
                    "llr": answer.llr,
                    "posterior": self.decision.posteriors.get(name),
                }
                for (name, score), answer in zip(self.ranking, self.answers, strict=True)
            ],
        }


@dataclass(frozen=True, slots=True)
class EnrolledSpeaker:
    """An enrolled speaker.

    Parameters
    ----------
    name : str
        Name of the speaker.
    n_sessions : int
        Number of recordings of the speaker.
    speech_seconds : float
        Seconds of speech in the recordings.
    first_enrolled, last_enrolled : str
        Times of the first and the last enrolment, in UTC and ISO 8601.
    file_names : tuple of str
        Names of the recordings, in the order in which they were enrolled.
    """

    name: str
    n_sessions: int
    speech_seconds: float
    first_enrolled: str
    last_enrolled: str
    file_names: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self)
