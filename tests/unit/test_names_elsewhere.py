"""Parameters as scikit-learn, hmmlearn and librosa call them are refused with our name."""

import numpy as np
import pytest

from speakergmm import (
    BackgroundModel,
    DirichletProcessMixture,
    FeatureConfig,
    GaussianMixture,
    GaussianMixtureHMM,
    GaussianMixtureOutlierDetector,
    RunContext,
    evaluate,
    fit_mixture,
    run_protocol,
    select_n_components,
    train_speaker_mixtures,
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
        (lambda: BackgroundModel.train("none", nj=2), "give 'n_jobs'"),
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
