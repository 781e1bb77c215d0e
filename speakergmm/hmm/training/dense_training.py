"""Baum-Welch training of dense hidden Markov models, in standardised features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import ONE_WORKER, Engine
from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.e_step_m_step import TrainingSteps
from speakergmm.gaussians.em import run_training_loop
from speakergmm.gaussians.source_moments import frame_moments
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.hmm.inference.sequences import ImpossibleSequenceError, Sequences
from speakergmm.hmm.models.dense import HiddenMarkovParameters, least_variances
from speakergmm.hmm.models.dense_graph import state_graph, with_probabilities
from speakergmm.hmm.models.dense_priors import HiddenMarkovPriors
from speakergmm.hmm.training.dense_expectation import HiddenMarkovStatistics, SequencesPass
from speakergmm.hmm.training.dense_options import DenseTrainingOptions
from speakergmm.hmm.training.dense_update import update_dense_model
from speakergmm.moments import Moments

# Rounding error of a log-likelihood per frame, in nats, if it is computed in float64.
_LEAST_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenMarkovIteration:
    """One iteration of the training of a dense model.

    Parameters
    ----------
    iteration : int
        Number of the iteration, from 1.
    log_likelihood : float
        Weighted sum of the log-likelihoods of all sequences, in nats, under the model that the
        iteration began with.
    objective : float
        The log-likelihood plus the log-density of the priors, which never falls.
    seconds : float
        Wall-clock time of the iteration.
    precision : {"float32", "float64"}
        Precision in which densities were evaluated.
    n_floored : int
        Number of variances, or eigenvalues, raised to the floor.
    empty : tuple of (int, int)
        State and component of each Gaussian without data.
    """

    iteration: int
    log_likelihood: float
    objective: float
    seconds: float
    precision: str
    n_floored: int
    empty: tuple[tuple[int, int], ...]


def sequence_moments(sequences: Sequences, weights: NDArray[np.float64]) -> Moments:
    """Compute the moments of all frames, each with the weight of its sequence.

    Parameters
    ----------
    sequences : Sequences
        Frames, in feature units.
    weights : array, shape (R,)
        Weights of the sequences.

    Raises
    ------
    InvalidInputError
        If a value is too large to be squared, or a feature varies too little.
    """
    moments = frame_moments(sequences.frames, np.repeat(weights, sequences.lengths))
    lost = np.flatnonzero(moments.lost)
    if lost.size:
        raise InvalidInputError(
            f"feature {lost[0]} varies too little to be squared, around "
            f"{moments.mean[lost[0]]:.3g}; scale the features up"
        )
    return moments


Report = Callable[[float, HiddenMarkovParameters, float], bool]
"""Called after an iteration with its objective, the new model in feature units, and the rounding
error to expect of the objective; returns whether training is to stop."""


def train_dense_model(
    sequences: Sequences,
    weights: NDArray[np.float64],
    start: HiddenMarkovParameters,
    options: DenseTrainingOptions | None = None,
    *,
    moments: Moments,
    priors: HiddenMarkovPriors,
    report: Report,
    engine: Engine = ONE_WORKER,
) -> tuple[HiddenMarkovIteration, ...]:
    """Train a dense hidden Markov model by expectation-maximisation.

    Parameters
    ----------
    sequences : Sequences
        Training data, in feature units.
    weights : array, shape (R,)
        Weight of each sequence, >= 0, not all zero.
    start : HiddenMarkovParameters
        Initial model, in feature units.
    options : DenseTrainingOptions, optional
        Options of the training.
    moments : Moments
        Moments of all frames, each with the weight of its sequence.
    priors : HiddenMarkovPriors
        Priors of the parameters, in feature units.
    report : callable
        Called after each iteration with its objective, the new model in feature units, and the
        rounding error to expect of the objective; returns whether training is to stop.
    engine : Engine
        Threads; the result does not depend on their number.

    Returns
    -------
    tuple of HiddenMarkovIteration
        All iterations, in order. The model is what `report` received last.

    Raises
    ------
    ImpossibleSequenceError
        If a sequence is impossible under the model; the message names it.

    References
    ----------
    Rabiner, "A tutorial on hidden Markov models and selected applications in speech recognition",
    Proceedings of the IEEE 77(2), 1989, section III.C.
    """
    options = DenseTrainingOptions.of(options, {})
    standardisation = Standardisation.from_moments(
        moments.mean, moments.variance, isotropic=start.gaussians.kind.is_isotropic
    )
    # The transitions that are possible stay the same in all iterations: those of the start.
    graph = state_graph(start.startprob, start.transmat, final=options.final)
    _check_lengths(sequences, weights, graph.shortest_duration)
    floor = np.maximum(
        least_variances(options.min_covar, moments.variance),
        options.variance_floor * moments.variance,
    )
    steps: TrainingSteps[HiddenMarkovParameters, HiddenMarkovStatistics] = TrainingSteps(
        lambda model: SequencesPass(
            sequences=sequences,
            weights=weights,
            graph=with_probabilities(graph, model.startprob, model.transmat),
            n_mix=start.n_mix,
            precision=options.precision,
            engine=engine,
        ),
        partial(
            update_dense_model,
            priors=priors.standardised(start.gaussians.kind, standardisation),
            floor=floor / standardisation.scale**2,
            data_variance=moments.variance / standardisation.scale**2,
            params=options.params,
        ),
        standardisation=standardisation,
        least_rounding=_LEAST_ROUNDING,
    )
    model = replace(start, gaussians=standardisation.model_to_standard(start.gaussians))
    begin = _State(model, start, (), options.max_iter == 0)
    loop = _Loop(start, options, standardisation, priors, steps, report)
    return run_training_loop(begin, loop.step, is_over=lambda state: state.is_over).history


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """State of a training: the model in standardised features and in feature units, and history."""

    model: HiddenMarkovParameters
    in_features: HiddenMarkovParameters
    history: tuple[HiddenMarkovIteration, ...]
    is_over: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Loop:
    """The parts of a training that stay the same in all iterations."""

    start: HiddenMarkovParameters
    options: DenseTrainingOptions
    standardisation: Standardisation
    priors: HiddenMarkovPriors
    steps: TrainingSteps[HiddenMarkovParameters, HiddenMarkovStatistics]
    report: Report

    def step(self, state: _State) -> _State:
        """Run one iteration, whose objective is that of the model before it."""
        began = perf_counter()
        # A start that overflows float64 is refused by the expectation step, with a message.
        with np.errstate(over="ignore", invalid="ignore"):
            statistics = self.steps.accumulate(state.model)
        new, done = self.steps.update(statistics, state.model)
        empty = statistics.empty.nonzero()[0].tolist()
        iteration = HiddenMarkovIteration(
            iteration=len(state.history) + 1,
            log_likelihood=statistics.log_likelihood,
            objective=statistics.log_likelihood + self.priors.log_density(state.in_features),
            seconds=perf_counter() - began,
            precision=statistics.precision,
            n_floored=done.n_floored,
            empty=tuple(divmod(place, self.start.n_mix) for place in empty),
        )
        found = self._in_features(new)
        rounding = self.steps.rounding() * statistics.n_frames
        stops = self.report(iteration.objective, found, rounding)
        is_over = stops or iteration.iteration == self.options.max_iter
        return _State(new, found, (*state.history, iteration), is_over)

    def _in_features(self, model: HiddenMarkovParameters) -> HiddenMarkovParameters:
        """Return a model in feature units; parameters that are not trained keep every bit."""
        gaussians = self.standardisation.model_from_standard(model.gaussians)
        if "m" not in self.options.params:
            gaussians = replace(gaussians, means=self.start.gaussians.means)
        if "c" not in self.options.params:
            gaussians = replace(gaussians, covariances=self.start.gaussians.covariances)
        return replace(model, gaussians=gaussians)


def _check_lengths(sequences: Sequences, weights: NDArray[np.float64], needed: int | None) -> None:
    """Raise an error if a sequence is shorter than every path, or the model has no path.

    Raises
    ------
    InvalidInputError
        If no path leads to a final state (`needed` is None).
    ImpossibleSequenceError
        If a sequence has fewer frames than `needed`.
    """
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
