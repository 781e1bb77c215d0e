"""Scoring of tests by their statistics: taken from frames block by block, or known of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.errors import IncompatibleModelError
from speakergmm.features import WeightedFrames
from speakergmm.gaussians.choices import Precision
from speakergmm.mixtures import Mixture, MixtureStatistics, accumulate
from speakergmm.speakers.frame_averages import values_and_weights

Arrays = tuple[NDArray[Any], ...]


def statistics_of_blocks(
    mixture: Mixture,
    blocks: Iterable[NDArray[np.floating[Any]] | WeightedFrames],
    precision: Precision = "float32",
) -> tuple[MixtureStatistics, float]:
    """Sum the statistics of the frames of one test, block by block, and count the frames.

    Parameters
    ----------
    mixture : Mixture
        Of K components and D features.
    blocks : iterable of array, shape (T, D), or WeightedFrames
    precision : {"float32", "float64"}
        Precision in which frames are evaluated.

    Returns
    -------
    statistics : MixtureStatistics
        Zeroth and first order.
    n_frames : float
        Sum of the weights of the frames; their number, an int, if no block has weights.

    Raises
    ------
    InvalidInputError
        If frames have another number of features or are not finite, or weights are not from 0 to 1,
        one for each frame.
    """
    total = MixtureStatistics.zeros(*mixture.means.shape, second_order=False)
    is_weighted = False
    for block in blocks:
        frames, weights = values_and_weights(block)
        is_weighted |= weights is not None
        if len(frames) and (weights is None or weights.any()):
            total = total + accumulate(
                mixture, frames, weights, precision=precision, second_order=False
            )
    return total, total.n_frames if is_weighted else round(total.n_frames)


def stacked_statistics(
    sessions: Sequence[MixtureStatistics], mixture: Mixture, n_versions: int = 1
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the statistics of N sessions, with V versions one after the other, as arrays.

    Returns
    -------
    occupancy : array, shape (N, V * K)
    first_order : array, shape (N, V * K, D)
        About zero.

    Raises
    ------
    IncompatibleModelError
        If a session and the mixture have different shapes.
    """
    n_components, n_features = mixture.means.shape
    shape = n_versions * n_components, n_features
    if wrong := [each for each in sessions if each.first_order.shape != shape]:
        versions = f" in {n_versions} versions, which are kept apart" if n_versions > 1 else ""
        raise IncompatibleModelError(
            f"statistics of {wrong[0].n_components} components and {wrong[0].n_features} "
            f"features do not fit a background model of {n_components} and {n_features}{versions}"
        )
    about_zero = [each.about_zero() for each in sessions]
    occupancy = np.reshape([each.counts for each in about_zero], (-1, shape[0]))
    return occupancy, np.reshape([each.first_order for each in about_zero], (-1, *shape))


@dataclass(frozen=True, slots=True, eq=False)
class SessionScorer:
    """A scorer of speakers by the statistics of a test, whatever a speaker's terms are.

    Parameters
    ----------
    mixture : Mixture
        The background mixture, of K components and D features.
    names : tuple of str
        Names of S speakers.
    speakers : tuple of array, each of shape (S, ...)
        Their terms.
    score : callable
        Returns scores, shape (S, N), from terms, occupancies (N, K) and first-order statistics
        (N, K, D) about zero of N tests.
    """

    mixture: Mixture
    names: tuple[str, ...]
    speakers: Arrays
    score: Callable[[Arrays, NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]

    def __len__(self) -> int:
        return len(self.names)

    def terms(self, place: int) -> Arrays:
        """Return the terms of the speaker at a place of `names`."""
        return tuple(each[place] for each in self.speakers)

    def subset(self, names: Sequence[str]) -> SessionScorer:
        """Return a scorer of some of the speakers."""
        place_of = {name: place for place, name in enumerate(self.names)}
        places = [place_of[name] for name in names]
        some = tuple(each[places] for each in self.speakers)
        return SessionScorer(self.mixture, tuple(names), some, self.score)

    def score_tests(self, tests: Sequence[MixtureStatistics]) -> NDArray[np.float64]:
        """Return the raw scores of N tests, shape (S, N); see `StatisticsScorer.score_tests`."""
        occupancy, first_order = stacked_statistics(tests, self.mixture)
        if not self.names or not len(tests):
            return np.empty((len(self.names), len(tests)))
        return self.score(self.speakers, occupancy, first_order)

    def score_blocks(
        self, blocks: Iterable[WeightedFrames], *, top_c: int | None = None
    ) -> tuple[NDArray[np.float64], float]:
        """Return raw scores and the occupancy of one test; see `TrialScorer.score_blocks`."""
        total, n_frames = statistics_of_blocks(self.mixture, blocks)
        return self.score_tests([total])[:, 0], n_frames
