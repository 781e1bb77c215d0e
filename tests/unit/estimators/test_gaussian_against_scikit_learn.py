"""GaussianMixture against scikit-learn's: equal results from the same start and random state."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import mixture as reference

from speakergmm.estimators import GaussianMixture

KINDS = ["full", "tied", "diag", "spherical"]
INITS = ["kmeans", "k-means++", "random_from_data", "random"]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.fixture(scope="module")
def given():
    """Return weights, means and precisions of a start that is far from the result."""
    rng = np.random.default_rng(1)
    roots = rng.normal(size=(3, 3, 3))
    full = np.eye(3) + roots @ np.swapaxes(roots, 1, 2) / 3
    precisions = {
        "full": full,
        "tied": full[0],
        "diag": rng.uniform(0.2, 1.0, (3, 3)),
        "spherical": np.array([0.1, 0.5, 1.0]),
    }
    means = np.array([[-3.0, 3.0, 5.0], [1.0, 2.0, 1.0], [4.0, 2.0, 2.0]])
    return np.array([0.2, 0.5, 0.3]), means, precisions


def both(frames, **parameters):
    ours = GaussianMixture(precision="float64", **parameters).fit(frames)
    theirs = reference.GaussianMixture(**parameters).fit(frames)
    return ours, theirs


def assert_same_parameters(ours, theirs, rtol):
    # scikit-learn's weights of a start from single frames sum to K / N.
    assert_allclose(ours.weights_, theirs.weights_ / theirs.weights_.sum(), rtol=rtol)
    assert_allclose(ours.means_, theirs.means_, rtol=rtol, atol=rtol)
    assert_allclose(ours.covariances_, theirs.covariances_, rtol=rtol, atol=rtol)
    assert_allclose(ours.precisions_, theirs.precisions_, rtol=rtol, atol=rtol)
    assert_allclose(ours.precisions_cholesky_, theirs.precisions_cholesky_, rtol=rtol, atol=rtol)


@pytest.mark.parametrize(
    ("iterations", "reg_covar"), [(1, 1e-6), (2, 0.0), (3, 0.1), (4, 1e-6), (5, 0.0), (5, 0.1)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_step_by_step_from_a_given_start(clusters, given, kind, iterations, reg_covar):
    weights, means, precisions = given
    ours, theirs = both(
        clusters,
        n_components=3,
        covariance_type=kind,
        weights_init=weights,
        means_init=means,
        precisions_init=precisions[kind],
        max_iter=iterations,
        tol=0.0,
        reg_covar=reg_covar,
    )
    assert ours.n_iter_ == theirs.n_iter_ == iterations
    assert_same_parameters(ours, theirs, rtol=1e-10)
    assert_allclose(ours.lower_bounds_, theirs.lower_bounds_, rtol=1e-12)
    assert ours.lower_bound_ == ours.lower_bounds_[-1]


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("kind", KINDS)
def test_whole_fit_from_a_random_state(clusters, kind, init):
    ours, theirs = both(
        clusters, n_components=4, covariance_type=kind, init_params=init, random_state=7, tol=1e-5
    )
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.converged_ == theirs.converged_
    assert_same_parameters(ours, theirs, rtol=1e-7)
    assert_allclose(ours.lower_bounds_[1:], theirs.lower_bounds_[1:], rtol=1e-10)
    # The first bound of scikit-learn's may count weights that sum to K / T.
    single = init in ("k-means++", "random_from_data")
    missing = np.log(len(clusters) / 4) if single else 0.0
    # (Variances of 1e-6 come out of its formula with an error of 1e-7.)
    assert_allclose(ours.lower_bounds_[0], theirs.lower_bounds_[0] + missing, rtol=2e-7)
    assert_allclose(ours.score_samples(clusters), theirs.score_samples(clusters), rtol=1e-8)
    assert_allclose(ours.predict_proba(clusters), theirs.predict_proba(clusters), atol=1e-8)
    assert_array_equal(ours.predict(clusters), theirs.predict(clusters))
    assert_allclose(ours.bic(clusters), theirs.bic(clusters), rtol=1e-10)
    assert_allclose(ours.aic(clusters), theirs.aic(clusters), rtol=1e-10)
    assert_allclose(ours.score(clusters), theirs.score(clusters), rtol=1e-10)


@pytest.mark.parametrize("init", INITS)
def test_restarts_take_the_same_random_numbers(clusters, init):
    ours, theirs = both(
        clusters,
        n_components=6,
        covariance_type="diag",
        init_params=init,
        random_state=3,
        n_init=3,
        max_iter=8,
        tol=0.0,
    )
    assert_same_parameters(ours, theirs, rtol=1e-8)
    assert max(ours.history_.restart_bounds) == ours.lower_bound_
    assert len(set(ours.history_.restart_bounds)) == 3


@pytest.mark.parametrize("missing", ["weights_init", "means_init", "precisions_init"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_start_that_is_given_in_part(clusters, given, kind, missing):
    weights, means, precisions = given
    parts = {"weights_init": weights, "means_init": means, "precisions_init": precisions[kind]}
    del parts[missing]
    ours, theirs = both(
        clusters, n_components=3, covariance_type=kind, random_state=0, max_iter=3, tol=0.0, **parts
    )
    assert_same_parameters(ours, theirs, rtol=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_no_iteration_gives_the_start(clusters, kind):
    ours, theirs = both(
        clusters, n_components=3, covariance_type=kind, random_state=0, max_iter=0, n_init=2
    )
    assert_same_parameters(ours, theirs, rtol=1e-9)
    assert (ours.n_iter_, ours.lower_bound_, ours.lower_bounds_) == (0, -np.inf, [])
    assert not ours.converged_


@pytest.mark.parametrize("kind", KINDS)
def test_sample_draws_the_same_frames(clusters, kind):
    ours, theirs = both(clusters, n_components=3, covariance_type=kind, random_state=0)
    X, y = ours.sample(50)
    expected, components = theirs.sample(50)
    assert_allclose(X, expected, rtol=1e-7, atol=1e-7)
    assert_array_equal(y, components)


@pytest.mark.parametrize("kind", KINDS)
def test_warm_start_goes_on_as_there(clusters, kind):
    parameters = {
        "n_components": 3,
        "covariance_type": kind,
        "init_params": "random",
        "random_state": 0,
        "warm_start": True,
        "max_iter": 2,
        "tol": 1e-3,
    }
    ours = GaussianMixture(precision="float64", **parameters)
    theirs = reference.GaussianMixture(**parameters)
    for _ in range(30):
        ours.fit(clusters)
        theirs.fit(clusters)
        assert ours.n_iter_ == theirs.n_iter_
        assert ours.converged_ == theirs.converged_
        if ours.converged_:
            break
    assert ours.converged_
    assert_same_parameters(ours, theirs, rtol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_number_of_parameters(clusters, kind):
    ours, theirs = both(clusters, n_components=3, covariance_type=kind, random_state=0)
    assert ours._n_parameters() == theirs._n_parameters()


def test_constructor_has_its_parameters_and_defaults():
    ours, theirs = GaussianMixture().get_params(), reference.GaussianMixture().get_params()
    assert {name: ours[name] for name in theirs} == theirs
    assert list(ours) != list(theirs)


def test_fitted_attributes_have_its_names_and_shapes(clusters):
    ours, theirs = both(clusters, n_components=2, random_state=0)
    for name, value in vars(theirs).items():
        if name.endswith("_") and not name.startswith("_"):
            assert np.shape(getattr(ours, name)) == np.shape(value), name
