"""Extraction of the features of a batch of utterances into one shard, by a worker process."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import probe
from speakergmm.corpora import Utterance
from speakergmm.corpora.augmentation import AugmentationOptions, version_condition
from speakergmm.errors import AudioError, InvalidInputError, SpeakerGmmError
from speakergmm.features.extractor import FeatureExtractor, cached_extractor
from speakergmm.features.feature_matrix import Features
from speakergmm.features.multi_condition import audio_in_condition
from speakergmm.features.recording_mapping import result_or_error
from speakergmm.features.sample_blocks import SampleBlocks
from speakergmm.features.store.audio_state import FileState, content_digest, file_state
from speakergmm.features.store.shard_files import MappedShard, write_shard
from speakergmm.features.store.store_index import StoreSettings, cut_at_utterances
from speakergmm.features.store.utterance_table import StoredUtterance, audio_of_version
from speakergmm.files import shown_path

_MOST_PROBED = 16
_LEAST_BATCHES = 64
_LEAST_BATCH_FRAMES = 1000

Outcome = StoredUtterance | SpeakerGmmError


# The recording that was read last.
_Sources = dict[tuple[Path, float, float | None], SampleBlocks]


class _Extracted(NamedTuple):
    features: Features
    audio: str
    state: FileState


@dataclass(frozen=True, slots=True)
class ExtractShard:
    """Extraction of a batch of utterances into a shard; can be sent to worker processes.

    Parameters
    ----------
    folder : Path
        The store.
    settings : StoreSettings
        Its settings, with a configuration.
    augmentation : AugmentationOptions, optional
        Seed and talkers of augmented versions.
    """

    folder: Path
    settings: StoreSettings
    augmentation: AugmentationOptions | None = None

    def __call__(self, batch: Sequence[Utterance]) -> list[Outcome]:
        """Write the shard, and return the place of each utterance in it, or why it has none.

        Raises
        ------
        InvalidInputError
            If values of an utterance are beyond the range of the type they are stored in.
        """
        outcomes: list[Outcome] = []
        features: list[Features] = []
        extract = partial(self._extract, {}, {})
        n_frames = 0
        for utterance in batch:
            found, error = result_or_error(extract, utterance)
            if found is None:
                assert error is not None
                outcomes.append(error)
                continue
            row = stored_utterance(utterance, found.features, found.audio, found.state, n_frames)
            outcomes.append(row)
            features.append(found.features)
            n_frames += row.n_frames
        rows = [outcome for outcome in outcomes if isinstance(outcome, StoredUtterance)]
        if not rows:
            return outcomes
        name = write_features(self.folder, self.settings, rows, features)
        return [
            replace(outcome, shard=name) if isinstance(outcome, StoredUtterance) else outcome
            for outcome in outcomes
        ]

    def _extract(
        self, digests: dict[tuple[Path, FileState], str], sources: _Sources, utterance: Utterance
    ) -> _Extracted:
        config = self.settings.config
        assert config is not None
        before = file_state(utterance.path)
        features = self._features(sources, cached_extractor(config), utterance)
        if before is not None and (utterance.path, before) not in digests:
            # After it was read, and so from memory; once for all segments of a file.
            digests[utterance.path, before] = content_digest(utterance.path)
        if before is None or file_state(utterance.path) != before:
            raise AudioError(
                f"{shown_path(utterance.path)}: changed while it was read; extract again when "
                "nothing writes it"
            )
        audio = audio_of_version(digests[utterance.path, before], utterance.version)
        return _Extracted(features, audio, before)

    def _features(
        self, sources: _Sources, extractor: FeatureExtractor, utterance: Utterance
    ) -> Features:
        """Extract a recording as it is, or a version; its samples are held for the next version."""
        path, start, end = utterance.path, utterance.start, utterance.end
        if self.augmentation is None:
            return extractor.extract(path, start=start, end=end)
        rate = extractor.config.sample_rate
        if (path, start, end) not in sources:
            sources.clear()
            sources[path, start, end] = SampleBlocks(path, rate, start=start, end=end, n_passes=2)
        name = version_condition(utterance.version)
        audio = audio_in_condition(sources[path, start, end], name, self.augmentation)
        named = f"{shown_path(path)}, {name}" if utterance.version else shown_path(path)
        return extractor.extract(audio, sample_rate=rate, name=named)


def stored_utterance(
    utterance: Utterance, features: Features, audio: str, state: FileState, first: int
) -> StoredUtterance:
    """Return an utterance with the place of its features in a shard, from row `first` on."""
    return StoredUtterance(
        id=utterance.id,
        path=os.fspath(utterance.path),
        speaker=utterance.speaker,
        start=utterance.start,
        end=utterance.end,
        recording=utterance.recording,
        audio=audio,
        **state._asdict(),
        shard="",
        first=first,
        n_frames=len(features),
        n_speech=int(np.count_nonzero(features.speech)),
    )


def write_features(
    folder: Path,
    settings: StoreSettings,
    rows: Sequence[StoredUtterance],
    features: Sequence[Features],
) -> str:
    """Write features to a shard, and return its name.

    Raises
    ------
    InvalidInputError
        If values are beyond the range of the type they are stored in; the utterance is named.
    """
    values = np.concatenate(
        [
            _converted(row.id, each.values, settings.dtype)
            for row, each in zip(rows, features, strict=True)
        ]
    )
    speech = np.concatenate([each.speech for each in features])
    weights = [each.weights for each in features if each.weights is not None]
    shard = MappedShard(values, speech, np.concatenate(weights) if weights else None)
    return write_shard(folder, settings.digest, rows, shard)


def _converted(name: str, values: NDArray[np.float32], dtype: str) -> NDArray[np.floating]:
    """Return values in the type of a store."""
    if dtype == "float16":
        largest, most = float(np.abs(values).max(initial=0)), float(np.finfo(np.float16).max)
        if not largest <= most:
            raise InvalidInputError(
                f"utterance {name!r}: a feature of {largest:.6g} is beyond float16, which ends at "
                f"{most:g}; give dtype='float32' (--dtype float32)"
            )
    return values.astype(dtype, copy=False)


def plan_batches(
    utterances: Sequence[Utterance], settings: StoreSettings, shard_frames: int
) -> list[tuple[Utterance, ...]]:
    """Divide utterances into batches, each for one worker to write into one shard.

    The plan depends on the utterances and their files alone, not on the number of workers: batches
    of about `shard_frames` frames, or of less if that made fewer than 64.
    """
    expected = _expected_frames(utterances, settings)
    most = max(_LEAST_BATCH_FRAMES, min(shard_frames, sum(expected) // _LEAST_BATCHES))
    parts = cut_at_utterances(expected, most)
    return [tuple(utterances[part]) for part in parts]


def _expected_frames(utterances: Sequence[Utterance], settings: StoreSettings) -> list[int]:
    """Estimate numbers of frames from sizes of files, of which only a few are opened."""
    sizes = {}
    by_suffix: dict[str, list[Path]] = defaultdict(list)
    for path in dict.fromkeys(utterance.path for utterance in utterances):
        state = file_state(path)
        sizes[path] = 0 if state is None else state.size
        by_suffix[path.suffix].append(path)
    seconds_per_byte = {
        suffix: _seconds_per_byte(paths, sizes) for suffix, paths in by_suffix.items()
    }
    frames = []
    for utterance in utterances:
        seconds = sizes[utterance.path] * seconds_per_byte[utterance.path.suffix] - utterance.start
        if utterance.end is not None:
            seconds = utterance.end - utterance.start
        frames.append(1 + settings.grid.count(max(seconds, 0.0)))
    return frames


def _seconds_per_byte(paths: Sequence[Path], sizes: dict[Path, int]) -> float:
    """Return the mean duration of a byte of files of one format, from a few of them."""
    seconds, size = 0.0, 0
    for path in paths[:: -(-len(paths) // _MOST_PROBED)]:
        try:
            seconds += probe(path).duration
        except SpeakerGmmError:
            continue
        size += sizes[path]
    return seconds / size if size else 0.0
