"""Acoustic models of phones and words: from transcribed recordings to alignments and transcripts.

`AcousticModel` is trained on recordings and transcripts and kept in a file. `align_recordings`
finds the times of words and phones, `Decoder` recognises words, phones or isolated words.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.features import FeatureNormalisation as FeatureNormalisation
    from speakergmm.recognition.acoustic_adaptation import (
        adapt_acoustic_model as adapt_acoustic_model,
    )
    from speakergmm.recognition.acoustic_adaptation import silence_pdfs as silence_pdfs
    from speakergmm.recognition.acoustic_model import AcousticModel as AcousticModel
    from speakergmm.recognition.acoustic_model import as_model as as_model
    from speakergmm.recognition.acoustic_model import train_acoustic_model as train_acoustic_model
    from speakergmm.recognition.aligned_utterance import AlignedUtterance as AlignedUtterance
    from speakergmm.recognition.alignment_diagnostics import Diagnosis as Diagnosis
    from speakergmm.recognition.alignment_diagnostics import UtteranceEvidence as UtteranceEvidence
    from speakergmm.recognition.alignment_diagnostics import WordEvidence as WordEvidence
    from speakergmm.recognition.alignment_diagnostics import diagnose as diagnose
    from speakergmm.recognition.alignment_diagnostics import gather_evidence as gather_evidence
    from speakergmm.recognition.alignment_diagnostics import robust_deviations as robust_deviations
    from speakergmm.recognition.alignment_files import AlignmentFiles as AlignmentFiles
    from speakergmm.recognition.alignment_files import check_kind as check_kind
    from speakergmm.recognition.alignment_files import write_diagnoses as write_diagnoses
    from speakergmm.recognition.alignment_options import (
        RecordingAlignmentOptions as RecordingAlignmentOptions,
    )
    from speakergmm.recognition.confidence_fitting import fit_confidence as fit_confidence
    from speakergmm.recognition.corpus_alignment import align_recording as align_recording
    from speakergmm.recognition.corpus_alignment import align_recordings as align_recordings
    from speakergmm.recognition.corpus_preparation import PreparedCorpus as PreparedCorpus
    from speakergmm.recognition.corpus_preparation import modelled_words as modelled_words
    from speakergmm.recognition.corpus_preparation import prepare as prepare
    from speakergmm.recognition.ctm import ctm_lines as ctm_lines
    from speakergmm.recognition.ctm import read_ctm as read_ctm
    from speakergmm.recognition.ctm import write_ctm as write_ctm
    from speakergmm.recognition.decoder import Decoder as Decoder
    from speakergmm.recognition.feature_archive import FeatureArchive as FeatureArchive
    from speakergmm.recognition.feature_archive import NormalisedFeatures as NormalisedFeatures
    from speakergmm.recognition.feature_archive import adaptation_group as adaptation_group
    from speakergmm.recognition.feature_archive import suited_rate as suited_rate
    from speakergmm.recognition.file_names import FileNames as FileNames
    from speakergmm.recognition.file_names import safe_name as safe_name
    from speakergmm.recognition.imported.importing import import_model as import_model
    from speakergmm.recognition.language_arguments import as_language_model as as_language_model
    from speakergmm.recognition.language_arguments import as_lexicon as as_lexicon
    from speakergmm.recognition.loudness import MeasureRecording as MeasureRecording
    from speakergmm.recognition.loudness import loud_frames as loud_frames
    from speakergmm.recognition.preparation_options import PreparationOptions as PreparationOptions
    from speakergmm.recognition.recognised_utterance import Recognition as Recognition
    from speakergmm.recognition.silence_model import SilenceModel as SilenceModel
    from speakergmm.recognition.speaker_transforms import (
        SpeakerTransformOptions as SpeakerTransformOptions,
    )
    from speakergmm.recognition.speaker_transforms import (
        SpeakerTransformWarning as SpeakerTransformWarning,
    )
    from speakergmm.recognition.speaker_transforms import (
        estimate_speaker_transforms as estimate_speaker_transforms,
    )
    from speakergmm.recognition.store_inputs import words_of_store as words_of_store
    from speakergmm.recognition.text_words import shortest_frames as shortest_frames
    from speakergmm.recognition.text_words import spelled_out as spelled_out
    from speakergmm.recognition.text_words import with_counts as with_counts
    from speakergmm.recognition.textgrids import read_textgrid as read_textgrid
    from speakergmm.recognition.textgrids import textgrid_text as textgrid_text
    from speakergmm.recognition.textgrids import write_textgrid as write_textgrid
    from speakergmm.recognition.timelines import Timelines as Timelines
    from speakergmm.recognition.timelines import own_times as own_times
    from speakergmm.recognition.training_options import NOISE_UNIT as NOISE_UNIT
    from speakergmm.recognition.training_options import UNKNOWN_WORD as UNKNOWN_WORD
    from speakergmm.recognition.training_options import TrainingOptions as TrainingOptions
    from speakergmm.recognition.transform_stage import semi_tied_models as semi_tied_models
    from speakergmm.recognition.triphone_options import TriphoneOptions as TriphoneOptions
    from speakergmm.recognition.word_confidence import WordConfidence as WordConfidence
    from speakergmm.recognition.word_confidence import word_evidence as word_evidence
    from speakergmm.recognition.word_evaluation import RecognisedWord as RecognisedWord
    from speakergmm.recognition.word_evaluation import WordEvaluation as WordEvaluation
    from speakergmm.recognition.word_evaluation import evaluate_words as evaluate_words
    from speakergmm.recognition.word_lists import WordCorpus as WordCorpus
    from speakergmm.recognition.word_lists import cut_words as cut_words
    from speakergmm.recognition.word_lists import read_words as read_words

__getattr__, __dir__ = lazy_names(__name__)
