"""Small voices, and a background model of them, for the tests of the speakers' room."""

import numpy as np
import pytest

from speakergmm.audio import write_audio
from speakergmm.corpora import Corpus, Utterance
from speakergmm.speakers import BackgroundModel

RATE = 16_000


def speak(voice, utterance, seconds=1.2):
    """Buzz and breath through three resonances that belong to the voice; not speech, but alike."""
    rng = np.random.default_rng([voice, 77])
    formants = np.array([500, 1500, 2500]) * rng.uniform(0.75, 1.3, 3)
    pitch = rng.uniform(90, 240)
    rng = np.random.default_rng([voice, utterance, 5])
    n = int(seconds * RATE)
    time = np.arange(n) / RATE
    source = np.sign(np.sin(2 * np.pi * pitch * time)) + rng.normal(size=n)
    frequencies = np.fft.rfftfreq(n, 1 / RATE)
    parts = []
    for _ in range(3):
        centres = formants * rng.uniform(0.8, 1.25, 3)
        gain = sum(1 / (1 + ((frequencies - c) / 90) ** 2) for c in centres) + 0.003
        parts.append(np.fft.irfft(np.fft.rfft(source) * gain, n))
    weights = np.sin(np.outer(np.arange(1, 4), time * 9 + rng.uniform(0, 6))) ** 2
    mixed = sum(w * p for w, p in zip(weights, parts, strict=True))
    mixed[: RATE // 10] *= 0.001
    return (0.3 * mixed / np.abs(mixed).max()).astype(np.float32)


@pytest.fixture(scope="session")
def voices(tmp_path_factory):
    """A function from (voice, utterance) to a WAV file of it."""
    folder = tmp_path_factory.mktemp("voices")

    def path_of(voice, utterance):
        path = folder / f"v{voice}-u{utterance}.wav"
        if not path.exists():
            write_audio(path, speak(voice, utterance), RATE)
        return path

    return path_of


@pytest.fixture(scope="session")
def background_corpus(voices):
    return Corpus(
        tuple(
            Utterance(f"{voice}-{number}", voices(voice, number), f"b{voice}")
            for voice in range(100, 106)
            for number in range(2)
        ),
        source="synthetic voices",
    )


@pytest.fixture(scope="session")
def background(background_corpus):
    return BackgroundModel.train(background_corpus, n_components=8, seed=1, augmentation="none")


@pytest.fixture(scope="session")
def other_background(background_corpus):
    return BackgroundModel.train(background_corpus, n_components=4, seed=2, augmentation="none")
