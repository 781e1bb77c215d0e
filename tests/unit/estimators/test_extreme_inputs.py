"""Weights and frames at the limits of float64: correct results, or a warning or error."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose

from speakergmm import (
    BayesianGaussianMixture,
    GaussianMixture,
    GaussianMixtureHMM,
    GaussianMixtureOutlierDetector,
    HMMClassifier,
    select_n_components,
)
from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.mixtures import train_from

rng = np.random.default_rng(0)
X = np.concatenate([rng.normal(-1, 0.2, (60, 2)), rng.normal(1, 0.2, (60, 2))])


def fit_mixture_with(weight):
    return GaussianMixture(2, random_state=0).fit(X, sample_weight=np.full(len(X), weight))


WEIGHERS = {
    "GaussianMixture": fit_mixture_with,
    "partial_fit": lambda weight: GaussianMixture(2, random_state=0).partial_fit(
        X, sample_weight=np.full(len(X), weight)
    ),
    "BayesianGaussianMixture": lambda weight: BayesianGaussianMixture(
        n_components=2, random_state=0, max_iter=500
    ).fit(X, sample_weight=np.full(len(X), weight)),
    "GaussianMixtureHMM": lambda weight: GaussianMixtureHMM(2, random_state=0).fit(
        [X[:60], X[60:]], sample_weight=np.full(2, weight)
    ),
    "HMMClassifier": lambda weight: HMMClassifier(GaussianMixtureHMM(1)).fit(
        np.split(X, 4), [0, 0, 1, 1], sample_weight=np.full(4, weight)
    ),
    "select_n_components": lambda weight: select_n_components(
        X, [1, 2], sample_weight=np.full(len(X), weight)
    ),
    "train_from": lambda weight: train_from(
        X, fit_mixture_with(1.0).mixture_, sample_weight=np.full(len(X), weight)
    ),
}


@pytest.mark.parametrize("name", WEIGHERS)
@pytest.mark.parametrize(
    ("weight", "message"), [(1e308, "finite sum"), (1e-320, "more than 1e-307")]
)
def test_weights_that_cannot_be_summed_are_named(name, weight, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidInputError, match=f"sample_weight must .*{message}") as caught:
            WEIGHERS[name](weight)
    assert "divide them by the largest" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("weight", [1e-290, 1e290])
def test_a_common_factor_of_weights_changes_no_hidden_markov_model(weight):
    models = [WEIGHERS["GaussianMixtureHMM"](w) for w in (1.0, weight)]
    assert_allclose(models[1].means_, models[0].means_, rtol=1e-6)
    assert_allclose(models[1].covars_, models[0].covars_, rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-150, 1e-200, 1e-300])
def test_frames_whose_squares_are_lost_are_told(scale):
    fits = (
        lambda frames: GaussianMixture(2, random_state=0).fit(frames),
        lambda frames: BayesianGaussianMixture(n_components=2, random_state=0).fit(frames),
        lambda frames: GaussianMixtureOutlierDetector(random_state=0).fit(frames),
        lambda frames: GaussianMixture(2, random_state=0).fit(np.split(frames + 0.0, 2)),
    )
    for fit in fits:
        with pytest.warns(UserWarning, match="feature 0 varies by less than 1e-145.*scale"):
            fit(X * scale)
    # One feature of several: with the others it is a constant one.
    with pytest.warns(UserWarning, match="feature 1 varies by less"):
        mixed = GaussianMixture(2, random_state=0).fit(X * [1.0, scale])
    assert_allclose(np.sort(mixed.means_[:, 0]), [-1.0, 1.0], atol=0.1)


def test_constant_frames_are_no_lost_ones():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for value in (0.0, 0.1, 1e-200, 1e8 + 0.1):
            GaussianMixture(1).fit(np.full((20_000, 2), value))
            GaussianMixtureHMM(1).fit(np.full((50, 2), value))


def test_hidden_markov_models_refuse_what_they_cannot_square():
    for scale, message in ((1e-200, "varies too little.*scale the features up"), (1e200, "down")):
        with pytest.raises(SpeakerGmmError, match=message):
            GaussianMixtureHMM(2, random_state=0).fit(X * scale)
    small = GaussianMixtureHMM(2, random_state=0).fit(X * 1e-140)
    plain = GaussianMixtureHMM(2, random_state=0).fit(X)
    assert_allclose(small.means_ * 1e140, plain.means_, rtol=1e-6)
