"""The fit of a GaussianMixture: history, options, errors, continuation."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning, NotFittedError

from speakergmm.estimators import GaussianMixture
from speakergmm.mixtures import DiagonalMixture

KINDS = ["full", "tied", "diag", "spherical"]


@pytest.mark.parametrize("kind", KINDS)
def test_one_component_is_the_sample_mean_and_covariance(clusters, kind):
    fitted = GaussianMixture(1, covariance_type=kind, reg_covar=0).fit(clusters)
    covariance = np.cov(clusters.T, bias=True)
    expected = {
        "full": covariance[None],
        "tied": covariance,
        "diag": np.diag(covariance)[None],
        "spherical": np.diag(covariance).mean(keepdims=True),
    }
    assert_allclose(fitted.means_[0], clusters.mean(axis=0), rtol=1e-12)
    assert_allclose(fitted.covariances_, expected[kind], rtol=1e-10)
    assert_array_equal(fitted.weights_, [1.0])
    assert fitted.mixture_.covariance_type == kind
    assert (fitted.convergence_, fitted.n_iter_) == ("converged", 2)


def test_fit_predict_is_fit_and_predict(clusters):
    for max_iter in (1, 3, 100):
        estimator = GaussianMixture(4, random_state=0, max_iter=max_iter, n_init=2)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            labels = estimator.fit_predict(clusters)
        assert_array_equal(labels, estimator.predict(clusters))
        assert labels.dtype == np.int64


def test_callback_receives_each_iteration_of_each_restart(clusters):
    seen = []
    fitted = GaussianMixture(
        3, init_params="random", n_init=3, random_state=0, callback=seen.append, tol=1e-2
    ).fit(clusters)
    restarts = [[record for record in seen if record.restart == r] for r in range(3)]
    for records in restarts:
        assert [record.iteration for record in records] == list(range(1, len(records) + 1))
        assert all(record.seconds > 0 for record in records)
    history = fitted.history_
    assert len(history) == fitted.n_iter_
    assert list(history) == list(history.iterations)
    assert history[-1].bound == fitted.lower_bound_
    assert history.restart_bounds == tuple(records[-1].bound for records in restarts)
    best = int(np.argmax(history.restart_bounds))
    assert list(history.iterations) == restarts[best]
    assert list(history.bounds) == fitted.lower_bounds_
    assert len(history.seconds) == len(history.events) == fitted.n_iter_


def test_what_a_callback_raises_ends_the_fit(clusters):
    def stop(record):
        if record.iteration == 2:
            raise KeyboardInterrupt

    estimator = GaussianMixture(3, init_params="random", random_state=0, callback=stop)
    with pytest.raises(KeyboardInterrupt):
        estimator.fit(clusters)
    assert not hasattr(estimator, "mixture_")


def test_the_iteration_limit_is_told(clusters):
    estimator = GaussianMixture(3, init_params="random", random_state=0, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="did not converge"):
        estimator.fit(clusters)
    assert estimator.convergence_ == "iteration_limit"
    assert not estimator.converged_


def test_a_second_fit_begins_anew(clusters):
    estimator = GaussianMixture(3, init_params="random", random_state=0).fit(clusters)
    bounds = estimator.lower_bounds_
    assert estimator.fit(clusters).lower_bounds_ == bounds
    assert len(bounds) > 2


def test_warm_start_goes_on_from_the_last_fit(clusters):
    estimator = GaussianMixture(3, n_init=2, random_state=0, warm_start=True, tol=1e-6)
    bound = estimator.fit(clusters).lower_bound_
    assert len(estimator.history_.restart_bounds) == 2
    estimator.fit(clusters)
    assert estimator.n_iter_ == 1
    assert len(estimator.history_.restart_bounds) == 1
    assert estimator.lower_bound_ >= bound - 1e-9
    with pytest.raises(ValueError, match="3 full components of 3 features, found 2"):
        estimator.set_params(n_components=2).fit(clusters)


def test_threads_change_nothing(clusters):
    frames = np.tile(clusters, (60, 1))
    results = [
        GaussianMixture(3, covariance_type="diag", random_state=0, n_jobs=n_jobs, max_iter=3, tol=0)
        for n_jobs in (1, 2)
    ]
    for estimator in results:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            estimator.fit(frames)
    one, two = results
    assert_array_equal(one.means_, two.means_)
    assert_array_equal(one.score_samples(frames), two.score_samples(frames))
    assert_array_equal(one.predict(frames), two.predict(frames))


@pytest.mark.parametrize(
    ("verbose", "lines"),
    [(0, []), (1, ["Initialization 0", "  Iteration 1", "Initialization converged."])],
)
def test_verbose_prints_the_course(clusters, capsys, verbose, lines):
    GaussianMixture(1, verbose=verbose, verbose_interval=1).fit(clusters)
    printed = capsys.readouterr().out.splitlines()
    assert set(lines) <= set(printed)
    assert bool(printed) == bool(verbose)


def test_verbose_two_prints_times_and_changes(clusters, capsys):
    GaussianMixture(1, verbose=2, verbose_interval=2).fit(clusters)
    printed = capsys.readouterr().out
    assert "  Iteration 2\t time lapse " in printed
    assert "ll change 0.00000" in printed
    assert "lower bound -" in printed


def test_a_progress_bar_shows_at_a_terminal_only(clusters, capsys, monkeypatch):
    GaussianMixture(2, verbose=1, random_state=0).fit(clusters)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    GaussianMixture(2, verbose=1, random_state=0).fit(clusters)
    assert "Restart 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_components": 0}, r"'n_components' parameter of GaussianMixture must be an int in"),
        ({"n_components": 2.0}, r"'n_components' .* Got 2.0 instead"),
        ({"tol": -1.0}, r"'tol' .* must be a float in the range \[0.0, inf\). Got -1.0 instead"),
        ({"tol": np.nan}, "'tol' .* Got nan"),
        ({"reg_covar": -1e-6}, "'reg_covar' .* must be a float"),
        ({"max_iter": -1}, "'max_iter' .* must be an int"),
        ({"n_init": 0}, "'n_init' .* must be an int"),
        ({"covariance_type": "round"}, "'covariance_type' .* 'round'"),
        ({"init_params": "bad"}, "'init_params' .* 'bad'"),
        ({"warm_start": "yes"}, "'warm_start' .* must be an instance of 'bool'"),
        ({"verbose": -1}, "'verbose' .* must be an int"),
        ({"verbose_interval": 0}, "'verbose_interval' .* must be an int"),
        ({"precision": "float16"}, "'precision' .* 'float16'"),
        ({"variance_floor": 1.0}, r"'variance_floor' .* in the range \[0.0, 1.0\) or None"),
        ({"min_occupancy": -1}, "'min_occupancy' .* must be a float"),
        ({"callback": 3}, "'callback' .* must be a callable or None"),
        ({"checkpoint": 3}, "'checkpoint' .* must be a path or None"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"random_state": "x"}, "cannot be used to seed"),
        ({"weights_init": [0.5, 0.6], "n_components": 2}, "should be normalized"),
    ],
)
def test_bad_parameters_are_refused(clusters, parameters, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixture(**parameters).fit(clusters)


@pytest.mark.parametrize(
    "name", ["predict", "predict_proba", "score", "score_samples", "sample", "bic", "aic", "save"]
)
def test_what_is_not_fitted_says_so(clusters, name):
    with pytest.raises(NotFittedError, match="This GaussianMixture instance is not fitted yet"):
        getattr(GaussianMixture(), name)(5 if name == "sample" else clusters)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_attributes_have_the_type_of_the_frames(clusters, kind, dtype):
    fitted = GaussianMixture(2, covariance_type=kind, random_state=0).fit(clusters.astype(dtype))
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        assert getattr(fitted, name).dtype == dtype, name
    assert fitted.mixture_.means.dtype == np.float64
    assert fitted.score_samples(clusters.astype(dtype)).dtype == dtype
    assert fitted.predict_proba(clusters.astype(dtype)).dtype == dtype
    with pytest.raises(AttributeError):
        fitted.means_ = fitted.means_ + 1


@pytest.mark.parametrize("kind", KINDS)
def test_precisions_invert_the_covariances(clusters, kind):
    fitted = GaussianMixture(3, covariance_type=kind, random_state=0).fit(clusters)
    factors, precisions = fitted.precisions_cholesky_, fitted.precisions_
    if kind in ("full", "tied"):
        product = fitted.covariances_ @ precisions
        assert_allclose(product, np.broadcast_to(np.eye(3), product.shape), atol=1e-9)
        assert_allclose(factors @ np.swapaxes(factors, -1, -2), precisions, rtol=1e-9, atol=1e-12)
        assert_array_equal(factors, np.triu(factors))
    else:
        assert_allclose(fitted.covariances_ * precisions, 1.0, rtol=1e-12)
        assert_allclose(factors**2, precisions, rtol=1e-12)


def test_an_estimator_of_a_given_mixture(clusters):
    mixture = DiagonalMixture([0.4, 0.6], [[0.0, 0, 0], [5, 5, 5]], np.full((2, 3), 4.0))
    estimator = GaussianMixture.from_mixture(mixture, random_state=0)
    expected = mixture.log_likelihood(clusters, precision="float64")
    assert_allclose(estimator.score_samples(clusters), expected, rtol=1e-12)
    assert estimator.get_params()["covariance_type"] == "diag"
    assert estimator.mixture_ is mixture
    refitted = estimator.set_params(warm_start=True, tol=1e-9).fit(clusters)
    assert refitted.score(clusters) > expected.mean()
    with pytest.raises(ValueError, match="'min_occupancy'"):
        GaussianMixture.from_mixture(mixture, min_occupancy=-1)


def test_marginal_and_condition_are_those_of_the_mixture(clusters):
    fitted = GaussianMixture(2, random_state=0).fit(clusters)
    marginal = fitted.marginal([2, 0])
    assert_allclose(marginal.means, fitted.means_[:, [2, 0]])
    conditional = fitted.condition([0], [1.0])
    # p(b | a) p(a) = p(a, b)
    joint = fitted.score_samples([[1.0, 2.0, 3.0]])
    parts = conditional.log_likelihood([[2.0, 3.0]], precision="float64")
    parts = parts + fitted.marginal([0]).log_likelihood([[1.0]], precision="float64")
    assert_allclose(parts, joint, rtol=1e-9)


def test_fitted_parameters_are_read_only(clusters):
    fitted = GaussianMixture(2, random_state=0).fit(clusters)
    for name in ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(fitted, name)[0] = 0.0
        with pytest.raises(AttributeError):
            setattr(fitted, name, np.zeros(2))
