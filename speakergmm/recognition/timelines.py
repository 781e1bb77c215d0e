"""Times of labels by utterance, or by recording with all of its utterances."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from speakergmm.corpora import Utterance
from speakergmm.features import FrameGrid
from speakergmm.metrics.boundaries import TimedLabel

By = Literal["utterance", "recording"]
"""Unit of files: utterances, or recordings, as sclite expects them."""

_ROUNDING = 1e-6
"""Overlap of two utterances, in seconds, that is ignored."""

Labels = tuple[TimedLabel, ...]


def edge_times(
    utterance: Utterance, grid: FrameGrid, edges: ArrayLike, *, end: float | None
) -> list[Any]:
    """Return the times of boundaries between frames, in seconds of the recording.

    Parameters
    ----------
    utterance : Utterance
        The utterance, whose start is that of the first frame.
    grid : FrameGrid
        Times of the frames.
    edges : array_like, of any shape
        Number of frames before each boundary, not necessarily an integer.
    end : float or None
        End of the utterance, and so of its last frame.

    Returns
    -------
    list
        Times, nested as `edges` is.
    """
    frames = np.asarray(edges, np.float64)
    times = np.where(frames == 0, utterance.start, utterance.start + grid.edges(frames))
    return list(np.clip(times, utterance.start, math.inf if end is None else end).tolist())


def label_dict(label: TimedLabel) -> dict[str, Any]:
    """Return a label and its times, as JSON can hold them."""
    return {"label": label.label, "start": round(label.start, 7), "end": round(label.end, 7)}


def known(value: float) -> float | None:
    """Return a number as JSON can hold it: None if it is not finite."""
    return value if math.isfinite(value) else None


def own_times(utterance: Utterance, labels: Iterable[TimedLabel]) -> Labels:
    """Return labels with times from the start of the utterance, not of the recording.

    Examples
    --------
    >>> part = Utterance("ana-2", Path("ana.wav"), "ana", start=1.5, end=3.0)
    >>> own_times(part, [TimedLabel(1.75, 2.0, "yes", 1.0)])[0][:3]
    (0.25, 0.5, 'yes')
    """
    start = utterance.start
    return tuple(
        item._replace(start=max(item.start - start, 0.0), end=max(item.end - start, 0.0))
        for item in labels
    )


@dataclass(frozen=True, slots=True)
class _Spoken:
    """An utterance and its tiers, with times in the recording."""

    utterance: Utterance
    tiers: Mapping[str, Sequence[TimedLabel]]
    duration: float


@dataclass(slots=True, eq=False)
class Timelines:
    """The tiers of each recording, collected from its utterances.

    Parameters
    ----------
    spoken : dict of Path to list
        Utterances that were added, by recording.
    """

    spoken: dict[Path, list[_Spoken]] = field(default_factory=dict)

    def add(
        self, utterance: Utterance, tiers: Mapping[str, Sequence[TimedLabel]], *, duration: float
    ) -> None:
        """Add an utterance.

        Parameters
        ----------
        utterance : Utterance
        tiers : mapping of str to sequence of TimedLabel
            Labels by name of tier, with times from the beginning of the recording.
        duration : float
            Length of the whole recording, in seconds.
        """
        self.spoken.setdefault(utterance.path, []).append(_Spoken(utterance, tiers, duration))

    def names(self) -> dict[Path, str]:
        """Return the names of recordings in the corpus or of their files, or paths if ambiguous."""
        called = {
            path: parts[0].utterance.recording or path.stem for path, parts in self.spoken.items()
        }
        times = Counter(called.values())
        return {path: name if times[name] == 1 else str(path) for path, name in called.items()}

    def tier(self, name: str) -> dict[str, Labels]:
        """Return the labels of a tier by recording, sorted by name and time, as sclite expects."""
        found: dict[str, Labels] = {}
        for path, recording in self.names().items():
            labels = (label for part in self.spoken[path] for label in part.tiers[name])
            found[recording] = tuple(sorted(labels, key=lambda label: label[:2]))
        return dict(sorted(found.items()))

    def by_speaker(self) -> Iterator[tuple[str, dict[str, Labels], float]]:
        """Yield the name of each recording, the tiers of its speakers, and its length in seconds.

        Tiers are called ``SPEAKER - TIER``, or ``TIER`` if the speaker is unknown. If utterances of
        a speaker overlap, there are further tiers, ``SPEAKER - TIER (2)``.
        """
        for path, recording in self.names().items():
            tiers: dict[str, Labels] = {}
            parts = sorted(self.spoken[path], key=lambda part: part.utterance.start)
            for speaker in dict.fromkeys(part.utterance.speaker for part in parts):
                ends: list[float] = []  # of each layer
                for part in (p for p in parts if p.utterance.speaker == speaker):
                    start, end = _extent(part)
                    free = (n for n, at in enumerate(ends) if at <= start + _ROUNDING)
                    layer = next(free, len(ends))
                    ends[layer : layer + 1] = [end]
                    for name, labels in part.tiers.items():
                        called = name if speaker is None else f"{speaker} - {name}"
                        called += f" ({layer + 1})" if layer else ""
                        tiers[called] = (*tiers.get(called, ()), *labels)
            yield recording, tiers, parts[0].duration


def _extent(part: _Spoken) -> tuple[float, float]:
    """Return the start of the first label and the end of the last one."""
    times = [time for labels in part.tiers.values() for item in labels for time in item[:2]]
    return min(times, default=0.0), max(times, default=0.0)
