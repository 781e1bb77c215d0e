"""Forward pass over sparse arcs, on numbers whose range has no end.

A forward probability is kept as value * 2^(512 level), with the value in [2^-256, 2^256): sums and
products cost hardly more than those of plain numbers, no path is ever lost to underflow however
improbable it is at a frame, and nothing needs a logarithm. (Scaling each frame by its sum, as is
usual, loses a path that is 10^-308 of another one, even where the other one comes to nothing.)
Levels are whole numbers in float64, which reach as far as logarithms in float64 do.

Indices are unsigned: otherwise every one of them would be checked for counting from the end.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.inference.graph_kernels import ScaledGraph
from speakergmm.kernels import FilledMatrix, Matrix, Vector, compiled

Floats = NDArray[np.float64]
# Numbers of which mypy can't follow the kind, as the compiler does.
Number = Any

BITS = 512
# Logarithm of the ratio between two levels.
SPAN = BITS * math.log(2.0)
_UP = 2.0**512
DOWN = 2.0**-512
_SMALLEST = 2.0**-256
_LARGEST = 2.0**256
# Logarithms beyond are taken for this: their levels could not be summed over all frames.
_WIDEST = 1e290
_ONE = np.uint64(1)

# exp(r) for |r| <= ln(2) / 2 by its series; ln(2) in two parts, the first of few bits.
_LOG2E = 1.0 / math.log(2.0)
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_C = tuple(1.0 / math.factorial(n) for n in range(14))


@compiled(at_first_call=True)
def normalise(value: float, level: float) -> tuple[float, float]:
    """Bring a value above zero into [2^-256, 2^256)."""
    while value < _SMALLEST:
        value *= _UP
        level -= 1.0
    while value >= _LARGEST:
        value *= DOWN
        level += 1.0
    return value, level


@compiled(at_first_call=True)
def add(total: float, level: float, term: float, term_level: float) -> tuple[float, float]:
    """Add two numbers, of which either may be zero."""
    if term == 0.0:
        return total, level
    term, term_level = normalise(term, term_level)
    if total == 0.0:
        return term, term_level
    if term_level == level:
        return total + term, level
    if term_level > level:
        return (total * DOWN + term if term_level == level + 1.0 else term), term_level
    return (total + term * DOWN if term_level == level - 1.0 else total), level


@compiled(at_first_call=True, inline="always")
def into_state(
    j: Number, graph: ScaledGraph, before: Floats, before_level: Floats
) -> tuple[float, float]:
    """Sum what all arcs into a state bring from the frame before."""
    _, incoming, source, probability, probability_level, wide = graph[:6]
    total, level = 0.0, -np.inf
    for a in range(incoming[j], incoming[j + _ONE]):
        i = source[a]
        term, term_level = before[i] * probability[a], before_level[i]
        if term == 0.0:
            continue
        if wide:
            total, level = add(total, level, term, term_level + probability_level[a])
        elif term_level == level:
            total += term
        elif term_level > level:
            total = term + total * DOWN if term_level == level + 1.0 else term
            level = term_level
        elif term_level == level - 1.0:
            total += term * DOWN
    return total, level


@compiled(at_first_call=True)
def _exponentiate(log_emissions: Floats, peak: float, values: Floats, levels: Floats) -> None:
    """Raise e to a row of log-emissions less a peak."""
    for p in range(len(log_emissions)):
        x = log_emissions[p] - peak
        possible = x > -np.inf
        x = min(max(x, -_WIDEST), _WIDEST)
        whole = np.rint(x * _LOG2E)
        # Of numbers so large that rounding leaves more than a half, no digits behind the point.
        r = min(max((x - whole * _LN2_HIGH) - whole * _LN2_LOW, -0.5), 0.5)
        power = _C[13] * r + _C[12]
        power = (power * r + _C[11]) * r + _C[10]
        power = (power * r + _C[9]) * r + _C[8]
        power = (power * r + _C[7]) * r + _C[6]
        power = (power * r + _C[5]) * r + _C[4]
        power = (power * r + _C[3]) * r + _C[2]
        power = (power * r + _C[1]) * r + _C[0]
        level = np.floor((whole + 256.0) * (1.0 / BITS))
        # 2^n, with n in -256..255, from the bits of its exponent.
        bits = np.int64(np.int32(whole - level * BITS) + 1023) << 52
        value = power * np.int64(bits).view(np.float64)
        values[p] = value if possible else 0.0
        levels[p] = level


@compiled(at_first_call=True)
def _prune(
    row: Floats, row_level: Floats, first: int, last: int, beam: float
) -> tuple[int, int, int]:
    """Drop what is below e^-beam of the best state; the range of what is left, and the number."""
    best, best_level = 0.0, -np.inf
    for j in range(first, last + 1):
        level = row_level[j]
        if row[j] > 0.0 and (level > best_level or (level == best_level and row[j] > best)):
            best, best_level = row[j], level
    whole = np.floor(beam / SPAN)
    # Of a beam so wide that rounding leaves more than a level, no digits behind the point.
    rest = min(max(whole * SPAN - beam, -SPAN), 0.0)
    best, best_level = normalise(best * math.exp(rest), best_level - whole)
    alive_first, alive_last, dropped = last, first, 0
    for j in range(first, last + 1):
        if row[j] == 0.0:
            continue
        level = row_level[j]
        if level < best_level or (level == best_level and row[j] < best):
            row[j] = 0.0
            dropped += 1
        else:
            alive_first = min(alive_first, j)
            alive_last = j
    return alive_first, alive_last, dropped


@compiled()
def fill_forward(
    log_emissions: Matrix[np.float64],
    graph: ScaledGraph,
    lowest_target: Vector[np.int32],
    highest_target: Vector[np.int32],
    arcs_to_exit: Vector[np.int32],
    beam: float,
    values: FilledMatrix[np.float64],
    levels: FilledMatrix[np.float64],
) -> tuple[int, int, float, float, float]:
    """Fill in the forward probabilities, each frame's less what all states of it share.

    From each frame is taken the largest log-emission of the states that a path leads to: digits of
    paths compared aren't lost to it, however large those of other states are.

    Parameters
    ----------
    log_emissions : array, shape (T, P)
    beam : float
        States below e^-beam of the best one of their frame are dropped; inf for none.
    values, levels : array, shape (T, S), or (2, S) to keep no more than the last frames
        Levels of values that are zero are left as they come.

    Returns
    -------
    frame : int
        The frame at which no path was left; T if some are left.
    dropped : int
        Number of states dropped by the beam over all frames.
    value, level : float
        Sum over the paths.
    taken_off : float
        Sum of what was taken from the frames.
    """
    pdf = graph[0]
    entry_state, entry, entry_level, exit_state, exit_, exit_level = graph[6:]
    n_frames, n_pdfs = log_emissions.shape
    n_states = len(pdf)
    n_rows = len(values)
    emission, emission_level = np.empty(n_pdfs), np.empty(n_pdfs)
    first: Number = n_states
    last: Number = -1
    dropped, taken_off = 0, 0.0
    values[0] = 0.0
    for e in range(len(entry_state)):
        k = np.int64(entry_state[e])
        if entry[e] > 0.0:
            values[0, k], levels[0, k] = add(values[0, k], levels[0, k], entry[e], entry_level[e])
            first, last = min(first, k), max(last, k)
    for t in range(n_frames):
        row, row_level, frame = values[t % n_rows], levels[t % n_rows], log_emissions[t]
        previous, previous_level = values[(t - 1) % n_rows], levels[(t - 1) % n_rows]
        if t:
            row[:] = 0.0
        left = n_frames - 1 - t
        peak = -np.inf
        for j in range(np.uint64(first), np.uint64(last + 1)):
            if arcs_to_exit[j] > left:
                row[j] = 0.0
                continue
            if t:
                row[j], row_level[j] = into_state(j, graph, previous, previous_level)
            if row[j] > 0.0:
                peak = max(peak, frame[pdf[j]])
        if peak == -np.inf:
            return t, dropped, 0.0, 0.0, 0.0
        taken_off += peak
        _exponentiate(frame, peak, emission, emission_level)
        alive_first, alive_last = last, first
        for j in range(np.uint64(first), np.uint64(last + 1)):
            total = row[j] * emission[pdf[j]]
            if total > 0.0:
                total, level = normalise(total, row_level[j] + emission_level[pdf[j]])
                row_level[j] = level
                alive_last = np.int64(j)
                alive_first = min(alive_first, alive_last)
            row[j] = total
        if beam < np.inf:
            alive_first, alive_last, fewer = _prune(row, row_level, first, last, beam)
            dropped += fewer
        first, last = lowest_target[alive_first], highest_target[alive_last]
    row, row_level = values[(n_frames - 1) % n_rows], levels[(n_frames - 1) % n_rows]
    total, level = 0.0, -np.inf
    for f in range(len(exit_state)):
        j = exit_state[f]
        total, level = add(total, level, row[j] * exit_[f], row_level[j] + exit_level[f])
    return n_frames if total > 0.0 else n_frames - 1, dropped, total, level, taken_off
