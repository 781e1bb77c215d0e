"""Extraction of the frames of speech of recordings, and the least amount of speech that is used."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from speakergmm.corpora import AnyPath, Utterance, is_path
from speakergmm.engine import ONE_WORKER, Engine
from speakergmm.errors import InsufficientDataError
from speakergmm.features import (
    FeatureConfig,
    Features,
    FeatureStore,
    StoredRecording,
    WeightedFrames,
    as_feature_config,
    cached_extractor,
    check_same_features,
    find_recordings,
    map_recordings,
)
from speakergmm.ranges import wrong_type
from speakergmm.run_context import RunContext
from speakergmm.speakers.feature_mapping import FeatureMapping
from speakergmm.speakers.recording_arguments import GivenFile, GivenSamples, sound_of

Result = TypeVar("Result")

# Frames are summed and scored in blocks of this size, cut alike wherever they come from.
_BLOCK_FRAMES = 4096

MINIMUM_SPEECH_SECONDS = 0.1
"""Least speech, in seconds, to enrol or score: a click lasts about 0.06 s, a short word 0.15 s."""


def map_grouped_recordings(
    function: Callable[[Utterance], Result],
    groups: Mapping[str, Sequence[Utterance]],
    *,
    engine: Engine,
    run: RunContext,
    description: str,
) -> Iterator[tuple[str, list[Result]]]:
    """Apply a function once to each recording of several models; yield the results by model.

    A result is dropped when the last model that needs it has been yielded: the results of all
    recordings are never held together.

    Parameters
    ----------
    function, engine, run, description
        As for `speakergmm.features.map_recordings`.
    groups : mapping of str to sequence of Utterance
        The recordings of each model; a recording may belong to several models, all of which are
        lost with it.

    Yields
    ------
    name : str
        The model, in the order of `groups`.
    results : list
        Those of its recordings, in their order, without recordings that were left out.
    """
    owners: dict[Utterance, list[str]] = {}
    for name, utterances in groups.items():
        for utterance in utterances:
            owners.setdefault(utterance, []).append(name)
    found = map_recordings(
        function,
        tuple(owners),
        engine=engine,
        run=run,
        affected={utterance.id: names for utterance, names in owners.items()},
        description=description,
    )
    place_of = {utterance: place for place, utterance in enumerate(owners)}
    waiting = {utterance: len(names) for utterance, names in owners.items()}
    results: dict[Utterance, Result] = {}
    n_found = 0  # recordings whose results are known, usable or not
    for name, utterances in groups.items():
        needed = max((place_of[utterance] for utterance in utterances), default=-1)
        while needed >= n_found:
            for utterance, result in found:
                results[utterance] = result
                n_found = place_of[utterance] + 1
                break
            else:
                n_found = len(owners)
        yield name, [results[utterance] for utterance in utterances if utterance in results]
        for utterance in utterances:
            waiting[utterance] -= 1
            if not waiting[utterance]:
                results.pop(utterance, None)


def whole_recordings(
    recordings: Iterable[Path | GivenSamples],
    store: FeatureStore | None = None,
    *,
    engine: Engine = ONE_WORKER,
) -> tuple[Utterance, ...]:
    """Return whole recordings as utterances whose ids are their paths.

    Parameters
    ----------
    recordings : iterable of Path or GivenSamples
    store : FeatureStore, optional
        Recordings that it has are read from it; see `speakergmm.features.find_recordings`. Arrays
        are not looked for.
    engine : Engine
        Workers that look for them.
    """
    given: list[Utterance] = [
        GivenFile(os.fspath(each), each, None) if isinstance(each, Path) else each
        for each in recordings
    ]
    if store is not None:
        places = [place for place, each in enumerate(given) if not isinstance(each, GivenSamples)]
        found = find_recordings(store, [given[place] for place in places], engine=engine)
        for place, each in zip(places, found, strict=True):
            given[place] = each
    return tuple(given)


def opened_store(
    given: FeatureStore | AnyPath | None, features: FeatureConfig | AnyPath | None
) -> FeatureStore | None:
    """Return the feature store that a function was given; None if it was given none.

    Parameters
    ----------
    given : FeatureStore, path or None
    features : FeatureConfig, str, path or None
        The features that it must have, such as those of the background model; None for any.

    Raises
    ------
    IncompatibleModelError
        If it has others; the message names the differences.
    InvalidTypeError
        If it is neither a store nor a path.
    StoreError, ModelFormatError
        If it is not a store, or is damaged.
    """
    if given is None:
        return None
    if not isinstance(given, FeatureStore) and not is_path(given):
        way = "; speakergmm.features.extract_features(corpus, path) makes a store"
        raise wrong_type(given, "a feature store or its path", way)
    store = given if isinstance(given, FeatureStore) else FeatureStore.open(given)
    if features is not None:
        check_same_features(store.config, as_feature_config(features), what=os.fspath(store.path))
    return store


@dataclass(slots=True, eq=False)
class SpeechStream:
    """Blocks of frames of speech, one recording after the other, in constant memory.

    The blocks are the same whether a recording is read from its file or from a feature store.

    Parameters
    ----------
    config : FeatureConfig
    recordings : sequence of path, array, iterator of arrays, StoredRecording or GivenSamples
        Recordings, their samples whole or in blocks, or recordings whose features are in a feature
        store.
    stream_options : mapping of str to object, optional
        Further keywords of `FeatureExtractor.stream`.
    mapping : FeatureMapping, optional
        By which the frames of each recording are mapped.

    Attributes
    ----------
    seconds, speech_seconds : float
        Total duration and seconds of speech of the blocks that were read so far.
    n_frames : int
        Number of frames of speech of these blocks.
    """

    config: FeatureConfig
    recordings: Sequence[Any]
    stream_options: Mapping[str, Any] = field(default_factory=dict)
    mapping: FeatureMapping | None = None
    seconds: float = field(default=0.0, init=False)
    speech_seconds: float = field(default=0.0, init=False)
    n_frames: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[WeightedFrames]:
        for recording in self.recordings:
            frames = self._speech(recording)
            yield from frames if self.mapping is None else self.mapping.mapped(frames)

    def _speech(self, recording: Any) -> Iterator[WeightedFrames]:
        """Yield the speech of a recording as it is, and count it."""
        extracted = not isinstance(recording, StoredRecording)
        for block in self._stream(recording) if extracted else stored_blocks(recording):
            self.seconds += block.duration
            self.speech_seconds += block.speech_seconds
            frames = block.speech_frames
            self.n_frames += len(frames.values)
            yield frames

    def _stream(self, recording: Any) -> Iterator[Features]:
        """Return an iterator over the features of a recording that is extracted."""
        extractor = cached_extractor(self.config)
        options = {"block_frames": _BLOCK_FRAMES, **self.stream_options}
        if isinstance(recording, GivenSamples):
            recording, rate = sound_of(recording)
            options |= rate
        return extractor.stream(recording, **options)

    def check(self) -> None:
        """Raise an error if the recordings contain too little speech; see `check_speech`."""
        first = self.recordings[0]
        if isinstance(first, Utterance):
            first = first.path
        what = os.fspath(first) if is_path(first) else "the samples"
        more = len(self.recordings) - 1
        check_speech(self.speech_seconds, f"{what} and {more} more" if more else what)


def stored_blocks(recording: StoredRecording) -> Iterator[Features]:
    """Yield the features of a recording in a store in the blocks of `FeatureExtractor.stream`."""
    whole = recording.features()
    for first in range(0, len(whole), _BLOCK_FRAMES):
        rows = slice(first, first + _BLOCK_FRAMES)
        values = whole.values[rows]
        weights = None if whole.weights is None else whole.weights[rows]
        grid = whole.grid.part(first, len(values))
        yield Features(values, whole.speech[rows], grid, weights=weights)


def speech_features(recording: Utterance, config: FeatureConfig) -> Features:
    """Return the features of a whole recording, which must contain enough speech.

    Raises
    ------
    AudioError, InsufficientDataError
        If the recording cannot be read, or as for `check_speech`.
    """
    if isinstance(recording, StoredRecording):
        features = recording.features()
    else:
        features = cached_extractor(config).extract(recording.path)
    check_speech(features.speech_seconds, os.fspath(recording.path))
    return features


def recording_of(utterance: Utterance) -> StoredRecording | GivenSamples | Path:
    """Return what `SpeechStream` reads: a recording in a feature store, samples, or a path."""
    return utterance if isinstance(utterance, StoredRecording | GivenSamples) else utterance.path


def segment_of(utterance: Utterance) -> dict[str, Any]:
    """Return the keywords by which the part of a recording that an utterance is, is read."""
    if isinstance(utterance, StoredRecording | GivenSamples):  # which hold no more than it
        return {}
    return {"start": utterance.start, "end": utterance.end}


def check_speech(seconds: float, what: str) -> None:
    """Raise an error if there is too little speech to enrol or score a speaker.

    Parameters
    ----------
    seconds : float
        Seconds of speech.
    what : str
        Name of the recording for the message.

    Raises
    ------
    InsufficientDataError
        If there are less than `MINIMUM_SPEECH_SECONDS` of speech.

    Examples
    --------
    >>> check_speech(0.06, "click.wav")
    Traceback (most recent call last):
    ...
    speakergmm.errors.InsufficientDataError: click.wav: 0.06 s of speech; at least 0.1 s are needed
    """
    # Sums of frame shifts are rounded: ten times 0.01 s must be enough.
    if seconds < MINIMUM_SPEECH_SECONDS - 1e-6:
        raise InsufficientDataError(
            f"{what}: {seconds:.3g} s of speech; at least {MINIMUM_SPEECH_SECONDS:g} s are needed"
        )
