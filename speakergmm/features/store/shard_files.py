"""Shards of a feature store: files of features that are written once, checked and mapped.

A shard is a file of named arrays (`speakergmm.containers`), whose name is the SHA-256 of all its
bytes. It also lists its own utterances, so that shards of an interrupted extraction can be used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm import containers, records
from speakergmm.errors import InvalidInputError, ModelFormatError, StoreError
from speakergmm.features.store.audio_state import FileState, content_digest, file_state
from speakergmm.features.store.store_index import SHARDS_FOLDER
from speakergmm.features.store.utterance_table import (
    NAME_COLUMNS,
    Names,
    StoredUtterance,
    UtteranceTable,
    names_of_columns,
)
from speakergmm.files import UnreadableFileError, atomic_writer, open_regular, shown_path
from speakergmm.temporaries import is_temporary

KIND = "feature shard"
"""Kind of file, as the header names it."""

_SUFFIX = ".safetensors"
# Pages of files that a process has mapped and read count as its memory. Bytes and number of mapped
# shards, beside the one in use; and number of shards whose check is remembered, 300 bytes each.
_MOST_MAPPED = 2**26
_MOST_OPENED = 256
_MOST_CHECKED = 2**16

# The shards that this process has mapped, those used last at the end, and those it has checked.
_opened: OrderedDict[tuple[str, FileState], MappedShard] = OrderedDict()
_whole: OrderedDict[tuple[str, FileState], None] = OrderedDict()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True, eq=False)
class ShardContent:
    """The contents of a shard as it lists them, a record.

    Parameters
    ----------
    settings : str
        Digest of the settings of the store.
    table : UtteranceTable
        Its utterances.
    """

    settings: str
    table: UtteranceTable

    file_kind = KIND


@dataclass(frozen=True, slots=True, eq=False)
class MappedShard:
    """Features of a shard, mapped into memory.

    Attributes
    ----------
    values : array of float32 or float16, shape (T, D)
    speech : array of bool, shape (T,)
    weights : array of float32, shape (T,), or None
    """

    values: NDArray[Any]
    speech: NDArray[np.bool_]
    weights: NDArray[np.float32] | None = None

    @property
    def n_bytes(self) -> int:
        """Size of the arrays."""
        weights = 0 if self.weights is None else self.weights.nbytes
        return int(self.values.nbytes + self.speech.nbytes + weights)


def shard_path(folder: str | os.PathLike[str], name: str) -> Path:
    """Return the path of a shard of a store."""
    return Path(folder, SHARDS_FOLDER, f"{name}{_SUFFIX}")


def write_shard(
    folder: Path, settings: str, rows: Sequence[StoredUtterance], shard: MappedShard
) -> str:
    """Write the features of utterances to a file of their own, whole or not at all.

    Parameters
    ----------
    folder : Path
        The store.
    settings : str
        Digest of its settings.
    rows : sequence of StoredUtterance
        The utterances, with the places of their features.
    shard : MappedShard
        The features.

    Returns
    -------
    str
        Name of the shard.

    Raises
    ------
    SpeakerGmmError
        If the file cannot be written.
    """
    content = ShardContent(settings, UtteranceTable(rows))
    arrays, tree = records.to_arrays(content)
    arrays |= {"values": shard.values, "speech": shard.speech}
    if shard.weights is not None:
        arrays["weights"] = shard.weights
    packed = containers.pack_arrays(arrays, kind=KIND, metadata=tree)
    name = hashlib.sha256(packed).hexdigest()
    path = shard_path(folder, name)
    if file_state(path) is None or not is_whole(path):
        # Not waiting for the disk: what a power failure takes is noticed, and extracted again.
        with atomic_writer(path, durable=False) as file:
            file.write(packed)
    return name


def open_shard(folder: str, name: str) -> MappedShard:
    """Map a shard into memory; the first time in a process, its content is checked.

    Raises
    ------
    FileNotFoundError
        If there is no such shard.
    ModelFormatError
        If it is damaged.
    UnreadableFileError
        If it cannot be read.
    """
    path = os.fspath(shard_path(folder, name))
    state = file_state(path)
    if state is None:
        raise FileNotFoundError(path)
    with _lock:
        if (path, state) in _opened:
            _opened.move_to_end((path, state))
            return _opened[path, state]
    shard = _mapped(path, state)
    with _lock:
        _opened[path, state] = shard
        _whole[path, state] = None
        if len(_whole) > _MOST_CHECKED:
            _whole.popitem(last=False)
        n_bytes = sum(each.n_bytes for each in _opened.values())
        while len(_opened) > 1 and (n_bytes > _MOST_MAPPED or len(_opened) > _MOST_OPENED):
            n_bytes -= _opened.popitem(last=False)[1].n_bytes
    forget_removed()
    return shard


def forget_removed() -> None:
    """Release shards that have been removed: the disk keeps a file as long as it is mapped."""
    with _lock:
        for path, state in list(_opened):
            if file_state(path) != state:
                del _opened[path, state]


def _mapped(path: str, state: FileState) -> MappedShard:
    """Map a shard, after a check of its content if this process has not checked it yet."""
    if (path, state) not in _whole and not is_whole(Path(path)):
        with open_regular(path):  # raises the reason, if it cannot be read at all
            pass
        raise ModelFormatError(
            f"{shown_path(path)}: damaged: its content does not match its name; run speakergmm "
            "extract again, which replaces it"
        )
    values, speech, *weights = containers.map_arrays(
        path, "values", "speech", optional=("weights",), kind=KIND
    )
    return MappedShard(values, speech, *weights)


def is_whole(path: Path) -> bool:
    """Return whether the content of a shard is that of which its name is the SHA-256."""
    try:
        return content_digest(path) == path.stem
    except (UnreadableFileError, OSError):
        return False


def list_names(folder: str | os.PathLike[str], name: str) -> tuple[int, set[Names]]:
    """Return the number of frames of a shard, and the names of its utterances as it lists them.

    Its content is not checked.

    Raises
    ------
    StoreError
        If there is no such shard.
    ModelFormatError
        If it is not a shard.
    """
    path = shard_path(folder, name)
    if file_state(path) is None:
        raise StoreError(f"{shown_path(path)}: no such file; run speakergmm extract again")
    columns = ("speech", *(f"table.{each}" for each in NAME_COLUMNS))
    speech, *texts = containers.map_arrays(path, *columns, kind=KIND)
    try:
        return len(speech), names_of_columns(texts)
    except (InvalidInputError, ValueError):
        raise ModelFormatError(
            f"{shown_path(path)}: damaged; run speakergmm extract again, which replaces it"
        ) from None


def read_content(path: Path) -> ShardContent:
    """Return the contents of a shard as it lists them.

    Raises
    ------
    ModelFormatError
        If it is not a shard.
    """
    arrays, tree = containers.load_arrays(path, kind=KIND)
    for name in ("values", "speech", "weights"):
        arrays.pop(name, None)
    content: ShardContent = records.of_arrays(
        ShardContent, arrays, tree, kind=KIND, source=os.fspath(path)
    )
    return content


def list_shards(folder: Path) -> list[Path]:
    """Return the paths of all shards in a store, used or not, sorted."""
    return sorted(Path(folder, SHARDS_FOLDER).glob(f"*{_SUFFIX}"))


def remove_unused(folder: Path, used: Collection[str]) -> None:
    """Remove shards that are not used, and what writers that were killed have left behind.

    Only the one writer of a store may call this.
    """
    dead: Iterable[Path] = [path for path in list_shards(folder) if path.stem not in used]
    left = [path for path in Path(folder, SHARDS_FOLDER).glob(".*") if is_temporary(path)]
    for path in (*dead, *left):
        with contextlib.suppress(OSError):
            path.unlink()
