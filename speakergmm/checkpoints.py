"""Checkpoints: one small file from which an interrupted loop resumes, to the same result.

The file contains the exact state of a loop, which may be any record, and a fingerprint of the call
that wrote it. The same call resumes from the last state that was written, and ends in exactly the
result of a loop that was never interrupted. A call with other data or options is refused, and
nothing is overwritten. A loop that has ended removes its file.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import numpy as np

from speakergmm import containers, records
from speakergmm.errors import (
    CollapsedComponentError,
    IncompatibleModelError,
    ModelFormatError,
    SpeakerGmmError,
)
from speakergmm.files import check_writable, kind_of
from speakergmm.ranges import number

State = TypeVar("State")

KIND = "training checkpoint"
"""Kind of file, as the header names it."""

DEFAULT_SECONDS = 5.0
"""Least time between two writings, in seconds: the work that a kill may cost."""

# Largest part of the time that writing may take.
_LARGEST_COST = 0.01
_HASH = "sha256:"


class CheckpointWarning(UserWarning):
    """A checkpoint could not be written; training goes on, and the last good one is still there."""


class Resumable(Protocol):
    """The part of a checkpoint that a loop uses: the state it starts from, and the recorder."""

    @property
    def state(self) -> Any:
        """The state from which the loop resumes; None for a new loop."""

    @property
    def record(self) -> Callable[[Any], None] | None:
        """The function that records a state; None if states are not recorded."""


class _Unkept:
    state = None
    record = None


class Checkpoint(Generic[State]):
    """A file to which a loop writes its state; a context manager around the loop.

    Parameters
    ----------
    path : path
        The file. If it exists already, the loop resumes from it.
    of : type
        Class of the state, a record; with its type parameters where it has some, such as
        ``EMState[Mixture]``.
    fingerprint : mapping
        Fingerprint of data and options: JSON values, arrays and records. A file with another
        fingerprint is refused.
    seconds : float, default=5
        Least time between two writings, in seconds, >= 0; more where writing would otherwise take
        over 1 % of the time. At 0 every state is written, whatever it costs.

    Attributes
    ----------
    state : record or None
        The state in the file, or the state that was recorded last; None for a new loop.

    Raises
    ------
    IncompatibleModelError
        If the file was written with other data or options; they are named.
    ModelFormatError
        If the file is not a checkpoint, or is damaged.
    SpeakerGmmError
        If the file cannot be written there.
    InvalidInputError
        If `seconds` is out of range.

    Notes
    -----
    On leaving without an error the file is removed. On leaving with an exception, Ctrl-C included,
    a state that is not yet written is written. After a collapse of a component the file is removed
    as well: resuming would only lead there again. If the disk becomes full during training, a
    `CheckpointWarning` is issued instead of an error: hours of work are worth more than their copy.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        of: Any,
        *,
        fingerprint: Mapping[str, Any],
        seconds: float = DEFAULT_SECONDS,
    ) -> None:
        self.path = os.fspath(path)
        self.seconds = number("checkpoint_seconds", seconds, least=0)
        self.state: State | None = None
        self._of = of
        self._fingerprint = _normalised(fingerprint)
        check_writable(self.path)
        if kind_of(self.path) != "missing":
            self.state = self._restored()
        self._is_pending = False
        self._next_writing = time.perf_counter() + seconds

    def record(self, state: State) -> None:
        """Record a state, and write it to the file if the last writing is long enough ago."""
        self.state = state
        self._is_pending = True
        if time.perf_counter() >= self._next_writing:
            self.write()

    def write(self) -> None:
        """Write the last state that was recorded.

        Warns
        -----
        CheckpointWarning
            If it cannot be written.
        """
        started = time.perf_counter()
        try:
            arrays, state = records.to_arrays(self.state, self._of)
            content = {"fingerprint": self._fingerprint, "state": state}
            containers.save_arrays(self.path, arrays, kind=KIND, metadata=content)
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

    def __exit__(self, _: object, error: object, __: object) -> None:
        if error is None or isinstance(error, CollapsedComponentError):
            self.remove()
        elif self._is_pending:
            self.write()

    def _restored(self) -> State:
        arrays, content = containers.load_arrays(self.path, kind=KIND)
        stored = content.get("fingerprint")
        if not isinstance(stored, dict):
            raise ModelFormatError(f"{self.path}: a training checkpoint without a fingerprint")
        if differences := describe_differences(stored, self._fingerprint):
            raise IncompatibleModelError(
                f"{self.path}: this is the checkpoint of another training, which differs in "
                f"{differences}; repeat that call, or remove the file to begin anew"
            )
        state: State = records.of_arrays(
            self._of, arrays, content.get("state"), kind=KIND, source=self.path
        )
        return state


@contextmanager
def open_checkpoint(
    checkpoint: str | os.PathLike[str] | Resumable | None,
    of: Any,
    *,
    fingerprint: Callable[[], Mapping[str, Any]],
    seconds: float = DEFAULT_SECONDS,
) -> Iterator[Resumable]:
    """Open the checkpoint of a run: a file, a checkpoint that is open already, or none.

    Parameters
    ----------
    checkpoint : path, Resumable or None
        A file, a checkpoint that is opened and closed elsewhere, or None.
    of : type
        Class of the state, a record.
    fingerprint : callable
        Returns the fingerprint; called only if there is a file.
    seconds : float, default=5
        Least time between two writings, in seconds.

    Yields
    ------
    Resumable
        Without `state` and `record` if there is no checkpoint.
    """
    if checkpoint is None:
        yield _Unkept()
    elif not isinstance(checkpoint, str | os.PathLike):
        yield checkpoint
    else:
        with Checkpoint[Any](checkpoint, of, fingerprint=fingerprint(), seconds=seconds) as file:
            yield file


def short_digest(*values: Any) -> str:
    """Return the short digest of arrays and records that fingerprints contain."""
    return f"{_HASH}{records.digest(*values)[:32]}"


def describe_differences(stored: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """Return the differences of two fingerprints in words; an empty string if they are equal.

    Examples
    --------
    >>> describe_differences({"tol": 0.1, "seed": 0}, {"tol": 0.2, "seed": 0})
    'tol (0.1 there, 0.2 here)'
    """
    words = []
    for name in sorted(stored.keys() | asked.keys()):
        there, here = stored.get(name), asked.get(name)
        if there == here:
            continue
        is_hash = any(isinstance(value, str) and value.startswith(_HASH) for value in (there, here))
        words.append(name if is_hash else f"{name} ({there} there, {here} here)")
    return ", ".join(words)


def _normalised(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a fingerprint as it is read from a file, with digests of arrays and records."""
    found: dict[str, Any] = json.loads(json.dumps(dict(fingerprint), default=_plain))
    return found


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else short_digest(value)
