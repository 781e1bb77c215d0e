"""Which frames of a recording are loud: speech found by energy, without any model of phones."""

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
    blocks = iter_audio(
        utterance.path, sample_rate=config.sample_rate, start=utterance.start, end=utterance.end
    )
    energies = [
        log_energy_16_bit(
            energy,
            sample_scale=config.sample_scale,
            frame_samples=config.frame_samples,
            floor=config.vad_floor,
        )
        for energy in _analysis(config).energies(blocks)
    ]
    if not energies:
        return None
    log_energy = np.concatenate(energies)
    histogram = EnergyHistogram()
    histogram.add(log_energy)
    threshold = two_gaussian_threshold(histogram)
    if threshold is None:
        return None
    return smoothed_decisions(log_energy > threshold, context=2)


@lru_cache(maxsize=4)
def _analysis(config: FeatureConfig) -> SpectralAnalysis:
    return SpectralAnalysis(config)
