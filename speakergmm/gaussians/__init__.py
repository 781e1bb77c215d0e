"""Gaussians of every kind: evaluation, statistics and updates; under mixtures and HMMs.

`Gaussians` are means and one kind of covariances (`Covariances`), without weights. They are made
ready once (`Prepared`), with the log-weights that they are shared out by; an `Evaluator` gives
log-densities and posteriors of blocks of frames; a `FramesPass` goes over all frames and sums
`MixtureStatistics`; `update_gaussians` turns these into new Gaussians, under a `GaussianPrior` or
none. `TrainingSteps` are the E-step and the M-step of an iteration, and `run_training_loop` is the
loop of every training.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.gaussians.accumulate import FramesPass as FramesPass
    from speakergmm.gaussians.covariances import Covariances as Covariances
    from speakergmm.gaussians.em import expectation_maximisation as expectation_maximisation
    from speakergmm.gaussians.em import run_training_loop as run_training_loop
    from speakergmm.gaussians.evaluator import Evaluator as Evaluator
    from speakergmm.gaussians.frame_sources import frame_moments as frame_moments
    from speakergmm.gaussians.parameters import Gaussians as Gaussians
    from speakergmm.gaussians.parameters import covariance_kind as covariance_kind
    from speakergmm.gaussians.prepare import Prepared as Prepared
    from speakergmm.gaussians.prepare import prepare_in_features as prepare_in_features
    from speakergmm.gaussians.statistics import MixtureStatistics as MixtureStatistics
    from speakergmm.gaussians.sums import GaussianSums as GaussianSums
    from speakergmm.gaussians.training_steps import TrainingSteps as TrainingSteps
    from speakergmm.gaussians.updates import GaussianPrior as GaussianPrior
    from speakergmm.gaussians.updates import update_gaussians as update_gaussians

__getattr__, __dir__ = lazy_names(__name__)
