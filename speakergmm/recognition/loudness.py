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
    energy_threshold,
    log_energy_16_bit,
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
    log_energy = log_energies(utterance, config, floor=config.vad_floor)
    if not len(log_energy):
        return None
    threshold = two_gaussian_threshold(_histogram(log_energy))
    if threshold is None:
        return None
    return smoothed_decisions(log_energy > threshold, context=2)


def log_energies(
    utterance: Utterance, config: FeatureConfig, *, floor: float
) -> NDArray[np.float32]:
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
    return log_energy_16_bit(
        np.concatenate(energies),
        sample_scale=config.sample_scale,
        frame_samples=config.frame_samples,
        floor=floor,
    )


def speech_found(log_energy: NDArray[np.float32], rule: FeatureConfig) -> bool:
    """Tell whether there is any speech, by the energy rule of the features for speakers."""
    if not len(log_energy):
        return False
    least = energy_threshold(
        _histogram(log_energy), threshold=rule.vad_threshold, mean_scale=rule.vad_mean_scale
    )
    speech = smoothed_decisions(
        log_energy > least, context=rule.vad_context, proportion=rule.vad_proportion
    )
    return bool(speech.any())


def _histogram(log_energy: NDArray[np.float32]) -> EnergyHistogram:
    histogram = EnergyHistogram()
    histogram.add(log_energy)
    return histogram


@lru_cache(maxsize=4)
def _analysis(config: FeatureConfig) -> SpectralAnalysis:
    return SpectralAnalysis(config)
