"""Cohorts: the speakers by whose scores those of trials are normalised."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.corpora import comparison_key, quoted
from speakergmm.errors import InvalidInputError
from speakergmm.speakers.score_normalisation import (
    Matrix,
    adaptive_s_norm,
    checked_scores,
    s_norm,
    t_norm,
    z_norm,
    zt_norm,
)
from speakergmm.speakers.speaker_options import DEFAULT_COHORT_TOP, NormalisationOptions
from speakergmm.text_files import and_more

# Number of speakers that a message names.
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True, eq=False)
class CohortScores:
    """The scores of a cohort that the normalisations of a set of trials need.

    Parameters
    ----------
    tests : array, shape (M, E), optional
        Scores of the models of the trials on the recordings of the cohort (Z, ZT, S).
    models : array, shape (C, N), optional
        Scores of the models of the cohort on the tests (T, ZT, S).
    cross : array, shape (C, E), optional
        Scores of the models of the cohort on its recordings (ZT).
    same_speaker : array of bool, shape (C, E), optional
        Where these two are of one person (ZT).
    """

    tests: NDArray[np.floating[Any]] | None = None
    models: NDArray[np.floating[Any]] | None = None
    cross: NDArray[np.floating[Any]] | None = None
    same_speaker: NDArray[np.bool_] | None = None

    def of(self, name: str) -> NDArray[np.floating[Any]]:
        """Return the scores of one of these names.

        Raises
        ------
        InvalidInputError
            If there are none.
        """
        scores: NDArray[np.floating[Any]] | None = getattr(self, name)
        if scores is None:
            raise InvalidInputError(f"this normalisation needs CohortScores({name}=...)")
        return scores


def normalise_scores(
    scores: ArrayLike,
    cohort: CohortScores,
    options: NormalisationOptions | None = None,
    **changes: Any,
) -> Matrix:
    """Normalise scores as options ask for it.

    Parameters
    ----------
    scores : array_like of float, shape (M, N)
        Scores of M models on N tests.
    cohort : CohortScores
        The scores that this normalisation needs; further ones are not looked at.
    options : NormalisationOptions, optional
    **changes
        Fields of `NormalisationOptions`, in place of those of `options`.

    Returns
    -------
    array, shape (M, N)

    Raises
    ------
    InsufficientDataError, InvalidInputError
        As for `cohort_moments`, or if scores of the cohort are missing.
    """
    options = NormalisationOptions.of(options, changes)
    kind, top = options.normalisation, options.cohort_top
    if kind == "none":
        return checked_scores(scores, "scores")
    if kind == "z":
        return z_norm(scores, cohort.of("tests"))
    if kind == "t":
        return t_norm(scores, cohort.of("models"), top=top)
    sides = cohort.of("tests"), cohort.of("models")
    if kind == "zt":
        same = cohort.same_speaker
        return zt_norm(scores, *sides, cohort.of("cross"), same_speaker=same, top=top)
    if kind == "s":
        return s_norm(scores, *sides)
    return adaptive_s_norm(scores, *sides, top=top or DEFAULT_COHORT_TOP)


def check_cohort(
    cohort_speakers: Iterable[str], speakers: Iterable[str], *, what: str = "cohort"
) -> None:
    """Check that no speaker of a trial is in the cohort.

    Parameters
    ----------
    cohort_speakers : iterable of str
        Names of the speakers of the cohort.
    speakers : iterable of str
        Names of the speakers of the trials, those of models and those of tests. Letter case and
        Unicode normal form are ignored.
    what : str
        Name of the cohort, for messages.

    Raises
    ------
    InvalidInputError
        If a speaker is in both; the message names the first ones.
    """
    known = {comparison_key(name) for name in cohort_speakers}
    shared = sorted({name for name in speakers if comparison_key(name) in known})
    if shared:
        named = ", ".join(map(quoted, shared[:_MOST_NAMED]))
        more = and_more(shared[_MOST_NAMED - 1 :])
        raise InvalidInputError(
            f"the {what} contains speakers of the trials: {named}{more}; leave them out of it"
        )


def normalise_cohort(
    cross: ArrayLike,
    model_speakers: Sequence[str],
    test_speakers: Sequence[str],
    options: NormalisationOptions | None = None,
    **changes: Any,
) -> Matrix:
    """Normalise the trials of a cohort among itself, without the speakers of each trial.

    Parameters
    ----------
    cross : array_like of float, shape (C, E)
        Scores of the models of the cohort on its recordings.
    model_speakers, test_speakers : sequence of str, lengths C and E
        The speaker of each model and of each recording.
    options, **changes
        As for `normalise_scores`.

    Returns
    -------
    array, shape (C, E)
        Each score normalised by the cohort without the speaker of the model and without the
        speaker of the recording.

    Raises
    ------
    InsufficientDataError, InvalidInputError
        As for `normalise_scores`, or if there is not one speaker for each row and column.
    """
    options = NormalisationOptions.of(options, changes)
    scores = checked_scores(cross, "cross")
    if scores.shape != (len(model_speakers), len(test_speakers)):
        raise InvalidInputError(
            f"cross of shape {scores.shape} needs as many speakers of models and recordings, found "
            f"{len(model_speakers)} and {len(test_speakers)}"
        )
    rows, columns = _keys(model_speakers), _keys(test_speakers)
    normalised = np.empty_like(scores)
    others = {name: (rows != name, columns != name) for name in {*rows, *columns}}
    for speaker in np.unique(rows):
        models = np.flatnonzero(rows == speaker)
        for tested in np.unique(columns):
            tests = np.flatnonzero(columns == tested)
            rest = [
                np.flatnonzero(one & two)
                for one, two in zip(others[speaker], others[tested], strict=True)
            ]
            cohort = CohortScores(scores[np.ix_(models, rest[1])], scores[np.ix_(rest[0], tests)])
            if options.normalisation == "zt":
                same = rows[rest[0], None] == columns[rest[1]]
                cohort = replace(cohort, cross=scores[np.ix_(*rest)], same_speaker=same)
            own = np.ix_(models, tests)
            normalised[own] = normalise_scores(scores[own], cohort, options)
    return normalised


def _keys(names: Collection[str]) -> NDArray[np.str_]:
    return np.array([comparison_key(name) for name in names], dtype=np.str_)
