"""Hidden Markov models with Gaussian-mixture emissions: pure functions of arrays and labels.

Four things describe the models of phones or words (`PhoneModels`): topologies, transitions, tying
of states, and the bank of mixtures. A transcript becomes an `UtteranceGraph`, any sparse HMM a
`Graph`, over which `forward_backward` and `viterbi` run; `train_embedded` is the whole training,
`align` and `decode` use what it made.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speakergmm.hmm.alignment import Aligner, align
    from speakergmm.hmm.bank import MixtureBank
    from speakergmm.hmm.decoding import DecodingOptions, decode
    from speakergmm.hmm.decoding_graph import phone_graph, word_graph
    from speakergmm.hmm.graph import Graph, NoPathError
    from speakergmm.hmm.inference import expected_counts, forward_backward, log_likelihood, viterbi
    from speakergmm.hmm.isolated import IsolatedWords
    from speakergmm.hmm.language_model import BackoffLanguageModel
    from speakergmm.hmm.lexicon import Lexicon, Pronunciation
    from speakergmm.hmm.models import PhoneModels
    from speakergmm.hmm.ngram import train_ngram
    from speakergmm.hmm.schedule import ANNEALED, TrainingSchedule
    from speakergmm.hmm.segments import Alignment
    from speakergmm.hmm.topology import Topology
    from speakergmm.hmm.training import train_embedded
    from speakergmm.hmm.transducer import DecodingGraph
    from speakergmm.hmm.transitions import Transitions
    from speakergmm.hmm.tying import Tying
    from speakergmm.hmm.utterance_graph import UtteranceGraph, compile_transcript

_HOME_OF = {
    "ANNEALED": "schedule",
    "Aligner": "alignment",
    "Alignment": "segments",
    "BackoffLanguageModel": "language_model",
    "DecodingGraph": "transducer",
    "DecodingOptions": "decoding",
    "Graph": "graph",
    "IsolatedWords": "isolated",
    "Lexicon": "lexicon",
    "MixtureBank": "bank",
    "NoPathError": "graph",
    "PhoneModels": "models",
    "Pronunciation": "lexicon",
    "Topology": "topology",
    "TrainingSchedule": "schedule",
    "Transitions": "transitions",
    "Tying": "tying",
    "UtteranceGraph": "utterance_graph",
    "align": "alignment",
    "compile_transcript": "utterance_graph",
    "decode": "decoding",
    "expected_counts": "inference",
    "forward_backward": "inference",
    "log_likelihood": "inference",
    "phone_graph": "decoding_graph",
    "train_embedded": "training",
    "train_ngram": "ngram",
    "viterbi": "inference",
    "word_graph": "decoding_graph",
}

__all__ = [
    "ANNEALED",
    "Aligner",
    "Alignment",
    "BackoffLanguageModel",
    "DecodingGraph",
    "DecodingOptions",
    "Graph",
    "IsolatedWords",
    "Lexicon",
    "MixtureBank",
    "NoPathError",
    "PhoneModels",
    "Pronunciation",
    "Topology",
    "TrainingSchedule",
    "Transitions",
    "Tying",
    "UtteranceGraph",
    "align",
    "compile_transcript",
    "decode",
    "expected_counts",
    "forward_backward",
    "log_likelihood",
    "phone_graph",
    "train_embedded",
    "train_ngram",
    "viterbi",
    "word_graph",
]


def __getattr__(name: str) -> Any:
    """Load a public name on first use (PEP 562): each brings libraries that take their time."""
    if name in _HOME_OF:
        value = getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
