"""Embeddings of speakers with sessions, drawn from a model that is known."""

import numpy as np
import pytest


def draw(rng, *, mean, between, within, counts):
    """Embeddings and names of speakers with so many sessions each."""
    names = np.repeat([f"s{place:03d}" for place in range(len(counts))], counts)
    centres = rng.multivariate_normal(mean, between, len(counts))
    noise = rng.multivariate_normal(np.zeros(len(mean)), within, int(np.sum(counts)))
    return np.repeat(centres, counts, axis=0) + noise, names


def covariance(rng, size, rank=None):
    """A covariance matrix of some rank."""
    root = rng.normal(size=(size, rank or 2 * size))
    return root @ root.T / root.shape[1]


@pytest.fixture
def rng():
    return np.random.default_rng(14)


@pytest.fixture
def speakers(rng):
    """Embeddings of 12 speakers in 6 dimensions of very different scales, 2 to 7 sessions each."""
    X, names = draw(
        rng,
        mean=rng.normal(size=6),
        between=covariance(rng, 6),
        within=0.3 * covariance(rng, 6),
        counts=rng.integers(2, 8, 12),
    )
    shuffled = rng.permutation(len(X))
    return (X * np.array([1.0, 10.0, 1e-3, 1.0, 5.0, 1e4]) + 3.0)[shuffled], names[shuffled]
