"""The E-step of a mixture: sufficient statistics of frames, in feature units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.engine import Engine, EngineLike
from speakergmm.gaussians.accumulate import FramesPass
from speakergmm.gaussians.choices import Precision
from speakergmm.gaussians.frame_sources import (
    FrameSource,
    check_frame_weights,
    refuse_path,
    shards_of,
)
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.mixtures.mixture import HasMixture, Mixture, mixture_of, prepare_mixture


def accumulate(
    model: Mixture | HasMixture,
    X: ArrayLike | FrameSource,
    sample_weight: ArrayLike | None = None,
    *,
    precision: Precision = "float32",
    second_order: bool = True,
    block_frames: int | None = None,
    engine: EngineLike = None,
) -> MixtureStatistics:
    """Return the sufficient statistics of frames under a mixture.

    Parameters
    ----------
    model : Mixture or fitted estimator
        The mixture that gives the responsibilities, of any kind.
    X : array, shape (T, D), or source of such arrays
        Frames, in feature units; the statistics of no frame are zero. Lists of arrays and
        callables that return them are as in `accumulate_blocks`.
    sample_weight : array, shape (T,), optional
        Weight of each frame, finite and >= 0; a frame of weight 2 counts as two frames.
    precision : {"float32", "float64"}, default="float32"
        Precision in which densities and the products of a block are computed, in coordinates in
        which the mixture as a whole has mean 0 and variance near 1; blocks are summed in float64
        in any case. Float32 leaves errors of a few 1e-7 of the mixture's variance in the moments.
    second_order : bool, default=True
        Accumulate squares as well; updates of means and weights do not need them.
    block_frames : int, optional
        Number of frames of a block; by default as many as fit a core's cache.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of threads. The result does not depend on it.

    Returns
    -------
    MixtureStatistics
        Statistics in feature units, of the model's kind.

    Raises
    ------
    InvalidInputError
        If `X` is not a finite matrix of D columns, there is not one weight >= 0 for each frame, or
        an option is out of range.

    Examples
    --------
    >>> from speakergmm.mixtures import DiagonalMixture
    >>> model = DiagonalMixture([0.5, 0.5], [[-9.0], [9.0]], [[1.0], [1.0]])
    >>> accumulate(model, np.array([[-9.0], [8.0], [10.0]])).counts.round(6)
    array([1., 2.])
    """
    model = mixture_of(model)
    refuse_path(X)
    source: Any = X
    is_list = isinstance(X, Sequence) and len(X) > 0 and np.ndim(X[0]) == 2
    if not (callable(X) or is_list or shards_of(source) is not None):
        source = np.asarray(X)
    return accumulate_blocks(
        model,
        source,
        sample_weight=sample_weight,
        precision=precision,
        second_order=second_order,
        block_frames=block_frames,
        engine=engine,
    )


def accumulate_blocks(
    model: Mixture | HasMixture,
    blocks: FrameSource,
    *,
    sample_weight: ArrayLike | None = None,
    precision: Precision = "float32",
    second_order: bool = True,
    block_frames: int | None = None,
    engine: EngineLike = None,
) -> MixtureStatistics:
    """Return the sufficient statistics of frames in blocks, which are never held in one array.

    Parameters
    ----------
    model : Mixture or fitted estimator
        The mixture that gives the responsibilities.
    blocks : array, iterable of arrays, or callable that returns an iterable of arrays
        Each of shape (T, D); read once. The cuts between blocks do not change the result.
    sample_weight : array, optional
        One weight for each frame of all blocks, in their order.
    precision, second_order, block_frames, engine
        As in `accumulate`.

    Returns
    -------
    MixtureStatistics
        Statistics of all frames, in feature units.

    Raises
    ------
    InvalidInputError
        If a block is not a finite matrix of D columns (it is named; rows are counted over all
        blocks), or there are more or fewer weights than frames.
    """
    frames = FramesPass(
        blocks,
        check_frame_weights(sample_weight),
        precision=precision,
        second_order=second_order,
        block_frames=block_frames,
        engine=Engine.of(engine),
    )
    prepared = prepare_mixture(mixture_of(model))
    statistics = frames.accumulate(prepared).about_zero()
    return prepared.coordinates.standardisation.model_from_standard(statistics)
