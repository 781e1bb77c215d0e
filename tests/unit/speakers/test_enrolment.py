import tracemalloc

import numpy as np
import oracles.speakers as oracle
import pytest
from oracles.arrays import arrays_of

from speakergmm.audio import read_audio, write_audio
from speakergmm.errors import (
    AudioError,
    IncompatibleModelError,
    InsufficientDataError,
    InvalidInputError,
)
from speakergmm.features import FeatureExtractor
from speakergmm.mixtures import MixtureStatistics
from speakergmm.speakers import (
    AdaptationOptions,
    adapt_speaker,
    collect_statistics,
    sum_statistics,
)


def test_statistics_equal_the_formula(background, voices):
    path = voices(1, 0)
    frames, weights = FeatureExtractor(background.features).extract(path).speech_frames
    session = collect_statistics(background, path, second_order=True)
    counts, first, second = oracle.statistics(
        frames.astype(np.float64), background.mixture, weights
    )
    # Double precision: what single precision loses would show at these tolerances.
    np.testing.assert_allclose(session.statistics.counts, counts, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(session.statistics.first_order, first, rtol=1e-9, atol=1e-8)
    np.testing.assert_allclose(session.statistics.second_order, second, rtol=1e-9, atol=1e-7)
    assert session.n_frames == len(frames)
    assert 0 < session.speech_seconds < session.seconds


def test_only_speech_is_counted(background, voices):
    features = FeatureExtractor(background.features).extract(voices(1, 0))
    assert 0 < features.speech.sum() < len(features.speech)
    session = collect_statistics(background, voices(1, 0))
    assert session.n_frames == features.speech.sum()
    assert session.statistics.second_order is None


def test_samples_in_memory_give_the_same(background, voices):
    samples, rate = read_audio(voices(1, 0))
    from_array = collect_statistics(background, samples, sample_rate=rate).statistics
    from_file = collect_statistics(background, voices(1, 0)).statistics
    np.testing.assert_array_equal(from_array.first_order, from_file.first_order)


def test_adapted_means_equal_the_formula(background, voices):
    extractor = FeatureExtractor(background.features)
    frames, weights = extractor.extract(voices(1, 0)).speech_frames
    statistics = collect_statistics(background, voices(1, 0)).statistics
    model = adapt_speaker(background, statistics, name="ana", relevance_factor=7.0)
    expected = oracle.adapted_means(frames.astype(np.float64), background.mixture, 7.0, weights)
    np.testing.assert_allclose(model.mixture.means, expected, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(model.mixture.weights, background.mixture.weights)
    np.testing.assert_array_equal(model.mixture.variances, background.mixture.variances)
    assert model.n_frames == round(float(weights.sum()))
    assert model.background_digest == background.digest


@pytest.mark.parametrize("parameters", [("means",), ("variances", "means"), ("weights",)])
def test_only_the_named_parameters_are_adapted(background, voices, parameters):
    options = AdaptationOptions(parameters=parameters)
    statistics = collect_statistics(
        background, voices(1, 0), second_order=options.second_order
    ).statistics
    model = adapt_speaker(background, statistics, options).mixture
    for name, array in arrays_of(model).items():
        changed = not np.array_equal(array, arrays_of(background.mixture)[name])
        assert changed == (name in parameters)


def test_sessions_add_up_to_the_last_bit(background, voices):
    sessions = [collect_statistics(background, voices(1, n)).statistics for n in range(3)]
    at_once = adapt_speaker(background, sessions)
    total = sum_statistics(sessions)
    step_by_step = sessions[0] + sessions[1] + sessions[2]
    np.testing.assert_array_equal(total.first_order, step_by_step.first_order)
    np.testing.assert_array_equal(
        at_once.mixture.means, adapt_speaker(background, total).mixture.means
    )


def test_statistics_of_another_model_are_refused(background, other_background, voices):
    statistics = collect_statistics(other_background, voices(1, 0)).statistics
    with pytest.raises(IncompatibleModelError, match="shape"):
        adapt_speaker(background, statistics)


def test_no_frames_are_refused(background):
    mixture = background.mixture
    empty = MixtureStatistics.zeros(mixture.n_components, mixture.n_features, second_order=False)
    for nothing in ([], empty, [empty]):
        with pytest.raises(InsufficientDataError, match="'ana'"):
            adapt_speaker(background, nothing, name="ana")


def test_silence_and_missing_files_are_refused(background, tmp_path):
    with pytest.raises(InsufficientDataError):
        collect_statistics(background, np.zeros(16_000, dtype=np.float32), sample_rate=16_000)
    with pytest.raises(AudioError, match=r"none\.wav"):
        collect_statistics(background, tmp_path / "none.wav")


@pytest.mark.parametrize("factor", [0, -1.0, np.nan, np.inf, True, "10"])
def test_wrong_relevance_factors_are_refused(factor):
    with pytest.raises(InvalidInputError, match="relevance_factor"):
        AdaptationOptions(relevance_factor=factor)


@pytest.mark.parametrize("parameters", [(), ("mean",), ("means", "means"), ("means", "speed")])
def test_wrong_parameters_are_refused(parameters):
    with pytest.raises(InvalidInputError, match="parameters"):
        AdaptationOptions(parameters=parameters)


@pytest.mark.slow
def test_long_recordings_take_no_more_memory(background, tmp_path):
    def peak(minutes):
        path = tmp_path / f"{minutes}.wav"
        rng = np.random.default_rng(0)
        envelope = np.repeat(rng.uniform(0.01, 0.3, minutes * 60 * 10), 1600)
        noise = rng.normal(size=len(envelope)).astype(np.float32)
        write_audio(path, (envelope * noise).clip(-1, 1), 16_000)
        del envelope, noise
        tracemalloc.start()
        session = collect_statistics(background, path)
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found, session

    peak(1)
    short, _ = peak(2)
    long, session = peak(8)
    assert session.seconds == pytest.approx(480, abs=0.1)
    # Six more minutes are 23 MB of samples and 9 MB of features; a flag per frame is 36 kB.
    assert long - short < 2e6
