"""The sums of `alignment_kernels` in plain NumPy: what the compiled ones are tested against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def posteriors_on_path(
    posteriors: NDArray[np.float64],
    states: NDArray[np.int32],
    place: NDArray[np.int64],
    state_unit: NDArray[np.int32],
    passed: NDArray[np.int64],
    word_of: NDArray[np.int64],
    result: NDArray[np.float64],
) -> None:
    """As `alignment_kernels.posteriors_on_path`."""
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
