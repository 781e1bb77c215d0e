"""Reading of a feature store: features by utterance, and frames as sources for training."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from speakergmm import records
from speakergmm.corpora import Corpus, Utterance, quoted
from speakergmm.corpora.augmentation import AugmentationOptions
from speakergmm.errors import CorpusError, InvalidTypeError, StoreError
from speakergmm.features.config import FeatureConfig
from speakergmm.features.feature_matrix import Features
from speakergmm.features.store.extraction_options import StoredType
from speakergmm.features.store.store_index import StoreIndex
from speakergmm.features.store.store_versions import augmentation_of
from speakergmm.features.store.stored_frames import (
    BLOCK_FRAMES,
    Frames,
    StoredFrames,
    StoreShard,
    piece_of,
)
from speakergmm.features.store.utterance_table import StoredUtterance
from speakergmm.files import shown_path


class StoreView:
    """Utterances of a feature store, for reading; see `FeatureStore`.

    Parameters
    ----------
    path : path
        The folder.
    index : StoreIndex
        Its index.
    rows : sequence of StoredUtterance, optional
        Utterances to use; by default all.

    Attributes
    ----------
    path : Path
        The folder.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        index: StoreIndex,
        rows: Sequence[StoredUtterance] | None = None,
    ) -> None:
        self.path = Path(path)
        self._index = index
        self._rows = tuple(index.rows if rows is None else rows)

    @property
    def config(self) -> FeatureConfig:
        """Configuration of the features.

        Raises
        ------
        StoreError
            If the features were computed elsewhere, and it is not known how.
        """
        config = self._index.settings.config
        if config is None:
            raise StoreError(
                f"{shown_path(self.path)}: it is not known how its features were computed; import "
                "them again with features=... (--features)"
            )
        return config

    @property
    def dtype(self) -> StoredType:
        """Type in which the features are stored."""
        return self._index.settings.dtype

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Name of each column."""
        return self._index.settings.names

    @property
    def n_features(self) -> int:
        """Number of features, that is columns."""
        return len(self.feature_names)

    @property
    def shard_frames(self) -> int:
        """Number of frames in a shard of `speech` and `frames`, at most."""
        return self._index.shard_frames

    @cached_property
    def utterances(self) -> tuple[Utterance, ...]:
        """The utterances, in order."""
        return tuple(row.utterance for row in self._rows)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of the speakers, sorted; empty if there are none."""
        return tuple(sorted({row.speaker for row in self._rows if row.speaker is not None}))

    @property
    def corpus(self) -> Corpus:
        """The utterances as a corpus.

        Raises
        ------
        CorpusError
            If they contradict each other: if extractions of several corpora have left speakers
            with and without names, say.
        """
        try:
            return Corpus(self.utterances, source=os.fspath(self.path))
        except CorpusError as error:
            raise CorpusError(
                f"{error} (speakergmm prune-store {shown_path(self.path)} --corpus CORPUS keeps "
                "the utterances of one corpus)"
            ) from None

    @property
    def rows(self) -> tuple[StoredUtterance, ...]:
        """The utterances with what is known of their audio, and the places of their features."""
        return self._rows

    @property
    def augmentation(self) -> AugmentationOptions | None:
        """Conditions in which the recordings were extracted; None if only as they are.

        Raises
        ------
        StoreError
            If the versions of several extractions differ in seed or talkers.
        """
        return augmentation_of(self._rows, shown_path(self.path))

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, utterance: object) -> bool:
        name = utterance.id if isinstance(utterance, Utterance) else utterance
        return name in self._places

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({os.fspath(self.path)!r}, {len(self)} utterances, "
            f"{self.n_frames:,} frames of {self.n_features} values)"
        )

    @property
    def n_frames(self) -> int:
        """Number of frames of all utterances."""
        return sum(row.n_frames for row in self._rows)

    @property
    def n_speech_frames(self) -> int:
        """Number of frames of speech of all utterances."""
        return sum(row.n_speech for row in self._rows)

    @cached_property
    def digest(self) -> str:
        """SHA-256, in hexadecimal, of everything on which training from the store depends.

        It covers the settings, and the ids, speakers and audio of the utterances in their order;
        not the names of files, nor the shards in which the features lie.
        """
        content = [(row.id, row.speaker, *row.content) for row in self._rows]
        return records.digest(self._origin[1], self.shard_frames, content)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {row.id: place for place, row in enumerate(self._rows)}

    def _row(self, utterance: Utterance | str) -> StoredUtterance:
        """Return an utterance of the store; refuse one that has other bounds there."""
        name = utterance.id if isinstance(utterance, Utterance) else utterance
        if not isinstance(name, str):
            raise InvalidTypeError(
                f"got {type(name).__name__} where an utterance, or its id, is wanted"
            )
        place = self._places.get(name)
        if place is None:
            raise CorpusError(
                f"{shown_path(self.path)}: has no utterance {quoted(name)}; run speakergmm "
                "extract again with the corpus that has it"
            )
        row = self._rows[place]
        if isinstance(utterance, Utterance) and (row.start, row.end) != (
            utterance.start,
            utterance.end,
        ):
            raise CorpusError(
                f"{shown_path(self.path)}: utterance {quoted(name)} has other times there; run "
                "speakergmm extract again"
            )
        return row

    def read(self, utterance: Utterance | str) -> Features:
        """Return the features of an utterance, as `FeatureExtractor.extract` returned them.

        Parameters
        ----------
        utterance : Utterance or str
            The utterance, or its id.

        Returns
        -------
        Features
            In float32, which are views of the store that cannot be written to; if the store holds
            float16, they were rounded.

        Raises
        ------
        CorpusError
            If the utterance is not in the store, or has other times there.
        ModelFormatError
            If its shard is damaged.
        StoreError
            If it has been removed from the store.
        """
        settings = self._index.settings
        shard = self._frames_of(self._row(utterance))
        grid = settings.grid.part(0, shard.n_frames)
        return Features(shard.utterance(0), shard.speech(0), grid, settings.names, shard.weights(0))

    @cached_property
    def frames(self) -> StoredFrames:
        """All frames, as a source for training."""
        return self._source(speech_only=False)

    @cached_property
    def speech(self) -> StoredFrames:
        """Frames of speech, as a source for training."""
        return self._source(speech_only=True)

    def _source(self, *, speech_only: bool) -> StoredFrames:
        return StoredFrames(
            *self._origin,
            self._rows,
            shard_frames=self.shard_frames,
            speech_only=speech_only,
        )

    @cached_property
    def utterance_frames(self) -> tuple[StoreShard, ...]:
        """The frames of each utterance, which worker processes can read by themselves."""
        return tuple(self._frames_of(row) for row in self._rows)

    def _frames_of(self, row: StoredUtterance) -> StoreShard:
        return StoreShard(*self._origin, (piece_of(row),), speech_only=False)

    @cached_property
    def _origin(self) -> tuple[str, str]:
        """The folder, for workers with another working directory, and the digest of settings."""
        folder = os.path.abspath(self.path)  # noqa: PTH100 - links stay as they were given
        return folder, self._index.settings.digest

    def blocks(self, max_frames: int = BLOCK_FRAMES) -> Iterator[Frames]:
        """Yield all frames in order, in blocks of shape (T, D) with T of at most `max_frames`."""
        return self.frames.blocks(max_frames)

    def subset(self, utterances: Iterable[Utterance | str]) -> Self:
        """Return a view of some utterances of the store, in the given order.

        Raises
        ------
        CorpusError
            If one is not in the store, or has other times there.
        """
        return type(self)(self.path, self._index, [self._row(each) for each in utterances])

    def info(self) -> dict[str, Any]:
        """Return a description of the store, as JSON can hold it."""
        config = self._index.settings.config
        return {
            "kind": "feature store",
            "digest": self.digest,
            "n_utterances": len(self),
            "n_versions": sum(bool(row.version) for row in self._rows),
            "n_speakers": len(self.speakers),
            "n_frames": self.n_frames,
            "n_speech_frames": self.n_speech_frames,
            "seconds": self._index.settings.grid.seconds(self.n_frames),
            "n_features": self.n_features,
            "dtype": self.dtype,
            "shard_frames": self.shard_frames,
            "features": None if config is None else config.to_dict(),
            "features_digest": None if config is None else config.digest,
            "created": self._index.created,
            "software": self._index.software,
        }
