"""Requirements that a model, made or to be made, has of recordings and transcripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from speakergmm.features import FeatureConfig, as_feature_config
from speakergmm.hmm.language.lexicon import Lexicon
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.topology import Topology
from speakergmm.recognition.flat_start import unit_topologies
from speakergmm.recognition.silence_model import SilenceModel
from speakergmm.recognition.training_options import TrainingOptions

# Frames of a phone of which nothing is known: three states in a row.
_USUAL_FRAMES = 3


class ModelWithFeatures(Protocol):
    """Models, their lexicon and their features, such as an `AcousticModel`."""

    @property
    def models(self) -> PhoneModels:
        """HMMs of the units."""

    @property
    def lexicon(self) -> Lexicon:
        """Pronunciations in these units."""

    @property
    def features(self) -> FeatureConfig:
        """Configuration of the features."""

    @property
    def silence(self) -> SilenceModel:
        """Names and probabilities of pauses."""

    @property
    def unknown(self) -> str | None:
        """Word to which words outside the lexicon are mapped."""


@dataclass(frozen=True, slots=True)
class Requirements:
    """Requirements of recordings and transcripts.

    Parameters
    ----------
    config : FeatureConfig
        Features, which determine the number of frames.
    least_rate : int
        Lowest sample rate of recordings, in Hz; 0 for any.
    frames_of : callable
        Returns the least number of frames of a unit.
    silence_frames, pause_frames : int
        Frames of silence that must be there at both ends, and between two words.
    units : frozenset of str or None
        Units that have a model; None if any may have one.
    """

    config: FeatureConfig
    least_rate: int = 0
    frames_of: Callable[[str], int] = lambda unit: _USUAL_FRAMES
    silence_frames: int = 0
    pause_frames: int = 0
    units: frozenset[str] | None = None

    @classmethod
    def of(cls, model: ModelWithFeatures | None, training: TrainingOptions | None) -> Requirements:
        """Return the requirements of a model, of the training of one, or of neither."""
        if model is not None:
            config, silence = model.features, model.silence
            topologies = dict(zip(model.models.units, model.models.topologies, strict=True))
            units: frozenset[str] | None = frozenset(topologies)
            topology_of: Callable[[str], Topology | None] = topologies.get
        elif training is not None:
            config, silence = training.feature_config, training.silence_model
            units, topology_of = None, partial(_topology_in_training, training)
        else:
            return cls(as_feature_config("hmm"))

        def frames_of(unit: str) -> int:
            topology = topology_of(unit)
            return _USUAL_FRAMES if topology is None else topology.shortest_duration

        silent = pause = 0
        if silence.unit is not None and silence.edge_probability == 1:
            silent = 2 * frames_of(silence.unit)
        if silence.unit is not None and silence.probability == 1 and silence.short_pause is None:
            pause = frames_of(silence.unit)
        return cls(config, config.sample_rate, frames_of, silent, pause, units)


def _topology_in_training(training: TrainingOptions, unit: str) -> Topology:
    return unit_topologies([unit], training, training.silence_model)[unit]
