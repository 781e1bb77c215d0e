"""Tasks over shards of frames: what a worker computes, on whatever machine it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import combine_in_pairs
from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.evaluator import DensePosteriors, Evaluator
from speakergmm.gaussians.frame_shards import AnyShard
from speakergmm.gaussians.frame_sources import Frames
from speakergmm.gaussians.prepare import Prepared
from speakergmm.gaussians.sums import About, GaussianSums

# A frame whose joint log-density is this far below its log-likelihood, in nats, does not belong to
# the Gaussian.
_NOT_ITS_OWN = 36.0


class Accumulator(Protocol):
    """Anything that is summed over frames: moments, statistics of sessions, transforms, trees."""

    def add(self, frames: Frames, block: DensePosteriors, weights: Array | None) -> None:
        """Add a block of frames (T, D) with its posteriors and, if given, weights (T,)."""

    def merge(self, other: Any) -> None:
        """Add the sums of another accumulator of the same kind over the frames that follow."""


class FrameLikelihoods:
    """An accumulator that keeps the log-likelihood of each frame, by groups of blocks."""

    def __init__(self) -> None:
        self._found: list[NDArray[np.float32]] = []
        self._groups: list[NDArray[np.float32]] = []

    def add(self, frames: Frames, block: DensePosteriors, weights: Array | None) -> None:
        """Keep the log-likelihoods of a block."""
        self._found.append(block.log_likelihood.astype(np.float32))

    def merge(self, other: FrameLikelihoods) -> None:
        """Keep the log-likelihoods of the groups that follow."""
        self._groups, self._found = self.groups + other.groups, []

    @property
    def groups(self) -> list[NDArray[np.float32]]:
        """Log-likelihoods of the frames of each group, in order."""
        if not self._groups or self._found:
            self._groups = [np.concatenate([np.zeros(0, np.float32), *self._found])]
            self._found = []
        return self._groups


@dataclass(frozen=True, slots=True, eq=False)
class MakeSums:
    """A function that returns empty accumulators, which can be sent to workers.

    Parameters
    ----------
    prepared : Prepared
    dtype : dtype
    second_order : bool
    about : About or None
        As in `GaussianSums`.
    keeps_likelihoods : bool
        Keep the log-likelihood of each frame as well.
    """

    prepared: Prepared
    dtype: np.dtype[Any]
    second_order: bool
    about: About | None
    keeps_likelihoods: bool = False

    def __call__(self) -> list[Accumulator]:
        """Return the accumulators."""
        sums = GaussianSums(
            self.prepared, dtype=self.dtype, second_order=self.second_order, about=self.about
        )
        return [FrameLikelihoods(), sums] if self.keeps_likelihoods else [sums]


@dataclass(frozen=True, eq=False)
class SumShard:
    """A task: the accumulators of a shard of frames.

    Parameters
    ----------
    prepared : Prepared
        The Gaussians that yield the posteriors.
    make : callable
        Returns empty accumulators, of the same kinds at each call.
    precision : {"float32", "float64"}
        Precision of the products of a block.
    block_frames, group_frames : int
        Number of frames that are evaluated, and summed, at a time.
    largest_rounding : float
        As in `FramesPass`.
    """

    prepared: Prepared
    make: Callable[[], Sequence[Accumulator]]
    precision: str
    block_frames: int
    group_frames: int
    largest_rounding: float
    # Evaluators, with and without compiled code, that any thread may take for its next group.
    _idle: dict[bool, list[Evaluator]] = field(default_factory=dict, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is sent to workers: all but the evaluators, which they build themselves."""
        return vars(self) | {"_idle": {}}

    def __call__(self, shard: AnyShard) -> Sequence[Accumulator]:
        """Return the accumulators of all groups of a shard, combined in pairs."""
        groups = shard.groups(self.group_frames, self.prepared.n_gaussians)
        total = combine_in_pairs((self._sums(*group) for group in groups), merge_each)
        return self.make() if total is None else total

    def _sums(self, frames: Frames, weights: Array | None, compiled: bool) -> Sequence[Accumulator]:
        """Pass the blocks of one group to accumulators, in order."""
        frames, weights = weighted_frames(frames, weights)
        idle = self._idle.setdefault(compiled, [])
        try:
            evaluator = idle.pop()
        except IndexError:
            evaluator = Evaluator(
                self.prepared,
                precision=self.precision,
                block_frames=self.block_frames,
                largest_rounding=self.largest_rounding,
                compiled=compiled,
            )
        evaluator.forget()
        accumulators = self.make()
        for block, share in _pieces(frames, weights, self.block_frames):
            posteriors = evaluator.posteriors(block)
            for accumulator in accumulators:
                accumulator.add(block, posteriors, share)
        idle.append(evaluator)
        return accumulators


