"""Back-ends of MAP-adapted mixtures: the exact likelihood ratio (GMM-UBM), and linear scoring."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from speakergmm import records
from speakergmm.errors import InvalidInputError
from speakergmm.mixtures import MixtureStatistics
from speakergmm.speakers.backends.backend import Terms, TrialScorer
from speakergmm.speakers.background import BackgroundModel
from speakergmm.speakers.enrolment import adapt_speaker
from speakergmm.speakers.linear_scoring import LinearScorer
from speakergmm.speakers.ratios import ratio_terms
from speakergmm.speakers.speaker_options import AdaptationOptions
from speakergmm.speakers.speaker_scoring import SpeakerScorer


@dataclass(frozen=True, eq=False)
class GmmUbmBackend:
    """The log-likelihood ratio of an adapted mixture to the background model, frame by frame.

    Parameters
    ----------
    background : BackgroundModel
        Of K components and D features.
    adaptation : AdaptationOptions
        How speakers are adapted.

    Notes
    -----
    The terms of a speaker are the slopes and offsets of `speakergmm.speakers.ratios.ratio_terms`.

    References
    ----------
    .. [1] Reynolds, Quatieri, Dunn, "Speaker Verification Using Adapted Gaussian Mixture
       Models", Digital Signal Processing 10 (2000) 19-41.
    """

    name: ClassVar[str] = "gmm-ubm"
    scores_statistics: ClassVar[bool] = False
    versions_apart: ClassVar[bool] = False

    background: BackgroundModel
    adaptation: AdaptationOptions

    @property
    def digest(self) -> str:
        """SHA-256 (hexadecimal) of everything that determines terms and scores."""
        return records.digest(self.name, self.background.digest, self.adaptation)

    @property
    def needs_second_order(self) -> bool:
        """Return whether enrolment needs second-order statistics."""
        return self.adaptation.second_order

    @property
    def term_shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes of the slopes and offsets of one speaker."""
        n_components, n_features = self.background.mixture.means.shape
        # Terms of adapted variances have slopes of squared features as well.
        width = n_features * (2 if self.adaptation.second_order else 1)
        return (n_components, width), (n_components,)

    def enroll(self, sessions: Sequence[MixtureStatistics], *, name: str) -> Terms:
        """Return the terms of a speaker; see `Backend.enroll`."""
        model = adapt_speaker(self.background, sessions, self.adaptation, name=name)
        return ratio_terms(
            self.background.diagonal_mixture, model.mixture, self.adaptation.parameters
        )

    def scorer(self, names: Sequence[str], terms: Terms) -> TrialScorer:
        """Return a scorer of S speakers whose terms are arrays with S as the first axis."""
        return SpeakerScorer.from_terms(self.background.diagonal_mixture, names, *terms)


@dataclass(frozen=True, eq=False)
class LinearBackend(GmmUbmBackend):
    """Linear scoring: the likelihood ratio to first order in the speaker's offset.

    The score of a test depends on its statistics alone, so that a trial costs one product of K x D
    numbers however long the test is. Enrolment is that of `GmmUbmBackend`.

    Raises
    ------
    InvalidInputError
        If variances are adapted.

    References
    ----------
    .. [1] Glembek, Burget, Dehak, Brümmer, Kenny, "Comparison of Scoring Methods used in Speaker
       Recognition with Joint Factor Analysis", ICASSP 2009, section 3.5.
    """

    name: ClassVar[str] = "linear"
    scores_statistics: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Check that the variances of speakers stay those of the background model."""
        if self.adaptation.second_order:
            raise InvalidInputError(
                "back-end 'linear': takes models with the variances of the background model; adapt "
                f"means (and weights), not {', '.join(self.adaptation.parameters)}"
            )

    def scorer(self, names: Sequence[str], terms: Terms) -> TrialScorer:
        """Return a scorer of S speakers whose terms are arrays with S as the first axis."""
        return LinearScorer.from_terms(self.background.diagonal_mixture, names, *terms)
