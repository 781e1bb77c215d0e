"""Best paths: forced alignment, decoding graphs, search, lattices, isolated words."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.hmm.decoding.alignment_kernels import posteriors_on_path as posteriors_on_path
    from speakergmm.hmm.decoding.beam_search import DecodingResult as DecodingResult
    from speakergmm.hmm.decoding.beam_search import decode as decode
    from speakergmm.hmm.decoding.beam_search import decode_emissions as decode_emissions
    from speakergmm.hmm.decoding.decoding_graph import build_decoding_graph as build_decoding_graph
    from speakergmm.hmm.decoding.decoding_graph import phone_graph as phone_graph
    from speakergmm.hmm.decoding.decoding_graph import word_graph as word_graph
    from speakergmm.hmm.decoding.decoding_options import AlignmentOptions as AlignmentOptions
    from speakergmm.hmm.decoding.decoding_options import (
        DecodingGraphOptions as DecodingGraphOptions,
    )
    from speakergmm.hmm.decoding.decoding_options import DecodingOptions as DecodingOptions
    from speakergmm.hmm.decoding.exact_search import ExactSearch as ExactSearch
    from speakergmm.hmm.decoding.forced_alignment import Aligner as Aligner
    from speakergmm.hmm.decoding.forced_alignment import align as align
    from speakergmm.hmm.decoding.fst import make_transducer as make_transducer
    from speakergmm.hmm.decoding.fst import parse_lattice as parse_lattice
    from speakergmm.hmm.decoding.fst import read_lattice as read_lattice
    from speakergmm.hmm.decoding.hypotheses import Hypothesis as Hypothesis
    from speakergmm.hmm.decoding.hypotheses import rescore as rescore
    from speakergmm.hmm.decoding.isolated import IsolatedWords as IsolatedWords
    from speakergmm.hmm.decoding.isolated import WordScore as WordScore
    from speakergmm.hmm.decoding.lattice import Lattice as Lattice
    from speakergmm.hmm.decoding.nbest import log_probability_of_words as log_probability_of_words
    from speakergmm.hmm.decoding.nbest import path_of_words as path_of_words
    from speakergmm.hmm.decoding.nbest import word_sequences as word_sequences
    from speakergmm.hmm.decoding.segments import Alignment as Alignment
    from speakergmm.hmm.decoding.segments import Segment as Segment
    from speakergmm.hmm.decoding.transducer import DecodingGraph as DecodingGraph

__getattr__, __dir__ = lazy_names(__name__)
