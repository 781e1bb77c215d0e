"""Elementwise passes over a block of frames, each compiled to a single one.

NumPy takes three passes over the densities of a block (limit, exponentiate, sum), which then travel
through a cache shared with others three times, and two over the frames, with room for what lies
between. Here it is one each. Importing this module compiles, or loads from disk what was compiled
before: only work that takes longer should do so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import float32, float64, types
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])

# Powers of two beyond which float32 numbers are subnormal or infinite, with something to spare.
_LIMIT = np.float32(125.0)
_MANTISSA_BITS = np.int32(23)
# 2^f = 1 + f q(f) for f in -1/2..1/2, with q as a polynomial through Chebyshev nodes: wrong by
# 2e-7 of the value, and exact at 0.
_NODES = 0.5 * np.cos(np.pi * (np.arange(5) + 0.5) / 5)
_C1, _C2, _C3, _C4, _C5 = (
    np.float32(c)
    for c in np.linalg.solve(
        np.vander(_NODES, increasing=True),
        [np.expm1(f * np.log(2.0)) / f if f else np.log(2.0) for f in _NODES],
    )
)
_ONE = np.float32(1.0)
# Frames that are transposed at a time: their lines of cache are few.
_TILE = 16

_matrix = types.Array(float32, 2, "C")
_vector = types.Array(float32, 1, "C")


def _constant(dtype: Any, n_axes: int) -> Any:
    return types.Array(dtype, n_axes, "C", readonly=True)


def _compiled(*signatures: Any) -> Callable[[Function], Function]:
    """Compile for these signatures, without the interpreter's lock; keep the code on disk."""

    def decorate(function: Function) -> Function:
        # Sums may be split over lanes, products and sums joined; NaN must stay NaN.
        options: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}
        compile_function: Any = numba.njit
        try:
            made = compile_function(list(signatures), cache=True, **options)(function)
        except RuntimeError:
            # No place for the code on disk.
            made = compile_function(list(signatures), **options)(function)
        return cast(Function, made)

    return decorate


@_compiled(types.void(_matrix, _vector))
def exponentiate(exponents: NDArray[np.float32], sums: NDArray[np.float32]) -> None:
    """Raise 2 to `exponents`, shape (T, K), in place, kept within +-125; fill in row sums, (T,)."""
    n_frames, n_components = exponents.shape
    for t in range(n_frames):
        total = np.float32(0.0)
        for k in range(n_components):
            x = exponents[t, k]
            x = -_LIMIT if x < -_LIMIT else x
            x = _LIMIT if x > _LIMIT else x
            whole = np.rint(x)
            f = x - whole
            power = np.float32(((((_C5 * f + _C4) * f + _C3) * f + _C2) * f + _C1) * f + _ONE)
            # The whole part is added to the exponent that float32 numbers have in bits 23 to 30.
            bits = power.view(np.int32) + (np.int32(whole) << _MANTISSA_BITS)
            value = np.int32(bits).view(np.float32)
            exponents[t, k] = value
            total += value
        sums[t] = total


@_compiled(
    types.void(_constant(float32, 2), _constant(float32, 1), _constant(float32, 1), _matrix),
    types.void(_constant(float64, 2), _constant(float64, 1), _constant(float32, 1), _matrix),
)
def standardise(
    frames: NDArray[Any],
    centre: NDArray[Any],
    factors: NDArray[np.float32],
    rows: NDArray[np.float32],
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
