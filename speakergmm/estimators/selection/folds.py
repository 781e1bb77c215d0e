"""What a search for the number of components holds out: folds of frames, or of their groups."""

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
    """Give each frame the number of its group, from 0.

    Raises
    ------
    InvalidInputError
        If there is not one name of a group for each frame.
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
    """List the folds once, so that all K have the same.

    Parameters
    ----------
    frames : array, shape (T, D)
        All frames.
    cv : int, splitter or iterable of (train, test)
        As in `select_n_components`.
    groups : array of int, shape (T,), or None
        Number of each frame's group, from 0.
    sample_weight : array, shape (T,), or None
        Weight of each frame.
    seed : int
        Of the random folds.

    Returns
    -------
    list of (array, array)
        Numbers of the frames to fit and to hold out.

    Raises
    ------
    InvalidInputError
        If `cv` is no such thing, makes fewer than two folds, or one of frames without weight.
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
        raise InvalidInputError(f"cv must make 2 or more folds, found {len(folds)}")
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
    """Refuse to look for more components than there are frames, of weight above 0, to fit.

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
            f"{most} components need as many frames, {where} only {fewest}; give smaller "
            f"n_components"
        )
