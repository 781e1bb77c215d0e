"""Presets against independent programs on real speech, and against the formulas."""

import kaldi_native_fbank
import librosa
import numpy as np
import pytest
from oracles import features as oracle

from speakergmm.audio import read_audio
from speakergmm.features import FeatureConfig, FeatureExtractor, lifter_weights


@pytest.fixture(params=range(3))
def recording(request, data_dir):
    folders = ("librispeech/test-other", "dspspeech20", "arabic_speech_commands")
    return sorted((data_dir / folders[request.param]).rglob("*.flac"))[10]


def speech_like(n, seed=0):
    """Few samples with structure: a falling tone, noise, and an offset."""
    rng = np.random.default_rng(seed)
    t = np.arange(n) / 16000
    tone = 0.3 * np.sin(2 * np.pi * (300 * t - 2000 * t**2))
    return (tone + 0.02 * rng.standard_normal(n) + 0.01).astype(np.float32)


def kaldi_mfcc(samples, *, use_energy=True, num_ceps=13, num_bins=23):
    # All of Kaldi's own defaults: those of kaldi-native-fbank differ in some.
    options = kaldi_native_fbank.MfccOptions()
    frames = options.frame_opts
    frames.samp_freq, frames.frame_shift_ms, frames.frame_length_ms = 16000, 10, 25
    frames.dither, frames.preemph_coeff, frames.remove_dc_offset = 0.0, 0.97, True
    frames.window_type, frames.round_to_power_of_two, frames.snip_edges = "povey", True, True
    mel = options.mel_opts
    mel.num_bins, mel.low_freq, mel.high_freq = num_bins, 20.0, 0.0
    mel.htk_mode, mel.is_librosa = False, False
    options.num_ceps, options.use_energy, options.raw_energy = num_ceps, use_energy, True
    options.energy_floor, options.cepstral_lifter, options.htk_compat = 0.0, 22.0, False
    mfcc = kaldi_native_fbank.OnlineMfcc(options)
    mfcc.accept_waveform(16000, samples * np.float32(32768))
    mfcc.input_finished()
    return np.stack([mfcc.get_frame(t) for t in range(mfcc.num_frames_ready)])


