"""The protocol of a back-end: statistics -> enrolment -> score.

A back-end turns the statistics of a speaker's sessions under the background model into *terms*,
arrays of fixed shapes that a speaker store keeps, and makes scorers from the terms of many
speakers. The store, the commands and the experiments know no more of a back-end than this; score
normalisation and calibration come after it and are the same for all.
"""

from collections.abc import Iterable, Sequence
from math import prod
from typing import ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from speakergmm.features import WeightedFrames
from speakergmm.mixtures import MixtureStatistics

Terms = tuple[NDArray[np.float32], ...]
"""What a back-end knows of one speaker, or of S speakers with S as the first axis."""


class TrialScorer(Protocol):
    """A scorer of frames of speech for the speakers that it was made of."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the speakers, in the order of all scores."""
        ...

    def __len__(self) -> int:
        """Return the number of speakers."""
        ...

    def subset(self, names: Sequence[str]) -> Self:
        """Return a scorer of some of the speakers."""
        ...

    def terms(self, place: int) -> Terms:
        """Return the terms of the speaker at a place of `names`."""
        ...

    def score_blocks(
        self, blocks: Iterable[WeightedFrames], *, top_c: int | None = None
    ) -> tuple[NDArray[np.float64], float]:
        """Score the speech of one test, block by block.

        Parameters
        ----------
        blocks : iterable of WeightedFrames
        top_c : int, optional
            Components that are evaluated per frame, by default all; back-ends that evaluate no
            frames ignore it.

        Returns
        -------
        scores : array, shape (S,)
            Raw scores, of some back-ends per frame of speech; higher ones support the speaker.
        occupancy : float
            Number of frames of speech, counted by weight.

        Raises
        ------
        InsufficientDataError
            If there is no speech.
        """
        ...


class StatisticsScorer(TrialScorer, Protocol):
    """A scorer that needs no more of a test than its statistics."""

    def score_tests(self, tests: Sequence[MixtureStatistics]) -> NDArray[np.float64]:
        """Return the raw scores of N tests by their statistics, shape (S, N)."""
        ...


class Backend(Protocol):
    """A back-end with its options and whatever it learnt from the background's statistics."""

    name: ClassVar[str]
    scores_statistics: ClassVar[bool]
    """Whether its scorers are of `StatisticsScorer`: a test is no more than its statistics."""

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines terms and scores."""
        ...

    @property
    def needs_second_order(self) -> bool:
        """Return whether enrolment needs second-order statistics."""
        ...

    @property
    def versions_apart(self) -> bool:
        """Return whether enrolment needs the versions of each recording apart.

        They are one after the other then, of K components each; see
        `speakergmm.speakers.collect_statistics`.
        """
        ...

    @property
    def term_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the terms of one speaker."""
        ...

    def enroll(self, sessions: Sequence[MixtureStatistics], *, name: str) -> Terms:
        """Return the terms of a speaker.

        Parameters
        ----------
        sessions : sequence of MixtureStatistics
            Statistics of the speaker's sessions under the background model.
        name : str
            Name of the speaker, for messages.

        Raises
        ------
        IncompatibleModelError
            If statistics and background model have different shapes.
        InsufficientDataError
            If the statistics are of no frames at all.
        """
        ...

    def scorer(self, names: Sequence[str], terms: Terms) -> TrialScorer:
        """Return a scorer of S speakers whose terms are arrays with S as the first axis."""
        ...


def stack_terms(backend: Backend, speakers: Iterable[Terms]) -> Terms:
    """Return the terms of speakers as arrays with one more axis, the first one."""
    listed = list(speakers)
    return tuple(
        np.stack([terms[part] for terms in listed]) if listed else np.empty((0, *shape), np.float32)
        for part, shape in enumerate(backend.term_shapes)
    )


def terms_size(backend: Backend) -> int:
    """Return the number of numbers P that the terms of one speaker are."""
    return sum(prod(shape) for shape in backend.term_shapes)


def pack_terms(terms: Terms) -> bytes:
    """Return terms as the bytes that a store keeps: little-endian float32, one after the other."""
    return b"".join(each.astype("<f4").tobytes() for each in terms)


def split_terms(packed: NDArray[np.float32], backend: Backend) -> Terms:
    """Return the terms of S speakers from rows of numbers, those of `pack_terms`.

    Parameters
    ----------
    packed : array, shape (S, P)
    backend : Backend
        Whose terms are P numbers for each speaker.

    Returns
    -------
    tuple of array, each of shape (S, ...)
        Views of `packed`.
    """
    sizes = [prod(shape) for shape in backend.term_shapes]
    parts = np.split(packed, np.cumsum(sizes)[:-1], axis=1)
    return tuple(
        part.reshape(len(part), *shape)
        for part, shape in zip(parts, backend.term_shapes, strict=True)
    )
