"""The one loop of expectation-maximisation: accumulate, update, watch the objective."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeVar

import numpy as np

from speakergmm.errors import InsufficientDataError, InvalidInputError


class Statistics(Protocol):
    """What the loop asks of statistics, whatever the model."""

    @property
    def log_likelihood(self) -> float:
        """Sum over the frames; for a Bayesian model, its lower bound."""

    @property
    def n_frames(self) -> float:
        """Number of frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """What an update had to do beside its formula.

    Parameters
    ----------
    n_floored : int
        Variances (elements of the K x D matrix) that were raised to the floor.
    revived : tuple of int
        Components that were dead and now share the data of a heavy one.
    """

    n_floored: int = 0
    revived: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """One line of the history of a training.

    Parameters
    ----------
    objective : float
        Log-likelihood per frame of the model that the iteration started from.
    seconds : float
        Wall-clock time of accumulation and update.
    report : UpdateReport or None
        What the update did; None where the loop ended before one.
    """

    objective: float
    seconds: float
    report: UpdateReport | None


Convergence = Literal["converged", "iteration_limit", "decreased"]
Model = TypeVar("Model")
Stats = TypeVar("Stats", bound=Statistics)


@dataclass(frozen=True, slots=True, eq=False)
class EMResult(Generic[Model]):
    """The outcome of a training.

    Parameters
    ----------
    model : DiagonalMixture or another model
        The last model; of two where the objective fell, the better one.
    history : tuple of Iteration
        In order. An iteration's objective is that of the model it started from, so that after
        "iteration_limit" no entry holds the objective of `model`, which would cost another pass
        over the data; after "converged" the last entry does, after "decreased" the last but one.
    convergence : {"converged", "iteration_limit", "decreased"}
        Why the loop ended: an iteration gained less than the tolerance, there were as many as
        allowed, or the objective fell by more than rounding explains.
    """

    model: Model
    history: tuple[Iteration, ...]
    convergence: Convergence

    @property
    def objectives(self) -> tuple[float, ...]:
        """Log-likelihood per frame at the start of each iteration."""
        return tuple(iteration.objective for iteration in self.history)


def expectation_maximisation(
    model: Model,
    accumulate: Callable[[Model], Stats],
    update: Callable[[Stats, Model], tuple[Model, UpdateReport]],
    *,
    max_iter: int,
    tol: float,
    rounding: float = 1e-6,
    callback: Callable[[int, Iteration], None] | None = None,
) -> EMResult[Model]:
    """Train a model by expectation-maximisation.

    Parameters
    ----------
    model : model
        The start.
    accumulate : callable
        E-step: statistics of all data under a model. Only this function knows where the data are
        and who computes.
    update : callable
        M-step: from statistics and the model that made them, a new model and a report.
    max_iter : int
        Most updates, >= 1.
    tol : float
        The loop ends when the objective, per frame, grows by less than this; >= 0. At 0 it runs
        until the objective stops growing.
    rounding : float, default=1e-6
        A fall by less than this, relative to the size of the objective, counts as rounding.
    callback : callable, optional
        Called as ``callback(number, iteration)`` after each iteration; numbers start at 0.

    Returns
    -------
    EMResult
        Model, history and the reason why it ended.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    InsufficientDataError
        If the statistics hold no frame.

    Notes
    -----
    A fall after an update that floored variances or revived components is no sign of an error:
    such an update is no step of EM proper. The loop goes on.
    """
    if max_iter < 1:
        raise InvalidInputError(f"max_iter must be >= 1, found {max_iter}")
    if not 0 <= tol < np.inf:
        raise InvalidInputError(f"tol must be finite and >= 0, found {tol}")
    history: list[Iteration] = []

    def record(objective: float, started: float, report: UpdateReport | None) -> None:
        iteration = Iteration(
            objective=objective, seconds=time.perf_counter() - started, report=report
        )
        history.append(iteration)
        if callback is not None:
            callback(len(history) - 1, iteration)

    previous_model = model
    for number in range(max_iter):
        started = time.perf_counter()
        statistics = accumulate(model)
        if not statistics.n_frames > 0:
            raise InsufficientDataError("training needs frames, found none")
        objective = statistics.log_likelihood / statistics.n_frames
        if number > 0:
            last = history[-1]
            gain = objective - last.objective
            was_plain = last.report == UpdateReport()
            if gain < -rounding * max(1.0, abs(last.objective)) and was_plain:
                record(objective, started, None)
                return EMResult(previous_model, tuple(history), "decreased")
            if abs(gain) <= tol or (gain <= 0 and was_plain):
                record(objective, started, None)
                return EMResult(model, tuple(history), "converged")
        previous_model = model
        model, report = update(statistics, model)
        record(objective, started, report)
    return EMResult(model, tuple(history), "iteration_limit")
