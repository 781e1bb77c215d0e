"""Extraction as a whole: streams equal extraction, order of the steps, refusals."""

import io
import os
import tracemalloc
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
from oracles import features as oracle

from speakergmm.audio import AudioWarning, iter_audio, read_audio, write_audio
from speakergmm.corpora import Utterance
from speakergmm.errors import (
    AudioError,
    InsufficientDataError,
    InvalidInputError,
    InvalidTypeError,
    SpeakerGmmError,
)
from speakergmm.features import (
    FeatureConfig,
    FeatureExtractor,
    Features,
    SpectralAnalysis,
    with_deltas,
)

RATE = 16000


def speech_like(seconds, seed=0):
    """Noise that comes and goes."""
    rng = np.random.default_rng(seed)
    n = round(seconds * RATE)
    loudness = np.exp2(5 * np.sin(np.arange(n) * (9 / RATE)) - 8)
    return (rng.standard_normal(n) * loudness).astype(np.float32)


def joined(blocks):
    blocks = list(blocks)
    return np.concatenate([b.values for b in blocks]), np.concatenate([b.speech for b in blocks])


VARIANTS = {
    "speaker": FeatureConfig.preset("speaker"),
    "librosa": FeatureConfig.preset("librosa"),
    "two gaussians, hangover": FeatureConfig.preset("speaker").replace(
        voice_activity="two_gaussian", vad_hangover=0.07, vad_context=3
    ),
    "mean": FeatureConfig.preset("speaker").replace(normalisation="mean"),
    "mean variance, rasta": FeatureConfig.preset("speaker").replace(
        normalisation="mean_variance", rasta=True
    ),
    "sliding": FeatureConfig.preset("speaker").replace(
        normalisation="sliding_mean", normalisation_window=0.5
    ),
    "sliding variance": FeatureConfig.preset("htk").replace(
        normalisation="sliding_mean_variance", deltas=1, delta_window=4
    ),
    "warping": FeatureConfig.preset("speaker").replace(
        normalisation="warping", normalisation_window=0.6
    ),
}


@pytest.mark.parametrize("block_frames", [13, 100, 4096])
@pytest.mark.parametrize("variant", VARIANTS)
def test_streams_equal_extraction(variant, block_frames):
    extractor = FeatureExtractor(VARIANTS[variant])
    samples = speech_like(4.3)
    rate = extractor.config.sample_rate
    whole = extractor.extract(samples, sample_rate=rate)
    blocks = list(extractor.stream(samples, sample_rate=rate, block_frames=block_frames))
    values, speech = joined(blocks)
    np.testing.assert_array_equal(speech, whole.speech)
    np.testing.assert_allclose(values, whole.values, rtol=1e-5, atol=1e-5)
    assert {len(b.values) for b in blocks[:-1]} <= {block_frames}
    np.testing.assert_allclose(
        np.concatenate([b.grid.starts for b in blocks]), whole.grid.starts, atol=1e-9
    )


