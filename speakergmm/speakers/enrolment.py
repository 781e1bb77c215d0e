"""Enrolment: statistics of recordings under the background model, and models adapted from them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import Any

import numpy as np

from speakergmm.errors import (
    IncompatibleModelError,
    InsufficientDataError,
)
from speakergmm.features import StoredRecording, WeightedFrames, augmented_recordings
from speakergmm.mixtures import DiagonalMixture, Mixture, MixtureStatistics, accumulate, adapt
from speakergmm.ranges import wrong_type
from speakergmm.speakers.background import AnyBackground, BackgroundModel, as_background
from speakergmm.speakers.extraction import SpeechStream
from speakergmm.speakers.recording_arguments import (
    AnyRecording,
    GivenSamples,
    joined_blocks,
    sound_of,
)
from speakergmm.speakers.speaker_options import AdaptationOptions


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """The statistics of one recording of a speaker under the background model.

    Parameters
    ----------
    statistics : MixtureStatistics
        Baum-Welch statistics of the frames of speech: zeroth and first order, and second order
        if variances are adapted. Frames count by their weights, in every version of the recording
        that the background model asks for (`BackgroundModel.augmentation`).
    seconds : float
        Duration of the recording.
    speech_seconds : float
        Seconds of speech in the recording.
    n_frames : int
        Number of frames of speech in the recording.
    measures : mapping of str to float
        Quality of the recording by name of the measure; empty if it was not measured.
    """

    statistics: MixtureStatistics
    seconds: float
    speech_seconds: float
    n_frames: int
    measures: Mapping[str, float] = field(default_factory=dict)


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
    audio: AnyRecording | StoredRecording,
    *,
    sample_rate: int | None = None,
    start: float = 0.0,
    end: float | None = None,
    second_order: bool = False,
    augmented: bool = True,
    apart: bool = False,
) -> SessionStatistics:
    """Collect the statistics of the speech in a recording, block by block in constant memory.

    Parameters
    ----------
    background : BackgroundModel or path
    audio : path, array of shape (N,), iterator over such arrays, or StoredRecording
        The recording, its samples whole or in blocks, or its features in a store.
    sample_rate : int, optional
        Sampling rate in hertz; only if `audio` is samples.
    start, end : float
        Beginning and end of the segment to use, in seconds; by default the whole recording.
    second_order : bool, default=False
        Collect second-order statistics as well; they are needed only to adapt variances.
    augmented : bool, default=True
        Sum all versions of the recording that the background model asks for
        (`BackgroundModel.augmentation`), as enrolment does.
    apart : bool, default=False
        Keep the statistics of these versions, each of K components, one after the other in place of
        their sum, as some back-ends need them (`Backend.versions_apart`).

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
    segment = {"sample_rate": sample_rate, "start": start, "end": end}
    augmented = augmented and background.augmentation is not None
    if augmented and isinstance(audio, Iterator):
        audio = joined_blocks(audio)  # which are read once for each condition
    speech = background.speech([audio], segment)
    nothing = sum_speech(background.mixture, (), second_order=second_order)
    versions = [sum_speech(background.mixture, speech, second_order=second_order)]
    speech.check()
    for version in _further_versions(background, audio, segment) if augmented else ():
        heard = nothing
        with suppress(InsufficientDataError):  # of a version in which no speech can be heard
            heard = sum_speech(background.mixture, version, second_order=second_order)
        versions.append(heard)
    total = _one_after_the_other(versions) if apart else sum_statistics(versions)
    return SessionStatistics(total, speech.seconds, speech.speech_seconds, speech.n_frames)


def _one_after_the_other(versions: Sequence[MixtureStatistics]) -> MixtureStatistics:
    """Return the zeroth and first order of V versions as those of V * K components."""
    about_zero = [each.about_zero() for each in versions]
    return MixtureStatistics(
        np.concatenate([each.counts for each in about_zero]),
        np.concatenate([each.first_order for each in about_zero]),
        None,
        sum(each.log_likelihood for each in versions),
        sum(each.n_frames for each in versions),
    )


def _further_versions(
    background: BackgroundModel,
    audio: AnyRecording | StoredRecording,
    segment: dict[str, Any],
) -> Iterator[SpeechStream]:
    """Yield the speech of a recording in each condition of the background model but clean."""
    if background.versions is None:
        return
    rate = background.features.sample_rate
    source: Any = audio
    if isinstance(audio, StoredRecording | GivenSamples):
        source, given = sound_of(audio)
        segment = segment | given
    if isinstance(audio, StoredRecording):
        segment = segment | {"start": audio.start, "end": audio.end}
    for condition, version in augmented_recordings(source, background.versions, rate, **segment):
        if condition != "clean":
            yield background.speech([version], {"sample_rate": rate})


def sum_speech(
    mixture: Mixture, speech: Iterable[WeightedFrames], *, second_order: bool = False
) -> MixtureStatistics:
    """Sum the statistics of speech under a mixture, block by block in constant memory.

    Parameters
    ----------
    mixture : Mixture
        Of K components and D features.
    speech : iterable of WeightedFrames
        Blocks of frames, shape (T, D), which count by their weights.
    second_order : bool, default=False
        Sum second-order statistics as well.

    Returns
    -------
    MixtureStatistics
    """
    total = MixtureStatistics.zeros(
        mixture.n_components, mixture.n_features, second_order=second_order
    )
    # Block by block: accumulating over all of them at once would hold the speech of the whole
    # recording in memory.
    for values, weights in speech:
        if len(values):
            total = total + accumulate(
                mixture, values, weights, precision="float64", second_order=second_order
            )
    return total


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
        background.diagonal_mixture,
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
