"""Scored trials, and the tab-separated files that contain them."""

import contextlib
import io
import math
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError, InvalidTypeError, SpeakerGmmError
from speakergmm.file_kinds import describe_file
from speakergmm.files import UnreadableFileError, atomic_text_writer
from speakergmm.ranges import refused
from speakergmm.text_files import open_text, stated_number

TARGET = "target"
NONTARGET = "nontarget"
UNKNOWN = "unknown"
_LABELS = {TARGET: TARGET, NONTARGET: NONTARGET, UNKNOWN: UNKNOWN, None: UNKNOWN, "": UNKNOWN}
_COLUMNS = ("model", "path", "score", "label")


@dataclass(frozen=True, eq=False)
class Scores:
    """Trials and their scores, one row per trial; higher scores support the claimed speaker.

    Parameters
    ----------
    models : array of str, shape (N,)
        Model (enrolled speaker) of each trial.
    paths : array of str, shape (N,)
        Test recording of each trial, as it is named in the list of trials.
    scores : array of float, shape (N,)
        Real numbers or plus or minus infinity; NaN is refused.
    labels : array of str, shape (N,)
        ``"target"``, ``"nontarget"`` or ``"unknown"`` (for which ``None`` and ``""`` also stand).

    Raises
    ------
    InvalidInputError
        If lengths disagree, a score is NaN, or a label is not one of the three; the message names
        the row, counted from 0.

    Notes
    -----
    Every name is stored once and shared between rows, so that ten million trials of a few thousand
    speakers take little memory.

    Examples
    --------
    >>> scores = Scores(["ann", "ann"], ["a.wav", "b.wav"], [1.5, -0.5], ["target", "nontarget"])
    >>> scores.target, scores.nontarget
    (array([1.5]), array([-0.5]))
    """

    models: NDArray[Any]
    paths: NDArray[Any]
    scores: NDArray[np.float64]
    labels: NDArray[Any]

    def __post_init__(self) -> None:
        models, paths = _names(self.models, "models"), _names(self.paths, "paths")
        scores, named = as_scores(self.scores, "scores"), list(_plain(self.labels))
        lengths = (len(models), len(paths), len(scores), len(named))
        if len(set(lengths)) != 1:
            raise refused("scores: models, paths, scores and labels", "equally long", lengths)
        try:
            labels = np.array([_LABELS[label] for label in named], dtype=object)
        except (KeyError, TypeError):
            good = [isinstance(label, str | None) and label in _LABELS for label in named]
            row = good.index(False)
            allowed = "'target', 'nontarget' or 'unknown'"
            raise refused(f"scores: the label of row {row}", allowed, named[row]) from None
        arrays = {"models": models, "paths": paths, "scores": scores, "labels": labels}
        for name, array in arrays.items():
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self.scores)

    @cached_property
    def is_target(self) -> NDArray[np.bool_]:
        """Return whether each trial is a target trial, shape (N,)."""
        return np.asarray(self.labels == TARGET, dtype=bool)

    @cached_property
    def is_nontarget(self) -> NDArray[np.bool_]:
        """Return whether each trial is a nontarget trial, shape (N,)."""
        return np.asarray(self.labels == NONTARGET, dtype=bool)

    @property
    def target(self) -> NDArray[np.float64]:
        """Scores of the target trials, in the order of the rows."""
        return self.scores[self.is_target]

    @property
    def nontarget(self) -> NDArray[np.float64]:
        """Scores of the nontarget trials, in the order of the rows."""
        return self.scores[self.is_nontarget]

    @cached_property
    def model_names(self) -> tuple[str, ...]:
        """Names of the models, sorted, each of them once."""
        return tuple(sorted(set(self.models.tolist())))

    @cached_property
    def path_names(self) -> tuple[str, ...]:
        """Names of the test recordings, sorted, each of them once."""
        return tuple(sorted(set(self.paths.tolist())))

    @cached_property
    def model_index(self) -> NDArray[np.int32]:
        """Place of the model of each row in :attr:`model_names`, shape (N,)."""
        return _places(self.models, self.model_names)

    @cached_property
    def path_index(self) -> NDArray[np.int32]:
        """Place of the recording of each row in :attr:`path_names`, shape (N,)."""
        return _places(self.paths, self.path_names)

    @property
    def pair_index(self) -> NDArray[np.int64]:
        """Number of the pair of recording and model of each row, in that order, shape (N,)."""
        return self.path_index.astype(np.int64) * len(self.model_names) + self.model_index


def as_scores(
    values: ArrayLike, what: str, *, axes: tuple[str, ...] = ("row",)
) -> NDArray[np.float64]:
    """Return scores as a new array of float64.

    Parameters
    ----------
    values : array_like of float
    what : str
        Name of the scores in messages.
    axes : tuple of str
        Names of the axes in messages.

    Raises
    ------
    InvalidInputError
        If they are not numbers, have another number of axes, or one of them is NaN; the message
        names its place.
    """
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInputError(
            f"{what}: must be numbers; speakergmm.metrics.Scores takes labels beside them"
        ) from None
    if array.ndim != len(axes):
        wanted = "flat array" if len(axes) == 1 else "matrix of tests by models"
        raise InvalidInputError(f"{what}: must be a {wanted}, found shape {array.shape}")
    bad = np.isnan(array)
    if bad.any():
        places = zip(axes, np.argwhere(bad)[0].tolist(), strict=True)
        where = ", ".join(f"{axis} {place}" for axis, place in places)
        raise InvalidInputError(f"{what}: {where} is NaN; must be a number")
    return array


