"""Features of many recordings in parallel; bad recordings are reported and skipped."""

import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.errors import InsufficientDataError, SpeakerGmmError
from speakergmm.features import FeatureConfig, FeatureExtractor
from speakergmm.parallel import parallel_map

Result = TypeVar("Result")

MINIMUM_SPEECH_SECONDS = 0.1
"""Speech below which nobody is enrolled or scored: a click is some 0.06 s, a short word 0.15 s."""


class SkippedRecordingWarning(UserWarning):
    """A recording was bad, and the work went on without it."""


@dataclass(frozen=True, slots=True)
class SkippedRecording:
    """A recording that could not be used, and what that cost.

    Parameters
    ----------
    path : Path
        The recording.
    message : str
        Why, in one line that names the file.
    affected : tuple of str
        What was lost with it: the utterance, the model it should have enrolled, or its trials.
    """

    path: Path
    message: str
    affected: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return {
            "path": os.fspath(self.path),
            "message": self.message,
            "affected": list(self.affected),
        }


OnSkip = Callable[[SkippedRecording], None]


@dataclass(frozen=True, slots=True)
class SpeechFrames:
    """The frames of speech of one utterance.

    Parameters
    ----------
    values : array, shape (T, D)
        Float32.
    seconds : float
        Seconds of speech they cover.
    """

    values: NDArray[np.float32]
    seconds: float


def warn_of_skip(skipped: SkippedRecording) -> None:
    """Issue a `SkippedRecordingWarning`: what happens by default."""
    warnings.warn(f"skipped {skipped.message}", SkippedRecordingWarning, stacklevel=3)


def map_recordings(
    function: Callable[[Utterance], Result],
    utterances: Sequence[Utterance],
    *,
    n_jobs: int = 1,
    strict: bool = False,
    on_skip: OnSkip | None = None,
    affected: Mapping[str, Sequence[str]] | None = None,
    description: str | None = None,
) -> Iterator[tuple[Utterance, Result]]:
    """Apply a function to each utterance in parallel; skip those that it refuses.

    Parameters
    ----------
    function : callable
        Takes an utterance; raises a `SpeakerGmmError` if the recording is bad.
    utterances : sequence of Utterance
    n_jobs : int
        See `speakergmm.parallel.parallel_map`.
    strict : bool
        Raise the first error instead of skipping.
    on_skip : callable, optional
        Called with each `SkippedRecording`; by default a warning is issued.
    affected : mapping of str to sequence of str, optional
        By utterance id, what is lost if the recording is bad; by default the id itself.
    description : str, optional
        Text of a progress bar.

    Yields
    ------
    utterance, result
        In order, without those that were skipped.
    """
    report = on_skip or warn_of_skip
    results = parallel_map(_Guarded(function), utterances, n_jobs=n_jobs, description=description)
    for utterance, (result, error) in zip(utterances, results, strict=True):
        if error is None:
            assert result is not None
            yield utterance, result
            continue
        if strict:
            raise error
        lost = tuple((affected or {}).get(utterance.id, (utterance.id,)))
        report(SkippedRecording(utterance.path, str(error), lost))


@dataclass(frozen=True, slots=True)
class ExtractSpeech:
    """The function from an utterance to its frames of speech; travels between processes."""

    config: FeatureConfig

    def __call__(self, utterance: Utterance) -> SpeechFrames:
        """Extract one utterance."""
        features = cached_extractor(self.config).extract(
            utterance.path, start=utterance.start, end=utterance.end
        )
        return SpeechFrames(features.speech_values, features.speech_seconds)


def check_speech(seconds: float, what: str) -> None:
    """Refuse less speech than says anything about a speaker.

    Parameters
    ----------
    seconds : float
        Seconds of speech that were found.
    what : str
        Name of the recording for the message.

    Raises
    ------
    InsufficientDataError
        If that is less than `MINIMUM_SPEECH_SECONDS`; says how much there is.

    Examples
    --------
    >>> check_speech(0.06, "click.wav")
    Traceback (most recent call last):
    ...
    speakergmm.errors.InsufficientDataError: click.wav: 0.06 s of speech; at least 0.1 s are needed
    """
    # Sums of frame shifts are rounded: ten times 0.01 s must do.
    if seconds < MINIMUM_SPEECH_SECONDS - 1e-6:
        raise InsufficientDataError(
            f"{what}: {seconds:.3g} s of speech; at least {MINIMUM_SPEECH_SECONDS:g} s are needed"
        )


@lru_cache(maxsize=4)
def cached_extractor(config: FeatureConfig) -> FeatureExtractor:
    """Return an extractor; its tables are computed once per process."""
    return FeatureExtractor(config)


def as_config(features: FeatureConfig | str | os.PathLike[str]) -> FeatureConfig:
    """Return a configuration given as such, by the name of a preset, or by a file."""
    return features if isinstance(features, FeatureConfig) else FeatureConfig.load(features)


@dataclass(frozen=True, slots=True)
class _Guarded(Generic[Result]):
    """A call whose refusal is a result: one bad file must not end the others' work."""

    function: Callable[[Utterance], Result]

    def __call__(self, utterance: Utterance) -> tuple[Result | None, SpeakerGmmError | None]:
        try:
            return self.function(utterance), None
        except SpeakerGmmError as error:
            return None, error
