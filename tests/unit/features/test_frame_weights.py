"""Levels, weights and level-free detection: definitions in loops, and what no gain changes."""

import numpy as np
import pytest
from oracles import features as oracle

from speakergmm.audio import read_audio
from speakergmm.errors import InsufficientDataError
from speakergmm.features import (
    EnergySample,
    FeatureConfig,
    FeatureExtractor,
    SpectralAnalysis,
    neighbour_means,
)

RATE = 16000
ROBUST = FeatureConfig.preset("speaker-same-session").replace(
    energy="relative_log_energy", vad_peak=25.0, frame_weights="local_snr"
)


def word_in_noise(seconds=2.0, noise=3e-3, seed=0):
    """Three bursts of a harmonic sound in steady noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * RATE)) / RATE
    voice = sum(np.sin(2 * np.pi * 120 * n * time) / n for n in range(1, 30))
    bursts = np.maximum(np.sin(2 * np.pi * 1.5 * time), 0) ** 2
    return 0.1 * voice * bursts + noise * rng.standard_normal(len(time))


def extracted(samples, config=ROBUST, **options):
    return FeatureExtractor(config).extract(samples, sample_rate=RATE, **options)


def spectra_of(samples, config=ROBUST):
    parts = list(SpectralAnalysis(config).spectra([samples.astype(np.float32)]))
    return np.concatenate([p.log_filters for p in parts]), np.concatenate([p.energy for p in parts])


def real_recordings(data_dir):
    for corpus, every in (("dspspeech20", 400), ("arabic_speech_commands", 1500)):
        for path in sorted((data_dir / corpus).rglob("*.flac"))[::every][:3]:
            yield read_audio(path)[0].astype(np.float64)


def test_the_level_is_that_of_the_definition():
    rng = np.random.default_rng(1)
    energies = np.exp(rng.normal(15, 4, 237)).astype(np.float32)
    energies[40:60] = 0
    sample = EnergySample()
    for part in np.split(neighbour_means(energies), [3, 50, 51]):
        sample.add(part)
    level = sample.level(1.0)
    means = oracle.averaged(energies.tolist())
    quiet = [means[t] for t in oracle.quiet_frames(energies.tolist())]
    assert level.peak == pytest.approx(oracle.peak(energies.tolist()), rel=1e-6)
    assert level.quiet == pytest.approx(max(quiet), rel=1e-6)
    assert level.noise == pytest.approx(sum(quiet) / len(quiet), rel=1e-6)
    assert sample.level(1e30).peak == 1e30


def test_long_recordings_are_sampled_whatever_their_blocks(monkeypatch):
    monkeypatch.setattr("speakergmm.features.recording_level._MOST_HELD", 100)
    energies = np.arange(1.0, 1001.0, dtype=np.float32)
    for size in (1, 7, 333, 1000):
        sample = EnergySample()
        for first in range(0, 1000, size):
            sample.add(energies[first : first + size])
        np.testing.assert_array_equal(sample.energies, energies[::16])
    assert sample.level(1.0).peak == pytest.approx(980, abs=32)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"snr_midpoint": 2.5, "snr_slope": 0.2},
        {"logarithm": "decibel", "sample_scale": 1.0, "log_floor": 1e-12},
        {"spectrum": "magnitude", "dynamic_range": 8.0},
    ],
)
@pytest.mark.parametrize("noise", [3e-3, 1e-7])
def test_weights_are_those_of_the_definition(changes, noise):
    config = ROBUST.replace(**changes)
    samples = word_in_noise(noise=noise)
    samples[:3000] = 0
    log_filters, energies = spectra_of(samples, config)
    powers = np.exp(log_filters.astype(np.float64))
    if config.logarithm == "decibel":
        powers = 10 ** (log_filters.astype(np.float64) / 10)
    if config.spectrum == "magnitude":
        powers **= 2
    expected = oracle.local_snr_weights(
        powers.tolist(),
        energies.astype(np.float64).tolist(),
        midpoint=config.snr_midpoint,
        slope=config.snr_slope,
    )
    found = extracted(samples, config)
    assert found.weights.dtype == np.float32
    np.testing.assert_allclose(found.weights, expected, atol=2e-5)
    np.testing.assert_array_equal(found.speech_frames.weights, found.weights[found.speech])


def test_speech_counts_and_steady_noise_does_not():
    features = extracted(word_in_noise())
    loud = features.values[:, 19] > -3
    assert features.weights[loud].min() > 0.9
    assert np.median(features.weights[features.values[:, 19] < -6]) < 0.3
    noise = extracted(0.05 * np.random.default_rng(2).standard_normal(RATE))
    assert noise.weights.mean() < 0.2
    # Digital silence beside speech is no speech, either, and hides no noise.
    padded = extracted(np.concatenate([np.zeros(4 * RATE), word_in_noise()]))
    assert padded.weights[:390].max() < 0.1
    np.testing.assert_allclose(padded.weights[402:], features.weights[2:], atol=0.05)


def test_relative_log_energy_is_counted_from_the_peak():
    samples = word_in_noise()
    samples[:3000] = 0
    _, energies = spectra_of(samples)
    expected = np.log(np.maximum(energies, 1e-30)) - np.log(oracle.peak(energies.tolist()))
    found = extracted(samples)
    assert found.names[19] == "relative_log_energy"
    np.testing.assert_allclose(found.values[:, 19], np.maximum(expected, -20), atol=1e-5)
    assert found.values[0, 19] == -20


def test_level_free_detection_is_the_energy_rule_after_the_peak_is_moved():
    samples = word_in_noise(noise=1e-3)
    _, energies = spectra_of(samples)
    moved = np.log(energies * np.exp(25.0) / oracle.peak(energies.tolist()))
    means = np.log(oracle.averaged(energies.tolist())) - np.log(oracle.peak(energies.tolist())) + 25
    for threshold, above_noise in ((4.5, None), (9.0, None), (4.5, 2.0)):
        limit = threshold + 0.5 * means.mean()
        if above_noise is not None:
            quiet = np.exp(means)[oracle.quiet_frames(energies.tolist())]
            limit = max(limit, np.log(quiet.mean()) + above_noise)
        expected = oracle.energy_decisions(
            moved, threshold=limit, mean_scale=0.0, context=2, proportion=0.12
        )
        config = ROBUST.replace(vad_threshold=threshold, vad_above_noise=above_noise)
        np.testing.assert_array_equal(extracted(samples, config).speech, expected)
        assert above_noise is None or expected.mean() < 0.8


@pytest.mark.parametrize("gain", [-20.0, -12.37, -7.77, 3.0])
@pytest.mark.parametrize(
    "changes",
    [{}, {"voice_activity": "two_gaussian", "vad_above_noise": 1.5, "deltas": 0}],
)
def test_a_gain_changes_nothing(data_dir, gain, changes):
    config = ROBUST.replace(**changes)
    for samples in real_recordings(data_dir):
        expected = extracted(samples, config)
        found = extracted(samples * 10 ** (gain / 20), config)
        np.testing.assert_array_equal(found.speech, expected.speech)
        # Filters hold up to ten decades less energy than the loudest: there float32 loses digits.
        np.testing.assert_allclose(found.values, expected.values, atol=5e-3)
        np.testing.assert_allclose(found.weights, expected.weights, atol=1e-5)


@pytest.mark.parametrize("block_frames", [1, 13, 4096])
def test_streams_have_the_weights_of_extraction(block_frames, monkeypatch):
    monkeypatch.setattr("speakergmm.features.pipeline._LEVEL_FRAMES", 37)
    config = ROBUST.replace(normalisation="mean", vad_above_noise=1.0, n_filters=26)
    whole = extracted(word_in_noise(), config)
    stream = FeatureExtractor(config).stream
    blocks = list(stream(word_in_noise(), sample_rate=RATE, block_frames=block_frames))
    assert {len(block) for block in blocks[:-1]} <= {block_frames}
    for name in ("values", "speech", "weights"):
        joined = np.concatenate([getattr(block, name) for block in blocks])
        np.testing.assert_allclose(joined, getattr(whole, name), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("n_frames", [1, 2, 3, 5])
def test_very_short_recordings_have_weights(n_frames):
    samples = word_in_noise()[4000 : 4000 + 400 + 160 * (n_frames - 1)]
    features = extracted(samples)
    assert len(features.weights) == n_frames
    assert features.speech.any()
    assert ((features.weights > 0) & (features.weights <= 1)).all()
    assert np.isfinite(features.values).all()


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE),
        np.full(RATE, 0.3),
        np.random.default_rng(0).integers(-2, 3, RATE) / 32768,
        np.resize([0.0, 1.0, 0.0, -1.0], RATE) / 32768,
    ],
    ids=["digital silence", "a constant", "dither", "one step"],
)
def test_silence_is_silence_at_any_gain(samples):
    for gain in (1.0, 0.1):
        with pytest.raises(InsufficientDataError, match="no speech found"):
            extracted(samples * gain)
    found = extracted(samples, ROBUST.replace(voice_activity="none"))
    assert np.isfinite(found.values).all()
    assert found.weights.max() < 0.2


def test_all_equal_energies_are_speech_unless_noise_is_looked_for():
    samples = np.resize(np.sin(2 * np.pi * np.arange(160) / 160), RATE)
    features = extracted(samples)
    assert features.speech.all()
    np.testing.assert_allclose(features.values[:, 19], 0, atol=1e-5)
    np.testing.assert_allclose(features.weights, 1 / (1 + np.exp(2)), atol=1e-4)
    with pytest.raises(InsufficientDataError, match="too even to tell speech from background"):
        extracted(samples, ROBUST.replace(vad_above_noise=1.0))


def test_configurations_without_weights_have_none():
    features = extracted(word_in_noise(), FeatureConfig.preset("speaker-same-session"))
    assert features.weights is None
    assert features.speech_frames.weights is None


@pytest.mark.slow
@pytest.mark.parametrize("noise", [3e-3, 1e-4])
def test_seldom_speech_in_long_noise_keeps_its_level(noise):
    rng = np.random.default_rng(3)
    word = word_in_noise(noise=noise)
    long = noise * rng.standard_normal(120 * RATE)
    at = 50 * RATE
    long[at : at + len(word)] = word
    alone = extracted(word)
    first = at // 160
    inside = slice(first + 2, first + len(alone) - 2)
    for gain in (1.0, 0.1):
        found = extracted(gain * long)
        loud = alone.values[2:-2, 19] > -2
        energies = found.values[inside, 19][loud]
        np.testing.assert_allclose(energies, alone.values[2:-2, 19][loud], atol=1.0)
        np.testing.assert_allclose(found.weights[inside], alone.weights[2:-2], atol=0.15)
        assert found.weights[: first - 2].mean() < 0.2


def test_a_click_in_noise_is_not_the_level():
    noise = 1e-3 * np.random.default_rng(4).standard_normal(5 * RATE)
    clicked = noise.copy()
    clicked[40000:40080] = 0.5
    config = ROBUST.replace(voice_activity="none")
    found = extracted(clicked, config).values[:, 19] - extracted(noise, config).values[:, 19]
    assert np.abs(found[:200]).max() < 0.1


def test_the_level_of_rare_energies_is_that_of_the_definition():
    rng = np.random.default_rng(5)
    for n_loud in (0, 4, 8, 9, 30, 90, 200, 300):
        energies = np.exp(rng.normal(5, 0.1, 1000))
        energies[300 : 300 + n_loud] *= np.exp(rng.uniform(3, 8, n_loud))
        sample = EnergySample()
        sample.add(neighbour_means(energies.astype(np.float32)))
        assert sample.level(1.0).peak == pytest.approx(oracle.peak(energies.tolist()), rel=1e-5)
