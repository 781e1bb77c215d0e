"""Frames for many tests of the estimators."""

import numpy as np
import pytest


@pytest.fixture(scope="session")
def clusters():
    """Three clusters of 300 frames in all, of shape (300, 3), float64, in mixed order."""
    rng = np.random.default_rng(0)
    parts = [
        rng.normal(centre, spread, (100, 3))
        for centre, spread in (
            ([0.0, 0.0, 0.0], [1.0, 0.5, 2.0]),
            ([6.0, 4.0, 0.0], [1.0, 2.0, 0.5]),
            ([-5.0, 5.0, 8.0], [0.5, 1.0, 1.0]),
        )
    ]
    frames = rng.permutation(np.concatenate(parts))
    frames.setflags(write=False)
    return frames
