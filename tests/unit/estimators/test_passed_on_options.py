"""Parameters of the mixture that detectors and regressors train, and their threads."""

import threading

import numpy as np
import pytest

from speakergmm.estimators import (
    GaussianMixture,
    GaussianMixtureOutlierDetector,
    GaussianMixtureRegressor,
    outlier,  # its pieces are made smaller
)


@pytest.fixture
def rng():
    return np.random.default_rng(12)


def two_lines(rng):
    right = rng.random(600) < 0.4
    X = rng.normal(size=(600, 2)) + np.where(right, 6.0, -6.0)[:, None]
    y = np.where(right, X @ [1.0, -0.5] + 5.0, X @ [0.2, 0.9])
    return X, y + np.where(right, 0.3, 1.0) * rng.normal(size=600)


def talkative(interval):
    return GaussianMixture(random_state=0, verbose=1, verbose_interval=interval)


def uneven_clusters(rng):
    parts = [rng.normal(centre, 0.1, (n, 2)) for centre, n in ((0, 150), (5, 40), (9, 10))]
    return np.concatenate(parts)


@pytest.mark.parametrize(
    "options",
    [{"precision": "float32"}, {"variance_floor": 0.5}, {"min_occupancy": 60.0}],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_options_of_a_detector_s_training_are_passed_on(rng, options):
    X, validation = uneven_clusters(rng), rng.normal(size=(50, 2))
    detector = GaussianMixtureOutlierDetector(
        GaussianMixture(3, max_iter=3, random_state=0, **options), random_state=0
    )
    found = detector.fit(X, X_validation=validation).mixture_
    expected = GaussianMixture(3, max_iter=3, random_state=0, **options).fit(X).mixture_
    plain = GaussianMixture(3, max_iter=3, random_state=0).fit(X).mixture_
    for name in ("weights", "means", "covariances"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert not np.array_equal(found.covariances, plain.covariances)


def test_the_training_of_a_detector_tells_of_itself(rng, capsys):
    X = rng.normal(size=(100, 2))
    GaussianMixtureOutlierDetector(random_state=0).fit(X)
    assert capsys.readouterr().out == ""
    GaussianMixtureOutlierDetector(talkative(1), random_state=0).fit(X)
    often = capsys.readouterr().out
    GaussianMixtureOutlierDetector(talkative(50), random_state=0).fit(X)
    seldom = capsys.readouterr().out
    assert len(often.splitlines()) > len(seldom.splitlines()) > 0


def test_scores_don_t_depend_on_the_number_of_threads(rng, monkeypatch):
    X = rng.normal(size=(1000, 3))
    detector = GaussianMixtureOutlierDetector(n_components=2, random_state=0).fit(X)
    whole = detector.score_samples(X)
    monkeypatch.setattr(outlier, "_SCORING_ROWS", 64)
    threads = set()
    log_likelihood = type(detector.mixture_).log_likelihood

    def watched(mixture, samples, **options):
        threads.add(threading.get_ident())
        assert len(samples) <= 64
        return log_likelihood(mixture, samples, **options)

    monkeypatch.setattr(type(detector.mixture_), "log_likelihood", watched)
    one = detector.score_samples(X)
    assert threads == {threading.get_ident()}
    two = detector.set_params(n_jobs=2).score_samples(X)
    assert threads - {threading.get_ident()}
    np.testing.assert_array_equal(one, two)
    np.testing.assert_allclose(one, whole, rtol=1e-12)


@pytest.mark.parametrize(
    "options",
    [{"precision": "float32"}, {"variance_floor": 0.2}, {"min_occupancy": 200.0}],
    ids=lambda options: next(iter(options)),
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_options_of_a_regressor_s_training_are_passed_on(rng, options):
    X, y = two_lines(rng)
    joint = np.column_stack([X, y])
    centre, scale = joint.mean(axis=0), joint.std(axis=0)

    def trained(**options):
        mixture = GaussianMixture(3, max_iter=4, random_state=0, **options)
        return mixture.fit((joint - centre) / scale).mixture_.rescaled(scale, centre)

    regressor = GaussianMixtureRegressor(
        GaussianMixture(3, max_iter=4, **options), random_state=0
    ).fit(X, y)
    # What an option changes is far more than rounding, which is all that may differ here.
    changed = np.abs(trained(**options).means - trained().means).max()
    error = np.abs(regressor.mixture_.means - trained(**options).means).max()
    assert error < 0.1 * changed


def test_the_training_of_a_regressor_tells_of_itself(rng, capsys):
    X, y = two_lines(rng)
    GaussianMixtureRegressor(random_state=0).fit(X, y)
    assert capsys.readouterr().out == ""
    GaussianMixtureRegressor(talkative(1)).fit(X, y)
    often = capsys.readouterr().out
    GaussianMixtureRegressor(talkative(50)).fit(X, y)
    seldom = capsys.readouterr().out
    assert len(often.splitlines()) > len(seldom.splitlines()) > 0


class DiagonalDetector(GaussianMixtureOutlierDetector):
    """A user's subclass, with parameters of its own."""

    def __init__(self, size=2):
        super().__init__(GaussianMixture(size, covariance_type="diag"), random_state=0)
        self.size = size


class DiagonalRegressor(GaussianMixtureRegressor):
    """A user's subclass, with parameters of its own."""

    def __init__(self, size=2):
        super().__init__(GaussianMixture(size, covariance_type="diag"), random_state=0)
        self.size = size


def test_parameters_that_a_subclass_sets_are_passed_on_too(rng):
    X, y = two_lines(rng)
    for found in (DiagonalDetector().fit(X), DiagonalRegressor().fit(X, y)):
        assert found.mixture_.covariance_type == "diag"
        assert found.mixture_.n_components == 2
