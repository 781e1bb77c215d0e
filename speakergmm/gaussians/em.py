"""The loop of expectation-maximisation: accumulate, update, monitor the objective."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, Protocol, TypeVar

from speakergmm.errors import InsufficientDataError
from speakergmm.ranges import number, whole_number


class Statistics(Protocol):
    """The part of statistics that the loop uses, whatever the model."""

    @property
    def log_likelihood(self) -> float:
        """Log-likelihood summed over the frames; for a Bayesian model, its lower bound."""

    @property
    def n_frames(self) -> float:
        """Number of frames."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateReport:
    """A report of what an update did beside its formula.

    Parameters
    ----------
    n_floored : int
        Number of variances that were raised to the floor: elements of the K x D matrix, or
        eigenvalues of full and tied covariances.
    revived : tuple of int
        Components that were dead and now share the frames of a heavy one.
    bound : float, optional
        Objective after the update, summed over the frames, if that is not the log-likelihood: the
        lower bound of a Bayesian model.
    is_exact : bool, default=True
        True if the formula yields the maximum. With a `reg_covar` it does not, and the objective
        may fall a little.
    slack : float, optional
        Largest fall of the objective per frame that is possible then, if it is known. (Reports
        are compared without it.)
    """

    n_floored: int = 0
    revived: tuple[int, ...] = ()
    bound: float | None = None
    is_exact: bool = True
    slack: float | None = field(default=None, compare=False)

    @property
    def is_plain(self) -> bool:
        """Return whether the update was the maximum and nothing else."""
        return self.is_exact and self.n_floored == 0 and not self.revived

    @property
    def allowed_fall(self) -> float:
        """Largest fall of the objective per frame after the update that is not an error."""
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
        Report of the update; None if the loop ended before it.
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
        The last model; if the objective fell, the better one of the last two.
    history : tuple of Iteration
        In order. An iteration's objective is that of the model it started from (unless updates
        report a bound), so that after "iteration_limit" no entry holds the objective of `model`,
        which would cost another pass over the data; after "converged" the last entry does, unless
        a final update followed, after "decreased" the last but one.
    convergence : {"converged", "iteration_limit", "decreased"}
        The reason why the loop ended: an iteration gained less than the tolerance, the largest
        number of iterations was reached, or the objective fell by more than rounding and the known
        loss of the update can explain.
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
        """The last objective; if it fell, the one before, which is that of `model`."""
        return self.history[-2 if self.convergence == "decreased" else -1].objective


@dataclass(frozen=True, slots=True, eq=False)
class EMState(Generic[Model]):
    """The state of a training between two iterations: all that it needs to continue.

    Parameters
    ----------
    model : Mixture or another model
        The model from which the next iteration starts.
    previous_model : Mixture or another model
        The model from which the last iteration started: the better of the two if the objective
        falls.
    history : tuple of Iteration
        All iterations so far.
    convergence : {"converged", "iteration_limit", "decreased"}, optional
        The reason why training is over, if it is. After "decreased", `model` is the better of the
        two.
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
        """Raise an error if an option is out of range."""
        whole_number("max_iter", self.max_iter)
        number("tol", self.tol, least=0)

    def __call__(self, state: EMState[Model]) -> EMState[Model]:
        """Take one iteration; its objective is that of the model before it, or a bound."""
        started = time.perf_counter()
        done, model = state.history, state.model
        # E-step: the statistics of all frames under the present model.
        statistics = self.accumulate(model)
        if not statistics.n_frames > 0:
            raise InsufficientDataError("training needs frames, found none")
        objective = statistics.log_likelihood / statistics.n_frames
        # M-step, before the decision whether training is over if the update is wanted in any case.
        new_model, report = None, None
        if self.final_update:
            new_model, report = self.update(statistics, model)
            if report.bound is not None:
                objective = report.bound / statistics.n_frames
        # Compare the objective with the one before, and update the model unless that ends training.
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
        """Return the reason why this objective ends the loop; None if it does not."""
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
    record: Callable[[EMState[Model]], None] | None = None,
    resume: EMState[Model] | None = None,
) -> EMResult[Model]:
    """Train a model by expectation-maximisation.

    Parameters
    ----------
    model : model
        The model from which training starts.
    accumulate : callable
        E-step: returns the statistics of all data under a model. Only this function knows where
        the data are and on which machine the work is done.
    update : callable
        M-step: returns a new model and a report from statistics and the model under which they were
        accumulated.
    max_iter : int
        Largest number of updates, >= 1.
    tol : float
        The loop ends when the objective, per frame, changes by no more than this; >= 0. At 0 it
        runs until the objective stops growing.
    rounding : float or callable, default=1e-6
        A fall by less than this, relative to the size of the objective, counts as rounding; a
        function is called for it if the objective fell.
    callback : callable, optional
        Called as ``callback(number, iteration)`` after each iteration; numbers start at 0.
    final_update : bool, default=False
        Update the model also in the iteration that finds the objective converged, since the
        statistics are there; as scikit-learn does. Updates that report a bound need it.
    previous : float, optional
        Last objective per frame of an earlier training on the same frames, weights and options,
        which this one continues: if the first objective differs by no more than the tolerance, the
        loop ends. A first objective below it is not treated as an error.
    record : callable, optional
        Called as ``record(state)`` after each iteration but the last, before `callback`.
    resume : EMState, optional
        State that `record` received in a training that was interrupted. Training continues from
        it, in place of `model`, to the same result; `callback` is called for new iterations only.

    Returns
    -------
    EMResult
        The model, the history, and the reason why training ended.

    Raises
    ------
    InvalidInputError
        If an option is out of range.
    InsufficientDataError
        If the statistics are those of no frame.

    Notes
    -----
    A fall after an update that floored variances or revived components is not a sign of an error,
    since such an update is not a step of EM proper: the loop goes on. It also goes on after an
    update that added to variances, as long as the fall is no more than the `slack` that the update
    reports.
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
        run_training_loop(start, step, record=record, callback=iteration_callback(callback))
    )


def iteration_callback(
    callback: Callable[[int, Iteration], None] | None,
) -> Callable[[EMState[Any]], None] | None:
    """Return a function of states that calls `callback` with the last iteration and its number."""
    if callback is None:
        return None
    return lambda state: callback(len(state.history) - 1, state.history[-1])


def em_result(state: EMState[Model]) -> EMResult[Model]:
    """Return the outcome of a training from its last state."""
    assert state.convergence is not None
    return EMResult(state.model, state.history, state.convergence)


def has_converged(state: Any) -> bool:
    """Return whether a state is the last one of a training."""
    return state.convergence is not None


def run_training_loop(
    state: State,
    step: Callable[[State], State],
    *,
    is_over: Callable[[State], bool] = has_converged,
    record: Callable[[State], None] | None = None,
    callback: Callable[[State], None] | None = None,
) -> State:
    """Take steps until the stop rule holds: the loop of every training, whatever its state is.

    Parameters
    ----------
    state : object
        The state before the first step, which is not changed: a model, a history, or whatever the
        step needs.
    step : callable
        ``state -> state``.
    is_over : callable
        ``state -> bool``, the stop rule, called before each step. By default training is over when
        the state has a `convergence`.
    record : callable, optional
        Called with each state but the last: the last is found again from the one before it.
    callback : callable, optional
        Called with each state, after `record`.

    Returns
    -------
    object
        The last state.
    """
    while not is_over(state):
        state = step(state)
        if record is not None and not is_over(state):
            record(state)
        if callback is not None:
            callback(state)
    return state
