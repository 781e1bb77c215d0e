"""Another level of the recording."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from speakergmm.corpora.augmentation.condition import Condition, Samples


@dataclass(frozen=True, slots=True)
class Gain(Condition):
    """Another level; where a recording would go beyond full scale, it is raised by less.

    Parameters
    ----------
    gain_db : (float, float)
        Range of the gain, in dB.
    """

    gain_db: tuple[float, float] = (-20.0, 3.0)

    def change(
        self, pieces: Iterator[Samples], rate: int, rng: np.random.Generator
    ) -> Iterator[Samples]:
        """Yield the recording at another level; see `Condition.change`."""
        factor = np.float32(10.0 ** (rng.uniform(*self.gain_db) / 20.0))
        return (piece * factor for piece in pieces)
