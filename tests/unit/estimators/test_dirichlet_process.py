"""DirichletProcessMixture: scikit-learn's conventions, posterior of clusters, interruption."""

import pickle

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from sklearn.base import clone
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import (
    BayesianGaussianMixture,
    DirichletProcessMixture,
    GaussianMixture,
)
from speakergmm.mixtures.gibbs import NormalInverseWishart, sample_dirichlet_process


@pytest.mark.slow
@parametrize_with_checks(
    [
        DirichletProcessMixture(n_sweeps=30, n_chains=2, concentration=1.0),
        DirichletProcessMixture("diag", n_sweeps=30, n_chains=2, init="sequential", n_jobs=2),
    ]
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
def test_estimator_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
def test_it_finds_the_clusters_and_says_how_sure_it_is(clusters):
    model = DirichletProcessMixture(random_state=0).fit(clusters)
    posterior = model.n_clusters_posterior_
    assert max(posterior, key=posterior.get) == 3
    assert abs(sum(posterior.values()) - 1) < 1e-12
    assert model.n_components_ == 3
    assert model.means_.shape == (3, 3)
    assert np.bincount(model.labels_).tolist() == [100, 100, 100]
    assert adjusted_rand_score(model.labels_, model.predict(clusters)) > 0.99
    np.testing.assert_array_equal(model.predict_proba(clusters).argmax(1), model.predict(clusters))
    assert model.n_clusters_trace_.shape == (4, 200)
    assert model.log_probability_trace_.shape == model.concentration_trace_.shape == (4, 200)
    assert model.n_iter_ == 200


@pytest.mark.slow
def test_convergence_is_judged_by_arviz(clusters):
    pytest.importorskip("arviz")
    model = DirichletProcessMixture(random_state=0).fit(clusters)
    assert set(model.r_hat_) == {"n_clusters", "log_probability", "concentration"}
    assert max(model.r_hat_.values()) < 1.1
    assert min(model.effective_sample_size_.values()) > 50


def test_it_is_the_core_sampler(clusters):
    model = DirichletProcessMixture("diag", n_sweeps=20, random_state=3, prior=None)
    model.fit(clusters)
    seed = int(np.random.RandomState(3).randint(np.iinfo(np.int32).max))
    samples = sample_dirichlet_process(clusters, covariance_type="diag", n_sweeps=20, seed=seed)
    np.testing.assert_array_equal(model.samples_.labels, samples.labels)
    np.testing.assert_array_equal(model.labels_, samples.partition())
    np.testing.assert_array_equal(model.score_samples(clusters), samples.log_predictive(clusters))
    np.testing.assert_array_equal(model.mixture_.means, samples.to_mixture().means)
    assert model.score(clusters) == samples.log_predictive(clusters).mean()


def test_prior_and_point_estimate_reach_the_sampler(clusters):
    prior = NormalInverseWishart(np.zeros(3), 0.1, 8.0, np.eye(3))
    model = DirichletProcessMixture(
        prior=prior, n_sweeps=20, n_chains=2, point_estimate="map", random_state=0
    ).fit(clusters)
    assert model.samples_.prior is prior
    np.testing.assert_array_equal(model.labels_, model.samples_.partition("map"))


def test_blocks_are_the_same_data_as_one_array(clusters):
    model = DirichletProcessMixture(n_sweeps=10, n_chains=2, random_state=0)
    whole = clone(model).fit(clusters)
    parts = clone(model).fit([clusters[:70], clusters[70:]])
    np.testing.assert_array_equal(parts.samples_.labels, whole.samples_.labels)
    np.testing.assert_array_equal(
        parts.predict([clusters[:70], clusters[70:]]), whole.predict(clusters)
    )


def test_float32_in_float32_out(clusters):
    model = DirichletProcessMixture(n_sweeps=20, n_chains=2, random_state=0)
    X = clusters.astype(np.float32)
    model.fit(X)
    assert model.means_.dtype == model.covariances_.dtype == np.float32
    assert model.score_samples(X).dtype == model.predict_proba(X).dtype == np.float32
    assert model.mixture_.means.dtype == np.float64


def test_pipelines_and_pickles(clusters):
    model = make_pipeline(
        StandardScaler(), DirichletProcessMixture(n_sweeps=20, n_chains=2, random_state=0)
    ).fit(clusters)
    copy = pickle.loads(pickle.dumps(model))
    np.testing.assert_array_equal(copy.predict(clusters), model.predict(clusters))
    np.testing.assert_array_equal(copy.score_samples(clusters), model.score_samples(clusters))
    assert not copy[-1].mixture_.means.flags.writeable


def test_interruption_leaves_the_estimator_as_it_was(clusters):
    def interrupt(event):
        if event.sweep == 5:
            raise KeyboardInterrupt

    model = DirichletProcessMixture(n_sweeps=20, n_chains=2, random_state=0, callback=interrupt)
    with pytest.raises(KeyboardInterrupt):
        model.fit(clusters)
    assert not hasattr(model, "samples_")
    assert not hasattr(model, "labels_")
    model.set_params(callback=None).fit(clusters)
    before = model.samples_, model.labels_, model.mixture_
    with pytest.raises(KeyboardInterrupt):
        model.set_params(callback=interrupt).fit(clusters + 1)
    assert (model.samples_, model.labels_, model.mixture_) == before


@pytest.mark.parametrize(
    "parameters",
    [
        {"covariance_type": "tied"},
        {"point_estimate": "mean"},
        {"n_sweeps": 0},
        {"n_sweeps": 1.5},
        {"n_chains": "two"},
        {"n_kept": 0},
        {"burn_in": -1},
        {"burn_in": 200},
        {"init": 0},
        {"init": 2.5},
        {"init": "kmeans"},
        {"concentration": 0.0},
        {"concentration": "one"},
        {"concentration": (1.0, 0.0)},
        {"within_fraction": 1.0},
        {"within_fraction": 0.0},
        {"prior": 3},
        {"verbose": "much"},
        {"callback": 3},
        {"n_jobs": 0},
    ],
)
def test_bad_parameters_are_refused(clusters, parameters):
    name = next(iter(parameters))
    with pytest.raises(InvalidInputError, match=name):
        DirichletProcessMixture(**parameters).fit(clusters)


def test_nan_is_named_by_row_and_column(clusters):
    X = clusters.copy()
    X[17, 2] = np.nan
    with pytest.raises(InvalidInputError, match="found nan at row 17, column 2"):
        DirichletProcessMixture().fit(X)


class Renamed(DirichletProcessMixture):
    """A user's subclass, with parameters of its own."""

    def __init__(self, sweeps=10):
        super().__init__(n_sweeps=sweeps, n_chains=1, random_state=0)
        self.sweeps = sweeps


def test_a_subclass_has_parameters_of_its_own(clusters):
    plain = DirichletProcessMixture(n_sweeps=10, n_chains=1, random_state=0).fit(clusters)
    assert_array_equal(Renamed().fit(clusters).labels_, plain.labels_)
    assert clone(Renamed(sweeps=20)).n_sweeps == 20


def test_a_list_is_a_concentration_like_a_tuple_and_stored_too(clusters, tmp_path):
    found = [
        DirichletProcessMixture(concentration=given, n_sweeps=10, n_chains=1, random_state=0).fit(
            clusters
        )
        for given in ([2.0, 4.0], (2.0, 4.0))
    ]
    assert_array_equal(found[0].labels_, found[1].labels_)
    found[0].save(tmp_path / "mixture")
    assert DirichletProcessMixture.load(tmp_path / "mixture").concentration == (2.0, 4.0)


def test_the_warning_of_a_narrow_type_names_the_line_that_fits(clusters):
    tiny = (clusters * 1e-21).astype(np.float32)
    for model in (
        DirichletProcessMixture(n_sweeps=10, n_chains=1, random_state=0),
        GaussianMixture(2, reg_covar=0.0, random_state=0),
        BayesianGaussianMixture(n_components=2, reg_covar=0.0, random_state=0),
    ):
        with pytest.warns(UserWarning, match="do not fit float32") as warned:
            model.fit(tiny)
        assert {each.filename for each in warned} == {__file__}


def test_the_refusal_of_a_start_names_numbers_too(clusters):
    with pytest.raises(InvalidInputError, match="sequential or a number of clusters, found 'all'"):
        DirichletProcessMixture(init="all").fit(clusters)
