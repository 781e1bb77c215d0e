"""State of a fit with restarts, and its checkpoint.

The state consists of the running restart, the best one so far, the bounds of all that have ended,
and the states of the random generator before and after the start of the running one, so that a
resumed fit repeats nothing and later restarts begin exactly as they would have begun.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from speakergmm.checkpoints import Checkpoint, short_digest
from speakergmm.errors import InvalidInputError
from speakergmm.estimators.input_frames import TrainingFrames
from speakergmm.files import kind_of
from speakergmm.gaussians.em import EMResult, EMState
from speakergmm.mixtures.fingerprint import frames_fingerprint

Running = TypeVar("Running")
Kept = TypeVar("Kept")

# Parameters that change how a fit is reported and how fast it is, but not its result.
_WITHOUT_EFFECT = frozenset(
    ["verbose", "verbose_interval", "n_jobs", "callback", "checkpoint", "checkpoint_seconds"]
)


@dataclass(frozen=True, slots=True, eq=False)
class RandomNumbers:
    """State of a Mersenne Twister, in NumPy's form."""

    keys: Annotated[NDArray[np.uint32], "N"]
    position: int
    has_gauss: int
    cached_gaussian: float

    @classmethod
    def of(cls, random_state: np.random.RandomState) -> RandomNumbers:
        """Return the state of a generator."""
        _, keys, position, has_gauss, cached = random_state.get_state()
        return cls(np.asarray(keys), int(position), int(has_gauss), float(cached))

    @classmethod
    def of_record(cls, **parts: Any) -> RandomNumbers:
        """Build a stored state, which NumPy checks."""
        numbers = cls(**parts)
        numbers.put_into(np.random.RandomState(0))
        return numbers

    def put_into(self, random_state: np.random.RandomState) -> None:
        """Set a generator to this state."""
        state = (self.keys, self.position, self.has_gauss, self.cached_gaussian)
        random_state.set_state(("MT19937", *state))


@dataclass(frozen=True, slots=True, eq=False)
class FitState(Generic[Running, Kept]):
    """The state of a fit over its restarts.

    Parameters
    ----------
    number : int
        Number of the running restart, or of the next one.
    best_number : int
        Number of the best restart that has ended.
    best : EMResult or None
        Its result.
    bounds : tuple of float
        Last bounds of all restarts that have ended.
    before, after : RandomNumbers
        States of the generator before and after the search for the start of the running restart.
    running : EMState or None
        State of the running restart; None if it has not completed an iteration.
    """

    number: int
    best_number: int
    best: EMResult[Kept] | None
    bounds: tuple[float, ...]
    before: RandomNumbers
    after: RandomNumbers
    running: EMState[Running] | None

    def __post_init__(self) -> None:
        if not 0 <= self.best_number <= self.number or (
            self.best is not None and self.best_number >= len(self.bounds)
        ):
            raise InvalidInputError(
                f"the best restart must be one of {len(self.bounds)}, found {self.best_number}"
            )


@dataclass(slots=True)
class Restarts:
    """Progress of a fit over its restarts, which is written to a checkpoint if there is one.

    It serves as the checkpoint of the running restart: the state that its training loop records is
    stored together with that of the fit.

    Parameters
    ----------
    file : Checkpoint, optional
        Checkpoint of a `FitState`.
    """

    file: Checkpoint[FitState[Any, Any]] | None = None
    number: int = 0
    best_number: int = 0
    best: EMResult[Any] | None = None
    best_bound: float = -math.inf
    bounds: list[float] = field(default_factory=list)
    state: EMState[Any] | None = None
    _before: RandomNumbers | None = None
    _after: RandomNumbers | None = None

    def restore_or_begin(self, random_state: np.random.RandomState) -> None:
        """Restore the state from the checkpoint, if it holds one, and that of the generator."""
        if self.file is None:
            return
        if self.file.state is None:
            self._before = RandomNumbers.of(random_state)
            return
        stored = self.file.state
        self.number, self.bounds = stored.number, list(stored.bounds)
        if stored.best is not None:
            self.best, self.best_number = stored.best, stored.best_number
            self.best_bound = self.bounds[self.best_number]
        self.state = stored.running
        # The running restart has found its start already, and used random numbers for it.
        self._before = stored.before if stored.running is None else stored.after
        self._before.put_into(random_state)

    def take_start(self, result: EMResult[Any]) -> None:
        """Record a restart without iterations, whose start is the result."""
        self.best, self.best_number = result, self.number
        self.number += 1

    def begins(self, random_state: np.random.RandomState) -> None:
        """Record that a start was found, and the state of the generator after it."""
        if self.file is not None:
            self._after = RandomNumbers.of(random_state)

    def ends(
        self, result: EMResult[Any], bound: float, random_state: np.random.RandomState
    ) -> None:
        """Record the result of a restart, and keep it if it is the best so far."""
        self.bounds.append(bound)
        if self.best is None or bound > self.best_bound:
            self.best, self.best_bound, self.best_number = result, bound, self.number
        self.number += 1
        self.state = None
        if self.file is not None:
            self._before = self._after = RandomNumbers.of(random_state)
            self.record(None)

    def record(self, state: EMState[Any] | None) -> None:
        """Record the state of the running restart."""
        if self.file is None:
            return
        assert self._before is not None
        assert self._after is not None
        self.file.record(
            FitState(
                self.number,
                self.best_number,
                self.best,
                tuple(self.bounds),
                self._before,
                self._after,
                state,
            )
        )


