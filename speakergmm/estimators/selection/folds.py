"""Folds of frames, or of groups of frames, for cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import GroupKFold, KFold

from speakergmm.errors import InvalidInputError
from speakergmm.estimators.selection.fits import Indices
from speakergmm.ranges import whole_number


def number_groups(groups: ArrayLike, n_frames: int) -> NDArray[np.intp]:
    """Return the number of the group of each frame, from 0.

    Raises
    ------
    InvalidInputError
        If there is not one group per frame.
    """
    names = np.asarray(groups)
    if names.shape != (n_frames,):
        raise InvalidInputError(
            f"groups must have one entry per frame, shape ({n_frames},), found {names.shape}"
        )
    return np.unique(names, return_inverse=True)[1]


def make_folds(
    frames: NDArray[Any],
    cv: Any,
    *,
    groups: NDArray[np.intp] | None,
    sample_weight: NDArray[np.float64] | None,
    seed: int,
) -> list[tuple[Indices, Indices]]:
    """Return the training and held-out frames of each fold.

    Parameters
    ----------
    frames : array, shape (T, D)
        All frames.
    cv : int, splitter or iterable of (train, test)
        Folds as in `select_n_components`.
    groups : array of int, shape (T,), or None
        Group of each frame, from 0.
    sample_weight : array, shape (T,), or None
        Weight of each frame.
    seed : int
        Seed of random folds.

    Returns
    -------
    list of (array, array)
        Numbers of the training frames and of the held-out frames.

    Raises
    ------
    InvalidInputError
        If `cv` is none of these, yields fewer than two folds, or a fold without frames of weight
        above 0.
    """
    if isinstance(cv, Integral):
        n_units = len(frames) if groups is None else int(groups.max()) + 1
        splitter = KFold if groups is None else GroupKFold
        n_folds = whole_number("cv", cv, least=2, most=n_units)
        cv = splitter(n_folds, shuffle=True, random_state=seed)
    try:
        parts = cv.split(frames, None, groups) if hasattr(cv, "split") else cv
        folds = [(_rows(train, len(frames)), _rows(test, len(frames))) for train, test in parts]
    except (TypeError, ValueError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(
            f"cv must be a number, a splitter or pairs of (train, test) indices, found "
            f"{type(cv).__name__}: {reason}"
        ) from None
    if len(folds) < 2:
        raise InvalidInputError(f"cv must yield 2 or more folds, found {len(folds)}")
    for number, fold in enumerate(folds):
        for name, part in zip(("fits", "holds out"), fold, strict=True):
            if not len(part) or (sample_weight is not None and not sample_weight[part].any()):
                raise InvalidInputError(f"fold {number} of cv {name} no frames of weight above 0")
    return folds


def _rows(part: Any, n_frames: int) -> Indices:
    chosen = np.asarray(part)
    if chosen.size == 0:
        return np.empty(0, dtype=np.intp)
    numbers: Indices = np.arange(n_frames)[chosen]
    return numbers


def refuse_too_many(
    most: int,
    n_frames: int,
    weights: NDArray[np.float64] | None,
    folds: Sequence[tuple[Indices, Indices]],
) -> None:
    """Raise an error if there are more components than training frames of weight above 0.

    Parameters
    ----------
    most : int
        Largest number of components.
    n_frames : int
        Number of frames, T.
    weights : array, shape (T,), or None
        Weight of each frame.
    folds : sequence of (array, array)
        Numbers of the training frames and held-out frames of each fold.

    Raises
    ------
    InvalidInputError
        With the number of frames.
    """
    useful = np.ones(n_frames, dtype=bool) if weights is None else weights > 0
    fewest = min((np.count_nonzero(useful[train]) for train, _ in folds), default=useful.sum())
    if most > fewest:
        where = "the smallest training part of the folds has" if folds else "there are"
        raise InvalidInputError(
            f"{most} components need as many frames, {where} only {fewest}; use smaller "
            f"n_components"
        )
