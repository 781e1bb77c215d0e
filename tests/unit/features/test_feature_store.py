"""Stores of features: what the extractor returns, and only what changed is extracted again."""

import contextlib
import dataclasses
import os
import pickle
import shutil
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import Corpus, Utterance
from speakergmm.errors import (
    AudioError,
    CorpusError,
    InsufficientDataError,
    InvalidInputError,
    InvalidTypeError,
    ModelFormatError,
    SpeakerGmmError,
    StoreError,
    UnknownSpeakerError,
)
from speakergmm.features import (
    FeatureConfig,
    FeatureExtractor,
    FeatureStore,
    FeatureStoreWarning,
    extract_features,
    find_recordings,
    forget_removed,
)
from speakergmm.features.store import audio_state, shard_files, store_index
from speakergmm.files import UnreadableFileError
from speakergmm.run_context import RunContext
from speakergmm.temporaries import hold_lock

INDEX_NAME = "index.safetensors"
CONFIG = FeatureConfig.preset("speaker")
SPEAKERS = {"a1": "ana", "b1": "bo", "a2": "ana", "c1": "cy", "b2": "bo", "c2": "cy"}


def write(path, *, seconds=0.5, seed=0):
    """Write noise that is loud in its middle, so that part of it is speech."""
    rng = np.random.default_rng(seed)
    n = int(16000 * seconds)
    level = np.where(abs(np.arange(n) - n / 2) < n / 4, 0.2, 0.001)
    soundfile.write(path, level * rng.normal(size=n), 16000)
    return path


@pytest.fixture
def corpus(tmp_path):
    folder = tmp_path / "audio"
    folder.mkdir()
    return Corpus(
        tuple(
            Utterance(name, write(folder / f"{name}.wav", seconds=0.4 + 0.1 * i, seed=i), speaker)
            for i, (name, speaker) in enumerate(SPEAKERS.items())
        ),
        source="made",
    )


@pytest.fixture
def extracted(monkeypatch):
    """The paths that were extracted, in order."""
    found = []
    extract = FeatureExtractor.extract

    def counted(self, path, **more):
        found.append(Path(path).stem)
        return extract(self, path, **more)

    monkeypatch.setattr(FeatureExtractor, "extract", counted)
    return found


def expected(utterance, config=CONFIG):
    return FeatureExtractor(config).extract(
        utterance.path, start=utterance.start, end=utterance.end
    )


def assert_holds(store, utterances):
    assert store.utterances == tuple(utterances)
    for utterance in utterances:
        found, true = store.read(utterance), expected(utterance)
        np.testing.assert_array_equal(found.values, true.values)
        np.testing.assert_array_equal(found.speech, true.speech)
        assert (found.grid, found.names) == (true.grid, true.names)


WEIGHED = CONFIG.replace(frame_weights="local_snr", energy="relative_log_energy", vad_peak=25.0)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_weights_come_back_bit_for_bit(corpus, tmp_path, dtype):
    extract_features(corpus, tmp_path / "store", features=WEIGHED, dtype=dtype, shard_frames=120)
    store = FeatureStore.open(tmp_path / "store")
    recordings = find_recordings(store, corpus.utterances)
    for utterance, recording in zip(corpus, recordings, strict=True):
        true = expected(utterance, WEIGHED)
        for found in (store.read(utterance), recording.features()):
            assert found.weights.dtype == np.float32
            np.testing.assert_array_equal(found.weights, true.weights)
            np.testing.assert_array_equal(found.speech_frames.weights, true.speech_frames.weights)
        assert 0 < true.weights.min() < true.weights.max() <= 1
    # Models of all speakers are trained on speech alone, whatever it weighs.
    speech = [store.read(utterance).speech_values for utterance in corpus]
    np.testing.assert_array_equal(np.concatenate(list(store.speech)), np.concatenate(speech))
    # They stay with their frames when others are removed.
    kept = store.prune(Corpus(corpus.utterances[1::2], source="half"))
    for utterance in corpus.utterances[1::2]:
        weights = kept.read(utterance).weights
        np.testing.assert_array_equal(weights, expected(utterance, WEIGHED).weights)


