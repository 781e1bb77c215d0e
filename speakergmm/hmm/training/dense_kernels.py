"""Compiled loops over frames and states, where there is no matrix product.

`mix_states` turns log-densities of components into those of states, with each component's part of
its state in place of its density; in NumPy that takes half a dozen passes over short rows.
Importing this module compiles, or loads from disk what was compiled before.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import float32, float64, int64, types
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])

_LOG2_E = np.float32(1.0 / math.log(2.0))
# Smaller powers of two are subnormal in float32; a part that small is nothing.
_LEAST = np.float32(-125.0)
_MANTISSA_BITS = np.int32(23)
# 2^f = 1 + f q(f) for f in -1/2..1/2, with q the polynomial through Chebyshev nodes.
_NODES = 0.5 * np.cos(np.pi * (np.arange(5) + 0.5) / 5)
_C1, _C2, _C3, _C4, _C5 = (
    np.float32(c)
    for c in np.linalg.solve(
        np.vander(_NODES, increasing=True),
        [np.expm1(f * np.log(2.0)) / f if f else np.log(2.0) for f in _NODES],
    )
)
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)


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


@_compiled(types.void(float32[:, ::1], int64, float64[:, ::1]))
def mix_states_single(
    densities: NDArray[np.float32], n_mix: int, emissions: NDArray[np.float64]
) -> None:
    """As `mix_states_double`, in float32; parts below 2^-125 are zero."""
    n_frames, n_components = densities.shape
    n_states = n_components // n_mix
    for t in range(n_frames):
        row = densities[t]
        for s in range(n_states):
            first = s * n_mix
            highest = row[first]
            for k in range(first + 1, first + n_mix):
                highest = row[k] if row[k] > highest else highest
            emissions[t, s] = highest
            for k in range(first, first + n_mix):
                row[k] = (row[k] - highest) * _LOG2_E
        for k in range(n_components):
            x = row[k]
            kept = x > _LEAST
            x = x if kept else _ZERO
            whole = np.rint(x)
            f = x - whole
            power = np.float32(((((_C5 * f + _C4) * f + _C3) * f + _C2) * f + _C1) * f + _ONE)
            # The whole part is added to the exponent that float32 numbers have in bits 23 to 30.
            bits = power.view(np.int32) + (np.int32(whole) << _MANTISSA_BITS)
            value = np.int32(bits).view(np.float32)
            row[k] = value if kept else _ZERO
        for s in range(n_states):
            first = s * n_mix
            total = _ZERO
            for k in range(first, first + n_mix):
                total += row[k]
            emissions[t, s] += math.log(total)
            factor = _ONE / total
            for k in range(first, first + n_mix):
                row[k] *= factor


@_compiled(types.void(float64[:, ::1], int64, float64[:, ::1]))
def mix_states_double(
    densities: NDArray[np.float64], n_mix: int, emissions: NDArray[np.float64]
) -> None:
    """Sum components within states.

    Parameters
    ----------
    densities : array, shape (T, S M)
        Joint log-densities of components, state by state, finite; replaced by the probability of
        each component given the frame and its state.
    n_mix : int
        M.
    emissions : array, shape (T, S)
        Filled with log-densities of states.
    """
    n_frames, n_components = densities.shape
    n_states = n_components // n_mix
    for t in range(n_frames):
        for s in range(n_states):
            first = s * n_mix
            highest = densities[t, first]
            for k in range(first + 1, first + n_mix):
                highest = max(highest, densities[t, k])
            total = 0.0
            for k in range(first, first + n_mix):
                value = math.exp(densities[t, k] - highest)
                densities[t, k] = value
                total += value
            emissions[t, s] = highest + math.log(total)
            for k in range(first, first + n_mix):
                densities[t, k] /= total


@_compiled(
    types.void(float32[:, ::1], int64, float64[:, ::1]),
    types.void(float64[:, ::1], int64, float64[:, ::1]),
)
def weigh_components(
    parts: NDArray[Any], n_mix: int, state_posteriors: NDArray[np.float64]
) -> None:
    """Multiply the parts of components, (T, S M), by the posteriors of their states, (T, S)."""
    n_frames, n_states = state_posteriors.shape
    for t in range(n_frames):
        for s in range(n_states):
            for k in range(s * n_mix, (s + 1) * n_mix):
                parts[t, k] *= state_posteriors[t, s]
