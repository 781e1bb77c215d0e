"""Passes over a block of frames, each compiled to a single one, and sums by few posteriors.

NumPy takes three passes over the densities of a block (limit, exponentiate, sum), which then travel
through a cache shared with others three times, and two over the frames, with room for what lies
between. Here it is one each. Importing this module compiles, or loads from disk what was compiled
before: only work that takes longer should do so.
"""

from __future__ import annotations

import numpy as np

from speakergmm.kernels import (
    FAST,
    FilledMatrix,
    FilledVector,
    Matrix,
    Vector,
    compiled,
    power_of_two,
)

# Powers of two beyond which float32 numbers are subnormal or infinite, with something to spare.
_LIMIT = np.float32(125.0)
# Frames that are transposed at a time: their lines of cache are few.
_TILE = 16


@compiled(fastmath=FAST)
def exponentiate(exponents: FilledMatrix[np.float32], sums: FilledVector[np.float32]) -> None:
    """Raise 2 to `exponents`, shape (T, K), in place, kept within +-125; fill in row sums, (T,)."""
    n_frames, n_components = exponents.shape
    for t in range(n_frames):
        total = np.float32(0.0)
        for k in range(n_components):
            x = exponents[t, k]
            x = -_LIMIT if x < -_LIMIT else x
            x = _LIMIT if x > _LIMIT else x
            value = power_of_two(x)
            exponents[t, k] = value
            total += value
        sums[t] = total


@compiled(fastmath=FAST)
def standardise(
    frames: Matrix[np.float32 | np.float64],
    centre: Vector[np.float32 | np.float64],
    factors: Vector[np.float32],
    rows: FilledMatrix[np.float32],
) -> None:
    """Write (frames - centre) * factors, transposed, into `rows`, shape (B, T), from row 1 on."""
    n_frames, n_features = frames.shape
    n_tiled = n_frames - n_frames % _TILE
    for start in range(0, n_tiled, _TILE):
        for d in range(n_features):
            middle, factor = centre[d], factors[d]
            # A number of turns that the compiler knows becomes one store of a whole row.
            for t in range(_TILE):
                rows[1 + d, start + t] = (frames[start + t, d] - middle) * factor
    for t in range(n_tiled, n_frames):
        for d in range(n_features):
            rows[1 + d, t] = (frames[t, d] - centre[d]) * factors[d]


@compiled(fastmath=FAST)
def add_sparse(
    frames: Matrix[np.float32 | np.float64],
    centre: Vector[np.float64],
    factors: Vector[np.float64],
    places: Vector[np.int64],
    gaussians: Vector[np.int64],
    weights: Vector[np.float64],
    moments: FilledMatrix[np.float64],
) -> None:
    """Add 1, z and, where there is room, z^2 of frames (T, D) to moments (G, B) of Gaussians.

    z is (frame - centre) * factors. Entry n says that the frame at `places` is of a Gaussian with
    this weight. Most weights are zero and not given: this is a loop and no matrix product.
    """
    n_features = frames.shape[1]
    row = np.ones(moments.shape[1])
    expanded = -1
    for n in range(len(weights)):
        t, weight = places[n], weights[n]
        if t != expanded:
            expanded = t
            for d in range(n_features):
                z = (frames[t, d] - centre[d]) * factors[d]
                row[1 + d] = z
                if len(row) > n_features + 1:
                    row[1 + n_features + d] = z * z
        sums = moments[gaussians[n]]
        for b in range(len(row)):
            sums[b] += weight * row[b]
