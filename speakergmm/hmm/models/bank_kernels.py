"""Compiled sums over the Gaussians of each pdf; `bank_reference` has the same in NumPy.

Exponentials and logarithms are polynomials (that of `speakergmm.gaussians.compiled`) over a stretch
of frames, which the compiler turns into vector instructions: libm's are called one at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import float32, float64, int32, int64, types
from numpy.typing import NDArray

Function = TypeVar("Function", bound=Callable[..., Any])

# As in `mixtures.compiled`: 2^f = 1 + f q(f) for f in -1/2..1/2, wrong by 2e-7 of the value.
_NODES = 0.5 * np.cos(np.pi * (np.arange(5) + 0.5) / 5)
_C1, _C2, _C3, _C4, _C5 = (
    np.float32(c)
    for c in np.linalg.solve(
        np.vander(_NODES, increasing=True),
        [np.expm1(f * np.log(2.0)) / f if f else np.log(2.0) for f in _NODES],
    )
)
# log2(1 + f) = f q(f) for f in 0..1, wrong by 2e-7, and exact at 0.
_LOG_NODES = 0.5 + 0.5 * np.cos(np.pi * (np.arange(8) + 0.5) / 8)
_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7 = (
    np.float32(c)
    for c in np.linalg.solve(
        np.vander(_LOG_NODES, increasing=True), np.log2(1 + _LOG_NODES) / _LOG_NODES
    )
)
_ONE = np.float32(1.0)
_LIMIT = np.float32(-125.0)
_LOG2E = np.float32(np.log2(np.e))
_LN2 = np.float32(np.log(2.0))
_MANTISSA = np.int32(0x7FFFFF)
_EXPONENT_OF_ONE = np.int32(0x3F800000)
# Frames that are worked on at a time: a row of each Gaussian of a pdf stays in the first cache.
_TILE = 256


def _compiled(*signatures: Any) -> Callable[[Function], Function]:
    """Compile for these signatures, without the interpreter's lock; keep the code on disk."""

    def decorate(function: Function) -> Function:
        options: dict[str, Any] = {"nogil": True, "fastmath": {"reassoc", "contract", "nsz"}}
        compile_function: Any = numba.njit
        try:
            made = compile_function(list(signatures), cache=True, **options)(function)
        except RuntimeError:
            # No place for the code on disk.
            made = compile_function(list(signatures), **options)(function)
        return cast(Function, made)

    return decorate


def _constant(dtype: Any, n_axes: int) -> Any:
    return types.Array(dtype, n_axes, "C", readonly=True)


@_compiled(
    types.void(_constant(float32, 2), _constant(int64, 1), types.Array(float32, 2, "C")),
)
def _sum_single(
    densities: NDArray[np.float32], offsets: NDArray[np.int64], sums: NDArray[np.float32]
) -> None:
    """Sum (G, T) to (P, T): frames lie along the rows, and the loops over them are inner ones."""
    n_frames = densities.shape[1]
    highest_of_tile = np.empty(_TILE, np.float32)
    total_of_tile = np.empty(_TILE, np.float32)
    for first in range(0, n_frames, _TILE):
        width = min(_TILE, n_frames - first)
        # Slices begin at 0: with other indices the compiler would have to mind negative ones.
        highest, total = highest_of_tile[:width], total_of_tile[:width]
        for p in range(len(offsets) - 1):
            start, stop = offsets[p], offsets[p + 1]
            row = densities[start, first : first + width]
            for t in range(width):
                highest[t] = row[t]
                total[t] = np.float32(0.0)
            for g in range(start + 1, stop):
                row = densities[g, first : first + width]
                for t in range(width):
                    highest[t] = max(highest[t], row[t])
            for g in range(start, stop):
                row = densities[g, first : first + width]
                for t in range(width):
                    x = (row[t] - highest[t]) * _LOG2E
                    x = _LIMIT if x < _LIMIT else x
                    whole = np.rint(x)
                    f = x - whole
                    power = np.float32(
                        ((((_C5 * f + _C4) * f + _C3) * f + _C2) * f + _C1) * f + _ONE
                    )
                    bits = power.view(np.int32) + (np.int32(whole) << np.int32(23))
                    total[t] += np.int32(bits).view(np.float32)
            result = sums[p, first : first + width]
            for t in range(width):
                bits = np.float32(total[t]).view(np.int32)
                whole = np.float32((bits >> np.int32(23)) - np.int32(127))
                f = np.int32((bits & _MANTISSA) | _EXPONENT_OF_ONE).view(np.float32) - _ONE
                q = ((((((_L7 * f + _L6) * f + _L5) * f + _L4) * f + _L3) * f + _L2) * f + _L1) * f
                result[t] = highest[t] + _LN2 * np.float32(whole + f * (q + _L0))


@_compiled(
    types.void(_constant(float64, 2), _constant(int64, 1), types.Array(float64, 2, "C")),
)
def _sum_double(
    densities: NDArray[np.float64], offsets: NDArray[np.int64], sums: NDArray[np.float64]
) -> None:
    n_pdfs = len(offsets) - 1
    for t in range(len(densities)):
        for p in range(n_pdfs):
            start, stop = offsets[p], offsets[p + 1]
            highest = densities[t, start]
            for g in range(start + 1, stop):
                highest = max(highest, densities[t, g])
            total = 0.0
            for g in range(start, stop):
                total += np.exp(densities[t, g] - highest)
            sums[t, p] = highest + np.log(total)


