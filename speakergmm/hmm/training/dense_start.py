"""Where training begins: frames are given to states and components, and one update follows.

Left-right models cut each sequence into as many equal parts as there are states; others cluster
all frames, in standardised features. The frames of a state are then clustered for its components.
All components of a state begin with one covariance, that within its clusters.
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
"""Centres (K, D) of frames (N, D) with weights (N,), and the cluster (N,) of each frame."""

# Most frames that are clustered.
_MOST_FRAMES = 2**16
# Smallest variance of a start, as a part of that of all frames.
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
    """Find weights (S, M), means (S, M, D) and covariances, in hmmlearn's shape, to start from.

    Parameters
    ----------
    sequences : Sequences
        In feature units.
    weights : array, shape (R,)
        Of sequences.
    moments : Moments
        Of all frames, each weighing what its sequence does.
    cluster : callable
        Called with standardised frames, their weights and the number of clusters, in 2..N.
    covariance_type : {"spherical", "diag", "tied", "full"}
        The kind.
    n_states, n_mix : int
        S and M.
    left_right : bool
        Whether to cut sequences into equal parts, rather than to cluster frames.
    min_covar : float
        Smallest variance, as `least_variances` takes it.
    """
    tied = covariance_type == "tied"
    kind = covariance_kind("full" if tied else covariance_type)
    standardisation = Standardisation.from_moments(
        moments.mean, moments.variance, isotropic=kind.is_isotropic
    )
    z, shares, places = _in_order(sequences, weights, standardisation)
    if left_right:
        states = np.minimum((places * n_states).astype(np.intp), n_states - 1)
    else:
        states = _clustered(cluster, z, shares, n_states)[1]
    means = np.empty((n_states, n_mix, z.shape[1]))
    counts = np.empty((n_states, n_mix))
    within = []
    for state in range(n_states):
        there = states == state
        if not there.any():
            # Nothing to go by: where all frames are.
            there[:] = True
        own, own_shares = z[there], shares[there]
        means[state], labels = _clustered(cluster, own, own_shares, n_mix)
        counts[state] = np.bincount(labels, weights=own_shares, minlength=n_mix)
        within.append(_covariance(kind, own - means[state][labels], own_shares))
    variance = np.where(moments.variance > 0, moments.variance, 1.0)
    floor = np.maximum(_LEAST_VARIANCE * variance, least_variances(min_covar, moments.variance))
    covars, _ = kind.floored(np.stack(within), floor / standardisation.scale**2)
    if not tied:
        covars = np.repeat(covars[:, None], n_mix, axis=1)
    gaussians = standardisation.model_from_standard(
        emission_gaussians(covariance_type, means, covars)
    )
    # A tenth of an equal share at least: none begins with nothing.
    counts = np.maximum(counts, 0.1 * counts.sum(axis=1, keepdims=True) / n_mix)
    return (
        counts / counts.sum(axis=1, keepdims=True),
        gaussians.means.reshape(means.shape),
        gaussians.covariances.reshape(covars.shape),
    )


def _in_order(
    sequences: Sequences, weights: Array, standardisation: Standardisation
) -> tuple[Array, Array, Array]:
    """Return standardised frames of weight above zero in an order that is that of no sequences.

    Clustering draws frames by their place. Sorted by a projection it draws the same ones,
    whatever the order of the sequences, and whether one is there twice or weighs double.

    Returns
    -------
    z : array, shape (N, D)
        Frames, not more than can be clustered.
    shares : array, shape (N,)
        Their weights.
    places : array, shape (N,)
        Of each, how far its sequence has come, in 0..1.
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
        # At equal steps of the cumulative weight, where each stands for as many.
        steps = (np.arange(_MOST_FRAMES) + 0.5) / _MOST_FRAMES * shares.sum()
        rows = rows[np.minimum(np.searchsorted(np.cumsum(shares), steps), len(rows) - 1)]
        shares = np.ones(_MOST_FRAMES)
    begins = np.repeat(sequences.bounds[:-1], lengths)[rows]
    places = (rows - begins + 0.5) / np.repeat(lengths, lengths)[rows]
    return standardisation.applied(sequences.frames[rows]), shares, places


def _clustered(
    cluster: Cluster, z: Array, shares: Array, n_clusters: int
) -> tuple[Array, NDArray[np.intp]]:
    if n_clusters == 1:
        return (shares @ z / shares.sum())[None], np.zeros(len(z), np.intp)
    if len(z) <= n_clusters:
        # Too few to go round: some centres are there twice.
        return z[np.arange(n_clusters) % len(z)], np.arange(len(z))
    return cluster(z, shares, n_clusters)


def _covariance(kind: Covariances, moved: Array, shares: Array) -> Array:
    """Covariance of one Gaussian whose frames differ from it by `moved`, (N, D)."""
    if kind.is_matrix:
        return np.asarray((shares[:, None] * moved).T @ moved / shares.sum())
    variance = shares @ moved**2 / shares.sum()
    return np.asarray(variance.mean() if kind.is_isotropic else variance)
