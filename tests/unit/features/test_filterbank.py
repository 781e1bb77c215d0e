"""Filter banks and mel scales against librosa and the formula."""

import librosa
import numpy as np
import pytest
from oracles import features as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.features import (
    FeatureConfig,
    FeatureExtractor,
    FilterProduct,
    hertz_to_mel,
    mel_to_hertz,
    triangular_filters,
    warped_frequency,
)


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_scales_equal_librosas(scale):
    hertz = np.array([0.0, 20.0, 999.0, 1000.0, 1001.0, 4000.0, 22050.0])
    expected = librosa.hz_to_mel(hertz, htk=scale == "htk")
    # HTK and Kaldi round the factor 2595 / ln 10 to 1127: a scale factor, no matter for filters.
    np.testing.assert_allclose(hertz_to_mel(hertz, scale=scale), expected, rtol=2e-5)
    np.testing.assert_allclose(
        mel_to_hertz(hertz_to_mel(hertz, scale=scale), scale=scale), hertz, rtol=1e-12
    )


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["htk", "slaney"])
@pytest.mark.parametrize("normalisation", ["none", "area"])
def test_filters_in_hertz_equal_librosas(scale, normalisation):
    expected = librosa.filters.mel(
        sr=16000,
        n_fft=1024,
        n_mels=40,
        fmin=60.0,
        fmax=7600.0,
        htk=scale == "htk",
        norm="slaney" if normalisation == "area" else None,
        dtype=np.float64,
    )
    found = triangular_filters(
        n_filters=40,
        n_fft=1024,
        sample_rate=16000,
        low_frequency=60.0,
        high_frequency=7600.0,
        scale=scale,
        slopes="hertz",
        normalisation=normalisation,
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("scale", "function"), [("htk", oracle.htk_mel), ("linear", oracle.identity)]
)
def test_filters_equal_the_formula(scale, function):
    found = triangular_filters(
        n_filters=12, n_fft=256, sample_rate=8000, low_frequency=100.0, scale=scale
    )
    settings = {"n_filters": 12, "low": 100.0, "high": 4000.0, "scale": function}
    expected = [
        [oracle.filter_weight(k * 31.25, m, **settings) for k in range(129)] for m in range(12)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_warped_frequencies_are_two_lines_that_meet():
    for factor in (0.8, 0.9, 1.0, 1.15, 1.3):
        hertz = np.linspace(0.0, 4000.0, 801)
        moved = warped_frequency(hertz, factor=factor, top_frequency=4000.0)
        knee = 3400.0 if factor <= 1 else 3400.0 / factor
        low = hertz < knee - 5
        np.testing.assert_allclose(moved[low], factor * hertz[low], rtol=1e-12)
        assert moved[0] == 0.0
        assert moved[-1] == 4000.0
        steps = np.diff(moved)
        assert (steps > 0).all()
        # One slope below the knee, one above: at most one step straddles it.
        above = hertz[:-1] > knee
        assert np.ptp(steps[above]) < 1e-9
        assert moved[-1] - moved[above.argmax()] == pytest.approx(steps[above].sum())


@pytest.mark.parametrize("scale", ["htk", "linear"])
def test_warped_filters_peak_at_the_warped_centres(scale):
    settings = {"n_filters": 10, "n_fft": 4096, "sample_rate": 16000, "scale": scale}
    hertz = np.arange(2049) * 16000 / 4096
    for factor in (0.88, 1.12):
        plain = hertz[triangular_filters(**settings).argmax(axis=1)]
        peaks = hertz[triangular_filters(**settings, warp=factor).argmax(axis=1)]
        expected = np.interp(
            plain,
            [0.0, 6800.0 * min(1.0, 1 / factor), 8000.0],
            [0.0, 6800.0 * min(factor, 1.0), 8000.0],
        )
        np.testing.assert_allclose(peaks, expected, atol=8.0)


def test_a_warped_voice_sounds_like_the_voice_to_warped_filters():
    """Formants moved by a factor give the same cepstra through filters moved by it."""
    time = np.arange(8000) / 16000

    def vowel(factor: float) -> np.ndarray:
        pitch = np.arange(1, 60) * 120.0
        level = sum(np.exp(-0.5 * ((pitch / factor - f) / 90.0) ** 2) for f in (500, 1500, 2500))
        return 0.05 * (level[:, None] * np.sin(2 * np.pi * pitch[:, None] * time)).sum(axis=0)

    def cepstra(samples: np.ndarray, warp: float) -> np.ndarray:
        config = FeatureConfig.preset("hmm").replace(deltas=0, frequency_warp=warp)
        return FeatureExtractor(config).extract(samples, sample_rate=16000).values.mean(axis=0)[1:7]

    plain, moved = cepstra(vowel(1.0), 1.0), cepstra(vowel(1.15), 1.15)
    unmoved = cepstra(vowel(1.15), 1.0)
    assert np.abs(moved - plain).sum() < 0.5 * np.abs(unmoved - plain).sum()


def test_filters_without_a_bin_are_refused():
    with pytest.raises(InvalidInputError, match=r"n_filters=80 is too many for n_fft=256"):
        triangular_filters(n_filters=80, n_fft=256, sample_rate=16000)


@pytest.mark.parametrize("interleaved", [False, True])
@pytest.mark.parametrize("n_filters", [1, 16, 23, 33])
def test_product_in_parts_equals_the_whole_product(interleaved, n_filters):
    rng = np.random.default_rng(0)
    weights = triangular_filters(n_filters=n_filters, n_fft=1024, sample_rate=16000)
    columns = np.repeat(weights, 2, axis=1) if interleaved else weights
    spectra = rng.random((5, columns.shape[1]), dtype=np.float32)
    found = np.empty((5, n_filters), np.float32)
    FilterProduct(weights, interleaved=interleaved)(spectra, found)
    np.testing.assert_allclose(found, spectra @ columns.T, rtol=1e-5)


def test_an_unknown_scale_is_refused():
    with pytest.raises(
        InvalidInputError, match="mel scale must be one of htk, slaney, found 'bark'"
    ):
        hertz_to_mel(100.0, scale="bark")
    with pytest.raises(
        InvalidInputError, match="mel scale must be one of htk, slaney, found 'bark'"
    ):
        mel_to_hertz(100.0, scale="bark")