@pytest.mark.parametrize("file_rate", [16000, 8000, 44100])
def test_files_are_read_as_their_samples(tmp_path, file_rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, speech_like(45)[: 45 * file_rate], file_rate, subtype="FLOAT")
    extractor = FeatureExtractor(VARIANTS["sliding"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        samples, _ = read_audio(path)
        expected = extractor.extract(samples, sample_rate=file_rate)
        found = extractor.extract(path)
        values, speech = joined(extractor.stream(path, block_frames=500))
    np.testing.assert_allclose(found.values, expected.values, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(values, found.values, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(speech, found.speech)


def test_a_stretch_is_extracted_as_if_alone(tmp_path):
    samples = speech_like(3)
    path = tmp_path / "a.wav"
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    extractor = FeatureExtractor()
    expected = extractor.extract(samples[8000:32000], sample_rate=RATE)
    for audio, rate in ((samples, RATE), (path, None)):
        found = extractor.extract(audio, sample_rate=rate, start=0.5, end=2.0)
        np.testing.assert_array_equal(found.values, expected.values)
        assert found.grid == expected.grid


def test_int16_and_double_samples_are_the_same_audio():
    pcm = np.rint(speech_like(1) * 32767).astype(np.int16)
    extractor = FeatureExtractor()
    expected = extractor.extract(pcm, sample_rate=RATE)
    found = extractor.extract(pcm / 32768, sample_rate=RATE)
    np.testing.assert_array_equal(found.values, expected.values)


def test_steps_come_in_the_documented_order():
    # RASTA, then deltas, then normalisation by the speech frames.
    base = VARIANTS["speaker"].replace(deltas=0)
    samples = speech_like(2)
    static = FeatureExtractor(base).extract(samples, sample_rate=RATE)
    expected = with_deltas(oracle.rasta(static.values).astype(np.float32), order=2)
    expected = expected - expected[static.speech].mean(axis=0, dtype=np.float64)
    config = base.replace(rasta=True, deltas=2, normalisation="mean")
    found = FeatureExtractor(config).extract(samples, sample_rate=RATE)
    np.testing.assert_array_equal(found.speech, static.speech)
    assert 0.1 < found.speech.mean() < 0.9
    np.testing.assert_allclose(found.values, expected, rtol=1e-4, atol=1e-3)


def test_features_are_finite_float32_even_of_digital_silence():
    samples = np.concatenate([np.zeros(16000, np.float32), speech_like(1)])
    for config in VARIANTS.values():
        features = FeatureExtractor(config).extract(samples, sample_rate=config.sample_rate)
        assert features.values.dtype == np.float32
        assert np.isfinite(features.values).all()


def test_all_frames_are_speech_where_voice_activity_is_off():
    assert FeatureExtractor("kaldi").extract(np.zeros(1600), sample_rate=RATE).speech.all()


def test_grid_of_centred_frames():
    features = FeatureExtractor("librosa").extract(np.ones(22050), sample_rate=22050)
    assert features.grid.n_frames == 1 + 22050 // 512
    np.testing.assert_allclose(features.grid.centres[:2], [0.0, 512 / 22050], atol=1e-12)


@pytest.mark.parametrize("preset", ["speaker", "kaldi"])
@pytest.mark.parametrize("method", ["extract", "stream"])
def test_too_short_audio_is_refused(tmp_path, preset, method):
    run = getattr(FeatureExtractor(preset), method)
    path = tmp_path / "short.wav"
    soundfile.write(path, speech_like(0.005), RATE)
    message = "too short for a single frame; at least 0.025 s"
    with pytest.raises(InsufficientDataError, match=message) as caught:
        list(run(path)) if method == "stream" else run(path)
    assert str(caught.value).startswith(str(path))
    with pytest.raises(InsufficientDataError, match="the array of samples: too short"):
        list(run(np.zeros(399), sample_rate=RATE))


@pytest.mark.parametrize("rule", ["energy", "two_gaussian"])
def test_silence_is_refused(tmp_path, rule):
    extractor = FeatureExtractor(FeatureConfig.preset("speaker").replace(voice_activity=rule))
    path = tmp_path / "silent.flac"
    for samples in (np.zeros(RATE), np.random.default_rng(0).integers(-2, 3, RATE) / 32768):
        soundfile.write(path, samples, RATE)
        with pytest.raises(InsufficientDataError, match=r"silent.flac: no speech found in 0.98 s"):
            extractor.extract(path)
        with pytest.raises(InsufficientDataError, match="no speech found"):
            list(extractor.stream(path))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((16000, 2)), r"one-dimensional .* found shape \(16000, 2\)"),
        (np.zeros(16000, np.int32), "floating point or int16, found .* int32"),
        (np.array([0.0] * 15999 + [np.nan]), "found samples that are NaN or infinite"),
        (np.array([np.inf] * 16000), "must be a finite number"),
        (
            np.array([0.0] * 15999 + [-1e20]),
            "samples of up to 1e.20 times .* must lie in -1..1 .*",
        ),
        (np.array([101.0] * 16000), "must lie in -1..1"),
        (np.zeros(16000, complex), "complex128"),
        ([[0.1, 0.2], [0.3]], "must be a one-dimensional array"),
    ],
)
def test_arrays_that_are_no_samples_are_refused(samples, message):
    with pytest.raises(InvalidInputError, match=message):
        FeatureExtractor().extract(samples, sample_rate=RATE)


def test_bad_arguments_are_refused(tmp_path):
    extractor, samples = FeatureExtractor(), speech_like(1)
    with pytest.raises(AudioError, match=r"the array of samples: end at 1.6 s lies beyond"):
        extractor.extract(samples, start=0.5, end=1.6, sample_rate=RATE)
    with pytest.raises(InvalidInputError, match="sample_rate must be a positive whole number"):
        extractor.extract(samples, sample_rate=0)
    with pytest.raises(
        InvalidInputError, match="block_frames must be a whole number >= 1, found 0"
    ):
        extractor.stream(samples, block_frames=0)
    with pytest.raises(InvalidInputError, match="sample_rate is for arrays"):
        extractor.extract(tmp_path / "a.wav", sample_rate=RATE)
    with pytest.raises(AudioError, match="no such file"):
        extractor.extract(tmp_path / "a.wav")
    with pytest.raises(InvalidInputError, match="n_filters=200 is too many"):
        FeatureExtractor(FeatureConfig(n_filters=200))


def test_files_of_a_high_rate_and_many_channels_are_read(tmp_path):
    path = tmp_path / "8.wav"
    mono = np.repeat(speech_like(0.5), 12)
    soundfile.write(path, np.stack([mono] * 8, axis=1), 192000)
    with pytest.warns(UserWarning, match="8 channels, which are averaged"):
        features = FeatureExtractor().extract(path)
    assert features.grid.n_frames == 48
    assert features.speech.any()


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["speaker", "warping"])
def test_streams_take_constant_memory(variant, tmp_path):
    path = tmp_path / "long.wav"
    extractor = FeatureExtractor(VARIANTS[variant])
    peaks = []
    minute = speech_like(60)
    for minutes in (1, 4):
        with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
            for _ in range(minutes):
                file.write(minute)
        tracemalloc.start()
        for _ in extractor.stream(path, block_frames=1000):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0]


