"""Features: framing, filter banks, cepstra, deltas, voice activity, normalisation, extraction."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.features.blocks import with_context as with_context
    from speakergmm.features.cepstra import cosine_transform as cosine_transform
    from speakergmm.features.cepstra import lifter_weights as lifter_weights
    from speakergmm.features.config import FeatureConfig as FeatureConfig
    from speakergmm.features.config import as_feature_config as as_feature_config
    from speakergmm.features.extractor import FeatureExtractor as FeatureExtractor
    from speakergmm.features.extractor import cached_extractor as cached_extractor
    from speakergmm.features.feature_differences import check_same_features as check_same_features
    from speakergmm.features.feature_differences import describe_difference as describe_difference
    from speakergmm.features.feature_matrix import Features as Features
    from speakergmm.features.feature_matrix import WeightedFrames as WeightedFrames
    from speakergmm.features.filterbank import FilterProduct as FilterProduct
    from speakergmm.features.filterbank import hertz_to_mel as hertz_to_mel
    from speakergmm.features.filterbank import mel_to_hertz as mel_to_hertz
    from speakergmm.features.filterbank import triangular_filters as triangular_filters
    from speakergmm.features.filterbank import warped_frequency as warped_frequency
    from speakergmm.features.framing import frame_blocks as frame_blocks
    from speakergmm.features.framing import padded as padded
    from speakergmm.features.framing import window as window
    from speakergmm.features.grid import FrameGrid as FrameGrid
    from speakergmm.features.held_blocks import HeldBlocks as HeldBlocks
    from speakergmm.features.multi_condition import AugmentedRecording as AugmentedRecording
    from speakergmm.features.multi_condition import (
        augmented_recordings as augmented_recordings,
    )
    from speakergmm.features.normalisation import FeatureNormalisation as FeatureNormalisation
    from speakergmm.features.normalisation import normalise_sliding as normalise_sliding
    from speakergmm.features.presets import PRESETS as PRESETS
    from speakergmm.features.quality import RecordingQuality as RecordingQuality
    from speakergmm.features.quality import measure_quality as measure_quality
    from speakergmm.features.rasta import RastaFilter as RastaFilter
    from speakergmm.features.recording_level import EnergySample as EnergySample
    from speakergmm.features.recording_level import RecordingLevel as RecordingLevel
    from speakergmm.features.recording_level import neighbour_means as neighbour_means
    from speakergmm.features.recording_mapping import leave_out as leave_out
    from speakergmm.features.recording_mapping import map_recordings as map_recordings
    from speakergmm.features.slopes import deltas as deltas
    from speakergmm.features.slopes import with_deltas as with_deltas
    from speakergmm.features.spectra import SpectralAnalysis as SpectralAnalysis
    from speakergmm.features.store.extraction_options import ExtractionOptions as ExtractionOptions
    from speakergmm.features.store.feature_store import FeatureStore as FeatureStore
    from speakergmm.features.store.feature_store import as_feature_store as as_feature_store
    from speakergmm.features.store.kaldi_export import check_new_folder as check_new_folder
    from speakergmm.features.store.kaldi_matrices import ArchivePlace as ArchivePlace
    from speakergmm.features.store.kaldi_matrices import read_matrix as read_matrix
    from speakergmm.features.store.kaldi_matrices import read_scp as read_scp
    from speakergmm.features.store.recording_lookup import StoredRecording as StoredRecording
    from speakergmm.features.store.recording_lookup import find_recordings as find_recordings
    from speakergmm.features.store.shard_files import forget_removed as forget_removed
    from speakergmm.features.store.store_extraction import (
        FeatureStoreWarning as FeatureStoreWarning,
    )
    from speakergmm.features.store.store_extraction import extract_features as extract_features
    from speakergmm.features.store.stored_frames import StoredFrames as StoredFrames
    from speakergmm.features.store.stored_frames import StoreShard as StoreShard
    from speakergmm.features.store.temporary_store import temporary_store as temporary_store
    from speakergmm.features.transforms import FeatureTransform as FeatureTransform
    from speakergmm.features.voice_activity import EnergyHistogram as EnergyHistogram
    from speakergmm.features.voice_activity import SpeechRule as SpeechRule
    from speakergmm.features.voice_activity import smoothed_decisions as smoothed_decisions
    from speakergmm.features.voice_activity import two_gaussian_threshold as two_gaussian_threshold
    from speakergmm.features.warping import warp as warp

__getattr__, __dir__ = lazy_names(__name__)
