"""Coordinates in which float32 is safe: features moved by a centre and divided by a scale.

The centre is a float32 number and the scale a power of two, so that going there and back is exact
wherever the numbers themselves are: a mixture at an offset of 10,000 is evaluated as well as one
around zero. Only a feature that varies by less than float32 can tell has a float64 centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from speakergmm.mixtures.parameters import DiagonalMixture
    from speakergmm.mixtures.statistics import MixtureStatistics


@dataclass(frozen=True, slots=True, eq=False)
class Standardisation:
    """The map z = (x - centre) / scale, and its inverse for models and statistics.

    Parameters
    ----------
    centre : array, shape (D,)
        In feature units; a float32 number within a deviation of the mean where there is one.
    scale : array, shape (D,)
        In feature units; powers of two.
    """

    centre: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def from_moments(
        cls, mean: NDArray[np.float64], variance: NDArray[np.float64]
    ) -> Standardisation:
        """Find the map that brings data of this mean and variance, both (D,), close to (0, 1).

        A feature that does not vary keeps its scale.
        """
        deviation = np.sqrt(np.where(variance > 0, variance, 1.0))
        with np.errstate(over="ignore"):
            centre = mean.astype(np.float32).astype(np.float64)
        # The nearest float32 number is never farther from the mean of float32 data than their
        # deviation. Where it is, it would be a large offset to data that hardly vary.
        centre = np.where(np.abs(centre - mean) <= np.sqrt(variance), centre, mean)
        return cls(centre, np.exp2(np.round(np.log2(deviation))))

    @property
    def log_volume(self) -> float:
        """Logarithm of the volume of a unit cube of z, in feature units."""
        return float(np.log(self.scale).sum())

    def apply(self, X: NDArray[np.floating[Any]], out: NDArray[np.floating[Any]]) -> None:
        """Write the standardised frames of `X`, shape (T, D), into `out`."""
        np.divide(X - self.centre, self.scale, out=out, casting="same_kind")

    def model_to_standard(self, model: DiagonalMixture) -> DiagonalMixture:
        """Give the model of z for the model of x."""
        means = (model.means - self.centre) / self.scale
        return type(model)(model.weights, means, model.variances / self.scale**2)

    def model_from_standard(self, model: DiagonalMixture) -> DiagonalMixture:
        """Give the model of x for the model of z."""
        means = model.means * self.scale + self.centre
        return type(model)(model.weights, means, model.variances * self.scale**2)

    def statistics_from_standard(self, statistics: MixtureStatistics) -> MixtureStatistics:
        """Turn moments of z into those of x; the log-likelihood stays."""
        counts = statistics.counts[:, None]
        scaled = statistics.first_order * self.scale
        second_order = None
        if statistics.second_order is not None:
            second_order = (
                statistics.second_order * self.scale**2
                + 2.0 * self.centre * scaled
                + counts * self.centre**2
            )
        return type(statistics)(
            counts=statistics.counts,
            first_order=scaled + counts * self.centre,
            second_order=second_order,
            log_likelihood=statistics.log_likelihood,
            n_frames=statistics.n_frames,
        )
