"""The index of a feature store: whose features lie where, and what they were made of."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm import records
from speakergmm.corpora import Utterance
from speakergmm.errors import InvalidInputError, ModelFormatError, StoreError
from speakergmm.features.config import FeatureConfig
from speakergmm.features.grid import FrameGrid
from speakergmm.features.store.audio_state import FileState
from speakergmm.features.store.extraction_options import StoredType
from speakergmm.files import kind_of, make_folders, shown_path, write_error
from speakergmm.temporaries import hold_lock

INDEX_NAME = "index.safetensors"
"""Name of the index in the folder of a store."""

SHARDS_FOLDER = "shards"
"""Name of the folder of the shards."""

# Part of what features are known by: to be raised when stored features become others.
_FORMAT_VERSION = 1

Texts = NDArray[np.uint8]
Numbers = NDArray[np.int64]


class ContentKey(NamedTuple):
    """All that the features of an utterance depend on, besides the settings of the store."""

    audio: str
    start: float
    end: float | None


@dataclass(frozen=True, slots=True)
class StoredUtterance:
    """An utterance in a store: the audio, and the place of its features.

    Parameters
    ----------
    id, path, speaker, start, end, recording
        As in `Utterance`.
    audio : str
        SHA-256 of the file of the recording, in hexadecimal.
    size, modified, inode : int
        State of that file when it was read.
    shard : str
        Name of the shard; empty within the shard itself.
    first : int
        Row of the first frame in the shard.
    n_frames, n_speech : int
        Numbers of all frames, and of frames of speech.
    """

    id: str
    path: str
    speaker: str | None
    start: float
    end: float | None
    recording: str | None
    audio: str
    size: int
    modified: int
    inode: int
    shard: str
    first: int
    n_frames: int
    n_speech: int

    @property
    def utterance(self) -> Utterance:
        """The utterance."""
        return Utterance(
            self.id, Path(self.path), self.speaker, self.start, self.end, self.recording
        )

    @property
    def content(self) -> ContentKey:
        """The content on which the features depend."""
        return ContentKey(self.audio, self.start, self.end)

    @property
    def state(self) -> FileState:
        """State of the file when it was read."""
        return FileState(self.size, self.modified, self.inode)


_TEXTS = ("id", "path", "speaker", "recording", "audio", "shard")
_TIMES = ("start", "end")


class UtteranceTable:
    """The utterances of a store, which are stored by columns: a record.

    Parameters
    ----------
    rows : sequence of StoredUtterance
    """

    def __init__(self, rows: Sequence[StoredUtterance]) -> None:
        self.rows = tuple(rows)

    @classmethod
    def record_types(cls) -> Mapping[str, Any]:
        """Return the types of the columns."""
        names = [each.name for each in fields(StoredUtterance)]
        types: dict[str, Any] = dict.fromkeys(names, Numbers)
        types |= dict.fromkeys(_TIMES, NDArray[np.float64])
        types |= dict.fromkeys(_TEXTS, Texts)
        return types | {f"{name}_lengths": Numbers for name in _TEXTS}

    def record_parts(self) -> dict[str, Any]:
        """Return the columns."""
        parts: dict[str, Any] = {}
        for each in fields(StoredUtterance):
            name = each.name
            column = [getattr(row, name) for row in self.rows]
            if name in _TEXTS:
                parts[name], parts[f"{name}_lengths"] = _joined(column)
            elif name in _TIMES:
                parts[name] = np.array([-1.0 if each is None else each for each in column])
            else:
                parts[name] = np.array(column, np.uint64).view(np.int64)
        return parts

    @classmethod
    def of_record(cls, **columns: Any) -> UtteranceTable:
        """Return the table of its columns."""
        lists: list[Sequence[Any]] = []
        for each in fields(StoredUtterance):
            column = columns[each.name]
            if each.name in _TEXTS:
                lists.append(_separate(column, columns[f"{each.name}_lengths"]))
            elif each.name == "end":
                lists.append([None if end < 0 else end for end in column.tolist()])
            elif each.name in _TIMES:
                lists.append(column.tolist())
            else:
                lists.append(column.view(np.uint64).tolist())
        if len({len(column) for column in lists}) != 1:
            raise InvalidInputError("the columns of its utterances have different lengths")
        return cls([StoredUtterance(*row) for row in zip(*lists, strict=True)])


def _joined(column: Sequence[str | None]) -> tuple[Texts, Numbers]:
    """Return texts as bytes and their lengths, which are -1 for None."""
    encoded = [None if text is None else text.encode() for text in column]
    joined = b"".join(text for text in encoded if text is not None)
    lengths = [-1 if text is None else len(text) for text in encoded]
    return np.frombuffer(joined, np.uint8), np.array(lengths, np.int64)


def _separate(joined: Texts, lengths: Numbers) -> list[str | None]:
    """Return the texts of `_joined`; equal texts of neighbours are one object."""
    ends = np.maximum(lengths, 0).cumsum()
    if len(joined) != (int(ends[-1]) if len(ends) else 0):
        raise InvalidInputError("the texts of its utterances do not have the lengths it states")
    raw = joined.tobytes()
    texts: list[str | None] = []
    known: dict[bytes, str] = {}
    for length, end in zip(lengths.tolist(), ends.tolist(), strict=True):
        piece = raw[end - length : end]
        texts.append(None if length < 0 else known.setdefault(piece, piece.decode()))
    return texts


@dataclass(frozen=True, slots=True, eq=False)
class StoreSettings:
    """Settings that all features of a store have in common.

    Parameters
    ----------
    config : FeatureConfig or None
        Configuration of the features; None if they were computed elsewhere.
    dtype : {"float32", "float16"}
        Type of the stored numbers.
    names : tuple of str
        Names of the columns.
    grid : FrameGrid
        Times of frames, without their number.
    """

    config: FeatureConfig | None
    dtype: StoredType
    names: tuple[str, ...]
    grid: FrameGrid

    @property
    def digest(self) -> str:
        """SHA-256 of everything that changes the numbers."""
        config = None if self.config is None else self.config.digest
        grid = None if self.config is not None else self.grid
        return records.digest(_FORMAT_VERSION, config, self.dtype, self.names, grid)


@dataclass(frozen=True, slots=True, eq=False)
class StoreIndex:
    """The index of a store, a record.

    Parameters
    ----------
    settings : StoreSettings
    shard_frames : int
        Number of frames in a shard of training, at most.
    is_complete : bool
        False until the first extraction has ended.
    created : str
        Time of the last change.
    software : dict
        Versions of the software that made it.
    table : UtteranceTable
    """

    settings: StoreSettings
    shard_frames: int
    is_complete: bool
    created: str
    software: dict[str, Any]
    table: UtteranceTable

    file_kind = "feature store"

    @property
    def rows(self) -> tuple[StoredUtterance, ...]:
        """The utterances."""
        return self.table.rows

    def write(self, folder: Path) -> None:
        """Write the index of a store, whole or not at all."""
        records.save(self, folder / INDEX_NAME)

    @classmethod
    def read(cls, folder: Path) -> StoreIndex:
        """Read and check the index of a store.

        Raises
        ------
        ModelFormatError
            If it is damaged; the message says what to do.
        StoreError
            If there is none.
        """
        if not has_index(folder):
            missing = kind_of(folder) == "missing"
            what = "no such folder" if missing else "is not a feature store (it has no index)"
            raise StoreError(f"{shown_path(folder)}: {what}; speakergmm extract makes one")
        try:
            return records.load(cls, folder / INDEX_NAME)
        except ModelFormatError as error:
            raise ModelFormatError(
                f"{error}; remove that file and run speakergmm extract again, which keeps all "
                "features that are whole"
            ) from None


def has_index(folder: str | os.PathLike[str]) -> bool:
    """Return whether a folder is a feature store, complete or not."""
    return kind_of(Path(folder, INDEX_NAME)) == "file"


def prepare_folder(folder: Path) -> None:
    """Create the folder of a store; refuse one that holds something else."""
    if kind_of(folder) not in ("missing", "folder"):
        raise InvalidInputError(
            f"{shown_path(folder)}: is a {kind_of(folder)}; a feature store is a folder, give the "
            "name of a new one"
        )
    is_ours = has_index(folder) or kind_of(folder / SHARDS_FOLDER) == "folder"
    if not is_ours and kind_of(folder) == "folder" and any(folder.iterdir()):
        raise InvalidInputError(
            f"{shown_path(folder)}: holds files and is not a feature store; give the name of a new "
            "folder"
        )
    make_folders(folder / SHARDS_FOLDER)


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Exclude other writers of a store while the ``with`` block runs; readers are not affected.

    Raises
    ------
    StoreError
        If another process, or thread, is writing the store.
    SpeakerGmmError
        If the folder is missing or write-protected.
    """
    try:
        release = hold_lock(folder / INDEX_NAME)
    except BlockingIOError:
        raise StoreError(
            f"{shown_path(folder)}: another process is writing this feature store; wait until it "
            "has ended"
        ) from None
    except OSError as error:
        raise write_error(folder, error) from None
    try:
        yield
    finally:
        release()


def cut_at_utterances(n_frames: Sequence[int], most: int) -> list[slice]:
    """Cut a sequence of utterances into parts of at most `most` frames, or of one utterance.

    Examples
    --------
    >>> [(part.start, part.stop) for part in cut_at_utterances([5, 3, 9, 1, 2], 8)]
    [(0, 2), (2, 3), (3, 5)]
    """
    cuts, total = [0], 0
    for place, frames in enumerate(n_frames):
        if place > cuts[-1] and total + frames > most:
            cuts.append(place)
            total = 0
        total += frames
    ends = [*cuts, len(n_frames)]
    return [slice(a, b) for a, b in itertools.pairwise(ends) if a < b]
