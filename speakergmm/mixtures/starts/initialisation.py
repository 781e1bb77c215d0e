"""Starts for expectation-maximisation: random frames, k-means, splitting."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.engine import Engine, EngineLike
from speakergmm.errors import InsufficientDataError
from speakergmm.gaussians.em import expectation_maximisation
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.gaussians.source_moments import frame_moments
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.mixtures.accumulation import accumulate
from speakergmm.mixtures.maximum_likelihood import update_maximum_likelihood
from speakergmm.mixtures.mixture import DiagonalMixture
from speakergmm.mixtures.mixture_options import MaximumLikelihoodOptions
from speakergmm.mixtures.splitting import grow
from speakergmm.mixtures.starts.kmeans_clustering import lloyd, seed
from speakergmm.ranges import whole_number


def initialise_random(
    X: ArrayLike, *, n_components: int, rng: np.random.Generator
) -> DiagonalMixture:
    """Return a mixture with means at random frames, the variance of all data, equal weights.

    Parameters
    ----------
    X : array, shape (T, D)
        Frames.
    n_components : int
        Number of components, K, at most T.
    rng : numpy.random.Generator
        Source of randomness.

    Raises
    ------
    InsufficientDataError
        If there are fewer frames than components.
    """
    frames = _checked(X, n_components)
    chosen = rng.choice(len(frames), size=n_components, replace=False)
    variance = _spread(frames)
    return DiagonalMixture(
        np.full(n_components, 1.0 / n_components),
        frames[chosen],
        np.broadcast_to(variance, (n_components, frames.shape[1])),
    )


def initialise_kmeans(
    X: ArrayLike,
    *,
    n_components: int,
    rng: np.random.Generator,
    max_iter: int = 10,
    options: MaximumLikelihoodOptions | None = None,
    engine: EngineLike = None,
) -> DiagonalMixture:
    """Return a mixture with the weights, means and variances of the clusters of k-means.

    Parameters
    ----------
    X : array, shape (T, D)
        Frames, whose features have comparable scales (standardised).
    n_components : int
        Number of components, K, at most T.
    rng : numpy.random.Generator
        Source of randomness.
    max_iter : int, default=10
        Largest number of passes of Lloyd's algorithm.
    options : MaximumLikelihoodOptions, optional
        The variance floor is taken from them.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of threads. The result does not depend on it.

    Raises
    ------
    InsufficientDataError
        If there are fewer frames than components.
    """
    frames = _checked(X, n_components)
    options = MaximumLikelihoodOptions.of(options, {})
    seeds = seed(frames, n_components, rng)
    centres, labels = lloyd(frames, seeds, max_iter=max_iter, engine=Engine.of(engine))
    counts = np.bincount(labels, minlength=n_components).astype(np.float64)
    variances = np.empty(centres.shape)
    for feature in range(frames.shape[1]):
        squares = (frames[:, feature].astype(np.float64) - centres[labels, feature]) ** 2
        variances[:, feature] = np.bincount(labels, squares, minlength=n_components)
    # The variance of a cluster of few frames is unreliable: it is shrunk towards that of the data,
    # as if one more frame with that variance had been seen.
    spread = _spread(frames)
    variances = (variances + spread) / (counts + 1.0)[:, None]
    variances = np.maximum(variances, options.variance_floor * spread)
    weights = np.maximum(counts, 0.5)
    return DiagonalMixture(weights / weights.sum(), centres, variances)


def initialise_splitting(
    X: ArrayLike,
    *,
    n_components: int,
    steps: int = 4,
    options: MaximumLikelihoodOptions | None = None,
    engine: EngineLike = None,
) -> DiagonalMixture:
    """Grow a mixture from one Gaussian by doubling, with a few steps of EM after each doubling.

    Parameters
    ----------
    X : array, shape (T, D)
        Frames.
    n_components : int
        Number of components, K, at most T.
    steps : int, default=4
        Number of EM steps after each doubling.
    options : MaximumLikelihoodOptions, optional
        Options of the updates.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of threads. The result does not depend on it.

    Raises
    ------
    InsufficientDataError
        If there are fewer frames than components.

    Notes
    -----
    The algorithm of Linde, Buzo and Gray, "An Algorithm for Vector Quantizer Design", IEEE
    Transactions on Communications 28 (1980) 84-95, with Gaussians in place of centroids. It needs
    no random numbers.
    """
    frames = _checked(X, n_components)
    moments = frame_moments(frames)
    model = DiagonalMixture([1.0], moments.mean[None], _spread(frames)[None])
    return grow_by_doubling(
        model,
        n_components,
        lambda current: accumulate(current, frames, engine=engine),
        steps=steps,
        options=options,
        data_variance=moments.variance,
    )


def grow_by_doubling(
    model: DiagonalMixture,
    n_components: int,
    accumulate: Callable[[DiagonalMixture], MixtureStatistics],
    *,
    steps: int,
    options: MaximumLikelihoodOptions | None,
    data_variance: NDArray[np.float64],
) -> DiagonalMixture:
    """Double the components until there are `n_components`, with EM after each doubling."""
    update = partial(update_maximum_likelihood, options=options, data_variance=data_variance)
    while model.n_components < n_components:
        model = grow(model, min(n_components, 2 * model.n_components))
        model = expectation_maximisation(model, accumulate, update, max_iter=steps, tol=0.0).model
    return model


def _checked(X: ArrayLike, n_components: int) -> NDArray[np.floating[Any]]:
    frames = check_finite_frames(X)
    whole_number("n_components", n_components)
    if len(frames) < n_components:
        raise InsufficientDataError(
            f"{n_components} components need at least as many frames, found {len(frames)}"
        )
    return frames


def _spread(frames: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    variance = frame_moments(frames).variance
    return np.where(variance > 0, variance, 1.0)
