"""Selection of the number of components by BIC, AIC, or the likelihood of held-out frames."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Collection, Iterable, Sequence
from numbers import Integral
from typing import Any, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.utils import check_array, check_random_state

from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.estimators.gaussian import GaussianMixture
from speakergmm.estimators.information_criteria import as_counts
from speakergmm.estimators.input_frames import (
    FrameBlocks,
    check_sample_weight,
    finite_chunks,
    is_blocks,
)
from speakergmm.estimators.selection.fits import FitOutcome, Fitting, Indices, Task
from speakergmm.estimators.selection.folds import make_folds, number_groups, refuse_too_many
from speakergmm.estimators.selection.selection_path import Criterion, Selection, SelectionRow
from speakergmm.estimators.selection.selection_rule import SelectionRule
from speakergmm.gaussians.frame_sources import refuse_path
from speakergmm.names_elsewhere import name_hint
from speakergmm.ranges import choice, whole_number
from speakergmm.run_context import RunContext


def select_n_components(
    X: Any,
    n_components: int | Iterable[int] = range(1, 11),
    *,
    criterion: Criterion = "bic",
    estimator: Any = None,
    cv: Any = 5,
    groups: ArrayLike | None = None,
    sample_weight: ArrayLike | None = None,
    one_standard_error: bool = False,
    seed: Any = 0,
    engine: EngineLike = None,
    run: RunContext | None = None,
    **parameters: Any,
) -> Selection:
    """Fit mixtures with several numbers of components, and choose one.

    Parameters
    ----------
    X : array-like of shape (T, D), or blocks of shape (T_i, D)
        Frames. Blocks are concatenated in memory.
    n_components : int or iterable of int, default=range(1, 11)
        Numbers of components K to try. (An int is a single number, not the largest one.)
    criterion : {"bic", "aic", "held_out"}, default="bic"
        Bayesian or Akaike information criterion on all frames, or log-likelihood per frame of
        held-out frames in cross-validation.
    estimator : estimator, optional
        Estimator whose clones are fitted, with `n_components` set; by default a `GaussianMixture`.
    cv : int, splitter or iterable of (train, test), default=5
        Folds for "held_out", the same for all K. A number stands for as many random folds of
        frames, or of whole groups if `groups` is passed.
    groups : array-like of shape (T,), optional
        Group of each frame, for example its recording. Neighbouring frames of speech are similar:
        without groups, held-out frames are hardly new, and standard errors are too small.
    sample_weight : array-like of shape (T,), optional
        Weight of each frame, in fits and criteria. In BIC and AIC, integers count frames; other
        weights are scaled to sum to the effective number of frames, ``(sum w)^2 / sum(w^2)``, so
        that a common factor has no effect.
    one_standard_error : bool, default=False
        Whether to choose the smallest K whose criterion is within one standard error of the best
        one [1]_.
    seed : int, numpy.random.RandomState or None, default=0
        Seed of the folds, and of every fit whose estimator has no `random_state` of its own.
    engine : int, executor, Dask client or Engine, optional
        Number of processes, which fit different K and folds; -1 for all cores. Results do not
        depend on it.
    run : RunContext, optional
        Of its parts, `progress` is used: a progress bar counts the fits.
    **parameters
        Further parameters of the estimator, as in ``covariance_type="diag"`` or ``n_init=3``; but
        neither a checkpoint nor a callback.

    Returns
    -------
    Selection
        The chosen estimator, fitted to all frames, and the criterion for each K. If a fit fails,
        the row of its K contains the reason.

    Raises
    ------
    InvalidInputError
        If an option is out of range, there are fewer frames to fit than components, or the
        estimator has a checkpoint (all fits would share the file) or a callback (which would be
        called in other processes).
    SpeakerGmmError
        If the fits of all K fail.

    Warns
    -----
    ConvergenceWarning
        If the chosen fit did not converge; for the other fits, see the path.
    FitFailedWarning
        If a fit failed, so that its number of components cannot be chosen.
    UserWarning
        If `n_components` is a single number; or if BIC or AIC choose a mixture with at least as
        many free parameters as there are frames.

    Notes
    -----
    Standard errors of held-out log-likelihoods: for F folds of w_f frames (or weight) with means
    h_f, the value is ``h = sum(w_f h_f) / W``, and its standard error is
    ``sqrt(F / (F - 1) sum((w_f / W)^2 (h_f - h)^2))``; for equal folds, this is their standard
    deviation divided by sqrt(F). It is somewhat too small, because the folds share training frames.
    Standard errors of BIC and AIC: twice the standard error of the sum of log-likelihoods,
    ``2 sqrt(T) sd(l_t)``, if frames are independent and parameters are fixed; with groups, the sums
    of groups are assumed to be independent.

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
    # Check the arguments, and fix the folds for all numbers of components.
    choice("criterion", criterion, get_args(Criterion))
    numbers = _check_numbers(n_components)
    seed = _as_number(seed)
    template = _template(estimator, seed, parameters)
    frames = _as_frames(X)
    weights = None if sample_weight is None else check_sample_weight(sample_weight, len(frames))
    group_numbers = None if groups is None else number_groups(groups, len(frames))
    folds: list[tuple[Indices, Indices]] = []
    if criterion == "held_out":
        folds = make_folds(frames, cv, groups=group_numbers, sample_weight=weights, seed=seed)
    refuse_too_many(max(numbers), len(frames), weights, folds)

    # Fit each number of components to each fold (or to all frames), and compare the criteria.
    fitting = Fitting(template, frames, weights, folds, group_numbers)
    outcomes = _fit_all(fitting, numbers, Engine.of(engine), RunContext.checked(run))
    judgement = SelectionRule(
        criterion,
        _unit_weights(len(frames), weights, group_numbers, folds),
        repeated=not folds and group_numbers is None,
    )
    path = judgement.rows(outcomes)
    chosen = judgement.choose(path, one_standard_error=one_standard_error)
    _warn_of_failures(path)
    # After cross-validation, the chosen number is fitted to all frames.
    found = fitting((chosen, None)) if folds else outcomes[chosen][0]
    if found.error is not None:
        raise SpeakerGmmError(
            f"the fit of {chosen} components, the best in cross-validation, failed on all frames: "
            f"{found.error}"
        )
    n_counted = len(frames) if weights is None else float(as_counts(weights).sum())
    _warn_of_choice(chosen, found, None if folds else criterion, n_counted)
    return Selection(found.estimator, chosen, criterion, path, one_standard_error)


