"""Features: framing, filter banks, cepstra, deltas, voice activity, normalisation, extraction."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.features.cepstra import cosine_transform as cosine_transform
    from speakergmm.features.cepstra import lifter_weights as lifter_weights
    from speakergmm.features.config import FeatureConfig as FeatureConfig
    from speakergmm.features.container import Features as Features
    from speakergmm.features.extractor import FeatureExtractor as FeatureExtractor
    from speakergmm.features.filterbank import hertz_to_mel as hertz_to_mel
    from speakergmm.features.filterbank import mel_to_hertz as mel_to_hertz
    from speakergmm.features.filterbank import triangular_filters as triangular_filters
    from speakergmm.features.grid import FrameGrid as FrameGrid
    from speakergmm.features.normalisation import FeatureNormalisation as FeatureNormalisation
    from speakergmm.features.normalisation import normalise_sliding as normalise_sliding
    from speakergmm.features.slopes import deltas as deltas
    from speakergmm.features.slopes import with_deltas as with_deltas
    from speakergmm.features.voice_activity import smoothed_decisions as smoothed_decisions
    from speakergmm.features.warping import warp as warp

__getattr__, __dir__ = lazy_names(__name__)
