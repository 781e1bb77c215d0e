"""Statistics of sessions as factor analysis takes them: checks, and shards of whole speakers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.subspace.labelled_embeddings import SpeakerGroups

Array = NDArray[np.float64]
# Float32 or float64.
Numbers = NDArray[Any]


class SessionShard(NamedTuple):
    """Statistics of the sessions of some speakers.

    Parameters
    ----------
    occupancy : array, shape (N, K)
    first_order : array, shape (N, K, D)
        About zero.
    starts : array of int or None
        Number of each speaker's first session, in order; None if each session has its own speaker.
    """

    occupancy: Numbers
    first_order: Numbers
    starts: NDArray[np.intp] | None

    def blocks(self, size: int) -> list[SessionShard]:
        """Return pieces of some `size` sessions each, float64, of whole speakers."""
        bounds = _bounds(len(self.occupancy), self.starts, size)
        pieces = []
        for first, last in pairwise(bounds):
            starts = None
            if self.starts is not None:
                starts = self.starts[slice(*np.searchsorted(self.starts, (first, last)))] - first
            occupancy = self.occupancy[first:last].astype(np.float64, copy=False)
            first_order = self.first_order[first:last].astype(np.float64, copy=False)
            pieces.append(SessionShard(occupancy, first_order, starts))
        return pieces

    def of_speakers(self) -> SessionShard:
        """Return the sums over each speaker's sessions, as one session."""
        if self.starts is None:
            return self
        occupancy = np.add.reduceat(self.occupancy, self.starts)
        return SessionShard(occupancy, np.add.reduceat(self.first_order, self.starts), None)


class SessionTotals(NamedTuple):
    """Sums of the statistics of all sessions: what the likelihood has beyond the factors.

    Parameters
    ----------
    occupancy : array, shape (K,)
    first_order : array, shape (K, D)
    second_order : array, or None
        In the shape of the covariances.
    """

    occupancy: Array
    first_order: Array
    second_order: Array | None = None

    @classmethod
    def of_shard(cls, shard: SessionShard) -> SessionTotals:
        """Return the sums of a shard."""
        return cls(
            shard.occupancy.sum(axis=0, dtype=np.float64),
            shard.first_order.sum(axis=0, dtype=np.float64),
        )

    def plus(self, other: SessionTotals) -> SessionTotals:
        """Return the sums of two parts, without second order."""
        return SessionTotals(self.occupancy + other.occupancy, self.first_order + other.first_order)


def check_session_statistics(
    occupancy: ArrayLike, first_order: ArrayLike, shape: tuple[int, int]
) -> tuple[Numbers, Numbers]:
    """Return statistics of N sessions as arrays of float32 or float64, which are not copied.

    Parameters
    ----------
    occupancy : array, shape (N, K)
        Zeroth-order statistics, in frames.
    first_order : array, shape (N, K, D)
        Sums of posterior times feature, about zero.
    shape : tuple of int
        Components K and features D of the background mixture.

    Raises
    ------
    IncompatibleModelError
        If the statistics are those of another number of components or features.
    InvalidInputError
        If they are not finite, or an occupancy is negative.
    InsufficientDataError
        If there is no session, or one without frames.
    """
    counts, sums = _numbers("occupancy", occupancy), _numbers("first_order", first_order)
    if counts.ndim != 2 or sums.shape != (*counts.shape, shape[1]) or counts.shape[1] != shape[0]:
        raise IncompatibleModelError(
            f"statistics must be of shapes (N, {shape[0]}) and (N, {shape[0]}, {shape[1]}), found "
            f"{counts.shape} and {sums.shape}"
        )
    if not len(counts):
        raise InsufficientDataError("factor analysis needs statistics of sessions, found none")
    if not ((counts >= 0) & (counts < np.inf)).all():
        raise InvalidInputError("occupancies of sessions must be finite and >= 0")
    if (empty := np.flatnonzero(~counts.any(axis=1))).size:
        raise InsufficientDataError(f"session {empty[0]} has no frames: its occupancy is zero")
    for session, each in enumerate(sums):
        if not np.isfinite(each).all():
            raise InvalidInputError(f"first-order statistics of session {session} are not finite")
    return counts, sums


def _numbers(name: str, value: ArrayLike) -> Numbers:
    array = np.asarray(value)
    if array.dtype.kind not in "fiu":
        raise InvalidInputError(f"{name} must be an array of numbers, found {array.dtype}")
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float64)
    return np.ascontiguousarray(array)


def session_shards(
    occupancy: Numbers, first_order: Numbers, groups: SpeakerGroups | None, size: int
) -> list[SessionShard]:
    """Return the statistics in shards, which depend on the data alone.

    Parameters
    ----------
    occupancy : array, shape (N, K)
    first_order : array, shape (N, K, D)
    groups : SpeakerGroups or None
        The sessions by speaker; None if each session has a speaker of its own.
    size : int
        Number of sessions of a shard, which is some more if the last speaker has more.
    """
    if groups is None:
        return [
            SessionShard(occupancy[first:last], first_order[first:last], None)
            for first, last in pairwise(_bounds(len(occupancy), None, size))
        ]
    order = np.argsort(groups.places, kind="stable")
    starts = np.flatnonzero(np.diff(groups.places[order], prepend=-1))
    shards = []
    for first, last in pairwise(_bounds(len(occupancy), starts, size)):
        rows = order[first:last]
        own = starts[slice(*np.searchsorted(starts, (first, last)))] - first
        shards.append(SessionShard(occupancy[rows], first_order[rows], own))
    return shards


def _bounds(n_sessions: int, starts: NDArray[np.intp] | None, size: int) -> NDArray[np.intp]:
    """Return the bounds of pieces of some sessions, each of whole speakers."""
    bounds = np.arange(0, n_sessions, size)
    if starts is not None:
        bounds = np.unique(starts[np.searchsorted(starts, bounds, "right") - 1])
    return np.append(bounds, n_sessions)
