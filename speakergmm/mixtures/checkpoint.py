"""Checkpoints: one small file from which an interrupted training goes on to the same result.

The file holds the state of the loop bit by bit, in the standardised coordinates in which training
runs, and a fingerprint of frames and options. Training that is called again with the same ones
goes on from the last update that was written, and ends in exactly the model, objectives and
reports of a training that was never interrupted. A call with others is refused, and nothing is
overwritten. A training that has ended removes its file.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import (
    CollapsedComponentError,
    IncompatibleModelError,
    InvalidInputError,
    ModelFormatError,
    SpeakerGmmError,
)
from speakergmm.files import check_writable, kind_of
from speakergmm.gaussians.em import EMState, Iteration, UpdateReport
from speakergmm.gaussians.kinds import mixture_kind
from speakergmm.gaussians.parameters import Mixture
from speakergmm.mixtures.fingerprint import describe_differences, normalised

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
Model = TypeVar("Model")

KIND = "training checkpoint"
"""What the file's header says that it is."""

DEFAULT_SECONDS = 5.0
"""Least time between two writings: what a kill may cost."""

# Writing takes no more than this part of the time.
_LARGEST_COST = 0.01


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; training goes on, and the last good one is still there."""


@dataclass(frozen=True, slots=True)
class Codec(Generic[Model]):
    """How models become arrays, and arrays models again, bit by bit."""

    pack: Callable[[Model], Arrays]
    unpack: Callable[[Arrays], Model]

    @classmethod
    def of_mixtures(cls, covariance_type: str) -> Codec[Any]:
        """Give the codec of mixtures of one kind."""
        return Codec(Mixture.to_arrays, mixture_kind(covariance_type).from_arrays)


@dataclass(frozen=True, slots=True, eq=False)
class Context:
    """What a caller needs besides the state of one loop: earlier restarts, random numbers."""

    arrays: Arrays
    values: Mapping[str, Any]


class TrainingCheckpoint(Generic[Model]):
    """A file to which a training writes where it stands; a context manager around the training.

    Parameters
    ----------
    path : path
        The file. Where one is there already, training goes on from it.
    fingerprint : mapping
        Of frames and options; JSON values. A file with another one is refused.
    codec : Codec
        Of the models that are trained.
    seconds : float, default=5
        Least time between two writings, >= 0; more where writing would otherwise take over 1 % of
        the time. At 0 every update is written, whatever it costs.

    Attributes
    ----------
    state : EMState or None
        Where the loop stood when the file was written; None for a new training, or between two.
    context : Context or None
        What the caller had given; he may replace it at any time.

    Raises
    ------
    IncompatibleModelError
        If the file was made with other frames or options; they are named.
    ModelFormatError
        If the file is something else, or damaged.
    SpeakerGmmError
        If the file can't be written there.
    InvalidInputError
        If `seconds` is out of range.

    Notes
    -----
    On leaving without an error the file is removed. An exception, Ctrl-C too, writes what is not
    yet written. After a collapse of a component the file is removed as well: going on would only
    lead there again. A disk that is full in the midst of training is a `CheckpointWarning`, not an
    error: hours of work are worth more than their copy.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        fingerprint: Mapping[str, Any],
        codec: Codec[Model],
        seconds: float = DEFAULT_SECONDS,
    ) -> None:
        if not 0 <= seconds < np.inf:
            raise InvalidInputError(f"checkpoint_seconds must be finite and >= 0, found {seconds}")
        self.path = os.fspath(path)
        self.seconds = seconds
        self.state: EMState[Model] | None = None
        self.context: Context | None = None
        self._fingerprint = normalised(fingerprint)
        self._codec = codec
        check_writable(self.path)
        if kind_of(self.path) != "missing":
            self._restore()
        self._is_pending = False
        self._next_writing = time.perf_counter() + seconds

    def record(self, state: EMState[Model] | None) -> None:
        """Take note of a state, and write it to the file if the last writing is long enough ago."""
        self.state = state
        self._is_pending = True
        if time.perf_counter() >= self._next_writing:
            self.write()

    def write(self) -> None:
        """Write the last state that was recorded.

        Warns
        -----
        CheckpointWarning
            If that is not possible.
        """
        from speakergmm.containers import save_arrays

        started = time.perf_counter()
        arrays, metadata = self._packed()
        try:
            save_arrays(self.path, arrays, kind=KIND, metadata=metadata)
        except SpeakerGmmError as error:
            warnings.warn(
                f"training goes on without a new checkpoint: {error}",
                CheckpointWarning,
                stacklevel=2,
            )
        else:
            self._is_pending = False
        now = time.perf_counter()
        if self.seconds > 0:
            self._next_writing = now + max(self.seconds, (now - started) / _LARGEST_COST)

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self._is_pending = False
        with suppress(OSError):
            Path(self.path).unlink()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or isinstance(error, CollapsedComponentError):
            self.remove()
        elif self._is_pending:
            self.write()

    def _packed(self) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
        metadata: dict[str, Any] = {"fingerprint": self._fingerprint}
        parts: dict[str, Arrays] = {}
        if self.state is not None:
            parts["model"] = self._codec.pack(self.state.model)
            parts["previous"] = self._codec.pack(self.state.previous_model)
            metadata["history"] = pack_history(self.state.history)
        if self.context is not None:
            parts["context"] = self.context.arrays
            metadata["context"] = dict(self.context.values)
        arrays = {
            f"{part}.{name}": array
            for part, named in parts.items()
            for name, array in named.items()
        }
        return arrays, metadata

    def _restore(self) -> None:
        from speakergmm.containers import load_arrays

        arrays, metadata = load_arrays(self.path, kind=KIND)
        stored = metadata.get("fingerprint")
        if not isinstance(stored, dict):
            raise ModelFormatError(f"{self.path}: a training checkpoint without a fingerprint")
        differences = describe_differences(stored, self._fingerprint)
        if differences:
            raise IncompatibleModelError(
                f"{self.path}: is the checkpoint of another training, which differs in "
                f"{differences}; repeat that call, or remove the file to begin anew"
            )
        parts: dict[str, dict[str, NDArray[Any]]] = {"model": {}, "previous": {}, "context": {}}
        try:
            for name, array in arrays.items():
                part, _, rest = name.partition(".")
                parts[part][rest] = array
            if "history" in metadata:
                self.state = EMState(
                    self._codec.unpack(parts["model"]),
                    self._codec.unpack(parts["previous"]),
                    unpack_history(metadata["history"]),
                )
            if "context" in metadata:
                self.context = Context(parts["context"], metadata["context"])
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ModelFormatError(
                f"{self.path}: a training checkpoint with a part missing or wrong ({error})"
            ) from None


def pack_history(history: tuple[Iteration, ...]) -> list[Any]:
    """Turn iterations into what JSON can hold; no digit is lost."""
    packed = []
    for iteration in history:
        entry: list[Any] = [float(iteration.objective), iteration.seconds]
        report = iteration.report
        if report is not None:
            revived = [int(component) for component in report.revived]
            bound = None if report.bound is None else float(report.bound)
            # JSON has no infinity.
            slack = None if report.slack is None else str(float(report.slack))
            entry += [int(report.n_floored), revived, bound, bool(report.is_exact), slack]
        packed.append(entry)
    return json.loads(json.dumps(packed))  # type: ignore[no-any-return]


def unpack_history(packed: list[Any]) -> tuple[Iteration, ...]:
    """Turn what `pack_history` gave into iterations."""
    history = []
    for objective, seconds, *rest in packed:
        report = None
        if rest:
            n_floored, revived, bound, is_exact, slack = rest
            report = UpdateReport(
                n_floored=n_floored,
                revived=tuple(revived),
                bound=bound,
                is_exact=is_exact,
                slack=None if slack is None else float(slack),
            )
        history.append(Iteration(objective=objective, seconds=seconds, report=report))
    return tuple(history)
