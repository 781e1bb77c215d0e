"""Classification of isolated words by one hidden Markov model per word."""

import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.estimators import GaussianMixtureHMM, HMMClassifier

WORDS = ["go", "left", "stop"]


def make_words(n=10, *, seed=0, noise=0.7):
    """Return sequences of several lengths that differ in the order of the same sounds."""
    rng = np.random.default_rng(seed)
    sounds = rng.normal(size=(3, 4)) * 2
    orders = {"go": [0, 1, 2], "left": [2, 1, 0], "stop": [1, 0, 2]}
    X, y = [], []
    for label in WORDS * n:
        lengths = rng.integers(4, 9, 3)
        clean = np.repeat(sounds[orders[label]], lengths, axis=0)
        X.append(clean + noise * rng.normal(size=clean.shape))
        y.append(label)
    # The sounds are the same for all seeds.
    return X, np.array(y)


def small(**options):
    defaults = {"topology": "left-right", "random_state": 0, "n_iter": 5}
    return GaussianMixtureHMM(3, **(defaults | options))


@pytest.mark.slow
@parametrize_with_checks(
    [HMMClassifier(small(n_mix=2, n_iter=2, precision="float64"), n_components="auto")]
)
def test_scikit_learn_conventions(estimator, check):
    check(estimator)


def test_words_are_told_apart_by_their_order():
    X, y = make_words()
    model = HMMClassifier(small()).fit(X[:15], y[:15])
    np.testing.assert_array_equal(model.classes_, WORDS)
    assert model.score(X[15:], y[15:]) == 1.0
    # A model without order cannot, because the sounds are the same.
    without = HMMClassifier(GaussianMixtureHMM(1, 3, random_state=0)).fit(X[:15], y[:15])
    assert without.score(X[15:], y[15:]) < 0.8


def test_parameters_of_the_default_estimator_are_set():
    model = HMMClassifier().set_params(estimator__n_mix=3)
    plain = HMMClassifier(HMMClassifier()._template()).get_params()
    changed = model.get_params()
    assert changed.pop("estimator__n_mix") == 3
    assert plain.pop("estimator__n_mix") == 2
    assert {k: v for k, v in changed.items() if k != "estimator"} == {
        k: v for k, v in plain.items() if k != "estimator"
    }


def test_default_estimator_serves():
    X, y = make_words()
    assert HMMClassifier().fit(X[:15], y[:15]).score(X[15:], y[15:]) > 0.9


@pytest.mark.slow
def test_probabilities_are_bayes_rule():
    X, y = make_words(noise=3.0)
    model = HMMClassifier(small(), priors=[0.2, 0.3, 0.5]).fit(X, y)
    by_hand = np.stack([[m.score(x) for x in X] for m in model.models_], axis=1)
    np.testing.assert_allclose(model.log_likelihoods(X), by_hand, rtol=1e-5)
    joint = by_hand + np.log([0.2, 0.3, 0.5])
    np.testing.assert_allclose(model.decision_function(X), joint, rtol=1e-5)
    np.testing.assert_allclose(model.predict_log_proba(X), log_softmax(joint, axis=1), atol=1e-4)
    proba = model.predict_proba(X)
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])
    lengths = np.array([len(x) for x in X])
    model.set_params(scale="frames")
    expected = log_softmax(by_hand / lengths[:, None] + np.log([0.2, 0.3, 0.5]), axis=1)
    np.testing.assert_allclose(model.predict_log_proba(X), expected, atol=1e-4)
    model.set_params(scale=0.1)
    expected = log_softmax(0.1 * by_hand + np.log([0.2, 0.3, 0.5]), axis=1)
    np.testing.assert_allclose(model.predict_log_proba(X), expected, atol=1e-4)


def test_priors_are_counted_by_weight():
    X, y = make_words()
    weights = np.where(y == "go", 2.0, 1.0)
    model = HMMClassifier(small()).fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(np.exp(model.class_log_prior_), [0.5, 0.25, 0.25])
    uniform = HMMClassifier(small(), priors="uniform").fit(X, y, sample_weight=weights)
    np.testing.assert_allclose(np.exp(uniform.class_log_prior_), 1 / 3)


def test_two_classes_have_one_decision():
    X, y = make_words()
    chosen = [(x, label) for x, label in zip(X, y, strict=True) if label != "stop"]
    X, y = [x for x, _ in chosen], [label for _, label in chosen]
    model = HMMClassifier(small()).fit(X, y)
    decision = model.decision_function(X)
    assert decision.shape == (len(X),)
    np.testing.assert_array_equal(model.predict(X) == "left", decision > 0)


@pytest.mark.slow
def test_sequences_may_be_given_in_three_ways():
    X, y = make_words()
    lengths = [len(x) for x in X]
    frames = np.concatenate(X)
    model = HMMClassifier(small()).fit(X, y)
    other = HMMClassifier(small()).fit(frames, y, lengths)
    np.testing.assert_array_equal(model.models_[0].means_, other.models_[0].means_)
    np.testing.assert_array_equal(model.predict(X), other.predict(frames, lengths))
    assert model.n_features_in_ == 4
    cube = np.stack([x[:12] for x in X])
    as_cube = HMMClassifier(small()).fit(cube, y)
    as_list = HMMClassifier(small()).fit(list(cube), y)
    np.testing.assert_array_equal(as_cube.predict_proba(cube), as_list.predict_proba(list(cube)))


