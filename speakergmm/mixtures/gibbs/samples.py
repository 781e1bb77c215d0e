"""The samples of a Dirichlet-process sampler: traces, partitions, and estimates from them."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.engine import single_threaded_blas
from speakergmm.errors import InvalidInputError
from speakergmm.gaussians.frame_sources import check_finite_frames
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.mixtures.gibbs.chain_diagnostics import effective_sample_size, r_hat
from speakergmm.mixtures.gibbs.normal_inverse_wishart import NormalInverseWishart
from speakergmm.mixtures.gibbs.partitions import (
    coclustering,
    least_squares_partition,
    name_by_size,
    split_by_label,
)
from speakergmm.mixtures.mixture import DiagonalMixture, FullMixture
from speakergmm.ranges import choice
from speakergmm.record_fields import parts

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
PointEstimate = Literal["least_squares", "map"]

# The matrix of co-clustering probabilities of more frames would take more than 800 MB.
_MOST_PAIRED_FRAMES = 10_000
_BLOCK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class DirichletProcessSamples:
    """The samples of `sample_dirichlet_process`: C chains of S sweeps over T frames.

    Parameters
    ----------
    n_clusters : array of int, shape (C, S)
        Number of clusters after each sweep, those of the burn-in included.
    concentration : array, shape (C, S)
        Concentration of the Dirichlet process after each sweep.
    log_probability : array, shape (C, S)
        log p(frames, partition, concentration), the last only if it has a prior; in feature units,
        with the parameters of the clusters integrated out.
    burn_in : int
        Number of sweeps at the beginning of which only the traces are kept.
    labels : array of int, shape (C, M, T)
        Cluster of each frame in each kept partition, clusters in no particular order.
    kept_sweeps : array of int, shape (M,)
        Number of the sweep after which each partition was kept.
    best_labels : array of int, shape (T,)
        The most probable partition of all chains after the burn-in.
    prior : NormalInverseWishart
        Prior of the clusters, in feature units.
    frames : array, shape (T, D)
        The standardised frames, which predictive densities need.
    standardisation : Standardisation
        The map from feature units to those of `frames`.
    """

    n_clusters: Annotated[Labels, "C S"]
    concentration: Annotated[Array, "C S"]
    log_probability: Annotated[Array, "C S"]
    burn_in: int
    labels: Annotated[NDArray[np.int32], "C M T"]
    kept_sweeps: Annotated[Labels, "M"]
    best_labels: Annotated[Labels, "T"]
    prior: NormalInverseWishart
    frames: Annotated[Array, "T D"]
    standardisation: Standardisation

    def __post_init__(self) -> None:
        """Make the arrays read-only."""
        for value in parts(self).values():
            if isinstance(value, np.ndarray):
                value.setflags(write=False)

    @classmethod
    def of_record(cls, **parts: Any) -> DirichletProcessSamples:
        """Return samples from their stored parts, after a check of them.

        Raises
        ------
        InvalidInputError
            If the parts do not belong together, or numbers are out of range.
        """
        samples = cls(**parts)
        n_frames, n_features = samples.frames.shape
        if not samples.prior.n_features == samples.standardisation.scale.size == n_features:
            raise InvalidInputError(
                "frames, prior and scales must have the same number of features"
            )
        if min(samples.labels.size, samples.best_labels.size, samples.kept_sweeps.size) == 0:
            raise InvalidInputError("there must be at least one kept partition, found none")
        if not 0 <= samples.burn_in < samples.n_sweeps:
            raise InvalidInputError(
                f"burn_in must be in 0..{samples.n_sweeps - 1}, found {samples.burn_in}"
            )
        if samples.kept_sweeps.min() < 0 or samples.kept_sweeps.max() >= samples.n_sweeps:
            raise InvalidInputError(f"kept_sweeps must be in 0..{samples.n_sweeps - 1}")
        for labels in (samples.labels, samples.best_labels):
            if not 0 <= labels.min() <= labels.max() < n_frames:
                raise InvalidInputError(f"cluster numbers must be in 0..{n_frames - 1}")
        if samples.concentration.min() <= 0:
            raise InvalidInputError("concentrations must be > 0")
        return samples

    @property
    def n_chains(self) -> int:
        """Number of chains, C."""
        return len(self.n_clusters)

    @property
    def n_sweeps(self) -> int:
        """Number of sweeps of each chain, S, the burn-in included."""
        return int(self.n_clusters.shape[1])

    def n_clusters_posterior(self) -> dict[int, float]:
        """Return the posterior probability of each number of clusters, after the burn-in.

        Returns
        -------
        dict
            In ascending order of the number; numbers that never occurred are left out.
        """
        values, counts = np.unique(self.n_clusters[:, self.burn_in :], return_counts=True)
        return dict(zip(values.tolist(), (counts / counts.sum()).tolist(), strict=True))

    def partition(self, point_estimate: PointEstimate = "least_squares") -> Labels:
        """Return a point estimate of the partition.

        Parameters
        ----------
        point_estimate : {"least_squares", "map"}, default="least_squares"
            The kept partition closest to the co-clustering probabilities (Dahl 2006), or the most
            probable one of all sweeps after the burn-in, which often has more clusters.

        Returns
        -------
        array of int, shape (T,)
            Cluster of each frame: 0 for the largest cluster, and so on.

        Raises
        ------
        InvalidInputError
            If `point_estimate` is neither of the two.
        """
        choice("point_estimate", point_estimate, get_args(PointEstimate))
        if point_estimate == "map":
            return name_by_size(self.best_labels)
        return name_by_size(least_squares_partition(self._kept()))

    def coclustering(self) -> Array:
        """Return the posterior probability that two frames share a cluster, shape (T, T).

        Raises
        ------
        InvalidInputError
            If there are more than 10,000 frames.
        """
        n_frames = len(self.frames)
        if n_frames > _MOST_PAIRED_FRAMES:
            raise InvalidInputError(
                f"co-clustering probabilities take {_MOST_PAIRED_FRAMES:,} frames at most, found "
                f"{n_frames:,}; call `partition()` for a partition of all of them"
            )
        return coclustering(self._kept())

    def to_mixture(
        self, partition: NDArray[Any] | PointEstimate = "least_squares"
    ) -> FullMixture | DiagonalMixture:
        """Return the mixture of the clusters of a partition, with posterior mean parameters.

        Parameters
        ----------
        partition : {"least_squares", "map"} or array of int, shape (T,)
            A point estimate, or cluster numbers 0..K-1, each with at least one frame.

        Returns
        -------
        FullMixture or DiagonalMixture
            Component k is cluster k; its weight is its part of the frames.

        Raises
        ------
        InvalidInputError
            If `partition` is not a partition of the frames.
        """
        labels = self.partition(partition) if isinstance(partition, str) else np.asarray(partition)
        if labels.shape != (len(self.frames),) or labels.dtype.kind not in "iu":
            raise InvalidInputError(
                f"a partition must have one integer for each of the {len(self.frames)} frames, "
                f"found {labels.dtype} of shape {labels.shape}"
            )
        counts = np.bincount(labels) if labels.min() >= 0 else np.zeros(1)
        if counts.min() == 0:
            raise InvalidInputError("a partition's clusters must be numbered 0..K-1, none empty")
        prior = self._standard_prior()
        posteriors = [prior.update(self.frames[part]) for part in split_by_label(labels)]
        means = np.stack([posterior.mean for posterior in posteriors])
        covariances = np.stack([posterior.expected_covariance() for posterior in posteriors])
        kind = FullMixture if self.prior.covariance_type == "full" else DiagonalMixture
        standard = kind(counts / counts.sum(), means, covariances)
        mixture: FullMixture | DiagonalMixture = self.standardisation.model_from_standard(standard)
        return mixture

    def log_predictive(self, X: ArrayLike) -> Array:
        """Return the log-density of new frames, averaged over partitions and parameters.

        Parameters
        ----------
        X : array, shape (N, D)
            Frames, in feature units.

        Returns
        -------
        array, shape (N,)
            Natural logarithm of the predictive density, averaged over the kept partitions: the
            Student distribution of each cluster, weighted by its part of the frames, and that of
            the prior, weighted by the part that the concentration leaves to new clusters.

        Raises
        ------
        InvalidInputError
            If `X` is not a finite matrix of D columns.

        Notes
        -----
        The time is proportional to N D^2 for each distinct cluster; converged chains have the same
        clusters in many partitions, and those are evaluated once.
        """
        z = self.standardisation.applied(check_finite_frames(X, n_features=self.prior.n_features))
        prior = self._standard_prior()
        clusters, new_weight = self._weighted_clusters()
        # The systems of equations are small: threads would cost more than they save.
        with single_threaded_blas():
            total = math.log(new_weight) + prior.log_predictive(z)
            for members, weight in clusters:
                posterior = prior.update(self.frames[members])
                for first in range(0, len(z), _BLOCK):
                    part = slice(first, first + _BLOCK)
                    density = math.log(weight) + posterior.log_predictive(z[part])
                    total[part] = np.logaddexp(total[part], density)
        return np.asarray(total - self.standardisation.log_volume)

    def _weighted_clusters(self) -> tuple[list[tuple[NDArray[np.intp], float]], float]:
        """Return frames and mean weight of each distinct cluster of the kept partitions.

        The mean weight of new clusters is returned as well.
        """
        n_frames = len(self.frames)
        share = 1.0 / (self.labels.shape[0] * self.labels.shape[1])
        # Keyed by the numbers of their frames.
        weights: defaultdict[bytes, float] = defaultdict(float)
        new_weight = 0.0
        for chain, partitions in enumerate(self.labels):
            for sweep, labels in zip(self.kept_sweeps, partitions, strict=True):
                concentration = self.concentration[chain, sweep]
                total = n_frames + concentration
                new_weight += share * concentration / total
                for members in split_by_label(labels):
                    weights[members.tobytes()] += share * len(members) / total
        clusters = [(np.frombuffer(key, np.intp), weight) for key, weight in weights.items()]
        return clusters, new_weight

    def r_hat(self) -> dict[str, float]:
        """Return R-hat of each trace after the burn-in, near 1 if the chains agree; needs ArviZ.

        Returns
        -------
        dict
            R-hat of "n_clusters", "log_probability" and, if it is drawn, "concentration"; see
            `speakergmm.mixtures.gibbs.r_hat`, also for its errors.
        """
        return {name: r_hat(trace) for name, trace in self._traces().items()}

    def effective_sample_size(self) -> dict[str, float]:
        """Return the effective sample size of each trace after the burn-in; needs ArviZ.

        Returns
        -------
        dict
            Sizes of the same traces as in `r_hat`; see
            `speakergmm.mixtures.gibbs.effective_sample_size`.
        """
        return {name: effective_sample_size(trace) for name, trace in self._traces().items()}

    def _traces(self) -> dict[str, NDArray[Any]]:
        traces: dict[str, NDArray[Any]] = {
            "n_clusters": self.n_clusters[:, self.burn_in :],
            "log_probability": self.log_probability[:, self.burn_in :],
        }
        if np.ptp(self.concentration) > 0:
            traces["concentration"] = self.concentration[:, self.burn_in :]
        return traces

    def _kept(self) -> NDArray[np.int32]:
        return self.labels.reshape(-1, self.labels.shape[-1])

    def _standard_prior(self) -> NormalInverseWishart:
        return self.prior.rescale(self.standardisation.centre, self.standardisation.scale)
