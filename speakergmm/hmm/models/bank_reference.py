"""The sums of `bank_kernels` in plain NumPy: what the compiled ones are tested against."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sum_by_pdf(
    densities: NDArray[np.floating[Any]], offsets: NDArray[np.int64]
) -> NDArray[np.floating[Any]]:
    """As `bank_kernels.sum_by_pdf`."""
    highest = np.maximum.reduceat(densities, offsets[:-1], axis=1)
    sizes = np.diff(offsets)
    shares = np.exp(densities - np.repeat(highest, sizes, axis=1))
    return np.asarray(highest + np.log(np.add.reduceat(shares, offsets[:-1], axis=1)))


def component_posteriors(
    densities: NDArray[np.floating[Any]],
    log_emissions: NDArray[np.floating[Any]],
    offsets: NDArray[np.int64],
    posteriors: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Probability (T, G) of each Gaussian, given those (T, P) of the pdfs."""
    sizes = np.diff(offsets)
    shares = np.exp(densities - np.repeat(log_emissions, sizes, axis=1))
    return np.asarray(np.repeat(posteriors, sizes, axis=1) * shares)
