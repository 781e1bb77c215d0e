"""Frames without speech, as anomalies under a mixture of loud speech.

The mixture is fitted to background speakers, and its threshold is set on dev speakers. Both are
evaluated on eval speakers: on their loud speech (false alarms), on their soft speech, on the pauses
of their recordings and on synthetic noises (detections). No frame of a pause or a noise is used for
training or calibration. One detector uses cepstra; another one uses the level, too, by which speech
and pauses were labelled.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from settings import Settings
from speech import LOUD, Frames, make_noises

from speakergmm.estimators import GaussianMixture, GaussianMixtureOutlierDetector
from speakergmm.metrics import draw_multiplicities, percentile_interval


@dataclass(frozen=True, slots=True)
class Rate:
    """Share of frames that were classified as anomalies, with its interval."""

    n_frames: int
    n_sources: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Detection:
    """A detector, and its scores of the frames of eval speakers and of noises."""

    detector: GaussianMixtureOutlierDetector
    path: tuple[tuple[int, float], ...]  # K and log-likelihood per frame of dev speech
    rates: Mapping[str, Rate]
    scores: Mapping[str, NDArray[np.float64]]
    example_scores: NDArray[np.float64]


FEATURES: Mapping[str, Callable[[Frames], NDArray[np.float64]]] = {
    "cepstra": lambda frames: frames.cepstra.astype(np.float64),
    "cepstra and level": lambda frames: np.column_stack([frames.cepstra, frames.level]),
}


def detect(
    background: Frames, dev: Frames, evaluation: Frames, settings: Settings
) -> tuple[dict[str, Detection], Frames]:
    """Train, calibrate and evaluate detectors; also return the frames of an example recording."""
    training = background.loud_speech().draw(settings.n_training_frames, settings.seed)
    sets = {
        "loud speech": evaluation.loud_speech(),
        "soft speech": evaluation.soft_speech,
        "pauses": evaluation.pauses,
    }
    for level in settings.noise_levels:
        sets[f"noise at {level:g} dB"] = make_noises(
            settings.features(), n_recordings=settings.n_noises, level=level, seed=settings.seed
        )
    sets = {name: frames for name, frames in sets.items() if len(frames)}
    example = evaluation[evaluation.recordings == _most_typical(evaluation)]
    found = {}
    for name, features in FEATURES.items():
        validation = features(dev.loud_speech())
        models = {
            k: GaussianMixture(k, covariance_type="full", random_state=settings.seed).fit(
                features(training)
            )
            for k in settings.detector_path
        }
        path = tuple((k, model.score(validation)) for k, model in models.items())
        chosen, _ = max(path, key=lambda row: row[1])
        detector = GaussianMixtureOutlierDetector.from_mixture(
            models[chosen], validation, false_alarm=settings.false_alarm
        )
        scores = {kind: detector.score_samples(features(frames)) for kind, frames in sets.items()}
        rates = {
            kind: measure(values < detector.threshold_, sets[kind].speakers, seed=settings.seed)
            for kind, values in scores.items()
        }
        example_scores = detector.score_samples(features(example))
        found[name] = Detection(detector, path, rates, scores, example_scores)
    return found, example


def compare(
    background: Frames, dev: Frames, settings: Settings
) -> Iterator[tuple[str, float, float, float]]:
    """Compare features and limits of loud speech (dB) on dev speakers, by errors and detections.

    The threshold is set on one half of the dev speakers and evaluated on the other, both ways.
    """
    first = np.isin(dev.speakers, np.unique(dev.speakers)[::2])
    for name, features in FEATURES.items():
        for limit in (-9.0, LOUD, -22.0, -np.inf):
            training = background.loud_speech(limit).draw(settings.n_training_frames, settings.seed)
            model = GaussianMixture(4, random_state=settings.seed).fit(features(training))
            rates = []
            for half, other in ((dev[first], dev[~first]), (dev[~first], dev[first])):
                detector = GaussianMixtureOutlierDetector.from_mixture(
                    model, features(half.loud_speech(limit)), false_alarm=settings.false_alarm
                )
                judged = (other.loud_speech(limit), other.pauses)
                rates.append([np.mean(detector.predict(features(each)) == -1) for each in judged])
            false_alarms, found = np.mean(rates, axis=0)
            yield name, limit, float(false_alarms), float(found)


def measure(flagged: NDArray[np.bool_], sources: NDArray[np.str_], *, seed: int) -> Rate:
    """Measure a rate, with a 95 % bootstrap interval over its sources (speakers or recordings).

    Frames of a speaker are far from independent: an interval based on their number would be far too
    narrow.
    """
    names, numbers = np.unique(sources, return_inverse=True)
    n_flagged = np.bincount(numbers, weights=flagged)
    n_frames = np.bincount(numbers)
    drawn = draw_multiplicities(len(names), n_bootstrap=2000, seed=seed)
    interval = percentile_interval((drawn @ n_flagged) / (drawn @ n_frames))
    assert interval is not None
    return Rate(len(flagged), len(names), float(flagged.mean()), interval.low, interval.high)


def _most_typical(frames: Frames) -> int:
    """Return the recording whose shares of speech and pauses are closest to 50 % and 30 %."""
    numbers = np.unique(frames.recordings)
    at = [frames.recordings == number for number in numbers]
    distance = [
        abs(frames.is_speech[rows].mean() - 0.5) + abs(frames.is_pause[rows].mean() - 0.3)
        for rows in at
    ]
    return int(numbers[int(np.argmin(distance))])
