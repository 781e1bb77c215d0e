"""A feature store that is open for reading, and the removal of utterances from it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from speakergmm import records
from speakergmm.corpora import Corpus, CorpusLike, Utterance, as_corpus, quoted
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import CorpusError, StoreError, UnknownSpeakerError
from speakergmm.features.config import FeatureConfig
from speakergmm.features.feature_matrix import Features
from speakergmm.features.store.extraction_options import ExtractionOptions, StoredType
from speakergmm.features.store.store_index import StoredUtterance, StoreIndex, has_index
from speakergmm.features.store.store_pruning import keep_rows
from speakergmm.features.store.stored_frames import (
    BLOCK_FRAMES,
    Frames,
    StoredFrames,
    StoreShard,
    piece_of,
)
from speakergmm.files import kind_of, shown_path
from speakergmm.run_context import RunContext


class FeatureStore:
    """Features of a corpus, extracted once and kept in a folder.

    `extract_features` makes a store, `FeatureStore.open` opens one. A store that is open for
    reading remains readable while it is brought up to date or pruned by others; it does not see
    utterances that are added.

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

    file_kind = "feature store"

    def __init__(
        self,
        path: str | os.PathLike[str],
        index: StoreIndex,
        rows: Sequence[StoredUtterance] | None = None,
    ) -> None:
        self.path = Path(path)
        self._index = index
        self._rows = tuple(index.rows if rows is None else rows)

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Self:
        """Open a store for reading.

        The index is read and checked. Shards are mapped into memory as they are used, and each is
        checked when a process opens it for the first time.

        Raises
        ------
        StoreError
            If there is no store, or its first extraction has not ended.
        ModelFormatError
            If the index is damaged.
        """
        index = StoreIndex.read(Path(path))
        if not index.is_complete:
            raise StoreError(
                f"{shown_path(path)}: the extraction has not ended; run speakergmm extract again, "
                "which goes on where it stopped"
            )
        return cls(path, index)

    @staticmethod
    def is_store(path: object) -> bool:
        """Return whether a path is the folder of a feature store."""
        return isinstance(path, str | os.PathLike) and has_index(path)

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
        """The utterances as a corpus."""
        return Corpus(self.utterances, source=os.fspath(self.path))

    @property
    def rows(self) -> tuple[StoredUtterance, ...]:
        """The utterances with what is known of their audio, and the places of their features."""
        return self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, utterance: object) -> bool:
        name = utterance.id if isinstance(utterance, Utterance) else utterance
        return name in self._places

    def __repr__(self) -> str:
        return (
            f"FeatureStore({os.fspath(self.path)!r}, {len(self)} utterances, "
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
        place = self._places.get(name)
        if place is None:
            raise CorpusError(
                f"{shown_path(self.path)}: has no utterance {quoted(str(name))}; run speakergmm "
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
        return Features(shard.utterance(0), shard.speech(0), grid, settings.names)

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

    def subset(self, utterances: Iterable[Utterance | str]) -> FeatureStore:
        """Return a view of some utterances of the store, in the given order.

        Raises
        ------
        CorpusError
            If one is not in the store, or has other times there.
        """
        return FeatureStore(self.path, self._index, [self._row(each) for each in utterances])

    def prune(self, corpus: CorpusLike) -> FeatureStore:
        """Remove the utterances that are not in a corpus, and return the store without them.

        Their features are removed from the disk. All utterances of the store count, also those
        that are not in this view.

        Parameters
        ----------
        corpus : Corpus, path, or iterable of Utterance or path

        Raises
        ------
        InvalidInputError
            If nothing would remain.
        StoreError
            If another process is writing the store.
        SpeakerGmmError
            If the store cannot be written.
        """
        wanted = {utterance.id for utterance in as_corpus(corpus).utterances}
        return self._keeping(lambda row: row.id in wanted)

    def remove_speaker(self, name: str) -> FeatureStore:
        """Remove the features of a speaker from the disk, and return the store without them.

        Shards that hold them are written anew without them, and the old files are removed. (Blocks
        of the disk are not overwritten; copies of the store are not known.)

        Raises
        ------
        UnknownSpeakerError
            If the store does not contain the speaker.
        InvalidInputError, StoreError, SpeakerGmmError
            As in `prune`.
        """
        known = {row.speaker for row in self._index.rows}
        store = self._keeping(lambda row: row.speaker != name)
        if name not in known:
            raise UnknownSpeakerError(f"{shown_path(self.path)}: has no speaker {quoted(name)}")
        return store

    def _keeping(self, wanted: Any) -> FeatureStore:
        return FeatureStore(self.path, keep_rows(self.path, wanted))

    @classmethod
    def from_kaldi(
        cls,
        feats_scp: str | os.PathLike[str],
        output: str | os.PathLike[str],
        *,
        utt2spk: str | os.PathLike[str] | None = None,
        vad_scp: str | os.PathLike[str] | None = None,
        features: FeatureConfig | str | os.PathLike[str] | None = None,
        dtype: StoredType = "float32",
        shard_frames: int = 100_000,
        engine: EngineLike = None,
        run: RunContext | None = None,
    ) -> Self:
        """Make a store of features that Kaldi has computed.

        Parameters
        ----------
        feats_scp : path
            Kaldi's list of the features, whose paths are absolute or relative to its folder.
            Commands in it are refused. Archives are in binary form, compressed or not.
        output : path
            A new folder for the store.
        utt2spk, vad_scp : path, optional
            Lists of the speakers, and of the decisions about speech; by default those beside
            `feats_scp`, if there are any. Without decisions all frames are speech.
        features : FeatureConfig, str or path, optional
            How the features were computed, which the archives do not state. A model that is
            trained from the store can be applied to recordings only if it is known.
        dtype : {"float32", "float16"}, default="float32"
            Type in which the features are stored.
        shard_frames : int, default=100000
            Number of frames in a shard, at most.
        engine : int, executor, Dask client or Engine, optional
            Where the work is done, which changes nothing but the time.
        run : RunContext, optional
            Uses `strict`, `on_skip` and `progress`.

        Raises
        ------
        CorpusError
            If a list is wrong, or, if `run` is strict, a matrix is damaged.
        InsufficientDataError
            If no matrix can be used.
        InvalidInputError
            If the folder holds something, or the configuration has another number of columns.
        """
        from speakergmm.features.store.kaldi_features import import_kaldi, list_kaldi_features

        options = ExtractionOptions(dtype=dtype, shard_frames=shard_frames)
        listed = Path(feats_scp)
        beside = {name: listed.parent / name for name in ("utt2spk", "vad.scp")}
        given = {"utt2spk": utt2spk, "vad.scp": vad_scp}
        found = {
            name: Path(path) if path is not None else beside[name]
            for name, path in given.items()
            if path is not None or kind_of(beside[name]) == "file"
        }
        index = import_kaldi(
            list_kaldi_features(listed, utt2spk=found.get("utt2spk"), vad_scp=found.get("vad.scp")),
            Path(output),
            features=features,
            dtype=options.dtype,
            shard_frames=options.shard_frames,
            engine=Engine.of(engine),
            run=RunContext.checked(run),
        )
        return cls(output, index)

    def to_kaldi(self, folder: str | os.PathLike[str]) -> None:
        """Write the features to a Kaldi data directory.

        Parameters
        ----------
        folder : path
            A new folder, which appears complete or not at all, with ``feats.scp`` and
            ``feats.ark`` (float32, not compressed), ``vad.scp`` and ``vad.ark``,
            ``utt2num_frames``, and, of the utterances with a speaker, ``utt2spk`` and ``spk2utt``.

        Raises
        ------
        SpeakerGmmError
            If the folder exists or cannot be written.
        """
        from speakergmm.features.store.kaldi_export import export_kaldi

        sorted_rows = sorted(self._rows, key=lambda row: row.id.encode())
        items = ((row.utterance, self.read(row.id)) for row in sorted_rows)
        export_kaldi(items, Path(folder))

    def info(self) -> dict[str, Any]:
        """Return a description of the store, as JSON can hold it."""
        config = self._index.settings.config
        return {
            "kind": self.file_kind,
            "digest": self.digest,
            "n_utterances": len(self),
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


def as_feature_store(given: Any) -> FeatureStore | None:
    """Return a feature store that is given as such or by its path; None for anything else."""
    if isinstance(given, FeatureStore):
        return given
    return FeatureStore.open(given) if FeatureStore.is_store(given) else None
