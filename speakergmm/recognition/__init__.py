"""Acoustic models of phones and words: from transcribed recordings to alignments and transcripts.

`AcousticModel` is what people keep in a file. `align_recordings` puts times to transcripts,
`Decoder` recognises what nobody wrote down, `WordRecogniser` recordings of a single word.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.features import FeatureNormalisation as FeatureNormalisation
    from speakergmm.recognition.acoustic_model import AcousticModel as AcousticModel
    from speakergmm.recognition.acoustic_model import train_acoustic_model as train_acoustic_model
    from speakergmm.recognition.aligning import align_recording as align_recording
    from speakergmm.recognition.aligning import align_recordings as align_recordings
    from speakergmm.recognition.confidence import WordConfidence as WordConfidence
    from speakergmm.recognition.confidence import word_evidence as word_evidence
    from speakergmm.recognition.confidence_fitting import fit_confidence as fit_confidence
    from speakergmm.recognition.ctm import read_ctm as read_ctm
    from speakergmm.recognition.ctm import write_ctm as write_ctm
    from speakergmm.recognition.decoding import Decoder as Decoder
    from speakergmm.recognition.diagnostics import diagnose as diagnose
    from speakergmm.recognition.diagnostics import gather_evidence as gather_evidence
    from speakergmm.recognition.features import FeatureArchive as FeatureArchive
    from speakergmm.recognition.graphs import SilenceModel as SilenceModel
    from speakergmm.recognition.text_validation import validate_text as validate_text
    from speakergmm.recognition.textgrids import read_textgrid as read_textgrid
    from speakergmm.recognition.textgrids import write_textgrid as write_textgrid
    from speakergmm.recognition.training import TrainingOptions as TrainingOptions
    from speakergmm.recognition.word_lists import WordCorpus as WordCorpus
    from speakergmm.recognition.word_lists import read_words as read_words
    from speakergmm.recognition.word_training import WordTrainingOptions as WordTrainingOptions
    from speakergmm.recognition.word_training import train_word_models as train_word_models
    from speakergmm.recognition.words import WordRecogniser as WordRecogniser
    from speakergmm.recognition.words import evaluate_words as evaluate_words

__getattr__, __dir__ = lazy_names(__name__)
