"""The evidence of a calibration: cross-validated ratios of its trials, with their speakers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isnan
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import DecidedTrials, GroupColumn
from speakergmm.ranges import choice
from speakergmm.speakers.calibration.calibration_trials import CalibrationTrials

# Trials of either kind that are kept; of more, some stand for others.
_MOST_TRIALS = 50_000


@dataclass(frozen=True, slots=True, eq=False)
class CalibrationEvidence:
    """Log-likelihood ratios of trials whose speakers the calibration that made them never saw.

    Parameters
    ----------
    llrs : array, shape (N,)
        Natural logarithms, not bounded.
    is_target : array of bool, shape (N,)
        Kind of each trial.
    models, tests : array of int, shape (N,)
        Place in `speakers` of the speakers of model and test recording.
    counts : array, shape (N,)
        Number of trials that each stands for, at least 1.
    speakers : tuple of str
        Names of the speakers.
    columns : tuple of GroupColumn
        Further columns of the trial list that tell groups apart, by which errors are counted.
    n_versions : int
        Number of versions of each test recording among the trials.
    """

    llrs: Annotated[NDArray[np.float64], "N"]
    is_target: Annotated[NDArray[np.bool_], "N"]
    models: Annotated[NDArray[np.int32], "N"]
    tests: Annotated[NDArray[np.int32], "N"]
    counts: Annotated[NDArray[np.float64], "N"]
    speakers: tuple[str, ...]
    columns: tuple[GroupColumn, ...] = ()
    n_versions: int = 1

    def __post_init__(self) -> None:
        if not (np.isfinite(self.llrs).all() and (self.counts >= 1).all()):
            raise InvalidInputError("evidence must have finite ratios and counts of at least 1")
        if not 0 < np.count_nonzero(self.is_target) < len(self.llrs):
            raise InvalidInputError("evidence must have target and nontarget trials")
        for name in ("models", "tests"):
            _check_places(name, getattr(self, name), len(self.speakers))
        if any(len(column.places) != len(self.llrs) for column in self.columns):
            raise InvalidInputError("evidence must have a group for each trial in every column")

    @classmethod
    def of(
        cls,
        trials: CalibrationTrials,
        llrs: NDArray[np.float64],
        *,
        seed: int = 0,
        most: int = _MOST_TRIALS,
    ) -> Self:
        """Return the evidence of trials, thinned if there are more than `most` of a kind.

        Notes
        -----
        Of too many trials of a kind, the half of `most` whose ratios mislead most are all kept,
        since errors are rare and count; of the others a random part is kept, each of which stands
        for several.
        """
        columns = [GroupColumn.of(*each) for each in sorted(trials.conditions.items())]
        whole = cls(
            llrs,
            trials.is_target,
            trials.model_index,
            trials.test_index,
            np.ones(len(llrs)),
            trials.speakers,
            tuple(column for column in columns if column.tells_groups),
            trials.n_versions,
        )
        return whole.thinned(most, seed=seed)

    def thinned(self, most: int, *, seed: int = 0) -> Self:
        """Return the evidence with at most `most` trials of a kind; see `of`."""
        rng = np.random.default_rng(seed)
        counts = self.counts.copy()
        for target in (True, False):
            rows = np.flatnonzero(self.is_target == target)
            if len(rows) > most:
                rest = rows[np.argsort(self.llrs[rows] * (1 if target else -1), kind="stable")]
                rest = rest[most // 2 :]
                kept = rng.choice(rest, size=most - most // 2, replace=False)
                counts[rest] = 0.0
                scale = self.counts[rest].sum() / self.counts[kept].sum()
                counts[kept] = self.counts[kept] * scale
        kept = np.flatnonzero(counts)
        return replace(
            self,
            llrs=self.llrs[kept],
            is_target=self.is_target[kept],
            models=self.models[kept],
            tests=self.tests[kept],
            counts=counts[kept],
            columns=tuple(replace(each, places=each.places[kept]) for each in self.columns),
        )

    @property
    def target(self) -> NDArray[np.float64]:
        """Ratios of the target trials."""
        return self.llrs[self.is_target]

    @property
    def nontarget(self) -> NDArray[np.float64]:
        """Ratios of the nontarget trials."""
        return self.llrs[~self.is_target]

    def groups(self, name: str) -> Mapping[str, NDArray[np.bool_]]:
        """Return the trials of each group of a column, as a mask of shape (N,).

        Raises
        ------
        InvalidInputError
            If there is no such column.
        """
        known = {column.name: column for column in self.columns}
        if not known:
            raise InvalidInputError(f"column {name!r}: the calibration trials had no columns")
        column = known[choice("column", name, known)]
        return dict(column.masks())

    def decided(self, threshold: float) -> DecidedTrials:
        """Return the trials as a threshold decides them.

        Raises
        ------
        InvalidInputError
            If the threshold is NaN.
        """
        if isnan(threshold):
            raise InvalidInputError("threshold must be a number, found nan")
        wrong = np.where(self.is_target, self.llrs < threshold, self.llrs >= threshold)
        return DecidedTrials(
            wrong, self.is_target, self.models, self.tests, self.counts, self.n_versions
        )


def _check_places(name: str, places: NDArray[np.int32], length: int) -> None:
    if len(places) and not (places.min() >= 0 and places.max() < length):
        raise InvalidInputError(f"{name} must be in 0..{length - 1}")
