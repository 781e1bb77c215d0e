import math

import numpy as np
import pytest
from oracles import density_uses as oracle
from scipy.stats import norm
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from speakergmm.errors import InvalidInputError

# Its blocks are made smaller.
from speakergmm.estimators import GaussianMixture, GaussianMixtureRegressor, regression

KINDS = ["spherical", "diag", "tied", "full"]


@pytest.fixture
def rng():
    return np.random.default_rng(4)


def two_lines(rng, n=600, *, n_outputs=1):
    """Return two distant groups, each with its own line and noise."""
    right = rng.random(n) < 0.4
    X = rng.normal(size=(n, 2)) + np.where(right, 6.0, -6.0)[:, None]
    slopes = rng.normal(size=(2, 2, n_outputs))
    noise = np.where(right, 0.3, 1.0)[:, None] * rng.normal(size=(n, n_outputs))
    y = np.where(right[:, None], X @ slopes[0] + 5.0, X @ slopes[1]) + noise
    return X, y[:, 0] if n_outputs == 1 else y


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_accepts_it():
    results = check_estimator(GaussianMixtureRegressor(), on_skip=None)
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}
    assert len(results) > 55


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("n_outputs", [1, 3])
def test_one_full_component_is_linear_regression(rng, weighted, n_outputs):
    X = rng.normal(size=(60, 4)) * [1.0, 10.0, 0.1, 1.0] + 5.0
    y = X @ rng.normal(size=(4, n_outputs)) + rng.normal(size=(60, n_outputs))
    y = y[:, 0] if n_outputs == 1 else y
    weights = rng.integers(0, 4, 60).astype(float) if weighted else None
    regressor = GaussianMixtureRegressor(GaussianMixture(reg_covar=0.0)).fit(
        X, y, sample_weight=weights
    )
    linear = LinearRegression().fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(regressor.predict(X), linear.predict(X), rtol=1e-8, atol=1e-8)
    mean, deviation = regressor.predict(X, return_std=True)
    residuals = (y - linear.predict(X)).reshape(60, -1)
    variance = np.average(residuals**2, axis=0, weights=weights)
    np.testing.assert_allclose(
        deviation.reshape(60, -1), np.broadcast_to(np.sqrt(variance), (60, n_outputs)), rtol=1e-7
    )
    np.testing.assert_allclose(mean, regressor.predict(X), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_outputs", [1, 2])
def test_predictions_are_the_conditional_moments(rng, monkeypatch, kind, n_outputs):
    monkeypatch.setattr(regression, "_BLOCK_ROWS", 7)
    X, y = two_lines(rng, n_outputs=n_outputs)
    regressor = GaussianMixtureRegressor(
        GaussianMixture(3, covariance_type=kind, random_state=0)
    ).fit(X, y)
    mixture = regressor.mixture_
    assert mixture.covariance_type == kind
    matrices = oracle.full(kind, mixture.covariances, *mixture.means.shape)
    rows = X[:20] + 1.0
    mean, covariance = regressor.predict(rows, return_cov=True)
    _, deviation = regressor.predict(rows, return_std=True)
    density = regressor.log_predictive_density(rows, y[:20])
    assert covariance.shape == (20, n_outputs, n_outputs)
    for t, row in enumerate(rows):
        w, m, s = oracle.conditional(mixture.weights, mixture.means, matrices, [0, 1], row)
        expected = w @ m
        between = (m - expected).T @ np.diag(w) @ (m - expected)
        total = np.tensordot(w, s, axes=1) + between
        np.testing.assert_allclose(mean[t], np.squeeze(expected), rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(covariance[t], total, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(
            deviation[t], np.squeeze(np.sqrt(np.diag(total))), rtol=1e-6, atol=1e-8
        )
        present = w > 1e-200
        likelihood = oracle.log_likelihoods(w[present], m[present], s[present], y[None, t])
        np.testing.assert_allclose(density[t], np.squeeze(likelihood), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(regressor.predict(rows), mean, rtol=1e-12, atol=1e-12)


def test_two_lines_are_found_with_their_noise(rng):
    X, y = two_lines(rng, 3000)
    regressor = GaussianMixtureRegressor(n_components=2, random_state=0).fit(X, y)
    _, deviation = regressor.predict([[-6.0, -6.0], [6.0, 6.0]], return_std=True)
    np.testing.assert_allclose(deviation, [1.0, 0.3], rtol=0.06)
    fresh = regressor.score(X, y)
    assert fresh > LinearRegression().fit(X, y).score(X, y)
    for side, noise in ((X[:, 0] < 0, 1.0), (X[:, 0] > 0, 0.3)):
        line = LinearRegression().fit(X[side], y[side])
        difference = regressor.predict(X[side]) - line.predict(X[side])
        assert np.abs(difference).max() < 0.2 * noise


@pytest.mark.parametrize("kind", ["diag", "tied", "full"])
def test_units_do_not_matter(rng, kind):
    X, y = two_lines(rng)
    scale = np.array([1e-6, 1e5])
    plain = GaussianMixtureRegressor(GaussianMixture(2, covariance_type=kind, random_state=0)).fit(
        X, y
    )
    other = clone(plain).fit(X * scale + scale, 1e-5 * y - 3.0)
    mean, deviation = plain.predict(X, return_std=True)
    found, found_deviation = other.predict(X * scale + scale, return_std=True)
    np.testing.assert_allclose((found + 3.0) / 1e-5, mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(found_deviation / 1e-5, deviation, rtol=1e-5)


def test_one_unit_for_all_does_not_matter_to_spheres(rng):
    X, y = two_lines(rng)
    plain = GaussianMixtureRegressor(
        GaussianMixture(3, covariance_type="spherical", random_state=0)
    ).fit(X, y)
    other = clone(plain).fit(1e4 * X, 1e4 * y)
    np.testing.assert_allclose(other.predict(1e4 * X), 1e4 * plain.predict(X), rtol=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_are_duplicates(rng, kind):
    X, y = two_lines(rng, 300)
    counts = rng.integers(0, 4, 300)
    regressor = GaussianMixtureRegressor(
        GaussianMixture(2, covariance_type=kind, tol=1e-12, max_iter=2000, n_init=3, random_state=0)
    )
    weighted = clone(regressor).fit(X, y, sample_weight=counts)
    repeated = clone(regressor).fit(np.repeat(X, counts, axis=0), np.repeat(y, counts))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-4, atol=1e-4)
    unweighted = clone(regressor).fit(X, y)
    assert np.abs(unweighted.predict(X) - weighted.predict(X)).max() > 1e-3


@pytest.mark.slow
def test_draws_have_the_conditional_distribution(rng):
    X, y = two_lines(rng)
    regressor = GaussianMixtureRegressor(n_components=2, random_state=0).fit(X, y)
    rows = np.array([[-6.0, -5.0], [0.2, -0.1], [6.0, 7.0]])
    draws = regressor.sample_y(rows, 4000, random_state=1)
    assert draws.shape == (3, 4000)
    mean, deviation = regressor.predict(rows, return_std=True)
    assert (np.abs(draws.mean(axis=1) - mean) < 4.5 * deviation / math.sqrt(4000)).all()
    np.testing.assert_allclose(draws.std(axis=1), deviation, rtol=0.05)
    # Within one component the draws are normal, not only of the right moments.
    quantiles = np.quantile(draws[0], [0.05, 0.25, 0.75, 0.95])
    expected = norm.ppf([0.05, 0.25, 0.75, 0.95], mean[0], deviation[0])
    np.testing.assert_allclose(quantiles, expected, atol=0.08 * deviation[0])
    np.testing.assert_array_equal(draws, regressor.sample_y(rows, 4000, random_state=1))
    assert (draws != regressor.sample_y(rows, 4000, random_state=2)).all()


def test_draws_of_several_outputs(rng):
    X, y = two_lines(rng, n_outputs=2)
    regressor = GaussianMixtureRegressor(n_components=2, random_state=0).fit(X, y)
    draws = regressor.sample_y(X[:2], 5000)
    assert draws.shape == (2, 2, 5000)
    _, covariance = regressor.predict(X[:2], return_cov=True)
    for t in range(2):
        size = np.sqrt(np.outer(np.diag(covariance[t]), np.diag(covariance[t])))
        assert (np.abs(np.cov(draws[t]) - covariance[t]) < 0.08 * size).all()


def test_shapes_follow_the_outputs(rng):
    X, y = two_lines(rng)
    column = GaussianMixtureRegressor().fit(X, y[:, None])
    single = GaussianMixtureRegressor().fit(X, y)
    assert (column.n_outputs_, single.n_outputs_) == (1, 1)
    np.testing.assert_array_equal(column.predict(X), single.predict(X)[:, None])
    assert single.predict(X, return_std=True)[1].shape == (600,)
    assert column.predict(X, return_std=True)[1].shape == (600, 1)
    assert column.sample_y(X, 2).shape == (600, 1, 2)


def test_constant_inputs_and_outputs(rng):
    X = np.column_stack([rng.normal(size=100), np.full(100, 7.0)])
    regressor = GaussianMixtureRegressor().fit(X, 2.0 * X[:, 0])
    np.testing.assert_allclose(regressor.predict(X), 2.0 * X[:, 0], atol=1e-4)
    constant = GaussianMixtureRegressor().fit(X, np.full(100, -3.0))
    np.testing.assert_allclose(constant.predict(X), -3.0, atol=1e-9)


def test_inputs_far_away_are_extrapolated(rng):
    X, y = two_lines(rng)
    regressor = GaussianMixtureRegressor(n_components=2, random_state=0).fit(X, y)
    mean, deviation = regressor.predict([[1e8, 1e8], [-1e8, -1e8]], return_std=True)
    assert np.isfinite(mean).all()
    assert np.isfinite(deviation).all()


def test_selection_of_the_number_of_components(rng):
    X, y = two_lines(rng, 400)
    search = GridSearchCV(
        GaussianMixtureRegressor(GaussianMixture(n_init=2), random_state=0),
        {"n_components": [1, 2]},
        cv=3,
    ).fit(X, y)
    assert search.best_params_ == {"n_components": 2}


def test_wrong_calls_are_refused(rng):
    X, y = two_lines(rng, 50)
    regressor = GaussianMixtureRegressor()
    for method, arguments in (
        ("predict", (X,)),
        ("sample_y", (X,)),
        ("log_predictive_density", (X, y)),
    ):
        with pytest.raises(NotFittedError):
            getattr(regressor, method)(*arguments)
    regressor.fit(X, y)
    with pytest.raises(InvalidInputError, match="return_std or return_cov"):
        regressor.predict(X, return_std=True, return_cov=True)
    with pytest.raises(InvalidInputError, match="n_samples must be a whole number >= 1, found 0"):
        regressor.sample_y(X, 0)
    with pytest.raises(InvalidInputError, match=r"a whole number >= 1, found 1\.5"):
        regressor.sample_y(X, 1.5)
    spoilt = X.copy()
    spoilt[7, 1] = np.nan
    for refused in (lambda: regressor.fit(spoilt, y), lambda: regressor.predict(spoilt)):
        with pytest.raises(InvalidInputError, match="found nan at row 7, column 1"):
            refused()
    with pytest.raises(InvalidInputError, match=r"1 outputs for 50 samples, found shape \(49,\)"):
        regressor.log_predictive_density(X, y[1:])
    with pytest.raises(InvalidInputError, match="finite"):
        regressor.log_predictive_density(X, np.full(50, np.nan))
    with pytest.raises(ValueError, match="sample_weight"):
        regressor.fit(X, y, sample_weight=-np.ones(50))
    with pytest.raises(ValueError, match="n_components"):
        GaussianMixtureRegressor(n_components=51).fit(X, y)
