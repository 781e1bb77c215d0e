"""Forward pass over sparse arcs, on numbers whose range has no end.

A forward probability is kept as value * 2^(512 level), with the value in [2^-256, 2^256): sums and
products cost hardly more than those of plain numbers, no path is ever lost to underflow however
improbable it is at a frame, and nothing needs a logarithm. (Scaling each frame by its sum, as is
usual, loses a path that is 10^-308 of another one, even where the other one comes to nothing.)

Indices are unsigned: otherwise every one of them would be checked for counting from the end.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.inference.kernels_graph import ScaledGraph
from speakergmm.kernels import FilledMatrix, Matrix, Vector, compiled

Floats = NDArray[np.float64]
Levels = NDArray[np.int32]
# Numbers of which mypy can't follow the kind, as the compiler does.
Number = Any

BITS = 512
# Logarithm of the ratio between two levels.
SPAN = BITS * math.log(2.0)
_UP = 2.0**512
DOWN = 2.0**-512
_SMALLEST = 2.0**-256
_LARGEST = 2.0**256
# Level of zero.
NOTHING = -(2**30)
_ONE = np.uint64(1)

# exp(r) for |r| <= ln(2) / 2 by its series; ln(2) in two parts, the first of few bits.
_LOG2E = 1.0 / math.log(2.0)
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_C = tuple(1.0 / math.factorial(n) for n in range(14))


@compiled(at_first_call=True)
def normalise(value: float, level: Number) -> tuple[float, Number]:
    """Bring a value above zero into [2^-256, 2^256)."""
    while value < _SMALLEST:
        value *= _UP
        level -= 1
    while value >= _LARGEST:
        value *= DOWN
        level += 1
    return value, level


@compiled(at_first_call=True)
def _add(total: float, level: Number, term: float, term_level: Number) -> tuple[float, Number]:
    """Add two numbers, of which either may be zero."""
    if term == 0.0:
        return total, level
    term, term_level = normalise(term, term_level)
    if total == 0.0 or term_level > level + 1:
        return term, term_level
    if term_level == level + 1:
        return total * DOWN + term, term_level
    if term_level == level:
        return total + term, level
    if term_level == level - 1:
        return total + term * DOWN, level
    return total, level


@compiled(at_first_call=True)
def _exponentiate(
    log_emissions: Floats, peak: float, values: Floats, levels: Levels, lowest: float
) -> bool:
    """Raise e to a row of log-emissions less their peak; False if one is finite and too low."""
    fine = True
    for p in range(len(log_emissions)):
        x = log_emissions[p] - peak
        possible = x > -np.inf
        fine &= (x >= lowest) | (not possible)
        x = max(x, lowest)
        whole = np.rint(x * _LOG2E)
        r = (x - whole * _LN2_HIGH) - whole * _LN2_LOW
        power = _C[13] * r + _C[12]
        power = (power * r + _C[11]) * r + _C[10]
        power = (power * r + _C[9]) * r + _C[8]
        power = (power * r + _C[7]) * r + _C[6]
        power = (power * r + _C[5]) * r + _C[4]
        power = (power * r + _C[3]) * r + _C[2]
        power = (power * r + _C[1]) * r + _C[0]
        n = np.int32(whole)
        level = (n + 256) >> 9
        # 2^n, with n in -256..255, from the bits of its exponent.
        bits = np.int64(n - (level << 9) + 1023) << 52
        value = power * np.int64(bits).view(np.float64)
        values[p] = value if possible else 0.0
        levels[p] = level
    return fine


@compiled(at_first_call=True)
def _prune(
    row: Floats,
    row_level: Levels,
    first: int,
    last: int,
    beam: float,
) -> tuple[int, int, int]:
    """Drop what is below e^-beam of the best state; the range of what is left, and the number."""
    best, best_level = 0.0, np.int64(NOTHING)
    for j in range(first, last + 1):
        level = np.int64(row_level[j])
        if row[j] > 0.0 and (level > best_level or (level == best_level and row[j] > best)):
            best, best_level = row[j], level
    whole = np.int64(math.floor(beam / SPAN))
    best, best_level = normalise(best * math.exp(whole * SPAN - beam), best_level - whole)
    alive_first, alive_last, dropped = last, first, 0
    for j in range(first, last + 1):
        if row[j] == 0.0:
            continue
        level = np.int64(row_level[j])
        if level < best_level or (level == best_level and row[j] < best):
            row[j] = 0.0
            dropped += 1
        else:
            alive_first = min(alive_first, j)
            alive_last = j
    return alive_first, alive_last, dropped


@compiled()
def forward(
    log_emissions: Matrix[np.float64],
    peaks: Vector[np.float64],
    graph: ScaledGraph,
    lowest_target: Vector[np.int32],
    highest_target: Vector[np.int32],
    arcs_to_exit: Vector[np.int32],
    beam: float,
    lowest: float,
    values: FilledMatrix[np.float64],
    levels: FilledMatrix[np.int32],
) -> tuple[int, int, float, int]:
    """Fill in the forward probabilities, each frame divided by e^peak.

    Parameters
    ----------
    log_emissions : array, shape (T, P)
    peaks : array, shape (T,)
        Largest log-emission of each frame.
    beam : float
        States below e^-beam of the best one of their frame are dropped; inf for none.
    lowest : float
        Log-emissions may be this far below the peak, or -inf.
    values, levels : array, shape (T, S), or (2, S) to keep no more than the last frames
        Levels of values that are zero are left as they come.

    Returns
    -------
    frame : int
        The frame at which no path was left; T if some are left; -1 if the range is too large.
    dropped : int
        Number of states dropped by the beam over all frames.
    value, level : float, int
        Sum over the paths.
    """
    pdf, incoming, source, probability, probability_level, wide = graph[:6]
    entry_state, entry, entry_level, exit_state, exit_, exit_level = graph[6:]
    n_frames, n_pdfs = log_emissions.shape
    n_states = len(pdf)
    n_rows = len(values)
    emission = np.empty(n_pdfs)
    emission_level = np.empty(n_pdfs, dtype=np.int32)
    first: Number = n_states
    last: Number = -1
    dropped = 0
    values[0] = 0.0
    for e in range(len(entry_state)):
        k = np.int64(entry_state[e])
        if entry[e] > 0.0:
            value, level = _add(values[0, k], np.int64(levels[0, k]), entry[e], entry_level[e])
            values[0, k], levels[0, k] = value, level
            first, last = min(first, k), max(last, k)
    for t in range(n_frames):
        if not _exponentiate(log_emissions[t], peaks[t], emission, emission_level, lowest):
            return -1, dropped, 0.0, 0
        row, row_level = values[t % n_rows], levels[t % n_rows]
        previous, previous_level = values[(t - 1) % n_rows], levels[(t - 1) % n_rows]
        if t:
            row[:] = 0.0
        left = n_frames - 1 - t
        alive_first, alive_last, alive = first, first, 0
        for j in range(np.uint64(first), np.uint64(last + 1)):
            if arcs_to_exit[j] > left:
                if t == 0:
                    row[j] = 0.0
                continue
            total, level = 0.0, np.int64(NOTHING)
            if t == 0:
                total, level = row[j], np.int64(row_level[j])
                row[j] = 0.0
            else:
                for a in range(incoming[j], incoming[j + _ONE]):
                    i = source[a]
                    if previous[i] == 0.0:
                        continue
                    term = previous[i] * probability[a]
                    term_level = np.int64(previous_level[i])
                    if wide:
                        term_level += probability_level[a]
                        total, level = _add(total, level, term, term_level)
                    elif term_level == level:
                        total += term
                    elif term_level > level:
                        total = term + total * DOWN if term_level == level + 1 else term
                        level = term_level
                    elif term_level == level - 1:
                        total += term * DOWN
            p = pdf[j]
            total *= emission[p]
            if total == 0.0:
                continue
            total, level = normalise(total, level + emission_level[p])
            row[j], row_level[j] = total, level
            alive_last = np.int64(j)
            if alive == 0:
                alive_first, alive = alive_last, 1
        if alive == 0:
            return t, dropped, 0.0, 0
        if beam < np.inf:
            alive_first, alive_last, fewer = _prune(row, row_level, first, last, beam)
            dropped += fewer
        first, last = lowest_target[alive_first], highest_target[alive_last]
    row, row_level = values[(n_frames - 1) % n_rows], levels[(n_frames - 1) % n_rows]
    total, level = 0.0, np.int64(NOTHING)
    for f in range(len(exit_state)):
        j = exit_state[f]
        total, level = _add(total, level, row[j] * exit_[f], row_level[j] + exit_level[f])
    if total == 0.0:
        return n_frames - 1, dropped, 0.0, 0
    return n_frames, dropped, total, level
