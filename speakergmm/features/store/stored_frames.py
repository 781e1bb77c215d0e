"""Frames of a feature store, as training reads them: shards of blocks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import StoreError
from speakergmm.features.store.audio_state import FileState, file_state
from speakergmm.features.store.shard_files import MappedShard, open_shard
from speakergmm.features.store.store_index import INDEX_NAME, StoreIndex, cut_at_utterances
from speakergmm.features.store.utterance_table import ContentKey, StoredUtterance
from speakergmm.files import shown_path
from speakergmm.ranges import whole_number

BLOCK_FRAMES = 16_384
"""Greatest number of frames in a block, unless another is asked for."""

Frames = NDArray[np.float32]


class Piece(NamedTuple):
    """The features of an utterance: rows of a shard."""

    id: str
    shard: str
    first: int
    n_frames: int
    n_speech: int
    content: ContentKey


@dataclass(frozen=True, slots=True)
class StoreShard:
    """Frames of consecutive utterances of a store; can be sent to worker processes.

    Parameters
    ----------
    folder : str
        The store.
    settings : str
        Digest of its settings.
    pieces : tuple of Piece
        The utterances.
    speech_only : bool
        Take frames of speech alone.
    """

    folder: str
    settings: str
    pieces: tuple[Piece, ...]
    speech_only: bool

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return sum(each.n_speech if self.speech_only else each.n_frames for each in self.pieces)

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.pieces)

    def blocks(self, max_frames: int = BLOCK_FRAMES) -> Iterator[Frames]:
        """Yield the frames in order, in blocks of shape (T, D) with T of at most `max_frames`.

        Raises
        ------
        ModelFormatError
            If a shard is damaged.
        StoreError
            If an utterance has been removed from the store.
        """
        whole_number("max_frames", max_frames)
        place = 0
        while place < len(self.pieces):
            shard, piece = self._opened(self.pieces[place])
            first, last = piece.first, piece.first + piece.n_frames
            n_speech = piece.n_speech
            place += 1
            while place < len(self.pieces):  # utterances that lie one after the other
                following = self.pieces[place]
                if (following.shard, following.first) != (piece.shard, last):
                    break
                last += following.n_frames
                n_speech += following.n_speech
                place += 1
            is_whole = not self.speech_only or n_speech == last - first
            for begin in range(first, last, max_frames):
                yield _taken(shard, begin, min(begin + max_frames, last), whole=is_whole)

    def utterances(self) -> Iterator[Frames]:
        """Yield the frames of each utterance, shape (T, D)."""
        for place in range(len(self)):
            yield self.utterance(place)

    def utterance(self, place: int) -> Frames:
        """Return the frames of one utterance by its number in the shard, shape (T, D)."""
        shard, piece = self._opened(self.pieces[place])
        is_whole = not self.speech_only or piece.n_speech == piece.n_frames
        return _taken(shard, piece.first, piece.first + piece.n_frames, whole=is_whole)

    def speech(self, place: int) -> NDArray[np.bool_]:
        """Return which frames of one utterance are speech, shape (T,)."""
        shard, piece = self._opened(self.pieces[place])
        return shard.speech[piece.first : piece.first + piece.n_frames]

    def weights(self, place: int) -> NDArray[np.float32] | None:
        """Return the weights of the frames of one utterance, shape (T,), if they have any."""
        shard, piece = self._opened(self.pieces[place])
        if shard.weights is None:
            return None
        return shard.weights[piece.first : piece.first + piece.n_frames]

    def _opened(self, piece: Piece) -> tuple[MappedShard, Piece]:
        """Open the shard of an utterance, wherever its features are now."""
        try:
            return open_shard(self.folder, piece.shard), piece
        except FileNotFoundError:
            pass
        # The store was pruned after it was opened: the same features lie in another shard.
        moved = _moved(self.folder, self.settings, piece)
        try:
            return open_shard(self.folder, moved.shard), moved
        except FileNotFoundError:
            raise StoreError(
                f"{shown_path(self.folder)}: the shard of utterance {piece.id!r} is missing; run "
                "speakergmm extract again"
            ) from None


def _moved(folder: str, settings: str, piece: Piece) -> Piece:
    """Return the present place of the features of an utterance."""
    path = Path(folder)
    present, places = _present_places(path, file_state(path / INDEX_NAME))
    if present == settings and piece.content in places:
        return places[piece.content]
    raise StoreError(
        f"{shown_path(folder)}: utterance {piece.id!r} has been removed since the store was opened"
    )


@lru_cache(maxsize=1)
def _present_places(folder: Path, state: FileState | None) -> tuple[str, dict[ContentKey, Piece]]:
    """Return the settings of a store and the places of all features; read once for each state."""
    index = StoreIndex.read(folder)
    return index.settings.digest, {row.content: piece_of(row) for row in index.rows}


def piece_of(row: StoredUtterance) -> Piece:
    """Return the place of the features of an utterance."""
    return Piece(row.id, row.shard, row.first, row.n_frames, row.n_speech, row.content)


def _taken(shard: MappedShard, first: int, last: int, *, whole: bool) -> Frames:
    """Return rows of a shard in float32: a view of the map if nothing is left out or converted."""
    values = shard.values[first:last]
    if not whole:
        values = values[shard.speech[first:last]]
    return values.astype(np.float32, copy=False)


class StoredFrames:
    """Frames of utterances of a store, a source of frames for training.

    Parameters
    ----------
    folder : path
        The store; absolute, for workers with another working directory.
    settings : str
        Digest of its settings.
    rows : sequence of StoredUtterance
        The utterances.
    shard_frames : int
        Number of frames in a shard, at most.
    speech_only : bool
        Take frames of speech alone.

    Attributes
    ----------
    shards : tuple of StoreShard
        The frames, cut between utterances. The cuts depend on the utterances and `shard_frames`
        alone, not on the files in which the features lie.
    n_frames : int
        Number of frames.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: str,
        rows: Sequence[StoredUtterance],
        *,
        shard_frames: int,
        speech_only: bool,
    ) -> None:
        self._folder = os.fspath(folder)
        self._settings = settings
        self._rows = rows
        self._shard_frames = shard_frames
        self._speech_only = speech_only

    @cached_property
    def shards(self) -> tuple[StoreShard, ...]:
        """The frames, cut between utterances."""
        pieces = [piece_of(row) for row in self._rows]
        parts = cut_at_utterances([row.n_frames for row in self._rows], self._shard_frames)
        return tuple(
            StoreShard(self._folder, self._settings, tuple(pieces[part]), self._speech_only)
            for part in parts
        )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return sum(shard.n_frames for shard in self.shards)

    def blocks(self, max_frames: int = BLOCK_FRAMES) -> Iterator[Frames]:
        """Yield all frames in order, in blocks of shape (T, D) with T of at most `max_frames`."""
        for shard in self.shards:
            yield from shard.blocks(max_frames)

    def __iter__(self) -> Iterator[Frames]:
        return self.blocks()
