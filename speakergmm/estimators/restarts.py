"""Where a fit with restarts stands, and its checkpoint.

That is the running restart, the best one so far, the bounds of all that have ended, and the random
numbers before and after the start of the running one; so that nothing is done twice, and the
restarts to come begin where they would have begun.
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

# They decide how a fit is watched and how fast it is, not how it ends.
_WITHOUT_EFFECT = frozenset(
    ["verbose", "verbose_interval", "n_jobs", "callback", "checkpoint", "checkpoint_seconds"]
)


@dataclass(frozen=True, slots=True, eq=False)
class RandomNumbers:
    """Where a Mersenne Twister stands, as NumPy has it."""

    keys: Annotated[NDArray[np.uint32], "N"]
    position: int
    has_gauss: int
    cached_gaussian: float

    @classmethod
    def of(cls, random_state: np.random.RandomState) -> RandomNumbers:
        """Take note of where random numbers stand."""
        _, keys, position, has_gauss, cached = random_state.get_state()
        return cls(np.asarray(keys), int(position), int(has_gauss), float(cached))

    @classmethod
    def of_record(cls, **parts: Any) -> RandomNumbers:
        """Build what was stored; NumPy checks it."""
        numbers = cls(**parts)
        numbers.put_into(np.random.RandomState(0))
        return numbers

    def put_into(self, random_state: np.random.RandomState) -> None:
        """Set random numbers to where these stand."""
        state = (self.keys, self.position, self.has_gauss, self.cached_gaussian)
        random_state.set_state(("MT19937", *state))


@dataclass(frozen=True, slots=True, eq=False)
class FitState(Generic[Running, Kept]):
    """The state of a fit over its restarts.

    Parameters
    ----------
    number : int
        Of the restart that runs, or is to come.
    best_number : int
    best : EMResult or None
        The best restart that has ended.
    bounds : tuple of float
        Of all that have ended.
    before, after : RandomNumbers
        Before and after the running restart has found its start.
    running : EMState or None
        Of the running restart; None where it has not come beyond its start.
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
            raise InvalidInputError(f"a best restart {self.best_number} of {len(self.bounds)}")


@dataclass(slots=True)
class Restarts:
    """The course of a fit over its restarts, kept in a checkpoint where there is one.

    It is the checkpoint of the running restart: what its loop records is recorded with the rest.

    Parameters
    ----------
    file : Checkpoint, optional
        Of a `FitState`.
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
        """Take over what the checkpoint holds, and set the random numbers to where they were."""
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
        # A restart that is running has its start, and has used the numbers for it.
        self._before = stored.before if stored.running is None else stored.after
        self._before.put_into(random_state)

    def take_start(self, result: EMResult[Any]) -> None:
        """Take note of a restart of no iterations: the last start is the result."""
        self.best, self.best_number = result, self.number
        self.number += 1

    def begins(self, random_state: np.random.RandomState) -> None:
        """Take note that a start was found, with these random numbers left behind it."""
        if self.file is not None:
            self._after = RandomNumbers.of(random_state)

    def ends(
        self, result: EMResult[Any], bound: float, random_state: np.random.RandomState
    ) -> None:
        """Take note of how a restart has ended."""
        self.bounds.append(bound)
        if self.best is None or bound > self.best_bound:
            self.best, self.best_bound, self.best_number = result, bound, self.number
        self.number += 1
        self.state = None
        if self.file is not None:
            self._before = self._after = RandomNumbers.of(random_state)
            self.record(None)

    def record(self, state: EMState[Any] | None) -> None:
        """Take note of where the running restart stands."""
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
    gone_on_with: Any,
) -> Iterator[Restarts]:
    """Begin the restarts of a fit, with the checkpoint that an estimator's parameters may name.

    Parameters
    ----------
    estimator : estimator
        Its parameters are part of the fingerprint, but for those that don't change the result.
    frames : TrainingFrames
    of : type
        The `FitState` of what the estimator trains.
    precision : {"float32", "float64"}
        What was chosen.
    gone_on_with : record, optional
        State of the last fit, with `warm_start`.

    Yields
    ------
    Restarts

    Raises
    ------
    InvalidInputError
        If the random state is one whose position can't be kept.
    IncompatibleModelError, ModelFormatError, SpeakerGmmError
        As `Checkpoint` says.

    Notes
    -----
    A fit that an exception ends, and that leaves a checkpoint, puts the numbers of a `RandomState`
    back to where it found them: the same call then goes on, in the same process as in another.
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
    if gone_on_with is not None:
        fingerprint["last_fit"] = gone_on_with
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
    """Say in a few characters what a bound is a bound of: bounds of others bear no comparison.

    Parameters
    ----------
    estimator : estimator
    frames : TrainingFrames
        Frames and weights; a stream is read once more.
    parameters : iterable of str
        Names of those parameters of the estimator that the objective depends on.
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
            "a fit with a checkpoint needs random numbers of the Mersenne Twister, found a "
            f"RandomState of {state['bit_generator']}; give a number as random_state"
        )
    return short_digest(RandomNumbers.of(random_state))
