"""The group of trials with the most errors at a threshold, where the trials show that it has."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics.bootstrap import speaker_clusters
from speakergmm.metrics.percentages import percentage
from speakergmm.metrics.scores import Scores
from speakergmm.metrics.trial_groups import NO_VALUE, GroupColumn

ErrorKind = Literal["misses", "false accepts"]

FEWEST_TRIALS = 20
"""Trials of a kind that a group must have: of fewer, one error would be more than 5 %."""

# Probability that a group is named although groups do not differ.
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class WorstGroup:
    """A group of trials that has more errors of a kind than the others.

    Attributes
    ----------
    column, group : str
        Name of the column, and the group in it.
    kind : {"misses", "false accepts"}
        Kind of the errors.
    rate, other_rate : float
        Their rate in the group, and in all other groups of the column together.
    n_trials, n_speakers : int
        Number of trials of the group that can have the error, and of speakers in them.
    """

    column: str
    group: str
    kind: ErrorKind
    rate: float
    other_rate: float
    n_trials: int
    n_speakers: int

    @property
    def name(self) -> str:
        """The group with its column, such as ``"sex = female"``."""
        return f"{self.column} = {self.group}"

    def in_words(self) -> str:
        """Return the rates in words.

        Examples
        --------
        >>> WorstGroup("sex", "f", "false accepts", 0.24, 0.006, 480, 8).in_words()
        '24 % of 480 nontarget trials (others 0.6 %)'
        """
        trials = {"misses": "target trials", "false accepts": "nontarget trials"}[self.kind]
        return (
            f"{percentage(self.rate)} % of {self.n_trials:,} {trials} (others "
            f"{percentage(self.other_rate)} %)"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
        return asdict(self)


@dataclass(frozen=True, slots=True, eq=False)
class DecidedTrials:
    """Trials that a threshold has decided.

    Parameters
    ----------
    wrong, is_target : array of bool, shape (N,)
        Whether the decision is wrong, and the kind of each trial.
    models, tests : array of int, shape (N,)
        Numbers of the speakers of models and test recordings.
    counts : array, shape (N,)
        Number of trials that each stands for.
    n_versions : int, default=1
        Number of versions of each test recording, which are no further recordings.
    """

    wrong: NDArray[np.bool_]
    is_target: NDArray[np.bool_]
    models: NDArray[np.integer[Any]]
    tests: NDArray[np.integer[Any]]
    counts: NDArray[np.float64]
    n_versions: int = 1

    @classmethod
    def of(cls, scores: Scores, threshold: float) -> Self:
        """Return labelled trials as a threshold decides them; speakers as `speaker_clusters`.

        Raises
        ------
        InvalidInputError
            If the threshold is NaN.
        """
        if np.isnan(threshold):
            raise InvalidInputError("threshold must be a number, found nan")
        clusters = speaker_clusters(scores)
        return cls(
            np.where(scores.is_target, scores.scores < threshold, scores.scores >= threshold),
            scores.is_target,
            clusters.models[scores.model_index],
            clusters.paths[scores.path_index],
            np.ones(len(scores)),
        )


def worst_groups(trials: DecidedTrials, columns: Iterable[GroupColumn]) -> tuple[WorstGroup, ...]:
    """Return the groups that have the highest rates of misses and of false accepts.

    Parameters
    ----------
    trials : DecidedTrials
    columns : iterable of GroupColumn
        Columns of the trials.

    Returns
    -------
    tuple of WorstGroup
        At most one for each kind of error: of the groups that have more errors than the others of
        their column, the one with the highest rate. Empty where the trials do not show that any
        group has; trials without a value are no group.

    Notes
    -----
    The difference of the log odds of a group and of all others of its column (half a trial more of
    both outcomes is counted) is divided by its standard deviation: that of the jackknife, which
    leaves out each speaker as model and as test [1]_, or that of independent trials, if it is
    larger. A group is worse if Student's one-sided test says so at 5 % divided by the number of
    groups, with the degrees of freedom of the rarer side: one less than its speakers. Nothing is
    said of groups of fewer than 20 trials of the kind, or that rest on a single speaker.

    References
    ----------
    .. [1] Owen, "The Pigeonhole Bootstrap", Annals of Applied Statistics 1 (2007) 386-411.

    Examples
    --------
    >>> speakers = np.repeat(np.arange(8), 50)
    >>> women = speakers % 2 == 1
    >>> missed = np.where(women, np.arange(400) % 3 == 0, np.arange(400) % 50 == 0)
    >>> trials = DecidedTrials(missed, missed >= 0, speakers, speakers, np.ones(400))
    >>> [found] = worst_groups(trials, [GroupColumn.of("sex", np.where(women, "f", "m"))])
    >>> found.name, found.in_words()
    ('sex = f', '34 % of 200 target trials (others 2 %)')
    """
    listed = tuple(columns)
    found = []
    for kind, target in (("misses", True), ("false accepts", False)):
        rows = np.flatnonzero(trials.is_target == target)
        tested = [each for column in listed for each in _tested(trials, rows, column, kind)]
        worse = [each for each, p_value in tested if p_value < _LEVEL / len(tested)]
        found += sorted(worse, key=lambda each: -each.rate)[:1]
    return tuple(found)


def _tested(
    trials: DecidedTrials, rows: NDArray[np.intp], column: GroupColumn, kind: Any
) -> Iterator[tuple[WorstGroup, float]]:
    """Yield the groups of a column with the probability of as large a difference by accident."""
    from scipy.special import stdtr

    places, n_groups = column.places[rows], len(column.groups)
    n_of, n_without = _sums(trials, rows, places, n_groups, trials.counts[rows])
    wrong = trials.counts[rows] * trials.wrong[rows]
    errors_of, errors_without = _sums(trials, rows, places, n_groups, wrong)
    is_group = np.array([group != NO_VALUE for group in column.groups])
    for place in np.flatnonzero(is_group).tolist():
        others = is_group & (np.arange(n_groups) != place)
        sides = [np.arange(n_groups) == place, others]
        n, errors = ([values[side].sum() for side in sides] for values in (n_of, errors_of))
        n_speakers = [int((n_without[side].sum(0) < n_of[side].sum()).sum()) for side in sides]
        n_trials = [round(each / trials.n_versions) for each in n]
        rests_on_one = any((n_without[side].sum(0) <= 0).any() for side in sides)
        if min(n_trials) < FEWEST_TRIALS or rests_on_one:
            continue
        # Log odds of the group less those of the others: of all trials, and without each speaker.
        difference, variance = _log_odds_difference(errors, n, trials.n_versions)
        without, _ = _log_odds_difference(
            [errors_without[side].sum(0) for side in sides],
            [n_without[side].sum(0) for side in sides],
            trials.n_versions,
        )
        takes_part = n_without.sum(0) < n_of.sum()
        used = without[takes_part]
        jackknife = np.var(used) * (len(used) - 1)
        z = difference / np.sqrt(max(jackknife, variance))
        rate, other = (float(each / total) for each, total in zip(errors, n, strict=True))
        group = column.groups[place]
        yield (
            WorstGroup(column.name, group, kind, rate, other, n_trials[0], n_speakers[0]),
            float(stdtr(min(n_speakers) - 1, -z)),
        )


def _sums(
    trials: DecidedTrials,
    rows: NDArray[np.intp],
    places: NDArray[np.int32],
    n_groups: int,
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the sums of values by group, (G,), and by group without each speaker, (G, S)."""
    models, tests = trials.models[rows], trials.tests[rows]
    n_speakers = 1 + max(int(trials.models.max()), int(trials.tests.max()))
    of_group = np.bincount(places, values, n_groups).astype(np.float64)
    without = np.repeat(of_group[:, None], n_speakers, axis=1)
    # A trial of one speaker is left out once.
    for speakers, left in ((models, values), (tests, values * (models != tests))):
        cells = places.astype(np.int64) * n_speakers + speakers
        without -= np.bincount(cells, left, n_groups * n_speakers).reshape(n_groups, n_speakers)
    return of_group, np.where(without > 1e-9, without, 0.0)


def _log_odds_difference(errors: list[Any], n: list[Any], n_versions: int) -> tuple[Any, Any]:
    """Return the difference of the log odds of two sides, and its variance if all independent."""
    wrong = [each / n_versions + 0.5 for each in errors]
    right = [(total - each) / n_versions + 0.5 for each, total in zip(errors, n, strict=True)]
    log_odds = [np.log(a / b) for a, b in zip(wrong, right, strict=True)]
    return log_odds[0] - log_odds[1], sum(1 / each for each in (*wrong, *right))
