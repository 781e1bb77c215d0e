"""Estimators with scikit-learn's interface, on the mixture core.

`GaussianMixture` and `BayesianGaussianMixture` take the place of scikit-learn's; the others fit
mixtures whose size the data decide (`DirichletProcessMixture`, `select_n_components`), regress
(`GaussianMixtureRegressor`) and find what does not belong (`GaussianMixtureOutlierDetector`).
`GaussianMixtureHMM` takes the place of hmmlearn's GMMHMM, and `HMMClassifier` tells isolated words.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.estimators.bayesian import BayesianGaussianMixture as BayesianGaussianMixture
    from speakergmm.estimators.dirichlet_process import (
        DirichletProcessMixture as DirichletProcessMixture,
    )
    from speakergmm.estimators.gaussian import GaussianMixture as GaussianMixture
    from speakergmm.estimators.history import FitIteration as FitIteration
    from speakergmm.estimators.hmm.classifier import HMMClassifier as HMMClassifier
    from speakergmm.estimators.hmm.gaussian_mixture_hmm import (
        GaussianMixtureHMM as GaussianMixtureHMM,
    )
    from speakergmm.estimators.hmm.monitor import FitMonitor as FitMonitor
    from speakergmm.estimators.information_criteria import count_parameters as count_parameters
    from speakergmm.estimators.outlier import (
        GaussianMixtureOutlierDetector as GaussianMixtureOutlierDetector,
    )
    from speakergmm.estimators.regression import (
        GaussianMixtureRegressor as GaussianMixtureRegressor,
    )
    from speakergmm.estimators.selection.component_selection import (
        select_n_components as select_n_components,
    )
    from speakergmm.estimators.selection.selection_path import Selection as Selection

__getattr__, __dir__ = lazy_names(__name__)
