"""The expectations of PLDA over speakers, in shards, and their exact log-likelihood."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.engine import ONE_WORKER, Engine, single_threaded_blas
from speakergmm.subspace.labelled_embeddings import SpeakerGroups, check_embeddings
from speakergmm.subspace.plda_model import Plda

# Speakers of one shard: sums of some megabytes at a few hundred dimensions.
_SHARD_SPEAKERS = 1024

SpeakerShard = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Numbers of sessions (s,) and sums of embeddings (s, D) of some speakers."""


@dataclass(frozen=True, eq=False)
class SpeakerSums:
    """All that PLDA needs of embeddings: sums by speaker, and one scatter.

    Parameters
    ----------
    centre : array, shape (D,)
        Mean of all embeddings, from which the sums are taken.
    scatter : array, shape (D, D)
        Sum of the products of all embeddings about the centre.
    n_embeddings : int
    shards : sequence of tuple of array
        Numbers of sessions and sums about the centre, by shards of speakers.
    """

    centre: NDArray[np.float64]
    scatter: NDArray[np.float64]
    n_embeddings: int
    shards: Sequence[SpeakerShard]

    @classmethod
    def of(cls, embeddings: NDArray[np.float64], groups: SpeakerGroups) -> SpeakerSums:
        """Return the sums of embeddings (N, D) by their speakers."""
        centre = embeddings.mean(axis=0)
        with single_threaded_blas():
            centred = embeddings - centre
            scatter = centred.T @ centred
        sums, counts = groups.sums(centred), groups.counts
        starts = range(0, groups.n_speakers, _SHARD_SPEAKERS)
        parts = [slice(start, start + _SHARD_SPEAKERS) for start in starts]
        shards = [(counts[part], sums[part]) for part in parts]
        return cls(centre, scatter, len(embeddings), shards)

    def expect(self, plda: Plda, engine: Engine) -> SpeakerExpectations:
        """Return the expectations under a model, over all speakers."""
        shift = plda.mean - self.centre
        task = _ExpectationTask.of(plda, shift)
        found = engine.map_reduce(task, self.shards, _combine, in_memory=True)
        assert found is not None
        # The part of the log-likelihood that no speaker has alone: sessions as if y were 0.
        n, size = self.n_embeddings, len(shift)
        precision = np.linalg.inv(plda.within)
        about = self.scatter + n * np.outer(shift, shift)
        constant = size * np.log(2 * np.pi) + np.linalg.slogdet(plda.within)[1]
        found.log_likelihood -= float(0.5 * (n * constant + (precision * about).sum()))
        return found


@dataclass(eq=False)
class SpeakerExpectations:
    """Sums over speakers of the posterior moments of their factors y.

    Parameters
    ----------
    log_likelihood : float
    n_frames : float
        Number of embeddings, as the loop calls them.
    n_speakers : float
    factors : array, shape (R,)
        Sum of E[y] over speakers.
    products : array, shape (R, R)
        Sum of E[y y'] over speakers.
    session_factors : array, shape (R,)
        Sum of E[y] over sessions.
    session_products : array, shape (R, R)
        Sum of E[y y'] over sessions.
    cross : array, shape (D, R)
        Sum of the embedding times E[y'] over sessions.
    """

    log_likelihood: float
    n_frames: float
    n_speakers: float
    factors: NDArray[np.float64]
    products: NDArray[np.float64]
    session_factors: NDArray[np.float64]
    session_products: NDArray[np.float64]
    cross: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class _ExpectationTask:
    """A task: the expectations of a shard of speakers.

    With ``precision = 1 + n g`` in coordinates in which loadings' W^-1 loadings is diagonal, all
    speakers are one product.
    """

    shift: NDArray[np.float64]
    projection: NDArray[np.float64]
    gains: NDArray[np.float64]
    rotation: NDArray[np.float64]

    @classmethod
    def of(cls, plda: Plda, shift: NDArray[np.float64]) -> _ExpectationTask:
        projection = np.linalg.solve(plda.within, plda.loadings)
        gains, rotation = np.linalg.eigh(plda.loadings.T @ projection)
        return cls(shift, projection @ rotation, np.maximum(gains, 0.0), rotation)

    def __call__(self, shard: SpeakerShard) -> SpeakerExpectations:
        counts, sums = shard
        precisions = 1 + counts[:, None] * self.gains
        evidence = (sums - counts[:, None] * self.shift) @ self.projection
        factors = evidence / precisions
        weighted = counts[:, None] * factors
        products = factors.T @ factors + np.diag((1 / precisions).sum(axis=0))
        session_products = weighted.T @ factors
        session_products += np.diag((counts[:, None] / precisions).sum(axis=0))
        back = self.rotation
        return SpeakerExpectations(
            0.5 * float((evidence * factors - np.log(precisions)).sum()),
            float(counts.sum()),
            float(len(counts)),
            back @ factors.sum(axis=0),
            back @ products @ back.T,
            back @ weighted.sum(axis=0),
            back @ session_products @ back.T,
            sums.T @ factors @ back.T,
        )


def _combine(left: SpeakerExpectations, right: SpeakerExpectations) -> SpeakerExpectations:
    for name, value in vars(right).items():
        setattr(left, name, getattr(left, name) + value)
    return left


def plda_log_likelihood(plda: Plda, X: ArrayLike, speakers: ArrayLike) -> float:
    """Compute the exact log-likelihood of embeddings, summed over all, with y integrated out.

    Parameters
    ----------
    plda : Plda
    X : array, shape (N, D)
        Embeddings of sessions.
    speakers : array, shape (N,)
        Names of their speakers.

    Returns
    -------
    float
        Natural logarithm of the density of all embeddings.

    Raises
    ------
    InvalidInputError
        If arrays do not agree or are not finite.

    Examples
    --------
    >>> plda = Plda([0.0], [[1.0]], [[1.0]])
    >>> round(plda_log_likelihood(plda, [[1.0], [1.0]], ["a", "a"]), 4)
    -2.7205
    """
    embeddings = check_embeddings(X, plda.n_dimensions)
    groups = SpeakerGroups.of(speakers, len(embeddings))
    return SpeakerSums.of(embeddings, groups).expect(plda, ONE_WORKER).log_likelihood
