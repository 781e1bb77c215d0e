"""Enrolment: statistics of recordings under the background model, and models adapted from them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath
from speakergmm.errors import (
    IncompatibleModelError,
    InsufficientDataError,
)
from speakergmm.features import StoredRecording
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics, accumulate, adapt
from speakergmm.ranges import wrong_type
from speakergmm.speakers.background import AnyBackground, as_background
from speakergmm.speakers.extraction import SpeechStream
from speakergmm.speakers.speaker_options import AdaptationOptions


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """The statistics of one recording of a speaker under the background model.

    Parameters
    ----------
    statistics : MixtureStatistics
        Baum-Welch statistics of the frames of speech: zeroth and first order, and second order
        if variances are adapted.
    seconds : float
        Duration of the recording.
    speech_seconds : float
        Seconds of speech in the recording.
    """

    statistics: MixtureStatistics
    seconds: float
    speech_seconds: float

    @property
    def n_frames(self) -> int:
        """Number of frames of speech."""
        return round(self.statistics.n_frames)


AnyStatistics = MixtureStatistics | SessionStatistics


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerModel:
    """A speaker's model, adapted from the background model.

    Parameters
    ----------
    name : str
        Name of the speaker.
    mixture : DiagonalMixture
        Component k is component k of the background model, moved towards the speaker's speech.
    background_digest : str
        Digest of the background model.
    n_frames : int
        Number of frames of speech that the model was adapted to.
    """

    name: str
    mixture: DiagonalMixture
    background_digest: str
    n_frames: int


def collect_statistics(
    background: AnyBackground,
    audio: AnyPath | NDArray[np.floating] | StoredRecording,
    *,
    sample_rate: int | None = None,
    start: float = 0.0,
    end: float | None = None,
    second_order: bool = False,
) -> SessionStatistics:
    """Collect the statistics of the speech in a recording, block by block in constant memory.

    Parameters
    ----------
    background : BackgroundModel or path
    audio : path, array of shape (N,), or StoredRecording
        The recording, its samples, or its features in a store.
    sample_rate : int, optional
        Sampling rate in hertz; only if `audio` is an array.
    start, end : float
        Beginning and end of the segment to use, in seconds; by default the whole recording.
    second_order : bool, default=False
        Collect second-order statistics as well; they are needed only to adapt variances.

    Returns
    -------
    SessionStatistics

    Raises
    ------
    AudioError
        If the recording cannot be read.
    InsufficientDataError
        If it contains less than `MINIMUM_SPEECH_SECONDS` (0.1 s) of speech.
    """
    background = as_background(background)
    mixture = background.mixture
    total = MixtureStatistics.zeros(
        mixture.n_components, mixture.n_features, second_order=second_order
    )
    segment = {"sample_rate": sample_rate, "start": start, "end": end}
    speech = SpeechStream(background.features, [audio], segment)
    # Block by block: accumulating over all of them at once would hold the speech of the whole
    # recording in memory.
    for values, weights in speech:
        if len(values):
            total = total + accumulate(
                mixture, values, weights, precision="float64", second_order=second_order
            )
    speech.check()
    return SessionStatistics(total, speech.seconds, speech.speech_seconds)


def adapt_speaker(
    background: AnyBackground,
    sessions: AnyStatistics | Sequence[AnyStatistics],
    options: AdaptationOptions | None = None,
    *,
    name: str = "speaker",
    **changes: Any,
) -> SpeakerModel:
    """Adapt the background model to a speaker by relevance MAP.

    Parameters
    ----------
    background : BackgroundModel or path
    sessions : SessionStatistics or MixtureStatistics, or sequence of them
        Statistics of the speaker's recordings. They are summed in order: the same recordings in
        the same order result in the same model to the last bit, in however many sessions they
        were enrolled.
    options : AdaptationOptions, optional
    name : str, default="speaker"
        Name of the speaker.
    **changes
        Fields of `AdaptationOptions`, in place of those of `options`.

    Returns
    -------
    SpeakerModel

    Raises
    ------
    IncompatibleModelError
        If the statistics and the background model have different shapes.
    InsufficientDataError
        If the statistics are of no frames at all.
    InvalidInputError
        If an option is out of range.

    References
    ----------
    .. [1] Reynolds, Quatieri, Dunn, "Speaker Verification Using Adapted Gaussian Mixture
       Models", Digital Signal Processing 10 (2000) 19-41.
    """
    options = AdaptationOptions.of(options, changes)
    background = as_background(background)
    listed = sessions if isinstance(sessions, Sequence) else [sessions]
    parts = [each.statistics if isinstance(each, SessionStatistics) else each for each in listed]
    shape = background.mixture.means.shape
    for statistics in parts:
        if not isinstance(statistics, MixtureStatistics):
            raise wrong_type(statistics, "statistics, collect_statistics(background, wav),")
        if statistics.first_order.shape != shape:
            raise IncompatibleModelError(
                f"the statistics of {name!r} have shape {statistics.first_order.shape}, the "
                f"background model has shape {shape}"
            )
    if sum(statistics.n_frames for statistics in parts) <= 0:
        raise InsufficientDataError(
            f"speaker {name!r}: there are no frames of speech to adapt the background model to"
        )
    total = sum_statistics(parts)
    adapted, _ = adapt(
        total,
        background.mixture,
        relevance_factor=options.relevance_factor,
        parameters=options.parameters,
    )
    return SpeakerModel(name, adapted, background.digest, round(total.n_frames))


def sum_statistics(sessions: Iterable[MixtureStatistics]) -> MixtureStatistics:
    """Sum statistics from left to right; the order determines the last bits of the result.

    Parameters
    ----------
    sessions : iterable of MixtureStatistics
        At least one.

    Returns
    -------
    MixtureStatistics
    """
    return reduce(add, sessions)
