"""Counts, means and covariances of components from labels or responsibilities.

What a start is made of. Where each frame belongs to one component these are the `Moments` of its
frames, so that a single frame has a covariance of zero, not of rounding; where frames are shared
all sums are of differences from the mean of the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speakergmm.estimators.frames import Frames
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.moments import Moments


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
    kind = covariance_kind(covariance_type)
    order = np.argsort(labels, kind="stable")
    stops = np.cumsum(np.bincount(labels, minlength=n_components))
    parts = [
        Moments.of(
            X[own], None if sample_weight is None else sample_weight[own], full=kind.is_matrix
        )
        for own in np.split(order, stops[:-1])
    ]
    counts = np.array([part.weight for part in parts])
    nowhere = X.mean(axis=0, dtype=np.float64)
    means = np.stack([part.mean if part.weight else nowhere for part in parts])
    shape = (X.shape[1],) * (2 if kind.is_matrix else 1)
    found = (part.covariance if kind.is_matrix else part.variance for part in parts)
    covariances = np.stack([np.broadcast_to(one, shape) for one in found])
    if kind.is_shared:
        covariances = np.tensordot(counts / counts.sum(), covariances, 1)
    elif kind.is_isotropic:
        covariances = covariances.mean(axis=1)
    return ComponentMoments(counts, means, covariances)


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
    kind, n_features = covariance_kind(covariance_type), len(origin)
    counts = np.zeros(n_components)
    first = np.zeros((n_components, n_features))
    second = np.zeros(kind.shape(n_components, n_features))
    for rows, shares in blocks:
        differences = rows - origin
        counts += shares.sum(axis=0)
        first += shares.T @ differences
        if kind.is_shared:
            second += (differences * shares.sum(axis=1)[:, None]).T @ differences
        elif kind.is_matrix:
            for k in range(n_components):
                second[k] += (differences * shares[:, k, None]).T @ differences
        else:
            squares = shares.T @ differences**2
            second += squares.sum(axis=1) if kind.is_isotropic else squares
    means = first / np.where(counts > 0, counts, 1.0)[:, None]
    covariances = kind.symmetric(kind.from_moments(counts, means, second))
    if not kind.is_matrix:
        covariances = np.maximum(covariances, 0.0)
    return ComponentMoments(counts, origin + means, covariances)
