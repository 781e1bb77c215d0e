"""Choosing the number of components: by BIC, AIC, or the likelihood of frames held out."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GroupKFold, KFold
from sklearn.utils import check_array, check_random_state

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.estimators.frames import (
    Blocks,
    check_sample_weight,
    finite_chunks,
    is_blocks,
)
from speakergmm.estimators.gaussian import GaussianMixture
from speakergmm.estimators.selection_criteria import Judgement
from speakergmm.estimators.selection_fits import FitOutcome, Fitting, Indices, Task
from speakergmm.estimators.selection_path import Criterion, Selection
from speakergmm.parallel import parallel_map

_CRITERIA = ("bic", "aic", "held_out")


def select_n_components(
    X: Any,
    n_components: int | Iterable[int] = range(1, 11),
    *,
    criterion: Criterion = "bic",
    covariance_type: str | None = None,
    estimator: Any = None,
    cv: Any = 5,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    one_standard_error: bool = False,
    n_jobs: int = 1,
    random_state: Any = 0,
    **parameters: Any,
) -> Selection:
    """Fit mixtures of several numbers of components and choose one.

    Parameters
    ----------
    X : array-like of shape (T, D), or blocks of shape (T_i, D)
        Frames. Blocks are put together in memory.
    n_components : int or iterable of int, default=range(1, 11)
        The numbers K to try.
    criterion : {"bic", "aic", "held_out"}, default="bic"
        Bayesian or Akaike information criterion of all frames, or log-likelihood per frame of
        frames held out in cross-validation.
    covariance_type : {"full", "tied", "diag", "spherical"}, optional
        By default the estimator's, which is "full" where none is given.
    estimator : estimator, optional
        What to fit, cloned with `n_components` set; by default a `GaussianMixture`.
    cv : int, splitter or iterable of (train, test), default=5
        Folds for "held_out", the same ones for all K. A number makes random folds of frames, or
        of whole groups where `groups` are given.
    groups : array-like of shape (T,), optional
        Group of each frame: its recording, say. Neighbouring frames of speech resemble each other,
        so that without groups a held-out frame is hardly new and the errors are too small.
    sample_weight : array-like of shape (T,), optional
        Weight of each frame, in fits and criteria.
    one_standard_error : bool, default=False
        Choose the smallest K whose criterion is no worse than the best one's by more than the
        best one's standard error [1]_.
    n_jobs : int, default=1
        Processes over K and folds; -1 for all cores. Results don't depend on it.
    random_state : int, RandomState or None, default=0
        Makes the folds, and every fit whose estimator has no `random_state` of its own.
    **parameters
        Further parameters of the estimator, as in ``n_init=3``.

    Returns
    -------
    Selection
        The chosen estimator, fitted to all frames, and the whole path. A K whose fit fails has a
        row that says why.

    Raises
    ------
    InvalidInputError
        If an option is out of range, or there are fewer frames to fit than components.
    SpeakerGmmError
        If every K fails.

    Warns
    -----
    ConvergenceWarning
        If the chosen fit did not converge; the path says it of the others.

    Notes
    -----
    Standard errors. Held out: of F folds of w_f frames (or weight) with means h_f, the value is
    ``h = sum(w_f h_f) / W`` and its error ``sqrt(F / (F - 1) sum((w_f / W)^2 (h_f - h)^2))``; with
    equal folds that is their standard deviation by sqrt(F). Folds share the frames they are fitted
    to, so that it is somewhat too small. BIC and AIC: twice the error of the sum of
    log-likelihoods, ``2 sqrt(T) sd(l_t)``, which takes frames as independent and parameters as
    fixed; with groups it is the groups' sums that are taken as independent.

    References
    ----------
    .. [1] Hastie, Tibshirani, Friedman, "The Elements of Statistical Learning" (2009), section
       7.10.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(centre, 1.0, (100, 1)) for centre in (-9.0, 0.0, 9.0)])
    >>> selection = select_n_components(X, range(1, 6))
    >>> selection.n_components, sorted(selection.best.means_.ravel().round().astype(int).tolist())
    (3, [-9, 0, 9])
    """
    if criterion not in _CRITERIA:
        raise InvalidInputError(f"criterion must be one of {_CRITERIA}, found {criterion!r}")
    numbers = _check_numbers(n_components)
    seed = _seed(random_state)
    template = _template(estimator, covariance_type, seed, parameters)
    frames = _as_frames(X)
    weights = None if sample_weight is None else check_sample_weight(sample_weight, len(frames))
    group_numbers = None if groups is None else _number_groups(groups, len(frames))
    folds: list[tuple[Indices, Indices]] = []
    if criterion == "held_out":
        folds = _make_folds(frames, cv, groups=group_numbers, sample_weight=weights, seed=seed)
    _refuse_too_many(max(numbers), len(frames), weights, folds)

    fitting = Fitting(template, frames, weights, folds, group_numbers)
    fold_numbers: list[int | None] = [*range(len(folds))] if folds else [None]
    # The longest first: workers end at about the same time.
    tasks: list[Task] = [(k, fold) for k in reversed(numbers) for fold in fold_numbers]
    done = parallel_map(fitting, tasks, n_jobs=n_jobs, description="Fitting mixtures")
    outcomes: dict[int, list[FitOutcome]] = {k: [] for k in numbers}
    for (k, _), outcome in zip(tasks, done, strict=True):
        outcomes[k].append(outcome)

    judgement = Judgement(
        criterion,
        _unit_weights(len(frames), weights, group_numbers, folds),
        repeated=not folds and group_numbers is None,
    )
    path = judgement.rows(outcomes)
    chosen = judgement.choose(path, one_standard_error=one_standard_error)
    found = fitting((chosen, None)) if folds else outcomes[chosen][0]
    if found.error is not None:
        raise SpeakerGmmError(
            f"{chosen} components, the best on folds, fail on all frames: {found.error}"
        )
    if found.convergence != "converged":
        warnings.warn(
            f"the chosen mixture of {chosen} components did not converge ({found.convergence}); "
            f"increase max_iter or tol",
            ConvergenceWarning,
            stacklevel=2,
        )
    return Selection(found.estimator, chosen, criterion, path, one_standard_error)


def _check_numbers(n_components: Any) -> list[int]:
    given = [n_components] if isinstance(n_components, Integral) else list(n_components)
    for number in given:
        if not isinstance(number, Integral) or isinstance(number, bool) or number < 1:
            raise InvalidInputError(f"n_components must be integers >= 1, found {number!r}")
    if not given:
        raise InvalidInputError("n_components must name at least one number, found none")
    return sorted({int(number) for number in given})


def _seed(random_state: Any) -> int:
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        return int(random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def _template(
    estimator: Any, covariance_type: str | None, seed: int, parameters: dict[str, Any]
) -> Any:
    template = GaussianMixture() if estimator is None else clone(estimator)
    known = template.get_params(deep=False)
    for name in ("n_components", "covariance_type"):
        if name not in known:
            raise InvalidInputError(
                f"the estimator must be a mixture with a parameter {name}, found "
                f"{type(template).__name__}"
            )
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise InvalidInputError(
            f"{type(template).__name__} has no parameter {unknown[0]!r}; it has "
            f"{', '.join(sorted(known))}"
        )
    if covariance_type is not None:
        parameters = {**parameters, "covariance_type": covariance_type}
    template.set_params(**parameters)
    if template.random_state is None:
        template.set_params(random_state=seed)
    return template


def _as_frames(X: Any) -> NDArray[Any]:
    if is_blocks(X):
        X = np.concatenate(list(Blocks(X)()))
    frames: NDArray[Any] = check_array(
        X, dtype=[np.float64, np.float32], ensure_all_finite=False, input_name="X"
    )
    for _ in finite_chunks(frames):
        pass
    return frames


def _number_groups(groups: ArrayLike, n_frames: int) -> NDArray[np.intp]:
    names = np.asarray(groups)
    if names.shape != (n_frames,):
        raise InvalidInputError(
            f"groups must have one entry per frame, shape ({n_frames},), found {names.shape}"
        )
    return np.unique(names, return_inverse=True)[1]


def _make_folds(
    frames: NDArray[Any],
    cv: Any,
    *,
    groups: NDArray[np.intp] | None,
    sample_weight: NDArray[np.float64] | None,
    seed: int,
) -> list[tuple[Indices, Indices]]:
    """List the folds once, so that all K have the same."""
    if isinstance(cv, Integral):
        n_folds = int(cv)
        n_units = len(frames) if groups is None else int(groups.max()) + 1
        if not 2 <= n_folds <= n_units:
            units = "frames" if groups is None else "groups"
            raise InvalidInputError(
                f"cv must lie between 2 and the {n_units} {units}, found {n_folds}"
            )
        splitter = KFold if groups is None else GroupKFold
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


def _refuse_too_many(
    most: int,
    n_frames: int,
    weights: NDArray[np.float64] | None,
    folds: Sequence[tuple[Indices, Indices]],
) -> None:
    useful = np.ones(n_frames, dtype=bool) if weights is None else weights > 0
    fewest = min((np.count_nonzero(useful[train]) for train, _ in folds), default=useful.sum())
    if most > fewest:
        where = "the smallest training part of the folds has" if folds else "there are"
        raise InvalidInputError(
            f"{most} components need as many frames, {where} only {fewest}; give smaller "
            f"n_components"
        )


def _unit_weights(
    n_frames: int,
    weights: NDArray[np.float64] | None,
    groups: NDArray[np.intp] | None,
    folds: Sequence[tuple[Indices, Indices]],
) -> NDArray[np.float64]:
    """Weigh what counts as independent: folds, groups, or frames."""
    of_frames = np.ones(n_frames) if weights is None else weights
    if folds:
        return np.array([of_frames[test].sum() for _, test in folds])
    if groups is None:
        return of_frames
    return np.bincount(groups, weights=of_frames).astype(np.float64)
