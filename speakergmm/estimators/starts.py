"""Starts of a fit: k-means, k-means++, random frames, random responsibilities, splitting.

A start is told as statistics: what an update, of maximum likelihood or of a posterior, takes too.
They are about the means of the components, so that a single frame has a scatter of zero, not of
rounding.

From the same random state a start is scikit-learn's, to rounding, and takes the same random
numbers, for up to `START_FRAMES` frames; beyond, clusters are looked for among that many frames,
which stand at equal steps of the cumulative weight. A frame of weight 2 is two frames to all
starts but "random", whose responsibilities are drawn by frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import kmeans_plusplus

from speakergmm.estimators.input_frames import Frames, TrainingFrames, are_counts
from speakergmm.gaussians.covariances import Covariances
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.mixtures.accumulation import accumulate
from speakergmm.mixtures.maximum_likelihood import MaximumLikelihoodOptions
from speakergmm.mixtures.mixture import DiagonalMixture
from speakergmm.mixtures.starts.initialisation import grow_by_doubling
from speakergmm.mixtures.starts.kmeans_clustering import lloyd
from speakergmm.moments import Moments
from speakergmm.parallel import single_threaded_blas

START_FRAMES = 2**16
"""Most frames among which k-means, k-means++ and splitting look for clusters."""

STARTS = ("kmeans", "k-means++", "random", "random_from_data", "splitting")
SINGLE_FRAMES = ("k-means++", "random_from_data")

_KMEANS_PASSES, _KMEANS_TOLERANCE = 300, 1e-4
# Of float32 numbers, with room for what is made of them.
_LARGEST_SQUARE, _LEAST_SQUARE = 1e37, 1e-30
_SPLITTING_STEPS = 4
# Numbers of frames x components that are held at a time.
_BLOCK_SIZE = 2**20
# An offset of so many deviations leaves float64 too few digits of a second moment about zero.
_LARGE_OFFSET = 1e3


def find_mixture_start(
    frames: TrainingFrames,
    method: str,
    *,
    n_components: int,
    covariance_type: str,
    random_state: np.random.RandomState,
    unit: float = 1.0,
) -> MixtureStatistics:
    """Find where a fit begins.

    Parameters
    ----------
    frames : TrainingFrames
        Checked frames, at least K of weight above zero.
    method : {"kmeans", "k-means++", "random", "random_from_data", "splitting"}
        "kmeans": the clusters of k-means. "k-means++": single frames, far from each other.
        "random_from_data": single random frames. "random": frames shared at random. "splitting":
        diagonal Gaussians that double in number, with a few steps of EM between (LBG [1]_).
    n_components : int
        K.
    covariance_type : {"full", "tied", "diag", "spherical"}
        Which covariances to find.
    random_state : numpy.random.RandomState
        Source of randomness; splitting takes none.
    unit : float, default=1.0
        Weight that counts as one frame: sums of huge or tiny weights overflow or lose digits.

    Returns
    -------
    MixtureStatistics
        Of a share of the frames, in frames or in their weight; moments about `origins`, which are
        the means of the components (of an empty one, that of all frames), in feature units.

    References
    ----------
    .. [1] Linde, Buzo, Gray, "An Algorithm for Vector Quantizer Design", IEEE Transactions on
       Communications 28 (1980) 84-95.
    """
    kind = covariance_kind(covariance_type)
    if method == "random":
        return _random_shares(frames, n_components, kind, random_state, unit)
    if method == "random_from_data":
        chosen = _choose_frames(frames, n_components, random_state)
        return _single_frames(frames, frames.rows(chosen), kind)
    rows, weights = draw_frames(frames, START_FRAMES)
    weights = None if weights is None else weights / unit
    if method == "k-means++":
        # Distances lose digits to an offset; the frames themselves have it.
        moved = (rows - frames.moments.mean).astype(rows.dtype)
        _, chosen = kmeans_plusplus(
            moved, n_components, sample_weight=weights, random_state=random_state
        )
        return _single_frames(frames, rows[chosen], kind)
    if method == "splitting":
        labels = _split(frames, rows, weights, n_components)
    else:
        labels = cluster(rows, weights, n_components, random_state)[1]
    return statistics_of_labels(rows, labels, n_components, kind, weights)


def statistics_of_labels(
    X: Frames,
    labels: NDArray[np.integer],
    n_components: int,
    kind: Covariances,
    sample_weight: NDArray[np.float64] | None = None,
) -> MixtureStatistics:
    """Return the statistics of frames (T, D) that belong to one of K components each.

    They are as `find_mixture_start` has them; `sample_weight`, shape (T,), is the weight of each
    frame.
    """
    order = np.argsort(labels, kind="stable")
    stops = np.cumsum(np.bincount(labels, minlength=n_components))
    parts = [
        Moments.of(
            X[own], None if sample_weight is None else sample_weight[own], full=kind.is_matrix
        )
        for own in np.split(order, stops[:-1])
    ]
    nowhere = X.mean(axis=0, dtype=np.float64)
    means = np.stack([part.mean if part.weight else nowhere for part in parts])
    # Without frames, moments have one feature of no spread.
    nothing = np.zeros((X.shape[1],) * (2 if kind.is_matrix else 1))
    scatter = np.stack(
        [
            nothing + part.weight * (part.covariance if kind.is_matrix else part.variance)
            for part in parts
        ]
    )
    if kind.is_shared or kind.is_isotropic:
        scatter = scatter.sum(axis=0 if kind.is_shared else 1)
    return _about_means(np.array([part.weight for part in parts]), means, scatter, kind)


def _about_means(
    counts: NDArray[np.float64],
    means: NDArray[np.float64],
    scatter: NDArray[np.float64],
    kind: Covariances,
) -> MixtureStatistics:
    # In the order in memory of a copy that a checkpoint holds: sums then round as those of one.
    means, scatter = np.ascontiguousarray(means), np.ascontiguousarray(scatter)
    return MixtureStatistics(
        counts, np.zeros_like(means), scatter, 0.0, counts.sum(), kind.name, origins=means
    )


def draw_frames(frames: TrainingFrames, most: int) -> tuple[Frames, NDArray[np.float64] | None]:
    """Give all frames (of weight above zero) with their weights, or `most` that stand for them.

    The latter are those at equal steps of the cumulative weight, each of weight one (None): the
    same ones, whether a frame has a weight of 2 or is there twice. Rows lie in the order of C, by
    which clusters round. A stream is read for it once, however many restarts there are.
    """
    if isinstance(frames.source, np.ndarray):
        rows, weights = _draw_frames(frames, most)
    else:
        rows, weights = frames.once(f"{most} frames", lambda: _draw_frames(frames, most))
    if rows.dtype == np.float32 and not _squares_fit_float32(rows, frames.moments.variance):
        rows = rows.astype(np.float64)
    return rows, weights


def _squares_fit_float32(rows: Frames, variance: NDArray[np.float64]) -> bool:
    """Tell whether sums of rows, and of squared distances of all of them, stay in range."""
    squares = max(float(np.abs(rows).max(initial=0.0)) ** 2, float(variance.max()))
    smallest = float(variance.min(initial=np.inf, where=variance > 0))
    return squares * rows.size < _LARGEST_SQUARE and smallest > _LEAST_SQUARE


def _draw_frames(frames: TrainingFrames, most: int) -> tuple[Frames, NDArray[np.float64] | None]:
    weights = frames.sample_weight
    if _n_copies(frames) <= most:
        if weights is None:
            if isinstance(frames.source, np.ndarray):
                return np.ascontiguousarray(frames.source), None
            return np.ascontiguousarray(np.concatenate(list(frames.source()))), None
        useful = np.flatnonzero(weights)
        return frames.rows(useful), weights[useful]
    if weights is None:
        chosen = (np.arange(most) * 2 + 1) * frames.n_frames // (2 * most)
    else:
        chosen = _frames_at(weights, (np.arange(most) + 0.5) / most)
    return frames.rows(chosen), None


def _n_copies(frames: TrainingFrames) -> int:
    """Count frames as if those of integer weights were there so many times."""
    weights = frames.sample_weight
    if weights is None:
        return frames.n_frames
    if are_counts(weights):
        return int(weights.sum())
    return int(np.count_nonzero(weights))


def _frames_at(weights: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.intp]:
    """Find the frames in which these parts (0..1) of the cumulative weight lie."""
    cumulative = np.cumsum(weights)
    return np.asarray(np.searchsorted(cumulative, parts * cumulative[-1], side="right"))


def _choose_frames(
    frames: TrainingFrames, n_components: int, random_state: np.random.RandomState
) -> NDArray[np.intp]:
    weights = frames.sample_weight
    if weights is None or are_counts(weights):
        chosen = random_state.choice(_n_copies(frames), size=n_components, replace=False)
        if weights is None:
            return np.asarray(chosen)
        return np.searchsorted(np.cumsum(weights), chosen, side="right")
    drawn = random_state.choice(
        frames.n_frames, size=n_components, replace=False, p=weights / weights.sum()
    )
    return np.asarray(drawn)


def _random_shares(
    frames: TrainingFrames,
    n_components: int,
    kind: Covariances,
    random_state: np.random.RandomState,
    unit: float,
) -> MixtureStatistics:
    d, origin = frames.n_features, frames.moments.mean
    sums = np.zeros((kind.n_rows(d), n_components))
    # Drawn in pieces, the random numbers are those of one large array.
    for rows, weights in frames.chunks(max(1, _BLOCK_SIZE // max(sums.shape))):
        shares = random_state.uniform(size=(len(rows), n_components))
        shares *= (weights / unit / shares.sum(axis=1))[:, None]
        functions = np.ones((len(sums), len(rows)))
        functions[1 : d + 1] = (rows - origin).T
        kind.fill(functions, d)
        sums += functions @ shares
    counts, second = sums[0], kind.second_order(sums[d + 1 :], d)
    if kind.is_shared:
        second = second.sum(axis=0)
    means = sums[1 : d + 1].T / counts[:, None]
    scatter = kind.symmetric(second - kind.second_moments(counts, means, np.zeros_like(second)))
    if not kind.is_matrix:
        scatter = np.maximum(scatter, 0.0)
    return _about_means(counts, origin + means, scatter, kind)


def _single_frames(frames: TrainingFrames, chosen: Frames, kind: Covariances) -> MixtureStatistics:
    """Components of one frame each, without a covariance of their own."""
    n_components, n_features = chosen.shape
    counts, means = np.ones(n_components), chosen.astype(np.float64)
    if not kind.is_shared:
        return _about_means(counts, means, np.zeros(kind.shape(n_components, n_features)), kind)
    # As scikit-learn has it: second moments about zero of all the frames that were not chosen,
    # by component. About the mean instead where an offset would leave no digits of the spread.
    moments = frames.moments
    offset = np.abs(moments.mean) > _LARGE_OFFSET * np.sqrt(moments.variance)
    origin = moments.mean if offset[moments.variance > 0].any() else np.zeros(n_features)
    second = frames.once("scatter", lambda: _scatter(frames, origin))
    return _about_means(counts, means, second - (means - origin).T @ (means - origin), kind)


def _scatter(frames: TrainingFrames, origin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum of the outer products of all frames, seen from a point; (D, D)."""
    scatter = np.zeros((frames.n_features, frames.n_features))
    for rows, weights in frames.chunks(max(1, _BLOCK_SIZE // frames.n_features)):
        rows -= origin
        scatter += (rows * weights[:, None]).T @ rows
    return scatter


def cluster(
    rows: Frames,
    weights: NDArray[np.float64] | None,
    n_clusters: int,
    random_state: np.random.RandomState,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Give the centres (K, D) and the labels (N,) that scikit-learn's `KMeans` finds, to rounding.

    Parameters
    ----------
    rows : array, shape (N, D)
        At least K.
    weights : array, shape (N,), or None
        Above 0; the tolerance then is a part of the weighted variance.
    n_clusters : int
        K.
    random_state : numpy.random.RandomState
        As many random numbers are taken as `KMeans` takes.
    """
    mean = rows.mean(axis=0)
    moved = rows - mean
    variance = Moments.of(rows, weights).variance.mean()
    with single_threaded_blas():
        seeds, _ = kmeans_plusplus(
            moved, n_clusters, sample_weight=weights, random_state=random_state
        )
        centres, labels = lloyd(
            moved,
            seeds,
            sample_weight=weights,
            max_iter=_KMEANS_PASSES,
            tol=_KMEANS_TOLERANCE * variance,
            origin=np.zeros(rows.shape[1]),
        )
    return centres + mean, labels


def _split(
    frames: TrainingFrames,
    rows: Frames,
    weights: NDArray[np.float64] | None,
    n_components: int,
) -> NDArray[np.intp]:
    moments = frames.moments
    standard = (rows - moments.mean) / moments.deviation()
    varies = (moments.variance > 0).astype(np.float64)
    options = MaximumLikelihoodOptions(variance_floor=1e-3, min_occupancy=1e-3)
    ones = np.ones((1, frames.n_features))
    model = DiagonalMixture([1.0], 0.0 * ones, ones)
    model = grow_by_doubling(
        model,
        n_components,
        lambda current: accumulate(current, standard, sample_weight=weights, precision="float64"),
        steps=_SPLITTING_STEPS,
        options=options,
        data_variance=varies,
    )
    # Each frame to its most probable component: its moments then lose no digits to an outlier.
    return model.predict(standard, precision="float64")
