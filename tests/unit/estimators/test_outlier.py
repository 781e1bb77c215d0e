import warnings

import numpy as np
import pytest
from oracles import density_uses as oracle
from scipy.stats import chi2
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import (
    GaussianMixture,
    GaussianMixtureOutlierDetector,
    calibrate_threshold,
)
from speakergmm.mixtures import make_mixture


@pytest.fixture
def rng():
    return np.random.default_rng(12)


@pytest.mark.slow
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {
            "estimator": GaussianMixture(2, covariance_type="diag"),
            "false_alarm": 0.2,
            "validation_fraction": 0.5,
        },
        {"quantile": 0.2, "validation_fraction": 0.5},
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_accepts_it(parameters):
    results = check_estimator(GaussianMixtureOutlierDetector(**parameters), on_skip=None)
    skipped = {r["check_name"] for r in results if r["status"] == "skipped"}
    assert skipped <= {"check_array_api_input"}
    assert len(results) > 40


@pytest.mark.parametrize("kind", ["spherical", "diag", "tied", "full"])
def test_scores_are_log_likelihoods(rng, kind):
    X = rng.normal(size=(300, 3))
    detector = GaussianMixtureOutlierDetector(
        GaussianMixture(2, covariance_type=kind), random_state=0
    ).fit(X)
    mixture = detector.mixture_
    matrices = oracle.full(kind, mixture.covariances, 2, 3)
    expected = oracle.log_likelihoods(mixture.weights, mixture.means, matrices, X)
    scores = detector.score_samples(X)
    np.testing.assert_allclose(scores, expected, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(detector.decision_function(X), scores - detector.threshold_)
    np.testing.assert_array_equal(detector.predict(X), np.where(scores < detector.offset_, -1, 1))


def test_the_threshold_is_that_of_the_rows_set_aside(rng):
    X = rng.normal(size=(500, 2))
    detector = GaussianMixtureOutlierDetector(
        n_components=2, false_alarm=0.05, validation_fraction=0.3, confidence=0.9, random_state=3
    ).fit(X)
    held_out = detector.validation_indices_
    assert len(np.unique(held_out)) == 150 == detector.n_validation_
    found = calibrate_threshold(
        detector.score_samples(X[held_out]), false_alarm=0.05, confidence=0.9
    )
    assert detector.threshold_ == detector.offset_ == found.threshold
    assert detector.threshold_interval_ == found.threshold_interval
    assert detector.false_alarm_rate_ == found.false_alarm_rate
    assert detector.false_alarm_interval_ == found.false_alarm_interval
    assert detector.target_ == 0.05
    # 5 % of 151 is 7.55: the seventh smallest, six below it.
    assert (detector.predict(X[held_out]) == -1).sum() == 6


def test_rows_set_aside_train_nothing(rng):
    X = rng.normal(size=(200, 2))
    detector = GaussianMixtureOutlierDetector(random_state=0).fit(X)
    rest = np.delete(X, detector.validation_indices_, axis=0)
    np.testing.assert_allclose(detector.mixture_.means[0], rest.mean(axis=0), rtol=1e-10)
    covariance = np.cov(rest.T, bias=True) + 1e-6 * np.eye(2)
    np.testing.assert_allclose(detector.mixture_.covariances[0], covariance, rtol=1e-8)
    validation = rng.normal(size=(40, 2))
    given = GaussianMixtureOutlierDetector(random_state=0).fit(X, X_validation=validation)
    np.testing.assert_allclose(given.mixture_.means[0], X.mean(axis=0), rtol=1e-10)
    assert given.validation_indices_ is None
    expected = calibrate_threshold(given.score_samples(validation), false_alarm=0.05)
    assert (given.n_validation_, given.threshold_) == (40, expected.threshold)


@pytest.mark.slow
def test_the_rate_of_new_samples_is_the_one_asked_for(rng):
    # A standard normal in two features: log-likelihoods are -log(2 pi) - r / 2 with r chi-square.
    mixture = make_mixture("spherical", [1.0], [[0.0, 0.0]], [1.0])
    rates = []
    for _ in range(150):
        detector = GaussianMixtureOutlierDetector.from_mixture(
            mixture, rng.normal(size=(49, 2)), false_alarm=0.1
        )
        rates.append(chi2(2).sf(-2 * (detector.threshold_ + np.log(2 * np.pi))))
    # Each rate is Beta(5, 45), of deviation 0.042.
    assert np.mean(rates) == pytest.approx(0.1, abs=4 * 0.042 / 150**0.5)


def test_measured_false_alarms(rng):
    X = rng.normal(size=(1000, 2))
    detector = GaussianMixtureOutlierDetector(quantile=0.1, confidence=0.9, random_state=0).fit(X)
    fresh = rng.normal(size=(300, 2))
    rate, interval = detector.measure_false_alarms(fresh)
    n_alarms = int((detector.score_samples(fresh) < detector.threshold_).sum())
    assert rate == n_alarms / 300
    np.testing.assert_allclose(interval, oracle.clopper_pearson(n_alarms, 300, 0.9), rtol=1e-7)


def test_outliers_are_found(rng):
    normal = np.concatenate([rng.normal(-4, 1, (400, 2)), rng.normal(4, 1, (400, 2))])
    detector = GaussianMixtureOutlierDetector(n_components=2, false_alarm=0.02, random_state=0).fit(
        normal
    )
    # The middle is near to the mean of all, and far from every normal sample.
    assert (detector.predict([[0.0, 0.0], [9.0, -9.0]]) == -1).all()
    assert (detector.predict([[4.0, 4.0], [-4.0, -4.0]]) == 1).all()


def test_calibrating_a_fitted_mixture(rng):
    X, validation = rng.normal(size=(300, 2)), rng.normal(size=(99, 2))
    estimator = GaussianMixture(2, random_state=0).fit(X, sample_weight=rng.random(300))
    detector = GaussianMixtureOutlierDetector.from_mixture(estimator, validation, false_alarm=0.01)
    again = GaussianMixtureOutlierDetector.from_mixture(
        estimator.mixture_, validation, false_alarm=0.01
    )
    assert detector.mixture_ is estimator.mixture_
    assert detector.threshold_ == again.threshold_ == detector.score_samples(validation).min()
    assert detector.get_params()["estimator__n_components"] == 2
    assert detector.set_params(false_alarm=0.1).calibrate(validation) is detector
    assert (detector.predict(validation) == -1).sum() == 9


def test_too_small_a_validation_set_is_refused_before_training(rng, monkeypatch):
    X = rng.normal(size=(100, 2))
    monkeypatch.setattr(GaussianMixture, "fit", lambda *_: pytest.fail("was trained"))
    with pytest.raises(
        InvalidInputError,
        match=r"false_alarm=0.01 needs 99 or more validation samples, found 20 \(0.2 of "
        r"n_samples = 100\)",
    ):
        GaussianMixtureOutlierDetector(false_alarm=0.01).fit(X)
    with pytest.raises(InvalidInputError, match=r"quantile=0.01 needs 100 or more .* found 20"):
        GaussianMixtureOutlierDetector(quantile=0.01).fit(X)
    with pytest.raises(InvalidInputError, match=r"false_alarm=0.01 needs 99 .* found 50;"):
        GaussianMixtureOutlierDetector(false_alarm=0.01).fit(X, X_validation=X[:50])


def test_too_small_a_set_for_a_fitted_mixture_is_refused(rng):
    X = rng.normal(size=(100, 2))
    with pytest.raises(InvalidInputError, match="needs 99 or more validation samples, found 98"):
        GaussianMixtureOutlierDetector.from_mixture(
            make_mixture("diag", [1.0], [[0.0, 0.0]], [[1.0, 1.0]]), X[:98], false_alarm=0.01
        )


def test_the_default_rate_says_when_it_cannot_be_had(rng):
    X = rng.normal(size=(50, 2))
    with pytest.warns(UserWarning, match="10 validation samples are too few .* set for 0.0909"):
        detector = GaussianMixtureOutlierDetector(random_state=0).fit(X)
    assert detector.target_ == 1 / 11
    assert (detector.predict(X[detector.validation_indices_]) == 1).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert GaussianMixtureOutlierDetector().fit(rng.normal(size=(95, 2))).target_ == 0.05


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"false_alarm": 0.1, "quantile": 0.1}, "exactly one"),
        ({"false_alarm": 1.5}, "false_alarm must be finite, > 0 and < 1, found 1.5"),
        ({"quantile": 0.0}, "quantile must be finite, > 0 and < 1"),
        ({"validation_fraction": 1.0}, "validation_fraction must be finite, > 0 and < 1"),
        ({"validation_fraction": "some"}, "validation_fraction must be .* found 'some'"),
        ({"confidence": 0.0}, "confidence must be finite, > 0 and < 1"),
        ({"n_components": 0}, "n_components"),
    ],
)
def test_parameters_out_of_range_are_refused(rng, parameters, message):
    with pytest.raises(ValueError, match=message):
        GaussianMixtureOutlierDetector(**parameters).fit(rng.normal(size=(200, 2)))


