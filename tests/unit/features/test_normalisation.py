"""Normalisation, warping and RASTA against the formulas, window by window."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
from oracles import features as oracle

from speakergmm.corpora import Utterance
from speakergmm.errors import InvalidInputError
from speakergmm.features import (
    FeatureConfig,
    FeatureExtractor,
    FeatureNormalisation,
    RastaFilter,
    normalise_sliding,
    warp,
)
from speakergmm.moments import Moments


@pytest.fixture
def matrix():
    values = np.random.default_rng(0).normal(50, 3, size=(90, 4)).astype(np.float32)
    values[30:36] = values[30]  # silence: equal frames
    values[:, 3] = 7.0
    return values


def marks(kind):
    speech = np.random.default_rng(1).random(90) < 0.6
    if kind == "gap":
        speech[20:60] = False
    return np.ones(90, np.bool_) if kind == "all" else speech


@pytest.mark.parametrize("kind", ["all", "some", "gap"])
@pytest.mark.parametrize("window", [1, 2, 9, 30, 89, 90, 200])
@pytest.mark.parametrize("variance", [False, True])
def test_sliding_equals_the_formula(matrix, kind, window, variance):
    speech = marks(kind)
    found = normalise_sliding(matrix, speech, window=window, variance=variance)
    expected = oracle.sliding(matrix, speech, window, variance)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["all", "some", "gap"])
@pytest.mark.parametrize("window", [1, 2, 9, 30, 89, 90, 200])
def test_warping_equals_the_formula(matrix, kind, window):
    speech = marks(kind)
    found = warp(matrix, speech, window=window)
    np.testing.assert_allclose(found, oracle.warp(matrix, speech, window), rtol=1e-5, atol=1e-6)


def test_warping_counts_beyond_one_byte():
    values = np.random.default_rng(2).normal(size=(700, 1)).astype(np.float32)
    speech = np.ones(700, np.bool_)
    expected = oracle.warp(values, speech, 600)
    np.testing.assert_allclose(warp(values, speech, window=600), expected, rtol=1e-5, atol=1e-6)


def test_warped_features_are_standard_normal():
    values = np.random.default_rng(3).exponential(size=(3000, 2)).astype(np.float32)
    found = warp(values, np.ones(3000, np.bool_), window=300)
    assert np.abs(found.mean(axis=0)).max() < 0.02
    assert np.abs(found.std(axis=0) - 1).max() < 0.03


def test_statistics_that_are_given_are_used():
    values = (1e4 + np.random.default_rng(4).normal(size=(1000, 3))).astype(np.float32)
    moments = Moments()
    for block in np.split(values, [1, 1, 400, 990]):
        moments.add(block)
    exact = values.astype(np.float64)
    normalisation = FeatureNormalisation("speaker")
    found = normalisation(values[:100].astype(np.float64), moments=moments)
    expected = (exact[:100] - exact.mean(axis=0)) / exact.std(axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
    found = normalisation(values, moments=moments)
    assert np.abs(found.mean(axis=0)).max() < 1e-2
    np.testing.assert_allclose(found.std(axis=0), 1, rtol=1e-2)


@pytest.mark.parametrize("kind", ["mean", "mean_variance"])
def test_statistics_of_a_recording_are_those_of_its_speech(data_dir, kind):
    path = sorted((data_dir / "dspspeech20").rglob("*.flac"))[50]
    plain = FeatureExtractor("speaker").extract(path)
    found = FeatureExtractor(FeatureConfig.preset("speaker").replace(normalisation=kind))
    features = found.extract(path)
    assert not features.speech.all()
    speech = plain.speech_values.astype(np.float64)
    expected = plain.values - speech.mean(axis=0)
    if kind == "mean_variance":
        expected /= speech.std(axis=0)
    np.testing.assert_allclose(features.values, expected, rtol=1e-4, atol=2e-4)


def test_a_constant_feature_becomes_zero_not_infinite(matrix):
    speech = np.ones(90, np.bool_)
    assert (normalise_sliding(matrix, speech, window=9, variance=True)[:, 3] == 0).all()
    assert (FeatureNormalisation("utterance")(matrix)[:, 3] == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scope", ["utterance", "speaker", "window"])
def test_what_does_not_vary_is_divided_by_one(matrix, scope, dtype):
    """By 1e-5, the frame that is no speech would be seen 3e5 deviations away."""
    speech = np.arange(90) % 9 != 4
    values = matrix.astype(dtype)
    values[:, 3] = np.where(speech, 7.0, 10.0)
    # The rounding of a large float32 number is no variation either.
    values[:, 2] = 100.0 + 8e-6 * (np.arange(90) % 2)
    normalisation = FeatureNormalisation(scope, window=9)
    found = normalisation(values, speech=speech)
    np.testing.assert_allclose(found[:, 3], np.where(speech, 0.0, 3.0), atol=1e-12)
    assert np.abs(found[:, 2]).max() < 1e-4
    np.testing.assert_array_equal(
        FeatureNormalisation(scope, False, window=9)(values, speech=speech)[:, 2:], found[:, 2:]
    )


def test_scopes_without_speech_take_all_frames(matrix):
    everything = np.ones(90, np.bool_)
    for scope in ("utterance", "window"):
        normalisation = FeatureNormalisation(scope, window=30)
        np.testing.assert_array_equal(
            normalisation(matrix), normalisation(matrix, speech=everything)
        )
    none = FeatureNormalisation("none")(matrix.astype(np.float64))
    np.testing.assert_array_equal(none, matrix)
    assert none.dtype == np.float32


def test_a_speaker_is_normalised_together_and_who_is_unknown_alone():
    named = Utterance(id="1", path=Path("1.wav"), speaker="ana")
    unnamed = Utterance(id="2", path=Path("2.wav"), speaker=None)
    by_speaker, by_utterance = FeatureNormalisation("speaker"), FeatureNormalisation("utterance")
    assert by_speaker.group(named) == by_speaker.group(replace(named, id="3"))
    assert by_utterance.group(named) != by_utterance.group(replace(named, id="3"))
    assert by_speaker.group(unnamed) != by_speaker.group(replace(unnamed, id="3"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scope": "all"}, "one of none, utterance, speaker, window, found 'all'"),
        ({"variance": 1}, "true or false, found 1"),
        ({"scope": "window", "window": 0}, "window must be a whole number >= 1, found 0"),
        ({"window": True}, "window must be a whole number >= 1, found True"),
    ],
)
def test_impossible_normalisations_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        FeatureNormalisation(**options)


@pytest.mark.parametrize("function", [warp, lambda *a, **k: normalise_sliding(*a, **k, variance=0)])
def test_shapes_that_disagree_are_refused(function, matrix):
    with pytest.raises(InvalidInputError, match=r"found \(90, 4\), \(89,\) and 5"):
        function(matrix, np.ones(89, np.bool_), window=5)
    with pytest.raises(InvalidInputError, match=r"\(90,\) and 0"):
        function(matrix, np.ones(90, np.bool_), window=0)
    assert function(matrix[:0], np.ones(0, np.bool_), window=5).shape == (0, 4)


def test_rasta_equals_the_transfer_function(matrix):
    # lfilter starts from rest; far behind the start that no longer shows.
    long = np.concatenate([np.repeat(matrix[:1], 3000, axis=0), matrix]).astype(np.float64)
    expected = scipy.signal.lfilter([0.2, 0.1, 0.0, -0.1, -0.2], [1.0, -0.98], long, axis=0)
    rasta = RastaFilter()
    found = np.concatenate([rasta(block) for block in np.split(matrix, [1, 7, 60])])
    np.testing.assert_allclose(found, expected[3000:], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found, oracle.rasta(matrix), rtol=1e-4, atol=1e-4)


def test_rasta_removes_what_a_channel_adds(data_dir):
    path = sorted((data_dir / "dspspeech20").rglob("*.flac"))[50]
    config = FeatureConfig.preset("kaldi").replace(rasta=True, energy="c0")
    from speakergmm.audio import read_audio

    samples, _ = read_audio(path)
    extractor = FeatureExtractor(config)
    before = extractor.extract(samples, sample_rate=16000)
    after = extractor.extract(samples * np.float32(0.1), sample_rate=16000)
    # Digital silence is floored, where no gain can be removed.
    usual = before.values[:, 0] != 0
    np.testing.assert_allclose(before.values[usual], after.values[usual], atol=5e-3)
