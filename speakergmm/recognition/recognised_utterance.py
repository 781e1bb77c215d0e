"""The result of recognising an utterance: hypotheses with times of words and phones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from speakergmm.corpora import Utterance, unescaped_name
from speakergmm.features import FrameGrid
from speakergmm.hmm.decoding.beam_search import DecodingResult
from speakergmm.metrics.boundaries import TimedLabel
from speakergmm.recognition.timelines import edge_times, known, label_dict

if TYPE_CHECKING:
    from speakergmm.hmm.decoding.hypotheses import Hypothesis
    from speakergmm.hmm.decoding.segments import Segment

_SCORES = (
    "posterior",
    "score",
    "acoustic_log_likelihood",
    "transition_log_probability",
    "language_log_probability",
)


@dataclass(frozen=True, slots=True)
class Recognition:
    """The result of recognising an utterance.

    Parameters
    ----------
    utterance : Utterance
        The recording, or an excerpt of one.
    result : DecodingResult
        Hypotheses, the most probable one first.
    grid : FrameGrid
        Times of the frames.
    lattice_text : str or None
        The lattice in Kaldi's text format, if lattices were requested.
    """

    utterance: Utterance
    result: DecodingResult
    grid: FrameGrid
    lattice_text: str | None = field(default=None, repr=False)

    @property
    def words(self) -> tuple[str, ...]:
        """Words of the best hypothesis, spelled as in training."""
        return _words_of(self.result.best)

    def word_labels(self, hypothesis: Hypothesis | None = None) -> tuple[TimedLabel, ...]:
        """Return words and their times in seconds from the beginning of the recording."""
        return self._labels((hypothesis or self.result.best).word_segments)

    def phone_labels(self, hypothesis: Hypothesis | None = None) -> tuple[TimedLabel, ...]:
        """Return phones and silences, and their times."""
        return self._labels((hypothesis or self.result.best).phone_segments)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the lattice as JSON can hold it; unknown values are None."""
        return {
            "utterance": self.utterance.id,
            "path": str(self.utterance.path),
            "start": self.utterance.start,
            "end": self.utterance.end,
            "n_frames": self.result.n_frames,
            "beam": known(self.result.beam),
            "hypotheses": [self._hypothesis_dict(h) for h in self.result.hypotheses],
        }

    def _labels(self, segments: Sequence[Segment]) -> tuple[TimedLabel, ...]:
        frames = [(segment.start_frame, segment.end_frame) for segment in segments]
        times = edge_times(self.utterance, self.grid, frames, end=self.utterance.end)
        return tuple(
            TimedLabel(start, end, unescaped_name(segment.label), segment.confidence)
            for (start, end), segment in zip(times, segments, strict=True)
        )

    def _hypothesis_dict(self, hypothesis: Hypothesis) -> dict[str, Any]:
        def times(labels: Sequence[TimedLabel]) -> list[dict[str, Any]]:
            return [label_dict(item) | {"confidence": known(item.confidence)} for item in labels]

        return {
            "words": list(_words_of(hypothesis)),
            **{name: known(getattr(hypothesis, name)) for name in _SCORES},
            "word_times": times(self.word_labels(hypothesis)),
            "phone_times": times(self.phone_labels(hypothesis)),
        }


def _words_of(hypothesis: Hypothesis) -> tuple[str, ...]:
    """Return the words of a hypothesis; in lexicons their white space is escaped."""
    return tuple(map(unescaped_name, hypothesis.words))