def test_number_of_states_follows_the_class():
    X, y = make_words()
    X = [np.repeat(x, 3, axis=0) if label == "go" else x for x, label in zip(X, y, strict=True)]
    model = HMMClassifier(small(), n_components="auto").fit(X, y)
    of_go = np.median([len(x) for x, label in zip(X, y, strict=True) if label == "go"])
    assert model.models_[0].n_components == round(of_go / 5)
    assert model.models_[0].n_components > model.models_[1].n_components
    asked = HMMClassifier(small(), n_components=lambda lengths: int(lengths.min()) // 4).fit(X, y)
    shortest = min(len(x) for x, label in zip(X, y, strict=True) if label == "left")
    assert asked.models_[1].n_components == shortest // 4
    assert HMMClassifier(small(), n_components=2).fit(X, y).models_[2].n_components == 2


def test_jobs_change_no_bit():
    X, y = make_words()
    models = [HMMClassifier(small(n_mix=2), n_jobs=n_jobs).fit(X, y) for n_jobs in (1, 3)]
    np.testing.assert_array_equal(*(model.log_likelihoods(X) for model in models))


def test_a_grid_search_works():
    X, y = make_words(4)
    cube = np.stack([x[:12] for x in X])
    search = GridSearchCV(HMMClassifier(small()), {"estimator__n_components": [1, 3]}, cv=2)
    assert search.fit(cube, y).best_params_ == {"estimator__n_components": 3}
    assert clone(HMMClassifier(small(), scale="frames")).scale == "frames"


@pytest.mark.slow
@pytest.mark.parametrize("labels", [WORDS, [3, 1, 2], [2.5, 0.5, 1.5]])
def test_stored_and_loaded_it_is_the_same(tmp_path, labels):
    X, y = make_words()
    y = np.array(labels)[np.searchsorted(WORDS, y)] if labels is not WORDS else y
    if isinstance(labels[0], float):
        y = (y * 2).astype(int) / 1
    given = HMMClassifier(small(n_mix=2), priors=[0.2, 0.3, 0.5], scale="frames").fit(X, y)
    path = tmp_path / "words.safetensors"
    given.save(path)
    loaded = HMMClassifier.load(path)
    np.testing.assert_array_equal(loaded.classes_, given.classes_)
    assert loaded.classes_.dtype == given.classes_.dtype
    np.testing.assert_array_equal(loaded.predict_proba(X), given.predict_proba(X))
    assert loaded.estimator.get_params() == given.estimator.get_params()
    assert loaded.models_[0].history_ == given.models_[0].history_
    again = clone(loaded).fit(X, y)
    np.testing.assert_array_equal(again.predict_proba(X), given.predict_proba(X))


def test_labels_that_are_true_or_false_come_back(tmp_path):
    X, y = make_words()
    given = HMMClassifier(small()).fit(X, np.array(y) == WORDS[0])
    given.save(tmp_path / "words.safetensors")
    loaded = HMMClassifier.load(tmp_path / "words.safetensors")
    assert loaded.classes_.tolist() == [False, True]
    assert loaded.classes_.dtype == bool


def test_short_sequences_are_named_and_scored():
    X, y = make_words()
    X[4] = X[4][:2]
    model = HMMClassifier(small(final="last"))
    with pytest.raises(InsufficientDataError, match=r"sequence 4 \(of class 'left'\) has 2 frames"):
        model.fit(X, y)
    del X[4]
    model.fit(X, np.delete(y, 4))
    short = [X[0][:2]]
    assert np.isneginf(model.log_likelihoods(short)).all()
    np.testing.assert_allclose(model.predict_log_proba(short)[0], model.class_log_prior_)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"priors": "many"}, "priors must be 'empirical'"),
        ({"priors": [0.5, 0.5]}, "priors must be 3 positive numbers"),
        ({"scale": "sequence"}, "scale must be"),
        ({"scale": 0.0}, "scale must be"),
        ({"n_components": "many"}, "n_components must be"),
        ({"estimator": "hmm"}, "must be a GaussianMixtureHMM, or None, found str"),
        ({"estimator": GaussianMixtureHMM}, r"found the class .*; call it"),
        ({"estimator": 3}, "found the number 3; .* n_components=3"),
        ({"n_jobs": 0}, "n_jobs"),
    ],
)
def test_bad_options_are_refused(options, words):
    X, y = make_words(2)
    with pytest.raises(InvalidInputError, match=words):
        HMMClassifier(**({"estimator": small()} | options)).fit(X, y)


def test_bad_input_is_refused():
    X, y = make_words(2)
    model = HMMClassifier(small())
    with pytest.raises(InvalidInputError, match="one for each of 6 sequences, found 5"):
        model.fit(X, y[:5])
    with pytest.raises(InvalidInputError, match="all sequences of class 'go' have weight zero"):
        model.fit(X, y, sample_weight=(y != "go").astype(float))
    with pytest.raises(NotFittedError):
        model.predict(X)
    model.fit(X, y)
    with pytest.raises(InvalidInputError, match="must have 4 features, found 3"):
        model.predict([np.zeros((5, 3))])


def test_no_sequence_is_too_short_for_the_states_of_its_class():
    """With "auto", the shortest sequence limits the number of states."""
    rng = np.random.default_rng(0)
    short, long = rng.normal(size=(3, 2)), [rng.normal(size=(40, 2)) for _ in range(4)]
    other = [rng.normal(5, 1, size=(40, 2)) for _ in range(3)]
    estimator = GaussianMixtureHMM(topology="left-right", final="last", n_iter=2, random_state=0)
    model = HMMClassifier(estimator, n_components="auto")
    model.fit([*long, short, *other], ["a"] * 5 + ["b"] * 3)
    assert model.models_[0].n_components <= 3
    assert np.isfinite(model.models_[0].score(short))


def test_a_parameter_of_the_models_is_refused_with_the_right_call():
    with pytest.raises(TypeError, match=r"estimator=GaussianMixtureHMM\(n_mix="):
        HMMClassifier(n_mix=2)
