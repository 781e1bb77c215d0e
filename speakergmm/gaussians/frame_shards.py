"""Shards of frames: the parts of a source that workers sum, each in groups of blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from speakergmm.engine import Engine
from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.frame_sources import (
    Frames,
    FrameShard,
    FrameSource,
    check_blocks,
    check_matrix,
    pair_with_weights,
    read_blocks,
    regroup,
    shards_of,
)

# Arrays that leave this process travel in shards of about so many frames.
_SENT_FRAMES = 65536
# Number of exponentials for which compiled code is worth half a second of loading.
_UNCOMPILED = 2**25


@dataclass(frozen=True, slots=True, eq=False)
class HeldShard:
    """A run of frames of an array or a stream, which is in memory.

    Parameters
    ----------
    frames : array, shape (T, D)
    weights : array, shape (T,), optional
    first_group : int
        Number of its first group among those of the whole source.
    """

    frames: Frames
    weights: Array | None
    first_group: int

    def groups(self, size: int, n_gaussians: int) -> Iterator[tuple[Frames, Array | None, bool]]:
        """Yield groups of `size` frames, their weights, and whether compiled code is used.

        It is used from the group on before which `_UNCOMPILED` exponentials are computed, counted
        from the first frame of the source: the source alone determines it.
        """
        n_uncompiled = -(-_UNCOMPILED // (size * n_gaussians))
        for number, start in enumerate(range(0, len(self.frames), size), start=self.first_group):
            piece = slice(start, start + size)
            weights = None if self.weights is None else self.weights[piece]
            yield self.frames[piece], weights, number >= n_uncompiled


@dataclass(frozen=True, slots=True, eq=False)
class StoredShard:
    """A shard of a source that workers read themselves.

    Parameters
    ----------
    shard : FrameShard
    number : int
        Number of the shard, for messages.
    n_features : int
        Number of features D that is expected.
    weights : array, shape (T,), optional
        Weights of its frames.
    trusted : bool
        True if the frames have been checked before.
    """

    shard: FrameShard
    number: int
    n_features: int
    weights: Array | None = None
    trusted: bool = False

    def groups(self, size: int, n_gaussians: int) -> Iterator[tuple[Frames, Array | None, bool]]:
        """Yield groups of `size` frames, their weights, and whether compiled code is used.

        It is used for all of a shard or not at all, whatever was computed before.
        """
        is_compiled = self.shard.n_frames * n_gaussians >= _UNCOMPILED // 16
        blocks = read_shard(
            self.shard, self.number, n_features=self.n_features, trusted=self.trusted
        )
        for frames, weights in pair_with_weights(regroup(blocks, size), self.weights):
            yield frames, weights, is_compiled


AnyShard = HeldShard | StoredShard


def read_shard(
    shard: FrameShard, number: int, *, n_features: int | None = None, trusted: bool = False
) -> Iterator[Frames]:
    """Yield the blocks of a shard, checked.

    Parameters
    ----------
    shard : FrameShard
    number : int
        Number of the shard, for messages.
    n_features : int, optional
        Number of features D that is expected; by default that of the first block.
    trusted : bool, default=False
        True if the values have been checked before; their number and shape are checked all the
        same, as a shard may have become another one.

    Raises
    ------
    InvalidInputError
        If a block is not a finite matrix of D columns, or there are other frames than `n_frames`.
    """
    name, n_frames = f"frames of shard {number}", 0
    blocks: Iterable[Frames] = (
        (check_matrix(block, n_features=n_features, name=name) for block in shard.blocks())
        if trusted
        else check_blocks(shard.blocks(), n_features=n_features, name=name)
    )
    for block in blocks:
        n_frames += len(block)
        yield block
    if n_frames != shard.n_frames:
        raise InvalidInputError(
            f"shard {number} must have the {shard.n_frames} frames of its n_frames, found "
            f"{n_frames}"
        )


def cut_into_shards(
    source: FrameSource,
    weights: Array | None,
    *,
    n_features: int,
    group_frames: int,
    engine: Engine,
    trusted: bool = False,
) -> Iterator[AnyShard]:
    """Yield the shards of a source, of which whoever sums them makes the same tree of groups.

    Parameters
    ----------
    source : FrameSource
        If it has shards, these; other sources are cut into groups for threads, or into runs of
        groups, a power of two each, where they leave the process. An array has been checked.
    weights : array, shape (T,), optional
        Weight of each frame.
    n_features : int
        Number of features D that is expected.
    group_frames : int
        Number of frames of a group.
    engine : Engine
    trusted : bool
        True if the frames of shards have been checked before.
    """
    shards = shards_of(source)
    if shards is not None:
        n_frames = sum(shard.n_frames for shard in shards)
        if weights is not None and len(weights) != n_frames:
            raise InvalidInputError(
                f"sample_weight must have one entry for each frame, found {len(weights)} for "
                f"{n_frames} frames"
            )
        first_frame = 0
        for number, shard in enumerate(shards):
            stop = first_frame + shard.n_frames
            share = None if weights is None else weights[first_frame:stop]
            yield StoredShard(shard, number, n_features, share, trusted)
            first_frame = stop
        return
    n_groups = 1
    while engine.sends and n_groups * group_frames < _SENT_FRAMES:
        n_groups *= 2
    blocks: Iterable[Any] = (source,)
    if not isinstance(source, np.ndarray):
        blocks = read_blocks(source, n_features=n_features)
    runs = regroup(blocks, n_groups * group_frames)
    pairs = pair_with_weights(runs, weights)
    for first, (frames, share) in zip(count(0, n_groups), pairs, strict=False):
        yield HeldShard(frames, share, first)
