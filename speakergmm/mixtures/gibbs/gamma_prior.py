"""The Gamma prior of the concentration of a Dirichlet process."""

from __future__ import annotations

import math
from dataclasses import dataclass

from speakergmm.ranges import number


@dataclass(frozen=True, slots=True)
class GammaPrior:
    """A Gamma prior of the concentration of a Dirichlet process.

    Parameters
    ----------
    shape, rate : float
        Parameters of the Gamma distribution, both > 0; the rate is 1 / scale.

    Raises
    ------
    InvalidInputError
        If a parameter is out of range.
    """

    shape: float
    rate: float

    def __post_init__(self) -> None:
        """Raise an error if a parameter is out of range."""
        for name in ("shape", "rate"):
            value = number(f"{name} of the concentration's prior", getattr(self, name), above=0)
            object.__setattr__(self, name, value)

    @property
    def mean(self) -> float:
        """Expected concentration."""
        return self.shape / self.rate

    def log_density(self, concentration: float) -> float:
        """Return the log-density at a concentration > 0."""
        return (
            self.shape * math.log(self.rate)
            - math.lgamma(self.shape)
            + (self.shape - 1) * math.log(concentration)
            - self.rate * concentration
        )
