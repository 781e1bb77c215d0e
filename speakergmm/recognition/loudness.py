"""Whether and where a recording is loud: speech found by energy, without any model of phones."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from speakergmm.audio import iter_audio
from speakergmm.corpora import Utterance
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


@lru_cache(maxsize=4)
def _analysis(config: FeatureConfig) -> SpectralAnalysis:
    return SpectralAnalysis(config)
