"""Recordings: what is read, what is written, and every refusal."""

import errno
import io
import os
import socket
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from speakergmm.audio import AudioWarning, iter_audio, probe, read_audio, write_audio
from speakergmm.corpora import Utterance, hash_audio
from speakergmm.errors import AudioError, InvalidInputError, InvalidTypeError

RATE = 16000
FORMATS = [
    ("WAV", "PCM_16", 1e-4),
    ("WAV", "PCM_24", 1e-6),
    ("WAV", "FLOAT", 1e-7),
    ("FLAC", "PCM_16", 1e-4),
    ("OGG", "VORBIS", 0.2),
    ("OGG", "OPUS", 0.2),
    ("MP3", "MPEG_LAYER_III", 0.2),
]
LOSSY_AND_LOSSLESS = FORMATS[:1] + FORMATS[3:]


def tone(seconds=1.0, rate=RATE):
    t = np.arange(round(seconds * rate)) / rate
    return (0.4 * np.sin(2 * np.pi * 330 * t) * np.hanning(len(t))).astype(np.float32)


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, tone(), RATE)
    return path


def refused(function, *args, **options):
    """The one-line message with which something is refused."""
    with pytest.raises(AudioError) as caught:
        function(*args, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(("file_format", "subtype", "tolerance"), FORMATS)
def test_formats_are_read_back(tmp_path, file_format, subtype, tolerance):
    path = tmp_path / f"tone.{file_format.lower()}"
    soundfile.write(path, tone(3), RATE, format=file_format, subtype=subtype)
    info = probe(path)
    assert (info.sample_rate, info.n_channels, info.n_samples) == (RATE, 1, 3 * RATE)
    assert (info.format, info.subtype, info.duration) == (file_format, subtype, 3.0)
    samples, rate = read_audio(path)
    assert samples.dtype == np.float32
    assert (len(samples), rate) == (3 * RATE, RATE)
    assert np.sqrt(np.mean((samples - tone(3)) ** 2)) < tolerance * 0.2


def test_channels_are_averaged_and_it_is_said(tmp_path):
    path = tmp_path / "stereo.wav"
    left, right = tone(), 0.1 * np.ones(RATE, np.float32)
    soundfile.write(path, np.stack([left, right], axis=1), RATE, subtype="FLOAT")
    with pytest.warns(AudioWarning, match="2 channels, which are averaged"):
        samples, _ = read_audio(path)
    np.testing.assert_allclose(samples, (left + right) / 2, atol=1e-7)


def test_python_says_a_warning_once_for_each_file(tmp_path):
    for n in range(3):
        soundfile.write(tmp_path / f"{n}.wav", np.zeros((100, 2)), RATE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        for n in [*range(3), *range(3)]:
            read_audio(tmp_path / f"{n}.wav")
    assert [str(w.message).split(": ")[0] for w in caught] == [
        str(tmp_path / f"{n}.wav") for n in range(3)
    ]


@pytest.mark.parametrize("file_rate", [8000, 22050, 44100, 192000])
def test_resampling_equals_soxrs(tmp_path, file_rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(2, file_rate), file_rate, subtype="FLOAT")
    expected = soxr.resample(tone(2, file_rate), file_rate, RATE)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        samples, rate = read_audio(path, sample_rate=RATE)
        blocks = list(iter_audio(path, sample_rate=RATE, block_seconds=0.3))
    assert rate == RATE
    np.testing.assert_array_equal(samples, expected)
    np.testing.assert_array_equal(np.concatenate(blocks), expected)
    assert len(blocks) > 3
    found = f"{path}: audio of {file_rate} Hz is upsampled to {RATE} Hz"
    right = f'preset = "speaker" and sample_rate = {file_rate}'
    texts = [str(w.message) for w in caught]
    assert any(found in text and right in text for text in texts) == (file_rate < RATE)


def test_a_stretch_is_read(wav):
    whole, _ = read_audio(wav)
    samples, _ = read_audio(wav, start=0.25, end=0.5)
    np.testing.assert_array_equal(samples, whole[4000:8000])
    np.testing.assert_array_equal(read_audio(wav, start=0.25)[0], whole[4000:])
    blocks = list(iter_audio(wav, start=0.25, end=0.5, block_seconds=0.1))
    np.testing.assert_array_equal(np.concatenate(blocks), whole[4000:8000])
    # Segments' times are rounded: a hundredth beyond the end is the end.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_audio(wav, end=1.01)[0], whole)


@pytest.mark.parametrize("end", [1.02, 1.3, 1.5])
def test_a_stretch_that_ends_half_a_second_too_late_is_cut_and_it_is_said(wav, end):
    whole, _ = read_audio(wav)
    said = f"end at {end:g} s lies beyond the recording, which lasts 1.00 s; the part is cut"
    with pytest.warns(AudioWarning, match=said):
        np.testing.assert_array_equal(read_audio(wav, start=0.5, end=end)[0], whole[8000:])
    with pytest.warns(AudioWarning, match=said):
        blocks = list(iter_audio(wav, end=end, sample_rate=8000))
    assert len(np.concatenate(blocks)) == 8000


def test_a_recording_that_is_called_raw_is_read(wav):
    named = wav.with_suffix(".RAW")
    named.write_bytes(wav.read_bytes())
    np.testing.assert_array_equal(read_audio(named)[0], read_audio(wav)[0])


def test_a_stretch_without_end_is_refused_as_any_that_ends_too_late(wav):
    for end in (float("inf"), 1e300):
        with pytest.raises(AudioError, match=r"lies beyond the recording, which lasts 1.00 s"):
            read_audio(wav, end=end)


def test_real_speech_is_read_as_soundfile_reads_it(data_dir):
    path = sorted((data_dir / "fsdd" / "recordings").glob("*.flac"))[0]
    samples, rate = read_audio(path)
    expected, expected_rate = soundfile.read(path, dtype="float32")
    assert rate == expected_rate == 8000
    np.testing.assert_array_equal(samples, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": -1.0}, "start must be 0 s or later, found -1.0"),
        ({"start": float("nan")}, "start must be 0 s or later, found nan"),
        ({"start": 0.5, "end": 0.5}, "end must lie after start, found 0.5 to 0.5 s"),
        ({"start": 0.5, "end": float("nan")}, "end must lie after start"),
        ({"end": 1.6}, "end at 1.6 s lies beyond the recording, which lasts 1.00 s"),
        ({"start": 2.0}, "no samples between 2 and 1 s of the recording, which lasts 1.00 s"),
    ],
)
def test_stretches_outside_the_recording_are_refused(wav, options, message):
    found = refused(read_audio, wav, **options)
    assert found.startswith(f"{wav}: ")
    assert message in found


def test_paths_that_are_no_files_are_refused(tmp_path):
    assert refused(probe, tmp_path / "none.wav") == f"{tmp_path / 'none.wav'}: no such file"
    assert "is a folder, not a recording" in refused(probe, tmp_path)
    assert "NUL" in refused(read_audio, "a\0b.wav")
    assert "no such file" in refused(read_audio, tmp_path / "a\nb.wav")
    assert "Not a directory" in refused(read_audio, __file__ + "/a.wav")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
@pytest.mark.parametrize("function", [probe, read_audio, iter_audio, hash_audio])
def test_pipes_devices_and_sockets_are_refused_at_once(tmp_path, function, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    os.mkfifo("pipe.wav")
    Path("link.wav").symlink_to("pipe.wav")
    Path("folder.wav").mkdir()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.wav")
        for name, kind in [
            ("pipe.wav", "not a regular file but a pipe"),
            ("link.wav", "not a regular file but a pipe"),
            ("socket.wav", "not a regular file but a socket"),
            ("/dev/zero", "not a regular file but a device"),
            ("/dev/null", "not a regular file but a device"),
            ("folder.wav", "a folder"),
        ]:
            message = refused(function, name)
            assert message.startswith(f"{name}: is {kind}")


@pytest.mark.parametrize("function", [probe, read_audio, iter_audio])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (5, "got int where a path or a binary file"),
        (None, "got NoneType"),
        (b"RIFF", r"got bytes where .*; give io.BytesIO\(...\) of it"),
        (np.zeros(100), "got ndarray"),
        (Utterance("u", Path("a.wav"), "s"), r"got Utterance where .*; give its .path"),
        (io.StringIO("words"), "opened as text; open it with mode 'rb'"),
        (io.TextIOWrapper(io.BytesIO(b"\xff\xfb"), "utf-8"), "opened as text"),
    ],
)
def test_what_is_neither_path_nor_file_is_answered_by_the_right_call(function, given, message):
    with pytest.raises(InvalidTypeError, match=message) as caught:
        function(given)
    assert isinstance(caught.value, TypeError)


