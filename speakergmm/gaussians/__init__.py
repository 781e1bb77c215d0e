"""Gaussians of every kind: evaluation, statistics and updates; under mixtures and HMMs.

`Gaussians` are means and one kind of covariances (`Covariances`), without weights. They are
prepared for evaluation once (`Prepared`), together with the log-weights of the mixture; an
`Evaluator` computes log-densities and posteriors of blocks of frames; a `FramesPass` goes over all
frames and sums `MixtureStatistics`; `update_gaussians` computes new Gaussians from these, with or
without a `GaussianPrior`. `TrainingSteps` are the E-step and the M-step of an iteration, and
`run_training_loop` is the loop of every training. Linear transforms of features come from
statistics as well: discriminants (`ClassScatter`), semi-tied covariances
(`estimate_semi_tied_transform`) and a speaker's own (`estimate_constrained_transform`).
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.gaussians.accumulate import FramesPass as FramesPass
    from speakergmm.gaussians.constrained_transform import (
        ConstrainedStatistics as ConstrainedStatistics,
    )
    from speakergmm.gaussians.constrained_transform import (
        ConstrainedTransform as ConstrainedTransform,
    )
    from speakergmm.gaussians.constrained_transform import (
        ConstrainedTransformOptions as ConstrainedTransformOptions,
    )
    from speakergmm.gaussians.constrained_transform import (
        estimate_constrained_transform as estimate_constrained_transform,
    )
    from speakergmm.gaussians.covariances import Covariances as Covariances
    from speakergmm.gaussians.discriminants import ClassScatter as ClassScatter
    from speakergmm.gaussians.discriminants import Discriminants as Discriminants
    from speakergmm.gaussians.discriminants import find_discriminants as find_discriminants
    from speakergmm.gaussians.e_step_m_step import TrainingSteps as TrainingSteps
    from speakergmm.gaussians.e_step_m_step import moment_rounding as moment_rounding
    from speakergmm.gaussians.em import EMState as EMState
    from speakergmm.gaussians.em import expectation_maximisation as expectation_maximisation
    from speakergmm.gaussians.em import run_training_loop as run_training_loop
    from speakergmm.gaussians.evaluator import Evaluator as Evaluator
    from speakergmm.gaussians.frame_scoring import joint_log_densities as joint_log_densities
    from speakergmm.gaussians.frame_sources import FrameShard as FrameShard
    from speakergmm.gaussians.frame_sources import ShardedFrames as ShardedFrames
    from speakergmm.gaussians.frame_sources import check_frame_weights as check_frame_weights
    from speakergmm.gaussians.matrices import floor_matrices as floor_matrices
    from speakergmm.gaussians.parameters import Gaussians as Gaussians
    from speakergmm.gaussians.parameters import covariance_kind as covariance_kind
    from speakergmm.gaussians.prepare import (
        LARGEST_ROUNDING_IN_TRAINING as LARGEST_ROUNDING_IN_TRAINING,
    )
    from speakergmm.gaussians.prepare import Prepared as Prepared
    from speakergmm.gaussians.prepare import prepare_gaussians as prepare_gaussians
    from speakergmm.gaussians.prepare import prepare_in_features as prepare_in_features
    from speakergmm.gaussians.semi_tied import SemiTiedTransform as SemiTiedTransform
    from speakergmm.gaussians.semi_tied import (
        estimate_semi_tied_transform as estimate_semi_tied_transform,
    )
    from speakergmm.gaussians.semi_tied import semi_tied_scatter as semi_tied_scatter
    from speakergmm.gaussians.shard_tasks import MakeSums as MakeSums
    from speakergmm.gaussians.source_moments import frame_moments as frame_moments
    from speakergmm.gaussians.standardisation import Standardisation as Standardisation
    from speakergmm.gaussians.statistics import MixtureStatistics as MixtureStatistics
    from speakergmm.gaussians.sums import GaussianSums as GaussianSums
    from speakergmm.gaussians.sums import SparsePosteriors as SparsePosteriors
    from speakergmm.gaussians.updates import GaussianPrior as GaussianPrior
    from speakergmm.gaussians.updates import update_gaussians as update_gaussians

__getattr__, __dir__ = lazy_names(__name__)
