"""Words: lexicons, grammars and n-gram language models."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.hmm.language.arpa import LanguageModelError as LanguageModelError
    from speakergmm.hmm.language.arpa import NGrams as NGrams
    from speakergmm.hmm.language.arpa import read_arpa as read_arpa
    from speakergmm.hmm.language.arpa import write_arpa as write_arpa
    from speakergmm.hmm.language.grammar import Grammar as Grammar
    from speakergmm.hmm.language.grammar import GrammarArc as GrammarArc
    from speakergmm.hmm.language.grammar import GrammarState as GrammarState
    from speakergmm.hmm.language.graphemes import spell as spell
    from speakergmm.hmm.language.language_model import BackoffLanguageModel as BackoffLanguageModel
    from speakergmm.hmm.language.language_model import Perplexity as Perplexity
    from speakergmm.hmm.language.lexicon import Lexicon as Lexicon
    from speakergmm.hmm.language.lexicon import LexiconError as LexiconError
    from speakergmm.hmm.language.ngram import Discounts as Discounts
    from speakergmm.hmm.language.ngram import continuation_counts as continuation_counts
    from speakergmm.hmm.language.ngram import count_ngrams as count_ngrams
    from speakergmm.hmm.language.ngram import kneser_ney_discounts as kneser_ney_discounts
    from speakergmm.hmm.language.ngram import train_ngram as train_ngram
    from speakergmm.hmm.language.ngram_options import NgramOptions as NgramOptions
    from speakergmm.hmm.language.pronunciation import Pronunciation as Pronunciation
    from speakergmm.hmm.language.pronunciation import symbol_fault as symbol_fault

__getattr__, __dir__ = lazy_names(__name__)
