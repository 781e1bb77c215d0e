"""Sums over the Gaussians of each pdf, compiled.

Exponentials and logarithms are polynomials, evaluated over a tile of frames with vector
instructions; those of libm would be called one at a time.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.kernels import (
    FAST,
    FilledMatrix,
    FilledVector,
    Matrix,
    Strided,
    Vector,
    binary_logarithm,
    compiled,
    power_of_two,
)

_LIMIT = np.float32(-125.0)
_LOG2E = np.float32(np.log2(math.e))
_LN2 = np.float32(np.log(2.0))
# Frames per tile: the rows of all Gaussians of a pdf stay in the first cache.
_TILE = 256

Found = tuple[FilledVector[np.int64], FilledVector[np.int64], FilledVector[np.float64]]
"""Frame, Gaussian and posterior (N,) of the posteriors that are kept."""


@compiled(fastmath=FAST)
def _sum_single(
    densities: Matrix[np.float32], offsets: Vector[np.int64], sums: FilledMatrix[np.float32]
) -> None:
    """Fill in log-densities (P, T) of pdfs, given those of Gaussians (G, T), tile by tile."""
    n_frames = densities.shape[1]
    highest_of_tile = np.empty(_TILE, np.float32)
    total_of_tile = np.empty(_TILE, np.float32)
    for first in range(0, n_frames, _TILE):
        width = min(_TILE, n_frames - first)
        # Slices begin at 0, so that the compiler need not consider negative indices.
        highest, total = highest_of_tile[:width], total_of_tile[:width]
        for p in range(len(offsets) - 1):
            # The largest log-density of the pdf's Gaussians, frame by frame.
            start, stop = offsets[p], offsets[p + 1]
            row = densities[start, first : first + width]
            for t in range(width):
                highest[t] = row[t]
                total[t] = np.float32(0.0)
            for g in range(start + 1, stop):
                row = densities[g, first : first + width]
                for t in range(width):
                    highest[t] = max(highest[t], row[t])
            # The sum of the densities relative to it, as powers of two.
            for g in range(start, stop):
                row = densities[g, first : first + width]
                for t in range(width):
                    x = (row[t] - highest[t]) * _LOG2E
                    x = _LIMIT if x < _LIMIT else x
                    total[t] += power_of_two(x)
            # The logarithm of the sum.
            result = sums[p, first : first + width]
            for t in range(width):
                result[t] = highest[t] + _LN2 * binary_logarithm(total[t])


@compiled(fastmath=FAST)
def _sum_double(
    densities: Matrix[np.float64], offsets: Vector[np.int64], sums: FilledMatrix[np.float64]
) -> None:
    """Fill in log-densities (T, P) of pdfs, given those of Gaussians (T, G), frame by frame."""
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
    """Compute the log-densities of pdfs from the joint log-densities of their Gaussians.

    Parameters
    ----------
    densities : array, shape (T, G)
        Joint log-densities log w_g + log N(x | g), float32 or float64, finite (a weight of zero
        counts as e^-1e30).
    offsets : array of int64, shape (P + 1,)
        First column of each pdf.

    Returns
    -------
    array, shape (T, P)
        Log-densities, of the dtype of `densities`.
    """
    n_pdfs = len(offsets) - 1
    if n_pdfs == densities.shape[1]:
        return densities
    if densities.dtype == np.float32:
        turned = np.empty((n_pdfs, len(densities)), np.float32)
        # No copy if the frames lie along the rows in memory, as `BankEvaluator` has them.
        _sum_single(np.ascontiguousarray(densities.T), offsets, turned)
        return np.ascontiguousarray(turned.T)
    sums = np.empty((len(densities), n_pdfs))
    _sum_double(np.ascontiguousarray(densities, np.float64), offsets, sums)
    return sums


@compiled(fastmath=FAST)
def sparse_posteriors(
    # Few of these are read: their order in memory does not matter.
    densities: Strided[np.float32 | np.float64],
    log_emissions: Matrix[np.float32 | np.float64],
    offsets: Vector[np.int64],
    gaussians: Vector[np.int64],
    posteriors: Matrix[np.float64],
    least: float,
) -> Found:
    """Divide the posteriors of pdfs among their Gaussians, and keep those above a least value.

    Parameters
    ----------
    densities, log_emissions, offsets, gaussians
        As `Emissions` has them.
    posteriors : array, shape (T, P)
        Posteriors of pdfs.
    least : float
        Posteriors up to this are left out.

    Returns
    -------
    frame, gaussian, weight : array, shape (N,)
        Number of the frame and of the Gaussian, and its posterior.
    """
    # Room for the Gaussians of all pdfs with enough posterior.
    n_frames, n_pdfs = posteriors.shape
    most = 0
    for t in range(n_frames):
        for p in range(n_pdfs):
            if posteriors[t, p] > least:
                most += offsets[p + 1] - offsets[p]
    frames, places, weights = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)
    n = 0
    for t in range(n_frames):
        for p in range(n_pdfs):
            occupancy = posteriors[t, p]
            if occupancy <= least:
                continue
            # A Gaussian's share is its density relative to that of the pdf.
            for column in range(offsets[p], offsets[p + 1]):
                weight = occupancy * np.exp(densities[t, column] - log_emissions[t, p])
                if weight > least:
                    frames[n], places[n], weights[n] = t, gaussians[column], weight
                    n += 1
    return frames[:n], places[:n], weights[:n]


@compiled(fastmath=FAST)
def aligned_posteriors(
    frames: Matrix[np.float32],
    pdfs: Vector[np.int32],
    offsets: Vector[np.int64],
    columns: Matrix[np.float32],
) -> tuple[Found, float]:
    """Compute the posteriors of Gaussians for frames whose pdf is known.

    Parameters
    ----------
    frames : array, shape (T, D)
        Standardised frames.
    pdfs : array, shape (T,)
        Pdf of each frame; the Gaussians of this pdf alone are evaluated.
    offsets : array, shape (P + 1,)
        First Gaussian of each pdf.
    columns : array, shape (G, 1 + 2 D)
        Constant, mean / variance and -1 / (2 variance) of each Gaussian.

    Returns
    -------
    posteriors : tuple of arrays, shape (N,)
        Frame, Gaussian and posterior.
    log_likelihood : float
        Sum of the log-densities of the frames, in nats.
    """
    n_features = frames.shape[1]
    log_likelihood = 0.0
    most = 0
    for pdf in pdfs:
        most += offsets[pdf + 1] - offsets[pdf]
    places, gaussians, weights = np.empty(most, np.int64), np.empty(most, np.int64), np.empty(most)
    first = 0
    for t in range(len(frames)):
        start, stop = offsets[pdfs[t]], offsets[pdfs[t] + 1]
        # Log-densities of the Gaussians, in place of their posteriors, and the largest one.
        values = weights[first : first + stop - start]
        highest = -np.inf
        for g in range(start, stop):
            density = columns[g, 0]
            for d in range(n_features):
                x = frames[t, d]
                density += x * (columns[g, 1 + d] + x * columns[g, 1 + n_features + d])
            values[g - start] = density
            highest = max(highest, values[g - start])
        # Densities relative to it, and their sum.
        total = 0.0
        for g in range(stop - start):
            values[g] = np.exp(values[g] - highest)
            total += values[g]
        # Posteriors are shares of the sum.
        log_likelihood += highest + np.log(total)
        for g in range(stop - start):
            values[g] /= total
            places[first + g], gaussians[first + g] = t, start + g
        first += stop - start
    return (places, gaussians, weights), log_likelihood
