"""Features of recordings in several conditions: each version once, from the samples in memory."""

import dataclasses
import shutil

import numpy as np
import pytest
import soundfile

from speakergmm.audio import iter_audio, read_audio
from speakergmm.corpora import Corpus, Utterance
from speakergmm.corpora.augmentation import (
    AugmentationOptions,
    augmented,
    utterance_versions,
    version_condition,
)
from speakergmm.errors import AudioError, CorpusError, InvalidInputError, StoreError
from speakergmm.features import (
    FeatureConfig,
    FeatureExtractor,
    FeatureStore,
    augmented_recordings,
    extract_features,
    find_recordings,
)
from speakergmm.run_context import RunContext

CONFIG = FeatureConfig.preset("speaker")
RATE = CONFIG.sample_rate
SHORT = ("clean", "noise", "gain")


@pytest.fixture
def corpus(tmp_path):
    """Three recordings of two speakers, noise that is loud in its middle."""
    folder = tmp_path / "audio"
    folder.mkdir()
    rng = np.random.default_rng(0)
    level = np.where(abs(np.arange(8000) - 4000) < 2000, 0.2, 0.001)
    for name in ("a1", "a2", "b1"):
        soundfile.write(folder / f"{name}.wav", level * rng.normal(size=8000), RATE)
    utterances = [Utterance(n, folder / f"{n}.wav", n[0]) for n in ("a1", "a2", "b1")]
    return Corpus(tuple(utterances), source="made")


@pytest.fixture
def n_extracted(monkeypatch):
    """The names of what was extracted, in order."""
    names = []
    extract = FeatureExtractor.extract

    def counted(self, audio, **more):
        names.append(more.get("name"))
        return extract(self, audio, **more)

    monkeypatch.setattr(FeatureExtractor, "extract", counted)
    return names


def frames_of(store):
    return {each.id: store.read(each).values for each in store.utterances}


