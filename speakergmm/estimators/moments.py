"""Counts, means and covariances of components from labels or responsibilities.

What a start is made of. All sums are float64 and of differences: from the component's own mean
where each frame belongs to one component (so that a single frame has a covariance of zero, not of
rounding), from the mean of the data where frames are shared.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.estimators.frames import Frames


@dataclass(frozen=True, slots=True, eq=False)
class ComponentMoments:
    """What a share of the frames says of each component, before any regularisation.

    Parameters
    ----------
    counts : array, shape (K,)
        Occupancy of each component, in frames or in their weight; 0 for an empty one.
    means : array, shape (K, D)
        In feature units; of an empty component, the mean of all frames.
    covariances : array
        About the means, with division by the counts; of shape (K,) for spherical, (K, D) for
        diag, (D, D) for tied, (K, D, D) for full. Zero for an empty component.
    of_single_frames : bool, default=False
        Whether each component is one frame, without a covariance of its own.
    """

    counts: NDArray[np.float64]
    means: NDArray[np.float64]
    covariances: NDArray[np.float64]
    of_single_frames: bool = False


def moments_of_labels(
    X: Frames,
    labels: NDArray[np.integer],
    *,
    n_components: int,
    covariance_type: str,
    sample_weight: NDArray[np.float64] | None = None,
) -> ComponentMoments:
    """Give the moments of frames that belong to one component each.

    Parameters
    ----------
    X : array, shape (T, D)
        Finite frames.
    labels : array, shape (T,)
        Component of each frame, from 0 to K - 1.
    n_components : int
        K.
    covariance_type : {"full", "tied", "diag", "spherical"}
        Which covariances to find.
    sample_weight : array, shape (T,), optional
        Weight of each frame.
    """
    weights = np.ones(len(X)) if sample_weight is None else sample_weight
    counts = np.bincount(labels, weights, minlength=n_components).astype(np.float64)
    divisor = np.where(counts > 0, counts, 1.0)
    origin = X.mean(axis=0, dtype=np.float64)
    differences = X - origin
    sums = [
        np.bincount(labels, weights * differences[:, feature], minlength=n_components)
        for feature in range(X.shape[1])
    ]
    means = np.stack(sums, axis=1) / divisor[:, None]
    # One more pass over the remainders takes a cluster of one frame, or of equal frames, to it.
    differences -= means[labels]
    n_features = X.shape[1]
    if covariance_type in ("diag", "spherical"):
        scatter = np.stack(
            [
                np.bincount(labels, weights * differences[:, feature] ** 2, minlength=n_components)
                for feature in range(n_features)
            ],
            axis=1,
        )
        covariances = scatter / divisor[:, None]
        if covariance_type == "spherical":
            covariances = covariances.mean(axis=1)
    elif covariance_type == "tied":
        covariances = (differences * weights[:, None]).T @ differences / counts.sum()
    else:
        covariances = np.zeros((n_components, n_features, n_features))
        order = np.argsort(labels, kind="stable")
        stops = np.cumsum(np.bincount(labels, minlength=n_components))
        for k in range(n_components):
            own = order[stops[k - 1] if k else 0 : stops[k]]
            covariances[k] = (differences[own] * weights[own, None]).T @ differences[own]
        covariances /= divisor[:, None, None]
    return ComponentMoments(counts, origin + means, _symmetric(covariances, covariance_type))


def moments_of_responsibilities(
    blocks: Iterable[tuple[Frames, NDArray[np.float64]]],
    origin: NDArray[np.float64],
    *,
    n_components: int,
    covariance_type: str,
) -> ComponentMoments:
    """Give the moments of frames that components share.

    Parameters
    ----------
    blocks : iterable of (X, responsibilities)
        Frames of shape (T, D) and, for each, its (weighted) shares of shape (T, K).
    origin : array, shape (D,)
        A point near the mean of the frames.
    n_components : int
        K.
    covariance_type : {"full", "tied", "diag", "spherical"}
        Which covariances to find.
    """
    n_features = len(origin)
    counts = np.zeros(n_components)
    first = np.zeros((n_components, n_features))
    shapes = {
        "full": (n_components, n_features, n_features),
        "tied": (n_features, n_features),
    }
    second = np.zeros(shapes.get(covariance_type, (n_components, n_features)))
    for rows, shares in blocks:
        differences = rows - origin
        counts += shares.sum(axis=0)
        first += shares.T @ differences
        if covariance_type == "tied":
            second += (differences * shares.sum(axis=1)[:, None]).T @ differences
        elif covariance_type == "full":
            for k in range(n_components):
                second[k] += (differences * shares[:, k, None]).T @ differences
        else:
            second += shares.T @ differences**2
    divisor = np.where(counts > 0, counts, 1.0)
    means = first / divisor[:, None]
    if covariance_type == "tied":
        covariances = (second - (means * counts[:, None]).T @ means) / counts.sum()
    elif covariance_type == "full":
        covariances = second / divisor[:, None, None] - means[:, :, None] * means[:, None, :]
    else:
        covariances = np.maximum(second / divisor[:, None] - means**2, 0.0)
        if covariance_type == "spherical":
            covariances = covariances.mean(axis=1)
    return ComponentMoments(counts, origin + means, _symmetric(covariances, covariance_type))


def _symmetric(covariances: NDArray[np.float64], covariance_type: str) -> NDArray[np.float64]:
    """Remove what rounding has made of the symmetry of matrices."""
    if covariance_type in ("diag", "spherical"):
        return covariances
    return (covariances + np.swapaxes(covariances, -1, -2)) / 2
