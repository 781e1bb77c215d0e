"""The trials on which a system errs most: recordings to listen to."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.metrics import Scores


@dataclass(frozen=True, slots=True)
class TrialError:
    """A trial that was decided wrongly.

    Attributes
    ----------
    model, path : str
        The model, and the recording as the list of trials names it.
    score : float
        Score of the trial.
    conditions : mapping of str to str
        Further columns of the trial, by name.
    """

    model: str
    path: str
    score: float
    conditions: Mapping[str, str]


def worst_false_alarms(
    scores: Scores, *, threshold: float, n_trials: int = 20
) -> tuple[TrialError, ...]:
    """Return the nontarget trials with the highest scores among those that are accepted.

    Parameters
    ----------
    scores : Scores
        Labelled trials.
    threshold : float
        Trials with ``score >= threshold`` are accepted.
    n_trials : int, default=20
        Largest number of entries.

    Returns
    -------
    tuple of TrialError
        By falling score; equal scores in the order of the trials.
    """
    wrong = np.flatnonzero(scores.is_nontarget & (scores.scores >= threshold))
    return _first(scores, wrong, -scores.scores[wrong], n_trials)


def worst_misses(scores: Scores, *, threshold: float, n_trials: int = 20) -> tuple[TrialError, ...]:
    """Return the target trials with the lowest scores among those that are rejected.

    Parameters
    ----------
    scores, threshold, n_trials
        As for `worst_false_alarms`.

    Returns
    -------
    tuple of TrialError
        By rising score; equal scores in the order of the trials.
    """
    wrong = np.flatnonzero(scores.is_target & (scores.scores < threshold))
    return _first(scores, wrong, scores.scores[wrong], n_trials)


def _first(
    scores: Scores, rows: NDArray[np.int64], order: NDArray[np.float64], n_trials: int
) -> tuple[TrialError, ...]:
    chosen = rows[np.argsort(order, kind="stable")[:n_trials]].tolist()
    return tuple(
        TrialError(
            scores.models[row],
            scores.paths[row],
            float(scores.scores[row]),
            {name: str(values[row]) for name, values in scores.conditions.items()},
        )
        for row in chosen
    )
