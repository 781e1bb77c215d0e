"""Inference over graphs in plain NumPy: slow, short, and the same results.

The functions are those of `speakergmm.hmm`, and take and return the same. Numbers of the scaled
arithmetic are pairs here too, mantissa * 2^exponent, each with an exponent of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm import Graph, NoPathError

Floats = NDArray[np.float64]
Indices = NDArray[np.int32]
Integers = NDArray[np.int64]
# A mantissa in [1/2, 1) or 0, and an exponent.
Pair = tuple[Floats, Integers]

_NEGLIGIBLE = 1e-30
_LN2 = math.log(2.0)
# Exponent of zero.
_NOTHING = -(2**60)
# Stands for a distance without end.
_UNREACHABLE = int(np.iinfo(np.int32).max)


class Sums(NamedTuple):
    """Of states, or of pdfs, and of arcs, entries and exits."""

    log_likelihood: float
    posteriors: Floats
    arc_counts: Floats
    entry_counts: Floats
    exit_counts: Floats

    @property
    def state_posteriors(self) -> Floats:
        """Of `forward_backward`."""
        return self.posteriors


class Path(NamedTuple):
    """The best path."""

    log_probability: float
    states: Indices
    arcs: Indices
    entry: int
    exit: int


@dataclass
class Counts:
    """Results of a recursion; `frame` is the one at which no path was left."""

    posteriors: Floats
    arcs: Floats
    entries: Floats
    exits: Floats
    frame: int = 0
    dropped: int = 0
    log_likelihood: float = -math.inf


def forward_backward(graph, log_emissions, *, arithmetic="scaled", beam=None) -> Sums:
    """Posteriors of states."""
    return _sums(graph, log_emissions, arithmetic, beam, "states")


def expected_counts(graph, log_emissions, *, arithmetic="scaled", beam=None) -> Sums:
    """Posteriors of pdfs."""
    return _sums(graph, log_emissions, arithmetic, beam, "pdfs")


def sequence_log_likelihood(graph, log_emissions, *, arithmetic="scaled", beam=None) -> float:
    """The sum over all paths alone."""
    return _sums(graph, log_emissions, arithmetic, beam, "sum").log_likelihood


def viterbi(graph, log_emissions, *, beam=None) -> Path:
    """The most probable path."""
    frames = np.asarray(log_emissions, np.float64)
    _, taken_off = _peaks(frames)

    def run(beam):
        frame, dropped, *path = best_path(graph, frames - taken_off[:, None], beam)
        return frame, dropped, Path(*path)

    path = _checked(graph, len(frames), beam, run)
    return path._replace(log_probability=path.log_probability + float(taken_off.sum()))


def _sums(graph, log_emissions, arithmetic, beam, wanted) -> Sums:
    frames = np.asarray(log_emissions, np.float64)
    n_frames, n_pdfs = frames.shape
    n_columns = {"states": graph.n_states, "pdfs": n_pdfs, "sum": 0}[wanted]
    peaks, taken_off = _peaks(frames)
    below = frames - taken_off[:, None]
    is_far = (below < -min(1e6, 1e11 / n_frames)) & (below > -math.inf)
    use_logs = arithmetic == "log" or is_far.any()

    def run(beam):
        found = Counts(
            np.zeros((n_frames, n_columns)),
            np.zeros(graph.n_arcs),
            np.zeros(len(graph.entry_state)),
            np.zeros(len(graph.exit_state)),
        )
        (sum_paths_log if use_logs else sum_paths_scaled)(graph, below, beam, wanted, found)
        total = found.log_likelihood + float(peaks.sum())
        sums = Sums(total, found.posteriors, found.arcs, found.entries, found.exits)
        return found.frame, found.dropped, sums

    return _checked(graph, n_frames, beam, run)


def _peaks(frames):
    """Largest log-emission of each frame, and what is taken off it."""
    peaks = frames.max(axis=1)
    return peaks, np.where(peaks == -math.inf, 0.0, peaks)


def _checked(graph, n_frames, beam, run):
    """Run with a beam, and say why no path is left where none is."""
    frame, dropped, result = run(math.inf if beam is None else beam)
    if frame >= n_frames:
        return result
    fewest = arcs_to_exit(graph)[graph.entry_state[np.isfinite(graph.entry_log_prob)]]
    shortest = int(fewest.min(initial=_UNREACHABLE))
    if shortest == _UNREACHABLE:
        raise NoPathError("no path", frame=None)
    if n_frames <= shortest:
        raise NoPathError("too short", reason="duration")
    if dropped:
        lost_at = frame
        frame, _, _ = run(math.inf)
        if frame >= n_frames:
            raise NoPathError("beam", reason="beam", frame=lost_at)
    raise NoPathError("probability 0", frame=frame)


def arcs_to_exit(graph: Graph) -> Indices:
    """Fewest arcs of finite probability from each state to an exit."""
    arcs: Indices = np.full(graph.n_states, _UNREACHABLE, dtype=np.int32)
    arcs[graph.exit_state[np.isfinite(graph.exit_log_prob)]] = 0
    possible = np.isfinite(graph.log_prob)
    source, target = graph.source[possible], graph.target[possible]
    for distance in range(graph.n_states):
        reached = source[arcs[target] == distance]
        arcs[reached] = np.minimum(arcs[reached], distance + 1)
    return arcs


def sum_paths_scaled(
    graph: Graph, log_emissions: Floats, beam: float, wanted: str, found: Counts
) -> None:
    """Fill in `found` by a forward pass, and by handing posteriors back."""
    n_frames = len(log_emissions)
    emissions = _from_log(log_emissions)
    arcs, entries = _from_log(graph.log_prob), _from_log(graph.entry_log_prob)
    reach = graph.arcs_to_exit
    alpha: list[Pair] = []
    for t in range(n_frames):
        if t:
            terms = _multiply(_take(alpha[-1], graph.source), arcs)
            row = _sum_by(terms, graph.target, graph.n_states)
        else:
            row = _sum_by(entries, graph.entry_state, graph.n_states)
        mantissa, exponent = _multiply(row, _take((emissions[0][t], emissions[1][t]), graph.pdf))
        mantissa[reach > n_frames - 1 - t] = 0.0
        alive = mantissa > 0
        if not alive.any():
            found.frame = t
            return
        logs = np.where(alive, np.log(np.where(alive, mantissa, 1.0)) + exponent * _LN2, -np.inf)
        lost = alive & (logs < logs.max() - beam)
        found.dropped += int(lost.sum())
        mantissa[lost] = 0.0
        alpha.append((mantissa, exponent))
    leaving = _multiply(_take(alpha[-1], graph.exit_state), _from_log(graph.exit_log_prob))
    total = _sum_by(leaving, np.zeros(len(graph.exit_state), dtype=np.int32), 1)
    if total[0][0] == 0.0:
        found.frame = n_frames - 1
        return
    found.frame = n_frames
    found.log_likelihood = math.log(total[0][0]) + int(total[1][0]) * _LN2
    if wanted == "sum":
        return
    found.exits[:] = _ratio(leaving, _take(total, np.zeros(len(graph.exit_state), dtype=np.int32)))
    now = _sum_plain(found.exits, graph.exit_state, graph.n_states)
    for t in range(n_frames - 1, -1, -1):
        now[now < _NEGLIGIBLE] = 0.0
        if wanted == "states":
            found.posteriors[t] = now
        else:
            np.add.at(found.posteriors[t], graph.pdf, now)
        terms = _multiply(_take(alpha[t - 1], graph.source), arcs) if t else entries
        into = graph.target if t else graph.entry_state
        sums = _take(_sum_by(terms, into, graph.n_states), into)
        shares = now[into] * _ratio(terms, sums)
        if t:
            found.arcs += shares
            now = _sum_plain(shares, graph.source, graph.n_states)
        else:
            found.entries[:] = shares


def sum_paths_log(
    graph: Graph, log_emissions: Floats, beam: float, wanted: str, found: Counts
) -> None:
    """Fill in `found` in logarithms, the best state of each frame at 0; posteriors as above."""
    n_frames, n_states = len(log_emissions), graph.n_states
    reach = graph.arcs_to_exit
    alpha: list[Floats] = []
    taken_off = 0.0
    for t in range(n_frames):
        row = np.full(n_states, -np.inf)
        if t:
            np.logaddexp.at(row, graph.target, alpha[-1][graph.source] + graph.log_prob)
        else:
            np.logaddexp.at(row, graph.entry_state, graph.entry_log_prob)
        emissions = log_emissions[t, graph.pdf]
        possible = (row > -np.inf) & (emissions > -np.inf) & (reach <= n_frames - 1 - t)
        if not possible.any():
            found.frame = t
            return
        peak = emissions[possible].max()
        row = np.where(possible, row + (np.where(possible, emissions, peak) - peak), -np.inf)
        best = row.max()
        taken_off += float(peak + best)
        row -= best
        lost = (row < -beam) & (row > -np.inf)
        found.dropped += int(lost.sum())
        row[lost] = -np.inf
        alpha.append(row)
    leaving = alpha[-1][graph.exit_state] + graph.exit_log_prob
    total = float(np.logaddexp.reduce(leaving))
    if total == -np.inf:
        found.frame = n_frames - 1
        return
    found.frame = n_frames
    found.log_likelihood = total + taken_off
    if wanted == "sum":
        return
    found.exits[:] = _softmax_by(leaving, np.zeros(len(leaving), dtype=np.int32), 1)
    now = _sum_plain(found.exits, graph.exit_state, n_states)
    for t in range(n_frames - 1, -1, -1):
        now[now < _NEGLIGIBLE] = 0.0
        if wanted == "states":
            found.posteriors[t] = now
        else:
            np.add.at(found.posteriors[t], graph.pdf, now)
        if t:
            terms = alpha[t - 1][graph.source] + graph.log_prob
            shares = now[graph.target] * _softmax_by(terms, graph.target, n_states)
            found.arcs += shares
            now = _sum_plain(shares, graph.source, n_states)
    shares = _softmax_by(graph.entry_log_prob, graph.entry_state, n_states)
    found.entries[:] = now[graph.entry_state] * shares


def best_path(graph: Graph, log_emissions: Floats, beam: float) -> tuple:
    """Find the most probable path; of equal ones that of the lowest arcs."""
    n_frames, n_states = len(log_emissions), graph.n_states
    reach = graph.arcs_to_exit
    arcs: Indices = np.zeros((n_frames, n_states), dtype=np.int32)
    entry_scores = np.full(n_states, -np.inf)
    np.maximum.at(entry_scores, graph.entry_state, graph.entry_log_prob)
    scores = entry_scores
    dropped = 0
    for t in range(n_frames):
        if t:
            through = scores[graph.source] + graph.log_prob
            scores = np.full(n_states, -np.inf)
            np.maximum.at(scores, graph.target, through)
            # The lowest arc is written last.
            winners = np.flatnonzero(through == scores[graph.target])[::-1]
            arcs[t, graph.target[winners]] = winners
        scores = scores + log_emissions[t, graph.pdf]
        scores[reach > n_frames - 1 - t] = -np.inf
        best = scores.max()
        states: Indices = np.zeros(n_frames, dtype=np.int32)
        if best == -np.inf:
            return t, dropped, best, states, states[1:], 0, 0
        lost = (scores < best - beam) & (scores > -np.inf)
        dropped += int(lost.sum())
        scores[lost] = -np.inf
    leaving = scores[graph.exit_state] + graph.exit_log_prob
    exit_ = int(np.argmax(leaving))
    if leaving[exit_] == -np.inf:
        return n_frames - 1, dropped, -np.inf, states, states[1:], 0, 0
    states[-1] = graph.exit_state[exit_]
    for t in range(n_frames - 1, 0, -1):
        states[t - 1] = graph.source[arcs[t, states[t]]]
    here = graph.entry_state == states[0]
    entry = int(np.argmax(np.where(here, graph.entry_log_prob, -np.inf)))
    taken = arcs[np.arange(1, n_frames), states[1:]]
    return n_frames, dropped, float(leaving[exit_]), states, taken, entry, exit_


def _from_log(log_values: Floats) -> Pair:
    """Return numbers as pairs, given their logarithms."""
    finite = log_values > -np.inf
    logs = np.where(finite, log_values, 0.0)
    exponent = np.floor(logs / _LN2)
    mantissa = np.where(finite, np.exp(logs - exponent * _LN2), 0.0)
    return _normalised(mantissa, exponent.astype(np.int64))


def _normalised(mantissa: Floats, exponent: Integers) -> Pair:
    mantissa, further = np.frexp(mantissa)
    return mantissa, np.where(mantissa > 0, exponent + further, _NOTHING)


def _take(pair: Pair, indices: Indices) -> Pair:
    return pair[0][indices], pair[1][indices]


def _multiply(a: Pair, b: Pair) -> Pair:
    return _normalised(a[0] * b[0], a[1] + b[1])


def _sum_by(terms: Pair, into: Indices, length: int) -> Pair:
    """Add numbers up by what they belong to."""
    highest: Integers = np.full(length, _NOTHING)
    np.maximum.at(highest, into, terms[1])
    total = np.zeros(length)
    below = np.maximum(terms[1] - highest[into], -2000)
    np.add.at(total, into, np.ldexp(terms[0], below.astype(np.int32)))
    return _normalised(total, highest)


def _softmax_by(logs: Floats, into: Indices, length: int) -> Floats:
    """Share one between numbers that belong together; nothing where all are 0."""
    highest = np.full(length, -np.inf)
    np.maximum.at(highest, into, logs)
    highest[highest == -np.inf] = 0.0
    shares = np.exp(logs - highest[into])
    sums = _sum_plain(shares, into, length)[into]
    result: Floats = np.divide(shares, sums, out=np.zeros_like(shares), where=sums > 0)
    return result


def _sum_plain(terms: Floats, into: Indices, length: int) -> Floats:
    total = np.zeros(length)
    np.add.at(total, into, terms)
    return total


def _ratio(a: Pair, b: Pair) -> Floats:
    """Divide numbers by larger ones; 0 / 0 is 0."""
    below = np.maximum(a[1] - b[1], -2000)
    quotient = np.divide(a[0], b[0], out=np.zeros_like(a[0]), where=b[0] > 0)
    ratio: Floats = np.ldexp(quotient, below.astype(np.int32))
    return ratio
