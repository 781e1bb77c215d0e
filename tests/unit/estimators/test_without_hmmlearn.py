"""Installations without hmmlearn, as on Python 3.14, for which it has no wheels."""

import subprocess
import sys

import numpy as np
import pytest
from oracles.hidden_markov import Auxiliary
from oracles.peers import hmmlearn_module

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import FitMonitor, GaussianMixtureHMM

PROGRAM = """
import sys

# Modules that are None here cannot be imported.
sys.modules["hmmlearn"] = None
import numpy as np
import speakergmm
from speakergmm import GaussianMixtureHMM, HMMClassifier
from speakergmm.errors import MissingLibraryError
for name in speakergmm.__all__:
    getattr(speakergmm, name)
X = np.array([[0.0], [0.2], [0.1], [5.0], [5.1], [4.8], [5.2]])
model = GaussianMixtureHMM(2, topology="left-right", random_state=0).fit(X)
print(model.predict(X), np.isfinite(model.score(X)), model.aic(X) > model.bic(X))
print(model.get_stationary_distribution().round(9), len(model.monitor_.history) > 1)
model.save("model.safetensors")
print(GaussianMixtureHMM.load("model.safetensors").score(X) == model.score(X))
classifier = HMMClassifier(model).fit([X, X[::-1]], ["up", "down"])
print(classifier.predict([X]))
try:
    model.to_hmmlearn()
except MissingLibraryError as error:
    print(error)
"""


@pytest.mark.slow
def test_models_are_fitted_scored_and_stored(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert not done.stderr
    *lines, refused = done.stdout.splitlines()
    assert lines == ["[0 0 0 1 1 1 1] True True", "[0. 1.] True", "True", "['up']"]
    assert "hmmlearn is not installed" in refused


def chain(transmat):
    model = GaussianMixtureHMM(len(transmat))
    model.transmat_ = np.array(transmat)
    return model


def test_stationary_distribution_of_two_states():
    # It leaves each state as often as the other: 0.1 p = 0.3 (1 - p).
    found = chain([[0.9, 0.1], [0.3, 0.7]]).get_stationary_distribution()
    np.testing.assert_allclose(found, [0.75, 0.25], rtol=1e-12)


def test_stationary_distribution_is_hmmlearns():
    rng = np.random.default_rng(0)
    transmat = rng.dirichlet(np.ones(10), 10)
    theirs = hmmlearn_module().GMMHMM(10)
    theirs.transmat_ = transmat
    found = chain(transmat).get_stationary_distribution()
    np.testing.assert_allclose(found, theirs.get_stationary_distribution(), rtol=1e-9)


@pytest.mark.parametrize(
    "transmat", [np.eye(3), np.eye(3)[[1, 2, 0]], [[0.5, 0.5, 0], [0, 0.5, 0.5], [0, 0, 1]]]
)
def test_stationary_distribution_of_chains_that_are_not_ergodic(transmat):
    found = chain(transmat).get_stationary_distribution()
    np.testing.assert_allclose(found @ np.asarray(transmat), found, atol=1e-12)
    assert found.sum() == pytest.approx(1)
    assert found.min() >= 0


@pytest.mark.parametrize("transmat", [[[0.5, 0.4], [0.5, 0.5]], [[1.5, -0.5], [0.5, 0.5]], [1.0]])
def test_what_are_no_transitions_has_none(transmat):
    with pytest.raises(InvalidInputError, match=r"transitions must be"):
        chain(transmat).get_stationary_distribution()


def test_information_criteria():
    """Compare with the likelihood of all paths; the criteria count frames, not sequences."""
    X = np.random.default_rng(0).normal(size=(12, 2))
    model = GaussianMixtureHMM(2, 2, topology="left-right", covariance_type="tied").fit(X)
    # One transition of the first state, 2 weights, 8 means, two symmetric matrices.
    n_free = 1 + 2 + 8 + 2 * 3
    sequences = [X[:5], X[5:]]
    likelihood = Auxiliary(model, sequences).log_likelihood
    expected = -2 * likelihood + 2 * n_free, -2 * likelihood + np.log(12) * n_free
    assert (model.aic(sequences), model.bic(sequences)) == pytest.approx(expected, rel=1e-4)
    assert (model.aic(X, [5, 7]), model.bic(X, [5, 7])) == pytest.approx(expected, rel=1e-4)


def test_attributes_that_the_start_overwrites_are_named(caplog):
    X = np.random.default_rng(0).normal(size=(30, 1))
    model = GaussianMixtureHMM(2, random_state=0).fit(X)
    assert not caplog.records
    model.set_params(init_params="m").fit(X)
    assert [record.args for record in caplog.records] == [("means_", "m")]


def test_monitor_shows_what_it_holds():
    monitor = FitMonitor(0.5, 10, False)
    monitor.report(-3.0)
    assert "history=deque([-3.0])" in repr(monitor)
    assert "tol=0.5" in repr(monitor)
