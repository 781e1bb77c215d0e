"""Sums over the components of states, compiled.

`mix_states_single` and `mix_states_double` compute log-densities of states from those of their
components, and replace the latter by the components' posteriors given the state; NumPy would take
half a dozen passes over short rows. Importing this module compiles them, or loads the compiled code
from disk.
"""

from __future__ import annotations

import math

import numpy as np

from speakergmm.kernels import FAST, FilledMatrix, Matrix, compiled, power_of_two

_LOG2_E = np.float32(1.0 / math.log(2.0))
# Smaller powers of two would be subnormal in float32; such a posterior is set to zero.
_LEAST = np.float32(-125.0)
_ONE = np.float32(1.0)
_ZERO = np.float32(0.0)


@compiled(fastmath=FAST)
def mix_states_single(
    densities: FilledMatrix[np.float32], n_mix: int, emissions: FilledMatrix[np.float64]
) -> None:
    """Compute what `mix_states_double` does, in float32; posteriors below 2^-125 are zero."""
    n_frames, n_components = densities.shape
    n_states = n_components // n_mix
    for t in range(n_frames):
        # The largest log-density of each state, and all others relative to it, in base 2.
        row = densities[t]
        for s in range(n_states):
            first = s * n_mix
            highest = row[first]
            for k in range(first + 1, first + n_mix):
                highest = row[k] if row[k] > highest else highest
            emissions[t, s] = highest
            for k in range(first, first + n_mix):
                row[k] = (row[k] - highest) * _LOG2_E
        # All powers of two in one loop, which the compiler turns into vector instructions.
        for k in range(n_components):
            x = row[k]
            kept = x > _LEAST
            x = x if kept else _ZERO
            row[k] = power_of_two(x) if kept else _ZERO
        # Their sum in each state completes its log-density; divided by it they are posteriors.
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
    """Compute the log-densities of states, and the posteriors of components given the state.

    Parameters
    ----------
    densities : array, shape (T, S M)
        Joint log-densities of the components, state by state, finite; replaced by the posterior of
        each component given the frame and its state.
    n_mix : int
        Number of components per state, M.
    emissions : array, shape (T, S)
        Filled with the log-densities of the states.
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
    """Multiply posteriors of components given their state (T, S M) by those of states (T, S)."""
    n_frames, n_states = state_posteriors.shape
    for t in range(n_frames):
        for s in range(n_states):
            for k in range(s * n_mix, (s + 1) * n_mix):
                parts[t, k] *= state_posteriors[t, s]
