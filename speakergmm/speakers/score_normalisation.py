"""Normalisation of scores by those of a cohort: Z-, T-, ZT-, S-norm and adaptive S-norm.

A *cohort* is a set of speakers who are none of a trial's. Scores are matrices of models by tests: M
models and N tests of the trials, C cohort models and E cohort tests. A single trial has the shape
(1, 1), and a list of trials is read off the matrix of its models and tests.

Each function here subtracts a mean of cohort scores and divides by their standard deviation, that
of a sample (``n - 1``), so that a threshold means the same for each model (Z-norm), for each test
(T-norm) or for both.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.ranges import whole_number
from speakergmm.speakers.speaker_options import DEFAULT_COHORT_TOP

Matrix = NDArray[np.float64]


class CohortMoments(NamedTuple):
    """Means and standard deviations of the cohort scores of several models or tests.

    Attributes
    ----------
    mean, deviation : array, shape (R,)
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def cohort_moments(
    scores: ArrayLike, *, top: int | None = None, what: str = "row"
) -> CohortMoments:
    """Compute mean and standard deviation of each row of cohort scores.

    Parameters
    ----------
    scores : array_like of float, shape (R, C)
        Scores of R models or tests, against C members of the cohort each.
    top : int, optional
        Number of the highest scores of each row that are used, if there are as many; by default
        all.
    what : str, default="row"
        What a row is, for messages.

    Returns
    -------
    CohortMoments

    Raises
    ------
    InsufficientDataError
        If there are fewer than two members, or the scores of a row are all equal.
    InvalidInputError
        If the scores are not a finite matrix, or `top` is less than 2.
    """
    found = checked_scores(scores, "cohort scores")
    if top is not None and whole_number("top", top, least=2) < found.shape[1]:
        found = np.partition(found, found.shape[1] - top, axis=1)[:, -top:]
    if found.shape[1] < 2:
        raise InsufficientDataError(
            f"score normalisation needs at least 2 cohort scores per {what}, found {found.shape[1]}"
        )
    return CohortMoments(found.mean(axis=1), _deviations(found, what))


def z_norm(scores: ArrayLike, cohort_tests: ArrayLike) -> Matrix:
    """Normalise scores by those of cohort recordings against each model (Z-norm).

    Parameters
    ----------
    scores : array_like of float, shape (M, N)
        Scores of M models on N tests.
    cohort_tests : array_like of float, shape (M, E)
        Scores of the same models on the recordings of the cohort.

    Returns
    -------
    array, shape (M, N)

    Raises
    ------
    InsufficientDataError, InvalidInputError
        As for `cohort_moments`, or if the shapes do not agree.

    References
    ----------
    .. [1] Li and Porter, "Normalizations and selection of speech segments for speaker recognition
       scoring", ICASSP 1988.

    Examples
    --------
    >>> z_norm([[3.0, 1.0]], [[0.0, 1.0, 2.0]])
    array([[2., 0.]])
    """
    trials, cohort = _of_trials(scores, cohort_tests, "cohort_tests", axis=0)
    mean, deviation = cohort_moments(cohort, what="model")
    normalised: Matrix = (trials - mean[:, None]) / deviation[:, None]
    return normalised


def t_norm(scores: ArrayLike, cohort_models: ArrayLike, *, top: int | None = None) -> Matrix:
    """Normalise scores by those of cohort models on each test (T-norm).

    Parameters
    ----------
    scores : array_like of float, shape (M, N)
        Scores of M models on N tests.
    cohort_models : array_like of float, shape (C, N)
        Scores of the models of the cohort on the same tests.
    top : int, optional
        Number of the highest cohort scores of each test that are used; by default (and if there
        are no more) all.

    Returns
    -------
    array, shape (M, N)

    Raises
    ------
    InsufficientDataError, InvalidInputError
        As for `cohort_moments`, or if the shapes do not agree.

    References
    ----------
    .. [1] Auckenthaler, Carey, Lloyd-Thomas, "Score normalization for text-independent speaker
       verification systems", Digital Signal Processing 10 (2000) 42-54.

    Examples
    --------
    >>> t_norm([[3.0], [1.0]], [[0.0], [1.0], [2.0]]).ravel()
    array([2., 0.])
    """
    trials, cohort = _of_trials(scores, cohort_models, "cohort_models", axis=1)
    mean, deviation = cohort_moments(cohort.T, top=top, what="test")
    normalised: Matrix = (trials - mean) / deviation
    return normalised


def zt_norm(
    scores: ArrayLike,
    cohort_tests: ArrayLike,
    cohort_models: ArrayLike,
    cohort_cross: ArrayLike,
    *,
    same_speaker: ArrayLike | None = None,
    top: int | None = None,
) -> Matrix:
    """Apply Z-norm to scores and to those of the cohort models, then T-norm (ZT-norm).

    Parameters
    ----------
    scores, cohort_tests, cohort_models, top
        As for `z_norm` and `t_norm`.
    cohort_cross : array_like of float, shape (C, E)
        Scores of the models of the cohort on its recordings.
    same_speaker : array_like of bool, shape (C, E), optional
        Where model and recording of the cohort are of one person: these are left out. By default
        there are none.

    Returns
    -------
    array, shape (M, N)

    Raises
    ------
    InsufficientDataError, InvalidInputError
        As for `cohort_moments`, or if the shapes do not agree.

    References
    ----------
    .. [1] Auckenthaler, Carey, Lloyd-Thomas, "Score normalization for text-independent speaker
       verification systems", Digital Signal Processing 10 (2000) 42-54.
    """
    models, cross = _of_trials(cohort_models, cohort_cross, "cohort_cross", axis=0)
    same = np.zeros(cross.shape, bool) if same_speaker is None else np.asarray(same_speaker)
    if same.shape != cross.shape or same.dtype != np.bool_:
        raise InvalidInputError(
            f"same_speaker must be booleans of shape {cross.shape}, found {same.dtype} of shape "
            f"{same.shape}"
        )
    normalised = [
        z_norm(model[None], others[None, ~left_out])[0]
        for model, others, left_out in zip(models, cross, same, strict=True)
    ]
    cohort = np.reshape(normalised, models.shape)
    return t_norm(z_norm(scores, cohort_tests), cohort, top=top)


