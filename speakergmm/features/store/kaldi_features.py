"""Features that Kaldi has computed, brought into a feature store, and stores written for Kaldi."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.corpora.kaldi_text import read_by_name
from speakergmm.corpora.names import quoted, shown, unescaped_name
from speakergmm.engine import Engine
from speakergmm.errors import CorpusError, InsufficientDataError, InvalidInputError, SpeakerGmmError
from speakergmm.features.config import FeatureConfig, as_feature_config
from speakergmm.features.extractor import cached_extractor
from speakergmm.features.feature_matrix import Features
from speakergmm.features.grid import FrameGrid
from speakergmm.features.recording_mapping import leave_out
from speakergmm.features.store.audio_state import file_state
from speakergmm.features.store.extraction_options import StoredType
from speakergmm.features.store.kaldi_matrices import ArchivePlace, read_matrix, read_scp
from speakergmm.features.store.shard_extraction import (
    Outcome,
    stored_utterance,
    write_features,
)
from speakergmm.features.store.shard_files import remove_unused
from speakergmm.features.store.store_index import (
    StoreIndex,
    StoreSettings,
    has_index,
    prepare_folder,
    writing,
)
from speakergmm.features.store.utterance_table import StoredUtterance, UtteranceTable
from speakergmm.files import kind_of
from speakergmm.provenance import software_versions, utc_now
from speakergmm.run_context import RunContext
from speakergmm.text_files import FaultList, read_lines

_BATCH = 128
# Kaldi's default frames; the archives do not state theirs.
_GRID = FrameGrid(frame_length=0.025, frame_shift=0.010, start=0.0, n_frames=0)


class KaldiUtterance(NamedTuple):
    """Features of an utterance in Kaldi's archives, its speech and weights, if these are known."""

    utterance: Utterance
    features: ArchivePlace
    speech: ArchivePlace | None
    weights: ArchivePlace | None


