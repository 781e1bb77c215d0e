"""An aligned utterance: times of its words, phones and states in seconds."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.corpora import Utterance
from speakergmm.features import FrameGrid
from speakergmm.hmm.decoding.forced_alignment import Alignment, Segment
from speakergmm.metrics.boundaries import TimedLabel
from speakergmm.recognition.alignment_options import Edges
from speakergmm.recognition.timelines import edge_times, known, label_dict


@dataclass(frozen=True, slots=True, eq=False)
class AlignedUtterance:
    """An utterance with its words, phones and states in seconds.

    All times count from the beginning of the recording, of which an utterance may be a stretch.
    The boundary between two frames lies in the middle between their centres. The first label begins
    with the utterance and the last one ends with it, to the sample.

    Parameters
    ----------
    utterance : Utterance
    transcript : tuple of str
        The words as they were given.
    alignment : Alignment
        The alignment in frames.
    grid : FrameGrid
        Times of the frames, from the beginning of the utterance.
    recording_duration : float
        Length of the whole recording, in seconds.
    edges : {"expected", "path"}
        Boundaries of phones lie at their expected times, between frames, or where the best path
        changes, which is always the boundary of two frames.
    loud : array of bool, shape (n_frames,), or None
        Frames that are loud against the recording's background; None if that was not asked for, or
        if loudness does not separate speech from background.
    has_speech : bool or None
        Whether there is any speech, by energy alone; None if that was not asked for.
    """

    utterance: Utterance
    transcript: tuple[str, ...]
    alignment: Alignment
    grid: FrameGrid
    recording_duration: float
    edges: Edges = "expected"
    loud: NDArray[np.bool_] | None = None
    has_speech: bool | None = None

    @property
    def start(self) -> float:
        """Start of the utterance in the recording, in seconds."""
        return self.utterance.start

    @property
    def end(self) -> float:
        """End of the utterance in the recording, in seconds."""
        end = self.utterance.end
        return self.recording_duration if end is None else min(end, self.recording_duration)

    def phone_labels(self) -> tuple[TimedLabel, ...]:
        """Return phones and silences with posteriors, without gaps from start to end."""
        times = self._phone_times()
        return tuple(map(_timed, times, times[1:], self.alignment.phones))

    def word_labels(self) -> tuple[TimedLabel, ...]:
        """Return the words of the transcript, without the silences between them.

        Each word has the posterior of its place and, if the model has a `WordConfidence`, the
        confidence that it was said at all.
        """
        times = self._phone_times()
        phones: dict[int | None, list[int]] = {}
        for place, phone in enumerate(self.alignment.phones):
            phones.setdefault(phone.parent, []).append(place)
        words = self.alignment.words
        if len(self.transcript) == len(words):
            # Words outside the lexicon were aligned as the unknown word: restore them.
            words = tuple(map(_relabelled, words, self.transcript))
        return tuple(
            _timed(times[phones[place][0]], times[phones[place][-1] + 1], word)
            for place, word in enumerate(words)
        )

    def state_labels(self) -> tuple[TimedLabel, ...]:
        """Return states without gaps, which change on the best path within their phone's times."""
        phone_times = self._phone_times()
        labels: list[TimedLabel] = []
        starts = [state.start_frame for state in self.alignment.states]
        timed = zip(self._times(starts), self.alignment.states, strict=True)
        for phone, members in groupby(timed, key=lambda each: each[1].parent):
            assert phone is not None
            times, states = zip(*members, strict=True)
            start, end = phone_times[phone], phone_times[phone + 1]
            # If the expected phone is shorter than on the path, its states are cut, not reordered.
            edges = [start, *(min(max(time, start), end) for time in times[1:]), end]
            labels += map(_timed, edges, edges[1:], states)
        return tuple(label for label in labels if label.end > label.start)

    def to_dict(self, *, states: bool = False) -> dict[str, Any]:
        """Return all times as JSON can hold them; values that were not computed are None."""
        word_of = [phone.parent for phone in self.alignment.phones]
        document: dict[str, Any] = {
            "utterance": self.utterance.id,
            "recording": str(self.utterance.path),
            "speaker": self.utterance.speaker,
            "start": self.start,
            "end": self.end,
            "transcript": list(self.transcript),
            "log_likelihood": self.alignment.log_likelihood,
            "words": [
                _item(label) | {"confidence": known(round(label.confidence, 6))}
                for label in self.word_labels()
            ],
            "phones": [
                _item(label) | {"word": word}
                for label, word in zip(self.phone_labels(), word_of, strict=True)
            ],
        }
        if states:
            document["states"] = [_item(label) for label in self.state_labels()]
        return document

    def _phone_times(self) -> list[float]:
        if self.edges == "expected":
            edges = self.alignment.phone_edges
        else:
            starts = [phone.start_frame for phone in self.alignment.phones]
            edges = np.array([*starts, self.alignment.n_frames])
        times = self._times(edges)
        times[0], times[-1] = self.start, self.end
        return times

    def _times(self, edges: ArrayLike) -> list[float]:
        return edge_times(self.utterance, self.grid, edges, end=self.end)


def _timed(start: float, end: float, segment: Segment) -> TimedLabel:
    return TimedLabel(start, end, segment.label, segment.confidence, segment.posterior)


def _relabelled(segment: Segment, label: str) -> Segment:
    return segment._replace(label=label)


def _item(label: TimedLabel) -> dict[str, Any]:
    return label_dict(label) | {"posterior": known(round(label.posterior, 6))}
