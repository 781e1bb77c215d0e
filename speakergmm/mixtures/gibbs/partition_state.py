"""The partition of the frames into clusters, which sweeps of the compiled sampler change."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from speakergmm.mixtures.gibbs.normal_inverse_wishart import NormalInverseWishart

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


class PartitionState:
    """Clusters whose factors are kept by rank-one updates; see `sweep_kernels`.

    Parameters
    ----------
    X : array, shape (T, D)
        Frames in float64, in units in which the prior's parameters are of order one.
    prior : NormalInverseWishart
        Prior of the clusters, in the same units.
    labels : array, shape (T,)
        Cluster of each frame at the start; -1 for frames without a cluster.
    """

    def __init__(self, X: Array, prior: NormalInverseWishart, labels: Labels) -> None:
        from speakergmm.mixtures.gibbs import sweep_kernels

        self._kernels = sweep_kernels
        self._frames = np.ascontiguousarray(X, dtype=np.float64)
        self._degrees_of_freedom = prior.degrees_of_freedom
        self._labels = np.array(labels, dtype=np.int64)
        self._n_clusters = int(self._labels.max(initial=-1)) + 1
        tables, self._marginals = make_tables(prior, len(self._frames))
        full, n_features = prior.covariance_type == "full", prior.n_features
        scale = np.atleast_2d(prior.scale)
        factor = np.zeros((n_features + 1 if full else 2, n_features))
        factor[: len(scale)] = scale
        self._prior_log_determinant = sweep_kernels.factorise(factor, full)
        self._prior = (
            full,
            prior.mean,
            prior.mean_precision,
            scale,
            factor,
            self._prior_log_determinant,
            tables,
            prior.log_predictive(self._frames),
        )
        capacity = self._n_clusters + 8
        self._clusters = (
            np.zeros(capacity, dtype=np.int64),
            np.zeros((capacity, n_features)),
            np.zeros((capacity, *factor.shape)),
            np.zeros(capacity),
        )
        self._rebuild()

    @property
    def labels(self) -> Labels:
        """Cluster of each frame, shape (T,)."""
        return self._labels

    @property
    def n_clusters(self) -> int:
        """Number of clusters that contain a frame."""
        return self._n_clusters

    def sweep(self, order: Labels, uniforms: Array, concentration: float) -> None:
        """Draw the cluster of each frame in `order` given all others, by one uniform per frame."""
        position = 0
        while True:
            position, self._n_clusters = self._kernels.sweep(
                self._frames,
                order,
                uniforms,
                position,
                math.log(concentration),
                self._labels,
                self._n_clusters,
                self._clusters,
                self._prior,
            )
            if position == len(order):
                break
            self._grow()
        self._rebuild()

    def log_likelihood(self) -> float:
        """Return log p(frames | partition), with parameters integrated out."""
        counts, _, _, log_determinants = (part[: self._n_clusters] for part in self._clusters)
        freedom = self._degrees_of_freedom
        return float(
            self._marginals[counts].sum()
            + 0.5 * freedom * self._prior_log_determinant * self._n_clusters
            - 0.5 * ((freedom + counts) * log_determinants).sum()
        )

    def _rebuild(self) -> None:
        self._kernels.rebuild(
            self._frames, self._labels, 0, self._n_clusters, self._clusters, self._prior
        )

    def _grow(self) -> None:
        counts, means, factors, log_determinants = self._clusters
        more = max(8, len(counts) // 2)

        def longer(old: Array) -> Array:
            return np.concatenate([old, np.zeros((more, *old.shape[1:]))])

        counts = np.concatenate([counts, np.zeros(more, np.int64)])
        self._clusters = counts, longer(means), longer(factors), longer(log_determinants)


def make_tables(prior: NormalInverseWishart, n_frames: int) -> tuple[Array, Array]:
    """Return tables of the quantities that depend on a cluster's number of frames n only.

    Returns
    -------
    tables : array, shape (4, `n_frames` + 1)
        For n = 0..`n_frames`, row by row: log n plus the constant of the predictive density; the
        negated exponent of the growth of the determinant; the factor of q when a frame is added,
        and when one of n is removed (see `sweep_kernels`).
    marginals : array, shape (`n_frames` + 1,)
        The constants of the log marginal likelihood.
    """
    from scipy.special import gammaln

    full, n_features = prior.covariance_type == "full", prior.n_features
    n = np.arange(n_frames + 1, dtype=np.float64)
    precision = prior.mean_precision + n
    half = (prior.degrees_of_freedom + n) / 2
    ratio = precision / (precision + 1)
    # A removal needs at least two frames: the numbers for one or none are never used.
    shrink = precision / np.maximum(precision - 1, 0.5 * precision)
    constant = 0.5 * n_features * np.log(ratio / np.pi)
    if full:
        constant += gammaln(half + 0.5) - gammaln(half + 0.5 - n_features / 2)
        log_gamma = sum(gammaln(half - j / 2) - gammaln(half[0] - j / 2) for j in range(n_features))
    else:
        constant += n_features * (gammaln(half + 0.5) - gammaln(half))
        log_gamma = n_features * (gammaln(half) - gammaln(half[0]))
    with np.errstate(divide="ignore"):
        constant += np.log(n)
    marginals = log_gamma + 0.5 * n_features * (
        np.log(prior.mean_precision / precision) - n * np.log(np.pi)
    )
    return np.stack([constant, half + 0.5, ratio, shrink]), np.asarray(marginals)
