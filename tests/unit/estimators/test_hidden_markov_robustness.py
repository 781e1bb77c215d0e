"""Starts and data for which formulas break down: no NaN, and errors that name bad input."""

import warnings

import numpy as np
import pytest
from oracles.hidden_markov import assert_sound
from oracles.peers import hmmlearn_module
from sklearn.exceptions import NotFittedError

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.estimators import GaussianMixtureHMM

KINDS = ("spherical", "diag", "tied", "full")


def start_at(model, kind, *, distance, n_features=3):
    """Set all means close together, far from the data."""
    n_states, n_mix = model.n_components, model.n_mix
    model.startprob_ = np.full(n_states, 1 / n_states)
    model.transmat_ = np.full((n_states, n_states), 1 / n_states)
    model.weights_ = np.full((n_states, n_mix), 1 / n_mix)
    places = np.arange(n_states * n_mix, dtype=float).reshape(n_states, n_mix, 1)
    model.means_ = distance + places + np.zeros(n_features)
    eye = np.eye(n_features)
    model.covars_ = {
        "spherical": np.ones((n_states, n_mix)),
        "diag": np.ones((n_states, n_mix, n_features)),
        "tied": np.tile(eye, (n_states, 1, 1)),
        "full": np.tile(eye, (n_states, n_mix, 1, 1)),
    }[kind]
    return model


@pytest.mark.parametrize("implementation", ["log", "scaling"])
@pytest.mark.parametrize("distance", [1e2, 1e4, 1e8])
@pytest.mark.parametrize("kind", KINDS)
def test_means_far_from_the_data(kind, distance, implementation):
    X = np.random.default_rng(0).normal(size=(300, 3))
    model = GaussianMixtureHMM(
        3, 2, covariance_type=kind, init_params="", implementation=implementation
    )
    start_at(model, kind, distance=distance).fit(X, [100] * 3)
    assert_sound(model, X)
    if distance > 1e6:
        # Log-densities of -1e16 have no digits left to tell components apart.
        return
    # It is no worse than one Gaussian.
    one = GaussianMixtureHMM(1, 1, covariance_type=kind).fit(X, [100] * 3)
    assert model.score(X, [100] * 3) > one.score(X, [100] * 3) - 1


def test_hmmlearn_fails_on_such_a_start():
    """Check that hmmlearn still has the fault that the test above avoids."""
    X = np.random.default_rng(0).normal(size=(300, 3))
    theirs = hmmlearn_module().GMMHMM(3, 2, init_params="", implementation="log")
    start_at(theirs, "diag", distance=1e4)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs.fit(X, [100] * 3)
    assert np.isnan(theirs.means_).any() or np.isnan(theirs.covars_).any()


def test_distances_that_float64_cannot_hold_are_refused():
    X = np.random.default_rng(0).normal(size=(30, 3))
    model = GaussianMixtureHMM(2, 1, init_params="")
    with pytest.raises(InvalidInputError, match="means lie too far from the frames"):
        start_at(model, "diag", distance=1e200).fit(X)


@pytest.mark.parametrize("kind", ["diag", "full"])
def test_a_component_of_weight_zero_stays_out(kind):
    rng = np.random.default_rng(2)
    X = rng.normal(size=(200, 2))
    model = GaussianMixtureHMM(1, 2, covariance_type=kind, init_params="", n_iter=3)
    start_at(model, kind, distance=0.0, n_features=2)
    model.weights_ = np.array([[1.0, 0.0]])
    model.means_[0, 1] = 1e9
    model.fit(X)
    assert model.weights_[0, 1] == 0
    # What it was must not decide how others are evaluated.
    assert {step.precision for step in model.history_} == {"float32"}
    np.testing.assert_allclose(model.means_[0, 0], X.mean(axis=0), atol=1e-5)
    one = GaussianMixtureHMM(1, 1, covariance_type=kind, n_iter=3).fit(X)
    assert model.score(X) == pytest.approx(one.score(X), abs=1e-3)


def test_narrow_components_are_evaluated_in_float64():
    rng = np.random.default_rng(3)
    X = np.concatenate([rng.normal(size=(200, 2)) * 1e-3, rng.normal(size=(200, 2)) + 100])
    model = GaussianMixtureHMM(2, 1, min_covar=0.0, random_state=0, n_iter=3).fit(X)
    assert model.history_[-1].precision == "float64"
    found = np.sort(model.covars_[:, 0, 0])
    np.testing.assert_allclose(found, [X[:200, 0].var(), X[200:, 0].var()], rtol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (([[1.0, np.nan]],), "must be finite, without NaN or infinity, found nan at row 0"),
        (([1.0, 2.0],), "must be a real array of shape"),
        (([[1.0]] * 4, [2, 3]), "lengths must sum to the number of frames, 4, found 5"),
        (([[1.0]] * 4, [4, 0]), "one or more frames, found 0 in sequence 1"),
        (([[1.0]] * 4, [2.5, 1.5]), "lengths must be a vector of whole numbers"),
        (([[1.0]] * 4, [2, 2], [1.0]), "one entry for each of 2 sequences"),
        (([[1.0]] * 4, [2, 2], [1.0, -1.0]), "found -1.0 at sequence 1"),
        (([[1.0]] * 4, [2, 2], [0.0, 0.0]), "must not be zero for all"),
    ],
)
def test_bad_sequences_are_named(arguments, words):
    with pytest.raises(InvalidInputError, match=words):
        GaussianMixtureHMM(1).fit(*arguments)


