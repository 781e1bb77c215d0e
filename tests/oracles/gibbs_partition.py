"""The collapsed Gibbs sampler as it stands in the paper, slow and plain: Neal (2000), algorithm 3.

Every frame is taken out of its cluster, weighed against each cluster and against a new one with
densities computed from the clusters' frames, and put where a random number says. The compiled
sampler gives the same chain for the same random numbers.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakergmm.mixtures.gibbs import NormalInverseWishart

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


class ReferencePartition:
    """A partition that counts everything anew from the frames of each cluster.

    Parameters
    ----------
    X : array, shape (T, D)
    prior : NormalInverseWishart
    labels : array, shape (T,)
        Where to start; -1 for frames that are in no cluster yet.
    """

    def __init__(self, X: Array, prior: NormalInverseWishart, labels: Labels) -> None:
        self._frames = np.asarray(X, dtype=np.float64)
        self._prior = prior
        self._labels = np.array(labels, dtype=np.int64)

    @property
    def labels(self) -> Labels:
        """Cluster of each frame, shape (T,)."""
        return self._labels

    @property
    def n_clusters(self) -> int:
        """Number of clusters that hold a frame."""
        return int(self._labels.max(initial=-1)) + 1

    def sweep(self, order: Labels, uniforms: Array, concentration: float) -> None:
        """Draw the cluster of each frame in `order` given all others, one uniform for each."""
        for frame, uniform in zip(order, uniforms, strict=True):
            weights = self.log_weights(int(frame), concentration)
            weights = np.cumsum(np.exp(weights - weights.max()))
            chosen = int(np.searchsorted(weights, uniform * weights[-1], side="right"))
            own = int(self._labels[frame])
            alone = own >= 0 and np.count_nonzero(self._labels == own) == 1
            n_clusters = self.n_clusters
            if alone and chosen == n_clusters:
                continue
            self._labels[frame] = chosen
            if alone:
                # The last cluster moves into the place of the one that vanishes.
                self._labels[self._labels == n_clusters - 1] = own

    def log_weights(self, frame: int, concentration: float) -> Array:
        """Log-weights of the clusters for one frame, and of a new one in the end.

        The frame's own cluster has -inf if the frame is alone in it: it is then the new one.
        """
        x = self._frames[frame : frame + 1]
        others = self._labels.copy()
        others[frame] = -1
        weights = np.full(self.n_clusters + 1, -np.inf)
        for k in range(self.n_clusters):
            members = self._frames[others == k]
            if len(members):
                predictive = self._prior.update(members).log_predictive(x)[0]
                weights[k] = np.log(len(members)) + predictive
        weights[-1] = np.log(concentration) + self._prior.log_predictive(x)[0]
        return weights

    def log_likelihood(self) -> float:
        """Logarithm of p(frames | partition), parameters integrated out."""
        clusters = [self._frames[self._labels == k] for k in range(self.n_clusters)]
        return float(sum(self._prior.log_marginal(members) for members in clusters))
