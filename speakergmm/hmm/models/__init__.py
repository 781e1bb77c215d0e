"""Parts of hidden Markov models: topologies, transitions, tying, densities, transcripts."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.hmm.models.bank import BankEvaluator as BankEvaluator
    from speakergmm.hmm.models.bank import Emissions as Emissions
    from speakergmm.hmm.models.bank import MixtureBank as MixtureBank
    from speakergmm.hmm.models.bank_kernels import aligned_posteriors as aligned_posteriors
    from speakergmm.hmm.models.bank_kernels import sparse_posteriors as sparse_posteriors
    from speakergmm.hmm.models.bank_kernels import sum_by_pdf as sum_by_pdf
    from speakergmm.hmm.models.context_splitting import expand_contexts as expand_contexts
    from speakergmm.hmm.models.decision_tree import DecisionTree as DecisionTree
    from speakergmm.hmm.models.dense import PARAMETERS as PARAMETERS
    from speakergmm.hmm.models.dense import HiddenMarkovParameters as HiddenMarkovParameters
    from speakergmm.hmm.models.dense import check_parameters as check_parameters
    from speakergmm.hmm.models.dense_graph import FINAL as FINAL
    from speakergmm.hmm.models.dense_graph import is_left_right as is_left_right
    from speakergmm.hmm.models.dense_graph import start_of_topology as start_of_topology
    from speakergmm.hmm.models.dense_graph import stationary_distribution as stationary_distribution
    from speakergmm.hmm.models.dense_inference import DenseInference as DenseInference
    from speakergmm.hmm.models.dense_priors import HiddenMarkovPriors as HiddenMarkovPriors
    from speakergmm.hmm.models.dense_priors import make_priors as make_priors
    from speakergmm.hmm.models.dense_sampling import sample_sequence as sample_sequence
    from speakergmm.hmm.models.phone_models import PhoneModels as PhoneModels
    from speakergmm.hmm.models.phone_questions import CENTRE as CENTRE
    from speakergmm.hmm.models.phone_questions import LEFT as LEFT
    from speakergmm.hmm.models.phone_questions import NO_UNIT as NO_UNIT
    from speakergmm.hmm.models.phone_questions import RIGHT as RIGHT
    from speakergmm.hmm.models.phone_questions import STATE as STATE
    from speakergmm.hmm.models.phone_questions import PhoneQuestions as PhoneQuestions
    from speakergmm.hmm.models.topology import ENTRY as ENTRY
    from speakergmm.hmm.models.topology import Topology as Topology
    from speakergmm.hmm.models.transcript_texts import TranscriptTexts as TranscriptTexts
    from speakergmm.hmm.models.transitions import Transitions as Transitions
    from speakergmm.hmm.models.tying import Tying as Tying
    from speakergmm.hmm.models.unit_edges import UnitEdge as UnitEdge
    from speakergmm.hmm.models.unit_edges import UnknownWordError as UnknownWordError
    from speakergmm.hmm.models.unit_edges import transcript_edges as transcript_edges
    from speakergmm.hmm.models.utterance_graph import UnitInstance as UnitInstance
    from speakergmm.hmm.models.utterance_graph import UtteranceGraph as UtteranceGraph
    from speakergmm.hmm.models.utterance_graph import compile_transcript as compile_transcript
    from speakergmm.hmm.models.utterance_graph import compile_units as compile_units

__getattr__, __dir__ = lazy_names(__name__)
