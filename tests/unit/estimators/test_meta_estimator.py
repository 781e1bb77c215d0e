"""The mixture that detectors and regressors fit: `estimator=`, nested parameters, storage."""

import numpy as np
import pytest
import sklearn.mixture
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from speakergmm.containers import load_arrays, save_arrays
from speakergmm.errors import InvalidInputError, InvalidTypeError, ModelFormatError
from speakergmm.estimators import (
    BayesianGaussianMixture,
    DirichletProcessMixture,
    GaussianMixture,
    GaussianMixtureOutlierDetector,
    GaussianMixtureRegressor,
)

META = [GaussianMixtureOutlierDetector, GaussianMixtureRegressor]
MIXTURES = {
    "maximum likelihood": GaussianMixture(2, covariance_type="tied", random_state=3),
    "variational": BayesianGaussianMixture(n_components=3, max_iter=500, random_state=3),
}


@pytest.fixture
def rng():
    return np.random.default_rng(21)


@pytest.fixture
def X(rng):
    return np.concatenate([rng.normal(-4.0, 1.0, (120, 3)), rng.normal(4.0, 0.5, (80, 3))])


def fit(cls, X, *arguments, **parameters):
    model = cls(*arguments, **parameters)
    return model.fit(X, X[:, 2]) if cls is GaussianMixtureRegressor else model.fit(X)


def log_densities(mixture, X):
    parts = [
        np.log(weight) + multivariate_normal(mean, covariance).logpdf(X)
        for weight, mean, covariance in zip(
            mixture.weights, mixture.means, mixture.full_covariances(), strict=True
        )
    ]
    return logsumexp(np.stack(parts), axis=0)


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
def test_a_detector_is_the_mixture_fitted_by_hand_and_a_threshold(X, rng, mixture):
    validation = rng.normal(-4.0, 1.0, (39, 3))
    detector = GaussianMixtureOutlierDetector(mixture, false_alarm=0.1)
    detector.fit(X, X_validation=validation)
    by_hand = clone(mixture).fit(X)
    scores = log_densities(by_hand.mixture_, validation)
    # The highest score below which a new one lies with probability 4 / 40.
    threshold = np.sort(scores)[3]
    assert_allclose(detector.threshold_, threshold, rtol=1e-9)
    assert_allclose(detector.score_samples(validation), scores, rtol=1e-9)
    other = rng.normal(0.0, 4.0, (200, 3))
    margin = log_densities(by_hand.mixture_, other) - threshold
    assert_array_equal(detector.predict(other), np.where(margin >= 0, 1, -1))
    assert 0 < (margin >= 0).sum() < 200
    assert type(detector.estimator_) is type(mixture)
    assert_array_equal(detector.estimator_.means_, by_hand.means_)
    assert not hasattr(mixture, "mixture_")


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
def test_a_regressor_is_the_mixture_fitted_by_hand_and_conditioned(X, mixture):
    inputs, outputs = X[:, :2], X[:, 2] + 0.5 * X[:, 0]
    regressor = GaussianMixtureRegressor(mixture).fit(inputs, outputs)
    joint = np.column_stack([inputs, outputs])
    centre, scale = joint.mean(axis=0), joint.std(axis=0)
    by_hand = clone(mixture).fit((joint - centre) / scale).mixture_
    means = by_hand.means * scale + centre
    covariances = by_hand.full_covariances() * np.outer(scale, scale)
    # Each component's linear regression, weighted by its posterior given the inputs.
    logs, lines = [], []
    for weight, m, s in zip(by_hand.weights, means, covariances, strict=True):
        density = multivariate_normal(m[:2], s[:2, :2])
        logs.append(np.log(weight) + density.logpdf(inputs))
        lines.append(m[2] + (inputs - m[:2]) @ np.linalg.solve(s[:2, :2], s[:2, 2]))
    shares = np.exp(np.stack(logs) - logsumexp(np.stack(logs), axis=0))
    expected = (shares * np.stack(lines)).sum(axis=0)
    assert_allclose(regressor.predict(inputs), expected, rtol=1e-7, atol=1e-7)
    assert_allclose(regressor.mixture_.means, means, rtol=1e-9, atol=1e-9)
    assert_allclose(regressor.estimator_.means_, by_hand.means, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("cls", META)
def test_the_number_of_components_takes_the_place_of_the_estimator_s(X, cls):
    template = GaussianMixture(5, covariance_type="diag", random_state=0)
    short = fit(cls, X, template, n_components=2, random_state=1)
    long = fit(cls, X, clone(template).set_params(n_components=2), random_state=1)
    assert short.mixture_.n_components == 2
    assert template.n_components == 5
    assert_array_equal(short.mixture_.means, long.mixture_.means)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("cls", META)
def test_randomness_is_the_estimator_s_own_or_that_of_the_whole(X, cls):
    start = GaussianMixture(4, init_params="random_from_data", max_iter=1)
    shared = [fit(cls, X, start, random_state=seed).estimator_.means_ for seed in (0, 0, 1)]
    assert_array_equal(shared[0], shared[1])
    assert not np.array_equal(shared[0], shared[2])
    own = clone(start).set_params(random_state=5)
    assert fit(cls, X, own, random_state=1).estimator_.random_state == 5


@pytest.mark.parametrize("cls", META)
@pytest.mark.parametrize("template", [None, GaussianMixture(3), BayesianGaussianMixture()])
def test_nested_parameters_are_set_and_cloned(cls, template):
    model = cls(template).set_params(estimator__max_iter=7, estimator__n_components=2)
    copy = clone(model)
    assert (copy.estimator.max_iter, copy.estimator.n_components) == (7, 2)
    assert copy.estimator is not model.estimator
    assert copy.get_params()["estimator__max_iter"] == 7
    assert type(copy.estimator) is type(template or GaussianMixture())
    with pytest.raises(ValueError, match="Invalid parameter 'colour'"):
        model.set_params(estimator__colour=1)


@pytest.mark.slow
def test_a_grid_is_searched_over_nested_parameters(X):
    grid = {"estimator__n_components": [1, 2], "estimator__covariance_type": ["diag", "full"]}
    y = np.where(X[:, 0] < 0, X[:, 1], -3.0 * X[:, 1])
    for template in (None, GaussianMixture(random_state=0)):
        model = GaussianMixtureRegressor(template, random_state=0)
        search = GridSearchCV(model, grid, cv=3, error_score="raise").fit(X[:, :2], y)
        assert search.best_params_ == {
            "estimator__n_components": 2,
            "estimator__covariance_type": "full",
        }


@pytest.mark.parametrize("cls", META)
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (KMeans(2), "found sklearn.*KMeans"),
        (2, "found the number 2; .* n_components=2"),
        ([2], "found list"),
        (GaussianMixture, r"found the class .*; call it, as in GaussianMixture\(\)"),
        (
            sklearn.mixture.GaussianMixture(2),
            "found sklearn.*; that of speakergmm takes the same parameters",
        ),
        (DirichletProcessMixture(), "found speakergmm.*DirichletProcessMixture"),
    ],
)
def test_an_estimator_that_is_no_mixture_is_refused(X, cls, given, message):
    with pytest.raises(InvalidTypeError, match=message) as caught:
        fit(cls, X, given)
    assert str(caught.value).startswith(f"estimator of {cls.__name__} must be a mixture estimator")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cls", META)
