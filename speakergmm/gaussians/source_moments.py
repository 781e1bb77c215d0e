"""The first pass over all frames of a source: their number, mean and variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import ONE_WORKER, Engine
from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians.frame_shards import read_shard
from speakergmm.gaussians.frame_sources import (
    FrameShard,
    FrameSource,
    pair_with_weights,
    read_blocks,
    regroup,
    shards_of,
    work_on_shards,
)
from speakergmm.moments import Moments

_SURVEY_FRAMES = 8192


@dataclass(frozen=True, slots=True)
class _MomentsOfShard:
    """A task: the moments of the frames of a shard."""

    full: bool

    def __call__(self, item: tuple[int, FrameShard]) -> Moments:
        number, shard = item
        moments = Moments(full=self.full)
        for frames in regroup(read_shard(shard, number), _SURVEY_FRAMES):
            moments.add(frames)
        return moments


def _merge_moments(left: Moments, right: Moments) -> Moments:
    if left.n_frames and right.n_frames and len(left.mean) != len(right.mean):
        raise InvalidInputError(
            "all shards of the frames must have the same number of features, found "
            f"{len(left.mean)} and {len(right.mean)}"
        )
    left.merge(right)
    return left


def frame_moments(
    source: FrameSource,
    sample_weight: NDArray[np.float64] | None = None,
    *,
    full: bool = False,
    engine: Engine = ONE_WORKER,
    description: str | None = None,
) -> Moments:
    """Return number, mean and variance of the frames of a source, in one pass over it.

    Parameters
    ----------
    source : array of shape (T, D), iterable of such arrays, or callable that returns an iterable
        Frames.
    sample_weight : array, shape (T,), optional
        Weight of each frame, checked.
    full : bool, default=False
        Compute their covariances as well.
    engine : Engine, default=ONE_WORKER
        Workers that read the shards of a source which has some.
    description : str, optional
        Text of the progress that is shown then.

    Raises
    ------
    InsufficientDataError
        If there is no frame, or no frame with a weight.
    InvalidInputError
        If the frames are not a finite matrix of D columns, or are too large to be squared, or a
        shard has other frames than it announces.
    """
    moments = Moments(full=full)
    shards = shards_of(source)
    if shards is not None and sample_weight is None:
        task = _MomentsOfShard(full)
        work = work_on_shards(description, source)
        found = engine.map_reduce(task, enumerate(shards), _merge_moments, description=work)
        moments = found or moments
    else:
        # Groups of one size, so that the cuts between blocks change no digit.
        groups = regroup(read_blocks(source), _SURVEY_FRAMES)
        for frames, weights in pair_with_weights(groups, sample_weight):
            moments.add(frames, weights)
    if moments.n_frames == 0:
        raise InsufficientDataError("training needs frames, found none")
    if not moments.weight > 0:
        raise InsufficientDataError("training needs frames with a weight, found weights of 0 only")
    moments.refuse_overflow()
    return moments
