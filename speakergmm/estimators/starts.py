"""Starts of a fit: k-means, k-means++, random frames, random responsibilities, splitting.

From the same random state a start is scikit-learn's, to rounding, and takes the same random
numbers, for up to `START_FRAMES` frames; beyond, clusters are looked for among that many frames,
which stand at equal steps of the cumulative weight. A frame of weight 2 is two frames to all
starts but "random", whose responsibilities are drawn by frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import kmeans_plusplus

from speakergmm.estimators.frames import Frames, TrainingFrames, are_counts
from speakergmm.estimators.moments import (
    ComponentMoments,
    moments_of_labels,
    moments_of_responsibilities,
)
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.mixtures.accumulation import accumulate
from speakergmm.mixtures.maximum_likelihood import MaximumLikelihoodOptions
from speakergmm.mixtures.mixture import DiagonalMixture
from speakergmm.mixtures.starts.initialisation import grow_by_doubling
from speakergmm.mixtures.starts.kmeans import lloyd
from speakergmm.moments import Moments
from speakergmm.parallel import single_threaded_blas

START_FRAMES = 2**16
"""Most frames among which k-means, k-means++ and splitting look for clusters."""

STARTS = ("kmeans", "k-means++", "random", "random_from_data", "splitting")

_KMEANS_PASSES, _KMEANS_TOLERANCE = 300, 1e-4
# Of float32 numbers, with room for what is made of them.
_LARGEST_SQUARE, _LEAST_SQUARE = 1e37, 1e-30
_SPLITTING_STEPS = 4
# Numbers of frames x components that are held at a time.
_BLOCK_SIZE = 2**20
# An offset of so many deviations leaves float64 too few digits of a second moment about zero.
_LARGE_OFFSET = 1e3


def find_start(
    frames: TrainingFrames,
    method: str,
    *,
    n_components: int,
    covariance_type: str,
    random_state: np.random.RandomState,
) -> ComponentMoments:
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

    Returns
    -------
    ComponentMoments

    References
    ----------
    .. [1] Linde, Buzo, Gray, "An Algorithm for Vector Quantizer Design", IEEE Transactions on
       Communications 28 (1980) 84-95.
    """
    if method == "random":
        return moments_of_responsibilities(
            _random_shares(frames, n_components, random_state),
            frames.survey.mean,
            n_components=n_components,
            covariance_type=covariance_type,
        )
    if method == "random_from_data":
        chosen = _choose_frames(frames, n_components, random_state)
        return _single_frames(frames, frames.rows(chosen), covariance_type)
    rows, weights = draw_frames(frames, START_FRAMES)
    if method == "k-means++":
        # Distances lose digits to an offset; the frames themselves have it.
        moved = (rows - frames.survey.mean).astype(rows.dtype)
        _, chosen = kmeans_plusplus(
            moved, n_components, sample_weight=weights, random_state=random_state
        )
        return _single_frames(frames, rows[chosen], covariance_type)
    if method == "splitting":
        labels = _split(frames, rows, weights, n_components)
    else:
        labels = cluster(rows, weights, n_components, random_state)[1]
    return moments_of_labels(
        rows,
        labels,
        n_components=n_components,
        covariance_type=covariance_type,
        sample_weight=weights,
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
    if rows.dtype == np.float32 and not _squares_fit_float32(rows, frames.survey.variance):
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
    frames: TrainingFrames, n_components: int, random_state: np.random.RandomState
) -> Iterator[tuple[Frames, NDArray[np.float64]]]:
    # Drawn in pieces, the random numbers are those of one large array.
    for rows, weights in frames.chunks(max(1, _BLOCK_SIZE // n_components)):
        shares = random_state.uniform(size=(len(rows), n_components))
        shares *= (weights / shares.sum(axis=1))[:, None]
        yield rows, shares


def _single_frames(
    frames: TrainingFrames, chosen: Frames, covariance_type: str
) -> ComponentMoments:
    """Components of one frame each, without a covariance of their own."""
    n_components, n_features = chosen.shape
    if not covariance_kind(covariance_type).is_shared:
        moments = moments_of_labels(
            chosen,
            np.arange(n_components),
            n_components=n_components,
            covariance_type=covariance_type,
        )
        return replace(moments, of_single_frames=True)
    # As scikit-learn has it: second moments about zero of all the frames that were not chosen,
    # by component. About the mean instead where an offset would leave no digits of the spread.
    survey = frames.survey
    offset = np.abs(survey.mean) > _LARGE_OFFSET * np.sqrt(survey.variance)
    origin = survey.mean if offset[survey.variance > 0].any() else np.zeros(n_features)
    second = frames.once("scatter", lambda: _scatter(frames, origin))
    means = chosen.astype(np.float64)
    second = second - (means - origin).T @ (means - origin)
    return ComponentMoments(np.ones(n_components), means, second / n_components)


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
    survey = frames.survey
    standard = (rows - survey.mean) / survey.deviation()
    varies = (survey.variance > 0).astype(np.float64)
    options = MaximumLikelihoodOptions(variance_floor=1e-3, min_count=1e-3)
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
