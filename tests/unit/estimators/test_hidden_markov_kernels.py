"""Compiled loops against NumPy, and groups of sequences."""

import numpy as np
import pytest
from oracles.hidden_markov import mix_states

# What is tested are the parts themselves: no method shows groups, or one loop.
from speakergmm.hmm.inference import as_sequences
from speakergmm.hmm.models import dense_kernels as kernels


@pytest.mark.parametrize("n_mix", [1, 2, 3, 8])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_states_are_mixed_as_in_numpy(dtype, n_mix):
    rng = np.random.default_rng(0)
    sizes = np.repeat([0, 1, 10, 100, 1e4], 10)[:, None]
    densities = (rng.normal(size=(50, 4 * n_mix)) * sizes).astype(dtype)
    densities[3, 0] = -1e30
    expected, parts = mix_states(densities, n_mix)
    emissions = np.empty((50, 4))
    mix = kernels.mix_states_single if dtype == np.float32 else kernels.mix_states_double
    mix(densities, n_mix, emissions)
    tolerance = 1e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(emissions, expected, rtol=tolerance, atol=tolerance)
    # A power of two with a whole part of 7 bits leaves 17 to its fraction.
    np.testing.assert_allclose(densities, parts, rtol=10 * tolerance, atol=1e-37)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_components_are_weighed_by_their_states(dtype):
    rng = np.random.default_rng(1)
    parts, posteriors = rng.random((20, 6)).astype(dtype), rng.random((20, 3))
    expected = parts.reshape(20, 3, 2) * posteriors[:, :, None]
    kernels.weigh_components(parts, 2, posteriors)
    np.testing.assert_allclose(parts.reshape(20, 3, 2), expected, rtol=1e-6)


def test_groups_are_small_and_whole():
    sequences = as_sequences(np.zeros((100, 1)), [10, 20, 30, 5, 5, 30])
    assert list(sequences.groups(35)) == [range(2), range(2, 4), range(4, 6)]
    # One that is longer is a group by itself.
    assert list(sequences.groups(25)) == [
        range(1),
        range(1, 2),
        range(2, 3),
        range(3, 5),
        range(5, 6),
    ]
    chosen = np.array([True, False, True, True, False, True])
    groups = list(sequences.groups(1000, chosen))
    assert groups == [range(1), range(2, 4), range(5, 6)]
