"""Starts of a fit: k-means, k-means++, random frames, random responsibilities, splitting.

A start is represented by sufficient statistics, which updates by maximum likelihood and of a
posterior both accept. They are centred on the means of the components, so that the scatter of a
single frame is exactly zero.

With the same random state, and for up to `START_FRAMES` frames, a start equals scikit-learn's to
rounding and draws the same random numbers. Of more frames, clusters are searched among
`START_FRAMES` of them, at equal steps of the cumulative weight. A frame of weight 2 counts as two
frames, except for "random", which draws responsibilities per frame.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import kmeans_plusplus

from speakergmm.engine import single_threaded_blas
from speakergmm.estimators.input_frames import Frames, TrainingFrames, are_counts
from speakergmm.gaussians.covariances import Covariances
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.mixtures.accumulation import accumulate
from speakergmm.mixtures.mixture import DiagonalMixture
from speakergmm.mixtures.mixture_options import MaximumLikelihoodOptions
from speakergmm.mixtures.starts.initialisation import grow_by_doubling
from speakergmm.mixtures.starts.kmeans_clustering import lloyd
from speakergmm.moments import Moments

START_FRAMES = 2**16
"""Largest number of frames among which k-means, k-means++ and splitting search for clusters."""

STARTS = ("kmeans", "k-means++", "random", "random_from_data", "splitting")
SINGLE_FRAMES = ("k-means++", "random_from_data")

_KMEANS_PASSES, _KMEANS_TOLERANCE = 300, 1e-4
# Limits of squares in float32, with a margin for the sums that are computed from them.
_LARGEST_SQUARE, _LEAST_SQUARE = 1e37, 1e-30
_SPLITTING_STEPS = 4
# Largest size of an array of frames x components, in numbers.
_BLOCK_SIZE = 2**20
# Beyond this ratio of mean to standard deviation, float64 has too few digits for second moments
# about zero.
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
    """Find the start of a fit.

    Parameters
    ----------
    frames : TrainingFrames
        Checked frames, at least K of them of weight above zero.
    method : {"kmeans", "k-means++", "random", "random_from_data", "splitting"}
        "kmeans": clusters of k-means. "k-means++": single frames, far from each other.
        "random_from_data": single frames, chosen at random. "random": random responsibilities.
        "splitting": diagonal Gaussians whose number is doubled repeatedly, with a few iterations
        of EM in between (LBG [1]_).
    n_components : int
        Number of components, K.
    covariance_type : {"full", "tied", "diag", "spherical"}
        Kind of covariances of the start.
    random_state : numpy.random.RandomState
        Source of randomness; splitting needs none.
    unit : float, default=1.0
        Weight that counts as one frame, so that sums of huge or tiny weights neither overflow nor
        lose digits.

    Returns
    -------
    MixtureStatistics
        Occupancies, in frames or units of weight, and moments about `origins`, the means of the
        components (for an empty one, the mean of all frames), in feature units.

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
    # The other methods search for clusters among a limited number of frames.
    rows, weights = draw_frames(frames, START_FRAMES)
    weights = None if weights is None else weights / unit
    if method == "k-means++":
        # Distances are computed about the mean, where they keep their digits; the chosen frames are
        # taken from the data as they are.
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
    """Compute the statistics of frames that belong to one component each.

    Parameters
    ----------
    X : array, shape (T, D)
        Frames.
    labels : array of int, shape (T,)
        Component of each frame, from 0.
    n_components : int
        Number of components, K.
    kind : Covariances
        Kind of covariances.
    sample_weight : array, shape (T,), optional
        Weight of each frame.

    Returns
    -------
    MixtureStatistics
        Statistics as from `find_mixture_start`.
    """
    # Moments of the frames of each component, about their mean.
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
    # The scatter of an empty component is zero.
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
    # C order, like arrays that are restored from a checkpoint, so that sums round the same way.
    means, scatter = np.ascontiguousarray(means), np.ascontiguousarray(scatter)
    return MixtureStatistics(
        counts, np.zeros_like(means), scatter, 0.0, counts.sum(), kind.name, origins=means
    )


