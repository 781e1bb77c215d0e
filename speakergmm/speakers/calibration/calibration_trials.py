"""Scored trials whose speakers are known: the data of a calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import Scores, speaker_clusters
from speakergmm.ranges import refused, whole_number


@dataclass(frozen=True, eq=False)
class CalibrationTrials:
    """Trials with their scores, speakers and measures, one row per trial.

    Parameters
    ----------
    scores : array of float, shape (N,)
        Raw scores, finite; higher scores support the claimed speaker.
    is_target : array of bool, shape (N,)
        Whether model and test recording are of the same speaker.
    model_speakers, test_speakers : array of str, shape (N,)
        Speaker of the model and of the test recording of each trial; the same name in target
        trials, and in no others.
    measures : mapping of str to array of float, shape (N,)
        Measures of the quality of the recordings of each trial by name, such as
        ``"speech_seconds"`` or ``"snr_db"``; finite.
    conditions : mapping of str to array of str, shape (N,)
        Further columns, such as ``"sex"``, by the groups of which error rates can be promised.
    watched : mapping of str to array of float, shape (N,)
        Measures that do not enter the ratios, but tell which recordings are unlike the trials.
    n_versions : int, default=1
        Number of versions of each test recording among the trials, such as clean and noisy ones:
        they tell what recordings are like, but are no further recordings.

    Raises
    ------
    InvalidInputError
        If lengths disagree, a number is not finite, there are no target or no nontarget trials, a
        label contradicts the speakers, or all scores are equal; the message names the row, counted
        from 0.

    Examples
    --------
    >>> trials = CalibrationTrials(
    ...     [1.5, -0.5, 0.0, 2.0],
    ...     [True, False, False, True],
    ...     ["ann", "bob", "ann", "bob"],
    ...     ["ann", "ann", "bob", "bob"],
    ... )
    >>> trials.speakers, trials.n_target, trials.n_nontarget
    (('ann', 'bob'), 2, 2)
    """

    scores: NDArray[np.float64]
    is_target: NDArray[np.bool_]
    model_speakers: NDArray[Any]
    test_speakers: NDArray[Any]
    measures: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    conditions: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    n_versions: int = 1
    watched: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        whole_number("n_versions", self.n_versions)
        scores = _finite(self.scores, "scores")
        arrays: dict[str, Any] = {
            "scores": scores,
            "is_target": _labels(self.is_target),
            "model_speakers": _names(self.model_speakers),
            "test_speakers": _names(self.test_speakers),
        }
        measures = {
            name: _finite(values, f"measure {name!r}") for name, values in self.measures.items()
        }
        watched = {
            name: _finite(values, f"measure {name!r}") for name, values in self.watched.items()
        }
        conditions = {name: _names(values) for name, values in self.conditions.items()}
        for name, array in {**arrays, **measures, **watched, **conditions}.items():
            if array.shape != scores.shape:
                raise refused(f"{name} of calibration trials", f"{len(scores)} values", len(array))
            array.flags.writeable = False
        mappings = {"measures": measures, "watched": watched, "conditions": conditions}
        for name, value in {**arrays, **mappings}.items():
            object.__setattr__(self, name, value)
        self._check_kinds()

    def _check_kinds(self) -> None:
        """Raise an error if a kind of trial is missing, or labels contradict speakers or scores."""
        for kind, count in (("target", self.n_target), ("nontarget", self.n_nontarget)):
            if not count:
                raise InvalidInputError(
                    f"calibration trials: none of the {len(self)} is a {kind} trial; a calibration "
                    "needs trials of both kinds"
                )
        same = self.model_index == self.test_index
        if (wrong := same != self.is_target).any():
            row = int(np.argmax(wrong))
            labels = ("nontarget", "one speaker"), ("target", "different speakers")
            named, found = labels[int(self.is_target[row])]
            raise InvalidInputError(
                f"calibration trials: row {row} is labelled {named}, but its model and its test "
                f"are of {found} ({self.model_speakers[row]!r}, {self.test_speakers[row]!r})"
            )
        if self.scores.min() == self.scores.max():
            raise InvalidInputError(
                f"calibration trials: all {len(self)} scores are {self.scores[0]:g}; scores that "
                "are tied support no likelihood ratio"
            )

    def __len__(self) -> int:
        """Return the number of trials."""
        return len(self.scores)

    @classmethod
    def of(
        cls,
        scores: Scores,
        measures: Mapping[str, ArrayLike] | None = None,
        conditions: Mapping[str, ArrayLike] | None = None,
        *,
        n_versions: int = 1,
        watched: Mapping[str, ArrayLike] | None = None,
    ) -> Self:
        """Return the trials of a list of scores, whose speakers the target trials tell apart.

        Parameters
        ----------
        scores : Scores
            Labelled trials. Models and recordings that target trials connect are of one speaker,
            who is named after the first of the models.
        measures, conditions : mapping of str to array, shape (N,), optional
        n_versions : int, default=1
        watched : mapping of str to array, shape (N,), optional
            As for the class.

        Raises
        ------
        InvalidInputError
            As the class does, or if a trial is not labelled.
        """
        clusters = speaker_clusters(scores)
        if unknown := int((~(scores.is_target | scores.is_nontarget)).sum()):
            raise InvalidInputError(
                f"scores: {unknown} of {len(scores)} trials have no label; a calibration needs "
                "target or nontarget for every trial"
            )
        names = np.empty(clusters.n_speakers, dtype=object)
        # Later assignments win: the first model of a speaker, a recording only without a model.
        for places, known in (
            (clusters.paths, scores.path_names),
            (clusters.models, scores.model_names),
        ):
            names[places[::-1]] = np.array(known, dtype=object)[::-1]
        return cls(
            scores.scores,
            scores.is_target,
            names[clusters.models[scores.model_index]],
            names[clusters.paths[scores.path_index]],
            dict(measures or {}),  # type: ignore[arg-type] # the class converts them
            dict(conditions or {}),  # type: ignore[arg-type] # the class converts them
            n_versions,
            dict(watched or {}),  # type: ignore[arg-type] # the class converts them
        )

    @property
    def n_target(self) -> int:
        """Number of target trials."""
        return int(np.count_nonzero(self.is_target))

    @property
    def n_nontarget(self) -> int:
        """Number of nontarget trials."""
        return len(self) - self.n_target

    @cached_property
    def _numbered(self) -> tuple[tuple[str, ...], NDArray[np.int32], NDArray[np.int32]]:
        names = sorted({*self.model_speakers.tolist(), *self.test_speakers.tolist()})
        place = {name: number for number, name in enumerate(names)}
        models, tests = (
            np.fromiter(map(place.__getitem__, values), np.int32, len(self))
            for values in (self.model_speakers, self.test_speakers)
        )
        return tuple(names), models, tests

    @property
    def speakers(self) -> tuple[str, ...]:
        """Names of all speakers, sorted."""
        return self._numbered[0]

    @property
    def model_index(self) -> NDArray[np.int32]:
        """Place of the speaker of the model of each trial in `speakers`, shape (N,)."""
        return self._numbered[1]

    @property
    def test_index(self) -> NDArray[np.int32]:
        """Place of the speaker of the test recording of each trial in `speakers`, shape (N,)."""
        return self._numbered[2]


def _finite(values: ArrayLike, what: str) -> NDArray[np.float64]:
    """Return finite numbers as a new flat array."""
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{what}: must be numbers") from None
    if array.ndim != 1 or not len(array):
        raise InvalidInputError(f"{what}: must be a flat array, found shape {array.shape}")
    if (bad := ~np.isfinite(array)).any():
        row = int(np.argmax(bad))
        raise InvalidInputError(
            f"{what}: row {row} is {array[row]}; a calibration needs finite numbers "
            f"({int(bad.sum())} of {len(array)} are not)"
        )
    return array


def _labels(values: ArrayLike) -> NDArray[np.bool_]:
    """Return labels as a new array of booleans; numbers other than 0 and 1 are refused."""
    array = np.array(values)
    if array.ndim != 1 or not (
        array.dtype == bool or (array.dtype.kind in "iuf" and np.isin(array, (0, 1)).all())
    ):
        raise InvalidInputError(
            "is_target: must be a flat array of True (target) and False (nontarget)"
        )
    return array.astype(bool)


def _names(values: Any) -> NDArray[Any]:
    """Return names as an array of objects in which equal names are one object."""
    if isinstance(values, str):
        raise InvalidInputError(f"calibration trials: found the name {values!r} in place of many")
    shared: dict[str, str] = {}
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    return np.array([shared.setdefault(str(name), str(name)) for name in listed], dtype=object)