def test_arguments_of_writing_in_another_order_are_answered_by_the_right_call(tmp_path):
    with pytest.raises(InvalidTypeError, match=r"write_audio\(path, samples, sample_rate\)"):
        write_audio(tone(), tmp_path / "a.wav", RATE)
    with pytest.raises(InvalidTypeError, match="samples must be an array of numbers, found str"):
        write_audio(tmp_path / "a.wav", "b.wav", RATE)
    with pytest.raises(InvalidInputError, match="positive whole number of Hz, found None"):
        write_audio(tmp_path / "a.wav", tone(), None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.mp3", "a.ogg", "a.raw", "a"])
@pytest.mark.parametrize("content", [b"", b"These are words. " * 500, bytes(range(256)) * 90, b"R"])
def test_files_that_are_not_audio_are_refused(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    message = refused(read_audio, path)
    assert message.startswith(f"{path}: is ")
    assert "WAV, FLAC, OGG or MP3 file" in message
    assert ("empty (0 bytes)" in message) == (content == b"")


def test_recordings_without_samples_are_refused(tmp_path):
    path = tmp_path / "none.wav"
    soundfile.write(path, np.zeros(0), RATE)
    assert "holds no samples" in refused(probe, path)


@pytest.mark.parametrize(("file_format", "subtype", "_"), LOSSY_AND_LOSSLESS)
def test_truncated_files_are_refused(tmp_path, file_format, subtype, _):
    path = tmp_path / f"a.{file_format.lower()}"
    soundfile.write(path, tone(3), RATE, format=file_format, subtype=subtype)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    message = refused(read_audio, path)
    assert str(path) in message
    assert "truncated" in message or "damaged" in message


def test_a_truncated_wav_is_refused_on_sight(wav):
    wav.write_bytes(wav.read_bytes()[:-100])
    message = refused(probe, wav)
    assert "holds 31900 bytes of audio where its header promises 32000" in message


@pytest.mark.parametrize("seed", range(5))
def test_flipped_bits_in_flac_are_refused(tmp_path, seed):
    path = tmp_path / "a.flac"
    rng = np.random.default_rng(seed)
    soundfile.write(path, tone(3) + rng.normal(scale=0.01, size=3 * RATE), RATE)
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content) // 4, len(content))] ^= 0x55
    path.write_bytes(content)
    message = refused(read_audio, path)
    assert message.startswith(f"{path}: damaged")


@pytest.mark.slow
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_missing_pages_of_ogg_are_refused(tmp_path, subtype):
    path = tmp_path / "a.ogg"
    noise = np.random.default_rng(0).normal(scale=0.1, size=10 * RATE)
    soundfile.write(path, noise, RATE, format="OGG", subtype=subtype)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x55
    path.write_bytes(content)
    assert "damaged or truncated OGG file" in refused(read_audio, path)


def test_ogg_cut_between_two_pages_is_refused_on_sight(tmp_path):
    path = tmp_path / "a.ogg"
    soundfile.write(path, np.random.default_rng(0).normal(scale=0.1, size=10 * RATE), RATE)
    content = path.read_bytes()
    path.write_bytes(content[: content.rindex(b"OggS")])
    assert "truncated OGG file: its last page is not the end" in refused(probe, path)


@pytest.mark.slow
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_of_which_a_part_is_unreadable_is_refused_on_sight(tmp_path, subtype):
    path = tmp_path / "a.ogg"
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=0.1, size=10 * RATE)
    soundfile.write(path, noise, RATE, format="OGG", subtype=subtype)
    content = bytearray(path.read_bytes())
    pages = [n for n in range(len(content)) if content[n : n + 4] == b"OggS"]
    # Damaged pages from the middle on; their headers still say where they belong.
    for start in pages[len(pages) // 2 :]:
        content[min(start + 200, len(content) - 1)] ^= 0x55
    path.write_bytes(content)
    assert "its last page promises 10.0" in refused(probe, path)


@pytest.mark.parametrize("length", [b"\x00\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00\xf0\xff\x7f"])
def test_streamed_wavs_are_read(wav, length):
    expected, _ = read_audio(wav)
    content = bytearray(wav.read_bytes())
    at = content.index(b"data") + 4
    content[at : at + 4] = length
    content[4:8] = length
    wav.write_bytes(content)
    assert probe(wav).n_samples == RATE
    np.testing.assert_array_equal(read_audio(wav)[0], expected)
    np.testing.assert_array_equal(read_audio(wav, start=0.5)[0], expected[8000:])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_finite_are_refused(tmp_path, value):
    path = tmp_path / "nan.wav"
    samples = tone()
    samples[15000] = value
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    assert refused(read_audio, path).startswith(f"{path}: holds samples that are NaN or infinite")
    assert len(read_audio(path, end=0.5)[0]) == 8000


@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("peak", [1e20, -1e38, 32767.0, -101.0])
def test_samples_far_beyond_full_scale_are_refused(tmp_path, peak, n_channels):
    path = tmp_path / "large.wav"
    samples = np.zeros((RATE, n_channels), np.float32)
    samples[9000] = [peak, -peak][:n_channels]
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", AudioWarning)
        message = refused(read_audio, path)
    assert message.startswith(f"{path}: holds samples of up to {abs(peak):.3g} times full scale")
    assert "must lie in -1..1" in message


def test_overshoot_is_read(tmp_path):
    path = tmp_path / "loud.wav"
    soundfile.write(path, 200 * tone(), RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(path)[0], 200 * tone())


@pytest.mark.parametrize("subtype", ["PCM_16", "FLOAT"])
def test_channels_that_cancel_are_refused(tmp_path, subtype):
    path = tmp_path / "antiphase.wav"
    noise = np.random.default_rng(0).normal(scale=2**-16, size=(RATE, 2))
    samples = tone()[:, None] * [1, -1] + noise
    soundfile.write(path, samples, RATE, subtype=subtype)
    with pytest.warns(AudioWarning):
        message = refused(read_audio, path)
    assert message.startswith(f"{path}: averaging its 2 channels cancels the signal")


@pytest.mark.parametrize("right", [-0.98, 0.0, 1.0])
def test_channels_that_leave_something_are_averaged(tmp_path, right):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, tone()[:, None] * [1, right], RATE, subtype="FLOAT")
    with pytest.warns(AudioWarning):
        samples, _ = read_audio(path)
    np.testing.assert_allclose(samples, tone() * (1 + right) / 2, atol=1e-7)


