"""Closed-set identification: the rank of the true speaker's model among all models.

The rank of the true model is 1 plus the number of other models that score as high or higher. Ties
count against the system: one that gives all models the same score identifies nobody.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.metrics.scores import Scores, as_scores, check_scores
from speakergmm.ranges import refused, whole_number


@dataclass(frozen=True, slots=True)
class SpeakerConfusion:
    """The number of tests of one speaker that were identified as another.

    Attributes
    ----------
    true, chosen : str
        The true speaker's model, and the wrong model that had the best score.
    count : int
        Number of tests of ``true`` that were identified as ``chosen``.
    n_tests : int
        Number of all tests of ``true``.
    """

    true: str
    chosen: str
    count: int
    n_tests: int


@dataclass(frozen=True, slots=True, eq=False)
class ClosedSetIdentification:
    """The identification of every test recording among a set of models.

    Attributes
    ----------
    model_names : tuple of str
        Names of the models.
    ranks : array of int, shape (P,)
        Rank of the true model in each test, 1 for the best; ties count against the system.
    true, chosen : array of int, shape (P,)
        Places in ``model_names`` of the true model and of the model with the best score (in a tie,
        of the first wrong one).
    path_index : array of int, shape (P,)
        Test recording of each entry: its place in ``Scores.path_names``, or its row of the matrix.
    n_candidates : tuple of int
        Smallest and largest number of models that a test was compared with.
    n_skipped : int
        Number of recordings left out because they have no target or no nontarget trial.
    """

    model_names: tuple[str, ...]
    ranks: NDArray[np.int64]
    true: NDArray[np.int64]
    chosen: NDArray[np.int64]
    path_index: NDArray[np.int64] = field(repr=False)
    n_candidates: tuple[int, int]
    n_skipped: int = 0

    @property
    def n_tests(self) -> int:
        """Number of tests."""
        return len(self.ranks)

    def accuracy(self, *, top_k: int = 1) -> float:
        """Return the fraction of tests whose true model is among the best ``top_k``.

        Parameters
        ----------
        top_k : int, default=1
            At least 1.

        Returns
        -------
        float
            Between 0 and 1.

        Raises
        ------
        InvalidInputError
            If ``top_k < 1``.
        """
        whole_number("top_k", top_k)
        return float(np.mean(self.ranks <= top_k))

    def confusion_matrix(self) -> NDArray[np.int64]:
        """Count tests by true model (rows) and chosen model (columns).

        Returns
        -------
        array of int, shape (M, M)
            Row and column m stand for ``model_names[m]``.
        """
        size = len(self.model_names)
        flat = np.bincount(self.true * size + self.chosen, minlength=size * size)
        return flat.reshape(size, size)

    def confusions(self) -> tuple[SpeakerConfusion, ...]:
        """List the confusions of speakers, the most frequent first, then by name.

        Returns
        -------
        tuple of SpeakerConfusion
            Empty if every test was identified correctly.
        """
        names, wrong = self.model_names, self.true != self.chosen
        counts = Counter(zip(self.true[wrong].tolist(), self.chosen[wrong].tolist(), strict=True))
        tests = np.bincount(self.true, minlength=len(names)).tolist()
        found = (
            SpeakerConfusion(names[true], names[chosen], count, tests[true])
            for (true, chosen), count in counts.items()
        )
        return tuple(sorted(found, key=lambda each: (-each.count, each.true, each.chosen)))


def identification_accuracy(scores: ArrayLike, true_index: ArrayLike, *, top_k: int = 1) -> float:
    """Measure closed-set identification from a matrix of scores.

    Parameters
    ----------
    scores : array_like of float, shape (N, M)
        Score of each of N tests with each of M models.
    true_index : array_like of int, shape (N,)
        Column of the true speaker's model in each test.
    top_k : int, default=1
        Number of best models among which the true one must be.

    Returns
    -------
    float
        Fraction of tests in which fewer than ``top_k`` other models score as high as the true model
        or higher.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a score is NaN, an index is out of range, or ``top_k < 1``.

    Examples
    --------
    >>> identification_accuracy([[2.0, 1.0], [0.5, 0.5]], [0, 1])
    0.5
    >>> identification_accuracy([[2.0, 1.0], [0.5, 0.5]], [0, 1], top_k=2)
    1.0
    """
    return identification_from_matrix(scores, true_index).accuracy(top_k=top_k)


def identification_from_matrix(
    scores: ArrayLike, true_index: ArrayLike, *, model_names: tuple[str, ...] | None = None
) -> ClosedSetIdentification:
    """Identify every row of a matrix of scores.

    Parameters
    ----------
    scores : array_like of float, shape (N, M)
        Score of each of N tests with each of M models.
    true_index : array_like of int, shape (N,)
        Column of the true speaker's model in each test.
    model_names : tuple of str, optional
        Names of the columns; ``"0"``, ``"1"``, ... by default.

    Returns
    -------
    ClosedSetIdentification
        Ranks, choices and confusions.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a score is NaN, or an index is out of range.
    """
    matrix = as_scores(scores, "scores", axes=("row", "column"))
    n_tests, n_models = matrix.shape
    if not matrix.size:
        raise InvalidInputError(
            f"scores: must contain a test and a model, found shape {matrix.shape}"
        )
    try:
        true = np.asarray(true_index)
    except ValueError:
        raise refused("true_index", "whole numbers, one per test", true_index) from None
    if true.shape != (n_tests,) or true.dtype.kind not in "iu":
        raise InvalidInputError(
            f"true_index: must contain {n_tests} whole numbers, one per test, "
            f"found {true.dtype} of shape {true.shape}"
        )
    outside = (true < 0) | (true >= n_models)
    if outside.any():
        row = int(np.argmax(outside))
        raise InvalidInputError(
            f"true_index: row {row} is {true[row]}; must be a column of the {n_models} models"
        )
    names = tuple(map(str, range(n_models))) if model_names is None else tuple(model_names)
    if len(names) != n_models:
        raise InvalidInputError(f"model_names: {len(names)} names for {n_models} models")
    true = true.astype(np.int64)
    rows = np.arange(n_tests)
    # The rank counts the models, the true one included, that score as high as the true one.
    own = matrix[rows, true]
    ranks = np.sum(matrix >= own[:, None], axis=1)
    # The best of the other models is chosen unless the true model has rank 1.
    matrix[rows, true] = -np.inf
    chosen = np.argmax(matrix, axis=1)
    # If every other score is -inf, argmax may have found the true column itself.
    hit = (chosen == true) & (n_models > 1)
    chosen[hit] = np.where(true[hit] == 0, 1, 0)
    return ClosedSetIdentification(
        model_names=names,
        ranks=ranks,
        true=true,
        chosen=np.where(ranks == 1, true, chosen),
        path_index=rows,
        n_candidates=(n_models, n_models),
    )


def identification_from_trials(scores: Scores) -> ClosedSetIdentification | None:
    """Identify every test recording among the models of its trials.

    Parameters
    ----------
    scores : Scores
        Labelled trials. A recording is identified if it has a target trial and a nontarget trial;
        if it has several target trials (several models of its speaker), the best of them counts.
        A trial that is listed twice counts once.

    Returns
    -------
    ClosedSetIdentification or None
        None if no recording can be identified.

    Raises
    ------
    InvalidInputError
        If a trial is listed twice with different scores or labels.
    """
    check_scores(scores, "identification_from_trials")
    n_paths = len(scores.path_names)
    rows = _distinct_rows(scores)
    path, model = scores.path_index[rows], scores.model_index[rows]
    value, target = scores.scores[rows], scores.is_target[rows]
    nontarget = scores.is_nontarget[rows]

    # Recordings with a target and a nontarget trial are identified.
    n_true = np.bincount(path[target], minlength=n_paths)
    n_other = np.bincount(path[nontarget], minlength=n_paths)
    takes_part = (n_true > 0) & (n_other > 0)
    if not takes_part.any():
        return None
    own_score, own_model = _best_per_path(path, model, value, target, n_paths)
    _, other_model = _best_per_path(path, model, value, nontarget, n_paths)
    # The rank of the true model counts the nontarget trials that score as high.
    as_high = nontarget & (value >= own_score[path])
    ranks = 1 + np.bincount(path[as_high], minlength=n_paths)
    chosen = np.where(ranks == 1, own_model, other_model)
    candidates = (n_true + n_other)[takes_part]
    return ClosedSetIdentification(
        model_names=scores.model_names,
        ranks=ranks[takes_part],
        true=own_model[takes_part],
        chosen=chosen[takes_part],
        path_index=np.flatnonzero(takes_part),
        n_candidates=(int(candidates.min()), int(candidates.max())),
        n_skipped=int(n_paths - takes_part.sum()),
    )


def _distinct_rows(scores: Scores) -> NDArray[np.int64]:
    """Return one row per pair of recording and model; refuse rows that contradict each other."""
    pairs = scores.pair_index
    # Pairs are sorted by recording, then by model.
    _, first, place = np.unique(pairs, return_index=True, return_inverse=True)
    if len(first) < len(pairs):
        same = first[place]
        differs = scores.scores != scores.scores[same]
        differs |= scores.is_target != scores.is_target[same]
        if differs.any():
            row = int(np.argmax(differs))
            raise InvalidInputError(
                f"scores: model {scores.models[row]!r} and path {scores.paths[row]!r} are listed "
                f"twice (rows {same[row]} and {row}) with different scores or labels"
            )
    return np.asarray(first, dtype=np.int64)


def _best_per_path(
    path: NDArray[np.int32],
    model: NDArray[np.int32],
    value: NDArray[np.float64],
    among: NDArray[np.bool_],
    n_paths: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Find the highest score of each path among some rows, and its model; ties go by name."""
    rows = np.flatnonzero(among)
    # The sort is stable, and the rows of a path are sorted by model.
    rows = rows[np.lexsort((-value[rows], path[rows]))]
    paths, first = np.unique(path[rows], return_index=True)
    score = np.full(n_paths, -np.inf)
    best = np.zeros(n_paths, dtype=np.int64)
    score[paths], best[paths] = value[rows[first]], model[rows[first]]
    return score, best
