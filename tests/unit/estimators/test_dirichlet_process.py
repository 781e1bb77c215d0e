"""DirichletProcessMixture: scikit-learn's conventions, what it says of clusters, interruption."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from speakergmm.errors import InvalidInputError
from speakergmm.estimators.dirichlet_process import DirichletProcessMixture
from speakergmm.mixtures.gibbs import NormalInverseWishart, sample_dirichlet_process


@parametrize_with_checks(
    [
        DirichletProcessMixture(n_sweeps=30, n_chains=2),
        DirichletProcessMixture(
            "diag", n_sweeps=30, n_chains=2, concentration=(1.0, 1.0), init="sequential", n_jobs=2
        ),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_estimator_checks(estimator, check):
    check(estimator)
