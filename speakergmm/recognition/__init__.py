"""Acoustic models of phones and words: from transcribed recordings to alignments and transcripts.

`AcousticModel` is what people keep in a file. `align_recordings` puts times to transcripts,
`Decoder` recognises what nobody wrote down, `WordRecogniser` recordings of a single word.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speakergmm.features import FeatureNormalisation
    from speakergmm.recognition.acoustic_model import AcousticModel, train_acoustic_model
    from speakergmm.recognition.aligning import align_recording, align_recordings
    from speakergmm.recognition.confidence import WordConfidence, word_evidence
    from speakergmm.recognition.confidence_fitting import fit_confidence
    from speakergmm.recognition.ctm import read_ctm, write_ctm
    from speakergmm.recognition.decoding import Decoder
    from speakergmm.recognition.diagnostics import diagnose, gather_evidence
    from speakergmm.recognition.features import FeatureArchive
    from speakergmm.recognition.graphs import SilenceModel
    from speakergmm.recognition.text_validation import validate_text
    from speakergmm.recognition.textgrids import read_textgrid, write_textgrid
    from speakergmm.recognition.training import TrainingOptions
    from speakergmm.recognition.word_evaluation import evaluate_words
    from speakergmm.recognition.word_lists import WordCorpus, read_words
    from speakergmm.recognition.word_training import WordTrainingOptions, train_word_models
    from speakergmm.recognition.words import WordRecogniser

_HOME_OF = {
    "AcousticModel": "acoustic_model",
    "Decoder": "decoding",
    "FeatureArchive": "features",
    "FeatureNormalisation": "features",
    "SilenceModel": "graphs",
    "TrainingOptions": "training",
    "WordConfidence": "confidence",
    "WordCorpus": "word_lists",
    "WordRecogniser": "words",
    "WordTrainingOptions": "word_training",
    "align_recording": "aligning",
    "align_recordings": "aligning",
    "diagnose": "diagnostics",
    "evaluate_words": "word_evaluation",
    "fit_confidence": "confidence_fitting",
    "gather_evidence": "diagnostics",
    "read_ctm": "ctm",
    "read_textgrid": "textgrids",
    "read_words": "word_lists",
    "train_acoustic_model": "acoustic_model",
    "train_word_models": "word_training",
    "validate_text": "text_validation",
    "word_evidence": "confidence",
    "write_ctm": "ctm",
    "write_textgrid": "textgrids",
}

__all__ = [
    "AcousticModel",
    "Decoder",
    "FeatureArchive",
    "FeatureNormalisation",
    "SilenceModel",
    "TrainingOptions",
    "WordConfidence",
    "WordCorpus",
    "WordRecogniser",
    "WordTrainingOptions",
    "align_recording",
    "align_recordings",
    "diagnose",
    "evaluate_words",
    "fit_confidence",
    "gather_evidence",
    "read_ctm",
    "read_textgrid",
    "read_words",
    "train_acoustic_model",
    "train_word_models",
    "validate_text",
    "word_evidence",
    "write_ctm",
    "write_textgrid",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562): each brings libraries that take their time."""
    if name in _HOME_OF:
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
