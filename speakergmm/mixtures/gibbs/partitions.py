"""Partitions of frames: prior probability, canonical labels, comparison, point estimate.

A partition of T frames is an array of T labels; those of S sweeps are an array (S, T).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def log_partition_prior(counts: ArrayLike, concentration: float) -> float:
    """Return the log-probability of a partition with these cluster sizes (Dirichlet process).

    Parameters
    ----------
    counts : array, shape (K,)
        Number of frames of each cluster, all positive.
    concentration : float
        Concentration of the Dirichlet process, > 0; the expected number of clusters grows with it.

    Returns
    -------
    float
        Natural logarithm; Antoniak (1974), the Chinese restaurant process.

    Examples
    --------
    >>> round(math.exp(log_partition_prior([2, 1], 1.0)), 6)  # 1/2 together, then 1/3 apart
    0.166667
    """
    from scipy.special import gammaln

    sizes = np.asarray(counts, dtype=np.float64)
    n_frames = float(sizes.sum())
    return float(
        len(sizes) * math.log(concentration)
        + gammaln(sizes).sum()
        + math.lgamma(concentration)
        - math.lgamma(concentration + n_frames)
    )


def name_by_size(labels: ArrayLike) -> Labels:
    """Label the clusters of a partition, shape (T,), by size: 0 for the largest, and so on.

    Of two clusters of the same size the one that appears first comes first.
    """
    _, first, inverse, counts = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    order = np.lexsort((first, -counts))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return np.asarray(rank[inverse.reshape(-1)])


def name_by_appearance(labels: ArrayLike) -> Labels:
    """Label clusters in the order of their first frames: equal partitions have equal labels."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.asarray(rank[inverse.reshape(-1)])


def split_by_label(labels: NDArray[Any]) -> list[NDArray[np.intp]]:
    """Return the frames of each cluster, in ascending order, for labels 0..K-1."""
    order = np.argsort(labels, kind="stable")
    return list(np.split(order, np.cumsum(np.bincount(labels))[:-1]))


def coclustering(labels: ArrayLike) -> Array:
    """Return the part of the partitions (S, T) in which two frames are in one cluster.

    Returns
    -------
    array, shape (T, T)
    """
    partitions = np.asarray(labels)
    n_partitions, n_frames = partitions.shape
    together = np.zeros((n_frames, n_frames))
    for partition in partitions:
        together += partition[:, None] == partition
    return np.asarray(together / n_partitions)


def least_squares_partition(labels: ArrayLike) -> Labels:
    """Return the partition that is closest to the co-clustering probabilities of all.

    It minimises the sum over pairs of frames of (1 if together else 0, minus the probability of
    being together)^2 among these partitions: Dahl (2006), "Model-based clustering for
    expression data via a Dirichlet process mixture model".

    Parameters
    ----------
    labels : array, shape (S, T)

    Returns
    -------
    array, shape (T,)
        The first of the best ones, with clusters labelled in order of appearance.

    Raises
    ------
    InvalidInputError
        If there is no partition.

    Notes
    -----
    No T x T matrix is built: with n_kl the numbers of frames that clusters of two partitions share,
    sum n_kl^2 pairs agree, which takes time T for each two *different* partitions.

    Examples
    --------
    >>> least_squares_partition([[5, 5, 1], [0, 0, 1], [0, 1, 1]])
    array([0, 0, 1])
    """
    partitions = np.asarray(labels)
    if partitions.ndim != 2 or len(partitions) == 0:
        raise InvalidInputError(
            f"partitions must have shape (S, T) with S >= 1, found {partitions.shape}"
        )
    named = np.stack([name_by_appearance(partition) for partition in partitions])
    distinct, first, repeats = np.unique(named, axis=0, return_index=True, return_counts=True)
    order = np.argsort(first)
    distinct, repeats = distinct[order], repeats[order]
    n_distinct = len(distinct)
    agreements = np.zeros((n_distinct, n_distinct))
    for s in range(n_distinct):
        for t in range(s, n_distinct):
            shared = np.bincount(distinct[s] * (distinct[t].max(initial=0) + 1) + distinct[t])
            agreements[s, t] = agreements[t, s] = (shared.astype(np.float64) ** 2).sum()
    losses = np.diag(agreements) - 2 * agreements @ (repeats / repeats.sum())
    return np.asarray(distinct[int(np.argmin(losses))])
