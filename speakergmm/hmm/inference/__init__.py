"""Inference over sparse graphs: forward-backward, Viterbi, and sequences of frames."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.hmm.inference.algorithms import ExpectedCounts as ExpectedCounts
    from speakergmm.hmm.inference.algorithms import ForwardBackward as ForwardBackward
    from speakergmm.hmm.inference.algorithms import expected_counts as expected_counts
    from speakergmm.hmm.inference.algorithms import forward_backward as forward_backward
    from speakergmm.hmm.inference.algorithms import (
        sequence_log_likelihood as sequence_log_likelihood,
    )
    from speakergmm.hmm.inference.algorithms import viterbi as viterbi
    from speakergmm.hmm.inference.graph import Graph as Graph
    from speakergmm.hmm.inference.graph import NoPathError as NoPathError
    from speakergmm.hmm.inference.graph_structure import UNREACHABLE as UNREACHABLE
    from speakergmm.hmm.inference.recursions import ViterbiPath as ViterbiPath
    from speakergmm.hmm.inference.sequences import (
        ImpossibleSequenceError as ImpossibleSequenceError,
    )
    from speakergmm.hmm.inference.sequences import Sequences as Sequences
    from speakergmm.hmm.inference.sequences import as_sequences as as_sequences
    from speakergmm.hmm.inference.sequences import check_sequence_weights as check_sequence_weights

__getattr__, __dir__ = lazy_names(__name__)
