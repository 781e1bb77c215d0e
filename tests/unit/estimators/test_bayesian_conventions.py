"""BayesianGaussianMixture with scikit-learn's tools; its files; its errors."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from speakergmm.errors import ModelFormatError
from speakergmm.estimators import BayesianGaussianMixture, GaussianMixture

KINDS = ("full", "tied", "diag", "spherical")
WEIGHTS = ("dirichlet_process", "dirichlet_distribution")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def _expected_to_fail(estimator):
    # The check shuffles frames; which ones a random start takes depends on their order.
    if estimator.n_components == 1:
        return {}
    return {"check_sample_weight_equivalence_on_dense_data": "a random start depends on the order"}


@pytest.mark.slow
@parametrize_with_checks(
    [
        BayesianGaussianMixture(),
        BayesianGaussianMixture(n_components=2, covariance_type="diag", init_params="k-means++"),
        BayesianGaussianMixture(covariance_type="tied", n_jobs=2, warm_start=True),
        BayesianGaussianMixture(
            covariance_type="spherical",
            covariance_prior_type="conjugate",
            weight_concentration_prior_type="dirichlet_distribution",
        ),
    ],
    expected_failed_checks=_expected_to_fail,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("prior_type", ["wishart", "conjugate"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_files_keep_all(clusters, tmp_path, kind, weights, prior_type):
    mixture = BayesianGaussianMixture(
        n_components=3,
        covariance_type=kind,
        weight_concentration_prior_type=weights,
        covariance_prior_type=prior_type,
        mean_prior=[0.0, 1.0, 2.0],
        random_state=0,
    ).fit(clusters)
    mixture.save(tmp_path / "m.safetensors")
    loaded = BayesianGaussianMixture.load(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(loaded.score_samples(clusters), mixture.score_samples(clusters))
    np.testing.assert_array_equal(
        loaded.predictive_log_density(clusters), mixture.predictive_log_density(clusters)
    )
    assert loaded.elbo_ == mixture.elbo_
    np.testing.assert_array_equal(loaded.covariance_prior_, mixture.covariance_prior_)
    np.testing.assert_array_equal(loaded.weight_concentration_, mixture.weight_concentration_)
    assert loaded.n_effective() == mixture.n_effective()
    with pytest.raises(ModelFormatError, match="is a Bayesian Gaussian mixture, not a"):
        GaussianMixture.load(tmp_path / "m.safetensors")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_concentration_prior_type": "pitman_yor"}, "weight_concentration_prior_type"),
        ({"covariance_prior_type": "gamma"}, "covariance_prior_type"),
        ({"weight_concentration_prior": 0.0}, "'weight_concentration_prior' parameter .* Got 0.0"),
        ({"mean_precision_prior": -1.0}, "'mean_precision_prior' parameter .* Got -1.0"),
        ({"degrees_of_freedom_prior": 2.0}, "should be greater than 2, but got 2.000"),
        ({"mean_prior": [0.0]}, r"'means' should have the shape of \(3,\), but got \(1,\)"),
        ({"covariance_prior": np.eye(2)}, r"shape of \(3, 3\), but got \(2, 2\)"),
        ({"covariance_prior": -np.eye(3)}, "symmetric, positive-definite"),
        ({"covariance_type": "diag", "covariance_prior": [1, 0, 1]}, "should be positive"),
        ({"covariance_type": "spherical", "covariance_prior": [1.0]}, r"shape of \(\)"),
        ({"covariance_type": "spherical", "covariance_prior": -1.0}, "should be positive"),
    ],
)
def test_priors_that_are_none_are_refused(clusters, changes, message):
    with pytest.raises(ValueError, match=message):
        BayesianGaussianMixture(**changes).fit(clusters)


def test_conjugate_gammas_take_few_degrees_of_freedom(clusters):
    options = {"covariance_type": "diag", "degrees_of_freedom_prior": 0.5}
    mixture = BayesianGaussianMixture(covariance_prior_type="conjugate", **options).fit(clusters)
    assert mixture.degrees_of_freedom_[0] == pytest.approx(300.5)
    with pytest.raises(ValueError, match=r"should be greater than 2, but got 0\.500"):
        BayesianGaussianMixture(**options).fit(clusters)


def test_it_works_among_scikit_learns_tools(clusters):
    pipeline = make_pipeline(
        StandardScaler(), BayesianGaussianMixture(n_components=3, random_state=0)
    ).fit(clusters)
    copy = pickle.loads(pickle.dumps(pipeline))
    np.testing.assert_array_equal(copy.score_samples(clusters), pipeline.score_samples(clusters))
    assert copy[-1].elbo_ == pipeline[-1].elbo_
    fresh = clone(pipeline[-1])
    assert not hasattr(fresh, "posterior_")
    assert fresh.get_params() == pipeline[-1].get_params()
    search = GridSearchCV(fresh, {"n_components": [1, 3]}, cv=2).fit(clusters)
    assert search.best_params_ == {"n_components": 3}


def test_parameters_have_the_type_of_the_frames(clusters):
    mixture = BayesianGaussianMixture(n_components=2, random_state=0)
    mixture.fit(clusters.astype(np.float32))
    for name in ("means_", "covariances_", "precisions_", "weights_", "mean_precision_"):
        assert getattr(mixture, name).dtype == np.float32, name
    assert all(part.dtype == np.float32 for part in mixture.weight_concentration_)
    assert mixture.score_samples(clusters.astype(np.float32)).dtype == np.float32
    assert mixture.posterior_.means.dtype == np.float64


def test_questions_before_the_fit_are_refused():
    mixture = BayesianGaussianMixture()
    for ask in (mixture.n_effective, lambda: mixture.predictive_log_density([[0.0]])):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            ask()
    assert not hasattr(mixture, "weight_concentration_")
