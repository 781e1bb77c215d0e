"""The context in which work is run, and the recordings that it leaves out.

A `RunContext` travels whole from a public function to whatever works for it. Nothing in it changes
a result.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, asdict, dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import Any

from speakergmm.errors import InsufficientDataError, SpeakerGmmError
from speakergmm.options import Options, anything, real, yes_no
from speakergmm.ranges import refused, wrong_type


class SkippedRecordingWarning(UserWarning):
    """A recording could not be used, and the work went on without it."""


@dataclass(frozen=True, slots=True)
class SkippedRecording:
    """A recording that could not be used, and what was lost with it.

    Parameters
    ----------
    path : Path
        The recording.
    message : str
        The reason, in one line that names the file.
    affected : tuple of str
        What was lost: the utterance, the model it should have enrolled, or its trials.
    """

    path: Path
    message: str
    affected: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self) | {"path": os.fspath(self.path), "affected": list(self.affected)}


OnSkip = Callable[[SkippedRecording], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext(Options):
    """The context in which a function runs; none of it changes a result.

    A function uses the parts that its documentation names.

    Parameters
    ----------
    strict : bool, default=False
        Raise an error at the first recording or utterance that cannot be used, instead of leaving
        it out.
    on_skip : callable, optional
        Called with each `SkippedRecording`; by default a `SkippedRecordingWarning` is issued.
    progress : bool, default=False
        Show progress bars on a terminal, and log lines elsewhere.
    callback : callable, optional
        Called after each iteration, with what the function that iterates documents.
    checkpoint : path, optional
        File to which training writes its state, and from which the same call resumes after an
        interruption, to exactly the same result; a training that has ended removes it.
    checkpoint_seconds : float, default=5
        Least time between two writings, in seconds.

    Examples
    --------
    >>> RunContext(strict=True, checkpoint="training.checkpoint").checkpoint_seconds
    5.0
    """

    strict: bool = yes_no(
        False, "Stop at the first recording that cannot be used, instead of leaving it out."
    )
    on_skip: OnSkip | None = anything(None, "Called with each recording that is left out.")
    progress: bool = yes_no(False, "Show progress bars.")
    callback: Callable[..., None] | None = anything(None, "Called after each iteration.")
    checkpoint: str | os.PathLike[str] | None = anything(
        None, "File from which training resumes after an interruption.", kind=Path
    )
    checkpoint_seconds: float = real(
        5.0, "Least time between two writings of the checkpoint, in seconds.", least=0
    )

    def __post_init__(self) -> None:
        """Raise an error if a switch, a function or the checkpoint is something else."""
        self.check_fields()
        for name in ("on_skip", "callback"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise refused(name, "a function or None", value)
        is_path = self.checkpoint is None or isinstance(self.checkpoint, str | os.PathLike)
        if not is_path and not hasattr(self.checkpoint, "record"):  # a checkpoint that is open
            raise refused("checkpoint", "a path or None", self.checkpoint)

    @classmethod
    def checked(cls, run: RunContext | None) -> RunContext:
        """Return the context that a public function was called with, the default one for None.

        Raises
        ------
        InvalidTypeError
            If `run` is something else.
        """
        if run is None:
            return cls()
        if not isinstance(run, cls):
            raise wrong_type(run, "RunContext(...)", " for run, such as RunContext(progress=True)")
        return run

    def with_facts(self, **facts: Any) -> RunContext:
        """Return a context whose checkpoint only resumes work of the same facts, by their names.

        Parameters
        ----------
        **facts
            What the loop that writes the checkpoint cannot know, such as the corpus of its frames:
            JSON values, arrays and records. A dictionary stands for its items.
        """
        if not isinstance(self.checkpoint, str | os.PathLike):
            return self
        flat: dict[str, Any] = {}
        for name, value in facts.items():
            items = value if isinstance(value, dict) else {"": value}
            flat |= {f"{name} {item}".strip(): of for item, of in items.items()}
        found = CheckpointPath.of(self.checkpoint)
        return replace(self, checkpoint=replace(found, facts={**found.facts, **flat}))

    def description(self, text: str) -> str | None:
        """Return the text of a progress bar; None if no bar is to be shown."""
        return text if self.progress else None


@dataclass(frozen=True, slots=True)
class CheckpointPath(os.PathLike[str]):
    """The path of a checkpoint, and what the loop that writes it cannot know.

    Parameters
    ----------
    path : str
    facts : mapping, default={}
        What the loop's data were made of, compared on resuming.
    is_kept : bool, default=False
        Whether the file is held and, when all is done, removed by whoever started the loop.
    """

    path: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    is_kept: bool = False

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> CheckpointPath:
        """Return a path as one of a checkpoint; one that is already remains as it is."""
        return path if isinstance(path, cls) else cls(os.fspath(path))

    def __fspath__(self) -> str:
        """Return the path."""
        return self.path

    def __str__(self) -> str:
        """Return the path, as messages show it."""
        return self.path


@dataclass
class Skips:
    """The recordings that a piece of work goes on without, each reported once.

    Parameters
    ----------
    on_skip : callable or None
        Called with each `SkippedRecording`; by default a `SkippedRecordingWarning` is issued.
    strict : bool, default=False
        Raise an error instead.
    error : type, default=InsufficientDataError
        Class of that error.

    Attributes
    ----------
    found : list of SkippedRecording
    """

    on_skip: OnSkip | None
    _: KW_ONLY
    strict: bool = False
    error: type[SpeakerGmmError] = InsufficientDataError
    found: list[SkippedRecording] = field(default_factory=list, init=False)
    _reported: set[SkippedRecording] = field(default_factory=set, init=False)

    def __call__(self, skipped: SkippedRecording) -> None:
        """Report a recording that is left out, unless it has been reported."""
        if self.strict:
            raise self.error(skipped.message)
        if skipped not in self._reported:
            self._reported.add(skipped)
            self.found.append(skipped)
            (self.on_skip or warn_of_skip)(skipped)


def warn_of_skip(skipped: SkippedRecording) -> None:
    """Issue a `SkippedRecordingWarning`, as is done where there is no `on_skip`."""
    # The warning points to the line of the user, however deep in the package the recording is read.
    frame: FrameType | None = sys._getframe()
    level = 1
    while frame and frame.f_globals.get("__name__", "").startswith("speakergmm."):
        frame, level = frame.f_back, level + 1
    message = f"skipped {skipped.message}"
    warnings.warn(message, SkippedRecordingWarning, stacklevel=level)