def sum_by_pdf(
    densities: NDArray[np.floating[Any]], offsets: NDArray[np.int64]
) -> NDArray[np.floating[Any]]:
    """Logarithm of the sum of the Gaussians' densities in each pdf.

    Parameters
    ----------
    densities : array, shape (T, G)
        Joint log-densities, float32 or float64, finite (a weight of zero counts as e^-1e30).
    offsets : array of int64, shape (P + 1,)
        Where the columns of each pdf begin.

    Returns
    -------
    array, shape (T, P)
        Of the dtype of `densities`.
    """
    n_pdfs = len(offsets) - 1
    if n_pdfs == densities.shape[1]:
        return densities
    if densities.dtype == np.float32:
        turned = np.empty((n_pdfs, len(densities)), np.float32)
        # No copy where frames lie along the rows already, as `BankEvaluator` has them.
        _sum_single(np.ascontiguousarray(densities.T), offsets, turned)
        return np.ascontiguousarray(turned.T)
    sums = np.empty((len(densities), n_pdfs))
    _sum_double(np.ascontiguousarray(densities, np.float64), offsets, sums)
    return sums


def _accumulate_signature(dtype: Any) -> Any:
    return types.void(
        # Of these few are looked at: how they lie in memory doesn't matter.
        types.Array(dtype, 2, "A", readonly=True),
        _constant(dtype, 2),
        _constant(int64, 1),
        _constant(int64, 1),
        _constant(float64, 2),
        _constant(float32, 2),
        float64,
        types.Array(float64, 1, "C"),
        types.Array(float64, 2, "C"),
        types.Array(float64, 2, "C"),
    )


@_compiled(_accumulate_signature(float32), _accumulate_signature(float64))
def accumulate_diagonal(
    densities: NDArray[np.floating[Any]],
    log_emissions: NDArray[np.floating[Any]],
    offsets: NDArray[np.int64],
    gaussians: NDArray[np.int64],
    posteriors: NDArray[np.float64],
    frames: NDArray[np.float32],
    least: float,
    counts: NDArray[np.float64],
    first_order: NDArray[np.float64],
    second_order: NDArray[np.float64],
) -> None:
    """Add the moments of frames (T, D), weighted by posteriors of pdfs (T, P) and Gaussians.

    Most posteriors are zero or all but zero: those below `least` are left out, which is why this
    is a loop and no matrix product. Sums are (G,), (G, D) and (G, D), of the whole bank.
    """
    n_frames, n_pdfs = posteriors.shape
    n_features = frames.shape[1]
    for t in range(n_frames):
        for p in range(n_pdfs):
            occupancy = posteriors[t, p]
            if occupancy <= least:
                continue
            for column in range(offsets[p], offsets[p + 1]):
                weight = occupancy * np.exp(densities[t, column] - log_emissions[t, p])
                if weight <= least:
                    continue
                g = gaussians[column]
                counts[g] += weight
                for d in range(n_features):
                    value = float64(frames[t, d])
                    first_order[g, d] += weight * value
                    second_order[g, d] += weight * value * value


@_compiled(
    types.void(
        _constant(float32, 2),
        _constant(int32, 1),
        _constant(int64, 1),
        types.Array(float32, 2, "C", readonly=True),
        types.Array(float64, 1, "C"),
        types.Array(float64, 1, "C"),
        types.Array(float64, 2, "C"),
        types.Array(float64, 2, "C"),
    )
)
def accumulate_aligned(
    frames: NDArray[np.float32],
    pdfs: NDArray[np.int32],
    offsets: NDArray[np.int64],
    columns: NDArray[np.float32],
    log_likelihood: NDArray[np.float64],
    counts: NDArray[np.float64],
    first_order: NDArray[np.float64],
    second_order: NDArray[np.float64],
) -> None:
    """Add the moments of frames (T, D) whose pdfs (T,) are known: only these are evaluated.

    `columns`, shape (G, 1 + 2 D), are the constant, mean / variance and -1 / (2 variance) of each
    Gaussian; the log-likelihood of the frames is added to the one entry of `log_likelihood`.
    """
    n_features = frames.shape[1]
    largest = 0
    for p in range(len(offsets) - 1):
        largest = max(largest, offsets[p + 1] - offsets[p])
    values = np.empty(largest, np.float64)
    for t in range(len(frames)):
        start, stop = offsets[pdfs[t]], offsets[pdfs[t] + 1]
        highest = -np.inf
        for g in range(start, stop):
            density = columns[g, 0]
            for d in range(n_features):
                x = frames[t, d]
                density += x * (columns[g, 1 + d] + x * columns[g, 1 + n_features + d])
            values[g - start] = density
            highest = max(highest, values[g - start])
        total = 0.0
        for g in range(stop - start):
            values[g] = np.exp(values[g] - highest)
            total += values[g]
        log_likelihood[0] += highest + np.log(total)
        for g in range(start, stop):
            weight = values[g - start] / total
            counts[g] += weight
            for d in range(n_features):
                value = float64(frames[t, d])
                first_order[g, d] += weight * value
                second_order[g, d] += weight * value * value
