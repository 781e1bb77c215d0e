"""Measures of a trial: the quality of its recordings, and how far they are from each other.

A calibration takes them as covariates, and knows by them which recordings are unlike those that it
saw. Names of measures of the test begin with ``test_``, those of the speaker's recordings with
``enrolment_``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.corpora import Utterance
from speakergmm.features import FeatureConfig, WeightedFrames, measure_quality
from speakergmm.mixtures import Mixture, MixtureStatistics
from speakergmm.speakers.recording_arguments import sound_of

MEASURE_PREFIXES = ("test_", "enrolment_", "channel_")
"""Beginnings of the names of measures, by which columns of scores are recognised."""


def recording_measures(audio: Any, config: FeatureConfig, **segment: Any) -> dict[str, float]:
    """Return the measures of the quality of a recording by name; see `measure_quality`."""
    return measure_quality(audio, config=config, **segment).to_dict()


def enrolment_measures(sessions: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Return the measures of a speaker's recordings together.

    Parameters
    ----------
    sessions : iterable of mapping of str to float
        The measures of each recording.

    Returns
    -------
    dict of str to float
        Seconds of speech are summed, of the others the mean is taken; NaN (of a recording without
        speech) counts as missing.

    Examples
    --------
    >>> enrolment_measures([{"speech_seconds": 1.0, "snr_db": 20.0}] * 2)
    {'speech_seconds': 2.0, 'snr_db': 20.0}
    """
    found: dict[str, list[float]] = {}
    for measures in sessions:
        for name, value in measures.items():
            known = found.setdefault(name, [])
            if isfinite(value):
                known.append(value)
    return {
        name: (sum(values) if name == "speech_seconds" else sum(values) / len(values))
        if values
        else nan
        for name, values in found.items()
    }


@dataclass(slots=True, eq=False)
class MeasuredSpeech:
    """The speech of a test, which is measured while it passes.

    Parameters
    ----------
    blocks : iterable of WeightedFrames
    background : Mixture
        Of D features.
    """

    blocks: Iterable[WeightedFrames]
    background: Mixture
    _sum: NDArray[np.float64] | None = field(default=None, init=False)
    _log_likelihood: float = field(default=0.0, init=False)
    _occupancy: float = field(default=0.0, init=False)

    def __iter__(self) -> Iterator[WeightedFrames]:
        for block in self.blocks:
            values, weights = block
            if len(values):
                counts = np.ones(len(values)) if weights is None else weights.astype(np.float64)
                total = counts @ values.astype(np.float64)
                self._sum = total if self._sum is None else self._sum + total
                self._log_likelihood += float(counts @ self.background.log_likelihood(values))
                self._occupancy += float(counts.sum())
            yield block

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean of the features, shape (D,)."""
        assert self._sum is not None
        return self._sum / self._occupancy

    @property
    def background_log_likelihood(self) -> float:
        """Log-likelihood per frame under the background model."""
        return self._log_likelihood / self._occupancy


class SpeechMoments(NamedTuple):
    """Measures of the speech of a test whose statistics are known; see `MeasuredSpeech`.

    Attributes
    ----------
    background : Mixture
        Of D features.
    mean : array, shape (D,)
        Mean of the features.
    background_log_likelihood : float
        Log-likelihood per frame under the background model.
    """

    background: Mixture
    mean: NDArray[np.float64]
    background_log_likelihood: float

    @classmethod
    def of(cls, background: Mixture, statistics: MixtureStatistics) -> SpeechMoments:
        """Return those of statistics under the background model."""
        log_likelihood = float(statistics.log_likelihood / statistics.n_frames)
        return cls(background, mean_of_statistics([statistics]), log_likelihood)


class EnrolledMeasures(NamedTuple):
    """Measures of the recordings of a model, and the mean of their features."""

    measures: Mapping[str, float]
    mean: NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class ScoredSpeech:
    """Scores of recordings of one person together, and what can be measured of them.

    Parameters
    ----------
    scores : array, shape (S,)
    occupancy : float
        Number of frames of speech, counted by weight.
    seconds : float
        Seconds of speech.
    speech : MeasuredSpeech
        The speech, which has passed.
    utterances : sequence of Utterance
        The recordings.
    config : FeatureConfig
    """

    scores: NDArray[np.float64]
    occupancy: float
    seconds: float
    speech: MeasuredSpeech
    utterances: Sequence[Utterance]
    config: FeatureConfig

    @property
    def name(self) -> str:
        """Name of the recordings, for messages."""
        first, more = self.utterances[0].path, len(self.utterances) - 1
        return f"{first} and {more} more" if more else f"{first}"

    def quality(self) -> dict[str, float]:
        """Return the measures of the quality of the recordings together."""
        sounds = map(sound_of, self.utterances)
        return enrolment_measures(
            recording_measures(audio, self.config, **rate) for audio, rate in sounds
        )


def mean_of_statistics(sessions: Sequence[MixtureStatistics]) -> NDArray[np.float64]:
    """Return the mean of the features of a speaker's sessions, shape (D,)."""
    about_zero = [each.about_zero() for each in sessions]
    total = sum(each.first_order.sum(axis=0) for each in about_zero)
    return np.asarray(total / sum(float(each.counts.sum()) for each in about_zero))


