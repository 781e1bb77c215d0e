"""One Markov chain over partitions: its start, its sweeps, and draws of the concentration."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from speakergmm.mixtures.gibbs.gamma_prior import GammaPrior
from speakergmm.mixtures.gibbs.normal_inverse_wishart import NormalInverseWishart
from speakergmm.mixtures.gibbs.partition_state import PartitionState
from speakergmm.mixtures.gibbs.partitions import log_partition_prior
from speakergmm.mixtures.gibbs.sampling_options import Start

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def draw_concentration(
    concentration: float,
    n_clusters: int,
    n_frames: int,
    prior: GammaPrior,
    rng: np.random.Generator,
) -> float:
    """Draw the concentration given the number of clusters: Escobar & West (1995), section 6.

    Parameters
    ----------
    concentration : float
        The present value, from which the auxiliary variable is drawn.
    n_clusters, n_frames : int
        Numbers of clusters and frames, K and T, at least 1.
    prior : GammaPrior
        Prior of the concentration.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    float
        The new concentration, > 0.
    """
    # An auxiliary Beta variable makes the posterior a mixture of two Gamma distributions.
    rate = prior.rate - math.log(max(rng.beta(concentration + 1, n_frames), 1e-300))
    shape = prior.shape + n_clusters
    odds = (shape - 1) / (n_frames * rate)
    if rng.random() * (1 + odds) >= odds:
        shape -= 1
    # A Gamma variable of a tiny shape can underflow to zero, which is not a valid concentration.
    return max(float(rng.gamma(shape)) / rate, 1e-300)


def initial_labels(
    X: Array, start: Start, concentration: float, rng: np.random.Generator
) -> Labels:
    """Return the partition from which a chain starts; see `DirichletProcessOptions.init`."""
    n_frames = len(X)
    if start == "single":
        return np.zeros(n_frames, dtype=np.int64)
    if start == "singletons":
        return np.arange(n_frames)
    if start == "sequential":
        return np.full(n_frames, -1)
    if start == "random":
        return _draw_partition(n_frames, concentration, rng)
    chosen = X[rng.choice(n_frames, size=min(int(start), n_frames), replace=False)]
    nearest = np.empty(n_frames, dtype=np.int64)
    squares = (chosen**2).sum(axis=1)
    # Block by block, so that the table of distances stays small.
    for first in range(0, n_frames, 4096):
        block = X[first : first + 4096]
        nearest[first : first + 4096] = (squares - 2 * block @ chosen.T).argmin(axis=1)
    # A frame that was chosen twice, as a duplicate, leaves a label unused.
    return np.asarray(np.unique(nearest, return_inverse=True)[1].reshape(-1), dtype=np.int64)


def _draw_partition(n_frames: int, concentration: float, rng: np.random.Generator) -> Labels:
    labels = np.zeros(n_frames, dtype=np.int64)
    n_clusters = 0
    for i, uniform in enumerate(rng.random(n_frames)):
        # A new cluster, or the cluster of one of the frames before, all equally likely.
        position = uniform * (concentration + i)
        if position >= i:
            labels[i] = n_clusters
            n_clusters += 1
        else:
            labels[i] = labels[int(position)]
    return labels


@dataclass(slots=True)
class Chain:
    """A chain with its random numbers, its present partition, and its records so far.

    `keep` are the numbers of the sweeps whose partitions are kept; the most probable partition of
    the sweeps from `burn_in` on is kept as well.
    """

    partition: PartitionState
    rng: np.random.Generator
    concentration: float
    concentration_prior: GammaPrior | None
    keep: Collection[int]
    burn_in: int
    n_clusters: list[int] = field(default_factory=list)
    concentrations: list[float] = field(default_factory=list)
    log_probabilities: list[float] = field(default_factory=list)
    kept: list[NDArray[np.int32]] = field(default_factory=list)
    best: NDArray[np.int32] | None = None
    best_log_probability: float = -math.inf

    def advance(self, n_sweeps: int) -> None:
        """Take this number of sweeps and record them."""
        n_frames = len(self.partition.labels)
        for _ in range(n_sweeps):
            order = self.rng.permutation(n_frames)
            self.partition.sweep(order, self.rng.random(n_frames), self.concentration)
            if self.concentration_prior is not None:
                self.concentration = draw_concentration(
                    self.concentration,
                    self.partition.n_clusters,
                    n_frames,
                    self.concentration_prior,
                    self.rng,
                )
            self._record()

    def _record(self) -> None:
        sweep = len(self.n_clusters)
        labels = self.partition.labels
        log_probability = self.partition.log_likelihood() + log_partition_prior(
            np.bincount(labels), self.concentration
        )
        if self.concentration_prior is not None:
            log_probability += self.concentration_prior.log_density(self.concentration)
        self.n_clusters.append(self.partition.n_clusters)
        self.concentrations.append(self.concentration)
        self.log_probabilities.append(log_probability)
        if sweep in self.keep:
            self.kept.append(labels.astype(np.int32))
        if sweep >= self.burn_in and log_probability > self.best_log_probability:
            self.best = labels.astype(np.int32)
            self.best_log_probability = log_probability


def start_chain(
    X: Array,
    prior: NormalInverseWishart,
    *,
    start: Start,
    concentration: float | GammaPrior,
    keep: Collection[int],
    burn_in: int,
    seed: np.random.SeedSequence,
) -> Chain:
    """Return a chain over the frames `X`, shape (T, D), before its first sweep."""
    rng = np.random.default_rng(seed)
    concentration_prior = concentration if isinstance(concentration, GammaPrior) else None
    value = concentration.mean if isinstance(concentration, GammaPrior) else concentration
    labels = initial_labels(X, start, value, rng)
    partition = PartitionState(X, prior, labels)
    return Chain(partition, rng, value, concentration_prior, keep, burn_in)
