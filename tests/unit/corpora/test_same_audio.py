import hashlib

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import AudioHash, hash_audio, inspect_blocks


@pytest.fixture
def samples():
    return np.random.default_rng(0).integers(-9000, 9000, 9000).astype(np.int16)


def test_the_hash_is_of_rate_and_samples(samples, tmp_path):
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    content = (samples / 32768 + 0.0).astype("<f4").tobytes()
    assert hash_audio(tmp_path / "a.wav") == hashlib.sha256(b"8000 Hz\n" + content).hexdigest()


def test_the_same_audio_in_other_formats_has_the_same_hash(samples, tmp_path):
    samples[::7] = 0
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    soundfile.write(tmp_path / "a.flac", samples, 8000)
    floats = samples / np.float32(32768)
    floats[::7] = -0.0
    soundfile.write(tmp_path / "float.wav", floats, 8000, subtype="FLOAT")
    soundfile.write(tmp_path / "rate.wav", samples, 16_000)
    soundfile.write(tmp_path / "shorter.wav", samples[:-1], 8000)
    first, *same = [hash_audio(tmp_path / name) for name in ("a.wav", "a.flac", "float.wav")]
    assert same == [first, first]
    others = {hash_audio(tmp_path / name) for name in ("rate.wav", "shorter.wav")}
    assert len(others) == 2
    assert first not in others


def test_inspection_means_the_same_by_same_audio(samples, tmp_path):
    soundfile.write(tmp_path / "a.wav", samples, 8000)
    floats = samples / np.float32(32768)
    found = inspect_blocks([floats[:5], floats[5:]], sample_rate=8000)
    assert found.content == hash_audio(tmp_path / "a.wav")


def test_nothing_but_the_rate_is_hashed_of_nothing():
    assert AudioHash(8000).hexdigest() == hashlib.sha256(b"8000 Hz\n").hexdigest()
