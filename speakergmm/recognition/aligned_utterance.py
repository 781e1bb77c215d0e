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
    Between two frames lies the middle of their centres: that is where the edge between them is
    put. The first label begins with the utterance and the last ends with it, to the sample.

    Parameters
    ----------
    utterance : Utterance
    transcript : tuple of str
        As it was given.
    alignment : Alignment
        In frames.
    grid : FrameGrid
        Times of the frames, from the beginning of the utterance.
    recording_duration : float
        Seconds of the whole recording.
    edges : {"expected", "path"}
        Whether phones meet where they are expected to, between frames, or where the best path
        changes, which is between two frames always.
    loud : array of bool, shape (n_frames,), or None
        Frames that are loud against the recording's background; None where that was not asked
        for, or loudness doesn't tell speech from background.
    has_speech : bool or None
        Whether anything is louder than silence can be; None where that was not asked for.
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
        """Where the utterance begins in the recording, in seconds."""
        return self.utterance.start

    @property
    def end(self) -> float:
        """Where it ends, in seconds."""
        end = self.utterance.end
        return self.recording_duration if end is None else min(end, self.recording_duration)

    def phones(self) -> tuple[TimedLabel, ...]:
        """Return phones and silences, without a gap from start to end; with posteriors."""
        times = self._phone_times()
        return tuple(map(_timed, times, times[1:], self.alignment.phones))

    def words(self) -> tuple[TimedLabel, ...]:
        """Return words as the transcript has them, with silence left out between them.

        Each has a posterior, of the place where it lies, and where the model can tell a confidence
        that it was said at all.
        """
        times = self._phone_times()
        phones: dict[int | None, list[int]] = {}
        for place, phone in enumerate(self.alignment.phones):
            phones.setdefault(phone.parent, []).append(place)
        words = self.alignment.words
        if len(self.transcript) == len(words):
            # Those outside the lexicon were aligned as the unknown word, which nobody said.
            words = tuple(map(_relabelled, words, self.transcript))
        return tuple(
            _timed(times[phones[place][0]], times[phones[place][-1] + 1], word)
            for place, word in enumerate(words)
        )

    def states(self) -> tuple[TimedLabel, ...]:
        """States, without a gap; where the best path changes, but within their phones' times."""
        phone_times = self._phone_times()
        labels: list[TimedLabel] = []
        starts = [state.start_frame for state in self.alignment.states]
        timed = zip(self._times(starts), self.alignment.states, strict=True)
        for phone, members in groupby(timed, key=lambda each: each[1].parent):
            assert phone is not None
            times, states = zip(*members, strict=True)
            start, end = phone_times[phone], phone_times[phone + 1]
            # A phone that expectation made shorter has its states pushed together, not turned.
            edges = [start, *(min(max(time, start), end) for time in times[1:]), end]
            labels += map(_timed, edges, edges[1:], states)
        return tuple(label for label in labels if label.end > label.start)

    def to_dict(self, *, states: bool = False) -> dict[str, Any]:
        """Return everything as JSON can hold it; what nobody computed is None."""
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
                for label in self.words()
            ],
            "phones": [
                _item(label) | {"word": word}
                for label, word in zip(self.phones(), word_of, strict=True)
            ],
        }
        if states:
            document["states"] = [_item(label) for label in self.states()]
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
