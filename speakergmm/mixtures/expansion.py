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
        self._block_frames = block_frames
        # Frames lie along the rows: a loop over a thousand frames is entered 39 times, where a
        # loop over 39 features would be entered a thousand times.
        n_features = len(self._centre)
        self._rows = np.ones((2 * n_features + 1, block_frames), dtype)
        self._factors = (1.0 / standardisation.scale).astype(dtype)[:, None]
        self._tiles: dict[np.dtype[Any], NDArray[np.floating[Any]]] = {}

    def expand(self, frames: Frames) -> NDArray[np.floating[Any]]:
        """Return the rows 1, z, z^2 of frames (T, D): a view of shape (2 D + 1, T).

        The next call reuses the buffer.
        """
        n_frames, n_features = frames.shape
        rows = self._rows[:, :n_frames]
        rows[0] = 1.0
        # The difference is taken in the finer of the two dtypes and only then rounded.
        tile = self._tile(np.result_type(frames.dtype, rows.dtype))
        moved = np.subtract(frames, tile[:n_frames])
        z = rows[1 : n_features + 1]
        # Scales are powers of two, exact in either precision.
        np.multiply(moved.T, self._factors, out=z, casting="same_kind")
        np.multiply(z, z, out=rows[n_features + 1 :])
        return rows

    def _tile(self, dtype: np.dtype[Any]) -> NDArray[np.floating[Any]]:
        # The centre once per frame: subtracting it is then one loop over the whole block.
        if dtype not in self._tiles:
            self._tiles[dtype] = np.tile(self._centre.astype(dtype), (self._block_frames, 1))
        return self._tiles[dtype]