def test_stores_without_weights_have_none(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store", features="speaker-same-session")
    assert store.read("a1").weights is None
    assert find_recordings(store, corpus.utterances)[0].features().weights is None
    weighed = extract_features(corpus, tmp_path / "weighed", features=WEIGHED)
    assert store.digest != weighed.digest
    with pytest.raises(InvalidInputError, match="holds features with other settings"):
        extract_features(corpus.utterances[:1], tmp_path / "store", features=WEIGHED)


def test_damaged_weights_are_refused_and_extracted_again(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store", features=WEIGHED)
    true = expected(corpus.utterances[0], WEIGHED).weights
    path = tmp_path / "store" / "shards" / shards(tmp_path / "store")[0]
    content = bytearray(path.read_bytes())
    content[content.index(true.tobytes()) + 1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFormatError, match="damaged"):
        store.read("a1")
    with pytest.warns(FeatureStoreWarning, match="damaged or unreadable"):
        store = extract_features(corpus, tmp_path / "store", features=WEIGHED)
    np.testing.assert_array_equal(store.read("a1").weights, true)


def shards(path):
    return sorted(each.name for each in (path / "shards").iterdir())


def test_holds_what_the_extractor_returns_bit_for_bit(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store")
    for found in (store, FeatureStore.open(tmp_path / "store")):
        assert_holds(found, corpus)
        assert found.read("a1").values.dtype == np.float32
        assert found.config == CONFIG
        assert "a1" in found
        assert "d1" not in found


def test_sources_are_the_frames_in_order(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store", shard_frames=120)
    true = [expected(utterance) for utterance in corpus]
    everything = np.concatenate([each.values for each in true])
    speech = np.concatenate([each.speech_values for each in true])
    assert 0 < len(speech) < len(everything)
    for source, frames in ((store.frames, everything), (store.speech, speech)):
        assert source.n_frames == len(frames) == sum(s.n_frames for s in source.shards)
        np.testing.assert_array_equal(np.concatenate(list(source)), frames)
        sent = pickle.loads(pickle.dumps(source.shards))
        blocks = [block for shard in sent for block in shard.blocks(max_frames=17)]
        assert max(map(len, blocks)) <= 17
        np.testing.assert_array_equal(np.concatenate(blocks), frames)
    assert all(len(shard) == 1 or shard.n_frames <= 120 for shard in store.frames.shards)
    assert sum(map(len, store.frames.shards)) == len(corpus)
    utterances = [frames for shard in store.frames.shards for frames in shard.utterances()]
    for found, features in zip(utterances, true, strict=True):
        np.testing.assert_array_equal(found, features.values)
    assert max(map(len, store.blocks(max_frames=10))) == 10


def test_workers_may_have_another_working_directory(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = extract_features(corpus, "store")
    shards = [*store.speech.shards, *store.utterance_frames]
    monkeypatch.chdir(tmp_path / "audio")
    assert all(len(list(shard.blocks())) for shard in shards)


def test_all_frames_are_views_of_the_map(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store")
    (block, *_) = store.frames.blocks()
    assert not block.flags.owndata
    assert not block.flags.writeable
    assert not store.read("a1").values.flags.writeable


@pytest.mark.slow
def test_the_engine_changes_no_file(corpus, tmp_path):
    one = extract_features(corpus, tmp_path / "one")
    two = extract_features(corpus, tmp_path / "two", engine=2)
    assert one.digest == two.digest
    assert shards(one.path) == shards(two.path)
    assert_holds(two, corpus)


def test_nothing_is_extracted_twice(corpus, tmp_path, extracted):
    first = extract_features(corpus, tmp_path / "store")
    before = (first.path / INDEX_NAME).read_bytes()
    assert extracted == list(SPEAKERS)
    extracted.clear()
    again = extract_features(corpus, tmp_path / "store")
    assert extracted == []
    assert (again.digest, (again.path / INDEX_NAME).read_bytes()) == (first.digest, before)


def test_a_changed_file_is_extracted_again(corpus, tmp_path, extracted):
    first = extract_features(corpus, tmp_path / "store")
    write(corpus.utterances[2].path, seconds=0.7, seed=99)
    extracted.clear()
    again = extract_features(corpus, tmp_path / "store")
    assert extracted == ["a2"]
    assert again.digest != first.digest
    assert_holds(again, corpus)


def test_a_file_with_the_same_content_is_kept(corpus, tmp_path, extracted):
    """Whether it was copied, moved or touched; the digest does not depend on names of files."""
    first = extract_features(corpus, tmp_path / "store")
    shutil.copytree(tmp_path / "audio", tmp_path / "moved")
    moved = [dataclasses.replace(each, path=tmp_path / "moved" / each.path.name) for each in corpus]
    os.utime(moved[0].path, (1, 1))
    extracted.clear()
    again = extract_features(moved, tmp_path / "store")
    assert extracted == []
    assert again.digest == first.digest
    assert_holds(again, moved)


def change_and_hide(path):
    """Change the content of a file, and set its time of modification back."""
    found = path.stat()
    content = bytearray(path.read_bytes())
    content[-4000:-2000] = bytes(2000)
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_ino) == (found.st_size, found.st_ino)


def test_a_change_with_the_times_of_before_is_found(corpus, tmp_path, extracted):
    """Size, time of modification and inode are as before."""
    extract_features(corpus, tmp_path / "store")
    change_and_hide(corpus.utterances[0].path)
    extracted.clear()
    again = extract_features(corpus, tmp_path / "store")
    assert extracted == ["a1"]
    assert_holds(again, corpus)


def test_a_change_that_hides_is_found_if_all_are_verified(corpus, tmp_path, extracted, monkeypatch):
    """On systems that do not tell when a file was changed, only the content tells."""
    state = audio_state.FileState
    monkeypatch.setattr(
        audio_state, "FileState", lambda *values: state(*values)._replace(changed=0)
    )
    extract_features(corpus, tmp_path / "store")
    change_and_hide(corpus.utterances[0].path)
    extracted.clear()
    extract_features(corpus, tmp_path / "store")
    assert extracted == []
    again = extract_features(corpus, tmp_path / "store", verify=True)
    assert extracted == ["a1"]
    assert_holds(again, corpus)


def test_changed_bounds_are_extracted_again(corpus, tmp_path, extracted):
    extract_features(corpus, tmp_path / "store")
    cut = [dataclasses.replace(corpus.utterances[1], start=0.1, end=0.4), *corpus.utterances[2:]]
    extracted.clear()
    store = extract_features([corpus.utterances[0], *cut], tmp_path / "store")
    assert extracted == ["b1"]
    assert_holds(store, [corpus.utterances[0], *cut])
    with pytest.raises(CorpusError, match="other times"):
        store.read(corpus.utterances[1])


def test_changed_settings_are_extracted_again(corpus, tmp_path, extracted):
    extract_features(corpus, tmp_path / "store")
    extracted.clear()
    config = CONFIG.replace(n_ceps=12)
    store = extract_features(corpus, tmp_path / "store", features=config)
    assert extracted == list(SPEAKERS)
    np.testing.assert_array_equal(
        store.read("a1").values, expected(corpus.utterances[0], config).values
    )
    with pytest.raises(InvalidInputError, match="other settings"):
        extract_features(corpus.utterances[:3], tmp_path / "store")


def test_more_utterances_are_added_and_others_stay(corpus, tmp_path, extracted):
    extract_features(corpus.utterances[:3], tmp_path / "store")
    extracted.clear()
    store = extract_features(corpus.utterances[2:], tmp_path / "store")
    assert extracted == ["c1", "b2", "c2"]
    assert_holds(store, [*corpus.utterances[2:], *corpus.utterances[:2]])


def test_a_recording_with_a_new_id_has_no_other(corpus, tmp_path, extracted):
    extract_features(corpus, tmp_path / "store")
    extracted.clear()
    renamed = [dataclasses.replace(u, id=f"new-{u.id}") for u in corpus.utterances[:2]]
    store = extract_features(renamed, tmp_path / "store")
    assert extracted == []
    assert_holds(store, [*renamed, *corpus.utterances[2:]])
    assert store.corpus.speakers == corpus.speakers
    # Without a file there is nothing that could take the place of what is there.
    renamed[0].path.unlink()
    lost = dataclasses.replace(renamed[0], id="lost")
    with pytest.warns(UserWarning, match="no such file"):
        store = extract_features([lost, renamed[1]], tmp_path / "store")
    assert renamed[0].id in store
    assert "lost" not in store


def test_corpora_that_contradict_each_other_are_an_error_with_the_remedy(corpus, tmp_path):
    extract_features(corpus.utterances[:2], tmp_path / "store")
    unnamed = dataclasses.replace(corpus.utterances[2], speaker=None)
    store = extract_features([unnamed], tmp_path / "store")
    with pytest.raises(CorpusError, match=r"no speaker.* prune-store .*--corpus") as caught:
        _ = store.corpus
    assert "\n" not in str(caught.value)
    assert store.prune(corpus.utterances[:2]).corpus.speakers == ("ana", "bo")


def test_shards_depend_on_the_utterances_not_on_how_the_store_grew(corpus, tmp_path):
    whole = extract_features(corpus, tmp_path / "whole", shard_frames=150)
    extract_features(corpus.utterances[3:], tmp_path / "grown", shard_frames=150)
    grown = extract_features(corpus, tmp_path / "grown", shard_frames=150)
    assert whole.digest == grown.digest
    assert [s.n_frames for s in whole.speech.shards] == [s.n_frames for s in grown.speech.shards]
    for one, other in zip(whole.speech.shards, grown.speech.shards, strict=True):
        np.testing.assert_array_equal(
            np.concatenate(list(one.blocks())), np.concatenate(list(other.blocks()))
        )


def test_a_subset_is_a_view(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store")
    chosen = [corpus.utterances[4], corpus.utterances[1]]
    for part in (store.subset(chosen), store.subset(["b2", "b1"])):
        assert_holds(part, chosen)
        assert part.speakers == ("bo",)
        assert part.digest != store.digest
        true = np.concatenate([expected(each).speech_values for each in chosen])
        np.testing.assert_array_equal(np.concatenate(list(part.speech)), true)
    with pytest.raises(CorpusError, match="has no utterance 'z9'"):
        store.subset(["z9"])


def test_half_precision_is_rounded_to_the_nearest(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store", dtype="float16")
    for utterance in corpus:
        true = expected(utterance).values
        found = store.read(utterance).values
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, true.astype(np.float16).astype(np.float32))
        assert (abs(found - true) <= np.maximum(2.0**-11 * abs(true), 2.0**-25)).all()


def test_values_beyond_half_precision_are_refused(corpus, tmp_path, monkeypatch):
    extract = FeatureExtractor.extract

    def loud(self, path, **more):
        found = extract(self, path, **more)
        return dataclasses.replace(found, values=found.values * np.float32(1e4))

    monkeypatch.setattr(FeatureExtractor, "extract", loud)
    with pytest.raises(InvalidInputError, match=r"utterance 'a1': .*beyond float16.*float32"):
        extract_features(corpus, tmp_path / "store", dtype="float16")


def test_unusable_recordings_are_left_out(corpus, tmp_path):
    (tmp_path / "noise.wav").write_bytes(b"no recording")
    bad = [
        Utterance("bad", tmp_path / "noise.wav", "ana"),
        Utterance("missing", tmp_path / "missing.wav", "ana"),
    ]
    heard = []
    mixed = [bad[0], *corpus.utterances[:2], bad[1]]
    run = RunContext(on_skip=heard.append)
    store = extract_features(mixed, tmp_path / "store", run=run)
    assert_holds(store, corpus.utterances[:2])
    assert [each.affected for each in heard] == [("bad",), ("missing",)]
    with pytest.raises(AudioError, match=r"noise\.wav"):
        extract_features(mixed, tmp_path / "store", run=RunContext(strict=True))
    with pytest.raises(InsufficientDataError, match="no recording"):
        extract_features(bad, tmp_path / "other", run=run)


def test_a_recording_that_has_gone_stays_one_that_broke_does_not(corpus, tmp_path):
    extract_features(corpus, tmp_path / "store")
    corpus.utterances[0].path.rename(tmp_path / "gone.wav")
    corpus.utterances[1].path.write_bytes(b"no recording")
    heard = []
    run = RunContext(on_skip=heard.append)
    store = extract_features(corpus, tmp_path / "store", run=run)
    assert [each.affected for each in heard] == [("a1",), ("b1",)]
    assert [each.id for each in store.utterances] == ["a2", "c1", "b2", "c2", "a1"]
    assert np.isfinite(store.read("a1").values).all()


def test_an_interrupted_extraction_goes_on(corpus, tmp_path, extracted, monkeypatch):
    whole = extract_features(corpus, tmp_path / "whole")
    extracted.clear()

    class Stop(BaseException):
        pass

    counted = FeatureExtractor.extract

    def interrupted(self, path, **more):
        if Path(path).stem == "c1":
            raise Stop
        return counted(self, path, **more)

    with monkeypatch.context() as patch:
        patch.setattr(FeatureExtractor, "extract", interrupted)
        patch.setattr("speakergmm.features.store.shard_extraction._LEAST_BATCH_FRAMES", 120)
        with pytest.raises(Stop):
            extract_features(corpus, tmp_path / "store")
    with pytest.raises(StoreError, match="has not ended; run speakergmm extract again"):
        FeatureStore.open(tmp_path / "store")
    done = list(extracted)
    assert done == ["a1", "b1", "a2"]
    extracted.clear()
    store = extract_features(corpus, tmp_path / "store")
    assert extracted == ["c1", "b2", "c2"]
    assert store.digest == whole.digest
    assert_holds(store, corpus)


@contextlib.contextmanager
def writing(store):
    """Hold the lock of a writer."""
    pytest.importorskip("fcntl", reason="locks of this system are others")
    release = hold_lock(store / "index.safetensors")
    yield
    release()


def test_one_writer_at_a_time(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store")
    with writing(tmp_path / "store"):
        for act in (
            lambda: extract_features(corpus, tmp_path / "store"),
            lambda: store.prune(corpus),
            lambda: store.remove_speaker("ana"),
        ):
            with pytest.raises(StoreError, match="another process is writing") as caught:
                act()
            assert "\n" not in str(caught.value)
        assert_holds(store, corpus)
    assert_holds(extract_features(corpus, tmp_path / "store"), corpus)


def damaged(content, rng):
    flipped = bytearray(content)
    flipped[rng.integers(len(content))] ^= 1 << rng.integers(8)
    return (
        bytes(flipped),
        content[: rng.integers(len(content))],
        b"",
        b"RIFF\0\0\0\0WAVEfmt ",
        content + b"\0",
    )


def test_a_damaged_shard_is_refused_and_replaced(corpus, tmp_path, extracted):
    store = extract_features(corpus, tmp_path / "store", shard_frames=10)
    (path, *_) = sorted((store.path / "shards").iterdir())
    content = path.read_bytes()
    for number, wrong in enumerate(damaged(content, np.random.default_rng(0))):
        path.write_bytes(wrong)
        os.utime(path, ns=(number, number))
        with pytest.raises(ModelFormatError, match="run speakergmm extract again") as caught:
            list(FeatureStore.open(store.path).frames.blocks())
        assert path.name in str(caught.value)
        assert "\n" not in str(caught.value)
    names = [row.id for row in shard_rows(store, path.stem)]
    extracted.clear()
    with pytest.warns(FeatureStoreWarning, match="damaged"):
        again = extract_features(corpus, tmp_path / "store", shard_frames=10)
    assert extracted == names
    assert path.read_bytes() == content
    assert_holds(again, corpus)


def shard_rows(store, name):
    return [row for row in store._rows if row.shard == name]


def test_a_missing_shard_is_refused_and_replaced(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store", shard_frames=10)
    (path, *_) = sorted((store.path / "shards").iterdir())
    path.unlink()
    with pytest.raises(StoreError, match="is missing; run speakergmm extract again"):
        list(FeatureStore.open(store.path).frames.blocks())
    assert_holds(extract_features(corpus, tmp_path / "store"), corpus)


def test_a_damaged_index_is_refused_and_made_again_of_the_shards(corpus, tmp_path, extracted):
    store = extract_features(corpus, tmp_path / "store")
    path = store.path / INDEX_NAME
    for wrong in damaged(path.read_bytes(), np.random.default_rng(1)):
        path.write_bytes(wrong)
        for act in (FeatureStore.open, lambda folder: extract_features(corpus, folder)):
            with pytest.raises(ModelFormatError, match="remove that file") as caught:
                act(store.path)
            assert "\n" not in str(caught.value)
    path.unlink()
    extracted.clear()
    again = extract_features(corpus, store.path)
    assert extracted == []
    assert again.digest == store.digest


def test_few_shards_are_mapped_at_a_time_and_each_is_checked_once(tmp_path, monkeypatch):
    utterances = [
        Utterance(f"u{place}", write(tmp_path / f"{place}.wav", seconds=11.0, seed=place), "s")
        for place in range(3)
    ]
    store = extract_features(utterances, tmp_path / "store")
    assert len(list((store.path / "shards").iterdir())) == 3
    checked = []

    def is_whole(path):
        checked.append(path.name)
        return True

    monkeypatch.setattr(shard_files, "is_whole", is_whole)
    monkeypatch.setattr(shard_files, "_opened", OrderedDict())
    monkeypatch.setattr(shard_files, "_whole", OrderedDict())
    monkeypatch.setattr(shard_files, "_MOST_MAPPED", 400_000)  # two of them
    for _ in range(3):
        for utterance in utterances:
            store.read(utterance)
            assert sum(shard.n_bytes for shard in shard_files._opened.values()) <= 400_000
    assert len(checked) == len(set(checked)) == 3
    monkeypatch.setattr(shard_files, "_MOST_MAPPED", 1)  # the one in use stays
    assert_holds(store, utterances)
    # A file of the same name that is written anew is checked anew.
    path = shard_files.list_shards(store.path)[0]
    path.write_bytes(path.read_bytes())
    assert_holds(store, utterances)
    assert len(checked) == 4


def test_pruning_keeps_the_utterances_of_a_corpus(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store")
    kept = [corpus.utterances[4], corpus.utterances[0], corpus.utterances[1]]
    pruned = store.prune(kept)
    for found in (pruned, FeatureStore.open(store.path)):
        assert_holds(found, [corpus.utterances[place] for place in (0, 1, 4)])
    # A reader that had opened the store before finds what was kept, and is told what was not.
    forget_removed()
    np.testing.assert_array_equal(store.read("b2").values, expected(corpus.utterances[4]).values)
    with pytest.raises(StoreError, match="'c2' has been removed"):
        store.read("c2")
    with pytest.raises(InvalidInputError, match="no utterance would be left"):
        store.prune([Utterance("other", tmp_path / "o.wav", "ana")])


def test_a_removed_speaker_is_gone_from_the_files(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store")
    theirs = [store.read(name).values.tobytes() for name in ("a1", "a2")]
    assert all(any(bytes_ in f.read_bytes() for f in files(store.path)) for bytes_ in theirs)
    left = store.remove_speaker("ana")
    assert_holds(left, [u for u in corpus if u.speaker != "ana"])
    for file in files(store.path):
        content = file.read_bytes()
        assert b"ana" not in content
        assert not any(bytes_[:400] in content for bytes_ in theirs)
    with pytest.raises(UnknownSpeakerError, match="no speaker 'ana'"):
        left.remove_speaker("ana")


def test_names_that_no_utterance_has_any_more_leave_the_files(corpus, tmp_path):
    """The features are another's as well, or again hers under another name; the names go."""
    other = Utterance("x1", tmp_path / "copy.wav", "bo")
    mine = corpus.utterances[0]
    shutil.copy(mine.path, other.path)
    extract_features([mine], tmp_path / "store")
    store = extract_features([mine, other], tmp_path / "store")
    assert len(files(store.path / "shards")) == 1
    left = store.remove_speaker("ana")
    assert_holds(left, [other])
    assert not any(b"ana" in file.read_bytes() for file in files(store.path))
    renamed = dataclasses.replace(other, speaker="cy")
    left = extract_features([renamed], tmp_path / "store").prune([renamed])
    assert_holds(left, [renamed])
    assert not any(b"bo" in file.read_bytes() for file in files(store.path / "shards"))
    before = {path: path.stat().st_mtime_ns for path in files(store.path)}
    left.prune([renamed])
    assert before == {path: path.stat().st_mtime_ns for path in files(store.path)}


def test_the_index_is_read_once_for_all_utterances_that_moved(corpus, tmp_path, monkeypatch):
    store = extract_features(corpus, tmp_path / "store", shard_frames=10**6)
    store.remove_speaker("ana")  # all others lie in a new shard
    reads = []
    read = store_index.StoreIndex.read
    monkeypatch.setattr(
        store_index.StoreIndex, "read", lambda path: reads.append(path) or read(path)
    )
    kept = [u for u in corpus if u.speaker != "ana"]
    assert_holds(store.subset(kept), kept)
    assert len(reads) == 1
    store.remove_speaker("bo")
    with pytest.raises(StoreError, match="'b1' has been removed"):
        store.read("b1")
    assert_holds(store.subset(["c1", "c2"]), [u for u in corpus if u.speaker == "cy"])


def test_what_may_not_be_read_is_not_called_damaged(corpus, tmp_path, monkeypatch):
    store = extract_features(corpus, tmp_path / "store")
    shard = shard_files.list_shards(store.path)[0]
    shutil.move(shard, tmp_path / "shard")
    shard.mkdir()  # no user can read a folder, and permissions do not bind all
    with pytest.raises(UnreadableFileError, match="is a folder"):
        store.read("a1")
    shard.rmdir()
    with pytest.raises(StoreError, match="no such file; run speakergmm extract again"):
        store.remove_speaker("ana")


def files(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_removal_that_was_killed_is_completed_by_the_next(corpus, tmp_path):
    """Old shards and temporary files that nothing refers to are removed by any writer."""
    store = extract_features(corpus, tmp_path / "store")
    old = list((store.path / "shards").iterdir())
    copies = {path: path.read_bytes() for path in old}
    left = store.remove_speaker("ana")
    for path, content in copies.items():
        path.write_bytes(content)
    (store.path / "shards" / ".x.0123456789ab.tmp").write_bytes(b"ana")
    with pytest.raises(UnknownSpeakerError):
        left.remove_speaker("ana")
    assert len(files(store.path / "shards")) == 1


def test_a_store_that_has_gone_is_an_error_in_one_line(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store")
    shutil.rmtree(store.path)
    for act in (store.prune, lambda _: store.read("a1"), lambda _: list(store.speech)):
        with pytest.raises(SpeakerGmmError) as caught:
            act(corpus)
        assert "\n" not in str(caught.value)


def test_what_is_no_name_is_refused_and_removes_nothing(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store")
    for wrong in (None, 3, b"a1", ["a1"]):
        for act in (store.remove_speaker, store.read, lambda given: store.subset([given])):
            with pytest.raises(InvalidTypeError, match=f"got {type(wrong).__name__} where"):
                act(wrong)
    assert len(FeatureStore.open(store.path)) == len(corpus)
    for wrong in (None, 3, b"store"):
        with pytest.raises(InvalidTypeError, match=f"got {type(wrong).__name__} where the folder"):
            FeatureStore.open(wrong)


def test_refuses_folders_of_others(corpus, tmp_path):
    with pytest.raises(InvalidInputError, match="is not a feature store"):
        extract_features(corpus, tmp_path / "audio")
    with pytest.raises(InvalidInputError, match="is a file"):
        extract_features(corpus, corpus.utterances[0].path)
    for path in (tmp_path / "none", tmp_path / "audio"):
        with pytest.raises(StoreError, match="speakergmm extract makes one"):
            FeatureStore.open(path)
    with pytest.raises(SpeakerGmmError, match="shard_frames"):
        extract_features(corpus, tmp_path / "store", shard_frames=0)
