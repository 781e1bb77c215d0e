"""Training of phone models and of dense models: statistics, updates, iterations."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.hmm.training.agglomeration import agglomerate as agglomerate
    from speakergmm.hmm.training.agglomeration import (
        moments_log_likelihood as moments_log_likelihood,
    )
    from speakergmm.hmm.training.aligned_path import AlignedPath as AlignedPath
    from speakergmm.hmm.training.bank_update import BankUpdateReport as BankUpdateReport
    from speakergmm.hmm.training.bank_update import adapt_bank as adapt_bank
    from speakergmm.hmm.training.bank_update import allot_gaussians as allot_gaussians
    from speakergmm.hmm.training.bank_update import grow_bank as grow_bank
    from speakergmm.hmm.training.bank_update import update_bank as update_bank
    from speakergmm.hmm.training.context_statistics import ContextStatistics as ContextStatistics
    from speakergmm.hmm.training.context_statistics import path_contexts as path_contexts
    from speakergmm.hmm.training.dense_options import DenseTrainingOptions as DenseTrainingOptions
    from speakergmm.hmm.training.dense_start import initialise_emissions as initialise_emissions
    from speakergmm.hmm.training.dense_training import (
        HiddenMarkovIteration as HiddenMarkovIteration,
    )
    from speakergmm.hmm.training.dense_training import sequence_moments as sequence_moments
    from speakergmm.hmm.training.dense_training import train_dense_model as train_dense_model
    from speakergmm.hmm.training.map_options import MapOptions as MapOptions
    from speakergmm.hmm.training.phone_adaptation import adapt_phone_models as adapt_phone_models
    from speakergmm.hmm.training.phone_statistics import PhoneExpectation as PhoneExpectation
    from speakergmm.hmm.training.phone_statistics import PhoneStatistics as PhoneStatistics
    from speakergmm.hmm.training.phone_statistics import equal_path as equal_path
    from speakergmm.hmm.training.phone_trainer import PhoneTrainer as PhoneTrainer
    from speakergmm.hmm.training.phone_training import train_phone_models as train_phone_models
    from speakergmm.hmm.training.phone_training import utterance_moments as utterance_moments
    from speakergmm.hmm.training.phone_training_state import FailedUtterance as FailedUtterance
    from speakergmm.hmm.training.phone_training_state import TrainingIteration as TrainingIteration
    from speakergmm.hmm.training.phone_training_state import TrainingResult as TrainingResult
    from speakergmm.hmm.training.phone_training_state import TrainingState as TrainingState
    from speakergmm.hmm.training.question_clustering import cluster_questions as cluster_questions
    from speakergmm.hmm.training.schedule import ANNEALED as ANNEALED
    from speakergmm.hmm.training.schedule import TrainingSchedule as TrainingSchedule
    from speakergmm.hmm.training.tree_growth import grow_tree as grow_tree
    from speakergmm.hmm.training.tree_options import TreeOptions as TreeOptions
    from speakergmm.hmm.training.triphone_start import triphone_models as triphone_models
    from speakergmm.hmm.training.utterance_shards import FrameStore as FrameStore
    from speakergmm.hmm.training.utterance_shards import SharedFrameStore as SharedFrameStore

__getattr__, __dir__ = lazy_names(__name__)
