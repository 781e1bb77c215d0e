"""Sums of posteriors along a path, compiled."""

from __future__ import annotations

import numpy as np

from speakergmm.kernels import FilledMatrix, Matrix, Vector, compiled


@compiled()
def posteriors_on_path(
    posteriors: Matrix[np.float64],
    states: Vector[np.int32],
    place: Vector[np.int64],
    state_unit: Vector[np.int32],
    passed: Vector[np.int64],
    word_of: Vector[np.int64],
    result: FilledMatrix[np.float64],
) -> None:
    """Sum the posteriors of the state, unit and word on the path at each frame, and of neighbours.

    Parameters
    ----------
    posteriors : array, shape (T, S)
        Posteriors of all states.
    states : array, shape (T,)
        States on the path.
    place : array, shape (T,)
        Index into `passed` of the unit at each frame.
    state_unit : array, shape (S,)
        Unit of each state.
    passed : array, shape (R,)
        Units on the path, in order.
    word_of : array, shape (U,)
        Word of each unit, -1 for none.
    result : array, shape (T, C)
        The first five columns are filled with the posteriors of the frame's state, its unit, its
        word (its unit, if that belongs to no word), and of the units before and after it on the
        path (0 at the ends).
    """
    n_frames, n_states = posteriors.shape
    n_units = len(word_of)
    # The range of states of each unit, and of each word: sums need not visit the others.
    first, stop = np.full(n_units, n_states), np.zeros(n_units, np.int64)
    for state in range(n_states):
        unit = state_unit[state]
        first[unit] = min(first[unit], state)
        stop[unit] = max(stop[unit], state + 1)
    n_words = 0
    for unit in range(n_units):
        n_words = max(n_words, word_of[unit] + 1)
    word_first, word_stop = np.full(n_words, n_states), np.zeros(n_words, np.int64)
    for unit in range(n_units):
        word = word_of[unit]
        if word >= 0:
            word_first[word] = min(word_first[word], first[unit])
            word_stop[word] = max(word_stop[word], stop[unit])
    for t in range(n_frames):
        # The state on the path.
        here = place[t]
        result[t, 0] = posteriors[t, states[t]]
        for column in range(3):
            # The unit itself, the one before and the one after it: all states of each.
            other = here if column == 0 else (here - 1 if column == 1 else here + 1)
            total = 0.0
            if 0 <= other < len(passed):
                unit = passed[other]
                for state in range(first[unit], stop[unit]):
                    if state_unit[state] == unit:
                        total += posteriors[t, state]
            result[t, 1 if column == 0 else column + 2] = total
        # The word: all states of the units of all its pronunciations.
        word = word_of[passed[here]]
        total = result[t, 1]
        if word >= 0:
            total = 0.0
            for state in range(word_first[word], word_stop[word]):
                if word_of[state_unit[state]] == word:
                    total += posteriors[t, state]
        result[t, 2] = total
