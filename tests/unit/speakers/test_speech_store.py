"""Models of a feature store: those of the corpus it was made of, to the last bit."""

import hashlib
import tempfile
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from speakergmm.corpora import Corpus
from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidTypeError
from speakergmm.features import FeatureExtractor, FeatureStore, extract_features

# An index of many utterances is made without extracting them: it is not public.
from speakergmm.features.store.store_index import StoreIndex
from speakergmm.mixtures import fit_mixture
from speakergmm.run_context import RunContext
from speakergmm.speakers import BackgroundModel, fit_speaker_mixtures, train_speaker_mixtures


@pytest.fixture(scope="module")
def features(background_corpus, tmp_path_factory):
    """The corpus of the background model as a feature store, in shards of a few utterances."""
    folder = tmp_path_factory.mktemp("store") / "features"
    return extract_features(background_corpus, folder)


@pytest.mark.slow
def test_a_store_and_its_corpus_make_one_model(background, background_corpus, features):
    for given in (features, features.path):
        model = BackgroundModel.train(given, n_components=8, seed=1, augmentation="none")
        assert model.digest == background.digest
        for name in ("frames_sha256", "n_frames", "n_utterances", "n_speakers", "speech_seconds"):
            assert model.provenance[name] == background.provenance[name]
    part = features.subset(background_corpus.utterances[:6])
    corpus = Corpus(background_corpus.utterances[:6], source="part")
    digests = {
        BackgroundModel.train(each, n_components=4, augmentation="none").digest
        for each in (part, corpus)
    }
    assert len(digests) == 1


def test_the_hash_of_frames_is_that_of_the_speech_of_each_utterance(background, background_corpus):
    total, extractor = hashlib.sha256(), FeatureExtractor("speaker")
    for utterance in background_corpus:
        frames = extractor.extract(utterance.path).speech_values
        total.update(f"{frames.shape}{frames.dtype.str}".encode() + frames.tobytes())
    assert background.provenance["frames_sha256"] == total.hexdigest()


@pytest.mark.slow
def test_cuts_between_shards_change_a_model_by_rounding_alone(
    background, background_corpus, tmp_path
):
    small = extract_features(background_corpus, tmp_path / "small", shard_frames=150)
    assert len(small.speech.shards) > 3
    model = BackgroundModel.train(small, n_components=8, seed=1, augmentation="none")
    np.testing.assert_allclose(model.mixture.means, background.mixture.means, rtol=1e-4, atol=1e-4)
    again = BackgroundModel.train(small, n_components=8, seed=1, augmentation="none", engine=2)
    assert again.digest == model.digest


@pytest.mark.slow
def test_mixtures_of_speakers_are_those_of_frames_in_memory(background_corpus, features):
    extractor = FeatureExtractor("speaker")
    frames = {
        name: [extractor.extract(each.path).speech_values for each in utterances]
        for name, utterances in background_corpus.by_speaker().items()
    }
    expected = fit_speaker_mixtures(frames, n_components=4)
    for given in (background_corpus, features, features.path):
        found = train_speaker_mixtures(given, n_components=4)
        assert list(found) == list(expected)
        for name, model in expected.items():
            np.testing.assert_array_equal(found[name].means, model.means)


def test_the_features_of_a_store_are_used_and_others_are_refused(background_corpus, tmp_path):
    store = extract_features(background_corpus.utterances[:3], tmp_path / "s", features="kaldi")
    model = BackgroundModel.train(store, n_components=2)
    assert model.features == store.config
    same = BackgroundModel.train(store, n_components=2, features="kaldi")
    assert same.digest == model.digest
    for train in (BackgroundModel.train, train_speaker_mixtures):
        with pytest.raises(IncompatibleModelError) as caught:
            train(store, n_components=2, features="speaker")
        assert str(store.path) in str(caught.value)
        assert "they differ in:" in str(caught.value)


@pytest.mark.slow
def test_a_temporary_store_is_private_and_does_not_stay(background_corpus, monkeypatch, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    seen = []

    def look(number, iteration):
        seen.extend((path, path.stat().st_mode & 0o77) for path in tmp_path.iterdir())

    BackgroundModel.train(
        background_corpus, n_components=2, augmentation="none", run=RunContext(callback=look)
    )
    assert {mode for _, mode in seen} == {0}
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InsufficientDataError):
        BackgroundModel.train(background_corpus, n_components=10_000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_training_holds_no_frames(features, tmp_path):
    """Eight times as much speech needs hardly more memory of this process."""
    index = StoreIndex.read(features.path)
    index = replace(index, shard_frames=1000)

    def peak(copies):
        rows = [
            replace(row, id=f"{row.id}-{copy}", path=f"{copy}/{row.path}")
            for copy in range(copies)
            for row in index.rows
        ]
        store = FeatureStore(features.path, index, rows)
        tracemalloc.start()
        BackgroundModel.train(store, n_components=4, max_iter=1)
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most, store.n_speech_frames * store.n_features * 4

    peak(1)
    few, _ = peak(20)
    many, size = peak(160)
    assert size > 30e6
    assert many < few + size / 8


def test_frames_are_no_corpus(features):
    with pytest.raises(InvalidTypeError, match="fit_mixture"):
        BackgroundModel.train([np.zeros((5, 60))])
    assert fit_mixture(features.speech, n_components=2, max_iter=1).model.n_features == 60
    assert FeatureStore.is_store(features.path)
