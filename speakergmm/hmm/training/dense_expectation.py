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
from speakergmm.gaussians.density import (
    NaturalParameters,
    block_size,
    evaluation_dtype,
    standard_natural_parameters,
)
from speakergmm.gaussians.expansion import Expander
from speakergmm.gaussians.standardisation import Standardisation
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

    def natural(
        self, model: HiddenMarkovParameters, *, origins: NDArray[np.float64] | None = None
    ) -> NaturalParameters:
        """Natural parameters of all Gaussians of a model in standardised coordinates.

        With `origins`, shape (S, M, D), moments will be about these.
        """
        mixture, log_weights = model.flat_mixture()
        if origins is not None:
            origins = origins.reshape(mixture.means.shape)
        with np.errstate(over="ignore", invalid="ignore"):
            natural = standard_natural_parameters(
                mixture, self._standardisation, log_weights=log_weights, origins=origins
            )
        if not np.isfinite(natural.components).all():
            raise InvalidInputError(
                "means lie too far from the frames, or covariances are too small, for float64; "
                "start elsewhere"
            )
        return natural

    def run(
        self, model: HiddenMarkovParameters, natural: NaturalParameters, *, precision: str
    ) -> HiddenMarkovStatistics:
        """Sum the statistics under a model in standardised coordinates.

        Parameters
        ----------
        model : HiddenMarkovParameters
            The model.
        natural : NaturalParameters
            What `natural` gave for it.
        precision : {"float32", "float64"}
            Of densities and of the products of a group; groups are summed in float64.

        Raises
        ------
        ImpossibleSequenceError
            If a sequence is impossible under the model; it is named.
        """
        from speakergmm.hmm.models.dense_graph import with_probabilities

        graph = with_probabilities(self._graph, model.startprob, model.transmat)
        work = _Work(natural, graph, model.n_mix, precision, self._arithmetic)
        chosen = self._weights > 0
        # Buffers are megabytes, and costly to allocate anew for each group: idle ones wait here.
        idle: list[_GroupEvaluator] = []

        def sum_group(numbers: range) -> _Partial:
            evaluator = idle.pop() if idle else _GroupEvaluator(work)
            part = evaluator.sum(self._sequences, numbers, self._weights)
            idle.append(evaluator)
            return part

        groups = self._sequences.groups(work.block_frames, chosen)
        parts = threaded_map(sum_group, groups, n_jobs=self._n_jobs)
        total = next(iter(parts))
        for part in parts:
            total.add(part)
        return self._as_statistics(model, natural, graph, total)

    def _as_statistics(
        self,
        model: HiddenMarkovParameters,
        natural: NaturalParameters,
        graph: Graph,
        total: _Partial,
    ) -> HiddenMarkovStatistics:
        shape, n_features = (model.n_states, model.n_mix), natural.n_features
        total.scale(self._unit)
        starts = np.zeros(model.n_states)
        np.add.at(starts, graph.entry_state, total.entry_counts)
        transitions = np.zeros((model.n_states, model.n_states))
        np.add.at(transitions, (graph.source, graph.target), total.arc_counts)
        second: NDArray[np.float64] | None
        second = natural.basis.second_order(total.moments[n_features + 1 :])
        first = total.moments[1 : n_features + 1].T
        if natural.centred is None:
            origins = np.zeros((*shape, n_features))
            first, second = natural.coordinates.moments_to_standard(first, second)
        else:
            origins = natural.centred.origins.reshape(*shape, n_features)
        assert second is not None
        second = second.reshape(*shape, *second.shape[1:])
        if model.covariance_type == "tied":
            second = second.sum(axis=1)
        return HiddenMarkovStatistics(
            starts=starts,
            transitions=transitions,
            # Sums of float32 products of positive numbers, but a padded product may give -0.
            counts=np.abs(total.moments[0]).reshape(shape),
            origins=origins,
            first_order=first.reshape(*shape, n_features),
            second_order=second,
            log_likelihood=total.log_likelihood,
            n_frames=total.n_frames,
        )


