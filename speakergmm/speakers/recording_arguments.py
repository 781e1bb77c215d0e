"""Recordings as functions are given them: paths, arrays of samples with their rate, or blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio.reading import check_rate
from speakergmm.audio.sample_arrays import as_float_samples, as_samples, checked_samples
from speakergmm.corpora import AnyPath, AudioHash, Corpus, Utterance, hash_audio, is_path
from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.ranges import wrong_type


@dataclass(frozen=True, slots=True)
class GivenFile(Utterance):
    """A file that is given by itself: its name need not be one that a list can contain."""

    def __post_init__(self) -> None:
        """Accept any name that the file system has, as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class GivenSamples(GivenFile):
    """A recording that is given as an array; its path is a name such as ``array``.

    Parameters
    ----------
    samples : array of float32, shape (N,)
        Full scale is 1.
    sample_rate : int
        In hertz.
    """

    samples: NDArray[np.float32] = field(kw_only=True)
    sample_rate: int = field(kw_only=True)

    __eq__ = object.__eq__
    __hash__ = object.__hash__


AnyRecording = AnyPath | NDArray[Any] | Iterator[NDArray[Any]] | GivenSamples
"""The path of a recording, samples as an array, or an iterator over blocks of samples."""


def as_recordings(
    given: AnyRecording | Iterable[AnyRecording],
    verb: str,
    sample_rate: int | None = None,
) -> list[Path | GivenSamples]:
    """Return one or more recordings as a list.

    Parameters
    ----------
    given : path, array of shape (N,), or iterable
        A recording, or an iterable of recordings. An iterator over arrays yields the blocks of
        one recording, which are joined; in any other iterable each array is a recording.
    verb : str
        What is done with them, for messages.
    sample_rate : int, optional
        Sampling rate in hertz of arrays and blocks, which need it.

    Raises
    ------
    InvalidInputError
        If there is no recording, samples cannot be used, or lack their rate.
    InvalidTypeError
        If one of them is something else; the message names the right call.
    """
    listed = _listed(given)
    if not listed:
        raise InvalidInputError(f"there is no recording to {verb}; give at least one")
    several = sum(_is_array(each) for each in listed) > 1
    recordings: list[Path | GivenSamples] = []
    for number, each in enumerate(listed, 1):
        if isinstance(each, GivenSamples):
            recordings.append(each)
        elif is_path(each):
            recordings.append(Path(each))
        elif _is_array(each):
            name = f"array {number}" if several else "array"
            recordings.append(_given_samples(each, sample_rate, name))
        else:
            raise _no_recording(each)
    if sample_rate is not None and all(isinstance(each, Path) for each in recordings):
        raise InvalidInputError("sample_rate is for arrays of samples; a file states its own rate")
    return recordings


def _listed(given: Any) -> list[Any]:
    """Return the recordings that are given, paths and arrays, one by one."""
    if is_path(given) or _is_array(given) or not isinstance(given, Iterable):
        return [given]
    has_numbers = isinstance(given, tuple) and any(isinstance(each, Real) for each in given)
    if has_numbers and any(map(_is_array, given)):
        raise InvalidTypeError(
            "samples and their rate are given as two arguments: samples, rate = read_audio(path), "
            "then samples and sample_rate=rate"
        )
    if isinstance(given, Iterator):
        first = list(next(([each] for each in given), ()))
        if first and _is_array(first[0]):
            return [joined_blocks(chain(first, given))]
        return [*first, *given]
    return list(given)


def joined_blocks(blocks: Iterable[NDArray[Any]]) -> NDArray[np.float32]:
    """Return the samples of all blocks in one array of float32."""
    return np.concatenate([np.empty(0, np.float32), *map(_float_samples, blocks)])


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and not isinstance(value, type | np.generic)


def _float_samples(samples: Any) -> NDArray[np.float32]:
    return as_float_samples(checked_samples(as_samples(samples)))


def _given_samples(samples: Any, sample_rate: int | None, name: str) -> GivenSamples:
    """Return checked samples as a recording."""
    if sample_rate is None:
        raise InvalidInputError(
            "samples need their rate in hertz; give sample_rate=, such as 16000"
        )
    check_rate(sample_rate)
    return GivenSamples(
        name, Path(name), None, samples=_float_samples(samples), sample_rate=int(sample_rate)
    )


def _no_recording(given: Any) -> InvalidTypeError:
    """Return the error that names the right call for what is no recording."""
    if isinstance(given, Utterance | Corpus):
        way = "; give the .path of each utterance"
    elif isinstance(given, Real):
        way = "; samples are given as an array, np.asarray(samples), with sample_rate="
    else:
        way = "; samples are given as an array with sample_rate="
    return wrong_type(given, "the path of a recording or an array of samples", way)


def sound_of(utterance: Utterance) -> tuple[Path | NDArray[np.float32], dict[str, Any]]:
    """Return the audio of an utterance, and the keywords with which its rate is given."""
    if isinstance(utterance, GivenSamples):
        return utterance.samples, {"sample_rate": utterance.sample_rate}
    return utterance.path, {}


def audio_identity(utterance: Utterance) -> str:
    """Return the hash by which the same audio is recognised; see `speakergmm.corpora.AudioHash`.

    An array has the hash of its file if it has its samples, in float32 or as int16, of one channel
    and at the rate of the file. Resampled, scaled or cut samples are other audio.
    """
    if not isinstance(utterance, GivenSamples):
        return hash_audio(utterance.path)
    total = AudioHash(utterance.sample_rate)
    total.add(utterance.samples)
    return total.hexdigest()
