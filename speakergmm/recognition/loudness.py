"""What is heard of a recording without any model of phones: its length, and speech by energy."""

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
    """Tell loud frames from the background of a recording by two Gaussians over log energy.

    Parameters
    ----------
    utterance : Utterance
        The recording, or the stretch of one.
    config : FeatureConfig
        Gives the frames, so that they are those of the features.

    Returns
    -------
    array of bool, shape (n_frames,), or None
        None where the two Gaussians are too near each other (2 nats) to tell anything.

    Raises
    ------
    AudioError
        If the recording can't be read.

    Notes
    -----
    A vote among five neighbours takes out single frames, such as a click.
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
        If the recording can't be read.
    """
    blocks = iter_audio(
        utterance.path, sample_rate=config.sample_rate, start=utterance.start, end=utterance.end
    )
    energies = [np.zeros(0, np.float32), *_analysis(config).energies(blocks)]
    return SpeechRule(config).log_energy(np.concatenate(energies))


def speech_found(log_energy: NDArray[np.float32], config: FeatureConfig) -> bool:
    """Tell whether there is any speech, by the rule of a feature configuration."""
    if not len(log_energy):
        return False
    rule = SpeechRule(config)
    loud = log_energy > rule.threshold(EnergyHistogram.of(log_energy))
    return bool(rule.smoothed(loud).any())


@dataclass(frozen=True, slots=True)
class RecordingMeasurement:
    """What was found of an utterance's recording.

    Attributes
    ----------
    sample_rate : int
        That of the file, in Hz.
    seconds : float
        Length of the utterance.
    recording_seconds : float
        Length of the whole recording.
    n_frames : int
        Frames of features.
    has_speech : bool or None
        None where the samples weren't looked at.
    refusal : str or None
        Why the recording can't be read; then nothing else counts.
    """

    sample_rate: int = 0
    seconds: float = 0.0
    recording_seconds: float = 0.0
    n_frames: int = 0
    has_speech: bool | None = None
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class MeasureRecording:
    """The function from an utterance to what was found of it; travels between processes.

    Attributes
    ----------
    config : FeatureConfig
        Rate and frames are taken from it.
    listen : bool
        Read the samples, and look for speech in them; without it the header says how long the
        recording is.
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
                # A low rate is a problem of its own.
                warnings.simplefilter("ignore", AudioWarning)
                rule = FeatureConfig.preset("speaker")
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
