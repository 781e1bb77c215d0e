"""K-means on frames: seeds that lie apart, then Lloyd's algorithm by matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.density import block_size
from speakergmm.parallel import threaded_map

# Seeding passes over its frames once per cluster; this many per cluster are enough for it.
_SEEDING_FRAMES_PER_CLUSTER = 32


def kmeans(
    frames: NDArray[np.floating[Any]],
    *,
    n_clusters: int,
    rng: np.random.Generator,
    max_iter: int = 10,
    n_jobs: int = 1,
) -> NDArray[np.float64]:
    """Centres of clusters that keep the squared distances of frames to their centre small.

    Parameters
    ----------
    frames : array, shape (T, D)
        Finite; on scales that may be compared.
    n_clusters : int
        At most T.
    rng : numpy.random.Generator
        Source of randomness.
    max_iter : int, default=10
        Most passes of Lloyd's algorithm; it ends sooner when no frame changes its cluster.
    n_jobs : int, default=1
        Threads; the result does not depend on it.

    Returns
    -------
    array, shape (n_clusters, D)
        A cluster that lost all its frames is moved to the frame that lies farthest from its own
        centre, so that duplicates apart, no cluster stays empty.

    Notes
    -----
    Seeding is that of Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding"
    (2007), on a random part of the frames where these are many.
    """
    centres = _seed(frames, n_clusters, rng)
    labels = np.full(len(frames), -1)
    for _ in range(max_iter):
        previous = labels
        labels, distances = assign(frames, centres, n_jobs=n_jobs)
        if np.array_equal(labels, previous):
            break
        counts = np.bincount(labels, minlength=n_clusters)
        for feature in range(frames.shape[1]):
            sums = np.bincount(labels, frames[:, feature], minlength=n_clusters)
            centres[:, feature] = sums / np.maximum(counts, 1)
        empty = np.flatnonzero(counts == 0)
        if empty.size:
            centres[empty] = frames[np.argsort(-distances, kind="stable")[: empty.size]]
    return centres


def assign(
    frames: NDArray[np.floating[Any]], centres: NDArray[np.float64], *, n_jobs: int = 1
) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """Nearest centre of each frame, and the squared distance to it.

    Parameters
    ----------
    frames : array, shape (T, D)
        Finite.
    centres : array, shape (K, D)
        Finite.
    n_jobs : int, default=1
        Threads.

    Returns
    -------
    labels : array, shape (T,)
        Of several nearest centres, the first.
    distances : array, shape (T,)
        Squared distances, to the rounding of the frames' dtype.
    """
    # Half the squared distance less half the frame's own square: what the nearest centre minimises.
    offset = frames.mean(axis=0, dtype=np.float64)
    moved = centres - offset
    projection = np.ascontiguousarray(moved.T).astype(frames.dtype)
    halves = (0.5 * (moved**2).sum(axis=1)).astype(frames.dtype)
    shift = offset.astype(frames.dtype)
    size = block_size(len(centres))

    def assign_block(start: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        block = frames[start : start + size] - shift
        scores = block @ projection
        scores -= halves
        labels = scores.argmax(axis=1)
        best = np.take_along_axis(scores, labels[:, None], axis=1)[:, 0]
        distances = (block**2).sum(axis=1, dtype=np.float64) - 2.0 * best
        return labels, np.maximum(distances, 0.0)

    parts = list(threaded_map(assign_block, range(0, len(frames), size), n_jobs=n_jobs))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _seed(
    frames: NDArray[np.floating[Any]], n_clusters: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    most = max(_SEEDING_FRAMES_PER_CLUSTER * n_clusters, 1024)
    if len(frames) > most:
        frames = frames[np.sort(rng.choice(len(frames), size=most, replace=False))]
    centres = np.empty((n_clusters, frames.shape[1]))
    centres[0] = frames[rng.integers(len(frames))]
    nearest = np.full(len(frames), np.inf)
    for cluster in range(1, n_clusters):
        difference = frames - centres[cluster - 1].astype(frames.dtype)
        distances = np.einsum("td,td->t", difference, difference).astype(np.float64)
        np.minimum(nearest, distances, out=nearest)
        total = nearest.sum()
        if total > 0:
            point = np.searchsorted(np.cumsum(nearest), rng.random() * total, side="right")
            chosen = min(int(point), len(frames) - 1)
        else:
            # Every frame is a centre already: duplicates are all that is left.
            chosen = int(rng.integers(len(frames)))
        centres[cluster] = frames[chosen]
    return centres
