"""Recordings whose features are in a store: the same answers, and no stale ones."""

import os
import shutil
import warnings

import numpy as np
import pytest

from speakergmm.audio import write_audio
from speakergmm.corpora import Protocol, Split, Trial
from speakergmm.errors import (
    AudioError,
    IncompatibleModelError,
    InvalidTypeError,
    ModelFormatError,
    StoreError,
)
from speakergmm.features import FeatureExtractor, FeatureStoreWarning, extract_features
from speakergmm.speakers import (
    SpeakerScorer,
    SpeakerStore,
    enroll_into,
    enroll_models,
    run_identification,
    run_protocol,
    train_split_mixtures,
)

from .conftest import RATE, speak

NAMES = {"ana": 1, "bea": 2}


@pytest.fixture
def recordings(tmp_path, voices):
    """Copies of recordings by name, one of them longer than a block of features."""
    folder = tmp_path / "corpus"
    folder.mkdir()
    found = {}
    for name, voice in NAMES.items():
        for number in range(4):
            found[f"{name}{number}"] = folder / f"{name}{number}.wav"
            shutil.copy(voices(voice, number), found[f"{name}{number}"])
    write_audio(found["ana3"], np.tile(speak(1, 3), 50), RATE)
    return found


@pytest.fixture
def store(recordings, tmp_path):
    return extract_features(list(recordings.values()), tmp_path / "features")


@pytest.fixture
def protocol(recordings):
    enrolment = {name: [recordings[f"{name}0"], recordings[f"{name}1"]] for name in NAMES}
    trials = [
        Trial(model, recordings[f"{name}{n}"], "target" if model == name else "nontarget")
        for name in NAMES
        for n in (2, 3)
        for model in NAMES
    ]
    return Protocol(None, {"eval": Split(enrolment, trials)}, source="copies")


@pytest.fixture
def no_extraction(monkeypatch):
    """Let every extraction of features fail."""

    def fail(*_, **__):
        raise AssertionError("features were extracted")

    monkeypatch.setattr(FeatureExtractor, "extract", fail)
    monkeypatch.setattr(FeatureExtractor, "stream", fail)


@pytest.fixture
def expected(protocol, background):
    models = enroll_models(protocol.splits["eval"], background)
    scorer = SpeakerScorer(background.mixture, models)
    return (
        run_protocol(protocol, background).scores,
        run_identification(protocol.splits["eval"], scorer, background.features).scores,
    )


@pytest.mark.parametrize("by_path", [False, True])
def test_a_protocol_is_run_from_a_store_without_reading_audio(
    expected, protocol, background, store, no_extraction, by_path
):
    given = store.path if by_path else store
    scores = run_protocol(protocol, background, feature_store=given).scores
    np.testing.assert_array_equal(scores, expected[0])
    split = protocol.splits["eval"]
    models = enroll_models(split, background, feature_store=given)
    scorer = SpeakerScorer(background.mixture, models)
    matrix = run_identification(split, scorer, background.features, feature_store=given)
    np.testing.assert_array_equal(matrix.scores, expected[1])


@pytest.mark.slow
def test_mixtures_of_models_are_those_of_the_recordings(protocol, store, tmp_path, recordings):
    split = protocol.splits["eval"]
    expected = train_split_mixtures(split, n_components=4)
    part = store.subset([u for u in store.utterances if u.path != recordings["bea1"]])
    with pytest.warns(FeatureStoreWarning, match=r"lacks 1 of 4"):
        incomplete = train_split_mixtures(split, n_components=4, feature_store=part)
    for found in (train_split_mixtures(split, n_components=4, feature_store=store), incomplete):
        assert list(found) == list(expected)
        for name, model in expected.items():
            np.testing.assert_array_equal(found[name].means, model.means)
    with pytest.raises(IncompatibleModelError, match="differ in"):
        train_split_mixtures(split, n_components=4, feature_store=store, features="kaldi")


@pytest.mark.slow
def test_workers_read_the_store_themselves(expected, protocol, background, store):
    scores = run_protocol(protocol, background, feature_store=store, engine=2).scores
    np.testing.assert_array_equal(scores, expected[0])


