"""The base of back-ends that learnt from sessions, and score a test by its statistics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from speakergmm import records
from speakergmm.errors import InsufficientDataError
from speakergmm.mixtures import MixtureStatistics
from speakergmm.speakers.backends.backend import Terms, TrialScorer
from speakergmm.speakers.backends.trained_backend import TrainedBackend
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.speaker_options import AdaptationOptions
from speakergmm.speakers.statistics_scoring import SessionScorer, stacked_statistics


@dataclass(frozen=True, eq=False)
class SessionBackend:
    """Base of back-ends whose speakers and tests are statistics of sessions, and no more.

    Parameters
    ----------
    background : BackgroundModel
        Of K components and D features.
    adaptation : AdaptationOptions
        Of the system; most kinds do not use it.
    trained : TrainedBackend
        What was learnt under this background model.
    """

    name: ClassVar[str]
    scores_statistics: ClassVar[bool] = True
    needs_second_order: ClassVar[bool] = False
    versions_apart: ClassVar[bool] = False

    background: BackgroundModel
    adaptation: AdaptationOptions
    trained: TrainedBackend

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines terms and scores."""
        return records.digest(self.name, self.background.digest, self.trained.digest)

    @property
    def term_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the terms of one speaker."""
        raise NotImplementedError

    def enroll(self, sessions: Sequence[MixtureStatistics], *, name: str) -> Terms:
        """Return the terms of a speaker; see `Backend.enroll`."""
        heard = [each for each in sessions if each.n_frames > 0]
        n_parts = self.background.n_versions if self.versions_apart else 1
        if not heard:
            raise InsufficientDataError(f"speaker {name!r}: there are no frames of speech to enrol")
        found = self._enrolled(*stacked_statistics(heard, self.background.mixture, n_parts))
        pairs = zip(found, self.term_shapes, strict=True)
        return tuple(np.asarray(each, np.float32).reshape(shape) for each, shape in pairs)

    def scorer(self, names: Sequence[str], terms: Terms) -> TrialScorer:
        """Return a scorer of S speakers whose terms are arrays with S as the first axis."""
        return SessionScorer(self.background.mixture, tuple(names), terms, self._scores)

    def _enrolled(
        self, occupancy: NDArray[np.float64], first_order: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], ...]:
        """Return the terms of a speaker from the statistics of the sessions, about zero.

        Occupancies have shape (N, V * K), first order (N, V * K, D) with V versions apart, else 1.
        """
        raise NotImplementedError

    def _scores(
        self,
        terms: Terms,
        occupancy: NDArray[np.float64],
        first_order: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return the scores (S, N) of N tests for S speakers."""
        raise NotImplementedError