def test_silence_in_all_channels_is_read(tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros((100, 2)), RATE)
    with pytest.warns(AudioWarning):
        assert not read_audio(tmp_path / "silence.wav")[0].any()


@pytest.mark.parametrize("rate", [0, -8000, 16000.5])
def test_impossible_rates_are_refused(wav, rate):
    with pytest.raises(InvalidInputError, match="positive whole number of Hz"):
        read_audio(wav, sample_rate=rate)
    with pytest.raises(InvalidInputError, match="block_seconds must be positive, found 0"):
        iter_audio(wav, block_seconds=0)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".WAV"])
def test_16_bit_samples_are_written_back_unchanged(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    samples = np.array([-32768, -1, 0, 1, 77, 32767]) / 32768
    write_audio(path, samples, RATE)
    found, rate = read_audio(path)
    assert rate == RATE
    np.testing.assert_array_equal(found, samples.astype(np.float32))
    assert probe(path).subtype == "PCM_16"


def test_what_lies_beyond_full_scale_is_clipped(tmp_path):
    write_audio(tmp_path / "a.wav", [2.0, -2.0], RATE)
    np.testing.assert_array_equal(read_audio(tmp_path / "a.wav")[0] * 32768, [32767, -32768])


@pytest.mark.parametrize(
    ("name", "samples", "rate", "message"),
    [
        ("a.mp3", [0.0], RATE, "can write .wav and .flac, not '.mp3'"),
        ("a", [0.0], RATE, "can write .wav and .flac"),
        ("a.wav", [], RATE, r"shape \(n,\), n > 0, found \(0,\)"),
        ("a.wav", [[0.0]], RATE, r"found \(1, 1\)"),
        ("a.wav", [np.nan], RATE, "must be finite"),
        ("a.wav", [0.0], 0, "positive whole number"),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, name, samples, rate, message):
    with pytest.raises(InvalidInputError, match=message):
        write_audio(tmp_path / name, samples, rate)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_and_nothing_else(wav, monkeypatch):
    old = wav.read_bytes()

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fdopen", full)
    message = refused(write_audio, wav, tone(), RATE)
    assert message == f"{wav}: cannot be written, the disk is full; nothing was changed"
    assert wav.read_bytes() == old
    assert list(wav.parent.iterdir()) == [wav]


def test_a_folder_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "none" / "a.wav"
    assert refused(write_audio, path, tone(), RATE) == (
        f"{path}: cannot be written, its folder does not exist"
    )