def exact_kaldi_mfcc(samples):
    """The kaldi preset in float64: not a line of the package in it."""
    frames = np.lib.stride_tricks.sliding_window_view(samples.astype(float) * 32768, 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    log_energy = np.log(np.maximum((frames**2).sum(axis=1), 2.0**-23))
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    tapered = (frames - 0.97 * before) * oracle.povey(400)
    power = np.abs(np.fft.rfft(tapered, 512)) ** 2
    settings = {"n_filters": 23, "low": 20.0, "high": 8000.0, "scale": oracle.htk_mel}
    weights = [
        [oracle.filter_weight(k * 31.25, m, **settings) for m in range(23)] for k in range(257)
    ]
    logs = np.log(np.maximum(power @ np.array(weights), 2.0**-23))
    angle = np.outer(np.arange(23) + 0.5, np.arange(13)) * np.pi / 23
    ceps = logs @ (np.cos(angle) * np.sqrt(2 / 23))
    ceps *= 1 + 11 * np.sin(np.pi * np.arange(13) / 22)
    ceps[:, 0] = log_energy
    return ceps


@pytest.mark.slow
def test_librosa_preset_equals_librosa(recording):
    with pytest.warns(UserWarning, match="upsampled"):
        samples, rate = read_audio(recording, sample_rate=22050)
    expected = librosa.feature.mfcc(y=samples, sr=rate).T
    found = FeatureExtractor("librosa").extract(samples, sample_rate=22050).values
    assert found.shape == expected.shape
    # 128 terms of up to 80 dB each: rounding is relative to the largest values.
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_librosa_preset_limits_the_dynamic_range_over_the_recording():
    samples = np.concatenate([speech_like(22050), 1e-5 * speech_like(22050, seed=1)])
    expected = librosa.feature.mfcc(y=samples, sr=22050).T
    unlimited = FeatureConfig.preset("librosa").replace(dynamic_range=None)
    assert (
        np.abs(
            FeatureExtractor(unlimited).extract(samples, sample_rate=22050).values - expected
        ).max()
        > 10
    )
    found = FeatureExtractor("librosa").extract(samples, sample_rate=22050).values
    np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


def test_librosa_preset_with_other_frames_filters_and_mel_scale(recording):
    samples, _ = read_audio(recording)
    config = FeatureConfig.preset("librosa").replace(
        sample_rate=16000,
        frame_length=400 / 16000,
        frame_shift=160 / 16000,
        n_fft=400,
        n_filters=40,
        mel_scale="htk",
        n_ceps=12,
        low_frequency=50.0,
        high_frequency=7000.0,
    )
    expected = librosa.feature.mfcc(
        y=samples, sr=16000, n_mfcc=13, n_fft=400, hop_length=160,
        n_mels=40, htk=True, fmin=50, fmax=7000,
    ).T  # fmt: skip
    found = FeatureExtractor(config).extract(samples, sample_rate=16000).values
    np.testing.assert_allclose(found, expected, rtol=0, atol=3e-6 * np.abs(expected).max())


def test_kaldi_preset_equals_kaldi(recording):
    samples, _ = read_audio(recording)
    expected = kaldi_mfcc(samples)
    found = FeatureExtractor("kaldi").extract(recording).values
    assert found.shape == expected.shape
    error = np.abs(found - expected)
    # Weak filters beside strong ones lose digits in both programs' float32 transforms.
    assert error.max() < 2e-3
    assert np.median(error) < 3e-5
    exact = exact_kaldi_mfcc(samples)
    assert np.median(np.abs(found - exact)) <= np.median(np.abs(expected - exact))


def test_kaldi_preset_where_float32_is_at_its_worst(data_dir):
    # A fricative, whose low filters hold ten decades less than its high ones.
    path = next((data_dir / "librispeech" / "test-other").rglob("1688-142285-0000.flac"))
    samples, _ = read_audio(path)
    expected, exact = kaldi_mfcc(samples), exact_kaldi_mfcc(samples)
    found = FeatureExtractor("kaldi").extract(samples, sample_rate=16000).values
    error = np.abs(found - expected)
    assert error.max() < 2e-2
    assert np.mean(error > 2e-3) < 5e-3
    assert np.median(error) < 3e-5
    assert np.abs(found - exact).max() <= np.abs(expected - exact).max()


def test_kaldi_preset_with_c0_and_more_cepstra(recording):
    samples, _ = read_audio(recording)
    config = FeatureConfig.preset("kaldi").replace(energy="c0", n_ceps=19, n_filters=30)
    expected = kaldi_mfcc(samples, use_energy=False, num_ceps=20, num_bins=30)
    error = np.abs(FeatureExtractor(config).extract(samples, sample_rate=16000).values - expected)
    assert error.max() < 3e-3
    assert np.median(error) < 3e-5


def test_htk_preset_equals_the_formulas():
    samples = speech_like(400 + 2 * 160)
    expected = oracle.cepstra(
        samples * 32768.0, rate=16000, length=400, shift=160, n_fft=512, n_filters=26, n_ceps=12
    )
    extractor = FeatureExtractor("htk")
    assert extractor.feature_names[-1] == "c0"
    found = extractor.extract(samples, sample_rate=16000).values
    np.testing.assert_allclose(found, expected[:, :13], rtol=1e-5, atol=1e-4)


def test_htk_preset_takes_energies_below_one_step_for_one():
    # The logarithm of 1 is 0, and so is every cepstrum.
    assert not FeatureExtractor("htk").extract(np.zeros(800), sample_rate=16000).values.any()


def test_htk_preset_with_log_energy_equals_the_formulas():
    samples = speech_like(400 + 160)
    expected = oracle.cepstra(
        samples * 32768.0, rate=16000, length=400, shift=160, n_fft=512, n_filters=26, n_ceps=12
    )
    config = FeatureConfig.preset("htk").replace(energy="log_energy")
    found = FeatureExtractor(config).extract(samples, sample_rate=16000).values
    np.testing.assert_allclose(found, expected[:, [*range(12), 13]], rtol=1e-5, atol=1e-4)


def test_lfcc_equal_the_formulas():
    config = FeatureConfig(
        kind="lfcc",
        sample_rate=8000,
        frame_length=0.02,
        n_filters=20,
        n_ceps=10,
        low_frequency=100.0,
        high_frequency=3800.0,
        lifter=0,
        energy="c0",
    )
    samples = speech_like(160 + 2 * 80)
    expected = oracle.cepstra(
        samples * 32768.0,
        rate=8000,
        length=160,
        shift=80,
        n_fft=256,
        n_filters=20,
        n_ceps=10,
        low=100.0,
        high=3800.0,
        scale=oracle.identity,
        remove_dc=True,
        power=True,
        floor=2.0**-23,
        lifter=0,
        c0_factor=np.sqrt(0.5),
    )
    found = FeatureExtractor(config).extract(samples, sample_rate=8000).values
    np.testing.assert_allclose(found, expected[:, :11], rtol=1e-5, atol=2e-4)


def test_speaker_preset_has_sixty_features():
    for preset, energy in (
        ("speaker", "relative_log_energy"),
        ("speaker-same-session", "log_energy"),
    ):
        extractor = FeatureExtractor(preset)
        assert extractor.n_features == len(extractor.feature_names) == 60
        assert extractor.feature_names[18:21] == ("c19", energy, "delta_c1")
        assert extractor.feature_names[-1] == f"delta2_{energy}"
    assert FeatureExtractor().config == FeatureConfig.preset("speaker")


def test_lifter_of_htk():
    expected = [1 + 11 * np.sin(np.pi * n / 22) for n in range(13)]
    np.testing.assert_allclose(lifter_weights(12, 22), expected, rtol=1e-12)
    assert (lifter_weights(12, 0) == 1).all()
