"""Initial emissions of dense models: frames are assigned to states, and then to components.

For left-to-right models each sequence is cut into as many equal parts as there are states; for
others all frames are clustered, in standardised features. The frames of each state are clustered
again for its components, which all begin with the covariance within these clusters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.covariances import Array, Covariances
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.hmm.inference.sequences import Sequences
from speakergmm.hmm.models.dense import emission_gaussians, least_variances
from speakergmm.moments import Moments

Cluster: TypeAlias = Callable[[Array, Array, int], tuple[Array, NDArray[np.intp]]]
"""Function of frames (N, D), weights (N,) and K that returns centres (K, D) and clusters (N,)."""

# Largest number of frames that are clustered.
_MOST_FRAMES = 2**16
# Smallest initial variance, as a fraction of the variance of all frames.
_LEAST_VARIANCE = 1e-2


def initialise_emissions(
    sequences: Sequences,
    weights: Array,
    moments: Moments,
    cluster: Cluster,
    *,
    covariance_type: str,
    n_states: int,
    n_mix: int,
    left_right: bool,
    min_covar: float,
) -> tuple[Array, Array, Array]:
    """Compute initial weights, means and covariances of the emissions of all states.

    Parameters
    ----------
    sequences : Sequences
        Training data, in feature units.
    weights : array, shape (R,)
        Weights of the sequences.
    moments : Moments
        Moments of all frames, each with the weight of its sequence.
    cluster : callable
        Called with standardised frames, their weights and the number of clusters, in 2..N; returns
        centres and the cluster of each frame.
    covariance_type : {"spherical", "diag", "tied", "full"}
        Kind of covariances.
    n_states, n_mix : int
        Number of states S, and of components per state M.
    left_right : bool
        Whether to cut sequences into equal parts, rather than cluster frames.
    min_covar : float
        Smallest variance, as `least_variances` takes it.

    Returns
    -------
    weights : array, shape (S, M)
    means : array, shape (S, M, D)
    covariances : array
        In hmmlearn's shape.
    """
    tied = covariance_type == "tied"
    kind = covariance_kind("full" if tied else covariance_type)
    standardisation = Standardisation.from_moments(
        moments.mean, moments.variance, isotropic=kind.is_isotropic
    )
    # Assign frames to states.
    z, shares, places = _in_order(sequences, weights, standardisation)
    if left_right:
        states = np.minimum((places * n_states).astype(np.intp), n_states - 1)
    else:
        states = _clustered(cluster, z, shares, n_states)[1]
    # Cluster the frames of each state for its components, around one covariance.
    means = np.empty((n_states, n_mix, z.shape[1]))
    counts = np.empty((n_states, n_mix))
    within = []
    for state in range(n_states):
        there = states == state
        if not there.any():
            # A state without frames begins with those of all states.
            there[:] = True
        own, own_shares = z[there], shares[there]
        means[state], labels = _clustered(cluster, own, own_shares, n_mix)
        counts[state] = np.bincount(labels, weights=own_shares, minlength=n_mix)
        within.append(_covariance(kind, own - means[state][labels], own_shares))
    # Apply the floors, and return to feature units.
    variance = np.where(moments.variance > 0, moments.variance, 1.0)
    floor = np.maximum(_LEAST_VARIANCE * variance, least_variances(min_covar, moments.variance))
    covars, _ = kind.floored(np.stack(within), floor / standardisation.scale**2)
    if not tied:
        covars = np.repeat(covars[:, None], n_mix, axis=1)
    gaussians = standardisation.model_from_standard(
        emission_gaussians(covariance_type, means, covars)
    )
    # Each component has at least a tenth of an equal share.
    counts = np.maximum(counts, 0.1 * counts.sum(axis=1, keepdims=True) / n_mix)
    return (
        counts / counts.sum(axis=1, keepdims=True),
        gaussians.means.reshape(means.shape),
        gaussians.covariances.reshape(covars.shape),
    )


def _in_order(
    sequences: Sequences, weights: Array, standardisation: Standardisation
) -> tuple[Array, Array, Array]:
    """Return standardised frames of weight above zero, in an order independent of the sequences.

    Clustering draws frames by position. Sorted by a projection, the same frames are drawn whatever
    the order of the sequences, and whether a sequence occurs twice or has twice the weight.

    Returns
    -------
    z : array, shape (N, D)
        Frames, at most as many as are clustered.
    shares : array, shape (N,)
        Their weights.
    places : array, shape (N,)
        Relative position of each frame in its sequence, in 0..1.
    """
    lengths = sequences.lengths
    direction = np.random.default_rng(0).standard_normal(sequences.n_features)
    direction /= standardisation.scale
    keys = np.empty(len(sequences.frames))
    for start in range(0, len(keys), _MOST_FRAMES):
        block = slice(start, start + _MOST_FRAMES)
        keys[block] = (sequences.frames[block] - standardisation.centre) @ direction
    rows = np.flatnonzero(np.repeat(weights, lengths))
    rows = rows[np.argsort(keys[rows], kind="stable")]
    shares = np.repeat(weights, lengths)[rows]
    if len(rows) > _MOST_FRAMES:
        # Too many: draw frames at equal steps of the cumulative weight, all of the same weight.
        steps = (np.arange(_MOST_FRAMES) + 0.5) / _MOST_FRAMES * shares.sum()
        rows = rows[np.minimum(np.searchsorted(np.cumsum(shares), steps), len(rows) - 1)]
        shares = np.ones(_MOST_FRAMES)
    begins = np.repeat(sequences.bounds[:-1], lengths)[rows]
    places = (rows - begins + 0.5) / np.repeat(lengths, lengths)[rows]
    return standardisation.applied(sequences.frames[rows]), shares, places


def _clustered(
    cluster: Cluster, z: Array, shares: Array, n_clusters: int
) -> tuple[Array, NDArray[np.intp]]:
    """Return centres and the cluster of each frame, also if there are too few frames."""
    if n_clusters == 1:
        return (shares @ z / shares.sum())[None], np.zeros(len(z), np.intp)
    if len(z) <= n_clusters:
        # Too few frames: some centres occur several times.
        return z[np.arange(n_clusters) % len(z)], np.arange(len(z))
    return cluster(z, shares, n_clusters)


def _covariance(kind: Covariances, moved: Array, shares: Array) -> Array:
    """Return the covariance of frames that differ from their means by `moved` (N, D)."""
    if kind.is_matrix:
        return np.asarray((shares[:, None] * moved).T @ moved / shares.sum())
    variance = shares @ moved**2 / shares.sum()
    return np.asarray(variance.mean() if kind.is_isotropic else variance)
