"""The expectation step of phone training for one shard, as a task that can be sent to workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.hmm.inference.graph import NoPathError
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.training.aligned_path import AlignedPath
from speakergmm.hmm.training.phone_statistics import (
    PhoneExpectation,
    PhoneStatistics,
    equal_path,
)
from speakergmm.hmm.training.phone_training_state import FailedUtterance
from speakergmm.hmm.training.schedule import TrainingSchedule
from speakergmm.hmm.training.utterance_shards import UtteranceShard

Outcome: TypeAlias = AlignedPath | FailedUtterance | None
"""Outcome of one utterance: its path, if it is kept, or the reason why it was left out."""


@dataclass(slots=True, eq=False)
class ShardExpectation:
    """Sums over the utterances of a shard, or of adjacent ones.

    Parameters
    ----------
    sums : PhoneStatistics
    outcomes : list of AlignedPath, FailedUtterance or None
        One per utterance.
    """

    sums: PhoneStatistics
    outcomes: list[Outcome]

    def merge(self, other: ShardExpectation) -> ShardExpectation:
        """Add the sums and outcomes of the utterances that follow, and return these."""
        self.sums.merge(other.sums)
        self.outcomes += other.outcomes
        return self


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class ExpectationTask:
    """The expectation step of one iteration, for one shard at a time.

    Parameters
    ----------
    models : PhoneModels
        The current models, in standardised features.
    schedule : TrainingSchedule
    iteration : int
        Number of the iteration, from 0.
    standardisation : Standardisation
        Mean and scale of the frames.
    silence_pdfs : array of int, optional
        Pdfs of silence.
    equal : bool
        Whether to divide frames equally among states.
    sums : bool
        Whether to sum over all paths, rather than to use the best one.
    searches : bool
        Whether paths are searched for or summed over, rather than taken from the shard.
    """

    models: PhoneModels
    schedule: TrainingSchedule
    iteration: int
    standardisation: Standardisation
    silence_pdfs: NDArray[np.int32] | None
    equal: bool
    sums: bool
    searches: bool
    key: str = field(default_factory=lambda: uuid4().hex)

    def __call__(self, shard: UtteranceShard) -> ShardExpectation:
        """Sum the statistics of a shard, and return them with the outcome of each utterance."""
        step = self.expectation()
        sums = step.no_statistics()
        places = range(len(shard))
        return ShardExpectation(sums, [self._add(step, shard, place, sums) for place in places])

    def expectation(self) -> PhoneExpectation:
        """Return the models prepared for evaluation, once per process."""
        global _kept  # one read and one write, both atomic: several threads may call this
        kept = _kept
        if kept is None or kept[0] != self.key:
            step = PhoneExpectation(
                self.models,
                self.schedule,
                iteration=self.iteration,
                silence_pdfs=self.silence_pdfs,
            )
            kept = _kept = (self.key, step)
        return kept[1]

    def _add(
        self, step: PhoneExpectation, shard: UtteranceShard, place: int, sums: PhoneStatistics
    ) -> Outcome:
        """Add an utterance to the sums, and return its outcome."""
        if not self.searches:
            if (known := shard.paths[place]) is not None:
                step.add_aligned(known, self._standardised(shard, place), sums)
            return None
        frames, graph = self._standardised(shard, place), shard.graph(place, self.models)
        # Checked before memory is allocated: one long recording must not end the training.
        excess = self.schedule.memory_excess(len(frames), graph.n_states, sums=self.sums)
        if excess is not None and not self.equal:
            return FailedUtterance(shard.first + place, excess)
        try:
            if self.equal:
                step.add_aligned(equal_path(graph, len(frames)), frames, sums)
            elif self.sums:
                step.baum_welch(graph, frames, sums)
            else:
                path = step.align(graph, frames)
                step.add_aligned(path, frames, sums)
                return path
        except NoPathError as error:
            return FailedUtterance(shard.first + place, str(error))
        return None

    def _standardised(self, shard: UtteranceShard, place: int) -> NDArray[np.float32]:
        frames = np.asarray(shard.frames[place])
        result = np.empty(frames.shape, np.float32)
        self.standardisation.apply(frames, result)
        return result


_kept: tuple[str, PhoneExpectation] | None = None
"""In each process: the expectation of its last task, of which each shard brings a copy."""
