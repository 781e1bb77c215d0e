"""The E-step: sufficient statistics of frames, by two matrix products a block."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures.density import (
    NaturalParameters,
    block_size,
    check_precision,
    natural_parameters,
)
from speakergmm.mixtures.frames import Frames, FrameSource, check_frames, read_blocks, regroup
from speakergmm.mixtures.parameters import DiagonalMixture, Precision
from speakergmm.mixtures.responsibilities import BlockEvaluator
from speakergmm.mixtures.statistics import MixtureStatistics
from speakergmm.parallel import threaded_map

# Blocks that one thread takes at a time and sums by itself.
_BLOCKS_PER_GROUP = 16


def accumulate(
    model: DiagonalMixture,
    X: ArrayLike,
    *,
    precision: Precision = "float32",
    second_order: bool = True,
    block_frames: int | None = None,
    n_jobs: int = 1,
) -> MixtureStatistics:
    """Sufficient statistics of frames under a mixture.

    Parameters
    ----------
    model : DiagonalMixture
        The mixture that gives the responsibilities.
    X : array, shape (T, D)
        Frames, in feature units; none at all gives statistics of zero.
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
        In feature units.

    Raises
    ------
    InvalidInputError
        If `X` is not a finite matrix of D columns, or an option is out of range.

    Examples
    --------
    >>> model = DiagonalMixture([0.5, 0.5], [[-9.0], [9.0]], [[1.0], [1.0]])
    >>> accumulate(model, np.array([[-9.0], [8.0], [10.0]])).counts.round(6)
    array([1., 2.])
    """
    frames = check_frames(X, n_features=model.n_features)
    return _accumulate(
        natural_parameters(model),
        frames,
        precision=precision,
        second_order=second_order,
        block_frames=block_frames,
        n_jobs=n_jobs,
        in_feature_units=True,
    )


def accumulate_blocks(
    model: DiagonalMixture,
    blocks: FrameSource,
    *,
    precision: Precision = "float32",
    second_order: bool = True,
    block_frames: int | None = None,
    n_jobs: int = 1,
) -> MixtureStatistics:
    """Sufficient statistics of frames that come in pieces: a corpus never needs one array.

    Parameters
    ----------
    model : DiagonalMixture
        The mixture that gives the responsibilities.
    blocks : array, iterable of arrays, or callable that returns an iterable of arrays
        Each of shape (T, D); read once. How the frames are cut does not change the result.
    precision, second_order, block_frames, n_jobs
        As in `accumulate`.

    Returns
    -------
    MixtureStatistics
        Of all frames, in feature units.

    Raises
    ------
    InvalidInputError
        If a block is not a finite matrix of D columns; rows are counted over all blocks.
    """
    return _accumulate(
        natural_parameters(model),
        read_blocks(blocks, n_features=model.n_features),
        precision=precision,
        second_order=second_order,
        block_frames=block_frames,
        n_jobs=n_jobs,
        in_feature_units=True,
    )


def accumulate_standardised(
    natural: NaturalParameters,
    blocks: FrameSource,
    *,
    precision: Precision = "float32",
    n_jobs: int = 1,
) -> MixtureStatistics:
    """As `accumulate_blocks`, but moments are those of z in the coordinates of `natural`.

    Training stays in these coordinates: variances are differences of moments, and lose no digits
    to an offset there. The log-likelihood is that of the frames in feature units.
    """
    return _accumulate(
        natural,
        read_blocks(blocks, n_features=natural.n_features),
        precision=precision,
        second_order=True,
        block_frames=None,
        n_jobs=n_jobs,
        in_feature_units=False,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Partial:
    moments: NDArray[np.float64]
    log_likelihood: float
    n_frames: int


def _accumulate(
    natural: NaturalParameters,
    blocks: Frames | Iterable[Frames],
    *,
    precision: Precision,
    second_order: bool,
    block_frames: int | None,
    n_jobs: int,
    in_feature_units: bool,
) -> MixtureStatistics:
    check_precision(precision)
    if block_frames is None:
        block_frames = block_size(natural.n_components)
    elif block_frames < 1:
        raise InvalidInputError(f"block_frames must be >= 1, found {block_frames}")
    if isinstance(blocks, np.ndarray):
        # A short utterance needs no large buffers.
        block_frames = max(1, min(block_frames, len(blocks)))
        blocks = (blocks,)

    # Buffers are megabytes, and costly to allocate anew for each group: idle ones wait here.
    idle: list[BlockEvaluator] = []

    def sum_group(frames: Frames) -> _Partial:
        try:
            evaluator = idle.pop()
        except IndexError:
            evaluator = BlockEvaluator(natural, precision=precision, block_frames=block_frames)
        evaluator.forget()
        part = _sum_group(evaluator, frames, second_order=second_order)
        idle.append(evaluator)
        return part

    n_features = natural.n_features
    n_moments = (2 if second_order else 1) * n_features + 1
    total = _Partial(np.zeros((n_moments, natural.n_components)), 0.0, 0)
    groups = regroup(blocks, block_frames * _BLOCKS_PER_GROUP)
    # In the order of the frames, whichever thread was first: sums round the same way every time.
    for part in threaded_map(sum_group, groups, n_jobs=n_jobs):
        total = _Partial(
            total.moments + part.moments,
            total.log_likelihood + part.log_likelihood,
            total.n_frames + part.n_frames,
        )
    moments = total.moments
    statistics = MixtureStatistics(
        # Sums of float32 products of positive numbers, but a padded product may give -0.
        counts=np.abs(moments[0]),
        first_order=moments[1 : n_features + 1].T,
        second_order=moments[n_features + 1 :].T if second_order else None,
        log_likelihood=total.log_likelihood,
        n_frames=total.n_frames,
    )
    if in_feature_units:
        return natural.standardisation.statistics_from_standard(statistics)
    return statistics


def _sum_group(evaluator: BlockEvaluator, frames: Frames, *, second_order: bool) -> _Partial:
    """Moments of one group of frames: counts, first order, second order as rows."""
    n_features, n_components = frames.shape[1], evaluator.n_components
    n_moments = (2 if second_order else 1) * n_features + 1
    product = np.empty((n_moments, n_components), evaluator.dtype)
    moments = np.zeros((n_moments, n_components))
    log_likelihood = 0.0
    for start in range(0, len(frames), evaluator.block_frames):
        block = evaluator.evaluate(frames[start : start + evaluator.block_frames])
        # R^T F = E^T (F / s): dividing the few columns of F spares a pass over the wide block.
        weighted = block.expanded[:n_moments]
        np.multiply(weighted, 1.0 / block.normaliser, out=weighted)
        np.matmul(weighted, block.unnormalised, out=product)
        np.add(moments, product, out=moments)
        log_likelihood += float(block.log_likelihood.sum())
        if block.exception_responsibilities is not None and block.exception_expanded is not None:
            exact = block.exception_expanded[:n_moments]
            moments += exact @ block.exception_responsibilities
    return _Partial(moments, log_likelihood, len(frames))
