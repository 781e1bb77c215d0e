"""K-means of frames: seeds that lie apart, then Lloyd's algorithm by matrix products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.engine import ONE_WORKER, Engine, EngineLike, single_threaded_blas
from speakergmm.gaussians.evaluator import block_size

# Number of frames per cluster that seeding looks at: it passes over them once per cluster.
_SEEDING_FRAMES_PER_CLUSTER = 32


def kmeans(
    frames: NDArray[np.floating[Any]],
    *,
    n_clusters: int,
    rng: np.random.Generator,
    max_iter: int = 10,
    engine: EngineLike = None,
) -> NDArray[np.float64]:
    """Return cluster centres for which the squared distances of frames to them are small.

    Parameters
    ----------
    frames : array, shape (T, D)
        Finite frames, whose features have comparable scales.
    n_clusters : int
        Number of clusters, at most T.
    rng : numpy.random.Generator
        Source of randomness.
    max_iter : int, default=10
        Largest number of passes.
    engine : int, executor, Dask client or Engine, optional
        Where the work is done; a number is one of threads. The result does not depend on it.

    Returns
    -------
    array, shape (n_clusters, D)
        The result of `lloyd` from the centres of `seed`.
    """
    return lloyd(
        frames, seed(frames, n_clusters, rng), max_iter=max_iter, engine=Engine.of(engine)
    )[0]


def lloyd(
    frames: NDArray[np.floating[Any]],
    centres: NDArray[np.floating[Any]],
    *,
    sample_weight: NDArray[np.float64] | None = None,
    max_iter: int = 10,
    tol: float = 0.0,
    origin: NDArray[np.float64] | None = None,
    engine: Engine = ONE_WORKER,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Move centres to the means of the frames nearest to them until they no longer move.

    Parameters
    ----------
    frames : array, shape (T, D)
        Finite, in float32 or float64; distances are compared in that precision.
    centres : array, shape (K, D)
        Centres from which to start.
    sample_weight : array, shape (T,), optional
        Weight of each frame, > 0.
    max_iter : int, default=10
        Largest number of passes; fewer if no frame changes its cluster.
    tol : float, default=0
        Passes also end if the sum of the squared movements of all centres is no more than this.
    origin : array, shape (D,), optional
        Point near the mean of the frames, which is subtracted from them; by default their mean.
    engine : Engine, optional
        Threads on which blocks of frames are compared with the centres; their number does not
        change the result. By default one.

    Returns
    -------
    centres : array, shape (K, D)
        Final centres. A cluster that lost all its frames takes the frame that lies farthest from
        its own centre, so that, duplicates apart, no cluster stays empty.
    labels : array, shape (T,)
        Cluster of each frame.

    Notes
    -----
    From the same centres, passes and stopping rule are those of scikit-learn's `KMeans`.
    """
    from scipy.sparse import csc_array  # here, because it is slow to import

    if origin is None:
        origin = frames.mean(axis=0, dtype=np.float64)
    n_frames, n_clusters = len(frames), len(centres)
    current: NDArray[np.float64] = centres.astype(np.float64)
    labels: NDArray[np.intp] = np.zeros(n_frames, np.intp)
    # The share (K, T) of each cluster in each frame: times frames it gives their sums.
    weights = np.ones(n_frames) if sample_weight is None else sample_weight
    shares = csc_array((weights, labels, np.arange(n_frames + 1)), shape=(n_clusters, n_frames))
    with single_threaded_blas():
        for number in range(max_iter):
            found = _nearest(frames, current, origin, engine)
            if number and np.array_equal(found, labels):
                return current, labels
            labels = shares.indices = found
            counts = np.bincount(labels, weights, n_clusters).astype(np.float64)
            sums = shares @ frames
            if not counts.all():
                _fill(counts, sums, frames, labels, weights, current)
            old, current = current, sums / counts[:, None]
            if ((current - old) ** 2).sum() <= tol:
                break
        return current, _nearest(frames, current, origin, engine)


def _fill(
    counts: NDArray[np.float64],
    sums: NDArray[np.float64],
    frames: NDArray[np.floating[Any]],
    labels: NDArray[np.intp],
    weights: NDArray[np.float64],
    centres: NDArray[np.float64],
) -> None:
    """Fill each cluster without a frame, in place, with one that lies far from its centre."""
    empty = np.flatnonzero(counts == 0)
    distances = ((frames - centres[labels]) ** 2).sum(axis=1)
    if distances.max() > 0:
        far = np.argpartition(distances, -empty.size)[: -empty.size - 1 : -1]
        counts[empty], sums[empty] = weights[far], weights[far, None] * frames[far]
        np.subtract.at(counts, labels[far], weights[far])
        np.subtract.at(sums, labels[far], sums[empty])
    # Duplicates of fewer frames than clusters: the rest lie where the largest does.
    rest, largest = counts == 0, counts.argmax()
    counts[rest], sums[rest] = counts[largest], sums[largest]


def _nearest(
    frames: NDArray[np.floating[Any]],
    centres: NDArray[np.float64],
    origin: NDArray[np.float64],
    engine: Engine,
) -> NDArray[np.intp]:
    """Return the nearest centre of each frame, of several the first."""
    # Half the centre's square less its product with the frame: what the nearest centre minimises.
    moved = centres - origin
    projection = np.ascontiguousarray(moved.T).astype(frames.dtype)
    halves = (0.5 * np.einsum("kd,kd->k", moved, moved)).astype(frames.dtype)
    shift = origin.astype(frames.dtype) if origin.any() else None
    size = block_size(len(centres))

    def of_block(start: int) -> NDArray[np.intp]:
        block = frames[start : start + size]
        scores = (block if shift is None else block - shift) @ projection
        scores -= halves
        return np.asarray(scores.argmax(axis=1))

    if len(frames) <= size:
        return of_block(0)
    return np.concatenate(list(engine.map_threads(of_block, range(0, len(frames), size))))


def seed(
    frames: NDArray[np.floating[Any]], n_clusters: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Return frames (K, D) that lie apart, as first centres.

    Parameters
    ----------
    frames : array, shape (T, D)
        Finite frames, whose features have comparable scales; if there are many, a random part of
        them is used.
    n_clusters : int
        Number of centres, K, at most T.
    rng : numpy.random.Generator
        Source of randomness.

    Notes
    -----
    The seeding of Arthur and Vassilvitskii, "k-means++: The Advantages of Careful Seeding" (2007).
    """
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
            # Every frame equals a centre already: only duplicates are left.
            chosen = int(rng.integers(len(frames)))
        centres[cluster] = frames[chosen]
    return centres