def test_arrays_without_a_rate_are_taken_at_the_features_rate_and_it_is_said():
    samples = speech_like(1)
    extractor = FeatureExtractor("kaldi")
    expected = extractor.extract(samples, sample_rate=RATE).values
    said = "samples without sample_rate are assumed to be at 16000 Hz"
    with pytest.warns(AudioWarning, match=said) as caught:
        found = extractor.extract(samples).values
    assert {each.filename for each in caught} == {__file__}
    np.testing.assert_array_equal(found, expected)
    with pytest.warns(AudioWarning, match=said):
        list(extractor.stream(samples))
    with pytest.warns(AudioWarning, match=said):
        list(extractor.stream(iter([samples])))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extractor.extract(samples, sample_rate=RATE)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_open_files_are_recordings(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, speech_like(2), RATE)
    extractor = FeatureExtractor()
    expected = extractor.extract(path, start=0.3, end=1.8).values
    content = io.BytesIO(path.read_bytes())
    with path.open("rb") as file:
        for source in (content, file, content):
            found = extractor.extract(source, start=0.3, end=1.8)
            np.testing.assert_array_equal(found.values, expected)
            values, _ = joined(extractor.stream(source, start=0.3, end=1.8, block_frames=50))
            np.testing.assert_allclose(values, expected, atol=1e-4)
            assert not source.closed
    with pytest.raises(InvalidInputError, match="a file states its own"):
        extractor.extract(content, sample_rate=RATE)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("rate", [8000, 48000])
