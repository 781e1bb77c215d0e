"""Checkpoints of embedded training: a file from which it goes on to the same result.

The file holds the state between two iterations bit by bit - models in standardised features, the
paths of Viterbi training, the history - and a fingerprint of frames, transcripts and options. The
same training called again goes on from there; another one is refused, and nothing is overwritten.
A training that has ended removes its file.
"""

from __future__ import annotations

import math
import os
import time
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.containers import load_arrays, save_arrays
from speakergmm.errors import (
    IncompatibleModelError,
    InvalidInputError,
    ModelFormatError,
    SpeakerGmmError,
)
from speakergmm.files import check_writable, kind_of
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.training.embedded import AlignedPath
from speakergmm.hmm.training.state import FailedUtterance, TrainingIteration, TrainingState
from speakergmm.mixtures.checkpoint import CheckpointWarning
from speakergmm.mixtures.fingerprint import describe_differences, normalised

KIND = "acoustic training checkpoint"
"""What the file's header says that it is."""


class EmbeddedCheckpoint:
    """A file to which embedded training writes where it stands; a context manager around it.

    Parameters
    ----------
    path : path
        The file. Where one is there already, training goes on from it.
    fingerprint : mapping
        Of frames, transcripts and options; JSON values.
    seconds : float, default=5
        Least time between two writings; at 0 every iteration is written.

    Attributes
    ----------
    state : TrainingState or None
        Where the training stood when the file was written.

    Raises
    ------
    IncompatibleModelError
        If the file belongs to another training; what differs is named.
    ModelFormatError
        If the file is something else, or damaged.
    SpeakerGmmError
        If the file can't be written there.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, fingerprint: Mapping[str, Any], seconds: float = 5.0
    ) -> None:
        self.path = os.fspath(path)
        self.state: TrainingState | None = None
        self._fingerprint = normalised(fingerprint)
        self._seconds = seconds
        self._pending: TrainingState | None = None
        check_writable(self.path)
        if kind_of(self.path) != "missing":
            self.state = self._restored()
        self._next_writing = time.perf_counter() + seconds

    def record(self, state: TrainingState) -> None:
        """Take note of a state, and write it if the last writing is long enough ago."""
        self._pending = state
        if time.perf_counter() >= self._next_writing:
            self.write()

    def write(self) -> None:
        """Write what was recorded last; a full disk is a warning, for training is worth more."""
        if self._pending is None:
            return
        arrays, metadata = _packed(self._pending)
        try:
            save_arrays(
                self.path,
                arrays,
                kind=KIND,
                metadata={**metadata, "fingerprint": self._fingerprint},
            )
        except SpeakerGmmError as error:
            warnings.warn(
                f"training goes on without a new checkpoint: {error}",
                CheckpointWarning,
                stacklevel=2,
            )
        else:
            self._pending = None
        self._next_writing = time.perf_counter() + self._seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None:
            self.write()
            return
        with suppress(OSError):
            Path(self.path).unlink()

    def _restored(self) -> TrainingState:
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
        try:
            return _unpacked(arrays, metadata)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise ModelFormatError(
                f"{self.path}: not a valid training checkpoint: {error}"
            ) from None


def _packed(state: TrainingState) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    arrays, models = state.models.to_arrays()
    lengths = [-1 if path is None else len(path.pdfs) for path in state.paths]
    taken = [0 if path is None else len(path.transitions) for path in state.paths]
    paths = [path for path in state.paths if path is not None]
    nothing = np.array([], np.int64)
    arrays["occupancy"] = state.occupancy
    arrays["path_lengths"] = np.array(lengths, np.int64)
    arrays["path_pdfs"] = np.concatenate([nothing, *(p.pdfs for p in paths)]).astype(np.int32)
    arrays["taken_lengths"] = np.array(taken, np.int64)
    arrays["taken"] = np.concatenate([nothing, *(p.transitions for p in paths)]).astype(np.int64)
    arrays["path_fixed"] = np.array([path.fixed for path in paths], np.float64)
    history = [
        {
            name: None if isinstance(value, float) and math.isnan(value) else value
            for name, value in asdict(iteration).items()
        }
        for iteration in state.history
    ]
    metadata = {
        "models": models,
        "iteration": state.iteration,
        "history": history,
        "failed": [asdict(failure) for failure in state.failed],
    }
    return arrays, metadata


def _unpacked(arrays: dict[str, NDArray[Any]], metadata: dict[str, Any]) -> TrainingState:
    models = PhoneModels.from_arrays(arrays, metadata["models"])
    history = []
    for values in metadata["history"]:
        known: dict[str, Any] = {n: math.nan if v is None else v for n, v in values.items()}
        history.append(TrainingIteration(**known))
    return TrainingState(
        models,
        int(metadata["iteration"]),
        arrays["occupancy"],
        _unpacked_paths(arrays, models),
        tuple(history),
        tuple(FailedUtterance(**values) for values in metadata["failed"]),
    )


def _unpacked_paths(
    arrays: dict[str, NDArray[Any]], models: PhoneModels
) -> tuple[AlignedPath | None, ...]:
    pdfs = _integers(arrays["path_pdfs"], models.n_pdfs)
    taken = _integers(arrays["taken"], models.transitions.n_arcs)
    # An utterance without a path has length -1.
    has_path = arrays["path_lengths"] >= 0
    ends = np.cumsum(np.maximum(arrays["path_lengths"], 0))
    taken_ends = np.cumsum(arrays["taken_lengths"])
    fixed = iter(arrays["path_fixed"].tolist())
    if (
        ends.shape != taken_ends.shape
        or ends[-1:].sum() != len(pdfs)
        or taken_ends[-1:].sum() != len(taken)
        or np.count_nonzero(has_path) != len(arrays["path_fixed"])
    ):
        raise InvalidInputError("its paths have other lengths than it says")
    return tuple(
        AlignedPath(of_frames.astype(np.int32), numbers.astype(np.int64), next(fixed))
        if known
        else None
        for known, of_frames, numbers in zip(
            has_path, np.split(pdfs, ends)[:-1], np.split(taken, taken_ends)[:-1], strict=True
        )
    )


def _integers(values: NDArray[Any], limit: int) -> NDArray[Any]:
    if values.dtype.kind != "i" or (values.size and not 0 <= values.min() <= values.max() < limit):
        raise InvalidInputError("its paths go where its models have nothing")
    return values
