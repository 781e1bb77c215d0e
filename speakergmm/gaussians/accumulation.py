"""The E-step: sufficient statistics of frames, by two matrix products a block."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.centred import CentredComponents, CentredStatistics, about_zero
from speakergmm.gaussians.density import (
    NaturalParameters,
    block_size,
    check_precision,
    natural_parameters,
)
from speakergmm.gaussians.frames import (
    Frames,
    FrameSource,
    check_frames,
    check_weights,
    read_blocks,
    refuse_path,
    regroup,
    weigh,
)
from speakergmm.gaussians.parameters import (
    CovarianceType,
    HasMixture,
    Mixture,
    Precision,
    mixture_of,
)
from speakergmm.gaussians.responsibilities import BlockEvaluator, BlockResponsibilities
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.parallel import threaded_map

# Blocks that one thread takes at a time and sums by itself.
_BLOCKS_PER_GROUP = 16
# Exponentials after which the work is long enough for compiled code, which takes half a second to
# load. They are counted from the first frame, so that results depend on nothing but the frames.
_UNCOMPILED = 2**25
# The constant of a component of weight zero is -1e30.
_ABSENT = -1e29


def accumulate(
    model: Mixture | HasMixture,
    X: ArrayLike | FrameSource,
    sample_weight: ArrayLike | None = None,
    *,
    precision: Precision = "float32",
    second_order: bool = True,
    block_frames: int | None = None,
    n_jobs: int = 1,
) -> MixtureStatistics:
    """Sufficient statistics of frames under a mixture.

    Parameters
    ----------
    model : Mixture or fitted estimator
        The mixture that gives the responsibilities, of any kind.
    X : array, shape (T, D), or source of such arrays
        Frames, in feature units; none at all gives statistics of zero. Lists of arrays and
        callables that return them are as in `accumulate_blocks`.
    sample_weight : array, shape (T,), optional
        Weight of each frame, finite and >= 0; a weight of 2 is the frame twice.
    precision : {"float32", "float64"}, default="float32"
        In which densities and the products of a block are computed, in coordinates in which the
        mixture as a whole has mean 0 and variance near 1; blocks are summed in float64 in any
        case. Float32 leaves errors of a few 1e-7 of the mixture's variance in the moments.
    second_order : bool, default=True
        Whether to accumulate squares as well; means and weights need none.
    block_frames : int, optional
        Frames of a block; by default as many as fit a core's cache.
    n_jobs : int, default=1
        Threads; -1 for all cores. The result does not depend on it.

    Returns
    -------
    MixtureStatistics
        In feature units, of the model's kind.

    Raises
    ------
    InvalidInputError
        If `X` is not a finite matrix of D columns, weights are no such, or an option is out of
        range.

    Examples
    --------
    >>> from speakergmm.mixtures import DiagonalMixture
    >>> model = DiagonalMixture([0.5, 0.5], [[-9.0], [9.0]], [[1.0], [1.0]])
    >>> accumulate(model, np.array([[-9.0], [8.0], [10.0]])).counts.round(6)
    array([1., 2.])
    """
    model = mixture_of(model)
    refuse_path(X)
    is_stream = callable(X) or (isinstance(X, Sequence) and len(X) > 0 and np.ndim(X[0]) == 2)
    source: Any = X if is_stream else np.asarray(X)
    return accumulate_blocks(
        model,
        source,
        sample_weight=sample_weight,
        precision=precision,
        second_order=second_order,
        block_frames=block_frames,
        n_jobs=n_jobs,
    )


def accumulate_blocks(
    model: Mixture | HasMixture,
    blocks: FrameSource,
    *,
    sample_weight: ArrayLike | None = None,
    precision: Precision = "float32",
    second_order: bool = True,
    block_frames: int | None = None,
    n_jobs: int = 1,
) -> MixtureStatistics:
    """Sufficient statistics of frames that come in pieces: a corpus never needs one array.

    Parameters
    ----------
    model : Mixture or fitted estimator
        The mixture that gives the responsibilities.
    blocks : array, iterable of arrays, or callable that returns an iterable of arrays
        Each of shape (T, D); read once. How the frames are cut does not change the result.
    sample_weight : array, optional
        One weight for each frame of all blocks, in their order.
    precision, second_order, block_frames, n_jobs
        As in `accumulate`.

    Returns
    -------
    MixtureStatistics
        Of all frames, in feature units.

    Raises
    ------
    InvalidInputError
        If a block is not a finite matrix of D columns (it is named; rows are counted over all
        blocks), or there are more or fewer weights than frames.
    """
    model = mixture_of(model)
    natural = natural_parameters(model)
    statistics = accumulate_standardised(
        natural,
        blocks,
        covariance_type=model.covariance_type,
        sample_weight=check_weights(sample_weight),
        precision=precision,
        second_order=second_order,
        block_frames=block_frames,
        n_jobs=n_jobs,
    )
    return natural.coordinates.standardisation.statistics_from_standard(about_zero(statistics))


def accumulate_standardised(
    natural: NaturalParameters,
    blocks: FrameSource,
    *,
    covariance_type: CovarianceType = "diag",
    sample_weight: NDArray[np.float64] | None = None,
    precision: Precision = "float32",
    second_order: bool = True,
    block_frames: int | None = None,
    n_jobs: int = 1,
    trusted: bool = False,
) -> MixtureStatistics | CentredStatistics:
    """As `accumulate_blocks`, but moments are those of z, the standardised features.

    Training stays in these coordinates: variances are differences of moments, and lose no digits
    to an offset there. Where components are far narrower than the data, moments are about their
    means for the same reason (`about_zero` brings them back). The log-likelihood is that of the
    frames in feature units. An array that is `trusted` has been checked before; looking for NaN
    again costs a few per cent of the time.
    """
    check_precision(precision)
    is_float = isinstance(blocks, np.ndarray) and blocks.dtype in (np.float32, np.float64)
    if isinstance(blocks, np.ndarray) and not (trusted and is_float):
        blocks = check_frames(blocks, n_features=natural.n_features)
    if block_frames is None:
        block_frames = block_size(natural.n_components, natural.basis.n_rows)
    elif block_frames < 1:
        raise InvalidInputError(f"block_frames must be >= 1, found {block_frames}")
    if isinstance(blocks, np.ndarray):
        # A short utterance needs no large buffers.
        block_frames = max(1, min(block_frames, len(blocks)))
    checked: Iterable[Frames]
    if isinstance(blocks, np.ndarray):
        checked = (blocks,)
    else:
        checked = read_blocks(blocks, n_features=natural.n_features)
    tied = covariance_type == "tied"
    n_moments = natural.basis.n_rows
    if tied or not second_order:
        n_moments = natural.n_features + 1
    work = _Work(natural, precision, block_frames, n_moments, scatter=tied and second_order)
    total = _sum_groups(work, checked, sample_weight, n_jobs)
    return _as_statistics(natural, total, covariance_type, second_order=second_order)


@dataclass(frozen=True, slots=True, eq=False)
class _Work:
    """What is to be summed over each group of frames, and in what blocks."""

    natural: NaturalParameters
    precision: Precision
    block_frames: int
    n_moments: int
    scatter: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Partial:
    moments: NDArray[np.float64]
    scatter: NDArray[np.float64] | None
    log_likelihood: float
    n_frames: float


def _sum_groups(
    work: _Work,
    blocks: Iterable[Frames],
    sample_weight: NDArray[np.float64] | None,
    n_jobs: int,
) -> _Partial:
    # Buffers are megabytes, and costly to allocate anew for each group: idle ones wait here.
    idle: dict[bool, list[BlockEvaluator]] = {False: [], True: []}
    group_frames = work.block_frames * _BLOCKS_PER_GROUP
    n_uncompiled = -(-_UNCOMPILED // (group_frames * work.natural.n_components))

    def sum_group(item: tuple[int, tuple[Frames, NDArray[np.float64] | None]]) -> _Partial:
        number, (frames, weights) = item
        compiled = number >= n_uncompiled
        if weights is not None and not weights.all():
            # What a frame of weight zero holds must not matter, even if its square is infinite.
            frames, weights = frames[weights > 0], weights[weights > 0]
        try:
            evaluator = idle[compiled].pop()
        except IndexError:
            evaluator = BlockEvaluator(
                work.natural,
                precision=work.precision,
                block_frames=work.block_frames,
                compiled=compiled,
            )
        evaluator.forget()
        part = _sum_group(work, evaluator, frames, weights)
        idle[compiled].append(evaluator)
        return part

    # Weights enter products of float32 numbers: relative to the largest they can't overflow.
    unit = 1.0
    if sample_weight is not None and sample_weight.size:
        unit = float(sample_weight.max()) or 1.0
        sample_weight = sample_weight / unit
    n_features = work.natural.n_features
    moments = np.zeros((work.n_moments, work.natural.n_components))
    scatter = np.zeros((n_features, n_features)) if work.scatter else None
    log_likelihood = n_frames = 0.0
    groups = weigh(regroup(blocks, group_frames), sample_weight)
    # In the order of the frames, whichever thread was first: sums round the same way every time.
    for part in threaded_map(sum_group, enumerate(groups), n_jobs=n_jobs):
        moments += part.moments
        if scatter is not None and part.scatter is not None:
            scatter += part.scatter
        log_likelihood += part.log_likelihood
        n_frames += part.n_frames
    if unit != 1.0:
        moments *= unit
        scatter = None if scatter is None else scatter * unit
    return _Partial(moments, scatter, log_likelihood * unit, n_frames * unit)


def _as_statistics(
    natural: NaturalParameters,
    total: _Partial,
    covariance_type: CovarianceType,
    *,
    second_order: bool,
) -> MixtureStatistics | CentredStatistics:
    n_features = natural.n_features
    # Exponentials are kept from underflow, but a component of weight zero has no part in a frame.
    constants = natural.components[0] if natural.centred is None else natural.centred.constants
    total.moments[:, constants <= _ABSENT] = 0.0
    first = total.moments[1 : n_features + 1].T
    second = None
    if second_order and total.scatter is None:
        second = natural.basis.second_order(total.moments[n_features + 1 :])
    if total.scatter is not None:
        second = total.scatter
    if natural.centred is None:
        first, second = natural.coordinates.moments_to_standard(first, second)
    statistics = MixtureStatistics(
        # Sums of float32 products of positive numbers, but a padded product may give -0.
        counts=np.abs(total.moments[0]),
        first_order=first,
        second_order=second,
        log_likelihood=total.log_likelihood,
        n_frames=total.n_frames,
        covariance_type=covariance_type,
    )
    if natural.centred is None:
        return statistics
    return CentredStatistics(statistics, natural.centred.origins)


def _sum_group(
    work: _Work,
    evaluator: BlockEvaluator,
    frames: Frames,
    sample_weight: NDArray[np.float64] | None,
) -> _Partial:
    """Moments of one group of frames, with functions of the frames as rows."""
    n_moments = work.n_moments
    product = np.empty((n_moments, evaluator.n_components), evaluator.dtype)
    moments = np.zeros(product.shape)
    scatter = None
    if work.scatter:
        scatter = np.zeros((work.natural.n_features, work.natural.n_features))
    log_likelihood = 0.0
    for start in range(0, len(frames), evaluator.block_frames):
        stop = start + evaluator.block_frames
        block = evaluator.evaluate(frames[start:stop])
        weights = None if sample_weight is None else sample_weight[start:stop]
        if work.natural.centred is not None:
            log_likelihood += _add_centred(
                work.natural.centred, frames[start:stop], block, weights, moments, scatter
            )
            continue
        if scatter is not None:
            scatter += _scatter(block, weights, work.natural.n_features)
        # R^T F = E^T (F / s): dividing the few columns of F spares a pass over the wide block.
        factors: NDArray[Any] = 1.0 / block.normaliser
        if weights is not None:
            factors *= weights.astype(factors.dtype)
        weighted = block.expanded[:n_moments]
        np.multiply(weighted, factors, out=weighted)
        np.matmul(weighted, block.unnormalised, out=product)
        np.add(moments, product, out=moments)
        likelihoods = block.log_likelihood
        log_likelihood += float(likelihoods.sum() if weights is None else weights @ likelihoods)
        if block.exception_responsibilities is not None and block.exception_expanded is not None:
            exact = block.exception_expanded[:n_moments]
            if weights is not None:
                exact = exact * weights[block.exceptions]
            with np.errstate(over="ignore", invalid="ignore"):
                # What can't be squared is refused with the statistics, in words.
                moments += exact @ block.exception_responsibilities
    n_frames = float(len(frames)) if sample_weight is None else float(sample_weight.sum())
    return _Partial(moments, scatter, log_likelihood, n_frames)


def _add_centred(
    centred: CentredComponents,
    frames: Frames,
    block: BlockResponsibilities,
    weights: NDArray[np.float64] | None,
    moments: NDArray[np.float64],
    scatter: NDArray[np.float64] | None,
) -> float:
    """Add the moments of a block about the means, and return its log-likelihood."""
    factors = np.ones(len(frames)) if weights is None else weights
    occupancies = block.unnormalised * (factors / block.normaliser)[:, None]
    moments += centred.moments(frames, occupancies)[: len(moments)]
    if scatter is not None:
        scatter += centred.scatter(frames, occupancies)
    return float(factors @ block.log_likelihood)


def _scatter(
    block: BlockResponsibilities, weights: NDArray[np.float64] | None, n_features: int
) -> NDArray[np.float64]:
    """Sum of w w^T over a block, (D, D), in float64: what lies between means is subtracted."""
    rows = block.expanded[1 : n_features + 1].astype(np.float64)
    if block.exception_expanded is not None:
        rows[:, block.exceptions] = block.exception_expanded[1 : n_features + 1]
    if weights is not None:
        rows *= np.sqrt(weights)
    return np.asarray(rows @ rows.T)