def draw_frames(frames: TrainingFrames, most: int) -> tuple[Frames, NDArray[np.float64] | None]:
    """Return all frames of weight above zero with their weights, or `most` that represent them.

    The latter lie at equal steps of the cumulative weight and have equal weights (None), so that a
    frame of weight 2 is equivalent to two equal frames. Rows are in C order, on which the rounding
    of k-means depends. Blocks are read only once for all restarts.
    """
    if isinstance(frames.source, np.ndarray):
        rows, weights = _draw_frames(frames, most)
    else:
        rows, weights = frames.once(f"{most} frames", lambda: _draw_frames(frames, most))
    if rows.dtype == np.float32 and not _squares_fit_float32(rows, frames.moments.variance):
        rows = rows.astype(np.float64)
    return rows, weights


def _squares_fit_float32(rows: Frames, variance: NDArray[np.float64]) -> bool:
    """Return whether sums of all rows and of their squared distances stay in range of float32."""
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
    """Return the number of frames, where a frame of integer weight w counts w times."""
    weights = frames.sample_weight
    if weights is None:
        return frames.n_frames
    if are_counts(weights):
        return int(weights.sum())
    return int(np.count_nonzero(weights))


def _frames_at(weights: NDArray[np.float64], parts: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return the frames at these parts (0..1) of the cumulative weight."""
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
    # Sums, weighted by the shares of each component, of 1, x and the second-order functions of the
    # frames x about their mean.
    d, origin = frames.n_features, frames.moments.mean
    sums = np.zeros((kind.n_rows(d), n_components))
    # Random numbers that are drawn piece by piece equal those of one large array.
    for rows, weights in frames.chunks(max(1, _BLOCK_SIZE // max(sums.shape))):
        shares = random_state.uniform(size=(len(rows), n_components))
        shares *= (weights / unit / shares.sum(axis=1))[:, None]
        functions = np.ones((len(sums), len(rows)))
        functions[1 : d + 1] = (rows - origin).T
        kind.fill(functions, d)
        sums += functions @ shares
    # The scatter of each component about its own mean follows from its second moments.
    counts, second = sums[0], kind.second_order(sums[d + 1 :], d)
    if kind.is_shared:
        second = second.sum(axis=0)
    means = sums[1 : d + 1].T / counts[:, None]
    scatter = kind.symmetric(second - kind.second_moments(counts, means, np.zeros_like(second)))
    if not kind.is_matrix:
        scatter = np.maximum(scatter, 0.0)
    return _about_means(counts, origin + means, scatter, kind)


def _single_frames(frames: TrainingFrames, chosen: Frames, kind: Covariances) -> MixtureStatistics:
    """Return statistics of components of one frame each, which have no covariance of their own."""
    n_components, n_features = chosen.shape
    counts, means = np.ones(n_components), chosen.astype(np.float64)
    if not kind.is_shared:
        return _about_means(counts, means, np.zeros(kind.shape(n_components, n_features)), kind)
    # As in scikit-learn, a tied covariance has the second moments about zero of all frames that
    # were not chosen, divided by the number of components; about the mean instead if the data lie
    # so far from zero that no digits of the variance would be left.
    moments = frames.moments
    offset = np.abs(moments.mean) > _LARGE_OFFSET * np.sqrt(moments.variance)
    origin = moments.mean if offset[moments.variance > 0].any() else np.zeros(n_features)
    second = frames.once("scatter", lambda: _scatter(frames, origin))
    return _about_means(counts, means, second - (means - origin).T @ (means - origin), kind)


def _scatter(frames: TrainingFrames, origin: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the outer products of all frames about a point, shape (D, D)."""
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
    """Cluster frames by k-means, with the results of scikit-learn's `KMeans` to rounding.

    Parameters
    ----------
    rows : array, shape (N, D)
        Frames, at least K.
    weights : array, shape (N,), or None
        Weights above 0; the tolerance is then relative to the weighted variance.
    n_clusters : int
        Number of clusters, K.
    random_state : numpy.random.RandomState
        Source of randomness, from which as many numbers are drawn as `KMeans` draws.

    Returns
    -------
    centres : array, shape (K, D)
    labels : array of int, shape (N,)
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
    # Grow a mixture on standardised frames, from one Gaussian to K.
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
    # The start is computed from hard assignments: moments of shares of all frames would lose digits
    # to outliers.
    return model.predict(standard, precision="float64")