def test_no_frames_are_refused():
    with pytest.raises(InsufficientDataError, match="needs frames, found none"):
        GaussianMixtureHMM(1).fit(np.empty((0, 2)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"n_components": 0}, "n_components"),
        ({"n_mix": 1.5}, "n_mix"),
        ({"n_iter": -1}, "n_iter"),
        ({"min_covar": -1.0}, "min_covar"),
        ({"variance_floor": 1.0}, "variance_floor"),
        ({"implementation": "linear"}, "implementation"),
        ({"final": "first"}, "final"),
        ({"precision": "float16"}, "precision"),
        ({"covariance_type": "round"}, "covariance_type"),
        ({"params": 3}, "params"),
        ({"n_jobs": 0}, "n_jobs"),
        ({"transmat_prior": -1.0}, "transmat_prior must be finite and >= 0"),
        ({"startprob_prior": None}, "startprob_prior must be finite"),
        ({"means_weight": None}, "means_weight must be finite"),
        ({"means_prior": [1, 2, 3]}, "means_prior must be a number or numbers of shape"),
        ({"covars_weight": np.nan, "covars_prior": 1.0}, "covars_weight must be finite"),
    ],
)
def test_bad_parameters_are_refused(options, words):
    X = np.random.default_rng(0).normal(size=(30, 2))
    with pytest.raises(InvalidInputError, match=words):
        GaussianMixtureHMM(**{"n_components": 2} | options).fit(X)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("startprob_", [0.5, 0.6], "startprob_ must contain probabilities that sum to 1"),
        ("startprob_", [], "startprob_ must have 1 axes"),
        ("transmat_", np.eye(3), "transmat_ must have shape"),
        ("weights_", [[1.5, -0.5], [0.5, 0.5]], "weights_ must contain probabilities"),
        ("means_", np.zeros((2, 1, 3)), "means_ must have shape"),
        ("means_", np.full((2, 2, 3), np.inf), "means_ must be finite"),
        ("covars_", np.zeros((2, 2, 3)), r"covars_ must be positive, found 0 at \(0, 0, 0\)"),
        ("covars_", np.ones((2, 2)), "covars_ must have 3 axes"),
    ],
)
def test_bad_attributes_are_refused(name, value, words):
    model = start_at(GaussianMixtureHMM(2, 2), "diag", distance=0.0)
    setattr(model, name, value)
    with pytest.raises(InvalidInputError, match=words):
        model.score(np.zeros((2, 3)))


def test_what_is_not_fitted_says_so():
    for call in (
        lambda model: model.score([[0.0]]),
        lambda model: model.decode([[0.0]]),
        lambda model: model.sample(),
        lambda model: model.save("nowhere"),
    ):
        with pytest.raises(NotFittedError):
            call(GaussianMixtureHMM(2))


def test_frames_of_another_size_are_refused():
    model = GaussianMixtureHMM(1).fit(np.random.default_rng(0).normal(size=(30, 2)))
    with pytest.raises(InvalidInputError, match="must have 2 features, found 3"):
        model.score(np.zeros((4, 3)))
    with pytest.raises(ValueError, match="Unexpected number of dimensions"):
        model.fit(np.zeros((4, 3)))


def test_unknown_algorithms_are_refused():
    model = GaussianMixtureHMM(1).fit(np.random.default_rng(0).normal(size=(30, 2)))
    with pytest.raises(InvalidInputError, match="algorithm must be"):
        model.decode(np.zeros((4, 2)), algorithm="a*")


@pytest.mark.parametrize("topology", ["ergodic", "left-right"])
@pytest.mark.parametrize("value", [1e160, -1e200, 1e308])
def test_values_too_large_to_be_squared_are_named(topology, value):
    X = np.random.default_rng(0).normal(size=(60, 2))
    X[7, 1] = value
    with pytest.raises(
        InvalidInputError, match=r"^feature 1 has values too large .*scale the .* down$"
    ):
        GaussianMixtureHMM(2, 1, topology=topology).fit(X, [30, 30])
    X[7, 1] = 1e150
    assert_sound(GaussianMixtureHMM(2, 1, topology=topology, n_iter=2).fit(X, [30, 30]), X)


@pytest.mark.parametrize("implementation", ["log", "scaling"])
@pytest.mark.parametrize("value", [1e5, 1e7, 1e8, 1e9])
def test_posteriors_sum_to_one_beside_an_outlying_frame(implementation, value):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(mean, 1, (15, 2)) for mean in (0, 4, 8)] * 4)
    model = GaussianMixtureHMM(3, 1, n_iter=5, random_state=0, implementation=implementation)
    model.fit(X, [45] * 4)
    X[100] = value
    np.testing.assert_allclose(model.predict_proba(X, [45] * 4).sum(axis=1), 1, rtol=0, atol=1e-12)