def check_scores(scores: object, function: str) -> None:
    """Raise an error if an argument is not `Scores` but, say, an array.

    Raises
    ------
    InvalidTypeError
        The message names the right call.
    """
    if not isinstance(scores, Scores):
        raise InvalidTypeError(
            f"{function} takes speakergmm.metrics.Scores(models, paths, scores, labels), found "
            f"{type(scores).__name__}; read_scores(path) reads them from a file, and for two "
            "arrays there are equal_error_rate(target, nontarget), min_dcf and "
            "identification_accuracy(matrix, true_index)"
        )


def read_scores(path: str | Path) -> Scores:
    """Read a score file.

    Parameters
    ----------
    path : str or Path
        Tab-separated UTF-8 text whose first line is the header ``model path score label``; the
        column ``label`` may be missing. Empty lines are skipped.

    Returns
    -------
    Scores
        In the order of the lines.

    Raises
    ------
    InvalidInputError
        If the file cannot be read or a line is wrong; the message begins with ``file:line``.
    """
    try:
        with io.TextIOWrapper(
            open_text(path), encoding="utf-8", errors="surrogateescape", newline=None
        ) as stream:
            columns = _read_columns(stream, path)
    except UnreadableFileError as error:
        raise InvalidInputError(
            f"{error.shown_path}: cannot be read as a score file: {error.reason}"
        ) from None
    return Scores(*map(np.array, columns, (object, object, np.float64, object)))


def _read_columns(stream: TextIO, path: str | Path) -> tuple[list[Any], ...]:
    """Read models, paths, scores and labels; equal names are one object."""
    header = stream.readline().rstrip("\n").removeprefix("\ufeff").split("\t")

    def wrong(line: int, what: str) -> InvalidInputError:
        return InvalidInputError(f"{path}:{line}: {what}")

    if tuple(header) not in (_COLUMNS, _COLUMNS[:3]):
        begins = f"a score file begins with the tab-separated columns {' | '.join(_COLUMNS)}"
        raise wrong(1, f"{_describe_header(path, header)}; {begins}")
    columns: tuple[list[Any], ...] = ([], [], [], [])
    models, paths, values, labels = columns
    names: dict[str, str] = {}
    share = names.setdefault
    number = 1
    for number, line in enumerate(stream, start=2):
        fields = line.rstrip("\n").split("\t")
        if len(fields) != len(header):
            if not line.strip():
                continue
            wanted = f"{len(header)} ({', '.join(header)})"
            raise wrong(number, f"{len(fields)} tab-separated columns; must be {wanted}")
        model, recording, score, label = fields if len(fields) == 4 else (*fields, UNKNOWN)
        try:
            value = stated_number(score)
        except ValueError:
            value = math.nan
        if value != value:
            raise wrong(number, f"score {score[:40]!r}; must be a number, not NaN")
        if label not in _LABELS:
            raise wrong(number, f"label {label[:40]!r}; must be target or nontarget")
        if not model or not recording:
            raise wrong(number, f"the {'path' if model else 'model'} is empty; must be named")
        models.append(share(model, model))
        paths.append(share(recording, recording))
        values.append(value)
        labels.append(label)
    if not values:
        only = "empty lines" if number > 1 else "a header"
        raise InvalidInputError(f"{path}: contains no trials, only {only}")
    return columns


def write_scores(path: str | Path, scores: Scores) -> None:
    """Write a score file, completely or not at all.

    Parameters
    ----------
    path : str or Path
        The file, in the format of :func:`read_scores`; an existing one is replaced in one step.
        Scores are written with the digits that restore the same float64.
    scores : Scores

    Raises
    ------
    InvalidInputError
        If the name of a model or recording is empty or contains a tab or a line break.
    SpeakerGmmError
        If the file cannot be written (no such folder, disk full).
    """
    check_scores(scores, "write_scores")
    for kind, known in (("model", scores.model_names), ("path", scores.path_names)):
        for name in known:
            if not name or any(mark in name for mark in "\t\n\r"):
                raise InvalidInputError(
                    f"{kind} {name!r}: a name in a score file must not be empty or contain a tab "
                    "or a line break"
                )
    with atomic_text_writer(path, errors="surrogateescape") as file:
        file.writelines(_lines(scores))


def _lines(scores: Scores) -> Iterator[str]:
    yield "\t".join(_COLUMNS) + "\n"
    rows = zip(scores.models, scores.paths, scores.scores.tolist(), scores.labels, strict=True)
    for model, path, score, label in rows:
        yield f"{model}\t{path}\t{score!r}\t{label}\n"


def _plain(values: Iterable[Any]) -> Iterable[Any]:
    return list(values.tolist()) if isinstance(values, np.ndarray) else values


def _names(values: Any, what: str) -> NDArray[Any]:
    """Return names as an array of objects, in which equal names are one object."""
    if isinstance(values, str):
        raise InvalidInputError(f"scores: {what} must be a sequence of names, found one string")
    shared: dict[str, str] = {}
    names = map(str, _plain(values))
    return np.array([shared.setdefault(name, name) for name in names], dtype=object)


def _places(values: NDArray[Any], names: tuple[str, ...]) -> NDArray[np.int32]:
    place = {name: index for index, name in enumerate(names)}
    return np.fromiter(map(place.__getitem__, values), dtype=np.int32, count=len(values))


def _describe_header(path: str | os.PathLike[str], header: list[str]) -> str:
    """Describe what was found in place of the header: another kind of file, or another line."""
    with contextlib.suppress(OSError, SpeakerGmmError):
        kind = describe_file(path)
        if kind not in ("text", "empty") and not kind.startswith("of an unknown"):
            return f"is {kind}"
    return f"the header is {' | '.join(header)[:80]!r}"
