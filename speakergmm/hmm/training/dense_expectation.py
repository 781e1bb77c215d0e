"""The E-step of a hidden Markov model: statistics of sequences, a few of them held at a time.

Sequences are taken in groups of a few thousand frames. Log-densities of all components of all
states are one matrix product a group, sequences then pass through forward-backward one by one, and
moments are a second product. Groups don't depend on the number of threads, and are summed in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.evaluation import Evaluator, block_size
from speakergmm.gaussians.prepare import LARGEST_ROUNDING_IN_TRAINING, Prepared, prepare
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.sums import About, GaussianSums
from speakergmm.hmm.models.dense import HiddenMarkovParameters
from speakergmm.hmm.training.sequences import ImpossibleSequenceError, Sequences
from speakergmm.parallel import threaded_map

if TYPE_CHECKING:
    from speakergmm.hmm.inference.graph import Graph

Arithmetic = Literal["log", "scaled"]


@dataclass(frozen=True, slots=True, eq=False)
class HiddenMarkovStatistics:
    """What sequences say to a hidden Markov model, in the coordinates of their frames.

    Parameters
    ----------
    starts : array, shape (S,)
        Expected number of sequences that begin in each state.
    transitions : array, shape (S, S)
        Expected number of transitions.
    counts : array, shape (S, M)
        Occupancy of each component, in frames.
    origins : array, shape (S, M, D)
        Points that moments are about: zero, or the means of components that are far narrower than
        the frames, so that their variances keep their digits.
    first_order : array, shape (S, M, D)
        Sum of differences to the origins times posteriors.
    second_order : array, shape (S, M), (S, M, D), (S, D, D) or (S, M, D, D)
        Of squared lengths, squares, or products of these; over the components of a state if
        "tied".
    log_likelihood : float
        Sum over the sequences, weighted.
    n_frames : float
        Number of frames, weighted.
    """

    starts: NDArray[np.float64]
    transitions: NDArray[np.float64]
    counts: NDArray[np.float64]
    origins: NDArray[np.float64]
    first_order: NDArray[np.float64]
    second_order: NDArray[np.float64]
    log_likelihood: float
    n_frames: float


class ExpectationStep:
    """Sums statistics of the same sequences under one model after another.

    Parameters
    ----------
    sequences : Sequences
        All of them, in feature units.
    weights : array, shape (R,)
        Weight of each sequence; those of weight zero are left out.
    standardisation : Standardisation
        To the coordinates of models and statistics.
    graph : Graph
        States and those transitions that may be; see `hidden_markov_graph`.
    arithmetic : {"log", "scaled"}
        Of forward-backward.
    n_jobs : int
        Threads; the result does not depend on it.
    """

    def __init__(
        self,
        sequences: Sequences,
        weights: NDArray[np.float64],
        *,
        standardisation: Standardisation,
        graph: Graph,
        arithmetic: Arithmetic,
        n_jobs: int,
    ) -> None:
        self._sequences, self._standardisation = sequences, standardisation
        # Weights enter products of float32 numbers: relative to the largest they can't overflow.
        self._unit = float(weights.max())
        self._weights = weights / self._unit
        self._graph, self._arithmetic, self._n_jobs = graph, arithmetic, n_jobs
        needed = graph.shortest_duration
        if needed is None:
            raise InvalidInputError("no path leads through the states to one that may be the last")
        short = np.flatnonzero((weights > 0) & (sequences.lengths < needed))
        if short.size:
            number = int(short[0])
            raise ImpossibleSequenceError(
                number,
                f"has {sequences.lengths[number]} frames, fewer than the {needed} that a path "
                f"through the states needs",
            )

    def prepared(self, model: HiddenMarkovParameters) -> Prepared:
        """All Gaussians of a model in standardised coordinates, made ready."""
        gaussians, log_weights, weights = model.weighted()
        with np.errstate(over="ignore", invalid="ignore"):
            prepared = prepare(gaussians, log_weights, self._standardisation, weights=weights)
        if not np.isfinite(prepared.columns).all():
            raise InvalidInputError(
                "means lie too far from the frames, or covariances are too small, for float64; "
                "start elsewhere"
            )
        return prepared

    def run(
        self,
        model: HiddenMarkovParameters,
        prepared: Prepared,
        *,
        precision: str,
        about: About | None = None,
    ) -> HiddenMarkovStatistics:
        """Sum the statistics under a model in standardised coordinates.

        Parameters
        ----------
        model : HiddenMarkovParameters
        prepared : Prepared
            The same model's Gaussians.
        precision : {"float32", "float64"}
            Of densities and products.
        about : About, optional
            Gaussians whose moments are to be about points of their own, beside those that have to.
        """
        from speakergmm.hmm.models.dense_graph import with_probabilities

        graph = with_probabilities(self._graph, model.startprob, model.transmat)
        work = _Work(prepared, graph, model.n_mix, precision, self._arithmetic, about)
        chosen = self._weights > 0
        idle: list[_GroupEvaluator] = []

        def sum_group(numbers: range) -> _Partial:
            try:
                evaluator = idle.pop()
            except IndexError:
                evaluator = _GroupEvaluator(work)
            part = evaluator.sum(self._sequences, numbers, self._weights)
            idle.append(evaluator)
            return part

        groups = self._sequences.groups(work.block_frames, chosen)
        # In the order of the sequences, whichever thread was first: sums round the same way.
        parts = threaded_map(sum_group, groups, n_jobs=self._n_jobs)
        total = next(iter(parts))
        for part in parts:
            total.add(part)
        return self._as_statistics(model, graph, total)

    def _as_statistics(
        self, model: HiddenMarkovParameters, graph: Graph, total: _Partial
    ) -> HiddenMarkovStatistics:
        shape, unit = (model.n_states, model.n_mix), self._unit
        starts = np.zeros(model.n_states)
        np.add.at(starts, graph.entry_state, total.entry_counts * unit)
        transitions = np.zeros((model.n_states, model.n_states))
        np.add.at(transitions, (graph.source, graph.target), total.arc_counts * unit)
        found = total.gaussians.statistics(unit)
        assert found.second_order is not None
        second = found.second_order.reshape(*shape, *found.second_order.shape[1:])
        if model.covariance_type == "tied":
            second = second.sum(axis=1)
        origins = np.zeros((*shape, found.n_features))
        if found.origins is not None:
            origins = found.origins.reshape(origins.shape)
        return HiddenMarkovStatistics(
            starts=starts,
            transitions=transitions,
            counts=found.counts.reshape(shape),
            origins=origins,
            first_order=found.first_order.reshape(origins.shape),
            second_order=second,
            log_likelihood=found.log_likelihood,
            n_frames=found.n_frames,
        )


@dataclass(slots=True, eq=False)
class _Partial:
    """Sums over a group, and then over all."""

    gaussians: GaussianSums
    arc_counts: NDArray[np.float64]
    entry_counts: NDArray[np.float64]

    def add(self, other: _Partial) -> None:
        self.gaussians.merge(other.gaussians)
        self.arc_counts += other.arc_counts
        self.entry_counts += other.entry_counts


class _Work:
    """What is to be summed, and in what pieces."""

    def __init__(
        self,
        prepared: Prepared,
        graph: Graph,
        n_mix: int,
        precision: str,
        arithmetic: Arithmetic,
        about: About | None,
    ) -> None:
        self.prepared, self.graph, self.n_mix, self.arithmetic = prepared, graph, n_mix, arithmetic
        self.precision = precision
        self.block_frames = block_size(prepared.n_gaussians, prepared.n_rows)
        _, exact = prepared.plan(precision, LARGEST_ROUNDING_IN_TRAINING)
        if about is not None:
            exact = np.setdiff1d(exact, about.which)
        origins = prepared.gaussians.means[exact]
        if about is not None:
            exact = np.concatenate([exact, about.which])
            origins = np.concatenate([origins, about.origins])
        self.about = About(exact, origins) if exact.size else None


class _GroupEvaluator:
    """Works on one group after another in buffers of its own; not for two threads."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        self._evaluator = Evaluator(
            work.prepared,
            precision=work.precision,
            block_frames=work.block_frames,
            largest_rounding=LARGEST_ROUNDING_IN_TRAINING,
            compiled=True,
        )

    def sum(self, sequences: Sequences, numbers: range, weights: NDArray[np.float64]) -> _Partial:
        """Statistics of adjacent sequences."""
        with np.errstate(under="ignore"):
            return self._sum(sequences, numbers, weights)

    def _sum(self, sequences: Sequences, numbers: range, weights: NDArray[np.float64]) -> _Partial:
        from speakergmm.hmm.training import dense_kernels as kernels

        work, evaluator = self._work, self._evaluator
        first = sequences.bounds[numbers.start]
        frames = sequences.frames[first : sequences.bounds[numbers.stop]]
        n_gaussians, dtype = work.prepared.n_gaussians, evaluator.dtype
        parts = np.empty((len(frames), n_gaussians), dtype)
        emissions = np.empty((len(frames), n_gaussians // work.n_mix))
        mix: Any = kernels.mix_states_double
        if dtype == np.float32:
            mix = kernels.mix_states_single
        pieces = [
            slice(start, start + work.block_frames)
            for start in range(0, len(frames), work.block_frames)
        ]
        for piece in pieces:
            evaluator.log_densities(frames[piece], parts[piece], in_features=False)
            mix(parts[piece], work.n_mix, emissions[piece])
        total = self._pass_through(sequences, numbers, weights, emissions)
        kernels.weigh_components(parts, work.n_mix, emissions)
        for piece in pieces:
            # Those of the last piece are there already.
            rows = evaluator.rows(frames[piece], anew=len(pieces) > 1)
            total.gaussians.add_posteriors(frames[piece], rows, parts[piece])
        return total

    def _pass_through(
        self,
        sequences: Sequences,
        numbers: range,
        weights: NDArray[np.float64],
        emissions: NDArray[np.float64],
    ) -> _Partial:
        """Turn log-emissions (T, S) into weighted posteriors of states, sequence by sequence."""
        from speakergmm.hmm.inference.algorithms import forward_backward
        from speakergmm.hmm.inference.graph import NoPathError

        work = self._work
        sums = GaussianSums(work.prepared, dtype=self._evaluator.dtype, about=work.about)
        total = _Partial(sums, np.zeros(work.graph.n_arcs), np.zeros(len(work.graph.entry_state)))
        first = sequences.bounds[numbers.start]
        for number in numbers:
            start, stop = sequences.bounds[number] - first, sequences.bounds[number + 1] - first
            block, weight = emissions[start:stop], float(weights[number])
            try:
                passed = forward_backward(work.graph, block, arithmetic=work.arithmetic)
            except NoPathError as error:
                raise ImpossibleSequenceError(
                    number, f"is impossible under the model: {error}"
                ) from None
            np.multiply(passed.state_posteriors, weight, out=block)
            total.arc_counts += weight * passed.arc_counts
            total.entry_counts += weight * passed.entry_counts
            n_frames = float(stop - start)
            volume = n_frames * work.prepared.coordinates.log_volume
            sums.log_likelihood += weight * (passed.log_likelihood - volume)
            sums.n_frames += weight * n_frames
        return total
