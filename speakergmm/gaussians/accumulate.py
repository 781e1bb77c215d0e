"""Passes over frames: evaluate each block, pass its posteriors to accumulators, and add these up.

`FramesPass.run` is the pass of every E-step of mixtures; `refine` is a second pass for the few
Gaussians that are too narrow for the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import ONE_WORKER, Engine, single_threaded_blas
from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.evaluator import DensePosteriors, Evaluator, block_size
from speakergmm.gaussians.frame_sources import (
    Frames,
    FrameSource,
    check_finite_frames,
    pair_with_weights,
    read_blocks,
    regroup,
)
from speakergmm.gaussians.prepare import (
    LARGEST_ROUNDING,
    Prepared,
    check_precision,
)
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.sums import About, GaussianSums
from speakergmm.moments import Moments
from speakergmm.ranges import whole_number

# Number of blocks that one thread takes at a time and sums by itself.
_BLOCKS_PER_GROUP = 16
# Number of exponentials after which the work is long enough for compiled code, which takes half a
# second to load. They are counted from the first frame, so that results depend on nothing but the
# frames.
_UNCOMPILED = 2**25
# A frame whose joint log-density is this far below its log-likelihood, in nats, does not belong to
# the Gaussian.
_NOT_ITS_OWN = 36.0


class Accumulator(Protocol):
    """Anything that is summed over frames: moments, statistics of sessions, transforms, trees."""

    def add(self, frames: Frames, block: DensePosteriors, weights: Array | None) -> None:
        """Add a block of frames (T, D) with its posteriors and, if given, weights (T,)."""

    def merge(self, other: Any) -> None:
        """Add the sums of another accumulator of the same kind over other frames."""


class FrameLikelihoods:
    """An accumulator that keeps the log-likelihood of each frame, by groups of blocks."""

    def __init__(self) -> None:
        self._found: list[NDArray[np.float32]] = []
        self.groups: list[NDArray[np.float32]] = []

    def add(self, frames: Frames, block: DensePosteriors, weights: Array | None) -> None:
        """Keep the log-likelihoods of a block."""
        self._found.append(block.log_likelihood.astype(np.float32))

    def merge(self, other: FrameLikelihoods) -> None:
        """Keep the log-likelihoods of another group."""
        self.groups.append(np.concatenate([np.zeros(0, np.float32), *other._found]))


@dataclass(frozen=True, slots=True, eq=False)
class FramesPass:
    """A pass over all frames of a source, which may be repeated.

    Parameters
    ----------
    source : array (T, D), or source of such arrays
        Frames, in feature units.
    sample_weight : array, shape (T,), optional
        Weight of each frame, checked.
    precision : {"float32", "float64"}
        Precision of the products of a block.
    second_order : bool
        Sum second-order moments as well.
    block_frames : int, optional
        Number of frames of a block; by default as many as suit the cache.
    engine : Engine
        Threads on which groups of blocks are evaluated; their number does not change the result.
    trusted : bool
        True if the frames have been checked before.
    n_frames : int, optional
        Number of frames in the pass before; another number is an error.
    largest_rounding : float
        Largest rounding of a log-density that is accepted, in nats; Gaussians with more are
        evaluated in float64.
    """

    source: FrameSource
    sample_weight: Array | None = None
    precision: str = "float32"
    second_order: bool = True
    block_frames: int | None = None
    engine: Engine = ONE_WORKER
    trusted: bool = False
    n_frames: int | None = None
    largest_rounding: float = LARGEST_ROUNDING

    def __post_init__(self) -> None:
        """Raise an error if an option is out of range."""
        check_precision(self.precision)
        if self.block_frames is not None:
            whole_number("block_frames", self.block_frames)

    @classmethod
    def of_training(
        cls,
        source: FrameSource,
        weights: Array | None,
        moments: Moments,
        *,
        precision: str,
        engine: Engine,
    ) -> FramesPass:
        """Return the pass of training over frames whose moments are known."""
        return cls(
            source,
            weights,
            precision=precision,
            engine=engine,
            trusted=True,
            n_frames=moments.n_frames,
        )

    def accumulate(
        self, prepared: Prepared, likelihoods: list[NDArray[np.float32]] | None = None
    ) -> MixtureStatistics:
        """Sum the statistics of all frames under prepared Gaussians, in their coordinates z.

        Parameters
        ----------
        prepared : Prepared
        likelihoods : list, optional
            Receives the log-likelihoods of the frames of each group, for `refine`; stays empty if
            frames are read as they are needed, of which nothing is held.
        """
        if not _is_held(self.source):
            likelihoods = None
        dtype, which = prepared.plan(self.precision, self.largest_rounding)
        about = About(which, prepared.gaussians.means[which]) if which.size else None

        def make() -> list[Accumulator]:
            sums = GaussianSums(prepared, dtype=dtype, second_order=self.second_order, about=about)
            return [sums] if likelihoods is None else [FrameLikelihoods(), sums]

        *kept, total = self.run(prepared, make)
        assert isinstance(total, GaussianSums)
        for each in kept:
            assert isinstance(each, FrameLikelihoods)
            assert likelihoods is not None
            likelihoods.extend(each.groups)
        # With weights, those of frames that are missing or new would have been missed before.
        if self.n_frames is not None and self.sample_weight is None:
            check_frame_count(self.n_frames, int(total.n_frames))
        return total.statistics(_unit_of(self.sample_weight)[0])

    def run(
        self, prepared: Prepared, make: Callable[[], Sequence[Accumulator]]
    ) -> Sequence[Accumulator]:
        """Pass every block of frames and its posteriors to accumulators: the one pass.

        Parameters
        ----------
        prepared : Prepared
            The Gaussians that yield the posteriors.
        make : callable
            Returns empty accumulators, of the same kinds at each call. They receive the blocks of
            a group in order, and groups are merged in order, whatever thread was first.
            `GaussianSums` overwrites a block and comes last.

        Returns
        -------
        sequence of Accumulator
            The accumulators of all frames, in units of the largest weight.
        """
        blocks, block_frames = self._blocks(prepared)
        group_frames = block_frames * _BLOCKS_PER_GROUP
        # Compiled code is used from the group on in which `_UNCOMPILED` exponentials are reached.
        n_uncompiled = -(-_UNCOMPILED // (group_frames * prepared.n_gaussians))
        # Evaluators, with and without compiled code, that any thread may take for the next group.
        idle: dict[bool, list[Evaluator]] = {False: [], True: []}

        def show_group(item: tuple[int, tuple[Frames, Array | None]]) -> Sequence[Accumulator]:
            number, (frames, weights) = item
            compiled = number >= n_uncompiled
            frames, weights = _weighted(frames, weights)
            try:
                evaluator = idle[compiled].pop()
            except IndexError:
                evaluator = Evaluator(
                    prepared,
                    precision=self.precision,
                    block_frames=block_frames,
                    largest_rounding=self.largest_rounding,
                    compiled=compiled,
                )
            evaluator.forget()
            accumulators = make()
            for block, share in _pieces(frames, weights, block_frames):
                posteriors = evaluator.posteriors(block)
                for accumulator in accumulators:
                    accumulator.add(block, posteriors, share)
            idle[compiled].append(evaluator)
            return accumulators

        _, sample_weight = _unit_of(self.sample_weight)
        groups = enumerate(pair_with_weights(regroup(blocks, group_frames), sample_weight))
        totals = make()
        with single_threaded_blas():
            if self.engine.count == 1:
                parts: Iterable[Sequence[Accumulator]] = map(show_group, groups)
            else:
                parts = self.engine.map_threads(show_group, groups)
            for found in parts:
                for total, part in zip(totals, found, strict=True):
                    total.merge(part)
        return totals

    def refine(
        self,
        prepared: Prepared,
        statistics: MixtureStatistics,
        about: About,
        likelihoods: list[NDArray[np.float32]],
    ) -> MixtureStatistics:
        """Sum the statistics of some Gaussians again, about points near which their frames lie.

        Parameters
        ----------
        prepared : Prepared
        statistics : MixtureStatistics
            The statistics that `accumulate` returned.
        about : About
            The Gaussians, which float32 could evaluate, and the points.
        likelihoods : list of array
            Log-likelihoods of the frames from `accumulate`; empty if it kept none.

        Notes
        -----
        Only frames that may belong to these Gaussians are evaluated again, in float64.
        """
        chosen = prepared.select(about.which)
        blocks, block_frames = self._blocks(prepared)
        sums_of: dict[str, Any] = {
            "dtype": np.dtype(np.float64),
            "second_order": self.second_order,
            "about": about,
        }

        def sum_group(
            item: tuple[NDArray[np.float32] | None, tuple[Frames, Array | None]],
        ) -> GaussianSums:
            found, (frames, weights) = item
            frames, weights = _weighted(frames, weights)
            sums = GaussianSums(prepared, **sums_of)
            screen, whole = (
                Evaluator(some, precision=self.precision, block_frames=block_frames)
                for some in (chosen, prepared)
            )
            densities = np.empty((block_frames, len(about.which)), screen.dtype)
            own = np.zeros(len(frames), np.bool_)
            for start in range(0, len(frames), block_frames):
                block = frames[start : start + block_frames]
                joint = densities[: len(block)]
                screen.log_densities(block, joint)
                piece = slice(start, start + block_frames)
                known = whole.posteriors(block).log_likelihood if found is None else found[piece]
                # A frame whose density is NaN may belong to them.
                own[piece] = ~(joint.max(axis=1) - known < -_NOT_ITS_OWN)
            frames, weights = frames[own], None if weights is None else weights[own]
            size = max(1, min(block_frames, len(frames)))
            evaluator = Evaluator(prepared, precision="float64", block_frames=size)
            for block, share in _pieces(frames, weights, size):
                sums.add_own(about, block, evaluator.posteriors(block), share)
            return sums

        unit, sample_weight = _unit_of(self.sample_weight)
        groups = pair_with_weights(regroup(blocks, block_frames * _BLOCKS_PER_GROUP), sample_weight)
        total = GaussianSums(prepared, **sums_of)
        items = zip(likelihoods or repeat(None), groups, strict=bool(likelihoods))
        for sums in self.engine.map_threads(sum_group, items):
            total.merge(sums)
        return total.replaced(statistics, unit)

    def _blocks(self, prepared: Prepared) -> tuple[Iterable[Frames], int]:
        """Return checked blocks of the source, and the number of frames to evaluate at a time."""
        source = self.source
        size = self.block_frames or block_size(prepared.n_gaussians, prepared.n_rows)
        if not isinstance(source, np.ndarray):
            return read_blocks(source, n_features=prepared.n_features), size
        if not (self.trusted and source.dtype in (np.float32, np.float64)):
            source = check_finite_frames(source, n_features=prepared.n_features)
        return (source,), max(1, min(size, len(source)))


def check_frame_count(expected: int, found: int) -> None:
    """Raise an error if a source yields other frames than before.

    Raises
    ------
    InvalidInputError
        If the numbers of frames differ.
    """
    if found != expected:
        raise InvalidInputError(
            f"the frames must be the same each time they are read, found {expected} the first "
            f"time and {found} later"
        )


def _is_held(source: FrameSource) -> bool:
    """Return whether the frames are in memory, and not in a file that is mapped."""
    array: Any = source
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(source, np.ndarray) and not isinstance(array, np.memmap)


def _weighted(frames: Frames, weights: Array | None) -> tuple[Frames, Array | None]:
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


def _unit_of(sample_weight: Array | None) -> tuple[float, Array | None]:
    """Return the largest weight, and weights in units of it: none is beyond float32."""
    if sample_weight is None or not sample_weight.size:
        return 1.0, sample_weight
    unit = float(sample_weight.max()) or 1.0
    return unit, sample_weight / unit