def test_speakers_are_enrolled_verified_and_identified_from_a_store(
    recordings, background, store, tmp_path, monkeypatch
):
    def answers(path, **given):
        enroll_into(path, "ana", recordings["ana0"], background=background, **given)
        with SpeakerStore(path) as opened:
            opened.enroll("ana", recordings["ana1"], **given)
            opened.enroll("bea", [recordings["bea0"], recordings["bea1"]], **given)
            verified = opened.verify("ana", recordings["ana3"], **given)
            ranked = opened.identify([recordings["ana2"], recordings["ana3"]], **given)
            listed = [(s.name, s.speech_seconds, s.n_sessions) for s in opened.speakers()]
            means = opened.model("ana").mixture.means.tobytes()
            return verified, ranked, listed, means

    extracted = answers(tmp_path / "a.db")
    monkeypatch.setattr(FeatureExtractor, "stream", None)
    assert answers(tmp_path / "b.db", feature_store=store) == extracted


def test_a_recording_that_changed_is_extracted(recordings, protocol, background, store, voices):
    before = run_protocol(protocol, background, feature_store=store).scores
    shutil.copy(voices(2, 7), recordings["ana2"])
    with pytest.warns(FeatureStoreWarning, match=r"lacks 1 of 4 recordings, such as .*ana2\.wav"):
        found = run_protocol(protocol, background, feature_store=store).scores
    np.testing.assert_array_equal(found, run_protocol(protocol, background).scores)
    assert not np.array_equal(found, before)


def test_the_same_size_and_time_do_not_hide_another_content(recordings, background, store):
    """A file that was replaced by another of its size is told by its inode or time."""
    path = recordings["ana0"]
    before = path.stat()
    samples = path.read_bytes()
    other = path.with_name("other.wav")
    other.write_bytes(samples[:-2] + b"\1\1")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)
    folder = path.parent
    with (
        SpeakerStore.create(folder / "v.db", background) as opened,
        pytest.warns(FeatureStoreWarning),
    ):
        opened.enroll("ana", path, feature_store=store)


def test_a_recording_that_moved_is_known_by_its_content(
    recordings, background, store, tmp_path, no_extraction
):
    with SpeakerStore.create(tmp_path / "v.db", background) as opened, warnings.catch_warnings():
        warnings.simplefilter("error")
        opened.enroll("ana", recordings["ana0"], feature_store=store)
        moved = shutil.copy(recordings["ana2"], tmp_path / "elsewhere.wav")
        found = opened.verify("ana", moved, feature_store=store)
        assert found == opened.verify("ana", recordings["ana2"], feature_store=store)
        # The features outlive the file from which they were extracted; enrolment needs the file.
        recordings["ana2"].unlink()
        assert found == opened.verify("ana", recordings["ana2"], feature_store=store)
        with pytest.raises(AudioError):
            opened.enroll("ana", recordings["ana2"], feature_store=store)


def test_what_a_store_lacks_is_extracted(recordings, protocol, background, store, expected):
    part = store.subset([u for u in store.utterances if "ana" not in u.path.name])
    with pytest.warns(FeatureStoreWarning) as caught:
        scores = run_protocol(protocol, background, feature_store=part).scores
    np.testing.assert_array_equal(scores, expected[0])
    assert [str(w.message).split(": ")[1].split(" recordings")[0] for w in caught] == [
        "lacks 2 of 4",
        "lacks 2 of 4",
    ]


def test_other_features_and_damage_are_refused(recordings, protocol, background, tmp_path):
    kaldi = extract_features(list(recordings.values()), tmp_path / "kaldi", features="kaldi")
    with pytest.raises(IncompatibleModelError) as caught:
        run_protocol(protocol, background, feature_store=kaldi)
    for part in (str(kaldi.path), kaldi.config.digest[:12], background.features.digest[:12]):
        assert part in str(caught.value)
    with pytest.raises(StoreError, match="speakergmm extract"):
        run_protocol(protocol, background, feature_store=tmp_path / "none")
    store = extract_features(list(recordings.values()), tmp_path / "damaged")
    shard = next(shard for shard in (store.path / "shards").iterdir() if shard.stat().st_size)
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)
    with pytest.raises(ModelFormatError, match="damaged"):
        run_protocol(protocol, background, feature_store=store)


def test_one_recording_that_a_store_lacks_and_what_is_no_store(background, store, voices, tmp_path):
    lacks = r"/features: lacks \S+\.wav, or has another version of it; what is lacking is"
    with SpeakerStore.create(tmp_path / "voices.db", background) as opened:
        with pytest.warns(FeatureStoreWarning, match=lacks):
            opened.enroll("zoe", voices(3, 1), feature_store=store)
        for wrong in (3, [store]):
            with pytest.raises(InvalidTypeError, match="where a feature store or its path"):
                opened.verify("zoe", voices(3, 1), feature_store=wrong)
