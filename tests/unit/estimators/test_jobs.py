"""`n_jobs` of estimators: a number, or None for the engine in use."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn.base import clone

from speakergmm import (
    BayesianGaussianMixture,
    DirichletProcessMixture,
    GaussianMixture,
    GaussianMixtureHMM,
    HMMClassifier,
)
from speakergmm.engine import use
from speakergmm.errors import InvalidTypeError
from speakergmm.estimators import GaussianMixtureOutlierDetector, GaussianMixtureRegressor

RNG = np.random.default_rng(0)
FRAMES = np.concatenate([RNG.normal(-3, 1, (100, 2)), RNG.normal(3, 1, (100, 2))])
SEQUENCES, LABELS = list(FRAMES.reshape(8, 25, 2)), [0, 0, 0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("estimator", "data"),
    [
        (GaussianMixture(2), (FRAMES,)),
        (BayesianGaussianMixture(n_components=2), (FRAMES,)),
        (DirichletProcessMixture(n_sweeps=3), (FRAMES,)),
        (GaussianMixtureOutlierDetector(), (FRAMES,)),
        (GaussianMixtureRegressor(), (FRAMES[:, :1], FRAMES[:, 1])),
        (GaussianMixtureHMM(2), (FRAMES,)),
        (HMMClassifier(GaussianMixtureHMM(1)), (SEQUENCES, LABELS)),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_executor_is_refused_where_clone_cannot_copy_it(estimator, data):
    with ThreadPoolExecutor(2) as executor:
        with pytest.raises(InvalidTypeError, match=r"number of workers or None.*engine\.use"):
            clone(estimator).set_params(n_jobs=executor).fit(*data)
        with use(executor):
            assert clone(estimator).set_params(n_jobs=None).fit(*data).n_jobs is None


def test_a_fitted_estimator_forgets_the_engine_in_use(tmp_path):
    with ThreadPoolExecutor(2) as executor, use(executor):
        model = GaussianMixture(2, random_state=0).fit(FRAMES)
        assert clone(model).get_params()["n_jobs"] is None
    model.save(tmp_path / "model.safetensors")
    loaded = GaussianMixture.load(tmp_path / "model.safetensors")
    assert loaded.n_jobs is None
    np.testing.assert_array_equal(loaded.predict(FRAMES), model.predict(FRAMES))
