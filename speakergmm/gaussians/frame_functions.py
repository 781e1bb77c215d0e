"""Basis expansion of frames: the functions of a frame in which log-densities are linear."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

if TYPE_CHECKING:
    from speakergmm.gaussians.frame_sources import Frames
    from speakergmm.gaussians.prepare import Coordinates, Prepared
    from speakergmm.gaussians.standardisation import Standardisation


# Largest deviation whose square, times any precision, does not overflow.
_FARTHEST = 1e140


class FrameFunctions:
    """Expansion of blocks of up to `block_frames` frames, in buffers of its own; one per thread.

    Parameters
    ----------
    prepared : Prepared
        Gaussians whose coordinates and functions are used.
    dtype : dtype
        Type of the rows.
    block_frames : int
        Largest number of frames of a block.
    compiled : bool, default=False
        Use compiled code where possible; the rows are the same.
    """

    def __init__(
        self,
        prepared: Prepared,
        *,
        dtype: DTypeLike,
        block_frames: int,
        compiled: bool = False,
    ) -> None:
        self._kind, self._n_rows = prepared.white.kind, prepared.n_rows
        self._block_frames = block_frames
        coordinates, wanted = prepared.coordinates, np.dtype(dtype)
        self._centre, self._centre_dtype, factors = _scaling(coordinates.standardisation, wanted)
        self._linear_map = None
        if coordinates.factor is not None:
            serves = factors.dtype == wanted
            self._linear_map, serves = _linear_map(coordinates, wanted if serves else None)
            self._centre_dtype = self._centre_dtype if serves else np.float64
        self._factors = factors[:, None]
        # Frames lie along the rows: a loop over a thousand frames is entered 39 times, where a
        # loop over 39 features would be entered a thousand times.
        self._storage = np.empty(self._n_rows * block_frames, dtype)
        self._buffers: dict[np.dtype[Any], tuple[NDArray[Any], NDArray[Any]]] = {}
        self._standardise: Callable[..., None] | None = None
        is_single = self._storage.dtype == self._factors.dtype == np.float32
        if compiled and is_single and self._linear_map is None:
            from speakergmm.gaussians.block_kernels import standardise

            self._standardise = standardise

    def expand(self, frames: Frames) -> NDArray[np.floating[Any]]:
        """Return the rows of frames (T, D), 1 first: a view of shape (B, T).

        The next call reuses the buffer.
        """
        n_frames, n_features = frames.shape
        # Without gaps even if a block is short: products may round differently with gaps, and
        # results must not depend on the size of the buffer.
        rows = self._storage[: self._n_rows * n_frames].reshape(-1, n_frames)
        rows[0] = 1.0
        # The difference is taken in the finest of the dtypes and only then rounded.
        dtype = np.result_type(frames.dtype, rows.dtype, self._centre_dtype)
        if self._standardise is not None and _is_plain(frames, dtype):
            self._standardise(frames, self._centre.astype(dtype), self._factors[:, 0], rows)
        else:
            self._move(frames, rows[1 : n_features + 1], dtype)
        self._kind.fill(rows, n_features)
        return rows

    def last(self, frames: Frames) -> NDArray[np.floating[Any]]:
        """Return the rows of the frames that were expanded last."""
        return self._storage[: self._n_rows * len(frames)].reshape(-1, len(frames))

    def _move(self, frames: Frames, z: NDArray[np.floating[Any]], dtype: np.dtype[Any]) -> None:
        if dtype not in self._buffers:
            # The centre once per frame, so that subtracting it is one loop over the whole block;
            # and room for the difference.
            tile = np.tile(self._centre.astype(dtype), (self._block_frames, 1))
            self._buffers[dtype] = tile, np.empty_like(tile)
        tile, room = self._buffers[dtype]
        moved = room[: len(frames)]
        np.subtract(frames, tile[: len(frames)], out=moved)
        if self._linear_map is None:
            # Scales are powers of two, exact in either precision.
            np.multiply(moved.T, self._factors, out=z, casting="same_kind")
        else:
            moved = moved.astype(self._linear_map.dtype, copy=False)
            np.matmul(self._linear_map, moved.T, out=z, casting="same_kind")


@lru_cache(maxsize=16)
def _linear_map(coordinates: Coordinates, dtype: np.dtype[Any] | None) -> tuple[NDArray[Any], bool]:
    """Return the linear map, in `dtype` if that is precise enough, and whether it is."""
    linear_map = coordinates.linear_map
    assert linear_map is not None
    if dtype is None or coordinates.needs_double:
        return linear_map, False
    return linear_map.astype(dtype), True


@lru_cache(maxsize=16)
def _scaling(
    standardisation: Standardisation, dtype: np.dtype[Any]
) -> tuple[NDArray[np.float64], Any, NDArray[Any]]:
    """Return the centre, the coarsest dtype it allows, and factors (D,)."""
    centre, scale = standardisation.centre, standardisation.scale
    with np.errstate(over="ignore", under="ignore"):
        is_single = np.array_equal(centre, centre.astype(np.float32))
        factors: NDArray[Any] = (1.0 / scale).astype(dtype)
    if not np.array_equal(factors, 1.0 / scale):
        # The deviations need the range of float64.
        return centre, np.float64, 1.0 / scale
    return centre, np.float32 if is_single else np.float64, factors


def expand_exactly(prepared: Prepared, frames: Frames) -> NDArray[np.float64]:
    """Return the rows (B, T) of a few frames in float64; squares may overflow."""
    expander = FrameFunctions(prepared, dtype=np.dtype(np.float64), block_frames=len(frames))
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(expander.expand(frames), np.float64)


def bring_nearer(prepared: Prepared, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return rows (B, T) with deviations limited, so that log-densities do not overflow."""
    if np.isfinite(rows).all():
        return rows
    rows = rows.copy()
    z = rows[1 : prepared.n_features + 1]
    np.nan_to_num(z, copy=False, nan=_FARTHEST, posinf=_FARTHEST, neginf=-_FARTHEST)
    np.clip(z, -_FARTHEST, _FARTHEST, out=z)
    prepared.white.kind.fill(rows, prepared.n_features)
    return rows


def _is_plain(frames: Frames, dtype: np.dtype[Any]) -> bool:
    """Return whether frames have the type and memory layout that compiled code expects."""
    flags = frames.flags
    return bool(frames.dtype == dtype and flags.c_contiguous and flags.aligned)
