"""Compiled passes over a block of frames, and sums over frames of few posteriors.

NumPy takes three passes over the densities of a block (limit, exponentiate, sum), which then travel
three times through a cache that is shared by all cores, and two passes over the frames, with a
buffer between them. Here it is one pass each. Importing this module compiles its functions, or
loads them from disk if they have been compiled before: only work that takes longer should do so.
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

# Powers of two beyond which float32 numbers are subnormal or infinite, with a margin.
_LIMIT = np.float32(125.0)
# Number of frames that are transposed at a time, so that few lines of cache are in use.
_TILE = 16


@compiled(fastmath=FAST)
def exponentiate(exponents: FilledMatrix[np.float32], sums: FilledVector[np.float32]) -> None:
    """Replace `exponents` (T, K), limited to +-125, by powers of 2; write row sums (T,)."""
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
    # Whole tiles of frames first, then the frames that are left.
    for start in range(0, n_tiled, _TILE):
        for d in range(n_features):
            middle, factor = centre[d], factors[d]
            # A constant number of turns is compiled to one store of a whole row.
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
    """Add 1, z and, if `moments` has columns for it, z^2 of frames (T, D) to moments (G, B).

    z is (frame - centre) * factors. Entry n is the posterior `weights[n]` of the Gaussian
    `gaussians[n]` for the frame `places[n]`. Most posteriors are zero and absent, so that this is a
    loop and not a matrix product.
    """
    n_features = frames.shape[1]
    row = np.ones(moments.shape[1])
    expanded = -1
    for n in range(len(weights)):
        t, weight = places[n], weights[n]
        # Expand each frame once: its posteriors follow each other.
        if t != expanded:
            expanded = t
            for d in range(n_features):
                z = (frames[t, d] - centre[d]) * factors[d]
                row[1 + d] = z
                if len(row) > n_features + 1:
                    row[1 + n_features + d] = z * z
        # Add the weighted functions of the frame to the sums of the Gaussian.
        sums = moments[gaussians[n]]
        for b in range(len(row)):
            sums[b] += weight * row[b]
