"""Parameters as scikit-learn, hmmlearn and librosa call them are refused with our name."""

import numpy as np
import pytest

from speakergmm import (
    BackgroundModel,
    DirichletProcessMixture,
    FeatureConfig,
    FeatureExtractor,
    GaussianMixture,
    GaussianMixtureHMM,
    GaussianMixtureOutlierDetector,
    HMMClassifier,
    RunContext,
    accumulate,
    adapt,
    evaluate,
    fit_mixture,
    make_mixture,
    read_corpus,
    run_protocol,
    select_n_components,
    train_speaker_mixtures,
    write_audio,
)
from speakergmm.errors import InvalidInputError

X = np.zeros((4, 1))


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: GaussianMixture(seed=0), "give 'random_state'"),
        (lambda: GaussianMixture(n_iter=5), "give 'max_iter'"),
        (lambda: GaussianMixtureHMM(max_iter=5), "give 'n_iter'"),
        (lambda: GaussianMixtureOutlierDetector(contamination=0.1), "give 'false_alarm'"),
        (lambda: DirichletProcessMixture(alpha=1.0), "give 'concentration'"),
        (lambda: DirichletProcessMixture(n_iter=9), "give 'n_sweeps'"),
        (lambda: fit_mixture(X, 4), "such as n_components="),
        (lambda: fit_mixture(X, n_components=2, random_state=0), "give 'seed'"),
        (lambda: fit_mixture(X, n_components=2, covariance_type="full"), "GaussianMixture has it"),
        (lambda: fit_mixture(X, n_components=2, n_init=2), "GaussianMixture has it"),
        (lambda: fit_mixture(X, n_components=2, verbose=1), r"run=RunContext\(progress=True\)"),
        (lambda: BackgroundModel.train("none", 8), "such as n_components="),
        (lambda: BackgroundModel.train("none", num_gauss=8), "give 'n_components'"),
        (lambda: BackgroundModel.train("none", nj=2), "give 'engine'"),
        (lambda: run_protocol("none", "none", num_gselect=5), "give 'top_c'"),
        (lambda: BackgroundModel.train("none", n_mfcc=13), "give 'features'"),
        (lambda: BackgroundModel(n_components=8), r"BackgroundModel.train\("),
        (lambda: train_speaker_mixtures("none", random_state=0), "give 'seed'"),
        (lambda: select_n_components(X, scoring="bic"), "give 'criterion'"),
        (lambda: select_n_components(X, max_components=6), r"'n_components', such as range\("),
        (lambda: select_n_components(X, progress=True), r"run=RunContext\(progress=True\)"),
        (lambda: evaluate([1.0], [0.0]), "equal_error_rate"),
        (lambda: evaluate("scores.tsv"), r"read_scores\(path\)"),
        (lambda: RunContext(verbose=True), "give 'progress'"),
        (lambda: RunContext("a.checkpoint"), "by name"),
        (lambda: FeatureConfig(n_mels=40), "give 'n_filters'"),
        (lambda: FeatureConfig(fmin=40), "give 'low_frequency'"),
        (lambda: FeatureConfig(hop_length=160), "give 'frame_shift', in seconds"),
        (lambda: FeatureConfig().replace(n_mfcc=13), "give 'n_ceps', which does not count c0"),
        (lambda: FeatureConfig(preset="librosa"), "FeatureConfig.preset"),
    ],
)
def test_the_error_about_an_unknown_name_states_the_right_one(call, right):
    with pytest.raises(InvalidInputError, match=right) as raised:
        call()
    assert "\n" not in str(raised.value)


GAUSSIAN = make_mixture("diag", [1.0], [[0.0]], [[1.0]])
SEQUENCES = [X, X]


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: adapt(GAUSSIAN, X), r"adapt\(accumulate\(prior, X\), prior\)"),
        (lambda: adapt(X, GAUSSIAN), r"adapt\(accumulate\(prior, X\), prior\)"),
        (lambda: adapt(accumulate(GAUSSIAN, X), GAUSSIAN, parameters="means"), r"\['means'\]"),
        (lambda: make_mixture([1.0], [[0.0]], [[1.0]], "diag"), r"make_mixture\(covariance_type,"),
        (lambda: GaussianMixture().fit(["a.wav", "b.wav"]), r"FeatureExtractor\(\).extract"),
        (lambda: HMMClassifier().fit(["a", "b"], SEQUENCES), "found a list of paths or words"),
        (lambda: BackgroundModel.train([X, X]), "fit_mixture"),
        (lambda: read_corpus(["a.wav", "b.wav"]), "list of recordings"),
        (
            lambda: GaussianMixture().fit(X[:, 0]),
            "Expected 2D array, got 1D array instead. Reshape",
        ),
        (lambda: GaussianMixture().fit(X).predict(np.zeros((2, 3))), "X has 3 features"),
    ],
)
def test_the_error_about_other_arguments_states_the_right_call(call, right):
    with pytest.raises(InvalidInputError, match=right) as raised:
        call()
    assert "\n" not in str(raised.value)


def test_features_of_several_recordings_are_blocks():
    rng = np.random.default_rng(0)
    samples = rng.normal(scale=0.1, size=(2, 8000))
    features = [FeatureExtractor("kaldi").extract(each, sample_rate=16000) for each in samples]
    found = GaussianMixture(random_state=0).fit(features)
    expected = GaussianMixture(random_state=0).fit([each.values for each in features])
    assert np.array_equal(found.means_, expected.means_)


def test_a_background_model_is_trained_on_a_list_of_recordings(tmp_path):
    rng = np.random.default_rng(0)
    paths = [tmp_path / "a.wav", tmp_path / "b.wav"]
    for path in paths:
        write_audio(path, rng.normal(scale=0.1, size=8000), 16000)
    model = BackgroundModel.train(paths, n_components=1, features="speaker-same-session")
    assert model.mixture.n_components == 1
    assert model.provenance["n_utterances"] == 2


def test_a_selection_from_one_number_is_warned_of():
    with pytest.warns(UserWarning, match=r"range\(1, 3\) tries 1 to 2"):
        select_n_components(np.random.default_rng(0).normal(size=(30, 1)), 2)
