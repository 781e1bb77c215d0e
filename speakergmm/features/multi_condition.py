"""Recordings in several conditions, as the extractor of features takes them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora.augmentation import (
    AnyAugmentation,
    AugmentationOptions,
    as_augmentation,
    augmented,
)
from speakergmm.features.sample_blocks import HELD_SECONDS, Audio, SampleBlocks


class AugmentedRecording(NamedTuple):
    """A recording in a condition.

    Attributes
    ----------
    condition : str
        Name of the condition.
    audio : array of float32 or iterator of such arrays
        Its samples: an array if they are few, at most those of a minute.
    """

    condition: str
    audio: NDArray[np.float32] | Iterator[NDArray[np.float32]]


def augmented_recordings(
    audio: Audio,
    augmentation: AnyAugmentation,
    rate: int,
    *,
    sample_rate: int | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> Iterator[AugmentedRecording]:
    """Yield a recording once in each condition, in constant memory.

    Parameters
    ----------
    audio : path, binary file, array of shape (n,), or iterable of such arrays
        The recording, as `FeatureExtractor.extract` takes it.
    augmentation : AugmentationOptions, or what `as_augmentation` takes
        The conditions and the seed; None for the recording as it is.
    rate : int
        Sampling rate of the features, in Hz, at which the recording is changed and yielded.
    sample_rate, start, end
        As for `FeatureExtractor.extract`.

    Yields
    ------
    AugmentedRecording
        To be used before the next one is asked for: samples are computed as they are read. A
        recording of up to a minute is read once, a longer one once per condition.

    Raises
    ------
    AudioError, InvalidInputError
        As in `FeatureExtractor.extract`, when the recording is read.

    Examples
    --------
    >>> from speakergmm.features import FeatureExtractor
    >>> extractor = FeatureExtractor("kaldi")
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=8000)
    >>> for condition, version in augmented_recordings(
    ...     noise, "clean,telephone", extractor.config.sample_rate, sample_rate=8000
    ... ):
    ...     print(condition, len(extractor.extract(version, sample_rate=16000)))
    clean 98
    telephone 98
    """
    options = as_augmentation(augmentation) or AugmentationOptions(conditions=("clean",))
    with contextlib.closing(
        SampleBlocks(
            audio,
            rate,
            sample_rate=sample_rate,
            start=start,
            end=end,
            n_passes=len(options.conditions),
        )
    ) as blocks:
        for condition in options.conditions:
            version = audio_in_condition(blocks, condition, options)
            yield AugmentedRecording(condition, version)
            if not isinstance(version, np.ndarray):
                for _ in version:  # blocks of a generator are kept when they are read
                    pass


def audio_in_condition(
    blocks: SampleBlocks, condition: str, options: AugmentationOptions
) -> NDArray[np.float32] | Iterator[NDArray[np.float32]]:
    """Return a recording in a condition, at the rate of its blocks; see `AugmentedRecording`."""
    version = augmented(blocks(), blocks.rate, condition, options)
    # The recording as it is keeps its blocks, on which the last bits of its features depend.
    most = 0.0 if condition == "clean" else HELD_SECONDS * blocks.rate
    held: list[NDArray[np.float32]] = []
    for block in version:
        if held and sum(map(len, held)) + len(block) > most:
            return chain(held, [block], version)
        held.append(block)
    return np.concatenate([np.empty(0, np.float32), *held])
