"""Feature stores: opening them, removing utterances from them, and Kaldi's form of them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from speakergmm.corpora import CorpusLike, as_corpus, quoted
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InvalidTypeError, StoreError, UnknownSpeakerError
from speakergmm.features.config import FeatureConfig
from speakergmm.features.store.extraction_options import ExtractionOptions, StoredType
from speakergmm.features.store.store_index import StoreIndex, has_index
from speakergmm.features.store.store_pruning import keep_rows
from speakergmm.features.store.store_view import StoreView
from speakergmm.features.store.utterance_table import StoredUtterance
from speakergmm.files import shown_path
from speakergmm.run_context import RunContext


class FeatureStore(StoreView):
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
        if not isinstance(path, str | os.PathLike):
            raise InvalidTypeError(
                f"got {type(path).__name__} where the folder of a feature store is wanted"
            )
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

    def prune(self, corpus: CorpusLike) -> FeatureStore:
        """Remove the utterances that are not in a corpus, and return the store without them.

        Their features are removed from the disk; augmented versions stay or go with the utterance
        of which they are. All utterances of the store count, also those
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
        return self._keeping(lambda row: row.recorded_id in wanted)

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
        if not isinstance(name, str):
            raise InvalidTypeError(f"got {type(name).__name__} where a speaker's name is wanted")
        known = {row.speaker for row in self._index.rows}
        store = self._keeping(lambda row: row.speaker != name)
        if name not in known:
            raise UnknownSpeakerError(f"{shown_path(self.path)}: has no speaker {quoted(name)}")
        return store

    def _keeping(self, wanted: Callable[[StoredUtterance], bool]) -> FeatureStore:
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
            `feats_scp`, if there are any. Without decisions all frames are speech. Weights of
            frames are read from ``weights.scp`` beside `feats_scp`, if there is one.
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
            If the folder holds something, or the configuration has another number of columns, or
            weighs frames that have no weights here, or the other way round.
        """
        from speakergmm.features.store.kaldi_features import import_kaldi, list_kaldi_features

        options = ExtractionOptions(dtype=dtype, shard_frames=shard_frames)
        index = import_kaldi(
            list_kaldi_features(Path(feats_scp), utt2spk=utt2spk, vad_scp=vad_scp),
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
            ``feats.ark`` (float32, not compressed), ``vad.scp`` and ``vad.ark``, ``weights.scp``
            and ``weights.ark`` if frames have weights, ``utt2num_frames``, and, of the utterances
            with a speaker, ``utt2spk`` and ``spk2utt``.

        Raises
        ------
        SpeakerGmmError
            If the folder exists or cannot be written.
        """
        from speakergmm.features.store.kaldi_export import export_kaldi

        sorted_rows = sorted(self._rows, key=lambda row: row.id.encode())
        items = ((row.utterance, self.read(row.id)) for row in sorted_rows)
        export_kaldi(items, Path(folder))


def as_feature_store(given: Any) -> FeatureStore | None:
    """Return a feature store that is given as such or by its path; None for anything else."""
    if isinstance(given, FeatureStore):
        return given
    return FeatureStore.open(given) if FeatureStore.is_store(given) else None
