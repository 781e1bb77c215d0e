"""The one loop of expectation-maximisation: accumulate, update, watch the objective."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from speakergmm.errors import InsufficientDataError
from speakergmm.ranges import number, whole_number


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
        Variances that were raised to the floor: elements of the K x D matrix, eigenvalues of full
        and tied covariances.
    revived : tuple of int
        Components that were dead and now share the data of a heavy one.
    bound : float, optional
        What the update has raised, summed over the frames, where that is not the log-likelihood:
        the lower bound of a Bayesian model after the update.
    is_exact : bool, default=True
        Whether the formula is that of the maximum. With a `reg_covar` it is not, and the
        objective may fall a little.
    slack : float, optional
        By how much, per frame, where that is known. (Reports are compared without it.)
    """

    n_floored: int = 0
    revived: tuple[int, ...] = ()
    bound: float | None = None
    is_exact: bool = True
    slack: float | None = field(default=None, compare=False)

    @property
    def is_plain(self) -> bool:
        """Whether the update was the maximum and nothing else."""
        return self.is_exact and self.n_floored == 0 and not self.revived

    @property
    def allowed_fall(self) -> float:
        """By how much, per frame, the objective may fall after the update without an error."""
        if self.is_plain:
            return 0.0
        if self.slack is None or self.n_floored or self.revived:
            return float("inf")
        return self.slack


@dataclass(frozen=True, slots=True, kw_only=True)
class Iteration:
    """One line of the history of a training.

    Parameters
    ----------
    objective : float
        Per frame: the log-likelihood of the model that the iteration started from, or the bound
        that its update reports.
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
State = TypeVar("State")
Stats = TypeVar("Stats", bound=Statistics)


@dataclass(frozen=True, slots=True, eq=False)
class EMResult(Generic[Model]):
    """The outcome of a training.

    Parameters
    ----------
    model : Mixture or another model
        The last model; of two where the objective fell, the better one.
    history : tuple of Iteration
        In order. An iteration's objective is that of the model it started from (unless updates
        report a bound), so that after "iteration_limit" no entry holds the objective of `model`,
        which would cost another pass over the data; after "converged" the last entry does, unless
        a final update followed, after "decreased" the last but one.
    convergence : {"converged", "iteration_limit", "decreased"}
        Why the loop ended: an iteration gained less than the tolerance, there were as many as
        allowed, or the objective fell by more than rounding and what the update is known to lose
        explain.
    """

    model: Model
    history: tuple[Iteration, ...]
    convergence: Convergence

    @property
    def objectives(self) -> tuple[float, ...]:
        """Log-likelihood per frame at the start of each iteration, or the bounds reported."""
        return tuple(iteration.objective for iteration in self.history)

    @property
    def objective(self) -> float:
        """The last objective; where it fell, the one before, which is that of `model`."""
        return self.history[-2 if self.convergence == "decreased" else -1].objective


@dataclass(frozen=True, slots=True, eq=False)
class EMState(Generic[Model]):
    """Where a training stands between two iterations: all that it needs to go on.

    Parameters
    ----------
    model : Mixture or another model
        What the next iteration starts from.
    previous_model : Mixture or another model
        What the last one started from: the better of the two, should the objective fall.
    history : tuple of Iteration
        All iterations so far.
    convergence : {"converged", "iteration_limit", "decreased"}, optional
        Why training is over, if it is. After "decreased" `model` is the better of the two.
    """

    model: Model
    previous_model: Model
    history: tuple[Iteration, ...]
    convergence: Convergence | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EMStep(Generic[Model, Stats]):
    """One iteration, ``state -> state``; parameters are those of `expectation_maximisation`.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    """

    accumulate: Callable[[Model], Stats]
    update: Callable[[Stats, Model], tuple[Model, UpdateReport]]
    max_iter: int
    tol: float
    rounding: float | Callable[[], float] = 1e-6
    final_update: bool = False
    previous: float | None = None

    def __post_init__(self) -> None:
        """Refuse options out of range."""
        whole_number("max_iter", self.max_iter)
        number("tol", self.tol, least=0)

    def __call__(self, state: EMState[Model]) -> EMState[Model]:
        """Take one iteration; its objective is that of the model before, or a bound."""
        started = time.perf_counter()
        done, model = state.history, state.model
        statistics = self.accumulate(model)
        if not statistics.n_frames > 0:
            raise InsufficientDataError("training needs frames, found none")
        objective = statistics.log_likelihood / statistics.n_frames
        new_model, report = None, None
        if self.final_update:
            new_model, report = self.update(statistics, model)
            if report.bound is not None:
                objective = report.bound / statistics.n_frames
        verdict = self._verdict(objective, done)
        if verdict is None and (new_model is None or report is None):
            new_model, report = self.update(statistics, model)
        if verdict == "decreased":
            # A bound is that of the new model, a log-likelihood that of the old one.
            is_bound = report is not None and report.bound is not None
            new_model, report = model if is_bound else state.previous_model, None
        elif verdict is None and len(done) + 1 >= self.max_iter:
            verdict = "iteration_limit"
        seconds = time.perf_counter() - started
        iteration = Iteration(objective=objective, seconds=seconds, report=report)
        following = model if new_model is None else new_model
        return EMState(following, model, (*done, iteration), verdict)

    def _verdict(self, objective: float, done: tuple[Iteration, ...]) -> Convergence | None:
        """Tell whether this objective ends the loop, and why."""
        if not done:
            is_same = self.previous is not None and abs(objective - self.previous) <= self.tol
            return "converged" if is_same else None
        last, before = done[-1].objective, done[-1].report or UpdateReport()
        gain = objective - last
        if abs(gain) <= self.tol:
            return "converged"
        if gain > 0:
            return None
        rounding = self.rounding() if callable(self.rounding) else self.rounding
        if gain < -(before.allowed_fall + rounding * max(1.0, abs(last))):
            return "decreased"
        return "converged" if before.is_plain else None


def expectation_maximisation(
    model: Model,
    accumulate: Callable[[Model], Stats],
    update: Callable[[Stats, Model], tuple[Model, UpdateReport]],
    *,
    max_iter: int,
    tol: float,
    rounding: float | Callable[[], float] = 1e-6,
    callback: Callable[[int, Iteration], None] | None = None,
    final_update: bool = False,
    previous: float | None = None,
    checkpoint: Callable[[EMState[Model]], None] | None = None,
    resume: EMState[Model] | None = None,
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
        The loop ends when the objective, per frame, changes by no more than this; >= 0. At 0 it
        runs until the objective stops growing.
    rounding : float or callable, default=1e-6
        A fall by less than this, relative to the size of the objective, counts as rounding; a
        function is asked for it where the objective fell.
    callback : callable, optional
        Called as ``callback(number, iteration)`` after each iteration; numbers start at 0.
    final_update : bool, default=False
        Whether the iteration that finds the objective converged updates the model all the same,
        since the statistics are there; as scikit-learn does. Updates that report a bound need it.
    previous : float, optional
        Last objective of an earlier training on the same frames, weights and options, which this
        one continues: where the first objective differs by no more than the tolerance, the loop
        ends. A first objective below it is not treated as an error.
    checkpoint : callable, optional
        Called as ``checkpoint(state)`` after each iteration that another follows, before
        `callback`.
    resume : EMState, optional
        What `checkpoint` was given in a training that was interrupted. It goes on from there, in
        place of `model`, and ends as it would have; `callback` hears of the new iterations only.

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
    such an update is no step of EM proper. The loop goes on. So it does after one that added to
    variances, while the fall is no more than the `slack` that the update reports.
    """
    step = EMStep(
        accumulate=accumulate,
        update=update,
        max_iter=max_iter,
        tol=tol,
        rounding=rounding,
        final_update=final_update,
        previous=previous,
    )
    start = resume or EMState(model, model, ())
    return em_result(
        run_training_loop(start, step, checkpoint=checkpoint, callback=iteration_callback(callback))
    )


