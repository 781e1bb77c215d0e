"""Baum-Welch training of a hidden Markov model in standardised coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.em import run_training_loop
from speakergmm.gaussians.frame_sources import frame_moments
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.training_steps import TrainingSteps
from speakergmm.hmm.inference.sequences import ImpossibleSequenceError, Sequences
from speakergmm.hmm.models.dense import HiddenMarkovParameters, least_variances
from speakergmm.hmm.models.dense_graph import state_graph, with_probabilities
from speakergmm.hmm.models.dense_priors import HiddenMarkovPriors
from speakergmm.hmm.training.dense_expectation import HiddenMarkovStatistics, SequencesPass
from speakergmm.hmm.training.dense_update import update_dense_model
from speakergmm.moments import Moments
from speakergmm.parallel import effective_jobs

# Of a log-likelihood per frame, in nats, where it is computed in float64.
_LEAST_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenMarkovIteration:
    """One iteration of a fit, as `history_` holds it.

    Parameters
    ----------
    iteration : int
        Number, from 1.
    log_likelihood : float
        Of all sequences, weighted, under the model that the iteration began with.
    objective : float
        The same plus the logarithm of the priors' density: what never falls.
    seconds : float
        Wall-clock time.
    precision : {"float32", "float64"}
        In which densities were evaluated.
    n_floored : int
        Variances, or eigenvalues, that were raised to the floor.
    empty : tuple of (int, int)
        State and component of those without data.
    """

    iteration: int
    log_likelihood: float
    objective: float
    seconds: float
    precision: str
    n_floored: int
    empty: tuple[tuple[int, int], ...]


class DenseTrainingOptions(Protocol):
    """How a model is trained; the estimator's own options, checked.

    Parameters
    ----------
    n_iter : int
        Most iterations.
    params : str
        What is updated, of "stmcw".
    final : {"any", "last"}
        In which states sequences may end.
    precision : {"float32", "float64"}
        Of densities, where float32 serves.
    min_covar : float
        Smallest variance, as `least_variances` takes it.
    variance_floor : float
        The same, as a part of the variance of all frames.
    n_jobs : int
        Threads; -1 for all cores.
    """

    n_iter: int
    params: str
    final: str
    precision: str
    min_covar: float
    variance_floor: float
    n_jobs: int


def sequence_moments(sequences: Sequences, weights: NDArray[np.float64]) -> Moments:
    """Return the moments of all frames, each weighing what its sequence does.

    Raises
    ------
    InvalidInputError
        If a value is too large to be squared, or what varies too small.
    """
    moments = frame_moments(sequences.frames, np.repeat(weights, sequences.lengths))
    lost = np.flatnonzero(moments.lost)
    if lost.size:
        raise InvalidInputError(
            f"feature {lost[0]} varies too little to be squared, around "
            f"{moments.mean[lost[0]]:.3g}; scale the features up"
        )
    return moments


def train_dense_model(
    sequences: Sequences,
    weights: NDArray[np.float64],
    start: HiddenMarkovParameters,
    *,
    moments: Moments,
    priors: HiddenMarkovPriors,
    options: DenseTrainingOptions,
    report: Callable[[float, HiddenMarkovParameters, float], bool],
) -> tuple[HiddenMarkovIteration, ...]:
    """Train by expectation-maximisation from a start.

    Parameters
    ----------
    sequences : Sequences
        In feature units.
    weights : array, shape (R,)
        Weight of each sequence, >= 0, not all zero.
    start : HiddenMarkovParameters
        In feature units.
    moments : Moments
        Of all frames, each weighing what its sequence does.
    priors : HiddenMarkovPriors
        In feature units.
    options : DenseTrainingOptions
        How.
    report : callable
        Called after each iteration with its objective, the new model in feature units, and the
        rounding to expect of the objective; whether to stop.

    Returns
    -------
    tuple of HiddenMarkovIteration

    Raises
    ------
    InsufficientDataError
        If a sequence is impossible under the model; it is named.
    """
    kind = start.gaussians.kind
    standardisation = Standardisation.from_moments(
        moments.mean, moments.variance, isotropic=kind.is_isotropic
    )
    graph = state_graph(start.startprob, start.transmat, final=options.final)
    _refuse_short(sequences, weights, graph.shortest_duration)
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
            n_jobs=effective_jobs(options.n_jobs),
        ),
        partial(
            update_dense_model,
            priors=priors.standardised(kind, standardisation),
            floor=floor / standardisation.scale**2,
            data_variance=moments.variance / standardisation.scale**2,
            params=options.params,
        ),
        standardisation=standardisation,
        least_rounding=_LEAST_ROUNDING,
    )

    def in_features(model: HiddenMarkovParameters) -> HiddenMarkovParameters:
        gaussians = standardisation.model_from_standard(model.gaussians)
        # What is not trained stays as it is to the last bit.
        if "m" not in options.params:
            gaussians = replace(gaussians, means=start.gaussians.means)
        if "c" not in options.params:
            gaussians = replace(gaussians, covariances=start.gaussians.covariances)
        return replace(model, gaussians=gaussians)

    def step(state: _State) -> _State:
        """Take one iteration; its objective is that of the model before."""
        began = perf_counter()
        # Starts that float64 can't hold are refused in words.
        with np.errstate(over="ignore", invalid="ignore"):
            statistics = steps.accumulate(state.model)
        new, done = steps.update(statistics, state.model)
        iteration = HiddenMarkovIteration(
            iteration=len(state.history) + 1,
            log_likelihood=statistics.log_likelihood,
            objective=statistics.log_likelihood + priors.log_density(state.in_features),
            seconds=perf_counter() - began,
            precision=statistics.precision,
            n_floored=done.n_floored,
            empty=tuple(divmod(int(place), start.n_mix) for place in statistics.empty.nonzero()[0]),
        )
        found = in_features(new)
        stops = report(iteration.objective, found, steps.rounding() * statistics.n_frames)
        is_over = stops or iteration.iteration == options.n_iter
        return _State(new, found, (*state.history, iteration), is_over)

    model = replace(start, gaussians=standardisation.model_to_standard(start.gaussians))
    begin = _State(model, start, (), options.n_iter == 0)
    return run_training_loop(begin, step, is_over=lambda state: state.is_over).history


@dataclass(frozen=True, slots=True, eq=False)
class _State:
    """Where a training stands: the model in either coordinates, and what iterations did."""

    model: HiddenMarkovParameters
    in_features: HiddenMarkovParameters
    history: tuple[HiddenMarkovIteration, ...]
    is_over: bool


def _refuse_short(sequences: Sequences, weights: NDArray[np.float64], needed: int | None) -> None:
    """Refuse sequences that are shorter than any path, and models without one."""
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
