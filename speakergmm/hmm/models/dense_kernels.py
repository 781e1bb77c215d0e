"""Compiled loops over frames and states, where there is no matrix product.

`mix_states` turns log-densities of components into those of states, with each component's part of
its state in place of its density; in NumPy that takes half a dozen passes over short rows.
Importing this module compiles, or loads from disk what was compiled before.
"""

from __future__ import annotations

import math

import numpy as np

from speakergmm.kernels import FAST, FilledMatrix, Matrix, compiled, power_of_two

_LOG2_E = np.float32(1.0 / math.log(2.0))
# Smaller powers of two are subnormal in float32; a part that small is nothing.
_LEAST = np.float32(-125.0)
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)


@compiled(fastmath=FAST)
def mix_states_single(
    densities: FilledMatrix[np.float32], n_mix: int, emissions: FilledMatrix[np.float64]
) -> None:
    """As `mix_states_double`, in float32; parts below 2^-125 are zero."""
    n_frames, n_components = densities.shape
    n_states = n_components // n_mix
    for t in range(n_frames):
        row = densities[t]
        for s in range(n_states):
            first = s * n_mix
            highest = row[first]
            for k in range(first + 1, first + n_mix):
                highest = row[k] if row[k] > highest else highest
            emissions[t, s] = highest
            for k in range(first, first + n_mix):
                row[k] = (row[k] - highest) * _LOG2_E
        for k in range(n_components):
            x = row[k]
            kept = x > _LEAST
            x = x if kept else _ZERO
            row[k] = power_of_two(x) if kept else _ZERO
        for s in range(n_states):
            first = s * n_mix
            total = _ZERO
            for k in range(first, first + n_mix):
                total += row[k]
            emissions[t, s] += math.log(total)
            factor = _ONE / total
            for k in range(first, first + n_mix):
                row[k] *= factor


@compiled(fastmath=FAST)
def mix_states_double(
    densities: FilledMatrix[np.float64], n_mix: int, emissions: FilledMatrix[np.float64]
) -> None:
    """Sum components within states.

    Parameters
    ----------
    densities : array, shape (T, S M)
        Joint log-densities of components, state by state, finite; replaced by the probability of
        each component given the frame and its state.
    n_mix : int
        M.
    emissions : array, shape (T, S)
        Filled with log-densities of states.
    """
    n_frames, n_components = densities.shape
    n_states = n_components // n_mix
    for t in range(n_frames):
        for s in range(n_states):
            first = s * n_mix
            highest = densities[t, first]
            for k in range(first + 1, first + n_mix):
                highest = max(highest, densities[t, k])
            total = 0.0
            for k in range(first, first + n_mix):
                value = math.exp(densities[t, k] - highest)
                densities[t, k] = value
                total += value
            emissions[t, s] = highest + math.log(total)
            for k in range(first, first + n_mix):
                densities[t, k] /= total


@compiled(fastmath=FAST)
def weigh_components(
    parts: FilledMatrix[np.float32 | np.float64], n_mix: int, state_posteriors: Matrix[np.float64]
) -> None:
    """Multiply the parts of components, (T, S M), by the posteriors of their states, (T, S)."""
    n_frames, n_states = state_posteriors.shape
    for t in range(n_frames):
        for s in range(n_states):
            for k in range(s * n_mix, (s + 1) * n_mix):
                parts[t, k] *= state_posteriors[t, s]