@dataclass(slots=True, eq=False)
class _Partial:
    """Sums over a group, and then over all."""

    moments: NDArray[np.float64]
    arc_counts: NDArray[np.float64]
    entry_counts: NDArray[np.float64]
    log_likelihood: float
    n_frames: float

    def add(self, other: _Partial) -> None:
        self.moments += other.moments
        self.arc_counts += other.arc_counts
        self.entry_counts += other.entry_counts
        self.log_likelihood += other.log_likelihood
        self.n_frames += other.n_frames

    def scale(self, factor: float) -> None:
        if factor != 1.0:
            self.moments *= factor
            self.arc_counts *= factor
            self.entry_counts *= factor
            self.log_likelihood *= factor
            self.n_frames *= factor


class _Work:
    """What is to be summed, and in what pieces."""

    def __init__(
        self,
        natural: NaturalParameters,
        graph: Graph,
        n_mix: int,
        precision: str,
        arithmetic: Arithmetic,
    ) -> None:
        self.natural, self.graph, self.n_mix, self.arithmetic = natural, graph, n_mix, arithmetic
        self.dtype = evaluation_dtype(natural, precision)
        self.block_frames = block_size(natural.n_components, natural.basis.n_rows)
        # The volume is added to log-densities in float64, where it costs no digits.
        self.log_volume = natural.coordinates.log_volume
        self.columns = natural.components.astype(self.dtype)


class _GroupEvaluator:
    """Works on one group after another in buffers of its own; not for two threads."""

    def __init__(self, work: _Work) -> None:
        self._work = work
        n_rows, dtype = work.natural.basis.n_rows, work.dtype
        self._expander = Expander(
            work.natural, dtype=dtype, block_frames=work.block_frames, compiled=True
        )
        self._product = np.empty((n_rows, work.natural.n_components), dtype)

    def sum(self, sequences: Sequences, numbers: range, weights: NDArray[np.float64]) -> _Partial:
        """Statistics of adjacent sequences."""
        # Posteriors may be as small as they like.
        with np.errstate(under="ignore"):
            return self._sum(sequences, numbers, weights)

    def _sum(self, sequences: Sequences, numbers: range, weights: NDArray[np.float64]) -> _Partial:
        from speakergmm.hmm.training import dense_kernels as kernels

        work = self._work
        first = sequences.bounds[numbers.start]
        frames = sequences.frames[first : sequences.bounds[numbers.stop]]
        parts = np.empty((len(frames), work.natural.n_components), work.dtype)
        emissions = np.empty((len(frames), work.natural.n_components // work.n_mix))
        is_single = work.dtype == np.float32
        mix: Any = kernels.mix_states_single if is_single else kernels.mix_states_double
        pieces = [
            slice(start, start + work.block_frames)
            for start in range(0, len(frames), work.block_frames)
        ]
        rows = None
        centred = work.natural.centred
        for piece in pieces:
            if centred is not None:
                # Without the volume, as the others are.
                parts[piece] = centred.log_densities(frames[piece]) + work.log_volume
            else:
                rows = self._expander.expand(frames[piece])
                np.matmul(rows.T, work.columns, out=parts[piece])
            mix(parts[piece], work.n_mix, emissions[piece])
        total = self._pass_through(sequences, numbers, weights, emissions)
        kernels.weigh_components(parts, work.n_mix, emissions)
        for piece in pieces:
            if centred is not None:
                total.moments += centred.moments(frames[piece], parts[piece])
                continue
            if len(pieces) > 1 or rows is None:
                rows = self._expander.expand(frames[piece])
            np.matmul(rows, parts[piece], out=self._product)
            total.moments += self._product
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
        total = _Partial(
            np.zeros(self._product.shape),
            np.zeros(work.graph.n_arcs),
            np.zeros(len(work.graph.entry_state)),
            0.0,
            0.0,
        )
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
            n_frames = int(stop - start)
            total.log_likelihood += weight * (passed.log_likelihood - n_frames * work.log_volume)
            total.n_frames += weight * n_frames
        return total
