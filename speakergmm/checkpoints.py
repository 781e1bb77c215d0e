"""Checkpoints: one small file from which an interrupted loop resumes, to the same result.

The file contains the exact state of a loop, which may be any record, and a fingerprint of the call
that wrote it. The same call resumes from the last state that was written, and ends in exactly the
result of a loop that was never interrupted. A call with other data, options or versions of software
is refused, as is a second one while the first still runs, and nothing is overwritten. A loop that
has ended removes its file.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
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
from speakergmm.files import check_writable, hold, kind_of
from speakergmm.provenance import arithmetic_versions
from speakergmm.ranges import number
from speakergmm.run_context import CheckpointPath, RunContext

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


def _nothing() -> None:
    pass


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
        fingerprint, or of another version of the software, is refused.
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
        If the file was written with other data, options or versions of software; they are named.
    ModelFormatError
        If the file is not a checkpoint, or is damaged.
    SpeakerGmmError
        If the file cannot be written there; on entering, if another training holds it.
    InvalidInputError
        If `seconds` is out of range.

    Notes
    -----
    On leaving without an error the file is removed, unless `kept_checkpoint` keeps it. On leaving
    with an exception, Ctrl-C included, a state that is not yet written is written. After a collapse
    of a component the file is removed as well: resuming would only lead there again. If the disk
    becomes full during training, a `CheckpointWarning` is issued instead of an error: hours of work
    are worth more than their copy.
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
        versions = {f"version of {name}": of for name, of in arithmetic_versions().items()}
        described = CheckpointPath.of(path)
        self._is_kept = described.is_kept
        self._fingerprint = _normalised({**fingerprint, **described.facts, **versions})
        check_writable(self.path)
        self._release: Callable[[], None] = _nothing
        if kind_of(self.path) != "missing":
            self.state = self._restored()
        self._is_pending = self._has_warned = False
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
            If it cannot be written; once, until one has been written again.
        """
        started = time.perf_counter()
        try:
            arrays, state = records.to_arrays(self.state, self._of)
            content = {"fingerprint": self._fingerprint, "state": state}
            containers.save_arrays(self.path, arrays, kind=KIND, metadata=content)
        except SpeakerGmmError as error:
            if not self._has_warned:
                warnings.warn(
                    f"training goes on without a new checkpoint: {error}",
                    CheckpointWarning,
                    stacklevel=2,
                )
            self._has_warned = True
        else:
            self._is_pending = self._has_warned = False
        now = time.perf_counter()
        if self.seconds > 0:
            self._next_writing = now + max(self.seconds, (now - started) / _LARGEST_COST)

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self._is_pending = False
        with suppress(OSError):
            Path(self.path).unlink()

    def __enter__(self) -> Self:
        if not self._is_kept:
            self._release = hold(self.path, "training")
            try:
                # Another training may have written it until now.
                self.state = self._restored() if kind_of(self.path) != "missing" else None
            except BaseException:
                self._release()
                raise
        return self

    def __exit__(self, _: object, error: object, __: object) -> None:
        try:
            if isinstance(error, CollapsedComponentError) or (error is None and not self._is_kept):
                self.remove()
            elif self._is_pending:
                self.write()
        finally:
            self._release()

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


@contextmanager
def kept_checkpoint(run: RunContext) -> Iterator[RunContext]:
    """Keep the checkpoint of a run until what follows its loop has succeeded, too.

    Parameters
    ----------
    run : RunContext

    Yields
    ------
    RunContext
        The loops that it is passed to leave their last state in the file, which is removed on
        leaving without an error: when the model is saved, for instance. Then no full disk and no
        kill between the two costs the training.

    Raises
    ------
    SpeakerGmmError
        If the file cannot be written there, or another training holds it.
    """
    if not isinstance(run.checkpoint, str | os.PathLike):
        yield run
        return
    file = CheckpointPath.of(run.checkpoint)
    if file.is_kept:
        yield run
        return
    check_writable(file)
    release = hold(file, "training")
    try:
        yield replace(run, checkpoint=replace(file, is_kept=True))
        with suppress(OSError):
            Path(file).unlink()
    finally:
        release()


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
