"""Coordinates in which float32 is safe: features moved by a centre and divided by a scale.

The centre is a float32 number and the scale a power of two, so that the map and its inverse are
exact wherever the numbers themselves are: a mixture at an offset of 10,000 is evaluated as
precisely as one around zero. Only a feature that varies by less than float32 resolves has a float64
centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError


class HasScale(Protocol):
    """A model, or statistics, of features that can be moved and scaled."""

    def rescaled(self, scale: NDArray[np.float64], shift: NDArray[np.float64], /) -> Self:
        """Return the model or the statistics of ``x * scale + shift``."""


Rescalable = TypeVar("Rescalable", bound=HasScale)


@dataclass(frozen=True, slots=True, eq=False)
class Standardisation:
    """The map z = (x - centre) / scale, and its inverse for models and statistics.

    Parameters
    ----------
    centre : array, shape (D,)
        In feature units; a float32 number within one deviation of the mean where there is one.
    scale : array, shape (D,)
        In feature units; powers of two.
    """

    centre: Annotated[NDArray[np.float64], "D"]
    scale: Annotated[NDArray[np.float64], "D"]

    @classmethod
    def of_record(cls, **parts: Any) -> Standardisation:
        """Return a map from its stored parts, after a check of them."""
        found = cls(**parts)
        if not (found.scale > 0).all():
            raise InvalidInputError("scales must be > 0")
        return found

    @classmethod
    def from_moments(
        cls, mean: NDArray[np.float64], variance: NDArray[np.float64], *, isotropic: bool = False
    ) -> Standardisation:
        """Return the map that brings data of this mean and variance, both (D,), close to (0, 1).

        A feature that does not vary keeps its scale. With `isotropic` all features have one scale,
        that of the mean variance, so that spheres stay spheres.
        """
        if isotropic:
            variance = np.full_like(variance, variance.mean())
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

    def applied(self, X: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Return the standardised frames of `X`, shape (T, D), in float64."""
        return np.asarray((X.astype(np.float64, copy=False) - self.centre) / self.scale)

    def model_to_standard(self, model: Rescalable) -> Rescalable:
        """Return the model of z for the model of x."""
        # The shift comes first and the scale second: the difference of two large numbers is exact.
        moved = model.rescaled(np.ones_like(self.scale), -self.centre)
        return moved.rescaled(1.0 / self.scale, np.zeros_like(self.centre))

    def model_from_standard(self, model: Rescalable) -> Rescalable:
        """Return the model, or statistics, of x for those of z."""
        return model.rescaled(self.scale, self.centre)
