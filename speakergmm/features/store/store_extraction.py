"""Extraction of the features of a corpus into a store, of which only what has changed is done."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from speakergmm.corpora import CorpusLike, Utterance, as_corpus
from speakergmm.corpora.augmentation import utterance_versions
from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError, InvalidInputError, ModelFormatError
from speakergmm.features.config import as_feature_config
from speakergmm.features.extractor import cached_extractor
from speakergmm.features.recording_mapping import leave_out
from speakergmm.features.store.audio_state import FileState, digest_if_unchanged, file_state
from speakergmm.features.store.extraction_options import ExtractionOptions
from speakergmm.features.store.feature_store import FeatureStore
from speakergmm.features.store.shard_extraction import ExtractShard, Outcome, plan_batches
from speakergmm.features.store.shard_files import is_whole, list_shards, read_content, remove_unused
from speakergmm.features.store.store_index import (
    StoreIndex,
    StoreSettings,
    has_index,
    prepare_folder,
    writing,
)
from speakergmm.features.store.utterance_table import (
    ContentKey,
    StoredUtterance,
    UtteranceTable,
    audio_of_version,
)
from speakergmm.files import shown_path
from speakergmm.progress import SizedWork
from speakergmm.provenance import software_versions, utc_now
from speakergmm.run_context import RunContext


class FeatureStoreWarning(UserWarning):
    """A part of a feature store is damaged or missing, and is extracted again."""


def extract_features(
    corpus: CorpusLike,
    path: str | os.PathLike[str],
    options: ExtractionOptions | None = None,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **changes: Any,
) -> FeatureStore:
    """Extract the features of a corpus into a store, or bring a store up to date with a corpus.

    What is in the store already, from the same audio with the same settings, is not extracted
    again; an extraction that was interrupted goes on where it stopped. Utterances that are in the
    store, but not in the corpus, remain there until they are pruned (`FeatureStore.prune`), unless
    the corpus has the same part of the same file under another id.

    Parameters
    ----------
    corpus : Corpus, path, or iterable of Utterance or path
        The recordings.
    path : path
        Folder of the store, which is created if it is missing.
    options : ExtractionOptions, optional
        Options as a whole; each may be given by keyword instead.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done, which changes nothing but the time. Features are written by the
        workers, which must see the same folders.
    run : RunContext, optional
        Uses `strict`, `on_skip` and `progress`.
    **changes
        Options by name, see `ExtractionOptions`.

    Returns
    -------
    FeatureStore
        First the utterances of the corpus in its order, each in all its conditions, without
        recordings that cannot be used; then the others.

    Raises
    ------
    InsufficientDataError
        If no recording can be used.
    InvalidInputError
        If values are beyond the range of float16, if the folder holds something else, or if it
        holds utterances with other settings that the corpus lacks, which would be lost.
    StoreError
        If another process is writing the store.
    SpeakerGmmError
        If the store cannot be written, or, if `run` is strict, a recording cannot be used.

    Warns
    -----
    FeatureStoreWarning
        If a shard is damaged; its utterances are extracted again. (All shards are read for this.)

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from speakergmm.audio import write_audio
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     noise = np.random.default_rng(0).normal(scale=0.1, size=16000)
    ...     write_audio(Path(folder, "a.wav"), noise, 16000)
    ...     made = extract_features([Path(folder, "a.wav")], Path(folder, "store"), features="hmm")
    ...     store = FeatureStore.open(Path(folder, "store"))
    ...     store.read("a").values.shape, store.n_frames, store.digest == made.digest
    ((98, 39), 98, True)
    """
    chosen = ExtractionOptions.of(options, changes)
    return extract_utterances(as_corpus(corpus).utterances, path, chosen, engine=engine, run=run)


def extract_utterances(
    utterances: Sequence[Utterance],
    path: str | os.PathLike[str],
    options: ExtractionOptions,
    *,
    engine: EngineLike = None,
    run: RunContext | None = None,
) -> FeatureStore:
    """Extract the features of utterances that need not be a corpus: ids and recordings may repeat.

    See `extract_features` for the parameters and errors.
    """
    chosen = options
    run = RunContext.checked(run)
    config = as_feature_config(chosen.features)
    names = cached_extractor(config).feature_names
    settings = StoreSettings(config, chosen.dtype, names, config.grid(0))
    if chosen.conditions is not None:
        utterances = utterance_versions(utterances, chosen.conditions)
    folder = Path(path)
    prepare_folder(folder)
    with writing(folder):
        extraction = _Extraction(folder, settings, chosen, Engine.of(engine), run)
        return FeatureStore(folder, extraction.update(utterances))


@dataclass(frozen=True)
class _Known:
    """Features that are in a store already, by what they were made of."""

    rows: Sequence[StoredUtterance]

    @cached_property
    def by_file(self) -> dict[tuple[Any, ...], StoredUtterance]:
        return {(*row.place, row.state): row for row in self.rows}

    @cached_property
    def by_content(self) -> dict[ContentKey, StoredUtterance]:
        return {row.content: row for row in self.rows}

    @cached_property
    def sizes(self) -> set[int]:
        return {row.size for row in self.rows}


@dataclass(frozen=True, slots=True)
class _Extraction:
    """Extraction into a store, by its only writer."""

    folder: Path
    settings: StoreSettings
    options: ExtractionOptions
    engine: Engine
    run: RunContext

    def update(self, utterances: Sequence[Utterance]) -> StoreIndex:
        """Bring the store up to date with a corpus, and return its index."""
        old = StoreIndex.read(self.folder) if has_index(self.folder) else None
        rest = self._others(old, utterances)
        if old is None:
            self._index((), is_complete=False).write(self.folder)
        known = _Known(self._whole_rows(old))
        states = {path: file_state(path) for path in {each.path for each in utterances}}
        found = self._kept(utterances, states, known)
        places = [place for place in range(len(utterances)) if place not in found]
        missing = [utterances[place] for place in places]
        extracted = self._extracted(missing)
        found |= {places[number]: row for number, row in extracted.items()}
        rows = [found[place] for place in sorted(found)]
        # An utterance without a file is like one that the corpus lacks.
        gone = {each.id for each in missing if states[each.path] is None}
        listed = {each.id for each in utterances}
        named = {row.place for row in rows}  # under another id than before, perhaps
        rows += [
            row
            for row in rest
            if row.id in gone or (row.id not in listed and row.place not in named)
        ]
        if not rows:
            raise InsufficientDataError("no recording can be used; see the warnings")
        index = self._index(rows, is_complete=True)
        if old is None or not _same(old, index):
            index.write(self.folder)
        else:
            index = old
        remove_unused(self.folder, {row.shard for row in rows})
        return index

    def _index(self, rows: Sequence[StoredUtterance], *, is_complete: bool) -> StoreIndex:
        return StoreIndex(
            self.settings,
            self.options.shard_frames,
            is_complete,
            utc_now(),
            software_versions(),
            UtteranceTable(rows),
        )

    def _others(
        self, old: StoreIndex | None, utterances: Sequence[Utterance]
    ) -> list[StoredUtterance]:
        """Return the utterances of the store that may remain without being in the corpus."""
        if old is None:
            return []
        if old.settings.digest == self.settings.digest:
            return list(old.rows)
        listed = {each.id for each in utterances}
        lost = [row.id for row in old.rows if row.id not in listed]
        if lost:
            raise InvalidInputError(
                f"{shown_path(self.folder)}: holds features with other settings, of "
                f"{len(lost):,} utterances that are not in the corpus, such as {lost[0]!r}; give "
                "another folder, or prune the store first"
            )
        return []

    def _whole_rows(self, old: StoreIndex | None) -> list[StoredUtterance]:
        """Return what the shards of the store hold with the same settings, if they are whole."""
        listed: list[StoredUtterance] = []
        if old is not None and old.settings.digest == self.settings.digest:
            listed = list(old.rows)
        names = {row.shard for row in listed}
        paths = list_shards(self.folder.absolute())
        whole = set()
        for path, good in zip(paths, self._map(is_whole, paths), strict=True):
            if good:
                whole.add(path.stem)
            elif path.stem in names:
                warnings.warn(
                    f"{shown_path(path)}: damaged or unreadable; its utterances are extracted "
                    "again",
                    FeatureStoreWarning,
                    stacklevel=4,
                )
        rows = [row for row in listed if row.shard in whole]
        others = (path for path in paths if path.stem in whole and path.stem not in names)
        return [*(row for path in others for row in self._rows_of(path)), *rows]

    def _rows_of(self, path: Path) -> Iterable[StoredUtterance]:
        """Return the utterances of a shard of an extraction that was interrupted."""
        try:
            content = read_content(path)
        except ModelFormatError:
            return []
        if content.settings != self.settings.digest:
            return []
        return [replace(row, shard=path.stem) for row in content.table.rows]

    def _kept(
        self,
        utterances: Sequence[Utterance],
        states: dict[Path, FileState | None],
        known: _Known,
    ) -> dict[int, StoredUtterance]:
        """Return the utterances whose features are in the store, by their places."""
        kept: dict[int, StoredUtterance] = {}
        unsure = []
        for number, utterance in enumerate(utterances):
            state = states[utterance.path]
            if state is None:
                continue
            part = (os.fspath(utterance.path), utterance.start, utterance.end)
            place = (*part, utterance.version, state)
            row = None if self.options.verify else known.by_file.get(place)
            if row is not None:
                kept[number] = _renamed(row, utterance, state)
            elif state.size in known.sizes:  # content of another size is other content
                unsure.append((number, utterance, state))
        paths = list({utterance.path: state for _, utterance, state in unsure}.items())
        digests = dict(
            zip((path for path, _ in paths), self._map(digest_if_unchanged, paths), strict=True)
        )
        for number, utterance, state in unsure:
            audio = audio_of_version(digests[utterance.path], utterance.version)
            content = ContentKey(audio, utterance.start, utterance.end)
            if row := known.by_content.get(content):
                kept[number] = _renamed(row, utterance, state)
        return kept

    def _extracted(self, utterances: Sequence[Utterance]) -> dict[int, StoredUtterance]:
        """Extract utterances into new shards; return them there by their places."""
        batches = plan_batches(utterances, self.settings, self.options.shard_frames)
        work = None
        if self.run.progress:
            work = SizedWork("features", [len(batch) for batch in batches], "recordings")
        results: Iterable[list[Outcome]] = self.engine.map(
            ExtractShard(self.folder.absolute(), self.settings, self.options.conditions),
            batches,
            description=work,
        )
        found = {}
        outcomes = (outcome for part in results for outcome in part)
        for number, (utterance, outcome) in enumerate(zip(utterances, outcomes, strict=True)):
            if isinstance(outcome, StoredUtterance):
                found[number] = outcome
            else:
                leave_out(utterance, outcome, self.run, (utterance.id,))
        return found

    def _map(self, function: Any, items: Sequence[Any]) -> Iterable[Any]:
        """Apply a function to files; processes are not worth while for a few."""
        return self.engine.map(function, items) if len(items) > 1 else map(function, items)


def _renamed(row: StoredUtterance, utterance: Utterance, state: FileState) -> StoredUtterance:
    """Return the place of features for an utterance that has the same content."""
    return replace(
        row,
        id=utterance.id,
        path=os.fspath(utterance.path),
        speaker=utterance.speaker,
        recording=utterance.recording,
        size=state.size,
        modified=state.modified,
        changed=state.changed,
        inode=state.inode,
    )


def _same(old: StoreIndex, new: StoreIndex) -> bool:
    """Return whether two indices say the same, whenever they were written."""
    return (
        old.is_complete
        and old.settings.digest == new.settings.digest
        and old.settings.config == new.settings.config
        and old.shard_frames == new.shard_frames
        and old.rows == new.rows
    )