def channel_distance(
    background: Mixture, one: NDArray[np.float64], other: NDArray[np.float64]
) -> float:
    """Return the distance of two means of features, in standard deviations of all speech.

    Parameters
    ----------
    background : Mixture
        Its overall variances are those of all speech.
    one, other : array, shape (D,)
        Means over speech, in which a channel leaves its mark.

    Returns
    -------
    float
        The root of the mean square over features.

    Examples
    --------
    >>> from speakergmm.mixtures import DiagonalMixture
    >>> ubm = DiagonalMixture([0.5, 0.5], [[-1.0], [1.0]], [[3.0], [3.0]])
    >>> channel_distance(ubm, np.array([2.0]), np.array([0.0]))
    1.0
    """
    return float(_channel_distances(background, one, other))


def _channel_distances(
    background: Mixture, one: NDArray[np.float64], others: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the distances of a mean, shape (D,), from others, shape (..., D)."""
    means, weights = background.means, background.weights
    centre = weights @ means
    variances = weights @ (background.component_variances() + (means - centre) ** 2)
    return np.asarray(np.sqrt(np.mean((one - others) ** 2 / variances, axis=-1)))


def measures_of_trial(
    test: Mapping[str, float],
    enrolment: Mapping[str, float],
    speech: MeasuredSpeech | SpeechMoments,
    enrolment_mean: NDArray[np.float64],
) -> dict[str, float]:
    """Return all measures of a trial by name.

    Parameters
    ----------
    test, enrolment : mapping of str to float
        Measures of the test, and of the speaker's recordings together.
    speech : MeasuredSpeech or SpeechMoments
        The speech of the test, which has passed.
    enrolment_mean : array, shape (D,)
        Mean of the features of the speaker's recordings.
    """
    return {
        **{f"test_{name}": value for name, value in test.items()},
        **{f"enrolment_{name}": value for name, value in enrolment.items()},
        "test_background_log_likelihood": speech.background_log_likelihood,
        "channel_distance": channel_distance(speech.background, speech.mean, enrolment_mean),
    }


def measures_of_trials(
    test: Mapping[str, float],
    enrolled: Sequence[EnrolledMeasures],
    speech: MeasuredSpeech | SpeechMoments,
) -> dict[str, NDArray[np.float64]]:
    """Return the measures of a test with each of M speakers: arrays of shape (M,) by name.

    Parameters
    ----------
    test, speech
        As for `measures_of_trial`.
    enrolled : sequence of EnrolledMeasures
        What is known of each speaker; at least one.
    """
    means = np.stack([each.mean for each in enrolled])
    first = measures_of_trial(test, enrolled[0].measures, speech, enrolled[0].mean)
    found = {name: np.full(len(enrolled), value) for name, value in first.items()}
    for name in enrolled[0].measures:
        found[f"enrolment_{name}"] = np.array([each.measures[name] for each in enrolled])
    found["channel_distance"] = _channel_distances(speech.background, speech.mean, means)
    return found
