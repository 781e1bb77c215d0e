"""The index of a feature store: whose features lie where, and what they were made of."""

from __future__ import annotations

import contextlib
import itertools
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from speakergmm import records
from speakergmm.errors import InvalidInputError, ModelFormatError, StoreError
from speakergmm.features.config import FeatureConfig
from speakergmm.features.grid import FrameGrid
from speakergmm.features.store.extraction_options import StoredType
from speakergmm.features.store.utterance_table import StoredUtterance, UtteranceTable
from speakergmm.files import kind_of, make_folders, open_regular, shown_path, write_error
from speakergmm.temporaries import hold_lock

INDEX_NAME = "index.safetensors"
"""Name of the index in the folder of a store."""

SHARDS_FOLDER = "shards"
"""Name of the folder of the shards."""

# Part of what features are known by: to be raised when stored features become others.
_FORMAT_VERSION = 1


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
        UnreadableFileError
            If it cannot be read.
        """
        if not has_index(folder):
            missing = kind_of(folder) == "missing"
            what = "no such folder" if missing else "is not a feature store (it has no index)"
            raise StoreError(f"{shown_path(folder)}: {what}; speakergmm extract makes one")
        with open_regular(folder / INDEX_NAME):  # raises the reason, if it cannot be read at all
            pass
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
