"""Baum-Welch training of a hidden Markov model in standardised coordinates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.prepare import LARGEST_ROUNDING_IN_TRAINING, Prepared
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.gaussians.sums import About
from speakergmm.hmm.models.dense import (
    HiddenMarkovParameters,
    least_variances,
)
from speakergmm.hmm.models.dense_graph import state_graph
from speakergmm.hmm.models.dense_priors import HiddenMarkovPriors
from speakergmm.hmm.training.dense_expectation import (
    Arithmetic,
    ExpectationStep,
    HiddenMarkovStatistics,
)
from speakergmm.hmm.training.dense_update import HiddenMarkovUpdate, update
from speakergmm.hmm.training.sequences import Sequences
from speakergmm.moments import Moments

# Frames of which moments are summed at a time.
_BLOCK = 8192


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


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingOptions:
    """How a model is trained.

    Parameters
    ----------
    n_iter : int
        Most iterations.
    params : str
        What is updated, of "stmcw".
    final : {"any", "last"}
        In which states sequences may end.
    arithmetic : {"log", "scaled"}
        Of forward-backward.
    precision : {"float32", "float64"}
        Of densities, where float32 serves.
    min_covar : float
        Smallest variance, as `least_variances` takes it.
    variance_floor : float
        The same, as a part of the variance of all frames.
    n_jobs : int
        Threads.
    """

    n_iter: int
    params: str
    final: str
    arithmetic: Arithmetic
    precision: str
    min_covar: float
    variance_floor: float
    n_jobs: int


def weighted_moments(
    sequences: Sequences, weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and variance (D,) of all frames, each weighing what its sequence does.

    Squares are about the mean: an offset costs no digits.

    Raises
    ------
    InvalidInputError
        If a value is too large to be squared, or what varies too small.
    """
    moments = Moments()
    shares = np.repeat(weights, sequences.lengths)
    for start in range(0, len(shares), _BLOCK):
        block = slice(start, start + _BLOCK)
        moments.add(sequences.frames[block], shares[block])
    moments.refuse_overflow()
    lost = np.flatnonzero(moments.lost)
    if lost.size:
        raise InvalidInputError(
            f"feature {lost[0]} varies too little to be squared, around "
            f"{moments.mean[lost[0]]:.3g}; scale the features up"
        )
    return moments.mean, moments.variance


def train(
    sequences: Sequences,
    weights: NDArray[np.float64],
    start: HiddenMarkovParameters,
    *,
    priors: HiddenMarkovPriors,
    options: TrainingOptions,
    report: Callable[[HiddenMarkovIteration, HiddenMarkovParameters], bool],
) -> HiddenMarkovParameters:
    """Train by expectation-maximisation from a start.

    Parameters
    ----------
    sequences : Sequences
        In feature units.
    weights : array, shape (R,)
        Weight of each sequence, >= 0, not all zero.
    start : HiddenMarkovParameters
        In feature units.
    priors : HiddenMarkovPriors
        In feature units.
    options : TrainingOptions
        How.
    report : callable
        Called after each iteration with what it did and the new model; whether to stop.

    Returns
    -------
    HiddenMarkovParameters
        In feature units.

    Raises
    ------
    InsufficientDataError
        If a sequence is impossible under the model; it is named.
    """
    isotropic = start.covariance_type == "spherical"
    mean, variance = weighted_moments(sequences, weights)
    standardisation = Standardisation.from_moments(mean, variance, isotropic=isotropic)
    to_standard = 1.0 / standardisation.scale, np.zeros_like(standardisation.scale)
    # Moved first and scaled then: the difference of two large numbers is exact.
    unmoved = np.ones_like(standardisation.scale), -standardisation.centre
    model = start.rescaled(*unmoved).rescaled(*to_standard)
    standard_priors = priors.rescaled(*unmoved).rescaled(*to_standard)
    floor = np.maximum(
        least_variances(options.min_covar, variance) / standardisation.scale**2,
        options.variance_floor * variance / standardisation.scale**2,
    )
    expectation = ExpectationStep(
        sequences,
        weights,
        standardisation=standardisation,
        graph=state_graph(start.startprob, start.transmat, final=options.final),
        arithmetic=options.arithmetic,
        n_jobs=options.n_jobs,
    )
    current = start
    prepared = expectation.prepared(model)
    for number in range(1, options.n_iter + 1):
        began = perf_counter()
        step = _iterate(expectation, model, prepared, standard_priors, floor, options)
        model, prepared = step.model, step.prepared
        log_prior = priors.log_density(current)
        moved = model.rescaled(standardisation.scale, standardisation.centre)
        current = replace(
            moved,
            # What is not trained stays as it is to the last bit.
            means=moved.means if "m" in options.params else start.means,
            covars=moved.covars if "c" in options.params else start.covars,
        )
        iteration = HiddenMarkovIteration(
            iteration=number,
            log_likelihood=step.statistics.log_likelihood,
            objective=step.statistics.log_likelihood + log_prior,
            seconds=perf_counter() - began,
            precision=step.precision,
            n_floored=step.report.n_floored,
            empty=step.report.empty,
        )
        if report(iteration, current):
            break
    return current


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    statistics: HiddenMarkovStatistics
    model: HiddenMarkovParameters
    prepared: Prepared
    report: HiddenMarkovUpdate
    precision: str


def _iterate(
    expectation: ExpectationStep,
    model: HiddenMarkovParameters,
    prepared: Prepared,
    priors: HiddenMarkovPriors,
    floor: NDArray[np.float64],
    options: TrainingOptions,
) -> _Step:
    """One iteration, in float32 where that serves the update."""
    dtype, exact = prepared.plan(options.precision, LARGEST_ROUNDING_IN_TRAINING)
    precision, about = dtype.name, None
    while True:
        statistics = expectation.run(model, prepared, precision=precision, about=about)
        new, report = update(statistics, model, priors=priors, floor=floor, params=options.params)
        following = expectation.prepared(new)
        # A variance is the difference of two sums: of a narrow component float32 leaves little, and
        # of a very narrow one float64.
        narrow = following.beyond(precision, LARGEST_ROUNDING_IN_TRAINING)
        if not np.setdiff1d(narrow, exact).size:
            return _Step(statistics, new, following, report, precision)
        exact = np.union1d(exact, narrow)
        about = About(exact, following.gaussians.means[exact])