@dataclass(frozen=True, slots=True, eq=False)
class RefineShard:
    """A task: the sums of some Gaussians over a shard, about points near which their frames lie.

    Parameters
    ----------
    prepared : Prepared
    about : About
        The Gaussians, which float32 could evaluate, and the points.
    second_order : bool
    precision : {"float32", "float64"}
        Precision of the pass before, whose log-likelihoods may be given.
    block_frames, group_frames : int
        As in `SumShard`.
    """

    prepared: Prepared
    about: About
    second_order: bool
    precision: str
    block_frames: int
    group_frames: int

    def __call__(self, item: tuple[AnyShard, Sequence[NDArray[np.float32]] | None]) -> GaussianSums:
        """Return the sums of a shard, given its frames' log-likelihoods by groups, or None."""
        shard, likelihoods = item
        found = iter(likelihoods or ())
        groups = shard.groups(self.group_frames, self.prepared.n_gaussians)
        parts = (self._sums(frames, weights, next(found, None)) for frames, weights, _ in groups)
        total = combine_in_pairs(parts, merge_one)
        return self.no_sums() if total is None else total

    def no_sums(self) -> GaussianSums:
        """Return the sums over no frame."""
        return GaussianSums(
            self.prepared,
            dtype=np.dtype(np.float64),
            second_order=self.second_order,
            about=self.about,
        )

    def _sums(
        self, frames: Frames, weights: Array | None, known: NDArray[np.float32] | None
    ) -> GaussianSums:
        """Return the sums of the frames of a group that may belong to these Gaussians."""
        frames, weights = weighted_frames(frames, weights)
        prepared, size = self.prepared, self.block_frames
        sums, which = self.no_sums(), self.about.which
        chosen = prepared.keep(("chosen", which.tobytes()), lambda: prepared.select(which))
        screen, whole = (
            Evaluator(some, precision=self.precision, block_frames=size)
            for some in (chosen, prepared)
        )
        densities = np.empty((size, len(which)), screen.dtype)
        own = np.zeros(len(frames), np.bool_)
        for start in range(0, len(frames), size):
            piece = slice(start, start + size)
            block = frames[piece]
            joint = densities[: len(block)]
            screen.log_densities(block, joint)
            total = whole.posteriors(block).log_likelihood if known is None else known[piece]
            # A frame whose density is NaN may belong to them.
            own[piece] = ~(joint.max(axis=1) - total < -_NOT_ITS_OWN)
        frames, weights = frames[own], None if weights is None else weights[own]
        size = max(1, min(size, len(frames)))
        evaluator = Evaluator(prepared, precision="float64", block_frames=size)
        for block, share in _pieces(frames, weights, size):
            sums.add_own(self.about, block, evaluator.posteriors(block), share)
        return sums


def merge_each(left: Sequence[Accumulator], right: Sequence[Accumulator]) -> Sequence[Accumulator]:
    """Add the accumulators of the frames that follow, and return the first ones."""
    for total, part in zip(left, right, strict=True):
        total.merge(part)
    return left


def merge_one(left: GaussianSums, right: GaussianSums) -> GaussianSums:
    """Add the sums over the frames that follow, and return the first ones."""
    left.merge(right)
    return left


def weighted_frames(frames: Frames, weights: Array | None) -> tuple[Frames, Array | None]:
    """Return the frames that have a weight, and their weights; others need not be evaluated."""
    if weights is None or weights.all():
        return frames, weights
    return frames[weights > 0], weights[weights > 0]


def _pieces(
    frames: Frames, weights: Array | None, size: int
) -> Iterator[tuple[Frames, Array | None]]:
    for start in range(0, len(frames), size):
        piece = slice(start, start + size)
        yield frames[piece], None if weights is None else weights[piece]
