"""The back-ends of joint factor analysis and of its part, inter-session variability."""

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
from speakergmm.speakers.linear_scoring import linear_scores
from speakergmm.subspace import JointFactors


@dataclass(frozen=True, eq=False, repr=False)
class TrainedJointFactors(TrainedBackend, records.Filed):
    """Joint factor analysis that was trained under a background model.

    Parameters
    ----------
    background_digest : str
        Digest of the background model.
    model : JointFactors
    provenance : dict
        How it was trained, as JSON can hold it; not part of the digest.
    """

    file_kind: ClassVar[str] = "trained joint factors"
    backend_name: ClassVar[str] = "jfa"

    background_digest: str
    model: JointFactors
    provenance: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines terms and scores."""
        return records.digest(self.file_kind, self.background_digest, self.model.digest)

    def check_background(self, background: BackgroundModel) -> None:
        """Raise an error if this was learnt under another background model."""
        super().check_background(background)
        mixture, factors = background.mixture, self.model.factors
        self.model.check_background(mixture)
        same = np.array_equal(factors.means, mixture.means) and np.array_equal(
            factors.covariances, mixture.covariances
        )
        if not same:
            raise IncompatibleModelError(
                f"the factors of back-end {self.backend_name!r} have other means or variances than "
                "the background model, from which offsets are scored; train them without updates "
                "of these"
            )

    def facts(self) -> dict[str, Any]:
        """Return the numbers of factors, and whether there is a residual."""
        factors = self.model.factors
        return {
            "speaker_dimension": factors.n_speaker,
            "session_dimension": factors.n_session,
            "residual": factors.residual is not None,
        }


@dataclass(frozen=True, eq=False, repr=False)
class TrainedSessionVariability(TrainedJointFactors):
    """Inter-session variability that was trained under a background model.

    Parameters
    ----------
    background_digest, model, provenance
        As in `TrainedJointFactors`; the model has no factors of speakers.

    Raises
    ------
    IncompatibleModelError
        If it has.
    """

    file_kind: ClassVar[str] = "trained session variability"
    backend_name: ClassVar[str] = "isv"

    def __post_init__(self) -> None:
        """Check that speakers have no factors of low rank."""
        if self.model.factors.n_speaker:
            raise IncompatibleModelError(
                f"inter-session variability has no factors of speakers, found "
                f"{self.model.factors.n_speaker}: that is joint factor analysis"
            )


@dataclass(frozen=True, eq=False)
class JointFactorBackend(SessionBackend):
    """Joint factor analysis: sessions' offsets are taken out, and what is left is scored linearly.

    Parameters
    ----------
    background, adaptation
        As in `SessionBackend`.
    trained : TrainedJointFactors

    Notes
    -----
    The terms of a speaker are the offset of the means from those of the background model, divided
    by its variances, as in linear scoring.

    References
    ----------
    .. [1] Kenny, Boulianne, Ouellet, Dumouchel, "Joint Factor Analysis versus Eigenchannels in
       Speaker Recognition", IEEE Transactions on Audio, Speech, and Language Processing 15 (2007)
       1435-1447.
    .. [2] Glembek, Burget, Dehak, Brümmer, Kenny, "Comparison of Scoring Methods used in Speaker
       Recognition with Joint Factor Analysis", ICASSP 2009, section 3.5.
    """

    name: ClassVar[str] = "jfa"

    trained: TrainedJointFactors

    @property
    def term_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shape of the slopes of one speaker."""
        n_components, n_features = self.background.mixture.means.shape
        return ((n_components, n_features),)

    def _enrolled(
        self, occupancy: NDArray[np.float64], first_order: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], ...]:
        offset = self.trained.model.enroll(occupancy, first_order)
        return (offset / self.background.diagonal_mixture.variances,)

    def _scores(
        self,
        terms: Terms,
        occupancy: NDArray[np.float64],
        first_order: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        left = self.trained.model.compensate(occupancy, first_order)
        return linear_scores(terms[0], occupancy, left, self.background.diagonal_mixture)


@dataclass(frozen=True, eq=False)
class SessionVariabilityBackend(JointFactorBackend):
    """Inter-session variability: relevance MAP of speakers, with sessions' offsets taken out.

    Parameters
    ----------
    background, adaptation
        As in `SessionBackend`; the relevance factor is that of the training.
    trained : TrainedSessionVariability

    References
    ----------
    .. [1] Vogt, Sridharan, "Explicit Modelling of Session Variability for Speaker Verification",
       Computer Speech and Language 22 (2008) 17-38.
    """

    name: ClassVar[str] = "isv"

    trained: TrainedSessionVariability
