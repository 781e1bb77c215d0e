"""What a speaker store answers."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class EnrolledRecording:
    """A recording that was added to a speaker.

    Parameters
    ----------
    file_name : str
        Its name without folders.
    seconds, speech_seconds : float
        Its length, and the seconds of speech in it.
    n_frames : int
        Frames of speech.
    """

    file_name: str
    seconds: float
    speech_seconds: float
    n_frames: int


@dataclass(frozen=True, slots=True)
class EnrolmentReport:
    """What an enrolment did.

    Parameters
    ----------
    speaker : str
        The name as it is stored.
    new_speaker : bool
        Whether the store held nothing of the speaker before.
    recordings : tuple of EnrolledRecording
        What was added now.
    n_sessions : int
        Recordings of the speaker in the store.
    total_seconds : float
        Seconds of the speaker's speech in the store.
    warnings : tuple of str
        What is odd, one line each: the same audio under another name, a name nearly the same.
    """

    speaker: str
    new_speaker: bool
    recordings: tuple[EnrolledRecording, ...]
    n_sessions: int
    total_seconds: float
    warnings: tuple[str, ...] = ()

    @property
    def added_seconds(self) -> float:
        """Seconds of speech that were added now."""
        return sum(recording.speech_seconds for recording in self.recordings)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return asdict(self) | {"added_seconds": self.added_seconds}


@dataclass(frozen=True, slots=True)
class VerificationScore:
    """The answer to "is this the speaker?".

    Parameters
    ----------
    speaker : str
        Who was asked about.
    score : float
        Average over frames of speech of ``log p(x | speaker) - log p(x | background)``.
    speech_seconds : float
        Seconds of speech the score rests on.
    n_frames : int
        Frames of speech.
    threshold : float or None
        The threshold that was given.
    decision : bool or None
        Whether the score reaches it; None without a threshold.
    """

    speaker: str
    score: float
    speech_seconds: float
    n_frames: int
    threshold: float | None = None
    decision: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SpeakerRanking:
    """The answer to "who is this?".

    Parameters
    ----------
    ranking : tuple of (str, float)
        The best speakers and their scores, best first; equal scores in order of the names.
    n_speakers : int
        Speakers that were compared.
    speech_seconds : float
        Seconds of speech the scores rest on, over all recordings.
    n_frames : int
        Frames of speech.
    threshold : float or None
        The threshold that was given.
    """

    ranking: tuple[tuple[str, float], ...]
    n_speakers: int
    speech_seconds: float
    n_frames: int
    threshold: float | None = None

    @property
    def speaker(self) -> str | None:
        """The best speaker, or None ("unknown") if the score lies below the threshold."""
        name, score = self.ranking[0]
        return name if self.threshold is None or score >= self.threshold else None

    @property
    def unknown(self) -> bool:
        """Whether the best score lies below the threshold."""
        return self.speaker is None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON can hold it."""
        return {
            "speaker": self.speaker,
            "unknown": self.unknown,
            **asdict(self),
            "ranking": [{"speaker": name, "score": score} for name, score in self.ranking],
        }


@dataclass(frozen=True, slots=True)
class EnrolledSpeaker:
    """A speaker of a store.

    Parameters
    ----------
    name : str
    n_sessions : int
        Recordings of the speaker.
    speech_seconds : float
        Seconds of speech in them.
    first_enrolled, last_enrolled : str
        UTC, ISO 8601.
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
