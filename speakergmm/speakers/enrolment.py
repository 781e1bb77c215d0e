"""Enrolment: statistics of a recording against the background model, and the model they make."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import AnyPath
from speakergmm.errors import (
    IncompatibleModelError,
    InsufficientDataError,
)
from speakergmm.mixtures import DiagonalMixture, MixtureStatistics, accumulate, adapt
from speakergmm.ranges import number, refused, wrong_type
from speakergmm.speakers.background import AnyBackground, as_background
from speakergmm.speakers.extraction import SpeechStream

# Chosen on the dev lists of recipes/verification, where words are short: the optimum is flat from
# 0.5 to 3. Long recordings hardly feel it.
DEFAULT_RELEVANCE_FACTOR = 3.0
"""Occupancy, in frames, at which speaker and background weigh the same."""

Parameter = Literal["means", "weights", "variances"]
PARAMETERS: tuple[Parameter, ...] = ("means", "weights", "variances")


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """What one recording says about its speaker, as seen by the background model.

    Parameters
    ----------
    statistics : MixtureStatistics
        Zeroth- and first-order (and perhaps second-order) Baum-Welch statistics of its speech.
    seconds : float
        Length of the recording.
    speech_seconds : float
        Seconds of speech in it.
    """

    statistics: MixtureStatistics
    seconds: float
    speech_seconds: float

    @property
    def n_frames(self) -> int:
        """Number of frames of speech."""
        return round(self.statistics.n_frames)


AnyStatistics = MixtureStatistics | SessionStatistics

# More than anybody says in a life; products with statistics stay finite.
_MOST_FRAMES = 1e12


@dataclass(frozen=True, slots=True)
class AdaptationOptions:
    """How speaker models are adapted from the background model.

    Parameters
    ----------
    relevance_factor : float, default=3
        Occupancy, in frames, at which speaker and background weigh the same; > 0.
    parameters : tuple of str, default=("means",)
        What is adapted, of ``"means"``, ``"weights"`` and ``"variances"``.

    Raises
    ------
    InvalidInputError
        If a setting is out of range.
    """

    relevance_factor: float = DEFAULT_RELEVANCE_FACTOR
    parameters: tuple[Parameter, ...] = ("means",)

    def __post_init__(self) -> None:
        factor = number("relevance_factor", self.relevance_factor, above=0, most=_MOST_FRAMES)
        object.__setattr__(self, "relevance_factor", factor)
        named = as_parameters(self.parameters)
        wanted = tuple(name for name in PARAMETERS if name in named)
        if not wanted or len(wanted) != len(named):
            raise refused("parameters", f"one or more of {', '.join(PARAMETERS)}", named)
        object.__setattr__(self, "parameters", wanted)

    @property
    def second_order(self) -> bool:
        """Whether second-order statistics are needed."""
        return "variances" in self.parameters


def as_parameters(given: Parameter | Sequence[Parameter]) -> tuple[Parameter, ...]:
    """Return what is to be adapted as a tuple; one name may stand alone."""
    return (given,) if isinstance(given, str) else tuple(given)


@dataclass(frozen=True, slots=True, eq=False)
class SpeakerModel:
    """A speaker's model, adapted from the background model.

    Parameters
    ----------
    name : str
        The speaker.
    mixture : DiagonalMixture
        Component k is that of the background model, moved towards the speaker's speech.
    background_digest : str
        Which background model it was adapted from.
    n_frames : int
        Frames of speech it was made from.
    """

    name: str
    mixture: DiagonalMixture
    background_digest: str
    n_frames: int


def collect_statistics(
    background: AnyBackground,
    audio: AnyPath | NDArray[np.floating],
    *,
    sample_rate: int | None = None,
    start: float = 0.0,
    end: float | None = None,
    second_order: bool = False,
) -> SessionStatistics:
    """Collect the statistics of a recording's speech, block by block in constant memory.

    Parameters
    ----------
    background : BackgroundModel or path
    audio : path or array, shape (N,)
        The recording, or its samples.
    sample_rate : int, optional
        Rate of the samples, in hertz; only with an array.
    start, end : float
        The stretch to use, in seconds.
    second_order : bool, default=False
        Collect second-order statistics too; only adapting variances needs them.

    Returns
    -------
    SessionStatistics

    Raises
    ------
    AudioError
        If the recording can't be read.
    InsufficientDataError
        If there is less than `MINIMUM_SPEECH_SECONDS` (0.1 s) of speech in it.
    """
    background = as_background(background)
    mixture = background.mixture
    total = MixtureStatistics.zeros(
        mixture.n_components, mixture.n_features, second_order=second_order
    )
    stretch = {"sample_rate": sample_rate, "start": start, "end": end}
    speech = SpeechStream(background.features, [audio], stretch)
    # Block by block: one pass over all of them would hold a recording's speech.
    for block in speech:
        if len(block):
            total = total + accumulate(
                mixture, block, precision="float64", second_order=second_order
            )
    speech.check()
    return SessionStatistics(total, speech.seconds, speech.speech_seconds)


def adapt_speaker(
    background: AnyBackground,
    sessions: AnyStatistics | Sequence[AnyStatistics],
    *,
    name: str = "speaker",
    settings: AdaptationOptions | None = None,
) -> SpeakerModel:
    """Adapt the background model to a speaker.

    Parameters
    ----------
    background : BackgroundModel or path
    sessions : sequence of MixtureStatistics or SessionStatistics
        Statistics of the recordings. They are summed in order: the same recordings in the same
        order give the same model to the last bit, however they were spread over sessions.
    name : str
        The speaker's name.
    settings : AdaptationOptions, optional

    Returns
    -------
    SpeakerModel

    Raises
    ------
    IncompatibleModelError
        If the statistics are of another shape than the background model.
    InsufficientDataError
        If there are no frames.
    """
    background = as_background(background)
    settings = settings or AdaptationOptions()
    listed = sessions if isinstance(sessions, Sequence) else [sessions]
    given = [each.statistics if isinstance(each, SessionStatistics) else each for each in listed]
    shape = background.mixture.means.shape
    for statistics in given:
        if not isinstance(statistics, MixtureStatistics):
            raise wrong_type(statistics, "statistics, collect_statistics(background, wav),")
        if statistics.first_order.shape != shape:
            raise IncompatibleModelError(
                f"statistics of {name!r} have shape {statistics.first_order.shape}, the background "
                f"model {shape}"
            )
    if sum(statistics.n_frames for statistics in given) <= 0:
        raise InsufficientDataError(f"speaker {name!r}: there is no frame of speech to adapt to")
    total = sum_statistics(given)
    adapted, _ = adapt(
        total,
        background.mixture,
        relevance_factor=settings.relevance_factor,
        parameters=settings.parameters,
    )
    return SpeakerModel(name, adapted, background.digest, round(total.n_frames))


def sum_statistics(sessions: Iterable[MixtureStatistics]) -> MixtureStatistics:
    """Add statistics from left to right; the order decides the last bits."""
    return reduce(add, sessions)
