"""Results that a speaker store returns."""

from dataclasses import asdict, dataclass, field
from typing import Any


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
    score : float
        Average over the frames of speech of ``log p(x | speaker) - log p(x | background)``, in
        natural logarithms.
    speech_seconds : float
        Seconds of speech that were scored.
    n_frames : float
        Number of frames of speech; a sum of weights where frames have weights.
    threshold : float or None
        The decision threshold, if there was one.
    decision : bool or None
        Whether the score reaches the threshold; None without one.
    """

    speaker: str
    score: float
    speech_seconds: float
    n_frames: float
    threshold: float | None = None
    decision: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SpeakerRanking:
    """The result of identifying an unknown speaker.

    Parameters
    ----------
    ranking : tuple of (str, float)
        The best speakers and their scores, the best first; equal scores in the order of the names.
    n_speakers : int
        Number of speakers that were compared.
    speech_seconds : float
        Seconds of speech that were scored, over all recordings.
    n_frames : float
        Number of frames of speech; a sum of weights where frames have weights.
    threshold : float or None
        The decision threshold, if there was one.
    """

    ranking: tuple[tuple[str, float], ...]
    n_speakers: int
    speech_seconds: float
    n_frames: float
    threshold: float | None = None

    @property
    def speaker(self) -> str | None:
        """Name of the best speaker; None ("unknown") if the score is below the threshold."""
        name, score = self.ranking[0]
        return name if self.threshold is None or score >= self.threshold else None

    @property
    def unknown(self) -> bool:
        """Return whether the best score is below the threshold."""
        return self.speaker is None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON can hold it."""
        return {
            "speaker": self.speaker,
            "unknown": self.unknown,
            **asdict(self),
            "ranking": [{"speaker": name, "score": score} for name, score in self.ranking],
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
