"""The back-end of support vector machines on the supervectors of adapted mixtures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from speakergmm import records
from speakergmm.corpora import comparison_key
from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics, adapt_means
from speakergmm.ranges import number
from speakergmm.speakers.backends.backend import Terms, TrialScorer
from speakergmm.speakers.backends.session_backend import SessionBackend
from speakergmm.speakers.backends.trained_backend import TrainedBackend
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.statistics_scoring import SessionScorer
from speakergmm.speakers.supervector_svm import SupervectorSvm, hyperplane_distances
from speakergmm.subspace import scaled_supervectors


def session_supervectors(
    occupancy: NDArray[np.floating[Any]],
    first_order: NDArray[np.floating[Any]],
    mixture: DiagonalMixture,
    *,
    relevance_factor: float,
) -> NDArray[np.float64]:
    """Return the supervectors of mixtures that are adapted to one session each.

    Parameters
    ----------
    occupancy : array, shape (N, K)
    first_order : array, shape (N, K, D)
        About zero.
    mixture : DiagonalMixture
        The background mixture.
    relevance_factor : float
        Occupancy, in frames, at which session and background weigh the same; > 0.

    Returns
    -------
    array, shape (N, K * D)
        As `speakergmm.subspace.scaled_supervectors` scales them.
    """
    means = [
        adapt_means(counts, sums, mixture.means, relevance_factor=relevance_factor)
        for counts, sums in zip(occupancy, first_order, strict=True)
    ]
    return scaled_supervectors(np.reshape(means, (-1, *mixture.means.shape)), mixture)


@dataclass(frozen=True, eq=False, repr=False)
class TrainedSupervectors(TrainedBackend, records.Filed):
    """The supervectors of other speakers, from which those of a speaker are told apart.

    Parameters
    ----------
    background_digest : str
        Digest of the background model.
    machine : SupervectorSvm
    relevance_factor : float
        Of the adaptation to a session, in frames; > 0.
    speakers : tuple of str
        Names of the other speakers, who cannot be enrolled against themselves.
    provenance : dict
        How it was trained, as JSON can hold it; not part of the digest.

    Raises
    ------
    InvalidInputError
        If the relevance factor is not > 0.
    """

    file_kind: ClassVar[str] = "trained supervectors"
    backend_name: ClassVar[str] = "svm"

    background_digest: str
    machine: SupervectorSvm
    relevance_factor: float
    speakers: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the relevance factor."""
        number("relevance_factor", self.relevance_factor, above=0)

    def __repr__(self) -> str:
        return f"TrainedSupervectors({self.machine!r})"

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines terms and scores."""
        return records.digest(
            self.file_kind,
            self.background_digest,
            self.machine.digest,
            self.relevance_factor,
            self.speakers,
        )

    def check_background(self, background: BackgroundModel) -> None:
        """Raise an error if this was learnt under another background model."""
        super().check_background(background)
        size = background.mixture.means.size
        if self.machine.n_dimensions != size:
            raise IncompatibleModelError(
                f"supervectors of {self.machine.n_dimensions} dimensions do not fit a background "
                f"model of {size} means"
            )

    def facts(self) -> dict[str, Any]:
        """Return the number of sessions, and of directions that are removed."""
        projection = self.machine.projection
        return {
            "sessions": len(self.machine.background),
            "nuisances": 0 if projection is None else len(projection.directions),
            "relevance_factor": self.relevance_factor,
        }


@dataclass(frozen=True, eq=False)
class SupervectorBackend(SessionBackend):
    """A linear support vector machine for each speaker, on supervectors of sessions.

    Parameters
    ----------
    background, adaptation
        As in `SessionBackend`; the relevance factor is that of the training.
    trained : TrainedSupervectors

    Notes
    -----
    The terms of a speaker are the hyperplane between the speaker's sessions and the background's.
    A cohort must be of further speakers: one of the background is on both sides of the plane.

    References
    ----------
    .. [1] Campbell, Sturim, Reynolds, "Support vector machines using GMM supervectors for speaker
       verification", IEEE Signal Processing Letters 13 (2006) 308-311.
    """

    name: ClassVar[str] = "svm"

    trained: TrainedSupervectors

    @property
    def term_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the hyperplane of one speaker."""
        return ((self.trained.machine.n_dimensions + 1,),)

    def enroll(self, sessions: Sequence[MixtureStatistics], *, name: str) -> Terms:
        """Return the terms of a speaker; see `Backend.enroll`.

        Raises
        ------
        InvalidInputError
            If the speaker is one of the background.
        """
        if comparison_key(name) in self._others:
            raise InvalidInputError(
                f"speaker {name!r} is one of those that back-end 'svm' tells speakers from; train "
                "it without this speaker, or take other speakers for the cohort"
            )
        return super().enroll(sessions, name=name)

    @cached_property
    def _others(self) -> frozenset[str]:
        return frozenset(map(comparison_key, self.trained.speakers))

    def _enrolled(
        self, occupancy: NDArray[np.float64], first_order: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], ...]:
        vectors = session_supervectors(
            occupancy,
            first_order,
            self.background.diagonal_mixture,
            relevance_factor=self.trained.relevance_factor,
        )
        return (self.trained.machine.enroll(vectors),)

    def scorer(self, names: Sequence[str], terms: Terms) -> TrialScorer:
        """Return a scorer of S speakers whose terms are arrays with S as the first axis.

        It is sent to workers without the background, which may be large.
        """
        mixture, relevance_factor = self.background.diagonal_mixture, self.trained.relevance_factor
        score = partial(_distances, mixture, relevance_factor)
        return SessionScorer(mixture, tuple(names), terms, score)


def _distances(
    mixture: DiagonalMixture,
    relevance_factor: float,
    terms: Terms,
    occupancy: NDArray[np.float64],
    first_order: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the distances (S, N) of N tests from the hyperplanes of S speakers."""
    tests = session_supervectors(occupancy, first_order, mixture, relevance_factor=relevance_factor)
    return hyperplane_distances(terms[0], tests)
