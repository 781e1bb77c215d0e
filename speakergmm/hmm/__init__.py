"""Hidden Markov models with Gaussian-mixture emissions: pure functions of arrays and labels.

Phone or word models (`PhoneModels`) consist of topologies, transitions, a tying of states and a
bank of mixtures. A transcript is compiled to an `UtteranceGraph`, any sparse HMM is a `Graph`, and
`forward_backward` and `viterbi` run over both. `train_phone_models` runs the whole training;
`align` and `decode` apply the trained models.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.hmm.decoding.beam_search import DecodingResult as DecodingResult
    from speakergmm.hmm.decoding.beam_search import decode as decode
    from speakergmm.hmm.decoding.decoding_graph import build_decoding_graph as build_decoding_graph
    from speakergmm.hmm.decoding.decoding_graph import phone_graph as phone_graph
    from speakergmm.hmm.decoding.decoding_graph import word_graph as word_graph
    from speakergmm.hmm.decoding.decoding_options import AlignmentOptions as AlignmentOptions
    from speakergmm.hmm.decoding.decoding_options import (
        DecodingGraphOptions as DecodingGraphOptions,
    )
    from speakergmm.hmm.decoding.decoding_options import DecodingOptions as DecodingOptions
    from speakergmm.hmm.decoding.forced_alignment import Aligner as Aligner
    from speakergmm.hmm.decoding.forced_alignment import align as align
    from speakergmm.hmm.decoding.hypotheses import Hypothesis as Hypothesis
    from speakergmm.hmm.decoding.isolated import IsolatedWords as IsolatedWords
    from speakergmm.hmm.decoding.isolated import WordScore as WordScore
    from speakergmm.hmm.decoding.segments import Alignment as Alignment
    from speakergmm.hmm.decoding.segments import Segment as Segment
    from speakergmm.hmm.decoding.transducer import DecodingGraph as DecodingGraph
    from speakergmm.hmm.inference.algorithms import expected_counts as expected_counts
    from speakergmm.hmm.inference.algorithms import forward_backward as forward_backward
    from speakergmm.hmm.inference.algorithms import (
        sequence_log_likelihood as sequence_log_likelihood,
    )
    from speakergmm.hmm.inference.algorithms import viterbi as viterbi
    from speakergmm.hmm.inference.graph import Graph as Graph
    from speakergmm.hmm.inference.graph import NoPathError as NoPathError
    from speakergmm.hmm.inference.recursions import ViterbiPath as ViterbiPath
    from speakergmm.hmm.inference.sequences import (
        ImpossibleSequenceError as ImpossibleSequenceError,
    )
    from speakergmm.hmm.language.arpa import LanguageModelError as LanguageModelError
    from speakergmm.hmm.language.grammar import Grammar as Grammar
    from speakergmm.hmm.language.graphemes import spell as spell
    from speakergmm.hmm.language.language_model import BackoffLanguageModel as BackoffLanguageModel
    from speakergmm.hmm.language.language_model import Perplexity as Perplexity
    from speakergmm.hmm.language.lexicon import Lexicon as Lexicon
    from speakergmm.hmm.language.lexicon import LexiconError as LexiconError
    from speakergmm.hmm.language.ngram import train_ngram as train_ngram
    from speakergmm.hmm.language.ngram_options import NgramOptions as NgramOptions
    from speakergmm.hmm.language.pronunciation import Pronunciation as Pronunciation
    from speakergmm.hmm.models.bank import MixtureBank as MixtureBank
    from speakergmm.hmm.models.phone_models import PhoneModels as PhoneModels
    from speakergmm.hmm.models.topology import Topology as Topology
    from speakergmm.hmm.models.transcript_texts import TranscriptTexts as TranscriptTexts
    from speakergmm.hmm.models.transitions import Transitions as Transitions
    from speakergmm.hmm.models.tying import Tying as Tying
    from speakergmm.hmm.models.unit_edges import UnknownWordError as UnknownWordError
    from speakergmm.hmm.models.utterance_graph import UtteranceGraph as UtteranceGraph
    from speakergmm.hmm.models.utterance_graph import compile_transcript as compile_transcript
    from speakergmm.hmm.training.map_options import MapOptions as MapOptions
    from speakergmm.hmm.training.phone_adaptation import adapt_phone_models as adapt_phone_models
    from speakergmm.hmm.training.phone_training import train_phone_models as train_phone_models
    from speakergmm.hmm.training.phone_training import utterance_moments as utterance_moments
    from speakergmm.hmm.training.phone_training_state import FailedUtterance as FailedUtterance
    from speakergmm.hmm.training.phone_training_state import TrainingIteration as TrainingIteration
    from speakergmm.hmm.training.phone_training_state import TrainingResult as TrainingResult
    from speakergmm.hmm.training.phone_training_state import TrainingState as TrainingState
    from speakergmm.hmm.training.schedule import ANNEALED as ANNEALED
    from speakergmm.hmm.training.schedule import TrainingSchedule as TrainingSchedule

__getattr__, __dir__ = lazy_names(__name__)
