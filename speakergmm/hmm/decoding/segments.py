"""Words, phones and states of an alignment: runs of frames cut out of a path."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.hmm.decoding.alignment_kernels import posteriors_on_path
from speakergmm.hmm.inference.recursions import ViterbiPath
from speakergmm.hmm.models.utterance_graph import UtteranceGraph

# Shortest that expectation may make a phone.
_LEAST_FRAMES = 0.5
# Stands for no word.
_NONE = -1


class Segment(NamedTuple):
    """A word, phone or state and the frames that it takes.

    Parameters
    ----------
    label : str
        Word, unit, or unit and number of its state, such as ``AH.1`` (from 1).
    start_frame, end_frame : int
        First frame, and the frame after the last.
    confidence : float
        Probability that this was said. Of what was recognised, that among the paths of a lattice;
        of an aligned word see `speakergmm.recognition.word_confidence`. NaN where it was not
        computed.
    parent : int or None
        Of a phone the place of its word in `Alignment.words`, None for silence; of a state the
        place of its phone in `Alignment.phones`.
    goodness : float
        Mean over these frames of the log-likelihood ratio, in nats, of the state aligned and the
        best state of all models; 0 at best. NaN where it was not computed.
    posterior : float
        Of an alignment, how sure it is where the segment lies: mean over these frames of the
        posterior probability, given all frames and the transcript (see `Aligner`), that this word
        (in any pronunciation), this phone or this state is the one at that frame. A transcript
        that is wrong has a surest place, too. NaN where posteriors were not computed.
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
        """Frames taken."""
        return self.end_frame - self.start_frame


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """The most probable path of an utterance through the ways to say its transcript.

    Parameters
    ----------
    words : tuple of Segment
        Of the transcript, in order; silence is none of them.
    phones : tuple of Segment
        All units passed, silence among them; each begins where the one before ends, from frame 0
        to the last.
    states : tuple of Segment
        The same of states.
    log_likelihood : float
        Logarithm of the joint probability of path and frames, divided by the number of frames.
    n_frames : int
        Frames aligned.
    phone_edges : array of float, shape (n_phones + 1,)
        Where phones begin, and the last ends, in frames: expected values under the posterior, so
        between frames. Equal to the path's where posteriors were not computed.
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


def cut_path(
    utterance: UtteranceGraph,
    path: ViterbiPath,
    taken: NDArray[np.float64],
    posteriors: NDArray[np.float64] | None,
    ratios: NDArray[np.float64] | None,
) -> Alignment:
    """Cut a path into runs of states, units and words.

    Parameters
    ----------
    utterance : UtteranceGraph
    path : ViterbiPath
        Of T frames.
    taken : array, shape (T,)
        Log-density of each frame in its state.
    posteriors : array, shape (T, S), or None
        Of all states; without them segments have none.
    ratios : array, shape (T,), or None
        Log-likelihood ratio of each frame's state and the best of all models.

    Returns
    -------
    Alignment
    """
    n_frames = len(path.states)
    unit = utterance.state_unit[path.states]
    unit_runs, state_runs = _runs(unit), _runs(path.states)
    passed = unit[unit_runs[:-1]].astype(np.int64)
    units = [utterance.units[number] for number in passed.tolist()]
    place = np.repeat(np.arange(len(passed)), np.diff(unit_runs))
    word_of = np.array([_NONE if u.word is None else u.word for u in utterance.units], np.int64)
    # Of each frame: what the kernel fills in, and the ratio.
    on_path = np.full((n_frames, 6), np.nan)
    if posteriors is not None:
        of_path = (path.states, place, utterance.state_unit, passed, word_of)
        posteriors_on_path(posteriors, *of_path, on_path)
    if ratios is not None:
        on_path[:, 5] = ratios
    # Runs of units of one word; silence is a run without one.
    word_runs = _runs(word_of[passed])
    said = word_of[passed][word_runs[:-1]]
    names = [utterance.words[number] if number != _NONE else "" for number in said.tolist()]
    words = _segments(on_path, unit_runs[word_runs], names, 2, [None] * len(said))
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
    """Give runs of frames as segments, with the means of a posterior and of the ratio."""
    means = np.add.reduceat(on_path, runs[:-1], axis=0) / np.diff(runs)[:, None]
    # Sums of posteriors may end a hair above one.
    sure, ratio = np.minimum(means[:, column], 1.0).tolist(), means[:, 5].tolist()
    places = runs.tolist()
    unknown = [math.nan] * len(labels)
    return tuple(map(Segment, labels, places[:-1], places[1:], unknown, parents, ratio, sure))


def _runs(values: NDArray[Any]) -> NDArray[np.int64]:
    """Give where runs of equal values begin, and where the last ends, shape (R + 1,)."""
    changes = np.flatnonzero(values[1:] != values[:-1])
    runs = np.zeros(len(changes) + 2, np.int64)
    runs[1:-1], runs[-1] = changes + 1, len(values)
    return runs


def _edges(runs: NDArray[np.int64], on_path: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Give the expected edges between units of the path.

    The frames of two neighbours on the path belong to the first with its share of the posterior
    of both; the sum of these shares is the expected place of the edge.
    """
    edges = runs.astype(np.float64)
    if on_path is None or len(runs) < 3:
        return edges
    own, before, after = on_path[:, 1], on_path[:, 3], on_path[:, 4]
    # Where neither of two is probable the path decides: nothing of the frame changes hands.
    to_former, to_latter = (
        np.divide(other, other + own, out=np.zeros(len(own)), where=other > 0.0)
        for other in (before, after)
    )
    gained = np.add.reduceat(to_former, runs[1:-1])
    lost = np.add.reduceat(to_latter, runs[:-1])[:-1]
    edges[1:-1] += gained - lost
    # No phone vanishes: each keeps half a frame, which there is, for the path gives it one.
    least = _LEAST_FRAMES * np.arange(len(edges))
    edges[:-1] = np.maximum.accumulate(edges[:-1] - least[:-1]) + least[:-1]
    return np.asarray(np.minimum.accumulate((edges - least)[::-1])[::-1] + least)
