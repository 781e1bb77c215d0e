"""Plausible wrong calls: set attributes, or objects that have a mixture in place of a mixture."""

import pathlib
import pickle

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import mixture as reference
from sklearn.base import clone

from speakergmm import (
    BackgroundModel,
    BayesianGaussianMixture,
    DirichletProcessMixture,
    FeatureConfig,
    GaussianMixture,
    GaussianMixtureHMM,
    GaussianMixtureOutlierDetector,
    SpeakerScorer,
    SpeakerStore,
    select_n_components,
)
from speakergmm.errors import ModelFormatError, SpeakerGmmError
from speakergmm.estimators import to_scikit_learn
from speakergmm.mixtures import (
    DiagonalMixture,
    accumulate,
    adapt,
    fit_mixture,
    grow,
    train_from,
)
from speakergmm.mixtures.operations import condition, kl_variational, marginal
from speakergmm.speakers import adapt_speaker, collect_statistics

PARAMETERS = ("weights_", "means_", "covariances_", "precisions_", "precisions_cholesky_")
X = np.random.default_rng(0).normal(size=(60, 2))


def fitted(cls, **parameters):
    if cls is DirichletProcessMixture:
        return cls(n_chains=1, n_sweeps=4, random_state=0).fit(X)
    return cls(n_components=2, random_state=0, max_iter=3, tol=1.0, **parameters).fit(X)


@pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture, DirichletProcessMixture])
@pytest.mark.parametrize("name", PARAMETERS)
def test_setting_a_parameter_names_from_mixture(cls, name):
    for model in (fitted(cls), cls()):
        with pytest.raises(AttributeError, match=f"{name} .*from_mixture") as caught:
            setattr(model, name, X)
        assert isinstance(caught.value, SpeakerGmmError)
        assert "\n" not in str(caught.value)


def test_the_way_that_is_named_works_and_nothing_else_is_in_the_way():
    from speakergmm.mixtures import make_mixture

    mixture = make_mixture("diag", [0.5, 0.5], [[0.0, 0], [1, 1]], np.ones((2, 2)))
    model = GaussianMixture.from_mixture(mixture)
    assert_array_equal(model.means_, mixture.means)
    with pytest.raises(AttributeError, match="n_clusters_trace_ of a DirichletProcessMixture"):
        fitted(DirichletProcessMixture).n_clusters_trace_ = 1
    model.anything = 3
    model.set_params(tol=0.5)
    assert pickle.loads(pickle.dumps(model)).means_.tobytes() == model.means_.tobytes()
    assert clone(model).tol == 0.5


def background():
    """Return a background model and its mixture."""
    config = FeatureConfig.preset("speaker")
    n_features = 60
    rng = np.random.default_rng(0)
    mixture = DiagonalMixture(
        [0.5, 0.5], rng.normal(size=(2, n_features)), np.ones((2, n_features))
    )
    return BackgroundModel(mixture, config), mixture


def test_what_holds_a_mixture_is_taken_for_it():
    model, mixture = background()
    estimator = GaussianMixture.from_mixture(mixture)
    frames = np.random.default_rng(1).normal(size=(50, mixture.n_features))
    statistics = accumulate(mixture, frames)
    for given in (model, estimator):
        assert_array_equal(GaussianMixture.from_mixture(given).means_, mixture.means)
        assert_allclose(accumulate(given, frames).counts, statistics.counts)
        assert_allclose(adapt(statistics, given)[0].means, adapt(statistics, mixture)[0].means)
        assert kl_variational(given, mixture) == pytest.approx(0.0, abs=1e-9)
        assert marginal(given, [0]).n_features == 1
        assert condition(given, [0], [1.0]).n_features == mixture.n_features - 1
        assert grow(given, 4).n_components == 4
        assert train_from(frames, given, max_iter=1).model.n_components == 2
        assert fit_mixture(frames, n_components=2, init=given, max_iter=1).model.n_components == 2
        assert_array_equal(to_scikit_learn(given).means_, mixture.means)
        detector = GaussianMixtureOutlierDetector.from_mixture(given, frames)
        assert_array_equal(detector.mixture_.means, mixture.means)
        scorer = SpeakerScorer(given, {"ana": given})
        assert_allclose(scorer.score(frames), [0.0], atol=1e-6)
        assert BackgroundModel(given, model.features).digest == model.digest


MIXTURE_TAKERS = {
    "GaussianMixture.from_mixture": GaussianMixture.from_mixture,
    "GaussianMixtureOutlierDetector.from_mixture": (
        lambda given: GaussianMixtureOutlierDetector.from_mixture(given, X)
    ),
    "accumulate": lambda given: accumulate(given, X),
    "adapt": lambda given: adapt(accumulate(fitted(GaussianMixture), X), given),
    "marginal": lambda given: marginal(given, [0]),
    "kl_variational": lambda given: kl_variational(given, given),
    "grow": lambda given: grow(given, 3),
    "train_from": lambda given: train_from(X, given),
    "to_scikit_learn": to_scikit_learn,
    "SpeakerScorer": lambda given: SpeakerScorer(given, {}),
    "BackgroundModel": lambda given: BackgroundModel(given, FeatureConfig.preset("speaker")),
}
WRONG = {
    "a path": ("ubm.safetensors", r"the path 'ubm\.safetensors'.*BackgroundModel\.load"),
    "not fitted": (GaussianMixture(), r"GaussianMixture that is not fitted; call its fit"),
    "a class": (GaussianMixture, "the class GaussianMixture"),
    "scikit-learn's": (
        reference.GaussianMixture(2, random_state=0).fit(X),
        "from_scikit_learn",
    ),
    "a hidden Markov model": (GaussianMixtureHMM(2, random_state=0).fit(X), "state_mixture"),
    "numbers": ([0.5, 0.5], "found list; build one by make_mixture"),
    "nothing": (None, "found NoneType"),
}


