"""Extraction of the frames of speech of recordings, and the least amount of speech that is used."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.engine import Engine
from speakergmm.errors import InsufficientDataError
from speakergmm.features import FeatureConfig, cached_extractor, map_recordings
from speakergmm.run_context import RunContext

Result = TypeVar("Result")

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


def whole_recordings(paths: Iterable[Path]) -> tuple[Utterance, ...]:
    """Return whole recordings as utterances whose ids are their paths."""
    return tuple(Utterance(os.fspath(path), path, None) for path in paths)


@dataclass(slots=True, eq=False)
class SpeechStream:
    """Blocks of frames of speech, one recording after the other, in constant memory.

    Parameters
    ----------
    config : FeatureConfig
    recordings : sequence of path or array
        Recordings, or their samples.
    stream_options : mapping of str to object, optional
        Further keywords of `FeatureExtractor.stream`.

    Attributes
    ----------
    seconds, speech_seconds : float
        Total duration and seconds of speech of the blocks that were read so far.
    """

    config: FeatureConfig
    recordings: Sequence[Any]
    stream_options: Mapping[str, Any] = field(default_factory=dict)
    seconds: float = field(default=0.0, init=False)
    speech_seconds: float = field(default=0.0, init=False)

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        extractor = cached_extractor(self.config)
        for recording in self.recordings:
            for block in extractor.stream(recording, **self.stream_options):
                self.seconds += block.duration
                self.speech_seconds += block.speech_seconds
                yield block.speech_values

    def check(self) -> None:
        """Raise an error if the recordings contain too little speech; see `check_speech`."""
        first = self.recordings[0]
        what = "the samples" if isinstance(first, np.ndarray) else os.fspath(first)
        more = len(self.recordings) - 1
        check_speech(self.speech_seconds, f"{what} and {more} more" if more else what)


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
