"""The speech of recordings: of one, of a stream of them, of those of models; how much is enough."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, Unpack

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.errors import InsufficientDataError
from speakergmm.features import FeatureConfig, HowToMap, cached_extractor, map_recordings

Result = TypeVar("Result")

MINIMUM_SPEECH_SECONDS = 0.1
"""Speech below which nobody is enrolled or scored: a click is some 0.06 s, a short word 0.15 s."""


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


def map_grouped_recordings(
    function: Callable[[Utterance], Result],
    groups: Mapping[str, Sequence[Utterance]],
    *,
    affected: Mapping[str, Sequence[str]] | None = None,
    description: str | None = None,
    **how: Unpack[HowToMap],
) -> dict[str, list[Result]]:
    """Apply a function to the recordings of models, once to each; return the results by model.

    Parameters
    ----------
    function : callable
        Takes an utterance; raises a `SpeakerGmmError` if the recording is bad.
    groups : mapping of str to sequence of Utterance
        Recordings by model; one may belong to several.
    affected : mapping of str to sequence of str, optional
        What is lost with an utterance; by default the models that it belongs to.
    description, **how
        As `speakergmm.features.recording_mapping.map_recordings` has them.
    """
    owners: dict[Utterance, list[str]] = {}
    for name, utterances in groups.items():
        for utterance in utterances:
            owners.setdefault(utterance, []).append(name)
    if affected is None:
        affected = {utterance.id: names for utterance, names in owners.items()}
    results = map_recordings(
        function, tuple(owners), affected=affected, description=description, **how
    )
    found = dict(results)
    return {
        name: [found[utterance] for utterance in utterances if utterance in found]
        for name, utterances in groups.items()
    }


def whole_recordings(paths: Iterable[Path]) -> tuple[Utterance, ...]:
    """Return recordings as utterances whose ids are their paths."""
    return tuple(Utterance(os.fspath(path), path, None) for path in paths)


@dataclass(slots=True, eq=False)
class SpeechStream:
    """Blocks of the speech of recordings, one recording after the other, in constant memory.

    Parameters
    ----------
    config : FeatureConfig
    recordings : sequence of path or array
    options : dict, optional
        Further keywords of `FeatureExtractor.stream`.
    seconds, speech_seconds : float
        Of the blocks that were taken: all, and speech.
    """

    config: FeatureConfig
    recordings: Sequence[Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = 0.0
    speech_seconds: float = 0.0

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        extractor = cached_extractor(self.config)
        for recording in self.recordings:
            for block in extractor.stream(recording, **self.options):
                self.seconds += block.duration
                self.speech_seconds += block.speech_seconds
                yield block.speech_values

    def check(self) -> None:
        """Refuse less speech than says anything about a speaker; see `check_speech`."""
        first = self.recordings[0]
        what = "the samples" if isinstance(first, np.ndarray) else os.fspath(first)
        more = len(self.recordings) - 1
        check_speech(self.speech_seconds, f"{what} and {more} more" if more else what)


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
