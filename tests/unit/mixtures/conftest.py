"""Mixtures and data that the tests of this room share."""

import numpy as np
import pytest

from speakergmm.mixtures import DiagonalMixture


def random_mixture(rng, n_components, n_features, *, spread=2.0):
    return DiagonalMixture(
        rng.dirichlet(np.full(n_components, 5.0)),
        rng.normal(0.0, spread, (n_components, n_features)),
        rng.gamma(3.0, 0.3, (n_components, n_features)),
    )


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture
def mixture(rng):
    return random_mixture(rng, 6, 4)


@pytest.fixture
def frames(mixture, rng):
    return mixture.sample(700, rng)
