"""Removal of utterances from a feature store."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from speakergmm.errors import InvalidInputError
from speakergmm.features.store.shard_files import (
    MappedShard,
    list_names,
    open_shard,
    remove_unused,
    write_shard,
)
from speakergmm.features.store.store_index import StoreIndex, writing
from speakergmm.features.store.utterance_table import StoredUtterance, UtteranceTable
from speakergmm.files import shown_path
from speakergmm.provenance import utc_now


def keep_rows(folder: Path, wanted: Callable[[StoredUtterance], bool]) -> StoreIndex:
    """Keep some utterances of a store, and remove the features of all others from the disk.

    Shards with features that no utterance needs are written anew without them. The index is
    replaced when all new shards are there, and old ones are removed after that: a process that is
    killed in between leaves a store that is readable and whole.

    Parameters
    ----------
    folder : Path
        The store.
    wanted : callable
        Tells whether an utterance is kept.

    Returns
    -------
    StoreIndex
        The new index.

    Raises
    ------
    InvalidInputError
        If no utterance would be kept.
    StoreError
        If another process is writing the store.
    """
    with writing(folder):
        index = StoreIndex.read(folder)
        kept = [row for row in index.rows if wanted(row)]
        if not kept:
            raise InvalidInputError(
                f"{shown_path(folder)}: no utterance would be left; remove the folder instead"
            )
        by_shard: dict[str, list[StoredUtterance]] = defaultdict(list)
        for row in kept:
            by_shard[row.shard].append(row)
        moved = {
            row.id: row
            for name, rows in by_shard.items()
            for row in _without_others(folder, index.settings.digest, name, rows)
        }
        rows = [moved[row.id] for row in kept]
        if rows != list(index.rows):
            index = replace(index, created=utc_now(), table=UtteranceTable(rows))
            index.write(folder)
        remove_unused(folder, {row.shard for row in rows})
        return index


def _without_others(
    folder: Path, settings: str, name: str, rows: Sequence[StoredUtterance]
) -> Sequence[StoredUtterance]:
    """Write a shard anew if it holds rows or names that are not needed; return the places in it."""
    # Utterances of the same audio may share their features.
    needed = sorted({(row.first, row.n_frames) for row in rows})
    n_frames, names = list_names(folder, name)
    if sum(n for _, n in needed) == n_frames and names <= {row.names for row in rows}:
        return rows
    shard = open_shard(os.fspath(folder), name)
    firsts, first = {}, 0
    for old, n_frames in needed:
        firsts[old] = first
        first += n_frames
    taken = np.concatenate([np.arange(old, old + n) for old, n in needed])
    moved = [replace(row, shard="", first=firsts[row.first]) for row in rows]
    weights = None if shard.weights is None else shard.weights[taken]
    parts = MappedShard(shard.values[taken], shard.speech[taken], weights)
    new = write_shard(folder, settings, moved, parts)
    return [replace(row, shard=new) for row in moved]
