"""The kernels of banks of pdfs and of alignment in plain NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def sum_by_pdf(
    densities: NDArray[np.floating[Any]], offsets: NDArray[np.int64]
) -> NDArray[np.floating[Any]]:
    """Logarithm of the sum of the Gaussians' densities in each pdf."""
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


def posteriors_on_path(
    posteriors: NDArray[np.float64],
    states: NDArray[np.int32],
    place: NDArray[np.int64],
    state_unit: NDArray[np.int32],
    passed: NDArray[np.int64],
    word_of: NDArray[np.int64],
    result: NDArray[np.float64],
) -> None:
    """Sum posteriors over what is on the path at each frame; see the kernel of that name."""
    frames = np.arange(len(states))
    by_unit = np.zeros((len(states), len(word_of)))
    np.add.at(by_unit.T, state_unit, posteriors.T)
    by_word = np.zeros((len(states), int(word_of.max(initial=-1)) + 1))
    np.add.at(by_word.T, word_of[word_of >= 0], by_unit.T[word_of >= 0])
    unit = passed[place]
    word = word_of[unit]
    result[:, 0] = posteriors[frames, states]
    result[:, 1] = by_unit[frames, unit]
    result[:, 2] = result[:, 1]
    spoken = word >= 0
    result[spoken, 2] = by_word[frames[spoken], word[spoken]]
    inner = place > 0
    result[:, 3] = 0.0
    result[inner, 3] = by_unit[frames[inner], passed[place[inner] - 1]]
    inner = place < len(passed) - 1
    result[:, 4] = 0.0
    result[inner, 4] = by_unit[frames[inner], passed[place[inner] + 1]]
