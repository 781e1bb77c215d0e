"""Frames of speech of utterances, and how much speech is enough."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.errors import InsufficientDataError
from speakergmm.features import FeatureConfig
from speakergmm.features.recordings import cached_extractor

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
