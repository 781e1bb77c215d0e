"""Length, loud frames and speech of a recording, by energy alone."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import AudioWarning, iter_audio, probe
from speakergmm.corpora import Utterance
from speakergmm.errors import SpeakerGmmError
from speakergmm.features import FeatureConfig
from speakergmm.features.spectra import SpectralAnalysis
from speakergmm.features.voice_activity import (
    EnergyHistogram,
    SpeechRule,
    smoothed_decisions,
    two_gaussian_threshold,
)


def loud_frames(utterance: Utterance, config: FeatureConfig) -> NDArray[np.bool_] | None:
    """Separate loud frames from the background of a recording by two Gaussians over log energy.

    Parameters
    ----------
    utterance : Utterance
        The recording, or an excerpt of one.
    config : FeatureConfig
        Configuration of the features, whose frames are classified.

    Returns
    -------
    array of bool, shape (n_frames,), or None
        None if the means of the two Gaussians are less than 2 nats apart.

    Raises
    ------
    AudioError
        If the recording cannot be read.

    Notes
    -----
    A vote among five adjacent frames removes single loud frames, such as clicks.
    """
    log_energy = log_energies(utterance, config)
    if not len(log_energy):
        return None
    threshold = two_gaussian_threshold(EnergyHistogram.of(log_energy))
    if threshold is None:
        return None
    return smoothed_decisions(log_energy > threshold, context=2)


def log_energies(utterance: Utterance, config: FeatureConfig) -> NDArray[np.float32]:
    """Return the log energies, shape (n_frames,), of the frames of an utterance's features.

    Raises
    ------
    AudioError
        If the recording cannot be read.
    """
    blocks = iter_audio(
        utterance.path, sample_rate=config.sample_rate, start=utterance.start, end=utterance.end
    )
    energies = [np.zeros(0, np.float32), *_analysis(config).energies(blocks)]
    return SpeechRule(config).log_energy(np.concatenate(energies))


def speech_found(log_energy: NDArray[np.float32], config: FeatureConfig) -> bool:
    """Return whether there is any speech, by the rule of a feature configuration."""
    if not len(log_energy):
        return False
    rule = SpeechRule(config)
    loud = log_energy > rule.threshold(EnergyHistogram.of(log_energy))
    return bool(rule.smoothed(loud).any())


@dataclass(frozen=True, slots=True)
class RecordingMeasurement:
    """Measurements of the recording of an utterance.

    Attributes
    ----------
    sample_rate : int
        Sample rate of the file, in Hz.
    seconds : float
        Length of the utterance, in seconds.
    recording_seconds : float
        Length of the whole recording, in seconds.
    n_frames : int
        Number of frames of the features.
    has_speech : bool or None
        Whether there is any speech; None if the samples were not read.
    refusal : str or None
        Reason why the recording cannot be read; the other values are then meaningless.
    """

    sample_rate: int = 0
    seconds: float = 0.0
    recording_seconds: float = 0.0
    n_frames: int = 0
    has_speech: bool | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class MeasureRecording:
    """Measurement of one utterance, as a function that can be pickled.

    Attributes
    ----------
    config : FeatureConfig
        Configuration of the features, which determines sample rate and frames.
    listen : bool
        Read the samples and look for speech; otherwise only the header is read.
    """

    config: FeatureConfig
    listen: bool

    def __call__(self, utterance: Utterance) -> RecordingMeasurement:
        """Measure one utterance."""
        try:
            info = probe(utterance.path)
            end = info.duration if utterance.end is None else min(utterance.end, info.duration)
            seconds = max(0.0, end - utterance.start)
            if not self.listen:
                n_frames = self.config.count_frames(round(seconds * self.config.sample_rate))
                return RecordingMeasurement(info.sample_rate, seconds, info.duration, n_frames)
            with warnings.catch_warnings():
                # Low sample rates are reported by the caller.
                warnings.simplefilter("ignore", AudioWarning)
                rule = FeatureConfig.preset("speaker-same-session")
                heard = self.config.replace(vad_floor=rule.vad_floor)
                energy = log_energies(utterance, heard)
        except SpeakerGmmError as error:
            return RecordingMeasurement(refusal=str(error))
        has_speech = speech_found(energy, rule)
        return RecordingMeasurement(
            info.sample_rate, seconds, info.duration, len(energy), has_speech
        )


@lru_cache(maxsize=4)
def _analysis(config: FeatureConfig) -> SpectralAnalysis:
    return SpectralAnalysis(config)
