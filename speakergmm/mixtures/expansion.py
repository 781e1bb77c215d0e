"""The rows 1, z, z^2 of a block of standardised frames, of which densities are products."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from speakergmm.mixtures.frames import Frames
from speakergmm.mixtures.standardisation import Standardisation


class Expander:
    """Expands blocks of up to `block_frames` frames in buffers of its own; not for two threads.

    Parameters
    ----------
    standardisation : Standardisation
        What turns frames into z.
    dtype : dtype
        Of the rows.
    block_frames : int
        Most frames of a block.
    """

    def __init__(
        self, standardisation: Standardisation, *, dtype: DTypeLike, block_frames: int
    ) -> None:
        self._centre = standardisation.centre
        with np.errstate(over="ignore"):
            is_single = np.array_equal(self._centre, self._centre.astype(np.float32))
        self._centre_dtype = np.float32 if is_single else np.float64
        self._block_frames = block_frames
        # Frames lie along the rows: a loop over a thousand frames is entered 39 times, where a
        # loop over 39 features would be entered a thousand times.
        n_features = len(self._centre)
        self._rows = np.ones((2 * n_features + 1, block_frames), dtype)
        self._factors = (1.0 / standardisation.scale).astype(dtype)[:, None]
        self._buffers: dict[np.dtype[Any], tuple[NDArray[Any], NDArray[Any]]] = {}

    def expand(self, frames: Frames) -> NDArray[np.floating[Any]]:
        """Return the rows 1, z, z^2 of frames (T, D): a view of shape (2 D + 1, T).

        The next call reuses the buffer.
        """
        n_frames, n_features = frames.shape
        rows = self._rows[:, :n_frames]
        rows[0] = 1.0
        # The difference is taken in the finest of the dtypes and only then rounded.
        dtype = np.result_type(frames.dtype, rows.dtype, self._centre_dtype)
        tile, moved = self._buffers_for(dtype)
        tile, moved = tile[:n_frames], moved[:n_frames]
        np.subtract(frames, tile, out=moved)
        z = rows[1 : n_features + 1]
        # Scales are powers of two, exact in either precision.
        np.multiply(moved.T, self._factors, out=z, casting="same_kind")
        np.multiply(z, z, out=rows[n_features + 1 :])
        return rows

    def _buffers_for(self, dtype: np.dtype[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        # The centre once per frame, so that subtracting it is one loop over the whole block; and
        # room for the difference.
        if dtype not in self._buffers:
            tile = np.tile(self._centre.astype(dtype), (self._block_frames, 1))
            self._buffers[dtype] = tile, np.empty_like(tile)
        return self._buffers[dtype]