@pytest.mark.parametrize("taker", MIXTURE_TAKERS)
@pytest.mark.parametrize("wrong", WRONG)
def test_anything_else_is_a_type_error_with_a_way_out(taker, wrong):
    given, message = WRONG[wrong]
    with pytest.raises(TypeError, match=message) as caught:
        MIXTURE_TAKERS[taker](given)
    assert isinstance(caught.value, SpeakerGmmError)
    assert isinstance(caught.value, ValueError)
    assert "\n" not in str(caught.value)


def test_a_mixture_of_another_kind_is_named():
    model = fitted(GaussianMixture)
    with pytest.raises(TypeError, match="'diag' is needed, found one of 'full'; fit it with"):
        MIXTURE_TAKERS["SpeakerScorer"](model)
    tied = fitted(GaussianMixture, covariance_type="tied")
    with pytest.raises(TypeError, match="'diag' is needed, found one of 'tied'; fit it with"):
        MIXTURE_TAKERS["BackgroundModel"](tied)
    with pytest.raises(TypeError, match="'diag' is needed"):
        fit_mixture(X, n_components=2, init=model)


BACKGROUND_TAKERS = {
    "collect_statistics": lambda given, path: collect_statistics(given, np.zeros(8000)),
    "adapt_speaker": lambda given, path: adapt_speaker(given, []),
    "SpeakerStore.create": lambda given, path: SpeakerStore.create(path / "voices.db", given),
}


@pytest.mark.parametrize("taker", BACKGROUND_TAKERS)
def test_where_a_background_model_is_wanted_its_mixture_is_refused_in_words(taker, tmp_path):
    for given, message in (
        (
            background()[1],
            r"got DiagonalMixture where a background model, BackgroundModel\(mixture",
        ),
        (fitted(GaussianMixture), r"BackgroundModel\(mixture, features\)"),
        (3, r"got int where a background model, BackgroundModel\.train\(corpus\)"),
    ):
        with pytest.raises(TypeError, match=message) as caught:
            BACKGROUND_TAKERS[taker](given, tmp_path)
        assert isinstance(caught.value, SpeakerGmmError)
        assert not list(tmp_path.iterdir())
    # A path is read.
    with pytest.raises(ModelFormatError, match=r"no\.safetensors: no such file"):
        BACKGROUND_TAKERS[taker](str(tmp_path / "no.safetensors"), tmp_path)


def test_a_threshold_that_is_set_decides():
    detector = GaussianMixtureOutlierDetector(random_state=0).fit(X)
    scores = detector.score_samples(X)
    for threshold in (scores.max() + 1.0, scores.min() - 1.0):
        detector.threshold_ = threshold
        assert detector.offset_ == threshold
        assert_array_equal(detector.predict(X), np.where(scores >= threshold, 1, -1))


def test_a_mixture_that_is_set_is_one():
    model, (background_model, mixture) = GaussianMixture(), background()
    model.mixture_ = background_model
    assert model.mixture_ is mixture
    with pytest.raises(TypeError, match="a mixture or a fitted estimator is needed, found list"):
        model.mixture_ = [1.0]


def test_a_background_model_takes_the_name_of_a_preset():
    model, mixture = background()
    assert BackgroundModel(mixture, "speaker").digest == model.digest


FRAME_TAKERS = {
    "GaussianMixture": lambda path: GaussianMixture(2).fit(path),
    "BayesianGaussianMixture": lambda path: BayesianGaussianMixture(n_components=2).fit(path),
    "GaussianMixtureHMM": lambda path: GaussianMixtureHMM(2).fit(path),
    "partial_fit": lambda path: GaussianMixture(2).partial_fit(path),
    "select_n_components": lambda path: select_n_components(path, [1, 2]),
    "outliers": lambda path: GaussianMixtureOutlierDetector().fit(path),
    "score": lambda path: fitted(GaussianMixture).score_samples(path),
    "fit_mixture": lambda path: fit_mixture(path, n_components=2),
    "accumulate": lambda path: accumulate(fitted(GaussianMixture), path),
    "log_likelihood": lambda path: background()[1].log_likelihood(path),
}


@pytest.mark.parametrize("taker", FRAME_TAKERS)
@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_a_path_is_no_frames(taker, kind):
    with pytest.raises(
        TypeError, match=r"must be .*found the path 'x\.npy'; read it first"
    ) as caught:
        FRAME_TAKERS[taker](kind("x.npy"))
    assert isinstance(caught.value, SpeakerGmmError)
