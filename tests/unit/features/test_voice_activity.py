"""Energy rules against Kaldi's formula, scikit-learn, and what they must not depend on."""

import numpy as np
import pytest
from oracles import features as oracle
from sklearn.mixture import GaussianMixture

from speakergmm.audio import read_audio
from speakergmm.features import (
    EnergyHistogram,
    FeatureConfig,
    FeatureExtractor,
    SpeechRule,
    smoothed_decisions,
    two_gaussian_threshold,
)


def histogram_of(log_energy):
    histogram = EnergyHistogram()
    for block in np.array_split(np.asarray(log_energy, np.float32), 7):
        histogram.add(block)
    return histogram


@pytest.mark.parametrize("hangover", [0, 3])
@pytest.mark.parametrize(("context", "proportion"), [(0, 0.5), (2, 0.12), (2, 0.6), (5, 0.3)])
def test_energy_rule_equals_kaldis(context, proportion, hangover):
    log_energy = np.random.default_rng(0).normal(9, 4, size=300).astype(np.float32)
    settings = {"context": context, "proportion": proportion, "hangover": hangover}
    expected = oracle.energy_decisions(log_energy, threshold=5.5, mean_scale=0.5, **settings)
    rule = SpeechRule(FeatureConfig(vad_threshold=5.5, vad_mean_scale=0.5))
    limit = rule.threshold(histogram_of(log_energy))
    found = smoothed_decisions(log_energy > limit, **settings)
    np.testing.assert_array_equal(found, expected)
    assert 0 < found.sum() < 300


def test_extraction_follows_the_energy_rule_on_real_speech(data_dir):
    path = data_dir / "arabic_speech_commands" / "yes" / "00000001_NO_01.flac"
    samples, _ = read_audio(path)
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(float) * 32768, 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    log_energy = np.log(np.maximum((frames**2).sum(axis=1), 400.0))
    expected = oracle.energy_decisions(
        log_energy, threshold=5.5, mean_scale=0.5, context=2, proportion=0.12, hangover=4
    )
    for preset in ("speaker-same-session", "kaldi"):
        config = FeatureConfig.preset(preset).replace(
            voice_activity="energy",
            vad_threshold=5.5,
            vad_mean_scale=0.5,
            vad_context=2,
            vad_proportion=0.12,
            vad_hangover=0.04,
        )
        np.testing.assert_array_equal(FeatureExtractor(config).extract(path).speech, expected)
    assert 0.1 < expected.mean() < 0.9


def test_log_energy_is_in_16_bit_units_whatever_the_scale():
    energy = np.array([0.0, 400.0, 1e6], np.float32)
    config = FeatureConfig()
    found = SpeechRule(config).log_energy(energy)
    np.testing.assert_allclose(found, np.log([400.0, 400.0, 1e6]), rtol=1e-6)
    unit = (energy / np.float32(2**30)).astype(np.float32)
    of_units = SpeechRule(config.replace(sample_scale=1.0)).log_energy(unit)
    np.testing.assert_allclose(of_units, found, rtol=1e-6)


@pytest.mark.parametrize("posterior", [0.2, 0.5, 0.9])
def test_two_gaussians_equal_scikit_learns(posterior):
    rng = np.random.default_rng(3)
    log_energy = np.concatenate([rng.normal(7, 0.8, 4000), rng.normal(14, 2.0, 2500)])
    rng.shuffle(log_energy)
    found = two_gaussian_threshold(histogram_of(log_energy), posterior=posterior)
    mixture = GaussianMixture(2, tol=1e-8, max_iter=500, random_state=0)
    mixture.fit(log_energy[:, None])
    high = int(np.argmax(mixture.means_[:, 0]))
    levels = np.linspace(*np.sort(mixture.means_[:, 0]), 2000)
    above = mixture.predict_proba(levels[:, None])[:, high] > posterior
    assert found == pytest.approx(levels[np.argmax(above)], abs=0.05)


def test_two_gaussians_that_overlap_are_told_apart():
    # There EM is slow, and where it starts (at half the deviation of all) matters.
    rng, deviation, distance = np.random.default_rng(3), 1.5, 4.0
    quiet, loud = rng.normal(7, deviation, 4800), rng.normal(7 + distance, deviation, 1200)
    found = two_gaussian_threshold(histogram_of(np.concatenate([quiet, loud])))
    # Where both are equally probable, by Bayes' rule.
    expected = 7 + distance / 2 + np.log(4800 / 1200) * deviation**2 / distance
    assert found == pytest.approx(expected, abs=0.3)


def test_a_single_gaussian_is_not_split():
    log_energy = np.random.default_rng(4).normal(12, 0.7, 3000)
    assert two_gaussian_threshold(histogram_of(log_energy)) is None
    assert two_gaussian_threshold(histogram_of(np.full(50, 6.0))) is None


def test_histogram_keeps_the_exact_mean_and_odd_values():
    log_energy = np.array([-1000.0, 3.3, 1000.0, 12.0], np.float32)
    histogram = histogram_of(log_energy)
    assert histogram.n_frames == 4
    assert histogram.counts[[0, -1]].tolist() == [1, 1]
    assert histogram.mean == pytest.approx(float(log_energy.mean()), rel=1e-6)


def test_two_gaussian_rule_finds_the_words_of_real_speech(data_dir):
    path = sorted((data_dir / "dspspeech20").rglob("*.flac"))[30]
    config = FeatureConfig.preset("speaker").replace(voice_activity="two_gaussian")
    found = FeatureExtractor(config).extract(path)
    loudness = found.values[:, 19]
    assert 0.1 < found.speech.mean() < 0.9
    assert loudness[found.speech].mean() > loudness[~found.speech].mean() + 3


def test_even_recordings_fall_back_to_the_energy_rule():
    noise = np.random.default_rng(5).normal(scale=0.1, size=16000)
    config = FeatureConfig.preset("speaker-same-session").replace(voice_activity="two_gaussian")
    assert FeatureExtractor(config).extract(noise, sample_rate=16000).speech.all()
