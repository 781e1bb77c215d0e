"""Labels by utterance, with times of its own, or by recording, with all that is said in it."""

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
"""What files are of: utterances by their names, or recordings by theirs, as sclite has them."""

_ROUNDING = 1e-6
"""Seconds by which one utterance may end after the next begins, and not overlap it."""

Labels = tuple[TimedLabel, ...]


def edge_times(
    utterance: Utterance, grid: FrameGrid, edges: ArrayLike, *, end: float | None
) -> list[Any]:
    """Return when edges between frames are, in seconds of the recording.

    Parameters
    ----------
    utterance : Utterance
        The first frame begins with it.
    grid : FrameGrid
        Times of its frames.
    edges : array_like, of any shape
        Numbers of frames before each edge, which expectation may put between two frames.
    end : float or None
        Where the utterance ends, and so its last frame.

    Returns
    -------
    list
        As the edges are nested.
    """
    frames = np.asarray(edges, np.float64)
    times = np.where(frames == 0, utterance.start, utterance.start + grid.edges(frames))
    return list(np.clip(times, utterance.start, math.inf if end is None else end).tolist())


def label_dict(label: TimedLabel) -> dict[str, Any]:
    """Return what is said and when, as JSON has it."""
    return {"label": label.label, "start": round(label.start, 7), "end": round(label.end, 7)}


def known(value: float) -> float | None:
    """Return a number as JSON has it: None where it is not finite."""
    return value if math.isfinite(value) else None


def own_times(utterance: Utterance, labels: Iterable[TimedLabel]) -> Labels:
    """Count the times of labels from where the utterance begins, not from where its recording does.

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
    """An utterance and its tiers, in times of the recording."""

    utterance: Utterance
    tiers: Mapping[str, Sequence[TimedLabel]]
    duration: float


@dataclass(slots=True, eq=False)
class Timelines:
    """What is said in each recording, gathered from its utterances.

    Parameters
    ----------
    spoken : dict of Path to list
        What was added, by recording.
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
            By name, with times from the beginning of the recording.
        duration : float
            Seconds of the whole recording.
        """
        self.spoken.setdefault(utterance.path, []).append(_Spoken(utterance, tiers, duration))

    def names(self) -> dict[Path, str]:
        """Name recordings as the corpus does, else as their files, by path where two are alike."""
        called = {
            path: parts[0].utterance.recording or path.stem for path, parts in self.spoken.items()
        }
        times = Counter(called.values())
        return {path: name if times[name] == 1 else str(path) for path, name in called.items()}

    def tier(self, name: str) -> dict[str, Labels]:
        """Return the labels of a tier by recording, sorted by name and time, as sclite wants."""
        found: dict[str, Labels] = {}
        for path, recording in self.names().items():
            labels = (label for part in self.spoken[path] for label in part.tiers[name])
            found[recording] = tuple(sorted(labels, key=lambda label: label[:2]))
        return dict(sorted(found.items()))

    def by_speaker(self) -> Iterator[tuple[str, dict[str, Labels], float]]:
        """Yield for each recording its name, tiers of each speaker, and seconds.

        Tiers are called ``SPEAKER - TIER``, or as they are where nobody is named. Where utterances
        of a speaker overlap there are further ones, ``SPEAKER - TIER (2)``.
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
    """Say where the first label begins and the last one ends."""
    times = [time for labels in part.tiers.values() for item in labels for time in item[:2]]
    return min(times, default=0.0), max(times, default=0.0)
