"""The back-end of i-vectors: an extractor, and the analysis of its vectors down to the score."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from speakergmm import records
from speakergmm.errors import IncompatibleModelError
from speakergmm.speakers.backends.backend import Terms
from speakergmm.speakers.backends.session_backend import SessionBackend
from speakergmm.speakers.backends.trained_backend import TrainedBackend
from speakergmm.speakers.background import BackgroundModel
from speakergmm.subspace import EmbeddingAnalysis, EnrolledEmbeddings, TotalVariability


@dataclass(frozen=True, eq=False, repr=False)
class TrainedIvectors(TrainedBackend, records.Filed):
    """An extractor of i-vectors with everything from the vector to the score.

    Parameters
    ----------
    background_digest : str
        Digest of the background model.
    extractor : TotalVariability
    analysis : EmbeddingAnalysis
        Of the extractor's i-vectors.
    provenance : dict
        How they were trained, as JSON can hold it; not part of the digest.

    Raises
    ------
    IncompatibleModelError
        If the analysis takes vectors of another dimension.
    """

    file_kind: ClassVar[str] = "trained i-vectors"
    backend_name: ClassVar[str] = "ivector"

    background_digest: str
    extractor: TotalVariability
    analysis: EmbeddingAnalysis
    provenance: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the analysis takes what the extractor yields."""
        taken, made = self.analysis.n_dimensions, self.extractor.dimension
        if taken not in (None, made):
            raise IncompatibleModelError(
                f"the analysis takes vectors of {taken} dimensions, the extractor makes i-vectors "
                f"of {made}"
            )

    def __repr__(self) -> str:
        return f"TrainedIvectors({self.extractor!r}, {self.analysis!r})"

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines terms and scores."""
        return records.digest(
            self.file_kind, self.background_digest, self.extractor.digest, self.analysis.digest
        )

    def check_background(self, background: BackgroundModel) -> None:
        """Raise an error if this was learnt under another background model."""
        super().check_background(background)
        self.extractor.check_background(background.mixture)

    def facts(self) -> dict[str, Any]:
        """Return the dimension of i-vectors and the steps of the analysis."""
        return {"dimension": self.extractor.dimension, "steps": list(self.analysis.steps)}


@dataclass(frozen=True, eq=False)
class IvectorBackend(SessionBackend):
    """I-vectors, one for each session, compared by PLDA or cosines.

    Parameters
    ----------
    background, adaptation
        As in `SessionBackend`.
    trained : TrainedIvectors

    Notes
    -----
    The terms of a speaker are the average of the sessions' vectors, after all transforms, and their
    number, which is all that PLDA needs of several sessions, for each of the V versions in which
    recordings are enrolled (`BackgroundModel.augmentation`). A test was recorded in one condition,
    which is not known: the score by PLDA is the likelihood ratio averaged over the versions, by
    cosines that of the nearest one.

    References
    ----------
    .. [1] Dehak, Kenny, Dehak, Dumouchel, Ouellet, "Front-End Factor Analysis for Speaker
       Verification", IEEE Transactions on Audio, Speech, and Language Processing 19 (2011) 788-798.
    .. [2] Garcia-Romero, Espy-Wilson, "Analysis of i-vector Length Normalization in Speaker
       Recognition Systems", Interspeech 2011.
    """

    name: ClassVar[str] = "ivector"

    trained: TrainedIvectors

    @property
    def versions_apart(self) -> bool:  # type: ignore[override] # it depends on the background
        """Return whether the background model has several versions of a recording."""
        return self.background.n_versions > 1

    @property
    def term_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the average vectors of one speaker and of the numbers of sessions."""
        n_outputs = self.trained.analysis.n_outputs or self.trained.extractor.dimension
        n_versions = self.background.n_versions
        return (n_versions, n_outputs), (n_versions,)

    def _enrolled(
        self, occupancy: NDArray[np.float64], first_order: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], ...]:
        (n_versions, n_outputs), _ = self.term_shapes
        averages, counts = np.zeros((n_versions, n_outputs)), np.zeros(n_versions)
        occupancy = occupancy.reshape(len(occupancy), n_versions, -1)
        first_order = first_order.reshape(*occupancy.shape, -1)
        for version in range(n_versions):
            heard = occupancy[:, version].sum(axis=1) > 0
            if not heard.any():
                continue
            vectors = self.trained.extractor.transform(
                occupancy[heard, version], first_order[heard, version]
            )
            enrolled = self.trained.analysis.enroll(vectors, np.zeros(len(vectors)))
            averages[version], counts[version] = enrolled.averages[0], enrolled.counts[0]
        return averages, counts

    def _scores(
        self,
        terms: Terms,
        occupancy: NDArray[np.float64],
        first_order: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        averages, counts = (each.astype(np.float64) for each in terms)
        vectors = self.trained.extractor.transform(occupancy, first_order)
        analysis, known = self.trained.analysis, counts > 0
        scores = np.full((counts.shape[1], len(counts), len(vectors)), -np.inf)
        for version, heard in enumerate(known.T):
            if not heard.any():
                continue
            speakers = EnrolledEmbeddings((), averages[heard, version], counts[heard, version])
            scores[version, heard] = analysis.score(speakers, vectors)
        if analysis.plda is None:
            return np.asarray(scores.max(axis=0))
        total = np.logaddexp.reduce(scores, axis=0)
        return np.asarray(total - np.log(known.sum(axis=1))[:, None])