@contextmanager
def open_restarts(
    estimator: BaseEstimator,
    frames: TrainingFrames,
    of: Any,
    *,
    precision: str,
    last_fit: Any,
) -> Iterator[Restarts]:
    """Open the restarts of a fit, with the checkpoint that an estimator's parameters may name.

    Parameters
    ----------
    estimator : estimator
        Estimator whose parameters, except those that do not change the result, are part of the
        fingerprint of the checkpoint.
    frames : TrainingFrames
        Frames of the fit, which are part of the fingerprint, too.
    of : type
        Type of the `FitState`.
    precision : {"float32", "float64"}
        Type in which densities are evaluated.
    last_fit : record, optional
        State of the last fit, from which a fit with `warm_start` continues.

    Yields
    ------
    Restarts

    Raises
    ------
    InvalidInputError
        If the state of the generator cannot be stored.
    IncompatibleModelError, ModelFormatError, SpeakerGmmError
        As documented in `Checkpoint`.

    Notes
    -----
    If an exception ends the fit and a checkpoint is left, a `RandomState` that was passed is reset
    to its state before the fit: the same call then resumes, in this process or another.
    """
    path: str | os.PathLike[str] | None = estimator.checkpoint
    if path is None:
        yield Restarts()
        return
    parameters = estimator.get_params(deep=False)
    fingerprint: dict[str, Any] = {
        name: _plain(value) for name, value in parameters.items() if name not in _WITHOUT_EFFECT
    }
    fingerprint |= frames_fingerprint(frames.source, frames.moments, frames.sample_weight)
    fingerprint |= {"estimator": type(estimator).__name__, "precision": precision}
    if last_fit is not None:
        fingerprint["last_fit"] = last_fit
    numbers = parameters["random_state"]
    before = numbers.get_state() if isinstance(numbers, np.random.RandomState) else None
    try:
        with Checkpoint[FitState[Any, Any]](
            path, of, fingerprint=fingerprint, seconds=parameters["checkpoint_seconds"]
        ) as file:
            yield Restarts(file)
    except BaseException:
        if before is not None and kind_of(path) != "missing":
            numbers.set_state(before)
        raise


def objective_digest(
    estimator: BaseEstimator, frames: TrainingFrames, parameters: Iterable[str]
) -> str:
    """Return a short digest of an objective; only bounds of equal digests can be compared.

    Parameters
    ----------
    estimator : estimator
        Estimator whose objective it is.
    frames : TrainingFrames
        Frames and weights; blocks are read once more.
    parameters : iterable of str
        Names of the parameters of the estimator on which the objective depends.

    Returns
    -------
    str
    """
    asked: dict[str, Any] = {name: _plain(getattr(estimator, name)) for name in parameters}
    asked |= frames_fingerprint(frames.source, frames.moments, frames.sample_weight)
    return short_digest(asked)


def _plain(value: Any) -> Any:
    if isinstance(value, np.random.RandomState):
        return _random_digest(value)
    if value is np.random:
        return None
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str, np.generic)):
        return value
    return np.asarray(value)


def _random_digest(random_state: np.random.RandomState) -> str:
    state: Any = random_state.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise InvalidInputError(
            "a fit with a checkpoint needs a RandomState of the Mersenne Twister, found one "
            f"of {state['bit_generator']}; pass a number as random_state"
        )
    return short_digest(RandomNumbers.of(random_state))
