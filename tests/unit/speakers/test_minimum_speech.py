"""A click is not speech; a short word is."""

import shutil

import numpy as np
import pytest

from speakergmm.audio import write_audio
from speakergmm.corpora import Protocol, Split, Trial
from speakergmm.errors import InsufficientDataError
from speakergmm.features import FeatureExtractor
from speakergmm.run_context import RunContext
from speakergmm.speakers import (
    MINIMUM_SPEECH_SECONDS,
    SpeakerScorer,
    SpeakerStore,
    collect_statistics,
    enroll_into,
    enroll_models,
    run_identification,
    run_protocol,
)

WORDS = r"click\.wav: 0\.\d+ s of speech; at least 0\.1 s are needed"


@pytest.fixture
def click(tmp_path):
    samples = np.zeros(32_000, np.float32)
    samples[9000] = 0.5
    write_audio(tmp_path / "click.wav", samples, 16_000)
    return tmp_path / "click.wav"


def noisy(path, seconds):
    """Loud for some time within two seconds of near silence."""
    rng = np.random.default_rng(0)
    samples = 1e-4 * rng.normal(size=32_000)
    samples[9000 : 9000 + round(16_000 * seconds)] *= 1000
    write_audio(path, samples, 16_000)
    return path


def test_a_click_is_refused_everywhere(click, background, voices, tmp_path):
    # It gets through voice activity detection: the limit is what stops it.
    assert 0 < FeatureExtractor("speaker").extract(click).speech_seconds < 0.1
    with pytest.raises(InsufficientDataError, match=WORDS):
        collect_statistics(background, click)
    with pytest.raises(InsufficientDataError, match=WORDS):
        enroll_into(tmp_path / "new.db", "ana", click, background=background)
    assert not (tmp_path / "new.db").exists()
    with SpeakerStore.create(tmp_path / "voices.db", background) as store:
        store.enroll("ana", voices(1, 0))
        with pytest.raises(InsufficientDataError, match=WORDS):
            store.enroll("ana", [voices(1, 1), click])
        with pytest.raises(InsufficientDataError, match=WORDS):
            store.verify("ana", click)
        with pytest.raises(InsufficientDataError, match=WORDS):
            store.identify(click)
        # Frames of several recordings are pooled, and so is the limit.
        assert store.identify([click, voices(1, 1)]).speech_seconds > 0.1
        assert store.info()["n_sessions"] == 1


def test_experiments_skip_and_report_a_click(click, background, voices, tmp_path):
    trials = tuple(
        Trial("ana", path, "target", path.name) for path in (voices(1, 5), click, voices(1, 6))
    )
    shutil.copy(click, tmp_path / "too.wav")
    split = Split({"ana": (voices(1, 0), tmp_path / "too.wav")}, trials)
    skipped = []
    scores = run_protocol(
        Protocol(None, {"eval": split}), background, run=RunContext(on_skip=skipped.append)
    )
    assert scores.paths.tolist() == [voices(1, 5).name, voices(1, 6).name]
    assert [found.affected for found in skipped] == [("ana",), ("ana click.wav",)]
    assert all("at least 0.1 s" in found.message for found in skipped)
    scorer = SpeakerScorer(
        background.mixture, enroll_models(split, background, run=RunContext(on_skip=skipped.append))
    )
    skipped.clear()
    options = {"run": RunContext(on_skip=skipped.append)}
    matrix = run_identification(split, scorer, background.features, **options)
    assert matrix.paths == (voices(1, 5), voices(1, 6))
    assert [found.path for found in skipped] == [click]


@pytest.mark.parametrize("seconds", [0.1, 0.15, 0.3])
def test_short_words_are_used(background, tmp_path, seconds):
    session = collect_statistics(background, noisy(tmp_path / "short.wav", seconds))
    assert session.speech_seconds >= MINIMUM_SPEECH_SECONDS


def test_five_milliseconds_are_refused(background, tmp_path):
    with pytest.raises(InsufficientDataError, match="at least"):
        collect_statistics(background, noisy(tmp_path / "short.wav", 0.005))


def test_exactly_the_minimum_is_enough(background):
    features = background.features.replace(voice_activity="none")
    model = type(background)(background.mixture, features)
    shift, length = features.shift_samples, features.frame_samples
    noise = np.random.default_rng(0).normal(0, 0.1, length + 9 * shift)
    rate = features.sample_rate
    n_frames = collect_statistics(model, noise, sample_rate=rate).n_frames
    shorter = noise[: len(noise) - (n_frames - 10) * shift]
    assert collect_statistics(model, shorter, sample_rate=rate).n_frames == 10
    with pytest.raises(InsufficientDataError, match=r"the samples: 0\.09 s"):
        collect_statistics(model, shorter[:-shift], sample_rate=rate)


@pytest.mark.parametrize("name", ["arabic_speech_commands", "dspspeech20"])
def test_no_short_recording_of_real_speech_is_lost(data_dir, name):
    from speakergmm.corpora import read_protocol

    protocol = read_protocol(data_dir / "protocols" / name, data_dir=data_dir)
    paths = {path for split in protocol.splits.values() for path in split.test_paths()}
    extractor = FeatureExtractor("speaker")
    # Coded silence is short: the smallest files are the ones at risk.
    shortest = sorted(paths, key=lambda path: (path.stat().st_size, path))[:40]
    assert min(extractor.extract(p).speech_seconds for p in shortest) > 2 * MINIMUM_SPEECH_SECONDS