@dataclass(frozen=True, slots=True)
class _ImportShard:
    """Copying of a batch of utterances into shards; can be sent to worker processes."""

    folder: Path
    settings: StoreSettings
    shard_frames: int

    def __call__(self, batch: Sequence[KaldiUtterance]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        features: list[Features] = []
        n_frames = 0
        for item in batch:
            try:
                found = self._read(item)
            except SpeakerGmmError as error:
                outcomes.append(error)
                continue
            if features and n_frames + len(found) > self.shard_frames:
                outcomes = self._written(outcomes, features)
                features, n_frames = [], 0
            arrays = [found.values, found.speech]
            arrays += [] if found.weights is None else [found.weights]
            audio = hashlib.sha256(b"".join(each.tobytes() for each in arrays)).hexdigest()
            state = file_state(item.features.path)
            assert state is not None
            row = stored_utterance(item.utterance, found, audio, state, n_frames)
            outcomes.append(row)
            features.append(found)
            n_frames += row.n_frames
        return self._written(outcomes, features)

    def _written(self, outcomes: list[Outcome], features: Sequence[Features]) -> list[Outcome]:
        """Write the features of the utterances without a shard, and return all with theirs."""
        rows = [each for each in outcomes if isinstance(each, StoredUtterance) and not each.shard]
        if not rows:
            return outcomes
        name = write_features(self.folder, self.settings, rows, features)
        return [
            replace(each, shard=name)
            if isinstance(each, StoredUtterance) and not each.shard
            else each
            for each in outcomes
        ]

    def _read(self, item: KaldiUtterance) -> Features:
        values, names = _read_columns(item.features), self.settings.names
        if values.shape[1] != len(names):
            raise CorpusError(
                f"{item.features}: found an array of shape {values.shape} where features have "
                f"{len(names)} columns"
            )
        speech, weights = np.ones(len(values), np.bool_), None
        if item.speech is not None:
            speech = _read_vector(item.speech, "decisions", len(values)) > 0.5
        if item.weights is not None:
            weights = _read_vector(item.weights, "weights", len(values))
            if not ((weights >= 0) & (weights <= 1)).all():
                raise CorpusError(f"{item.weights}: weights of frames must lie in 0..1")
        return Features(values, speech, self.settings.grid.part(0, len(values)), names, weights)


def list_kaldi_features(
    feats_scp: Path,
    *,
    utt2spk: str | os.PathLike[str] | None,
    vad_scp: str | os.PathLike[str] | None,
) -> list[KaldiUtterance]:
    """Read the lists of features, speakers, speech and weights, by default those beside the first.

    Raises
    ------
    CorpusError
        If a list is wrong, or an utterance is missing in one.
    """
    places = read_scp(feats_scp, feats_scp.parent)
    spoken, heard = _beside(feats_scp, utt2spk, "utt2spk"), _beside(feats_scp, vad_scp, "vad.scp")
    speakers = {} if spoken is None else _read_speakers(spoken)
    speech = {} if heard is None else read_scp(heard, heard.parent)
    weighed = _beside(feats_scp, None, "weights.scp")
    weights = {} if weighed is None else read_scp(weighed, weighed.parent)
    for path, named in ((spoken, speakers), (heard, speech), (weighed, weights)):
        missing = [name for name in places if path is not None and name not in named]
        if missing:
            raise CorpusError(f"{shown(path)}: has no utterance {quoted(missing[0])}")
    return [
        KaldiUtterance(
            # Kaldi's own name of the place: utterances of one archive are no repetitions.
            Utterance(name, Path(str(place)), speakers.get(name)),
            place,
            speech.get(name),
            weights.get(name),
        )
        for name, place in places.items()
    ]


def _beside(feats_scp: Path, given: str | os.PathLike[str] | None, name: str) -> Path | None:
    """Return a list that was given, or the one beside the list of features, if there is one."""
    found = feats_scp.parent / name if given is None else Path(given)
    return found if given is not None or kind_of(found) == "file" else None


def _read_speakers(path: Path) -> Mapping[str, str]:
    faults = FaultList(os.fspath(path), error=CorpusError, strict=True)
    return read_by_name(
        "utterance", read_lines(path, faults), faults, lambda rest, _: unescaped_name(rest)
    )


def import_kaldi(
    utterances: Sequence[KaldiUtterance],
    folder: Path,
    *,
    features: FeatureConfig | str | os.PathLike[str] | None,
    dtype: StoredType,
    shard_frames: int,
    engine: Engine,
    run: RunContext,
) -> StoreIndex:
    """Write features that Kaldi has computed to a new store; see `FeatureStore.from_kaldi`."""
    settings = _settings_of(utterances, features, dtype)
    prepare_folder(folder)
    with writing(folder):
        if has_index(folder):
            old = StoreIndex.read(folder)
            if old.settings.digest != settings.digest or old.rows:
                raise InvalidInputError(
                    f"{shown(folder)}: is a feature store already; give the name of a new folder"
                )
        batches = [utterances[n : n + _BATCH] for n in range(0, len(utterances), _BATCH)]
        results = engine.map(
            _ImportShard(folder.absolute(), settings, shard_frames),
            batches,
            description=run.description("features"),
        )
        rows = []
        for batch, outcomes in zip(batches, results, strict=True):
            for item, outcome in zip(batch, outcomes, strict=True):
                if isinstance(outcome, StoredUtterance):
                    rows.append(outcome)
                else:
                    leave_out(item.utterance, outcome, run, (item.utterance.id,))
        if not rows:
            raise InsufficientDataError("no features can be used; see the warnings")
        table = UtteranceTable(rows)
        index = StoreIndex(settings, shard_frames, True, utc_now(), software_versions(), table)
        index.write(folder)
        remove_unused(folder, {row.shard for row in rows})
    return index


def _read_vector(place: ArchivePlace, what: str, n_frames: int) -> NDArray[np.float32]:
    """Read a number for each frame."""
    found = read_matrix(place)
    if found.shape != (n_frames,):
        raise CorpusError(f"{place}: found {what} of shape {found.shape} for {n_frames} frames")
    return found


def _read_columns(place: ArchivePlace) -> NDArray[np.float32]:
    values = read_matrix(place)
    if values.ndim != 2:
        raise CorpusError(f"{place}: is a vector of {len(values):,} numbers; features are matrices")
    return values


def _settings_of(
    utterances: Sequence[KaldiUtterance],
    features: FeatureConfig | str | os.PathLike[str] | None,
    dtype: StoredType,
) -> StoreSettings:
    """Return the settings of a store of features, with the columns of the first good utterance."""
    first, n_columns = utterances[0].features, 0
    for item in utterances:
        with contextlib.suppress(CorpusError):
            first, n_columns = item.features, _read_columns(item.features).shape[1]
            break
    else:
        _read_columns(first)  # raises its error
    if features is None:
        names = tuple(f"feature{number + 1}" for number in range(n_columns))
        return StoreSettings(None, dtype, names, _GRID)
    config = as_feature_config(features)
    names = cached_extractor(config).feature_names
    if len(names) != n_columns:
        raise InvalidInputError(
            f"{first}: has {n_columns} columns, and the features {config.name!r} have "
            f"{len(names)}; give the configuration with which they were computed, or none"
        )
    if (config.frame_weights != "none") != (utterances[0].weights is not None):
        there, how = ("no", "have") if config.frame_weights != "none" else ("a", "do not have")
        raise InvalidInputError(
            f"{first}: there is {there} weights.scp beside it, and frames of the features "
            f"{config.name!r} {how} weights; give the configuration with which they were computed, "
            "or none"
        )
    return StoreSettings(config, dtype, names, config.grid(0))
