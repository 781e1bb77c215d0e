"""Features: framing, filter banks, cepstra, deltas, voice activity, normalisation, extraction."""

from speakergmm.features.cepstra import cosine_transform, lifter_weights
from speakergmm.features.config import FeatureConfig
from speakergmm.features.container import Features
from speakergmm.features.deltas import deltas, with_deltas
from speakergmm.features.extractor import FeatureExtractor
from speakergmm.features.filterbank import hertz_to_mel, mel_to_hertz, triangular_filters
from speakergmm.features.grid import FrameGrid
from speakergmm.features.normalisation import FeatureNormalisation, normalise_sliding
from speakergmm.features.voice_activity import smoothed_decisions
from speakergmm.features.warping import warp

__all__ = [
    "FeatureConfig",
    "FeatureExtractor",
    "FeatureNormalisation",
    "Features",
    "FrameGrid",
    "cosine_transform",
    "deltas",
    "hertz_to_mel",
    "lifter_weights",
    "mel_to_hertz",
    "normalise_sliding",
    "smoothed_decisions",
    "triangular_filters",
    "warp",
    "with_deltas",
]
