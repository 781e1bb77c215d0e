"""Compiled sums of posteriors along a path; `alignment_reference` has the same in NumPy."""

from __future__ import annotations

import numpy as np
from numba import float64, int32, int64, types
from numpy.typing import NDArray

from speakergmm.hmm.compilation import compiled, constant, written


@compiled(
    types.void,
    constant(float64, 2),
    constant(int32),
    constant(int64),
    constant(int32),
    constant(int64),
    constant(int64),
    written(float64, 2),
)
def posteriors_on_path(
    posteriors: NDArray[np.float64],
    states: NDArray[np.int32],
    place: NDArray[np.int64],
    state_unit: NDArray[np.int32],
    passed: NDArray[np.int64],
    word_of: NDArray[np.int64],
    result: NDArray[np.float64],
) -> None:
    """Sum posteriors over what is on the path at each frame.

    Parameters
    ----------
    posteriors : array, shape (T, S)
    states : array, shape (T,)
        The path.
    place : array, shape (T,)
        Which of `passed` each frame belongs to.
    state_unit : array, shape (S,)
        Unit of each state.
    passed : array, shape (R,)
        Units on the path.
    word_of : array, shape (U,)
        Word of each unit, -1 for none.
    result : array, shape (T, 5)
        Filled with the posteriors of the frame's state, unit, and word (its unit, where there is
        none), and of the units before and after on the path (0 where there is none).
    """
    n_frames, n_states = posteriors.shape
    last = len(passed) - 1
    for t in range(n_frames):
        here = place[t]
        unit = passed[here]
        word = word_of[unit]
        before = passed[here - 1] if here > 0 else -1
        after = passed[here + 1] if here < last else -1
        own = of_word = of_before = of_after = 0.0
        for state in range(n_states):
            value = posteriors[t, state]
            if value == 0.0:
                continue
            other = state_unit[state]
            if other == unit:
                own += value
            elif other == before:
                of_before += value
            elif other == after:
                of_after += value
            if word >= 0 and word_of[other] == word:
                of_word += value
        result[t, 0] = posteriors[t, states[t]]
        result[t, 1] = own
        result[t, 2] = of_word if word >= 0 else own
        result[t, 3] = of_before
        result[t, 4] = of_after
