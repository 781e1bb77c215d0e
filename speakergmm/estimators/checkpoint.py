"""Where a fit with restarts stands: what its checkpoint holds besides the running restart.

That is the best restart so far, the bounds of all that have ended, and the state of the random
numbers after the start of the running one; so that nothing is done twice, and the restarts to come
begin where they would have begun.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from speakergmm.errors import InvalidInputError, ModelFormatError
from speakergmm.estimators.frames import TrainingFrames
from speakergmm.files import kind_of
from speakergmm.gaussians.em import EMResult
from speakergmm.mixtures.checkpoint import (
    Codec,
    Context,
    TrainingCheckpoint,
    pack_history,
    unpack_history,
)
from speakergmm.mixtures.fingerprint import digest_arrays, frames_fingerprint, normalised

# They decide how a fit is watched and how fast it is, not how it ends.
_WITHOUT_EFFECT = frozenset(
    ["verbose", "verbose_interval", "n_jobs", "callback", "checkpoint", "checkpoint_seconds"]
)


@dataclass(slots=True)
class Restarts:
    """The course of a fit over its restarts, kept in a checkpoint where there is one.

    Parameters
    ----------
    pack, unpack : callable
        Turn the state of a restart that has ended into arrays and back.
    file : TrainingCheckpoint, optional
        Of the running restart.
    """

    pack: Callable[[Any], Mapping[str, NDArray[Any]]]
    unpack: Callable[[Mapping[str, NDArray[Any]]], Any]
    file: TrainingCheckpoint[Any] | None = None
    number: int = 0
    best_number: int = 0
    best: EMResult[Any] | None = None
    best_bound: float = -math.inf
    bounds: list[float] = field(default_factory=list)
    _before: Any = None

    def restore_or_begin(self, random_state: np.random.RandomState) -> None:
        """Take over what the checkpoint holds, and set the random numbers to where they were."""
        if self.file is None:
            return
        if self.file.context is None:
            self._before = random_state.get_state()
            return
        arrays, values = self.file.context.arrays, self.file.context.values
        try:
            self.number = values["restart"]
            self.bounds = list(values["bounds"])
            if values["best"] is not None:
                self.best_number = values["best"]["restart"]
                self.best_bound = self.bounds[self.best_number]
                model = {
                    name.removeprefix("best."): array
                    for name, array in arrays.items()
                    if name.startswith("best.")
                }
                self.best = EMResult(
                    self.unpack(model),
                    unpack_history(values["best"]["history"]),
                    values["best"]["convergence"],
                )
            # A restart that is running has its start, and has used the numbers for it.
            place = "before" if self.file.state is None else "after"
            self._before = ("MT19937", arrays[f"random_{place}"], *values["random"][place])
            random_state.set_state(self._before)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ModelFormatError(
                f"{self.file.path}: a training checkpoint with a part missing or wrong ({error})"
            ) from None

    def take_start(self, result: EMResult[Any]) -> None:
        """Take note of a restart of no iterations: the last start is the result."""
        self.best, self.best_number = result, self.number
        self.number += 1

    def begins(self, random_state: np.random.RandomState) -> None:
        """Take note that a start was found, with these random numbers left behind it."""
        if self.file is not None:
            self.file.context = self._context(random_state)

    def ends(
        self, result: EMResult[Any], bound: float, random_state: np.random.RandomState
    ) -> None:
        """Take note of how a restart has ended."""
        self.bounds.append(bound)
        if self.best is None or bound > self.best_bound:
            self.best, self.best_bound, self.best_number = result, bound, self.number
        self.number += 1
        if self.file is not None:
            self._before = random_state.get_state()
            self.file.context = self._context(random_state)
            self.file.record(None)

    def _context(self, random_state: np.random.RandomState) -> Context:
        arrays: dict[str, NDArray[Any]] = {}
        random = {}
        for place, numbers in (("before", self._before), ("after", random_state.get_state())):
            _, keys, position, has_gauss, cached = numbers
            arrays[f"random_{place}"] = np.asarray(keys)
            random[place] = [int(position), int(has_gauss), float(cached)]
        best = None
        if self.best is not None:
            arrays |= {f"best.{name}": array for name, array in self.pack(self.best.model).items()}
            best = {
                "restart": self.best_number,
                "history": pack_history(self.best.history),
                "convergence": self.best.convergence,
            }
        return Context(
            arrays,
            {
                "restart": self.number,
                "bounds": list(self.bounds),
                "best": best,
                "random": random,
            },
        )


@contextmanager
def open_checkpoint(
    estimator: BaseEstimator,
    frames: TrainingFrames,
    codec: Codec[Any],
    *,
    precision: str,
    gone_on_with: Mapping[str, NDArray[Any]] | None,
) -> Iterator[TrainingCheckpoint[Any] | None]:
    """Open the checkpoint that an estimator's parameters name, if they name one.

    Parameters
    ----------
    estimator : estimator
        Its parameters are part of the fingerprint, but for those that don't change the result.
    frames : TrainingFrames
    codec : Codec
        Of what the loop trains.
    precision : {"float32", "float64"}
        What was chosen.
    gone_on_with : mapping, optional
        State of the last fit, with `warm_start`.

    Yields
    ------
    TrainingCheckpoint or None

    Raises
    ------
    InvalidInputError
        If the random state is one whose position can't be kept.
    IncompatibleModelError, ModelFormatError, SpeakerGmmError
        As `TrainingCheckpoint` says.

    Notes
    -----
    A fit that an exception ends, and that leaves a checkpoint, puts the numbers of a `RandomState`
    back to where it found them: the same call then goes on, in the same process as in another.
    """
    parameters = estimator.get_params(deep=False)
    path: str | os.PathLike[str] | None = parameters["checkpoint"]
    if path is None:
        yield None
        return
    fingerprint: dict[str, Any] = {
        name: _plain(value) for name, value in parameters.items() if name not in _WITHOUT_EFFECT
    }
    fingerprint |= frames_fingerprint(frames.source, frames.survey, frames.sample_weight)
    fingerprint |= {"estimator": type(estimator).__name__, "precision": precision}
    if gone_on_with is not None:
        fingerprint["last_fit"] = digest_arrays(*gone_on_with.values())
    numbers = parameters["random_state"]
    before = numbers.get_state() if isinstance(numbers, np.random.RandomState) else None
    try:
        with TrainingCheckpoint(
            path, fingerprint=fingerprint, codec=codec, seconds=parameters["checkpoint_seconds"]
        ) as file:
            yield file
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
    asked |= frames_fingerprint(frames.source, frames.survey, frames.sample_weight)
    text = json.dumps(normalised(asked), sort_keys=True)
    return digest_arrays(np.frombuffer(text.encode(), np.uint8))


def _plain(value: Any) -> Any:
    if isinstance(value, np.random.RandomState):
        return _random_digest(value)
    if value is np.random:
        return None
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    if value is None or isinstance(value, (bool, int, float, str, np.generic)):
        return value
    return digest_arrays(np.asarray(value))


def _random_digest(random_state: np.random.RandomState) -> str:
    state: Any = random_state.get_state(legacy=False)
    if state["bit_generator"] != "MT19937":
        raise InvalidInputError(
            "a fit with a checkpoint needs random numbers of the Mersenne Twister, found a "
            f"RandomState of {state['bit_generator']}; give a number as random_state"
        )
    rest = (state["state"]["pos"], state["has_gauss"], state["gauss"])
    return digest_arrays(state["state"]["key"], np.array(rest))