def _fit_all(
    fitting: Fitting, numbers: Sequence[int], engine: Engine, run: RunContext
) -> dict[int, list[FitOutcome]]:
    """Fit every number of components to all frames, or to each fold."""
    folds: list[int | None] = [*range(len(fitting.folds))] or [None]
    # The longest fits first, so that all workers end at about the same time.
    tasks: list[Task] = [(k, fold) for k in reversed(numbers) for fold in folds]
    done = engine.map(fitting, tasks, description=run.description("Fitting mixtures"))
    outcomes: dict[int, list[FitOutcome]] = {k: [] for k in numbers}
    for (k, _), outcome in zip(tasks, done, strict=True):
        outcomes[k].append(outcome)
    return outcomes


def _warn_of_choice(chosen: int, found: FitOutcome, criterion: str | None, n_frames: float) -> None:
    """Warn if the chosen fit did not converge, or its criterion is based on too few frames."""
    if found.convergence != "converged":
        warnings.warn(
            f"the chosen mixture of {chosen} components did not converge ({found.convergence}); "
            f"increase max_iter or tol",
            ConvergenceWarning,
            stacklevel=3,
        )
    if criterion is not None and found.n_parameters >= n_frames:
        warnings.warn(
            f"{criterion} needs many more frames than free parameters, found {n_frames:.6g} "
            f"(effective) frames and {found.n_parameters} parameters of {chosen} components; use "
            f"criterion='held_out', or fewer components",
            UserWarning,
            stacklevel=3,
        )


def _warn_of_failures(path: Sequence[SelectionRow]) -> None:
    failed = [row for row in path if row.error is not None]
    if failed:
        numbers = ", ".join(str(row.n_components) for row in failed)
        warnings.warn(
            f"fits of {len(failed)} of {len(path)} numbers of components failed ({numbers}), which "
            f"cannot be chosen; {failed[0].n_components} failed with {failed[0].error}",
            FitFailedWarning,
            stacklevel=3,
        )


def _check_numbers(n_components: Any) -> list[int]:
    if isinstance(n_components, Integral) and int(n_components) > 1:
        warnings.warn(
            f"only {n_components} components are tried, so that nothing is selected; "
            f"range(1, {int(n_components) + 1}) tries 1 to {n_components}",
            UserWarning,
            stacklevel=3,
        )
    values = [n_components] if isinstance(n_components, Integral) else list(n_components)
    if not values:
        raise InvalidInputError("n_components must contain at least one number, found none")
    return sorted({whole_number("n_components", number) for number in values})


def _as_number(seed: Any) -> int:
    """Return a seed as an integer, which is drawn from a generator if it is not an integer."""
    if isinstance(seed, Integral) and not isinstance(seed, bool):
        return int(seed)
    return int(check_random_state(seed).randint(2**31 - 1))


def _template(estimator: Any, seed: int, parameters: dict[str, Any]) -> Any:
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
            f"{type(template).__name__} has no parameter {unknown[0]!r}"
            f"{_parameter_hint(unknown[0], known)}"
        )
    template.set_params(**parameters)
    for name in ("checkpoint", "callback"):
        if getattr(template, name, None) is not None:
            raise InvalidInputError(
                f"a selection takes no {name}, which is for a single fit, found "
                f"{getattr(template, name)!r}; use it in a fit of the chosen number"
            )
    if template.random_state is None:
        template.set_params(random_state=seed)
    return template


def _parameter_hint(name: str, known: Collection[str]) -> str:
    if name == "progress":
        return "; progress is shown with run=RunContext(progress=True)"
    own = [each for each in inspect.signature(select_n_components).parameters if each != "seed"]
    hint = name_hint(name, [*own, *known])
    return hint or f"; the estimator has {', '.join(sorted(known))}"


def _as_frames(X: Any) -> NDArray[Any]:
    refuse_path(X, name="X")
    if is_blocks(X):
        X = np.concatenate(list(FrameBlocks(X)()))
    frames: NDArray[Any] = check_array(
        X, dtype=[np.float64, np.float32], ensure_all_finite=False, input_name="X"
    )
    for _ in finite_chunks(frames):
        pass
    return frames


def _unit_weights(
    n_frames: int,
    weights: NDArray[np.float64] | None,
    groups: NDArray[np.intp] | None,
    folds: Sequence[tuple[Indices, Indices]],
) -> NDArray[np.float64]:
    """Return the weight of each independent unit: fold, group or frame."""
    of_frames = np.ones(n_frames) if weights is None else as_counts(weights)
    if folds:
        return np.array([of_frames[test].sum() for _, test in folds])
    if groups is None:
        return of_frames
    return np.bincount(groups, weights=of_frames).astype(np.float64)
