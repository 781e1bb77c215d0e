"""Hidden Markov models with Gaussian-mixture emissions: pure functions of arrays and labels.

Four things describe the models of phones or words (`PhoneModels`): topologies, transitions, tying
of states, and the bank of mixtures. A transcript becomes an `UtteranceGraph`, any sparse HMM a
`Graph`, over which `forward_backward` and `viterbi` run; `train_embedded` is the whole training,
`align` and `decode` use what it made.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from speakergmm.hmm.decoding.alignment import Aligner, align
    from speakergmm.hmm.decoding.decoding_graph import phone_graph, word_graph
    from speakergmm.hmm.decoding.isolated import IsolatedWords
    from speakergmm.hmm.decoding.search import DecodingOptions, decode
    from speakergmm.hmm.decoding.segments import Alignment
    from speakergmm.hmm.decoding.transducer import DecodingGraph
    from speakergmm.hmm.inference.algorithms import (
        expected_counts,
        forward_backward,
        log_likelihood,
        viterbi,
    )
    from speakergmm.hmm.inference.graph import Graph, NoPathError
    from speakergmm.hmm.language.language_model import BackoffLanguageModel
    from speakergmm.hmm.language.lexicon import Lexicon
    from speakergmm.hmm.language.ngram import train_ngram
    from speakergmm.hmm.language.pronunciation import Pronunciation
    from speakergmm.hmm.models.bank import MixtureBank
    from speakergmm.hmm.models.phone_models import PhoneModels
    from speakergmm.hmm.models.topology import Topology
    from speakergmm.hmm.models.transitions import Transitions
    from speakergmm.hmm.models.tying import Tying
    from speakergmm.hmm.models.utterance_graph import UtteranceGraph, compile_transcript
    from speakergmm.hmm.training.phone_training import train_embedded
    from speakergmm.hmm.training.schedule import ANNEALED, TrainingSchedule

_HOME_OF = {
    "ANNEALED": "training.schedule",
    "Aligner": "decoding.alignment",
    "Alignment": "decoding.segments",
    "BackoffLanguageModel": "language.language_model",
    "DecodingGraph": "decoding.transducer",
    "DecodingOptions": "decoding.search",
    "Graph": "inference.graph",
    "IsolatedWords": "decoding.isolated",
    "Lexicon": "language.lexicon",
    "MixtureBank": "models.bank",
    "NoPathError": "inference.graph",
    "PhoneModels": "models.phone_models",
    "Pronunciation": "language.pronunciation",
    "Topology": "models.topology",
    "TrainingSchedule": "training.schedule",
    "Transitions": "models.transitions",
    "Tying": "models.tying",
    "UtteranceGraph": "models.utterance_graph",
    "align": "decoding.alignment",
    "compile_transcript": "models.utterance_graph",
    "decode": "decoding.search",
    "expected_counts": "inference.algorithms",
    "forward_backward": "inference.algorithms",
    "log_likelihood": "inference.algorithms",
    "phone_graph": "decoding.decoding_graph",
    "train_embedded": "training.phone_training",
    "train_ngram": "language.ngram",
    "viterbi": "inference.algorithms",
    "word_graph": "decoding.decoding_graph",
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
