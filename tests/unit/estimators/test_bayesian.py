"""BayesianGaussianMixture: equality with scikit-learn's from equal random states, and additions."""

import numpy as np
import pytest
from sklearn.mixture import BayesianGaussianMixture as TheirMixture

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import BayesianGaussianMixture, GaussianMixture

KINDS = ("full", "tied", "diag", "spherical")
WEIGHTS = ("dirichlet_process", "dirichlet_distribution")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("init", "weights"),
    [
        ("kmeans", "dirichlet_process"),
        ("k-means++", "dirichlet_distribution"),
        ("random", "dirichlet_process"),
        ("random_from_data", "dirichlet_distribution"),
    ],
)
def test_it_follows_scikit_learn(clusters, kind, weights, init):
    options = {
        "n_components": 5,
        "covariance_type": kind,
        "weight_concentration_prior_type": weights,
        "init_params": init,
        "random_state": 3,
        "max_iter": 15,
    }
    X = clusters[::3]
    theirs = TheirMixture(**options).fit(X)
    ours = BayesianGaussianMixture(**options).fit(X)
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.converged_ == theirs.converged_
    # scikit-learn's bounds of a tied mixture are arrays of one number.
    bounds = [float(np.squeeze(bound)) for bound in theirs.lower_bounds_]
    np.testing.assert_allclose(ours.lower_bounds_, bounds, rtol=1e-9)
    assert ours.lower_bound_ == pytest.approx(float(np.squeeze(theirs.lower_bound_)), rel=1e-9)
    for name in (
        "weights_",
        "means_",
        "covariances_",
        "precisions_",
        "precisions_cholesky_",
        "weight_concentration_",
        "mean_precision_",
        "degrees_of_freedom_",
        "weight_concentration_prior_",
        "mean_precision_prior_",
        "mean_prior_",
        "degrees_of_freedom_prior_",
        "covariance_prior_",
    ):
        np.testing.assert_allclose(
            getattr(ours, name), getattr(theirs, name), rtol=1e-8, atol=1e-9, err_msg=name
        )
    new = clusters[1::3]
    np.testing.assert_allclose(ours.score_samples(new), theirs.score_samples(new), rtol=1e-9)
    np.testing.assert_allclose(
        ours.predict_proba(new), theirs.predict_proba(new), rtol=1e-7, atol=1e-12
    )
    np.testing.assert_array_equal(ours.predict(new), theirs.predict(new))
    for one, two in zip(ours.sample(50), theirs.sample(50), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_given_priors_are_kept_and_followed(clusters, kind):
    covariance = np.diag([1.0, 2.0, 3.0]) + 0.2
    options = {
        "n_components": 3,
        "covariance_type": kind,
        "weight_concentration_prior": 0.3,
        "mean_precision_prior": 0.2,
        "mean_prior": [1.0, -1.0, 0.5],
        "degrees_of_freedom_prior": 5.5,
        "covariance_prior": {"diag": [1.0, 2.0, 3.0], "spherical": 1.7}.get(kind, covariance),
        "random_state": 0,
        "n_init": 2,
        "max_iter": 10,
        "reg_covar": 0.1,
    }
    theirs, ours = TheirMixture(**options).fit(clusters), BayesianGaussianMixture(**options)
    ours.fit(clusters)
    np.testing.assert_allclose(ours.covariances_, theirs.covariances_, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(ours.covariance_prior_, options["covariance_prior"])
    np.testing.assert_array_equal(ours.mean_prior_, options["mean_prior"])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_integer_weights_are_copies(clusters, kind, weights):
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 4, len(clusters))
    options = {
        "n_components": 4,
        "covariance_type": kind,
        "weight_concentration_prior_type": weights,
        "init_params": "splitting",
        "max_iter": 20,
        "tol": 0.0,
    }
    weighted = BayesianGaussianMixture(**options).fit(clusters, sample_weight=counts)
    copied = BayesianGaussianMixture(**options).fit(np.repeat(clusters, counts, axis=0))
    np.testing.assert_allclose(weighted.means_, copied.means_, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(weighted.covariances_, copied.covariances_, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(weighted.covariance_prior_, copied.covariance_prior_, rtol=1e-10)
    assert weighted.elbo_ == pytest.approx(copied.elbo_, rel=1e-9)
    assert weighted.lower_bound_ == pytest.approx(copied.lower_bound_, rel=1e-9)


def test_blocks_are_one_array(clusters):
    options = {"n_components": 4, "init_params": "random", "random_state": 0, "max_iter": 5}
    whole = BayesianGaussianMixture(**options).fit(clusters)
    blocks = np.split(clusters, [10, 11, 200])
    parts = BayesianGaussianMixture(**options).fit(blocks)
    np.testing.assert_allclose(parts.means_, whole.means_, rtol=1e-10, atol=1e-12)
    assert parts.elbo_ == pytest.approx(whole.elbo_, rel=1e-12)
    np.testing.assert_array_equal(parts.predict(blocks), whole.predict(clusters))


@pytest.mark.parametrize("prior_type", ["wishart", "conjugate"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", WEIGHTS)
def test_clusters_that_are_not_there_stay_empty(kind, weights, prior_type):
    rng = np.random.default_rng(4)
    centres = [[0.0, 0.0, 0.0], [8.0, 0.0, 0.0], [0.0, 8.0, 8.0]]
    clusters = np.concatenate([rng.normal(centre, 1.0, (100, 3)) for centre in centres])
    mixture = BayesianGaussianMixture(
        n_components=10,
        covariance_type=kind,
        covariance_prior_type=prior_type,
        weight_concentration_prior_type=weights,
        weight_concentration_prior=1e-3,
        max_iter=1000,
        random_state=0,
    ).fit(clusters)
    assert mixture.converged_
    assert mixture.n_effective() == 3
    assert sorted(np.bincount(mixture.predict(clusters)))[-3:] == [100, 100, 100]
    assert mixture.weights_.sum() == pytest.approx(1.0)


@pytest.mark.slow
def test_the_evidence_bound_finds_the_number_of_clusters(clusters):
    bounds = [
        BayesianGaussianMixture(
            n_components=k,
            weight_concentration_prior=1.0,
            weight_concentration_prior_type="dirichlet_distribution",
            random_state=0,
            n_init=2,
        )
        .fit(clusters)
        .elbo_
        for k in range(1, 6)
    ]
    assert int(np.argmax(bounds)) + 1 == 3


def test_the_predictive_density_is_a_density_of_the_frames(clusters):
    train, test = clusters[::2], clusters[1::2]
    # A prior that hardly widens the clusters.
    bayesian = BayesianGaussianMixture(
        n_components=3, covariance_prior=np.eye(3), mean_precision_prior=1e-3, random_state=0
    ).fit(train)
    plain = GaussianMixture(3, random_state=0).fit(train)
    found = bayesian.predictive_log_density(test)
    assert found.shape == (150,)
    assert found.mean() == pytest.approx(plain.score(test), abs=0.1)
    blocks = bayesian.predictive_log_density(np.split(test, [20]))
    np.testing.assert_allclose(blocks, found, rtol=1e-12)


def test_history_and_callback_have_the_bounds(clusters):
    seen = []
    mixture = BayesianGaussianMixture(n_components=4, random_state=0, callback=seen.append)
    mixture.fit(clusters)
    assert [iteration.bound for iteration in seen] == mixture.lower_bounds_
    assert mixture.history_.bounds == tuple(mixture.lower_bounds_)
    assert mixture.lower_bound_ == mixture.lower_bounds_[-1]


def test_warm_start_goes_on(clusters):
    whole = BayesianGaussianMixture(n_components=4, random_state=0, max_iter=6, tol=0.0)
    whole.fit(clusters)
    steps = BayesianGaussianMixture(
        n_components=4, random_state=0, max_iter=3, tol=0.0, warm_start=True
    )
    steps.fit(clusters).fit(clusters)
    np.testing.assert_allclose(steps.means_, whole.means_, rtol=1e-10)
    assert steps.elbo_ == pytest.approx(whole.elbo_, rel=1e-12)
    steps.set_params(covariance_type="diag")
    with pytest.raises(InvalidInputError, match=r"warm_start .* 4 full components"):
        steps.fit(clusters)


def test_warm_start_after_convergence_ends_at_once(clusters):
    mixture = BayesianGaussianMixture(n_components=3, random_state=0, warm_start=True, tol=1e-2)
    mixture.fit(clusters)
    assert mixture.converged_
    bound = mixture.lower_bound_
    mixture.fit(clusters)
    assert mixture.n_iter_ == 1
    assert mixture.converged_
    assert 0 <= mixture.lower_bound_ - bound < 1e-2


def test_warm_start_on_other_frames_learns_them(clusters):
    mixture = BayesianGaussianMixture(n_components=3, random_state=0, warm_start=True)
    mixture.fit(clusters)
    mixture.fit(clusters * 3.0)
    fresh = BayesianGaussianMixture(n_components=3, random_state=0).fit(clusters * 3.0)
    assert mixture.convergence_ == "converged"
    np.testing.assert_allclose(
        np.sort(mixture.means_[:, 0]), np.sort(fresh.means_[:, 0]), rtol=1e-2, atol=0.05
    )


def test_without_iterations_the_start_is_the_result(clusters):
    options = {"n_components": 3, "random_state": 0, "max_iter": 0}
    ours, theirs = (
        kind(**options).fit(clusters) for kind in (BayesianGaussianMixture, TheirMixture)
    )
    np.testing.assert_allclose(ours.covariances_, theirs.covariances_, rtol=1e-10, atol=1e-12)
    assert ours.elbo_ == -np.inf
    assert ours.lower_bounds_ == []
