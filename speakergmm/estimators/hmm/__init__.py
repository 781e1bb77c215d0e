"""Hidden Markov models with hmmlearn's interface, and a classifier of sequences."""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.estimators.hmm.classifier import HMMClassifier as HMMClassifier
    from speakergmm.estimators.hmm.gaussian_mixture_hmm import (
        GaussianMixtureHMM as GaussianMixtureHMM,
    )
    from speakergmm.estimators.hmm.monitor import FitMonitor as FitMonitor

__getattr__, __dir__ = lazy_names(__name__)
