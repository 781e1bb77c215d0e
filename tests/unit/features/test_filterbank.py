"""Filter banks and mel scales against librosa and the formula."""

import librosa
import numpy as np
import pytest
from oracles import features as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.features import hertz_to_mel, mel_to_hertz, triangular_filters
from speakergmm.features.filterbank import FilterProduct


@pytest.mark.parametrize("scale", ["htk", "slaney"])
def test_mel_scales_equal_librosas(scale):
    hertz = np.array([0.0, 20.0, 999.0, 1000.0, 1001.0, 4000.0, 22050.0])
    expected = librosa.hz_to_mel(hertz, htk=scale == "htk")
    # HTK and Kaldi round the factor 2595 / ln 10 to 1127: a scale factor, no matter for filters.
    np.testing.assert_allclose(hertz_to_mel(hertz, scale=scale), expected, rtol=2e-5)
    np.testing.assert_allclose(
        mel_to_hertz(hertz_to_mel(hertz, scale=scale), scale=scale), hertz, rtol=1e-12
    )


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
    with pytest.raises(InvalidInputError, match="mel scale must be htk or slaney, got 'bark'"):
        hertz_to_mel(100.0, scale="bark")
    with pytest.raises(InvalidInputError, match="mel scale must be htk or slaney, got 'bark'"):
        mel_to_hertz(100.0, scale="bark")
