"""Models that others have trained: Kaldi's and those of the Montreal Forced Aligner."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.recognition.imported.context_trees import as_decision_tree as as_decision_tree
    from speakergmm.recognition.imported.feature_options import ImportedFeatures as ImportedFeatures
    from speakergmm.recognition.imported.feature_options import kaldi_features as kaldi_features
    from speakergmm.recognition.imported.feature_options import parse_options as parse_options
    from speakergmm.recognition.imported.importing import ImportedModel as ImportedModel
    from speakergmm.recognition.imported.kaldi_model import KaldiModel as KaldiModel
    from speakergmm.recognition.imported.kaldi_model import read_kaldi_matrix as read_kaldi_matrix
    from speakergmm.recognition.imported.kaldi_model import read_kaldi_model as read_kaldi_model
    from speakergmm.recognition.imported.kaldi_model import read_occupancies as read_occupancies
    from speakergmm.recognition.imported.kaldi_transitions import KaldiPhone as KaldiPhone
    from speakergmm.recognition.imported.kaldi_transitions import (
        KaldiTransitions as KaldiTransitions,
    )
    from speakergmm.recognition.imported.kaldi_tree import KaldiTree as KaldiTree
    from speakergmm.recognition.imported.kaldi_tree import TreeLeaf as TreeLeaf
    from speakergmm.recognition.imported.kaldi_tree import TreeSplit as TreeSplit
    from speakergmm.recognition.imported.kaldi_tree import read_kaldi_tree as read_kaldi_tree
    from speakergmm.recognition.imported.mfa_meta import MfaMeta as MfaMeta
    from speakergmm.recognition.imported.model_files import ModelFiles as ModelFiles
    from speakergmm.recognition.imported.symbols import read_symbols as read_symbols

__getattr__, __dir__ = lazy_names(__name__)
