"""Estimators with scikit-learn's interface, on the mixture core.

`GaussianMixture` and `BayesianGaussianMixture` take the place of scikit-learn's; the others fit
mixtures whose size the data decide (`DirichletProcessMixture`, `select_n_components`), regress
(`GaussianMixtureRegressor`) and detect outliers (`GaussianMixtureOutlierDetector`, whose threshold
`calibrate_threshold` sets for scores of any model). `GaussianMixtureHMM` takes the place of
hmmlearn's GMMHMM, and `HMMClassifier` recognises isolated words. `from_scikit_learn`,
`to_scikit_learn`, `from_hmmlearn`, `to_hmmlearn` and `to_hmmlearn_gaussian` convert models of
these libraries. What a fit and a selection report is a `FitHistory` and a `Selection`.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.estimators.bayesian import BayesianGaussianMixture as BayesianGaussianMixture
    from speakergmm.estimators.conversion import from_hmmlearn as from_hmmlearn
    from speakergmm.estimators.conversion import from_scikit_learn as from_scikit_learn
    from speakergmm.estimators.conversion import to_hmmlearn as to_hmmlearn
    from speakergmm.estimators.conversion import to_hmmlearn_gaussian as to_hmmlearn_gaussian
    from speakergmm.estimators.conversion import to_scikit_learn as to_scikit_learn
    from speakergmm.estimators.dirichlet_process import (
        DirichletProcessMixture as DirichletProcessMixture,
    )
    from speakergmm.estimators.embeddings import EmbeddingTransformer as EmbeddingTransformer
    from speakergmm.estimators.gaussian import GaussianMixture as GaussianMixture
    from speakergmm.estimators.history import FitHistory as FitHistory
    from speakergmm.estimators.history import FitIteration as FitIteration
    from speakergmm.estimators.hmm.classifier import HMMClassifier as HMMClassifier
    from speakergmm.estimators.hmm.gaussian_mixture_hmm import (
        GaussianMixtureHMM as GaussianMixtureHMM,
    )
    from speakergmm.estimators.hmm.monitor import FitMonitor as FitMonitor
    from speakergmm.estimators.information_criteria import as_counts as as_counts
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
    from speakergmm.estimators.selection.selection_path import SelectionRow as SelectionRow
    from speakergmm.estimators.threshold import ThresholdCalibration as ThresholdCalibration
    from speakergmm.estimators.threshold import calibrate_threshold as calibrate_threshold
    from speakergmm.estimators.threshold import proportion_interval as proportion_interval
    from speakergmm.estimators.threshold import quantile_interval as quantile_interval
    from speakergmm.estimators.threshold import samples_needed as samples_needed

__getattr__, __dir__ = lazy_names(__name__)
