"""Gaussians of every kind: evaluation, statistics and updates; under mixtures and HMMs.

`Gaussians` are means and one kind of covariances (`Covariances`), without weights. They are made
ready once (`Prepared`), with the log-weights that they are shared out by; an `Evaluator` gives
log-densities and posteriors of blocks of frames; a `FramesPass` goes over all frames and sums
`MixtureStatistics`; `update_gaussians` turns these into new Gaussians, under a `GaussianPrior` or
none. `Steps` are the two halves of an iteration, and `run` is the loop of training.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.gaussians.accumulate import FramesPass as FramesPass
    from speakergmm.gaussians.covariances import Covariances as Covariances
    from speakergmm.gaussians.em import expectation_maximisation as expectation_maximisation
    from speakergmm.gaussians.em import run as run
    from speakergmm.gaussians.evaluation import Evaluator as Evaluator
    from speakergmm.gaussians.frames import survey_frames as survey_frames
    from speakergmm.gaussians.parameters import Gaussians as Gaussians
    from speakergmm.gaussians.parameters import covariance_kind as covariance_kind
    from speakergmm.gaussians.prepare import Prepared as Prepared
    from speakergmm.gaussians.prepare import prepare_in_features as prepare_in_features
    from speakergmm.gaussians.statistics import MixtureStatistics as MixtureStatistics
    from speakergmm.gaussians.steps import Steps as Steps
    from speakergmm.gaussians.sums import GaussianSums as GaussianSums
    from speakergmm.gaussians.updates import GaussianPrior as GaussianPrior
    from speakergmm.gaussians.updates import update_gaussians as update_gaussians

__getattr__, __dir__ = lazy_names(__name__)
