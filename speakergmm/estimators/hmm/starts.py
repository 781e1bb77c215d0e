"""Where training begins: frames are given to states and components, and one update follows.

Left-right models cut each sequence into as many equal parts as there are states; others cluster
all frames by k-means, in standardised features. The frames of a state are then clustered for its
components. All components of a state begin with one covariance, that within its clusters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.gaussians.standardisation import Standardisation
from speakergmm.hmm.models.dense import least_variances
from speakergmm.hmm.training.sequences import Sequences

# Most frames that are clustered.
_MOST_FRAMES = 2**16
# Smallest variance of a start, as a part of that of all frames.
_LEAST_VARIANCE = 1e-2


class EmissionStart:
    """Weights, means and covariances to start from.

    Parameters
    ----------
    sequences : Sequences
        In feature units.
    weights : array, shape (R,)
        Of sequences.
    moments : tuple of two arrays, shape (D,)
        Mean and variance of all frames.
    covariance_type : {"spherical", "diag", "tied", "full"}
        The kind.
    """

    def __init__(
        self,
        sequences: Sequences,
        weights: NDArray[np.float64],
        *,
        moments: tuple[NDArray[np.float64], NDArray[np.float64]],
        covariance_type: str,
    ) -> None:
        self._covariance_type = covariance_type
        self._kind = covariance_kind(covariance_type)
        self._variance = moments[1]
        self._standardisation = Standardisation.from_moments(
            *moments, isotropic=covariance_type == "spherical"
        )
        rows, places = self._in_order(sequences, weights)
        shares = np.repeat(weights, sequences.lengths)[rows]
        if len(rows) > _MOST_FRAMES:
            # At equal steps of the cumulative weight, where each stands for as many.
            steps = (np.arange(_MOST_FRAMES) + 0.5) / _MOST_FRAMES * shares.sum()
            taken = np.minimum(np.searchsorted(np.cumsum(shares), steps), len(rows) - 1)
            rows, places, shares = rows[taken], places[taken], np.ones(_MOST_FRAMES)
        self._places, self._weights = places, shares
        self._z = np.empty((len(rows), sequences.n_features))
        self._standardisation.apply(sequences.frames[rows], self._z)

    def _in_order(
        self, sequences: Sequences, weights: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Frames of weight above zero in an order that is that of no sequences.

        Clustering draws frames by their place. Sorted by a projection it draws the same ones,
        whatever the order of the sequences, and whether one is there twice or weighs double.

        Returns
        -------
        rows : array of int
            Numbers of frames.
        places : array
            Of each frame, how far its sequence has come, in 0..1.
        """
        direction = np.random.default_rng(0).standard_normal(sequences.n_features)
        direction /= self._standardisation.scale
        keys = np.empty(len(sequences.frames))
        for start in range(0, len(keys), _MOST_FRAMES):
            block = slice(start, start + _MOST_FRAMES)
            keys[block] = (sequences.frames[block] - self._standardisation.centre) @ direction
        rows = np.flatnonzero(np.repeat(weights, sequences.lengths))
        rows = rows[np.argsort(keys[rows], kind="stable")]
        lengths = sequences.lengths
        begins = np.repeat(sequences.bounds[:-1], lengths)[rows]
        return rows, (rows - begins + 0.5) / np.repeat(lengths, lengths)[rows]

    def find(
        self,
        n_states: int,
        n_mix: int,
        *,
        left_right: bool,
        min_covar: float,
        random_state: np.random.RandomState,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Give weights (S, M), means (S, M, D) and covariances in the shape of the kind.

        Parameters
        ----------
        n_states, n_mix : int
            S and M.
        left_right : bool
            Whether to cut sequences into equal parts, rather than to cluster frames.
        min_covar : float
            Smallest variance, as `least_variances` takes it.
        random_state : numpy.random.RandomState
            Of k-means.
        """
        if left_right:
            states = np.minimum((self._places * n_states).astype(np.intp), n_states - 1)
        else:
            states = _cluster(self._z, self._weights, n_states, random_state)[1]
        n_features = self._z.shape[1]
        means = np.empty((n_states, n_mix, n_features))
        weights = np.empty((n_states, n_mix))
        scale = self._standardisation.scale
        standard_variance = np.where(self._variance > 0, self._variance, 1.0) / scale**2
        least = least_variances(min_covar, self._variance) / scale**2
        floor = np.maximum(_LEAST_VARIANCE * standard_variance, least)
        within = []
        for state in range(n_states):
            there = states == state
            if not there.any():
                # Nothing to go by: where all frames are.
                there[:] = True
            z, shares = self._z[there], self._weights[there]
            centres, labels = _cluster(z, shares, n_mix, random_state)
            means[state] = centres
            counts = np.bincount(labels, weights=shares, minlength=n_mix)
            # A tenth of an equal share at least: none begins with nothing.
            weights[state] = np.maximum(counts, 0.1 * counts.sum() / n_mix)
            within.append(self._within(z - centres[labels], shares, floor))
        weights /= weights.sum(axis=1, keepdims=True)
        covars = np.stack(within)
        if self._covariance_type != "tied":
            covars = np.repeat(covars[:, None], n_mix, axis=1)
        if self._covariance_type == "spherical":
            covars = covars * scale[0] ** 2
        elif self._covariance_type == "diag":
            covars = covars * scale**2
        else:
            covars = covars * np.outer(scale, scale)
        return weights, means * scale + self._standardisation.centre, covars

    def _within(
        self, moved: NDArray[np.float64], shares: NDArray[np.float64], floor: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Covariance of frames about the centres of their clusters, for one component."""
        if self._covariance_type in ("diag", "spherical"):
            variance = shares @ moved**2 / shares.sum()
            if self._covariance_type == "spherical":
                variance = variance.mean()
            covars: NDArray[np.float64] = np.asarray(variance)[None]
        else:
            covars = ((shares[:, None] * moved).T @ moved / shares.sum())[None]
        if self._covariance_type == "tied":
            return np.asarray(self._kind.floored(covars[0], floor)[0])
        return np.asarray(self._kind.floored(covars, floor)[0][0])


def _cluster(
    z: NDArray[np.float64],
    weights: NDArray[np.float64],
    n_clusters: int,
    random_state: np.random.RandomState,
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Centres (K, D) and the cluster (N,) of each frame, by k-means."""
    if n_clusters == 1:
        return (weights @ z / weights.sum())[None], np.zeros(len(z), np.intp)
    if len(z) <= n_clusters:
        # Too few to go round: some centres are there twice.
        return z[np.arange(n_clusters) % len(z)], np.arange(len(z))
    from speakergmm.estimators.starts import cluster

    seed = int(random_state.randint(np.iinfo(np.int32).max))
    return cluster(z, weights, n_clusters, np.random.RandomState(seed))