def test_a_store_has_each_recording_once_per_condition(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store", augmentation=SHORT)
    ids = [f"{n}{more}" for n in ("a1", "a2", "b1") for more in ("", "#noise", "#gain")]
    assert [each.id for each in store.utterances] == ids
    assert store.speakers == ("a", "b")
    assert store.augmentation == AugmentationOptions(conditions=SHORT)
    assert store.info()["n_versions"] == 6
    assert len(store.corpus) == 9
    extractor = FeatureExtractor(CONFIG)
    for each in corpus:
        samples, rate = read_audio(each.path)
        for name in SHORT:
            made = np.concatenate(list(augmented(samples, rate, name, seed=0)))
            expected = extractor.extract(made, sample_rate=rate)
            found = store.read(each.id if name == "clean" else f"{each.id}#{name}")
            np.testing.assert_array_equal(found.values, expected.values)
            np.testing.assert_array_equal(found.speech, expected.speech)
            np.testing.assert_array_equal(found.weights, expected.weights)
    assert {path.suffix for path in (tmp_path / "audio").iterdir()} == {".wav"}
    assert len(list((tmp_path / "audio").iterdir())) == 3


@pytest.mark.parametrize("seconds", [0.5, 45.0])
def test_recordings_as_they_are_have_the_same_features_as_without_augmentation(
    corpus, tmp_path, seconds
):
    noise = np.random.default_rng(0).normal(scale=0.1, size=round(seconds * 22050))
    noise *= np.where(np.arange(len(noise)) // 4000 % 2, 1.0, 0.01)  # bursts are speech
    soundfile.write(corpus.utterances[0].path, noise, 22050)  # converted in blocks of other lengths
    plain = extract_features(corpus, tmp_path / "plain")
    store = extract_features(corpus, tmp_path / "store", augmentation=SHORT)
    assert plain.augmentation is None
    for each in corpus:
        np.testing.assert_array_equal(store.read(each.id).values, plain.read(each.id).values)


@pytest.mark.slow
def test_workers_make_the_same_store(corpus, tmp_path):
    one = extract_features(corpus, tmp_path / "one", augmentation="default")
    two = extract_features(corpus, tmp_path / "two", augmentation="default", engine=2)
    assert one.digest == two.digest
    found = frames_of(two)
    for name, values in frames_of(one).items():
        np.testing.assert_array_equal(found[name], values)


def test_only_new_conditions_recordings_and_seeds_are_extracted(corpus, tmp_path, n_extracted):
    folder = tmp_path / "store"

    def extract(corpus=corpus, **options):
        n_extracted.clear()
        store = extract_features(corpus, folder, **options)
        return store, len(n_extracted)

    assert extract()[1] == 3
    assert extract(augmentation="clean,noise")[1] == 3
    assert extract(augmentation="clean,noise,gain")[1] == 3
    store, n = extract(augmentation="clean,noise,gain")
    assert (n, len(store)) == (0, 9)
    # Moved, with other times: recognised by content, in all versions.
    moved = tmp_path / "moved"
    shutil.copytree(tmp_path / "audio", moved)
    elsewhere = [dataclasses.replace(each, path=moved / each.path.name) for each in corpus]
    assert extract(Corpus(tuple(elsewhere), source="moved"), augmentation=SHORT)[1] == 0
    before = frames_of(store)["a1#gain"]
    store, n = extract(augmentation=AugmentationOptions(conditions=SHORT, seed=1))
    assert (n, len(store)) == (6, 9)
    assert not np.array_equal(frames_of(store)["a1#gain"], before)
    assert store.augmentation.seed == 1
    # Without augmentation, versions stay as other utterances do.
    store, n = extract()
    assert (n, len(store)) == (0, 9)
    extract(augmentation=AugmentationOptions(conditions=["noise"], seed=2))
    with pytest.raises(StoreError, match="different seeds or talkers, noise/2, gain/1"):
        _ = FeatureStore.open(folder).augmentation


def test_versions_go_with_their_utterance(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store", augmentation=SHORT)
    assert len(store.prune(corpus)) == 9
    kept = store.prune(corpus.utterances[1:])
    assert {row.recorded_id for row in kept.rows} == {"a2", "b1"}
    assert len(kept) == 6
    assert len(store.remove_speaker("a")) == 3


def test_a_recording_is_found_as_it_is(corpus, tmp_path):
    store = extract_features(corpus, tmp_path / "store", augmentation="gain,clean,noise")
    (found,) = find_recordings(store, corpus.utterances[:1])
    assert found.stored_id == "a1"
    without = extract_features(corpus, tmp_path / "without", augmentation="noise")
    with pytest.warns(UserWarning, match="lacks"):
        (missing,) = find_recordings(without, corpus.utterances[:1])
    assert missing == corpus.utterances[0]


def test_parts_of_recordings_have_versions_of_their_own(tmp_path, corpus):
    path = corpus.utterances[0].path
    parts = [Utterance("1", path, None, 0.0, 0.3), Utterance("2", path, None, 0.05, 0.45)]
    store = extract_features(parts, tmp_path / "store", augmentation=SHORT)
    samples, rate = read_audio(path, start=0.05, end=0.45)
    made = np.concatenate(list(augmented(samples, rate, "noise")))
    expected = FeatureExtractor(CONFIG).extract(made, sample_rate=rate)
    np.testing.assert_array_equal(store.read("2#noise").values, expected.values)


def test_a_version_that_cannot_be_used_is_named(tmp_path, corpus):
    silent = tmp_path / "silent.wav"
    soundfile.write(silent, np.zeros(8000), RATE)
    skipped = []
    store = extract_features(
        [*corpus, Utterance("s", silent, "a")],
        tmp_path / "store",
        augmentation=SHORT,
        run=RunContext(on_skip=skipped.append),
    )
    assert len(store) == 9
    assert [each.affected for each in skipped] == [("s",), ("s#noise",), ("s#gain",)]
    assert skipped[0].message.startswith(f"{silent}: no speech")
    assert skipped[1].message.startswith(f"{silent}, noise: no speech")


def test_ids_of_versions_that_are_taken_are_refused(corpus):
    taken = [*corpus, Utterance("a1#noise", "other.wav", "a")]
    with pytest.raises(CorpusError, match="'a1#noise' is that of the version of 'a1'"):
        utterance_versions(taken, AugmentationOptions())


def test_given_talkers_are_part_of_what_a_version_is(tmp_path, corpus):
    one, two = (each.path for each in corpus.utterances[:2])
    names = []
    for talkers in ([one], [two], None):
        options = AugmentationOptions(conditions=["babble", "noise"], talkers=talkers)
        names.append([each.version for each in utterance_versions(corpus.utterances, options)[:2]])
    assert {name[1] for name in names} == {"noise/0"}
    assert len({name[0] for name in names}) == 3
    assert {version_condition(name[0]) for name in names} == {"babble"}
    assert str(one) not in names[0][0]


def test_wrong_augmentation_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(InvalidInputError, match="did you mean 'noise'"):
        extract_features([tmp_path / "missing.wav"], tmp_path / "store", augmentation="nose")
    assert not (tmp_path / "store").exists()


# One recording in all its conditions


def test_a_recording_in_every_condition_is_read_once(corpus, monkeypatch):
    reads = []
    monkeypatch.setattr(
        "speakergmm.features.sample_blocks.iter_audio",
        lambda *a, **b: reads.append(a) or iter_audio(*a, **b),
    )
    path = corpus.utterances[0].path
    found = {name: np.asarray(audio) for name, audio in augmented_recordings(path, "default", RATE)}
    assert len(reads) == 1
    assert list(found) == list(AugmentationOptions().conditions)
    np.testing.assert_array_equal(found["clean"], read_audio(path)[0])
    assert {len(samples) for samples in found.values()} == {8000}


@pytest.mark.parametrize("n_taken", [0, 1, 100])
def test_long_recordings_come_in_pieces_whether_they_are_used_or_not(monkeypatch, n_taken):
    monkeypatch.setattr("speakergmm.corpora.augmentation.condition.PIECE_SECONDS", 0.1)
    monkeypatch.setattr("speakergmm.features.multi_condition.HELD_SECONDS", 0.1)
    samples = np.random.default_rng(0).normal(scale=0.1, size=8000).astype(np.float32)
    wanted = {name: np.concatenate(list(augmented(samples, 8000, name))) for name in SHORT}
    blocks = iter(np.split(samples, 10))  # can be read only once
    for name, audio in augmented_recordings(blocks, SHORT, 8000, sample_rate=8000):
        pieces = [piece for piece, _ in zip(audio, range(n_taken), strict=False)]
        found = np.concatenate([np.empty(0, np.float32), *pieces])
        np.testing.assert_array_equal(found, wanted[name][: len(found)])
        assert len(found) == min(800 * n_taken, 8000)


def test_no_augmentation_is_the_recording_as_it_is(corpus):
    path = corpus.utterances[0].path
    ((name, audio),) = augmented_recordings(path, None, RATE, start=0.1, end=0.2)
    assert name == "clean"
    np.testing.assert_array_equal(audio, read_audio(path, start=0.1, end=0.2)[0])
    with pytest.raises(AudioError, match="missing"):
        list(augmented_recordings(path.with_name("missing.wav"), "default", RATE))
