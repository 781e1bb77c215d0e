"""The expectation step of dense hidden Markov models: statistics of sequences, in groups.

Sequences are processed in groups of a few thousand frames. The log-densities of all components of
all states are one matrix product per group, forward-backward then runs over the sequences one by
one, and the moments are a second product. Groups do not depend on the engine, and are summed in its
fixed pairwise tree.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import ONE_WORKER, Engine, combine_in_pairs
from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.frame_sources import Frames
from speakergmm.gaussians.prepare import LARGEST_ROUNDING, Prepared
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.gaussians.sums import About, GaussianSums
from speakergmm.hmm.inference.graph import Graph, NoPathError
from speakergmm.hmm.inference.sequences import ImpossibleSequenceError, Sequences
from speakergmm.hmm.models.dense_evaluation import StateEvaluator

# Occupancy that is mere rounding, in frames (of the largest weight, if that is below 1).
_EMPTY = 1e-10
# Groups of some thousand frames that are sent to a worker at a time: a power of two.
_SENT_GROUPS = 16


@dataclass(frozen=True, slots=True, eq=False)
class HiddenMarkovStatistics:
    """Sufficient statistics of sequences for a dense hidden Markov model.

    Parameters
    ----------
    starts : array, shape (S,)
        Expected number of sequences that begin in each state.
    transitions : array, shape (S, S)
        Expected number of transitions.
    gaussians : MixtureStatistics
        Statistics of the S M Gaussians, in the coordinates of the frames, and the log-likelihood
        of the sequences.
    precision : {"float32", "float64"}
        Precision in which densities were evaluated.
    smallest : float
        Largest occupancy, in frames, that is mere rounding.
    """

    starts: NDArray[np.float64]
    transitions: NDArray[np.float64]
    gaussians: MixtureStatistics
    precision: str
    smallest: float

    @property
    def empty(self) -> NDArray[np.bool_]:
        """Mask (S M,) of the Gaussians without any frame."""
        return self.gaussians.counts <= self.smallest

    @property
    def log_likelihood(self) -> float:
        """Weighted sum of the log-likelihoods of the sequences, in nats."""
        return self.gaussians.log_likelihood

    @property
    def n_frames(self) -> float:
        """Weighted number of frames."""
        return self.gaussians.n_frames


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SequencesPass:
    """A pass over all sequences, which sums their statistics.

    Parameters
    ----------
    sequences : Sequences
        Sequences, in feature units.
    weights : array, shape (R,)
        Weights of the sequences; those of weight zero are left out.
    graph : Graph
        States and possible transitions, with their probabilities.
    n_mix : int
        Number of components per state, M.
    precision : {"float32", "float64"}
        Precision of densities and of the products of a group; groups are summed in float64.
    largest_rounding : float
        Largest acceptable rounding error of a log-density, in nats; Gaussians with a larger one
        are evaluated in float64.
    engine : Engine
        Where groups are summed: a number is one of threads. The result does not depend on it.
    """

    sequences: Sequences
    weights: NDArray[np.float64]
    graph: Graph
    n_mix: int
    precision: str
    largest_rounding: float = LARGEST_ROUNDING
    engine: Engine = ONE_WORKER

    def accumulate(self, prepared: Prepared, *_: Any) -> HiddenMarkovStatistics:
        """Sum the statistics of all sequences under prepared Gaussians, in their coordinates z.

        Raises
        ------
        ImpossibleSequenceError
            If a sequence is impossible under the model; the message names it.
        """
        return self._sum(prepared, About(np.empty(0, np.intp), np.empty((0, prepared.n_features))))

    def refine(
        self, prepared: Prepared, statistics: HiddenMarkovStatistics, about: About, *_: Any
    ) -> HiddenMarkovStatistics:
        """Sum the statistics of some Gaussians again, in float64 and about points near them."""
        found = replace(self, precision="float64")._sum(prepared, about)
        gaussians = statistics.gaussians.replaced(found.gaussians, about.which)
        return replace(statistics, gaussians=gaussians)

    def _sum(self, prepared: Prepared, about: About) -> HiddenMarkovStatistics:
        if not np.isfinite(prepared.columns).all():
            raise InvalidInputError(
                "means lie too far from the frames, or covariances are too small, for float64; "
                "choose another start"
            )
        # Gaussians too narrow for float32 are summed about their own means, in float64.
        dtype, narrow = prepared.plan(self.precision, self.largest_rounding)
        narrow = np.setdiff1d(narrow, about.which)
        about = About(
            np.concatenate([about.which, narrow]),
            np.concatenate([about.origins, prepared.gaussians.means[narrow]]),
        )
        # Weights enter products of float32 numbers; relative to the largest one, none overflows.
        unit = float(self.weights.max())
        weights = self.weights / unit
        task = _SumGroups(
            prepared,
            self.graph,
            self.n_mix,
            self.precision,
            self.largest_rounding,
            dtype,
            about if about.which.size else None,
        )
        shards = self._shards(weights, task.evaluator().block_frames)
        found = self.engine.map_reduce(task, shards, _Partial.merge, in_memory=True)
        total = task.no_sums()
        if found is not None:
            total.merge(found)
        # Counts of arcs and entries become those of start and transition probabilities.
        n_states = prepared.n_gaussians // self.n_mix
        starts, transitions = np.zeros(n_states), np.zeros((n_states, n_states))
        np.add.at(starts, self.graph.entry_state, total.entries * unit)
        np.add.at(transitions, (self.graph.source, self.graph.target), total.arcs * unit)
        return HiddenMarkovStatistics(
            starts,
            transitions,
            total.gaussians.statistics(unit),
            precision=dtype.name,
            smallest=_EMPTY * min(1.0, unit),
        )

    def _shards(
        self, weights: NDArray[np.float64], block_frames: int
    ) -> Iterator[list[_SequenceGroup]]:
        """Yield groups of sequences, which do not depend on the engine, in runs to be sent."""
        groups = self.sequences.groups(block_frames, weights > 0)
        # A run of a power of two is a node of the tree over all groups: it changes no sum.
        size = _SENT_GROUPS if self.engine.sends else 1
        while run := [self._group(numbers, weights) for numbers in islice(groups, size)]:
            yield run

    def _group(self, numbers: range, weights: NDArray[np.float64]) -> _SequenceGroup:
        bounds = self.sequences.bounds[numbers.start : numbers.stop + 1]
        frames = self.sequences.frames[bounds[0] : bounds[-1]]
        own = weights[numbers.start : numbers.stop]
        return _SequenceGroup(numbers.start, frames, bounds - bounds[0], own)


@dataclass(frozen=True, slots=True, eq=False)
class _SequenceGroup:
    """Adjacent sequences: the number of the first, their frames (T, D), bounds and weights."""

    first: int
    frames: Frames
    bounds: NDArray[np.intp]
    weights: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _SumGroups:
    """A task: the sums over some groups of sequences, combined in pairs."""

    prepared: Prepared
    graph: Graph
    n_mix: int
    precision: str
    largest_rounding: float
    dtype: np.dtype[Any]
    about: About | None
    # Evaluators own megabytes of buffers, costly to allocate per group: idle ones wait.
    _idle: list[StateEvaluator] = field(default_factory=list, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """Return what is sent to workers: all but the evaluators, which they build themselves."""
        return vars(self) | {"_idle": []}

    def __call__(self, groups: list[_SequenceGroup]) -> _Partial:
        """Return the sums over groups."""
        found = combine_in_pairs(map(self._sums, groups), _Partial.merge)
        return self.no_sums() if found is None else found

    def no_sums(self) -> _Partial:
        """Return the sums over no sequence."""
        sums = GaussianSums(self.prepared, dtype=self.dtype, about=self.about)
        return _Partial(sums, np.zeros(self.graph.n_arcs), np.zeros(len(self.graph.entry_state)))

    def evaluator(self) -> StateEvaluator:
        """Return an evaluator, which waits for the next group."""
        made = StateEvaluator(
            self.prepared,
            self.n_mix,
            precision=self.precision,
            largest_rounding=self.largest_rounding,
        )
        self._idle.append(made)
        return made

    def _sums(self, group: _SequenceGroup) -> _Partial:
        part = self.no_sums()
        try:
            evaluator = self._idle.pop()
        except IndexError:
            self.evaluator()
            evaluator = self._idle.pop()
        # Posteriors may underflow to zero.
        with np.errstate(under="ignore"):
            self._add(part, evaluator, group)
        self._idle.append(evaluator)
        return part

    def _add(self, total: _Partial, evaluator: StateEvaluator, group: _SequenceGroup) -> None:
        """Add the statistics of adjacent sequences: densities, posteriors, and then moments."""
        from speakergmm.hmm.models.dense_kernels import weigh_components

        frames = group.frames
        parts = np.empty((len(frames), evaluator.n_gaussians), evaluator.dtype)
        states = np.empty((len(frames), evaluator.n_gaussians // self.n_mix))
        # 1. Log-densities of states, and of components within them, in blocks that fit the cache.
        step = evaluator.block_frames
        pieces = [slice(start, start + step) for start in range(0, len(frames), step)]
        for piece in pieces:
            evaluator.evaluate(frames[piece], parts[piece], states[piece])
        # 2. Posteriors of states by forward-backward, times those of components given the state.
        self._pass_through(total, group, states)
        weigh_components(parts, self.n_mix, states)
        n_frames = float(group.weights @ np.diff(group.bounds))
        total.gaussians.n_frames += n_frames
        total.gaussians.log_likelihood -= evaluator.log_volume * n_frames
        # 3. Moments of the Gaussians.
        for piece in pieces:
            rows = evaluator.rows(frames[piece], anew=len(pieces) > 1)
            total.gaussians.add_posteriors(frames[piece], rows, parts[piece])

    def _pass_through(
        self, total: _Partial, group: _SequenceGroup, states: NDArray[np.float64]
    ) -> None:
        """Replace log-emissions (T, S) by weighted posteriors of states, sequence by sequence."""
        from speakergmm.hmm.inference.algorithms import forward_backward

        for place, weight in enumerate(group.weights.tolist()):
            start, stop = group.bounds[place : place + 2]
            try:
                passed = forward_backward(self.graph, states[start:stop])
            except NoPathError as error:
                raise ImpossibleSequenceError.under_model(group.first + place, error) from None
            np.multiply(passed.state_posteriors, weight, out=states[start:stop])
            total.arcs += weight * passed.arc_counts
            total.entries += weight * passed.entry_counts
            total.gaussians.log_likelihood += weight * passed.log_likelihood


@dataclass(slots=True, eq=False)
class _Partial:
    """Sums over a group of sequences, or over all of them."""

    gaussians: GaussianSums
    arcs: NDArray[np.float64]
    entries: NDArray[np.float64]

    def merge(self, other: _Partial) -> _Partial:
        """Add the sums over other sequences, and return these."""
        self.gaussians.merge(other.gaussians)
        self.arcs += other.arcs
        self.entries += other.entries
        return self
