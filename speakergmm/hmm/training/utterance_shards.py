"""Shards of utterances: what a worker is sent of some adjacent utterances of a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, TypeAlias, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import InvalidInputError
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.transcript_texts import TranscriptTexts
from speakergmm.hmm.models.utterance_graph import UtteranceGraph
from speakergmm.hmm.training.aligned_path import AlignedPath
from speakergmm.progress import SizedWork

# Number of shards of a corpus, and the least one of small corpora. A shard of 10,000 frames takes
# tenths of a second, beside which sending models and sums of 1,000 Gaussians, some milliseconds,
# counts little; one of 100,000 takes seconds, and is the largest.
_N_SHARDS = 64
_LEAST_SHARDS = 16
_LEAST_FRAMES = 10_000
_MOST_FRAMES = 100_000

Graphs: TypeAlias = "Sequence[UtteranceGraph] | TranscriptTexts"
"""Graphs of utterances, or transcripts from which workers compile them."""


class FrameStore(Protocol):
    """Frames of utterances, in memory or read one utterance at a time."""

    def __len__(self) -> int:
        """Return the number of utterances."""

    def __getitem__(self, place: int, /) -> NDArray[np.floating[Any]]:
        """Return the frames (T, D) of one utterance, in feature units."""


@runtime_checkable
class SharedFrameStore(Protocol):
    """Frames in files that worker processes read by themselves."""

    @property
    def lengths(self) -> Sequence[int]:
        """Number of frames of each utterance."""

    def __len__(self) -> int:
        """Return the number of utterances."""

    def __getitem__(self, place: int, /) -> NDArray[np.floating[Any]]:
        """Return the frames (T, D) of one utterance, in feature units."""

    def part(self, start: int, stop: int, /) -> FrameStore:
        """Return the frames of some utterances, as a small object that can be pickled."""


@dataclass(frozen=True, slots=True, eq=False)
class UtteranceShard:
    """Adjacent utterances of a training.

    Parameters
    ----------
    first : int
        Number of the first utterance.
    frames : FrameStore
        Frames of these utterances alone.
    graphs : sequence of UtteranceGraph, or TranscriptTexts
        Their graphs.
    paths : sequence of AlignedPath or None
        Their paths, if they are known.
    n_frames : int
        Number of frames of these utterances.
    """

    first: int
    frames: FrameStore
    graphs: Graphs = ()
    paths: Sequence[AlignedPath | None] = ()
    n_frames: int = 0

    def __len__(self) -> int:
        return len(self.frames)

    def graph(self, place: int, models: PhoneModels) -> UtteranceGraph:
        """Return the graph of the utterance at a place of this shard."""
        if isinstance(self.graphs, TranscriptTexts):
            return self.graphs.compiled(place, models)
        return self.graphs[place]


def make_shards(frames: FrameStore, graphs: Graphs | None = None) -> list[UtteranceShard]:
    """Cut a corpus into shards; where, depends on the numbers of frames alone.

    Parameters
    ----------
    frames : FrameStore
        Frames of all utterances.
    graphs : sequence of UtteranceGraph, or TranscriptTexts, optional
        Their graphs.
    """
    lengths = _lengths(frames)
    return [
        UtteranceShard(
            cut.start,
            _part(frames, cut),
            () if graphs is None else _part(graphs, cut),
            n_frames=sum(lengths[cut.start : cut.stop]),
        )
        for cut in cut_by_frames(lengths)
    ]


def work_on(description: str | None, shards: Sequence[UtteranceShard]) -> SizedWork | None:
    """Return a description of work on shards whose progress is shown in frames."""
    if description is None:
        return None
    return SizedWork(description, [shard.n_frames for shard in shards])


def cut_by_frames(lengths: Sequence[int]) -> list[range]:
    """Cut utterances into runs of about as many frames, given their numbers of frames.

    A run ends with the first utterance that reaches a multiple of the size wanted.

    Examples
    --------
    >>> cut_by_frames([4_000, 4_000, 4_000, 300_000, 1, 1])
    [range(0, 3), range(3, 4), range(4, 6)]
    """
    if not len(lengths):
        return []
    ends = np.cumsum(np.asarray(lengths, np.int64))
    n_frames = int(ends[-1])
    least = min(_LEAST_FRAMES, -(-n_frames // _LEAST_SHARDS))
    size = min(_MOST_FRAMES, max(1, least, -(-n_frames // _N_SHARDS)))
    # Utterances of one run begin in the same multiple; those without frames go with the next one.
    begins = ends - lengths
    (first,) = np.nonzero(np.diff(begins // size, prepend=-1))
    bounds = [*first.tolist(), len(lengths)]
    return [range(*pair) for pair in pairwise(bounds)]


def are_in_memory(frames: FrameStore) -> bool:
    """Return whether frames are in the memory of this process, where threads can share them."""
    return not isinstance(frames, SharedFrameStore)


def check_graphs(graphs: Graphs, models: PhoneModels) -> None:
    """Raise an error if graphs were compiled for other models, or name units that have none.

    Raises
    ------
    InvalidInputError
    """
    if isinstance(graphs, TranscriptTexts):
        for unit in sorted(graphs.units):
            models.unit_number(unit)
        return
    n_arcs = models.transitions.n_arcs
    for place, graph in enumerate(graphs):
        most = max(int(part.transition.max(initial=-1)) for part in graph.parts)
        if graph.pdfs.max() >= models.n_pdfs or most >= n_arcs:
            raise InvalidInputError(f"the graph of utterance {place} was compiled for other models")


def _lengths(frames: FrameStore) -> Sequence[int]:
    if isinstance(frames, SharedFrameStore):
        return frames.lengths
    return [np.shape(frames[place])[0] for place in range(len(frames))]


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Some utterances of a store that cannot be sliced."""

    frames: FrameStore
    places: range

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, place: int) -> NDArray[np.floating[Any]]:
        return self.frames[self.places[place]]


@overload
def _part(whole: FrameStore, cut: range) -> FrameStore: ...
@overload
def _part(whole: Graphs, cut: range) -> Graphs: ...
def _part(whole: Any, cut: range) -> Any:
    if isinstance(whole, SharedFrameStore | TranscriptTexts):
        return whole.part(cut.start, cut.stop)
    if isinstance(whole, list | tuple) and type(whole) in (list, tuple):
        return whole[cut.start : cut.stop]
    return _Part(whole, cut)