def test_generators_of_blocks_are_streamed(variant, rate):
    extractor = FeatureExtractor(VARIANTS[variant])
    samples = speech_like(4)
    expected = extractor.extract(samples, sample_rate=rate).values

    def blocks():
        for start in range(0, len(samples), 7777):
            yield samples[start : start + 7777]

    given = {"sample_rate": rate}
    values, _ = joined(extractor.stream(blocks(), block_frames=100, **given))
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(extractor.extract(blocks(), **given).values, expected)
    np.testing.assert_array_equal(extractor.extract(list(blocks()), **given).values, expected)
    with pytest.raises(InvalidInputError, match="omit blocks instead"):
        extractor.stream(blocks(), start=1.0, **given)


def test_blocks_of_a_recording_are_its_features(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, speech_like(2), RATE)
    extractor = FeatureExtractor()
    blocks = iter_audio(path, block_seconds=0.1)
    values, _ = joined(extractor.stream(blocks, sample_rate=RATE))
    np.testing.assert_allclose(values, extractor.extract(path).values, rtol=1e-5, atol=1e-4)


def test_features_come_as_blocks_do_where_nothing_is_to_be_known_of_the_whole():
    taken = []

    def microphone():
        for second in range(100):
            taken.append(second)
            yield speech_like(1, seed=second)

    stream = FeatureExtractor("kaldi").stream(microphone(), sample_rate=RATE, block_frames=50)
    assert len(next(stream)) == 50
    assert len(taken) < 5


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        ([np.zeros(800), np.array([np.nan])], "must be a finite number"),
        ([np.zeros((800, 2))], r"one-dimensional .* found shape \(800, 2\)"),
        ([np.zeros(800), np.full(800, 1e5)], "must lie in -1..1"),
        ([np.zeros(800, np.int32)], "int32"),
    ],
)
def test_blocks_that_are_no_samples_are_refused(blocks, message):
    for preset in ("kaldi", "speaker"):
        with pytest.raises(InvalidInputError, match=message):
            list(FeatureExtractor(preset).stream(iter(blocks), sample_rate=RATE))


def test_a_stretch_of_an_array_is_cut_where_that_of_a_file_is():
    samples = speech_like(1)
    whole = FeatureExtractor("kaldi").extract(samples, start=0.5, sample_rate=RATE)
    with pytest.warns(AudioWarning, match="end at 1.4 s lies beyond .* the part is cut there"):
        cut = FeatureExtractor("kaldi").extract(samples, start=0.5, end=1.4, sample_rate=RATE)
    np.testing.assert_array_equal(cut, whole)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FeatureExtractor("kaldi").extract(samples, end=1.005, sample_rate=float(RATE))


def test_no_blocks_are_too_short():
    with pytest.raises(InsufficientDataError, match="the blocks of samples: too short"):
        list(FeatureExtractor().stream(iter([]), sample_rate=RATE))


@pytest.mark.parametrize(
    ("audio", "message"),
    [
        (None, "got NoneType where a path, a binary file, .* is wanted"),
        (5, "got int"),
        (b"RIFF", r"got bytes where .*; give io.BytesIO\(...\)"),
        ({"a": 1}, "got dict"),
        (
            Utterance("u", Path("a.wav"), "s"),
            "got Utterance where .*; give its .path, and its .start",
        ),
        ((np.zeros(800), 8000), r"extract\(samples, sample_rate=rate\)"),
        ((8000, np.zeros(800)), r"extract\(samples, sample_rate=rate\)"),
        (["a.wav", "b.wav"], "one at a time"),
        (io.StringIO("words"), "opened as text; open it with mode 'rb'"),
    ],
)
@pytest.mark.parametrize("method", ["extract", "stream"])
def test_other_things_are_answered_by_the_right_call(audio, message, method):
    with pytest.raises(InvalidTypeError, match=message) as caught:
        list(getattr(FeatureExtractor(), method)(audio))
    assert isinstance(caught.value, TypeError)
    assert isinstance(caught.value, SpeakerGmmError)