def iteration_callback(
    callback: Callable[[int, Iteration], None] | None,
) -> Callable[[EMState[Any]], None] | None:
    """Return what tells `callback` the number of the last iteration, and the iteration."""
    if callback is None:
        return None
    return lambda state: callback(len(state.history) - 1, state.history[-1])


def em_result(state: EMState[Model]) -> EMResult[Model]:
    """Return the outcome that a last state holds."""
    assert state.convergence is not None
    return EMResult(state.model, state.history, state.convergence)


def has_converged(state: Any) -> bool:
    """Tell whether a state says why it is the last."""
    return state.convergence is not None


def run_training_loop(
    state: State,
    step: Callable[[State], State],
    *,
    is_over: Callable[[State], bool] = has_converged,
    checkpoint: Callable[[State], None] | None = None,
    callback: Callable[[State], None] | None = None,
) -> State:
    """Take steps until it is over: the loop of every training, whatever its state holds.

    Parameters
    ----------
    state : object
        What the first step starts from, never changed: a model, a history, whatever the step needs.
    step : callable
        ``state -> state``.
    is_over : callable
        ``state -> bool``, the stop rule; asked before each step. By default it is over when
        the state has a `convergence`.
    checkpoint : callable, optional
        Called with each state that another step follows: the end is found again by that step.
    callback : callable, optional
        Called with each state, after `checkpoint`.

    Returns
    -------
    object
        The last state.
    """
    while not is_over(state):
        state = step(state)
        if checkpoint is not None and not is_over(state):
            checkpoint(state)
        if callback is not None:
            callback(state)
    return state
