"""Passes over frames: evaluate each block, pass its posteriors to accumulators, and add these up.

`FramesPass.run` is the pass of every E-step of mixtures; `refine` is a second pass for the few
Gaussians that are too narrow for the first. What a worker computes stands in `shard_tasks`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import ONE_WORKER, Engine
from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.evaluator import block_size
from speakergmm.gaussians.frame_shards import AnyShard, HeldShard, cut_into_shards
from speakergmm.gaussians.frame_sources import (
    FrameSource,
    check_finite_frames,
    is_held,
    shards_of,
    work_on_shards,
)
from speakergmm.gaussians.prepare import (
    LARGEST_ROUNDING,
    Prepared,
    check_precision,
)
from speakergmm.gaussians.shard_tasks import (
    Accumulator,
    FrameLikelihoods,
    MakeSums,
    RefineShard,
    SumShard,
    merge_each,
    merge_one,
)
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.sums import About, GaussianSums
from speakergmm.moments import Moments
from speakergmm.ranges import whole_number

# Number of blocks that are summed before their sums enter the tree.
_BLOCKS_PER_GROUP = 16


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
    description : str, optional
        Text of the progress that is shown for each pass over a source of shards.
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
    description: str | None = None

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
        description: str | None = None,
    ) -> FramesPass:
        """Return the pass of training over frames whose moments are known."""
        return cls(
            source,
            weights,
            precision=precision,
            engine=engine,
            trusted=True,
            n_frames=moments.n_frames,
            description=description,
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
        if not is_held(self.source):
            likelihoods = None
        dtype, which = prepared.plan(self.precision, self.largest_rounding)
        about = About(which, prepared.gaussians.means[which]) if which.size else None
        make = MakeSums(prepared, dtype, self.second_order, about, likelihoods is not None)
        *kept, total = self.run(prepared, make)
        assert isinstance(total, GaussianSums)
        for each in kept:
            assert isinstance(each, FrameLikelihoods)
            assert likelihoods is not None
            # The total began as a group of no frame.
            likelihoods.extend(each.groups[1:])
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
        task = SumShard(
            prepared,
            make,
            self.precision,
            *self._sizes(prepared),
            self.largest_rounding,
        )
        shards = self._shards(prepared)
        found = self.engine.map_reduce(
            task,
            shards,
            merge_each,
            in_memory=self._is_in_memory,
            description=work_on_shards(self.description, self.source),
        )
        totals = make()
        return totals if found is None else merge_each(totals, found)

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
        task = RefineShard(
            prepared, about, self.second_order, self.precision, *self._sizes(prepared)
        )
        group_frames = task.group_frames
        known = iter(likelihoods)

        def with_likelihoods() -> Iterator[tuple[AnyShard, list[NDArray[np.float32]] | None]]:
            for shard in self._shards(prepared):
                n_groups = 0
                if likelihoods and isinstance(shard, HeldShard):
                    n_groups = -(-len(shard.frames) // group_frames)
                yield shard, list(islice(known, n_groups)) or None

        items = with_likelihoods()
        found = self.engine.map_reduce(task, items, merge_one, in_memory=self._is_in_memory)
        total = task.no_sums()
        if found is not None:
            total.merge(found)
        return total.replaced(statistics, _unit_of(self.sample_weight)[0])

    @property
    def _is_in_memory(self) -> bool:
        return shards_of(self.source) is None

    def _sizes(self, prepared: Prepared) -> tuple[int, int]:
        """Return the number of frames that are evaluated, and summed, at a time."""
        size = self.block_frames or block_size(prepared.n_gaussians, prepared.n_rows)
        if isinstance(self.source, np.ndarray):
            size = max(1, min(size, len(self.source)))
        return size, size * _BLOCKS_PER_GROUP

    def _shards(self, prepared: Prepared) -> Iterator[AnyShard]:
        """Return the shards of the source, checked unless they were checked before."""
        source = self.source
        if isinstance(source, np.ndarray) and not (
            self.trusted and source.dtype in (np.float32, np.float64)
        ):
            source = check_finite_frames(source, n_features=prepared.n_features)
        return cut_into_shards(
            source,
            _unit_of(self.sample_weight)[1],
            n_features=prepared.n_features,
            group_frames=self._sizes(prepared)[1],
            engine=self.engine,
            trusted=self.trusted,
        )


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


def _unit_of(sample_weight: Array | None) -> tuple[float, Array | None]:
    """Return the largest weight, and weights in units of it: none is beyond float32."""
    if sample_weight is None or not sample_weight.size:
        return 1.0, sample_weight
    unit = float(sample_weight.max()) or 1.0
    return unit, sample_weight / unit
