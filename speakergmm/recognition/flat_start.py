"""Initial models without any knowledge but the sound of digital silence, if there is any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from speakergmm.engine import Engine, EngineLike
from speakergmm.features import FeatureConfig
from speakergmm.hmm.models.bank import MixtureBank
from speakergmm.hmm.models.phone_models import PhoneModels
from speakergmm.hmm.models.topology import Topology
from speakergmm.hmm.training.phone_training import utterance_moments
from speakergmm.hmm.training.utterance_shards import UtteranceShard, are_in_memory, make_shards
from speakergmm.moments import Moments
from speakergmm.ranges import wrong_type
from speakergmm.recognition.feature_archive import JoinedFeatures
from speakergmm.recognition.silence_model import SilenceModel
from speakergmm.recognition.training_options import NOISE_UNIT, TrainingOptions

# Share of digital silence among all frames from which silence starts from quiet frames. In
# LibriSpeech's training part it is 0.0014, in 2 of 251 recordings more than a tenth of a second.
_LEAST_SHARE = 0.01
# Part of each utterance that counts as quiet.
_QUIET = 0.1
# Least variance of silence at the start, as a part of that of all frames: as narrow as digital
# silence is, it would take nothing else. On short synthetic sentences between zeros, 0.5 left fewer
# of these to phones than 0.01 to 0.3; of 680 isolated words of DSPSpeech-20 by other speakers, 67
# were mistaken from a flat start, 56 with 0.01, 53 with 0.5, 82 with 1.
_LEAST_WIDTH = 0.5


def unit_topologies(
    units: Sequence[str], options: TrainingOptions, silence: SilenceModel
) -> dict[str, Topology]:
    """Return the topology of each unit and of the models of silence.

    Parameters
    ----------
    units : sequence of str
        Phones or words.
    options : TrainingOptions
    silence : SilenceModel

    Returns
    -------
    dict of str to Topology
        The units in alphabetical order, then silence and short pause.

    Raises
    ------
    InvalidTypeError
        If `options.topologies` is not a mapping to topologies.
    """
    n_silent = options.silence_states
    found = dict.fromkeys(sorted(units), Topology.left_right(options.n_states))
    if silence.unit is not None:
        silent = Topology.silence if n_silent > 2 else Topology.left_right
        found[silence.unit] = silent(n_silent)
    if silence.short_pause is not None:
        found[silence.short_pause] = Topology.short_pause()
    if options.units == "phones" and NOISE_UNIT in found:
        # Spoken noise is of any shape, as silence is.
        found[NOISE_UNIT] = Topology.silence(max(n_silent, 3))
    special = options.topologies or {}
    if not isinstance(special, Mapping):
        raise wrong_type(special, "a dict of topologies by unit", " for topologies")
    for topology in special.values():
        if not isinstance(topology, Topology):
            raise wrong_type(topology, "a topology, such as Topology.left_right(3)")
    return {unit: special.get(unit, topology) for unit, topology in found.items()}


def flat_models(
    frames: JoinedFeatures,
    topologies: Mapping[str, Topology],
    config: FeatureConfig,
    *,
    silences: Sequence[str],
    engine: EngineLike = None,
) -> PhoneModels:
    """Return initial models whose pdfs are one Gaussian each, with the moments of all frames.

    If at least one frame in a hundred is digital silence, silence starts from the moments of the
    quietest tenth of each utterance instead. Such frames are all alike, and the first states that
    are aligned with them become so narrow that they fit nothing else. From a flat start these are
    as often states of phones as states of silence.

    Parameters
    ----------
    frames : JoinedFeatures
    topologies : mapping of str to Topology
        Topology of each unit.
    config : FeatureConfig
        Configuration of the features; without an energy among them the start is flat.
    silences : sequence of str
        Units of silence.
    engine : int, executor, Dask client or Engine, optional
        Where the frames are read.

    Returns
    -------
    PhoneModels
    """
    mean, variance, _ = utterance_moments(frames, engine=engine)
    variance = np.where(variance > 0, variance, 1.0)
    flat = PhoneModels.flat(topologies, mean=mean, variance=variance)
    if not silences or not starts_from_quiet(frames, config):
        return flat
    n_static = len(mean) // (config.deltas + 1)
    column = 0 if config.energy_position == "first" else n_static - 1
    found = Engine.of(engine).map_reduce(
        _QuietFrames(column),
        make_shards(frames),
        _merged,
        in_memory=are_in_memory(frames),
    )
    quiet = found or Moments()
    bank = flat.bank
    means, variances = np.array(bank.gaussians.means), np.array(bank.gaussians.covariances)
    for unit in silences:
        pdfs = flat.pdfs(unit)
        means[pdfs] = quiet.mean
        variances[pdfs] = np.maximum(quiet.variance, _LEAST_WIDTH * variance)
    return flat.with_parameters(
        bank=MixtureBank.from_parameters(bank.offsets, bank.weights, means, variances)
    )


@dataclass(frozen=True, slots=True)
class _QuietFrames:
    """Moments of the quietest frames of each utterance of a shard."""

    column: int

    def __call__(self, shard: UtteranceShard) -> Moments:
        quiet = Moments()
        for place in range(len(shard)):
            found = np.asarray(shard.frames[place])
            count = max(1, round(_QUIET * len(found))) if len(found) else 0
            quiet.add(found[np.argsort(found[:, self.column], kind="stable")[:count]])
        return quiet


def _merged(left: Moments, right: Moments) -> Moments:
    left.merge(right)
    return left


def starts_from_quiet(frames: JoinedFeatures, config: FeatureConfig) -> bool:
    """Return whether `flat_models` starts from quiet frames, for so much is digital silence."""
    return config.energy != "none" and frames.n_constant >= _LEAST_SHARE * max(frames.n_frames, 1)
