"""The utterances of a feature store, stored by columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.errors import InvalidInputError
from speakergmm.features.store.audio_state import FileState

Texts = NDArray[np.uint8]
Numbers = NDArray[np.int64]


class ContentKey(NamedTuple):
    """All that the features of an utterance depend on, besides the settings of the store."""

    audio: str
    start: float
    end: float | None


class Names(NamedTuple):
    """All that an utterance says of its speaker, besides the audio."""

    id: str
    path: str
    speaker: str | None
    recording: str | None


@dataclass(frozen=True, slots=True)
class StoredUtterance:
    """An utterance in a store: the audio, and the place of its features.

    Parameters
    ----------
    id, path, speaker, start, end, recording
        As in `Utterance`.
    audio : str
        SHA-256 of the file of the recording, in hexadecimal; of an augmented version with its
        name, as `audio_of_version` returns it.
    size, modified, changed, inode : int
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
    changed: int
    inode: int
    shard: str
    first: int
    n_frames: int
    n_speech: int

    @property
    def utterance(self) -> Utterance:
        """The utterance."""
        return Utterance(
            self.id,
            Path(self.path),
            self.speaker,
            self.start,
            self.end,
            self.recording,
            self.version,
        )

    @property
    def version(self) -> str:
        """Condition and seed of an augmented version; empty for the recording as it is."""
        return self.audio.partition("#")[2]

    @property
    def recorded_id(self) -> str:
        """Id of the utterance of which this is a version."""
        condition = self.version.partition("/")[0]
        return self.id.removesuffix(f"#{condition}") if condition else self.id

    @property
    def names(self) -> Names:
        """The names by which it is known."""
        return Names(self.id, self.path, self.speaker, self.recording)

    @property
    def place(self) -> tuple[str, float, float | None, str]:
        """The part of the file, and the version."""
        return self.path, self.start, self.end, self.version

    @property
    def content(self) -> ContentKey:
        """The content on which the features depend."""
        return ContentKey(self.audio, self.start, self.end)

    @property
    def state(self) -> FileState:
        """State of the file when it was read."""
        return FileState(self.size, self.modified, self.changed, self.inode)


def audio_of_version(audio: str, version: str) -> str:
    """Return what the content of a version is known by: the digest of its file and its name.

    Examples
    --------
    >>> audio_of_version("ab12", "noise/0"), audio_of_version("ab12", "")
    ('ab12#noise/0', 'ab12')
    """
    return f"{audio}#{version}" if version else audio


_TEXTS = ("id", "path", "speaker", "recording", "audio", "shard")
_TIMES = ("start", "end")
NAME_COLUMNS = tuple(f"{name}{end}" for name in Names._fields for end in ("", "_lengths"))
"""Names of the columns that `names_of_columns` takes."""


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


def names_of_columns(columns: Sequence[NDArray[Any]]) -> set[Names]:
    """Return the names of utterances in columns of a table, those of `NAME_COLUMNS`."""
    texts = [_separate(*pair) for pair in zip(columns[::2], columns[1::2], strict=True)]
    return {Names(*row) for row in zip(*texts, strict=True)}


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
