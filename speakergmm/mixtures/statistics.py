"""Sufficient statistics of a diagonal mixture: they can be added, scaled and stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import InvalidInputError


@dataclass(frozen=True, slots=True, eq=False)
class MixtureStatistics:
    """What frames say to a mixture: occupancies and moments, in float64 and feature units.

    Parameters
    ----------
    counts : array, shape (K,)
        Occupancy of each component in frames, sum_t r_tk; not an integer.
    first_order : array, shape (K, D)
        Sum of responsibility times feature, sum_t r_tk x_t; not divided by the counts.
    second_order : array, shape (K, D), or None
        Sum of responsibility times squared feature; None where it was not asked for.
    log_likelihood : float
        Sum over the frames of their log-likelihood under the model that made the statistics.
    n_frames : float
        Number of frames.

    Raises
    ------
    InvalidInputError
        If shapes disagree, a value is not finite, or a count is negative.

    Examples
    --------
    >>> half = MixtureStatistics.zeros(2, 1) + MixtureStatistics(
    ...     [1.0, 3.0], [[2.0], [6.0]], [[4.0], [12.0]], log_likelihood=-8.0, n_frames=4.0
    ... ).scaled(0.5)
    >>> half.counts, half.n_frames
    (array([0.5, 1.5]), 2.0)
    """

    counts: NDArray[np.float64]
    first_order: NDArray[np.float64]
    second_order: NDArray[np.float64] | None
    log_likelihood: float
    n_frames: float

    def __init__(
        self,
        counts: ArrayLike,
        first_order: ArrayLike,
        second_order: ArrayLike | None,
        log_likelihood: float,
        n_frames: float,
    ) -> None:
        for name, value in (
            ("counts", counts),
            ("first_order", first_order),
            ("second_order", second_order),
        ):
            array = None if value is None else np.array(value, dtype=np.float64)
            if array is not None:
                if not np.isfinite(array).all():
                    raise InvalidInputError(f"{name} must be finite, found NaN or infinity")
                array.setflags(write=False)
            object.__setattr__(self, name, array)
        object.__setattr__(self, "log_likelihood", float(log_likelihood))
        object.__setattr__(self, "n_frames", float(n_frames))
        shapes = {self.first_order.shape}
        if self.second_order is not None:
            shapes.add(self.second_order.shape)
        if self.first_order.ndim != 2 or shapes != {(self.counts.size, self.first_order.shape[1])}:
            raise InvalidInputError(
                f"statistics must have shapes (K,), (K, D), (K, D), found counts "
                f"{self.counts.shape} with {sorted(shapes)}"
            )
        if not (np.isfinite(self.log_likelihood) and 0 <= self.n_frames < np.inf):
            raise InvalidInputError(
                f"log_likelihood must be finite and n_frames finite and >= 0, found "
                f"{self.log_likelihood} and {self.n_frames}"
            )
        if self.counts.size and self.counts.min() < 0:
            raise InvalidInputError(f"counts must be >= 0, found {self.counts.min():g}")

    @property
    def n_components(self) -> int:
        """Number of components, K."""
        return int(self.first_order.shape[0])

    @property
    def n_features(self) -> int:
        """Number of features of a frame, D."""
        return int(self.first_order.shape[1])

    @classmethod
    def zeros(
        cls, n_components: int, n_features: int, *, second_order: bool = True
    ) -> MixtureStatistics:
        """Give the statistics of no frame at all: what sums start from."""
        moments = np.zeros((n_components, n_features))
        return cls(np.zeros(n_components), moments, moments if second_order else None, 0.0, 0.0)

    def __add__(self, other: MixtureStatistics) -> MixtureStatistics:
        """Add up: the statistics of the frames of both.

        Raises
        ------
        InvalidInputError
            If shapes disagree, or only one of the two has second-order moments.
        """
        if not isinstance(other, MixtureStatistics):
            return NotImplemented
        if self.first_order.shape != other.first_order.shape:
            raise InvalidInputError(
                f"statistics of different mixtures can't be added: moments of shape "
                f"{self.first_order.shape} and {other.first_order.shape}"
            )
        second_order = None
        if self.second_order is not None and other.second_order is not None:
            second_order = self.second_order + other.second_order
        elif self.second_order is not None or other.second_order is not None:
            raise InvalidInputError(
                "statistics with second-order moments can't be added to statistics without"
            )
        return MixtureStatistics(
            self.counts + other.counts,
            self.first_order + other.first_order,
            second_order,
            self.log_likelihood + other.log_likelihood,
            self.n_frames + other.n_frames,
        )

    def scaled(self, factor: float) -> MixtureStatistics:
        """Weigh each frame by `factor`, which must be finite and >= 0."""
        if not 0 <= factor < np.inf:
            raise InvalidInputError(f"factor must be finite and >= 0, found {factor}")
        return MixtureStatistics(
            self.counts * factor,
            self.first_order * factor,
            None if self.second_order is None else self.second_order * factor,
            self.log_likelihood * factor,
            self.n_frames * factor,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        # Worker processes return statistics by this way: through the checks, read-only again.
        parts = (self.counts, self.first_order, self.second_order)
        return type(self), (*parts, self.log_likelihood, self.n_frames)

    def to_arrays(self) -> dict[str, NDArray[np.float64]]:
        """Give the statistics by name, ready to be stored; a missing second order is left out."""
        arrays = {
            "counts": self.counts,
            "first_order": self.first_order,
            "log_likelihood": np.array([self.log_likelihood]),
            "n_frames": np.array([self.n_frames]),
        }
        if self.second_order is not None:
            arrays["second_order"] = self.second_order
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, ArrayLike]) -> MixtureStatistics:
        """Build statistics of what `to_arrays` gave, validated anew.

        Raises
        ------
        InvalidInputError
            If an array is missing or malformed.
        """
        needed = ("counts", "first_order", "log_likelihood", "n_frames")
        missing = [name for name in needed if name not in arrays]
        if missing:
            raise InvalidInputError(f"statistics lack the arrays: {', '.join(missing)}")
        scalars = [np.asarray(arrays[name], dtype=np.float64) for name in needed[2:]]
        if any(scalar.size != 1 for scalar in scalars):
            raise InvalidInputError("log_likelihood and n_frames must hold one number each")
        return cls(
            arrays["counts"],
            arrays["first_order"],
            arrays.get("second_order"),
            scalars[0].item(),
            scalars[1].item(),
        )
