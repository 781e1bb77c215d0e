"""The forward pass over sparse arcs, on numbers of unlimited range.

A forward probability is stored as value * 2^(512 level), with the value in [2^-256, 2^256). Sums
and products cost hardly more than those of plain numbers, no path is ever lost to underflow however
improbable it is at a frame, and no logarithm is needed. (The usual scaling of each frame by its sum
loses a path that is 10^-308 of another one, even if that other one never reaches an exit.) Levels
are whole numbers in float64, whose range is that of logarithms in float64.

Indices are unsigned: signed ones would be checked for negative values at each access.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.inference.graph_kernels import ScaledGraph
from speakergmm.kernels import FilledMatrix, Matrix, Vector, compiled

Floats = NDArray[np.float64]
# Numbers whose types mypy cannot infer, as the compiler does.
Number = Any

BITS = 512
# Logarithm of the ratio between two levels.
SPAN = BITS * math.log(2.0)
_UP = 2.0**512
DOWN = 2.0**-512
_SMALLEST = 2.0**-256
_LARGEST = 2.0**256
# Larger logarithms are replaced by this: their levels could not be summed over all frames.
_WIDEST = 1e290
_ONE = np.uint64(1)

# Coefficients of the series of exp(r), |r| <= ln(2) / 2. ln(2) is split in two parts, the first of
# few bits, so that its product with a whole number is exact.
_LOG2E = 1.0 / math.log(2.0)
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_C = tuple(1.0 / math.factorial(n) for n in range(14))


@compiled(at_first_call=True)
def normalise(value: float, level: float) -> tuple[float, float]:
    """Return a value above zero within [2^-256, 2^256), and its level."""
    while value < _SMALLEST:
        value *= _UP
        level -= 1.0
    while value >= _LARGEST:
        value *= DOWN
        level += 1.0
    return value, level


@compiled(at_first_call=True)
def add(total: float, level: float, term: float, term_level: float) -> tuple[float, float]:
    """Add two numbers, either of which may be zero."""
    if term == 0.0:
        return total, level
    term, term_level = normalise(term, term_level)
    if total == 0.0:
        return term, term_level
    # One level apart, the lower number is scaled by 2^-512; further apart, it is negligible.
    if term_level == level:
        return total + term, level
    if term_level > level:
        return (total * DOWN + term if term_level == level + 1.0 else term), term_level
    return (total + term * DOWN if term_level == level - 1.0 else total), level


@compiled(at_first_call=True, inline="always")
def into_state(
    j: Number, graph: ScaledGraph, before: Floats, before_level: Floats
) -> tuple[float, float]:
    """Sum the probabilities of all arcs into a state, from the states at the frame before."""
    _, incoming, source, probability, probability_level, wide = graph[:6]
    total, level = 0.0, -np.inf
    for a in range(incoming[j], incoming[j + _ONE]):
        # Forward probability of the source, times the probability of the arc.
        i = source[a]
        term, term_level = before[i] * probability[a], before_level[i]
        if term == 0.0:
            continue
        # `wide` probabilities have levels of their own. Others are near 1: products with values
        # stay in the range of float64, and the levels of the sources alone are compared.
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
    """Fill in exp(log-emission - peak) for all pdfs at a frame, as values and levels."""
    for p in range(len(log_emissions)):
        x = log_emissions[p] - peak
        possible = x > -np.inf
        x = min(max(x, -_WIDEST), _WIDEST)
        # exp(x) = 2^whole exp(r), with r the remainder in [-ln(2) / 2, ln(2) / 2]. If x is so large
        # that its rounding error exceeds that, the remainder has no meaning and is clipped.
        whole = np.rint(x * _LOG2E)
        r = min(max((x - whole * _LN2_HIGH) - whole * _LN2_LOW, -0.5), 0.5)
        power = _C[13] * r + _C[12]
        power = (power * r + _C[11]) * r + _C[10]
        power = (power * r + _C[9]) * r + _C[8]
        power = (power * r + _C[7]) * r + _C[6]
        power = (power * r + _C[5]) * r + _C[4]
        power = (power * r + _C[3]) * r + _C[2]
        power = (power * r + _C[1]) * r + _C[0]
        # 2^whole is 512 times the level, and a rest of -256..255 in the exponent of the value.
        level = np.floor((whole + 256.0) * (1.0 / BITS))
        bits = np.int64(np.int32(whole - level * BITS) + 1023) << 52
        value = power * np.int64(bits).view(np.float64)
        values[p] = value if possible else 0.0
        levels[p] = level


@compiled(at_first_call=True)
def _prune(
    row: Floats, row_level: Floats, first: int, last: int, beam: float
) -> tuple[int, int, int]:
    """Prune states below e^-beam of the best one.

    Returns the first and the last state that is left, and the number of states pruned.
    """
    # The best state of the frame: levels are compared first, then values.
    best, best_level = 0.0, -np.inf
    for j in range(first, last + 1):
        level = row_level[j]
        if row[j] > 0.0 and (level > best_level or (level == best_level and row[j] > best)):
            best, best_level = row[j], level
    # The threshold, best e^-beam: whole levels of the beam, and a rest of less than one level. If
    # the beam is so wide that its rounding error exceeds a level, the rest is clipped.
    whole = np.floor(beam / SPAN)
    rest = min(max(whole * SPAN - beam, -SPAN), 0.0)
    best, best_level = normalise(best * math.exp(rest), best_level - whole)
    # States below it become zero; the others span the new range.
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
    """Fill in the forward probabilities, divided at each frame by a factor common to all states.

    The factor is the largest emission density of the states that paths have reached, so that large
    densities of other states cost no digits.

    Parameters
    ----------
    log_emissions : array, shape (T, P)
    graph : ScaledGraph
        Arcs, entries and exits, with probabilities as values and levels.
    lowest_target, highest_target, arcs_to_exit : array, shape (S,)
        As `Structure` has them.
    beam : float
        States below e^-beam of the best one at their frame are pruned; inf for none.
    values, levels : array, shape (T, S), or (2, S) to keep the last frames only
        Filled with forward probabilities. The level of a value that is zero has no meaning.

    Returns
    -------
    frame : int
        Frame at which no path was left; T if some are left.
    dropped : int
        Number of states pruned over all frames.
    value, level : float
        Sum over all paths.
    taken_off : float
        Sum of the logarithms of the factors.

    References
    ----------
    Rabiner (1989), equations 19 to 21.
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
    # Initialisation: entries of the first frame, of which several may lead to one state. All states
    # from `first` to `last`, and no others, may have been reached.
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
        # Induction: sum over the arcs into each state, except states too far from any exit for the
        # frames that are left; and the largest log-emission of the states reached.
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
        # Multiply by the emission densities, relative to the largest one.
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
        # Prune, and find the range of states that the next frame can reach from those left.
        if beam < np.inf:
            alive_first, alive_last, fewer = _prune(row, row_level, first, last, beam)
            dropped += fewer
        first, last = lowest_target[alive_first], highest_target[alive_last]
    # Termination: sum over the exits after the last frame.
    row, row_level = values[(n_frames - 1) % n_rows], levels[(n_frames - 1) % n_rows]
    total, level = 0.0, -np.inf
    for f in range(len(exit_state)):
        j = exit_state[f]
        total, level = add(total, level, row[j] * exit_[f], row_level[j] + exit_level[f])
    return n_frames if total > 0.0 else n_frames - 1, dropped, total, level, taken_off
