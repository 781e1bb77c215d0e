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
    number: all that PLDA needs of several sessions.

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
    def term_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the average vector of one speaker and of the number of sessions."""
        n_outputs = self.trained.analysis.n_outputs or self.trained.extractor.dimension
        return (n_outputs,), (1,)

    def _enrolled(
        self, occupancy: NDArray[np.float64], first_order: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], ...]:
        vectors = self.trained.extractor.transform(occupancy, first_order)
        enrolled = self.trained.analysis.enroll(vectors, np.zeros(len(vectors)))
        return enrolled.averages, enrolled.counts

    def _scores(
        self,
        terms: Terms,
        occupancy: NDArray[np.float64],
        first_order: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        averages, counts = (each.astype(np.float64) for each in terms)
        speakers = EnrolledEmbeddings((), averages, counts[:, 0])
        vectors = self.trained.extractor.transform(occupancy, first_order)
        return self.trained.analysis.score(speakers, vectors)
