"""Clusters of statistics by likelihood, from the bottom up: for leaves and for questions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def moments_log_likelihood(
    moments: NDArray[np.float64], floor: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the largest log-likelihood that one diagonal Gaussian gives to summed frames.

    The variances that maximise it under the condition that none is below the floor are those of
    the frames or the floor, whichever is larger; so a division of frames never loses.

    Parameters
    ----------
    moments : array, shape (..., 1 + 2 D)
        Count, sums and sums of squares of the frames.
    floor : array, shape (D,)
        Smallest variances.

    Returns
    -------
    array, shape (...)
        In nats, summed over the frames; 0 where there are none.

    Examples
    --------
    >>> frames = np.array([-1.0, 1.0])
    >>> moments = np.array([2.0, frames.sum(), (frames**2).sum()])
    >>> moments_log_likelihood(moments, np.array([0.01])).round(4)
    np.float64(-2.8379)
    """
    d = len(floor)
    counts = moments[..., 0]
    some = np.where(counts > 0, counts, 1.0)[..., None]
    means = moments[..., 1 : d + 1] / some
    of_frames = np.maximum(moments[..., d + 1 :] / some - means * means, 0.0)
    variances = np.maximum(of_frames, floor)
    terms = np.log(2 * np.pi * variances) + of_frames / variances
    return np.asarray(-0.5 * counts * terms.sum(axis=-1))


def agglomerate(
    moments: NDArray[np.float64], floor: NDArray[np.float64]
) -> Iterator[tuple[int, int, float]]:
    """Merge the two clusters whose union loses the least log-likelihood, until one is left.

    Parameters
    ----------
    moments : array, shape (C, 1 + 2 D)
        Moments of the first clusters.
    floor : array, shape (D,)
        Smallest variances.

    Yields
    ------
    tuple of (int, int, float)
        The cluster that takes the other one up, that one, which is gone, and the loss in nats. Of
        equal losses, the first pair is taken.
    """
    sums = moments.copy()
    alone = moments_log_likelihood(sums, floor)
    losses = np.full((len(sums), len(sums)), np.inf)
    left = np.ones(len(sums), np.bool_)
    for i in range(len(sums)):
        united = moments_log_likelihood(sums[i] + sums[i + 1 :], floor)
        losses[i, i + 1 :] = alone[i] + alone[i + 1 :] - united
    for _ in range(len(sums) - 1):
        i, j = map(int, np.unravel_index(np.argmin(losses), losses.shape))
        loss = float(losses[i, j])
        sums[i] += sums[j]
        left[j] = False
        losses[j, :] = losses[:, j] = np.inf
        alone[i] = moments_log_likelihood(sums[i], floor)
        changed = alone[i] + alone - moments_log_likelihood(sums[i] + sums, floor)
        losses[i, i + 1 :] = np.where(left[i + 1 :], changed[i + 1 :], np.inf)
        losses[:i, i] = np.where(left[:i], changed[:i], np.inf)
        yield i, j, loss