def test_a_parameter_of_the_mixture_is_named_with_its_place(cls):
    with pytest.raises(InvalidTypeError, match=r"estimator=GaussianMixture\(tol=0.1\)"):
        cls(n_components=2, tol=0.1)
    with pytest.raises(TypeError, match="colour"):
        cls(colour=1)


@pytest.mark.parametrize("cls", META)
def test_a_fitted_estimator_is_fitted_anew(X, cls):
    template = GaussianMixture(2, random_state=0).fit(X * 3.0 - 1.0)
    means = template.means_.copy()
    found = fit(cls, X, template, random_state=0)
    assert_array_equal(
        found.mixture_.means, fit(cls, X, clone(template), random_state=0).mixture_.means
    )
    assert_array_equal(template.means_, means)


@pytest.mark.slow
def test_a_detector_of_a_fitted_estimator_keeps_what_it_was_made_of(X):
    for mixture in MIXTURES.values():
        fitted = clone(mixture).fit(X)
        kept = fitted.mixture_
        detector = GaussianMixtureOutlierDetector.from_mixture(fitted, X[::2])
        assert detector.mixture_ is kept
        assert (detector.converged_, detector.n_iter_) == (fitted.converged_, fitted.n_iter_)
        threshold = detector.threshold_
        fitted.fit(X * 2.0)
        assert detector.mixture_ is kept
        assert detector.calibrate(X[::2]).threshold_ == threshold
        # A fit trains an estimator like the given one.
        assert type(clone(detector).fit(X).estimator_) is type(mixture)


@pytest.mark.parametrize("mixture", MIXTURES.values(), ids=MIXTURES)
@pytest.mark.parametrize("cls", META)
def test_the_estimator_comes_back_from_a_file(X, tmp_path, cls, mixture):
    width = 4 if cls is GaussianMixtureRegressor else 3
    start = [[-1.0] * width, [1.0] * width]
    named = {"means_init": start} if isinstance(mixture, GaussianMixture) else {}
    model = fit(cls, X, clone(mixture).set_params(n_init=2, **named), random_state=0)
    model.save(tmp_path / "file")
    loaded = cls.load(tmp_path / "file")
    assert type(loaded.estimator) is type(loaded.estimator_) is type(mixture)
    for name, value in model.estimator.get_params().items():
        assert_array_equal(loaded.estimator.get_params()[name], value)
    joint = np.column_stack([X, X])[:, :width]
    assert_array_equal(loaded.estimator_.predict(joint), model.estimator_.predict(joint))
    again = fit(type(loaded), X, loaded.estimator, random_state=0)
    assert_array_equal(again.mixture_.means, model.mixture_.means)
    arrays, metadata = load_arrays(tmp_path / "file", kind=cls.file_kind)
    metadata["parameters"]["estimator"]["type"] = "KMeans"
    save_arrays(tmp_path / "file", arrays, kind=cls.file_kind, metadata=metadata)
    with pytest.raises(ModelFormatError, match=r"damaged .*estimator\.type.*KMeans"):
        cls.load(tmp_path / "file")


class OwnMixture(GaussianMixture):
    """A user's mixture, which cannot be stored."""


@pytest.mark.parametrize("cls", META)
def test_a_user_s_own_mixture_serves_and_is_not_stored(X, tmp_path, cls):
    model = fit(cls, X, OwnMixture(2), random_state=0)
    assert type(model.estimator_) is OwnMixture
    with pytest.raises(InvalidInputError, match=r"GaussianMixture or .*found 'OwnMixture'"):
        model.save(tmp_path / "file")
    assert not (tmp_path / "file").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("cls", META)
def test_scikit_learn_accepts_a_bayesian_mixture_within(cls):
    results = check_estimator(cls(BayesianGaussianMixture(max_iter=50)), on_skip=None)
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}
    assert len(results) > 40