def s_norm(scores: ArrayLike, cohort_tests: ArrayLike, cohort_models: ArrayLike) -> Matrix:
    """Average Z-norm and T-norm (symmetric normalisation, S-norm).

    Parameters
    ----------
    scores, cohort_tests, cohort_models
        As for `z_norm` and `t_norm`.

    Returns
    -------
    array, shape (M, N)

    Raises
    ------
    InsufficientDataError, InvalidInputError
        As for `cohort_moments`, or if the shapes do not agree.

    References
    ----------
    .. [1] Kenny, "Bayesian speaker verification with heavy-tailed priors", Odyssey 2010.
    """
    return 0.5 * (z_norm(scores, cohort_tests) + t_norm(scores, cohort_models))


def adaptive_s_norm(
    scores: ArrayLike,
    cohort_tests: ArrayLike,
    cohort_models: ArrayLike,
    *,
    top: int = DEFAULT_COHORT_TOP,
) -> Matrix:
    """Average Z-norm and T-norm, each over cohort members near the other side of the trial.

    For a model and a test, the mean and deviation of the model's scores are those of the `top`
    members whose models score highest on the test, and those of the test's scores of the `top`
    members on whose recordings the model scores highest (the second form of adaptive S-norm
    in [1]_).

    Parameters
    ----------
    scores : array_like of float, shape (M, N)
        Scores of M models on N tests.
    cohort_tests : array_like of float, shape (M, C)
        Scores of the same models on one recording of each of C members of the cohort.
    cohort_models : array_like of float, shape (C, N)
        Scores of the models of the same members, in the same order, on the tests.
    top : int, default=40
        Number of members that are chosen, if there are as many. Equal scores are in the order of
        the cohort.

    Returns
    -------
    array, shape (M, N)

    Raises
    ------
    InsufficientDataError, InvalidInputError
        As for `cohort_moments`, or if the shapes do not agree.

    References
    ----------
    .. [1] Matějka, Novotný, Plchot, Burget, Diez Sánchez, Černocký, "Analysis of score
       normalization in multilingual speaker recognition", Interspeech 2017.
    """
    whole_number("top", top, least=2)
    trials, tests = _of_trials(scores, cohort_tests, "cohort_tests", axis=0)
    _, models = _of_trials(scores, cohort_models, "cohort_models", axis=1)
    if tests.shape[1] != len(models):
        raise InvalidInputError(
            f"adaptive S-norm needs one recording and one model of each member of the cohort, "
            f"found {tests.shape[1]} recordings and {len(models)} models"
        )
    near_model = np.argsort(-tests, axis=1, kind="stable")[:, :top]
    near_test = np.argsort(-models, axis=0, kind="stable")[:top].T
    normalised = np.empty_like(trials)
    for test, chosen in enumerate(near_test):
        mean, deviation = cohort_moments(tests[:, chosen], what="model")
        normalised[:, test] = (trials[:, test] - mean) / deviation
    for model, chosen in enumerate(near_model):
        mean, deviation = cohort_moments(models[chosen].T, what="test")
        normalised[model] += (trials[model] - mean) / deviation
    halves: Matrix = 0.5 * normalised
    return halves


def checked_scores(scores: ArrayLike, what: str) -> Matrix:
    """Return scores as a matrix of float64.

    Raises
    ------
    InvalidInputError
        If they are not a matrix of finite numbers; the message calls them `what`.
    """
    try:
        found = np.asarray(scores, dtype=np.float64)
    except (TypeError, ValueError):
        raise InvalidInputError(f"{what} must be a matrix of numbers") from None
    if found.ndim != 2:
        raise InvalidInputError(f"{what} must be a matrix, found shape {found.shape}")
    if not np.isfinite(found).all():
        row, column = np.argwhere(~np.isfinite(found))[0].tolist()
        raise InvalidInputError(
            f"{what} must be finite, found {found[row, column]} at row {row}, column {column}"
        )
    return found


def _of_trials(
    scores: ArrayLike, cohort: ArrayLike, name: str, *, axis: int
) -> tuple[Matrix, Matrix]:
    """Return scores and cohort scores, which must agree in the length of an axis."""
    trials, others = checked_scores(scores, "scores"), checked_scores(cohort, name)
    if trials.shape[axis] != others.shape[axis]:
        axes = ("rows, one for each model", "columns, one for each test")
        raise InvalidInputError(
            f"{name} must have {trials.shape[axis]} {axes[axis]}, found {others.shape[axis]}"
        )
    return trials, others


def _deviations(scores: Matrix, what: str) -> NDArray[np.float64]:
    """Return the standard deviation of each row; an error if all scores of one are equal."""
    deviations: NDArray[np.float64] = scores.std(axis=1, ddof=1)
    rounding = 8 * np.finfo(np.float64).eps * np.abs(scores).max(axis=1, initial=0.0)
    if (equal := np.flatnonzero(deviations <= rounding)).size:
        raise InsufficientDataError(
            f"the {scores.shape[1]} cohort scores of {what} {equal[0]} are all equal "
            f"({scores[equal[0], 0]:g}): they have no deviation to divide by"
        )
    return deviations