def test_files_that_can_not_be_sought_in_are_refused(tmp_path):
    read, write = os.pipe()
    os.close(write)
    message = r"give io.BytesIO\(file.read\(\)\)"
    with os.fdopen(read, "rb") as pipe, pytest.raises(AudioError, match=message):
        FeatureExtractor().extract(pipe)
    closed = io.BytesIO(b"RIFF")
    closed.close()
    with pytest.raises(AudioError, match="closed file"):
        FeatureExtractor().extract(closed)


def test_features_are_a_matrix_with_names(tmp_path):
    extractor = FeatureExtractor("speaker")
    features = extractor.extract(speech_like(1), sample_rate=RATE)
    assert features.names == extractor.feature_names
    assert len(features) == 98
    assert np.asarray(features) is features.values
    assert np.asarray(features, np.float64).dtype == np.float64
    assert np.array(features) is not features.values
    assert np.mean(features, axis=0).shape == (len(features.names),)
    assert repr(features) == (
        f"Features(98 frames of {len(features.names)} values, 0.98 s, "
        f"{features.speech_seconds:.2f} s of it speech)"
    )
    with pytest.raises(InvalidInputError, match="need as many names, found 1"):
        Features(features.values, features.speech, features.grid, ("c1",))
    with pytest.raises(InvalidInputError, match=r"found shapes \(\) and \(98,\)"):
        Features(np.array(1.0), features.speech, features.grid)
    for part in extractor.stream(speech_like(1), sample_rate=RATE, block_frames=40):
        assert part.names == features.names


def test_an_open_file_is_read_by_several_at_a_time(tmp_path):
    path = tmp_path / "a.flac"
    soundfile.write(path, speech_like(3), RATE)
    content = io.BytesIO(path.read_bytes())
    one, other = (iter_audio(content, block_seconds=0.2) for _ in range(2))
    for block, same in zip(one, other, strict=True):
        np.testing.assert_array_equal(block, same)


class _WithFeatures:
    features = FeatureConfig()


@pytest.mark.parametrize("given", [None, 5, ["kaldi"], _WithFeatures()])
def test_what_is_no_configuration_is_answered_by_the_right_call(given):
    with pytest.raises(
        InvalidTypeError, match=r"where a FeatureConfig, a preset .* is wanted"
    ) as caught:
        FeatureExtractor(given)
    assert ("give its .features" in str(caught.value)) == isinstance(given, _WithFeatures)


@pytest.mark.parametrize("variant", ["speaker", "warping", "librosa"])
@pytest.mark.parametrize("most_bytes", [1 << 20, 1000])
def test_streams_are_read_and_analysed_once_and_give_the_same(
    tmp_path, monkeypatch, variant, most_bytes
):
    monkeypatch.setattr("speakergmm.features.held_blocks._MOST_BYTES", most_bytes)
    extractor = FeatureExtractor(VARIANTS[variant])
    write_audio(tmp_path / "a.wav", speech_like(45.0), RATE)
    whole = extractor.extract(tmp_path / "a.wav")
    read, analysed = [], []

    def counted(*given, **options):
        read.append(given)
        return iter_audio(*given, **options)

    def spectra(analysis, blocks):
        for part in analyse(analysis, blocks):
            analysed.append(len(part.energy))
            yield part

    analyse = SpectralAnalysis.spectra
    monkeypatch.setattr("speakergmm.features.sample_blocks.iter_audio", counted)
    monkeypatch.setattr(SpectralAnalysis, "spectra", spectra)
    blocks = list(extractor.stream(tmp_path / "a.wav"))
    assert len(read) == 1
    assert len(analysed) > 1
    assert sum(analysed) == len(whole)
    for name in ("values", "speech", "weights"):
        wanted = getattr(whole, name)
        if wanted is not None:
            joined = np.concatenate([getattr(block, name) for block in blocks])
            np.testing.assert_array_equal(joined, wanted)
