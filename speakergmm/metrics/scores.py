"""Scored trials with their labels and conditions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.ranges import refused

TARGET = "target"
NONTARGET = "nontarget"
UNKNOWN = "unknown"
LABEL_OF = {TARGET: TARGET, NONTARGET: NONTARGET, UNKNOWN: UNKNOWN, None: UNKNOWN, "": UNKNOWN}
TRIAL_COLUMNS = ("model", "path", "score", "label")


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
    conditions : mapping of str to array of str, shape (N,), optional
        Further columns by name, such as sex, device or seconds of speech: what metrics are split
        by. Values are kept as text.

    Raises
    ------
    InvalidInputError
        If lengths disagree, a score is NaN, a label is not one of the three, or the name of a
        condition is empty or that of another column; the message names the row, counted from 0.

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
    conditions: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        models, paths = _names(self.models, "models"), _names(self.paths, "paths")
        scores, named = as_scores(self.scores, "scores"), list(_plain(self.labels))
        lengths = (len(models), len(paths), len(scores), len(named))
        if len(set(lengths)) != 1:
            raise refused("scores: models, paths, scores and labels", "equally long", lengths)
        try:
            labels = np.array([LABEL_OF[label] for label in named], dtype=object)
        except (KeyError, TypeError):
            good = [isinstance(label, str | None) and label in LABEL_OF for label in named]
            row = good.index(False)
            allowed = "'target', 'nontarget' or 'unknown'"
            raise refused(f"scores: the label of row {row}", allowed, named[row]) from None
        arrays = {"models": models, "paths": paths, "scores": scores, "labels": labels}
        conditions = _conditions(self.conditions, len(scores))
        for array in (*arrays.values(), *conditions.values()):
            array.flags.writeable = False
        for name, value in {**arrays, "conditions": conditions}.items():
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self.scores)

    def select(self, rows: NDArray[Any]) -> Self:
        """Return some of the trials.

        Parameters
        ----------
        rows : array of bool, shape (N,), or of int
            Mask or numbers of the rows.
        """
        conditions = {name: values[rows] for name, values in self.conditions.items()}
        models, paths = self.models[rows], self.paths[rows]
        return type(self)(models, paths, self.scores[rows], self.labels[rows], conditions)

    def condition(self, name: str) -> NDArray[Any]:
        """Return the values of a condition, shape (N,).

        Raises
        ------
        InvalidInputError
            If there is no such condition; the message names the known ones.
        """
        if name not in self.conditions:
            known = ", ".join(self.conditions) or "none: there is no further column"
            raise InvalidInputError(f"there is no condition {name!r}; conditions are {known}")
        return self.conditions[name]

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


def _plain(values: Iterable[Any]) -> Iterable[Any]:
    return list(values.tolist()) if isinstance(values, np.ndarray) else values


def _names(values: Any, what: str) -> NDArray[Any]:
    """Return names as an array of objects, in which equal names are one object."""
    if isinstance(values, str):
        raise InvalidInputError(f"scores: {what} must be a sequence of names, found one string")
    shared: dict[str, str] = {}
    names = map(str, _plain(values))
    return np.array([shared.setdefault(name, name) for name in names], dtype=object)


def _conditions(given: Mapping[str, Any], n_trials: int) -> dict[str, NDArray[Any]]:
    """Return conditions as arrays of objects, in the order of the columns."""
    if not isinstance(given, Mapping):
        raise refused("scores: conditions", "a mapping of names to arrays", given)
    found = {}
    for name, values in given.items():
        if not isinstance(name, str) or not name or name in TRIAL_COLUMNS:
            raise refused("scores: the name of a condition", "new and not empty", name)
        found[name] = _names(values, f"condition {name!r}")
        if len(found[name]) != n_trials:
            wanted = f"as long as the scores ({n_trials})"
            raise refused(f"scores: condition {name!r}", wanted, len(found[name]))
    return found


def _places(values: NDArray[Any], names: tuple[str, ...]) -> NDArray[np.int32]:
    place = {name: index for index, name in enumerate(names)}
    return np.fromiter(map(place.__getitem__, values), dtype=np.int32, count=len(values))
