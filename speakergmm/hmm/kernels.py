"""Forward and smoothing passes over sparse arcs, on numbers whose range has no end.

A forward probability is kept as value * 2^(512 level), with the value in [2^-256, 2^256): sums and
products cost hardly more than those of plain numbers, no path is ever lost to underflow however
improbable it is at a frame, and nothing needs a logarithm. (Scaling each frame by its sum, as is
usual, loses a path that is 10^-308 of another one, even where the other one comes to nothing.)

The second pass needs no backward probabilities. The posterior of a state at one frame is handed
back to the states before it in proportion to what each of them had given to its forward
probability: all numbers are in [0, 1], and states whose posterior is below `NEGLIGIBLE` are left
out for good, since everything that passes through them is as improbable.

All is in one file because a compiled function that is kept on disk is compiled anew when its own
file changes, but not when that of a function it calls does. `reference` holds the twins in NumPy.
"""

from __future__ import annotations

import math

import numpy as np
from numba import float64, int32, int64, types
from numpy.typing import NDArray

from .compilation import compiled, constant, written

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]

BITS = 512
_UP = 2.0**512
_DOWN = 2.0**-512
_SMALLEST = 2.0**-256
_LARGEST = 2.0**256
# Level of zero.
_NOTHING = -(2**30)
# All that is left out of the posteriors of a frame is below this times the number of states.
NEGLIGIBLE = 1e-40

# exp(r) for |r| <= ln(2) / 2 by its series; ln(2) in two parts, the first of few bits.
_LOG2E = 1.0 / math.log(2.0)
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_C = tuple(1.0 / math.factorial(n) for n in range(14))


@compiled(
    types.void,
    constant(int32),
    constant(int32),
    constant(float64),
    constant(int32),
    constant(float64),
    written(int32),
)
def count_arcs_to_exit(
    incoming: Indices,
    source: Indices,
    log_prob: Floats,
    exit_state: Indices,
    exit_log_prob: Floats,
    arcs: Indices,
) -> None:
    """Fill in the fewest arcs from each state to an exit; `arcs` comes full of the largest."""
    queue = np.empty(len(arcs), dtype=np.int32)
    head = tail = 0
    unseen = arcs.max()
    for f in range(len(exit_state)):
        j = exit_state[f]
        if exit_log_prob[f] > -np.inf and arcs[j] != 0:
            arcs[j] = 0
            queue[tail] = j
            tail += 1
    while head < tail:
        j = queue[head]
        head += 1
        for a in range(incoming[j], incoming[j + 1]):
            i = source[a]
            if log_prob[a] > -np.inf and arcs[i] == unseen:
                arcs[i] = arcs[j] + 1
                queue[tail] = i
                tail += 1


@compiled()
def _add(total: float, level: int, term: float, term_level: int) -> tuple[float, int]:
    """Add two numbers with levels; the values may be out of range, but not by half a level."""
    if term == 0.0:
        return total, level
    # Arcs of very small probability.
    while term < _SMALLEST:
        term *= _UP
        term_level -= 1
    if term_level == level:
        return total + term, level
    if term_level == level - 1:
        return total + term * _DOWN, level
    if term_level == level + 1:
        return total * _DOWN + term, term_level
    if term_level > level:
        return term, term_level
    return total, level


