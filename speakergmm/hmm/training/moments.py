"""Mean and variance of frames that come a block at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Moments:
    """Mean and variance of frames that come a block at a time (Chan's update)."""

    def __init__(self) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(1)
        self._scatter: NDArray[np.float64] = np.zeros(1)

    def add(self, frames: NDArray[np.floating[Any]]) -> None:
        """Take in frames (T, D); no frame changes nothing."""
        if not len(frames):
            return
        block = frames.astype(np.float64)
        middle = block.mean(axis=0)
        delta = middle - self.mean
        total = self.count + len(block)
        scatter = ((block - middle) ** 2).sum(axis=0)
        self._scatter = self._scatter + scatter + delta**2 * (self.count * len(block) / total)
        self.mean = self.mean + delta * (len(block) / total)
        self.count = total

    @property
    def variance(self) -> NDArray[np.float64]:
        """Variance (D,) of all frames."""
        return self._scatter / max(self.count, 1)

    @property
    def deviation(self) -> NDArray[np.float64]:
        """Standard deviation (D,); 1 for a feature that does not vary."""
        return np.where(self.variance > 1e-10, np.sqrt(self.variance), 1.0)