def test_bad_samples_are_refused_with_their_place(rng):
    X = rng.normal(size=(200, 2))
    detector = GaussianMixtureOutlierDetector(random_state=0).fit(X)
    spoilt = X.copy()
    spoilt[150, 1] = np.inf
    for refused in (detector.predict, detector.calibrate, detector.fit):
        with pytest.raises(InvalidInputError, match="found inf at row 150, column 1"):
            refused(spoilt)
    with pytest.raises(InvalidInputError, match="found inf at row 150, column 1"):
        detector.fit(X, X_validation=spoilt)


def test_what_is_no_mixture_is_refused(rng):
    X = rng.normal(size=(30, 2))
    for other in (StandardScaler(), GaussianMixture()):
        with pytest.raises(InvalidInputError, match=f"found {type(other).__name__}"):
            GaussianMixtureOutlierDetector.from_mixture(other, X)
    with pytest.raises(ValueError, match="3 features"):
        GaussianMixtureOutlierDetector.from_mixture(
            make_mixture("diag", [1.0], [[0.0] * 3], [[1.0] * 3]), X
        )
    for method in ("predict", "calibrate", "score_samples"):
        with pytest.raises(NotFittedError):
            getattr(GaussianMixtureOutlierDetector(), method)(X)


def test_same_seed_same_detector_and_in_pipelines(rng):
    X = rng.normal(size=(200, 2)) * [1.0, 1e4]
    detector = GaussianMixtureOutlierDetector(n_components=2, random_state=7)
    a, b = detector.fit(X), clone(detector).fit(X)
    assert a.threshold_ == b.threshold_
    labels = make_pipeline(StandardScaler(), clone(detector)).fit_predict(X)
    assert set(labels) == {-1, 1}
