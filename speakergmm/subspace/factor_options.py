"""Options of factor analysis, each declared once; nothing heavy is imported here."""

from __future__ import annotations

from dataclasses import dataclass

from speakergmm.errors import InvalidInputError
from speakergmm.options import Options, real, whole, yes_no


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorTrainingOptions(Options):
    """Options of expectation-maximisation of any factor analysis.

    Parameters
    ----------
    max_iter : int, default=10
        Largest number of updates.
    tol : float, default=0
        Training ends when the log-likelihood per frame, in nats, changes by no more than this.
    minimum_divergence : bool, default=True
        Make the factors standard normal in the data after each update, which needs fewer updates
        and changes no likelihood.
    seed : int, default=0
        Seed of the random loadings from which training starts.
    """

    max_iter: int = whole(10, "Largest number of iterations.")
    tol: float = real(
        0.0, "Change of the log-likelihood per frame at which training ends.", least=0
    )
    minimum_divergence: bool = yes_no(True, "Make the factors standard normal after each update.")
    seed: int = whole(0, "Seed of the start.", least=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalVariabilityOptions(FactorTrainingOptions):
    """Options of the training of an i-vector extractor.

    Parameters
    ----------
    dimension : int, default=100
        Number of factors, the dimension of i-vectors; fewer than sessions.
    prior_offset : float, default=0
        Mean of the first factor. If it is > 0 the means of the model are the first column of the
        loadings times this number, as Kaldi has it (100), and are updated with it; at 0 they are
        those of the background mixture.
    update_means : bool, default=False
        Move the means by the mean of the factors; needs `minimum_divergence`.
    update_covariances : bool, default=False
        Let the covariances be what is left within sessions; needs second-order statistics.
    variance_floor : float, default=0.1
        Smallest variance of such an update, as a part of the average variance of the components in
        that feature; in [0, 1).

    Raises
    ------
    InvalidInputError
        If an option is out of range, or two contradict each other.

    Notes
    -----
    The other options are those of `FactorTrainingOptions`.
    """

    dimension: int = whole(100, "Number of factors, the dimension of i-vectors.")
    prior_offset: float = real(
        0.0, "Mean of the first factor, whose loadings then are the means.", least=0
    )
    update_means: bool = yes_no(False, "Move the means by the mean of the factors.")
    update_covariances: bool = yes_no(False, "Let the covariances be what is left within sessions.")
    variance_floor: float = real(
        0.1, "Smallest variance, as a part of the components' average.", least=0, below=1
    )

    def __post_init__(self) -> None:
        """Raise an error if an option is out of range, or two contradict each other."""
        self.check_fields()
        if self.update_means and not self.minimum_divergence:
            raise InvalidInputError("update_means needs minimum_divergence, which moves the means")
        if self.update_means and self.prior_offset:
            raise InvalidInputError("with a prior_offset the means move in any case")


@dataclass(frozen=True, slots=True, kw_only=True)
class JointFactorOptions(FactorTrainingOptions):
    """Options of the training of joint factor analysis.

    Parameters
    ----------
    speaker_dimension : int, default=50
        Number of the speaker's factors; fewer than speakers.
    session_dimension : int, default=50
        Number of the session's factors; no more than there are sessions beyond one per speaker.
    with_residual : bool, default=True
        Let each feature of each component have a deviation of its own among speakers (D).
    relevance_factor : float, default=16
        Occupancy, in frames, whose relevance MAP is the residual from which training starts; > 0.
    update_residual : bool, default=True
        Train the residual; if not, it stays that of relevance MAP.

    Notes
    -----
    The other options are those of `FactorTrainingOptions`.
    """

    speaker_dimension: int = whole(50, "Number of the speaker's factors.", least=0)
    session_dimension: int = whole(50, "Number of the session's factors.", least=0)
    with_residual: bool = yes_no(True, "Let each feature have a deviation of its own.")
    relevance_factor: float = real(
        16.0, "Relevance factor of the residual from which training starts.", above=0
    )
    update_residual: bool = yes_no(True, "Train the residual.")


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionVariabilityOptions(FactorTrainingOptions):
    """Options of the training of inter-session variability.

    Parameters
    ----------
    dimension : int, default=50
        Number of the session's factors; no more than there are sessions beyond one per speaker.
    relevance_factor : float, default=16
        Occupancy, in frames, at which speaker and background have the same weight; > 0.

    Notes
    -----
    The other options are those of `FactorTrainingOptions`.
    """

    dimension: int = whole(50, "Number of the session's factors.", least=0)
    relevance_factor: float = real(
        16.0, "Occupancy at which speaker and background weigh the same.", above=0
    )

    @property
    def joint(self) -> JointFactorOptions:
        """The same as options of joint factor analysis."""
        return JointFactorOptions(
            speaker_dimension=0,
            session_dimension=self.dimension,
            relevance_factor=self.relevance_factor,
            update_residual=False,
            **{name: getattr(self, name) for name in FactorTrainingOptions.declarations()},
        )
