"""Clipping: the input of the recorder is overdriven."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from speakergmm.corpora.augmentation.condition import Condition, Samples


@dataclass(frozen=True, slots=True)
class Clipping(Condition):
    """An overdriven input: the loudest samples lie at full scale.

    Parameters
    ----------
    share : (float, float)
        Range of the share of the samples of the first 30 seconds that are clipped.
    """

    share: tuple[float, float] = (0.002, 0.05)

    def change(
        self, pieces: Iterator[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield the recording with its loudest samples clipped; see `Condition.change`."""
        share = rng.uniform(*self.share)
        level = 0.0
        for piece in pieces:
            if level <= 0.0:  # until there is sound
                level = float(np.quantile(np.abs(piece), 1.0 - share)) if len(piece) else 0.0
            yield np.clip(piece / np.float32(level), -1.0, 1.0) if level > 0.0 else piece
