"""Blocks of a recording that are held for several passes."""

import numpy as np
import pytest

from speakergmm.features import HeldBlocks, WeightedFrames


@pytest.mark.parametrize("most_bytes", [1 << 20, 100])
def test_later_passes_are_the_first_to_the_last_bit(monkeypatch, most_bytes):
    monkeypatch.setattr("speakergmm.features.held_blocks._MOST_BYTES", most_bytes)
    rng = np.random.default_rng(0)
    values = [rng.normal(size=(n, 3)).astype(np.float32) for n in (7, 0, 40, 1)]
    weights = [rng.uniform(size=7).astype(np.float32), np.empty(0, np.float32), None, None]
    given = [WeightedFrames(*each) for each in zip(values, weights, strict=True)]
    begun = []
    held = HeldBlocks(lambda: begun.append(1) or iter(given))
    for _ in range(3):
        for found, expected in zip(held(), given, strict=True):
            assert type(found) is WeightedFrames
            np.testing.assert_array_equal(found.values, expected.values)
            assert (found.weights is None) == (expected.weights is None)
            if expected.weights is not None:
                np.testing.assert_array_equal(found.weights, expected.weights)
    assert begun == [1]
    held.close()