@compiled()
def _exponentiate(
    log_emissions: Floats, peak: float, values: Floats, levels: Indices, lowest: float
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
        power = _C[13]
        power = power * r + _C[12]
        power = power * r + _C[11]
        power = power * r + _C[10]
        power = power * r + _C[9]
        power = power * r + _C[8]
        power = power * r + _C[7]
        power = power * r + _C[6]
        power = power * r + _C[5]
        power = power * r + _C[4]
        power = power * r + _C[3]
        power = power * r + _C[2]
        power = power * r + _C[1]
        power = power * r + _C[0]
        n = np.int32(whole)
        level = (n + 256) >> 9
        # 2^n, with n in -256..255, from the bits of its exponent.
        bits = np.int64(n - (level << 9) + 1023) << 52
        value = power * np.int64(bits).view(np.float64)
        values[p] = value if possible else 0.0
        levels[p] = level
    return fine


@compiled(
    types.Tuple((int64, int64, float64, int64)),
    constant(float64, 2),
    constant(float64),
    constant(int32),
    constant(int32),
    constant(int32),
    constant(float64),
    constant(int32),
    constant(float64),
    constant(int32),
    constant(float64),
    constant(int32),
    constant(int32),
    constant(int32),
    float64,
    float64,
    written(float64, 2),
    written(int32, 2),
)
def forward(
    log_emissions: Floats,
    peaks: Floats,
    pdf: Indices,
    incoming: Indices,
    source: Indices,
    probability: Floats,
    entry_state: Indices,
    entry_probability: Floats,
    exit_state: Indices,
    exit_probability: Floats,
    lowest_target: Indices,
    highest_target: Indices,
    arcs_to_exit: Indices,
    beam: float,
    lowest: float,
    values: Floats,
    levels: Indices,
) -> tuple[int, int, float, int]:
    """Fill in the forward probabilities, each frame divided by e^peak.

    Parameters
    ----------
    log_emissions : array, shape (T, P)
    peaks : array, shape (T,)
        Largest log-emission of each frame.
    source, probability : array, shape (A,)
        Of arcs sorted by target; states' arcs begin at `incoming`.
    beam : float
        States below e^-beam of the best one of their frame are dropped; inf for none.
    lowest : float
        Log-emissions may be this far below the peak, or -inf.
    values, levels : array, shape (T, S), or (2, S) to keep no more than the last frames
        Values come as zeros.

    Returns
    -------
    frame : int
        The frame at which no path was left; T if some are left; -1 if the range is too large.
    dropped : int
        Number of states dropped by the beam over all frames.
    value, level : float, int
        Sum over the paths.
    """
    n_frames, n_pdfs = log_emissions.shape
    n_states = len(pdf)
    n_rows = values.shape[0]
    emission = np.empty(n_pdfs)
    emission_level = np.empty(n_pdfs, dtype=np.int32)
    pruning = beam < np.inf
    # e^-beam with its level.
    doublings = math.floor(-beam * _LOG2E) if pruning else 0.0
    beam_level = np.int64(math.floor(doublings / BITS))
    beam_value = math.exp(-beam - doublings * math.log(2.0)) if pruning else 0.0
    beam_value *= 2.0 ** (doublings - beam_level * BITS)
    first, last = n_states, -1
    for e in range(len(entry_state)):
        if entry_probability[e] > 0.0:
            first, last = min(first, entry_state[e]), max(last, entry_state[e])
    dropped = 0
    # Windows of the last two frames: rows that are used again must be cleared.
    before_first, before_last, now_first, now_last = 0, -1, 0, -1
    for t in range(n_frames):
        if not _exponentiate(log_emissions[t], peaks[t], emission, emission_level, lowest):
            return -1, dropped, 0.0, 0
        row = values[t % n_rows]
        row_level = levels[t % n_rows]
        if n_rows < n_frames:
            row[before_first : before_last + 1] = 0.0
            before_first, before_last, now_first, now_last = now_first, now_last, first, last
        previous = values[(t - 1) % n_rows]
        previous_level = levels[(t - 1) % n_rows]
        if t == 0:
            for e in range(len(entry_state)):
                j = entry_state[e]
                level = row_level[j] if row[j] > 0.0 else _NOTHING
                value, level = _add(row[j], level, entry_probability[e], 0)
                row[j], row_level[j] = value, level
        left = n_frames - 1 - t
        next_first, next_last = n_states, -1
        alive = 0
        best, best_level = 0.0, _NOTHING
        for j in range(first, last + 1):
            if t == 0:
                total, level = row[j], np.int64(row_level[j])
                row[j] = 0.0
            else:
                total, level = 0.0, np.int64(_NOTHING)
                for a in range(incoming[j], incoming[j + 1]):
                    i = source[a]
                    total, level = _add(
                        total, level, previous[i] * probability[a], previous_level[i]
                    )
            p = pdf[j]
            total *= emission[p]
            if total == 0.0 or arcs_to_exit[j] > left:
                continue
            level += emission_level[p]
            while total < _SMALLEST:
                total *= _UP
                level -= 1
            while total >= _LARGEST:
                total *= _DOWN
                level += 1
            row[j] = total
            row_level[j] = level
            alive += 1
            next_first = min(next_first, lowest_target[j])
            next_last = max(next_last, highest_target[j])
            if pruning and (level > best_level or (level == best_level and total > best)):
                best, best_level = total, level
        if pruning and alive:
            best *= beam_value
            best_level += beam_level
            while best < _SMALLEST:
                best *= _UP
                best_level -= 1
            while best >= _LARGEST:
                best *= _DOWN
                best_level += 1
            next_first, next_last = n_states, -1
            for j in range(first, last + 1):
                if row[j] == 0.0:
                    continue
                level = row_level[j]
                if level < best_level or (level == best_level and row[j] < best):
                    row[j] = 0.0
                    dropped += 1
                else:
                    next_first = min(next_first, lowest_target[j])
                    next_last = max(next_last, highest_target[j])
        if not alive:
            return t, dropped, 0.0, 0
        first, last = next_first, next_last
    row = values[(n_frames - 1) % n_rows]
    row_level = levels[(n_frames - 1) % n_rows]
    total, level = 0.0, np.int64(_NOTHING)
    for f in range(len(exit_state)):
        j = exit_state[f]
        total, level = _add(total, level, row[j] * exit_probability[f], row_level[j])
    if total == 0.0:
        return n_frames - 1, dropped, 0.0, 0
    return n_frames, dropped, total, level


@compiled()
def _share(term: float, term_level: int, level: int) -> float:
    """Give a number with a level in units of another level, which is not lower."""
    if term_level == level:
        return term
    if term_level == level - 1:
        return term * _DOWN
    return 0.0


@compiled(
    types.void,
    constant(float64, 2),
    constant(int32, 2),
    constant(int32),
    constant(int32),
    constant(int32),
    constant(float64),
    constant(int32),
    constant(float64),
    constant(int32),
    constant(float64),
    float64,
    int64,
    written(float64, 2),
    written(float64, 2),
    written(float64),
    written(float64),
    written(float64),
)
def smooth(
    values: Floats,
    levels: Indices,
    pdf: Indices,
    incoming: Indices,
    source: Indices,
    probability: Floats,
    entry_state: Indices,
    entry_probability: Floats,
    exit_state: Indices,
    exit_probability: Floats,
    sum_value: float,
    sum_level: int,
    state_posteriors: Floats,
    pdf_posteriors: Floats,
    arc_counts: Floats,
    entry_counts: Floats,
    exit_counts: Floats,
) -> None:
    """Hand the posteriors of the last frame's states back to the first frame.

    Parameters
    ----------
    state_posteriors : array, shape (T, S), or (0, S) where they are not wanted
    pdf_posteriors : array, shape (T, P), or (0, P) where they are not wanted
    arc_counts : array, shape (A,)
        Sorted by target, as `source` and `probability`. All that is filled in comes as zeros.
    """
    n_frames, n_states = values.shape
    want_states = len(state_posteriors) > 0
    want_pdfs = len(pdf_posteriors) > 0
    now = np.zeros(n_states)
    before = np.zeros(n_states)
    first, last = n_states, -1
    for f in range(len(exit_state)):
        j = exit_state[f]
        term = values[n_frames - 1, j] * exit_probability[f]
        level = levels[n_frames - 1, j]
        if term > 0.0:
            while term < _SMALLEST:
                term *= _UP
                level -= 1
            share = _share(term, level, sum_level) / sum_value
            exit_counts[f] = share
            now[j] += share
            first, last = min(first, j), max(last, j)
    for t in range(n_frames - 1, -1, -1):
        before_first, before_last = n_states, -1
        for j in range(first, last + 1):
            posterior = now[j]
            if posterior == 0.0:
                continue
            now[j] = 0.0
            if posterior < NEGLIGIBLE:
                continue
            if want_states:
                state_posteriors[t, j] = posterior
            if want_pdfs:
                pdf_posteriors[t, pdf[j]] += posterior
            if t == 0:
                now[j] = posterior
                continue
            total, level = 0.0, np.int64(_NOTHING)
            for a in range(incoming[j], incoming[j + 1]):
                i = source[a]
                total, level = _add(
                    total, level, values[t - 1, i] * probability[a], levels[t - 1, i]
                )
            factor = posterior / total
            for a in range(incoming[j], incoming[j + 1]):
                i = source[a]
                term = values[t - 1, i] * probability[a]
                if term == 0.0:
                    continue
                term_level = np.int64(levels[t - 1, i])
                while term < _SMALLEST:
                    term *= _UP
                    term_level -= 1
                share = _share(term, term_level, level) * factor
                if share > 0.0:
                    arc_counts[a] += share
                    before[i] += share
                    before_first, before_last = min(before_first, i), max(before_last, i)
        if t:
            now, before = before, now
            first, last = before_first, before_last
    sums = np.zeros(n_states)
    for e in range(len(entry_state)):
        sums[entry_state[e]] += entry_probability[e]
    for e in range(len(entry_state)):
        j = entry_state[e]
        if now[j] > 0.0:
            entry_counts[e] = now[j] * (entry_probability[e] / sums[j])
