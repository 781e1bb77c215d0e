"""Words, phones and states of an alignment: runs of frames on a path."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.decoding.alignment_kernels import posteriors_on_path
from speakergmm.hmm.inference.recursions import ViterbiPath
from speakergmm.hmm.models.utterance_graph import UtteranceGraph

# Least duration of a phone between expected edges, in frames.
_LEAST_FRAMES = 0.5
# Number of the word of units that belong to none.
_NONE = -1


class Segment(NamedTuple):
    """A word, phone or state, with its frames.

    Parameters
    ----------
    label : str
        Word, unit, or unit and number of the state, such as ``AH.1`` (from 1).
    start_frame, end_frame : int
        First frame, and the frame after the last one.
    confidence : float
        Probability that this was spoken. For recognised words and phones it is their posterior
        probability on the lattice; for aligned words see `speakergmm.recognition.WordConfidence`.
        NaN if it was not computed.
    parent : int or None
        For a phone, the index of its word in `Alignment.words`, None for silence; for a state, the
        index of its phone in `Alignment.phones`.
    goodness : float
        Mean over the frames of the log-likelihood ratio, in nats, of the aligned state and the best
        state of all models; at most 0. NaN if it was not computed.
    posterior : float
        Certainty of the position of an aligned segment: mean over the frames of the posterior
        probability, given all frames and the transcript (see `Aligner`), that this word (in any
        pronunciation), this phone or this state is the one at the frame. It says nothing about
        whether the transcript is right. NaN if it was not computed.
    """

    label: str
    start_frame: int
    end_frame: int
    confidence: float
    parent: int | None = None
    goodness: float = math.nan
    posterior: float = math.nan

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return self.end_frame - self.start_frame


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """Forced alignment of an utterance: the most probable path through its transcript.

    Parameters
    ----------
    words : tuple of Segment
        Words of the transcript, in order, without silence.
    phones : tuple of Segment
        All units on the path, silence included, without gaps from frame 0 to the last one.
    states : tuple of Segment
        All states on the path, likewise.
    log_likelihood : float
        Logarithm of the joint probability of path and frames, in nats per frame.
    n_frames : int
        Number of frames.
    phone_edges : array of float, shape (n_phones + 1,)
        Beginnings of the phones, and the end of the last one, in frames: expected values under the
        posterior, which may lie between frames. If posteriors were not computed, those of the path.
    frame_log_likelihoods : array of float, shape (n_frames,)
        Log-density of each frame in its state.
    """

    words: tuple[Segment, ...]
    phones: tuple[Segment, ...]
    states: tuple[Segment, ...]
    log_likelihood: float
    n_frames: int
    phone_edges: NDArray[np.float64]
    frame_log_likelihoods: NDArray[np.float64]

    def of_transformed(self, log_determinant: float) -> Alignment:
        """Return the alignment of frames before a transform that has this log-determinant."""
        return replace(
            self,
            log_likelihood=self.log_likelihood + log_determinant,
            frame_log_likelihoods=self.frame_log_likelihoods + log_determinant,
        )


def cut_path(
    utterance: UtteranceGraph,
    path: ViterbiPath,
    taken: NDArray[np.float64],
    posteriors: NDArray[np.float64] | None,
    ratios: NDArray[np.float64] | None,
) -> Alignment:
    """Cut a path into segments of states, units and words.

    Parameters
    ----------
    utterance : UtteranceGraph
        The graph.
    path : ViterbiPath
        The path of T frames through it.
    taken : array, shape (T,)
        Log-density of each frame in its state.
    posteriors : array, shape (T, S), or None
        Posteriors of all states; without them segments have no posterior.
    ratios : array, shape (T,), or None
        Log-likelihood ratio of each frame's state and the best state of all models; without it
        segments have no goodness.

    Returns
    -------
    Alignment
    """
    # Runs of frames in one unit, and in one state; and the number of its run for each frame.
    n_frames = len(path.states)
    unit = utterance.state_unit[path.states]
    unit_runs, state_runs = _runs(unit), _runs(path.states)
    passed = unit[unit_runs[:-1]].astype(np.int64)
    units = [utterance.units[number] for number in passed.tolist()]
    place = np.repeat(np.arange(len(passed)), np.diff(unit_runs))
    word_of = np.array([_NONE if u.word is None else u.word for u in utterance.units], np.int64)
    # Per frame: the five posteriors that the kernel fills in, and the log-likelihood ratio.
    on_path = np.full((n_frames, 6), np.nan)
    if posteriors is not None:
        of_path = (path.states, place, utterance.state_unit, passed, word_of)
        posteriors_on_path(posteriors, *of_path, on_path)
    if ratios is not None:
        on_path[:, 5] = ratios
    # Runs of units of one word; silence is a run of no word, and is left out in the end.
    word_runs = _runs(word_of[passed])
    said = word_of[passed][word_runs[:-1]]
    names = [utterance.words[number] if number != _NONE else "" for number in said.tolist()]
    words = _segments(on_path, unit_runs[word_runs], names, 2, [None] * len(said))
    # Parents: the word of each phone, and the phone of each state.
    number_of = np.where(said == _NONE, _NONE, np.cumsum(said != _NONE) - 1)
    parents = np.repeat(number_of, np.diff(word_runs)).tolist()
    within = place[state_runs[:-1]].tolist()
    positions = utterance.state_position[path.states[state_runs[:-1]]].tolist()
    return Alignment(
        words=tuple(word for word in words if word.label),
        phones=_segments(
            on_path,
            unit_runs,
            [item.unit for item in units],
            1,
            [None if parent == _NONE else parent for parent in parents],
        ),
        states=_segments(
            on_path,
            state_runs,
            [f"{units[u].unit}.{p + 1}" for u, p in zip(within, positions, strict=True)],
            0,
            within,
        ),
        log_likelihood=float(path.log_probability) / n_frames,
        n_frames=n_frames,
        phone_edges=_edges(unit_runs, None if posteriors is None else on_path),
        frame_log_likelihoods=taken,
    )


def _segments(
    on_path: NDArray[np.float64],
    runs: NDArray[np.int64],
    labels: list[str],
    column: int,
    parents: list[int | None],
) -> tuple[Segment, ...]:
    """Build segments of runs of frames, with the means of a posterior and of the ratio."""
    means = np.add.reduceat(on_path, runs[:-1], axis=0) / np.diff(runs)[:, None]
    # Rounding may leave sums of posteriors slightly above one.
    sure, ratio = np.minimum(means[:, column], 1.0).tolist(), means[:, 5].tolist()
    places = runs.tolist()
    unknown = [math.nan] * len(labels)
    return tuple(map(Segment, labels, places[:-1], places[1:], unknown, parents, ratio, sure))


def _runs(values: NDArray[Any]) -> NDArray[np.int64]:
    """Return the first index of each run of equal values, and the number of values, (R + 1,)."""
    changes = np.flatnonzero(values[1:] != values[:-1])
    runs = np.zeros(len(changes) + 2, np.int64)
    runs[1:-1], runs[-1] = changes + 1, len(values)
    return runs


def _edges(runs: NDArray[np.int64], on_path: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the expected edges between the units of the path, in frames.

    Each frame of two neighbours on the path belongs to the first one in proportion to its share of
    the posterior of both; the sum of these shares is the expected position of the edge.
    """
    edges = runs.astype(np.float64)
    if on_path is None or len(runs) < 3:
        return edges
    own, before, after = on_path[:, 1], on_path[:, 3], on_path[:, 4]
    # Shares of the neighbours before and after in each frame. If neither is probable, the frame
    # remains with the unit on the path.
    to_former, to_latter = (
        np.divide(other, other + own, out=np.zeros(len(own)), where=other > 0.0)
        for other in (before, after)
    )
    gained = np.add.reduceat(to_former, runs[1:-1])
    lost = np.add.reduceat(to_latter, runs[:-1])[:-1]
    edges[1:-1] += gained - lost
    # Each phone keeps at least half a frame, which is possible because the path gives it one: edges
    # are moved apart from the left, and then from the right.
    least = _LEAST_FRAMES * np.arange(len(edges))
    edges[:-1] = np.maximum.accumulate(edges[:-1] - least[:-1]) + least[:-1]
    return np.asarray(np.minimum.accumulate((edges - least)[::-1])[::-1] + least)
