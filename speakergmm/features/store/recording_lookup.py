"""Recordings that a feature store has, wherever their files lie now."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from speakergmm.corpora import Utterance
from speakergmm.engine import ONE_WORKER, Engine
from speakergmm.features.feature_matrix import Features
from speakergmm.features.grid import FrameGrid
from speakergmm.features.store.audio_state import FileState, digest_if_unchanged, file_state
from speakergmm.features.store.feature_store import FeatureStore
from speakergmm.features.store.store_extraction import FeatureStoreWarning
from speakergmm.features.store.stored_frames import StoreShard
from speakergmm.features.store.utterance_table import ContentKey, audio_of_version
from speakergmm.files import shown_path


@dataclass(frozen=True, slots=True)
class StoredRecording(Utterance):
    """A recording, or a part of one, whose features are in a feature store.

    It can be sent to worker processes, which read the features by themselves.

    Parameters
    ----------
    id, path, speaker, start, end, recording
        As in `Utterance`.
    frames : StoreShard
        The features.
    grid : FrameGrid
        Times of frames.
    """

    frames: StoreShard | None = None
    grid: FrameGrid | None = None

    @property
    def stored_id(self) -> str:
        """Id of the utterance in the store."""
        assert self.frames is not None
        return self.frames.pieces[0].id

    def features(self) -> Features:
        """Return the features, as `FeatureExtractor.extract` returned them.

        Raises
        ------
        ModelFormatError
            If the shard is damaged.
        StoreError
            If the recording has been removed from the store.
        """
        assert self.frames is not None
        assert self.grid is not None
        values = self.frames.utterance(0)
        grid = self.grid.part(0, len(values))
        weights = self.frames.weights(0)
        return Features(values, self.frames.speech(0), grid, weights=weights)


def find_recordings(
    store: FeatureStore, utterances: Sequence[Utterance], *, engine: Engine = ONE_WORKER
) -> tuple[Utterance, ...]:
    """Return utterances as `StoredRecording` where a store has the features of the same audio.

    A file that is as it was when its features were extracted is recognised by its path, size, times
    of modification and change, and inode. Any other is recognised by its content, wherever it lies.
    If there is no file any more, the features that were extracted from its path are used.

    Parameters
    ----------
    store : FeatureStore
    utterances : sequence of Utterance
        Their ids do not matter; an augmented version is found as that version.
    engine : Engine
        Workers that read the files which only their content can tell.

    Returns
    -------
    tuple of Utterance
        In the given order. What the store does not have, or has from another version of the file,
        is returned unchanged, to be extracted.

    Warns
    -----
    FeatureStoreWarning
        If there are such recordings; the message states their number.
    """
    places = {}
    contents = {}
    for row, frames in zip(store.rows, store.utterance_frames, strict=True):
        path = os.path.abspath(row.path)  # noqa: PTH100
        places[path, row.start, row.end, row.version] = row.state, frames
        contents[row.content] = frames
    sizes = {row.size for row in store.rows}
    found: list[StoreShard | None] = []
    unsure: list[tuple[int, FileState]] = []
    for number, each in enumerate(utterances):
        place = os.path.abspath(each.path), each.start, each.end, each.version  # noqa: PTH100
        known = places.get(place)
        state = file_state(each.path)
        if known is not None and state in (None, known[0]):
            found.append(known[1])
            continue
        found.append(None)
        if state is not None and state.size in sizes:  # content of another size is other content
            unsure.append((number, state))
    files = list({(utterances[number].path, state): None for number, state in unsure})
    digests = dict(zip(files, engine.map(digest_if_unchanged, files), strict=True))
    for number, state in unsure:
        each = utterances[number]
        audio = audio_of_version(digests[each.path, state], each.version)
        content = ContentKey(audio, each.start, each.end)
        found[number] = contents.get(content)
    missing = [str(each.path) for each, frames in zip(utterances, found, strict=True) if not frames]
    if missing:
        only = len(utterances) == 1
        what = f"{len(missing):,} of {len(utterances):,} recordings, such as {missing[0]}"
        warnings.warn(
            f"{shown_path(store.path)}: lacks {missing[0] if only else what}, or has another "
            f"version of {'it' if only else 'them'}; what is lacking is extracted now (speakergmm "
            "extract adds it to the store)",
            FeatureStoreWarning,
            stacklevel=3,
        )
    grid = store.config.grid(0)
    return tuple(
        each if frames is None else _stored(each, frames, grid)
        for each, frames in zip(utterances, found, strict=True)
    )


def _stored(utterance: Utterance, frames: StoreShard, grid: FrameGrid) -> StoredRecording:
    values: dict[str, Any] = {
        each.name: getattr(utterance, each.name) for each in fields(Utterance)
    }
    return StoredRecording(**values, frames=frames, grid=grid)
