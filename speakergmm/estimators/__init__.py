"""Estimators with scikit-learn's interface, on the mixture core.

`GaussianMixture` and `BayesianGaussianMixture` take the place of scikit-learn's; the others fit
mixtures whose size the data decide (`DirichletProcessMixture`, `select_n_components`), regress
(`GaussianMixtureRegressor`) and find what does not belong (`GaussianMixtureOutlierDetector`).
`GaussianMixtureHMM` takes the place of hmmlearn's GMMHMM, and `HMMClassifier` tells isolated words.
"""

from speakergmm.estimators.bayesian import BayesianGaussianMixture
from speakergmm.estimators.dirichlet_process import DirichletProcessMixture
from speakergmm.estimators.gaussian import GaussianMixture
from speakergmm.estimators.hmm.classifier import HMMClassifier
from speakergmm.estimators.hmm.gaussian_mixture_hmm import GaussianMixtureHMM
from speakergmm.estimators.hmm.monitor import FitMonitor
from speakergmm.estimators.outlier import GaussianMixtureOutlierDetector
from speakergmm.estimators.regression import GaussianMixtureRegressor
from speakergmm.estimators.selection.search import select_n_components

__all__ = [
    "BayesianGaussianMixture",
    "DirichletProcessMixture",
    "FitMonitor",
    "GaussianMixture",
    "GaussianMixtureHMM",
    "GaussianMixtureOutlierDetector",
    "GaussianMixtureRegressor",
    "HMMClassifier",
    "select_n_components",
]
