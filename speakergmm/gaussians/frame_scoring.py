"""Scoring of frames by prepared Gaussians: densities, likelihoods, posteriors, the best few."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.covariances import Array
from speakergmm.gaussians.evaluator import Evaluator, block_size
from speakergmm.gaussians.frame_sources import Frames
from speakergmm.gaussians.prepare import Prepared, check_precision

# Up to this number of Gaussians they are found one by one: a maximum of a row costs a fraction of a
# nanosecond per number, a partition some twenty.
_MAXIMA_UP_TO = 40


def _blocks(
    prepared: Prepared, frames: Frames, precision: str
) -> Iterator[tuple[Evaluator, slice]]:
    """Yield an evaluator and the place of each block."""
    size = max(1, min(len(frames), block_size(prepared.n_gaussians, prepared.n_rows)))
    evaluator = Evaluator(prepared, precision=precision, block_frames=size)
    for start in range(0, len(frames), size):
        yield evaluator, slice(start, start + size)


def joint_log_densities(
    prepared: Prepared, frames: Frames, *, precision: str
) -> NDArray[np.floating[Any]]:
    """Return joint log-densities (T, G) of checked frames (T, D), in feature units."""
    result = np.empty((len(frames), prepared.n_gaussians), check_precision(precision))
    for evaluator, block in _blocks(prepared, frames, precision):
        evaluator.log_densities(frames[block], result[block])
    return result


def frame_log_likelihoods(prepared: Prepared, frames: Frames, *, precision: str) -> Array:
    """Return log-likelihoods (T,) of checked frames (T, D), in feature units."""
    result = np.empty(len(frames))
    for evaluator, block in _blocks(prepared, frames, precision):
        result[block] = evaluator.posteriors(frames[block]).log_likelihood
    return result


def frame_posteriors(
    prepared: Prepared, frames: Frames, *, precision: str
) -> NDArray[np.floating[Any]]:
    """Return posterior probabilities (T, G) of checked frames (T, D)."""
    densities = joint_log_densities(prepared, frames, precision=precision)
    densities -= densities.max(axis=1, keepdims=True, initial=-np.inf)
    np.exp(densities, out=densities)
    densities /= densities.sum(axis=1, keepdims=True)
    return densities


def most_probable_gaussians(
    prepared: Prepared, frames: Frames, *, precision: str
) -> NDArray[np.intp]:
    """Return the most probable Gaussians (T,) of checked frames (T, D); of equal ones the first."""
    result = np.empty(len(frames), np.intp)
    for densities, block in _densities(prepared, frames, precision):
        result[block] = densities.argmax(axis=1)
    return result


def top_gaussians(
    prepared: Prepared, frames: Frames, n_top: int, *, precision: str
) -> tuple[NDArray[np.intp], NDArray[np.floating[Any]]]:
    """Return the `n_top` best Gaussians of each frame: (T, C) indices and joint log-densities."""
    indices = np.empty((len(frames), n_top), np.intp)
    values = np.empty((len(frames), n_top), check_precision(precision))
    take = _take_maxima if n_top <= _MAXIMA_UP_TO else _partition
    for densities, block in _densities(prepared, frames, precision):
        take(densities, indices[block], values[block])
    return indices, values


def _densities(
    prepared: Prepared, frames: Frames, precision: str
) -> Iterator[tuple[NDArray[np.floating[Any]], slice]]:
    for evaluator, block in _blocks(prepared, frames, precision):
        shape = (len(frames[block]), prepared.n_gaussians)
        densities = np.empty(shape, check_precision(precision))
        evaluator.log_densities(frames[block], densities)
        yield densities, block


def _take_maxima(
    densities: NDArray[np.floating[Any]],
    indices: NDArray[np.intp],
    values: NDArray[np.floating[Any]],
) -> None:
    """Fill (T, C) with the best of (T, K), which is overwritten; of equal ones the first."""
    rows = np.arange(len(densities))
    for place in range(indices.shape[1]):
        highest = densities.argmax(axis=1)
        indices[:, place] = highest
        values[:, place] = densities[rows, highest]
        densities[rows, highest] = -np.inf


def _partition(
    densities: NDArray[np.floating[Any]],
    indices: NDArray[np.intp],
    values: NDArray[np.floating[Any]],
) -> None:
    """Fill (T, C) with the best of (T, K)."""
    n_top = indices.shape[1]
    top = np.argpartition(densities, -n_top, axis=1)[:, -n_top:]
    top.sort(axis=1)
    best = np.take_along_axis(densities, top, axis=1)
    order = np.argsort(-best, axis=1, kind="stable")
    indices[:] = np.take_along_axis(top, order, axis=1)
    values[:] = np.take_along_axis(best, order, axis=1)
