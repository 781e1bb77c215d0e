"""Commands of feature stores: extract, prune-store, info, and what others say of a store."""

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import read_corpus
from speakergmm.features import FeatureExtractor, FeatureStore


@pytest.fixture
def recordings(tmp_path):
    """Two speakers with two recordings each, of noise that is loud in its middle."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "recordings"
    level = np.where(abs(np.arange(8000) - 4000) < 2000, 0.2, 0.001)
    for name in ("anaconda", "boa"):
        (folder / name).mkdir(parents=True)
        for number in range(2):
            path = folder / name / f"{name}{number}.wav"
            soundfile.write(path, level * rng.normal(size=8000), 16000)
    return folder


def test_extracts_once_then_what_changed(recordings, tmp_path, speakergmm):
    store = tmp_path / "store"
    done = speakergmm("extract", recordings, "--output", store, "--json")
    assert done.code == 0, done.err
    assert done.json["n_utterances"] == 4
    assert done.json["kind"] == "feature store"
    opened = FeatureStore.open(store)
    for utterance in read_corpus(recordings):
        np.testing.assert_array_equal(
            opened.read(utterance).values, FeatureExtractor().extract(utterance.path).values
        )
    again = speakergmm("extract", recordings, "-o", store)
    assert again.code == 0
    assert "4 utterances of 2 named speakers" in again.out
    assert done.json["digest"][:12] in again.out
    half = speakergmm(
        "extract", recordings, "-o", tmp_path / "half", "--dtype", "float16", "--features", "hmm"
    )
    assert "39 features in float16" in half.out


def test_prunes_what_the_corpus_lacks_and_removed_speakers(recordings, tmp_path, speakergmm):
    store = tmp_path / "store"
    assert speakergmm("extract", recordings, "--output", store).code == 0
    one, other = sorted(path.name for path in recordings.iterdir())
    next((recordings / one).iterdir()).unlink()
    done = speakergmm("extract", recordings, "--output", store)
    assert f"1 utterance of the store not in the corpus; speakergmm prune-store {store}" in done.err
    done = speakergmm("prune-store", store, "--corpus", recordings)
    assert (done.code, done.out.split(";")[0]) == (0, "1 utterance removed")
    done = speakergmm("prune-store", store, "--remove-speaker", other, "--json")
    assert done.json["n_removed"] == 2
    assert FeatureStore.open(store).speakers == (one,)
    assert not any(other.encode() in path.read_bytes() for path in store.rglob("*.safetensors"))
    for wrong, words in (
        (["--remove-speaker", other], f"no speaker '{other}'"),
        ([], "give --remove-speaker NAME, or --corpus"),
    ):
        done = speakergmm("prune-store", store, *wrong)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert words in done.err


def test_a_store_is_recognised(recordings, tmp_path, speakergmm):
    store = tmp_path / "store"
    assert speakergmm("extract", recordings, "--output", store).code == 0
    done = speakergmm("info", store)
    assert done.code == 0
    assert "feature store" in done.out
    assert speakergmm("info", store / "index.safetensors", "--json").json["n_utterances"] == 4
    shard = next((store / "shards").iterdir())
    assert speakergmm("info", shard, "--json").json["kind"] == "feature shard"
    for command in (["validate", store], ["extract", store, "-o", tmp_path / "other"]):
        done = speakergmm(*command)
        assert (done.code, done.err.count("\n")) == (2, 1)
        assert "is a feature store, not a folder of recordings" in done.err
    assert "is not a feature store" in speakergmm("info", recordings).err
    done = speakergmm("extract", recordings, "--output", recordings)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "is not a feature store; give the name of a new folder" in done.err


def test_features_for_kaldi_and_from_it(recordings, tmp_path, speakergmm):
    store, folder = tmp_path / "store", tmp_path / "kaldi"
    made = speakergmm("extract", recordings, "--output", store, "--kaldi", folder, "--json")
    assert made.code == 0, made.err
    for place, words in ((folder, "exists"), (tmp_path / "no" / "k", "folder does not exist")):
        early = speakergmm("extract", recordings, "--output", tmp_path / "e", "--kaldi", place)
        assert (early.code, early.err.count("\n")) == (2, 1)
        assert words in early.err
        assert not (tmp_path / "e").exists()
    back = tmp_path / "back"
    done = speakergmm("extract", folder, "--output", back, "--json")
    assert done.code == 0, done.err
    assert done.json["features"] is None
    one, other = FeatureStore.open(store), FeatureStore.open(back)
    assert other.speakers == one.speakers
    for found in other.utterances:
        np.testing.assert_array_equal(other.read(found).values, one.read(found.id).values)
        np.testing.assert_array_equal(other.read(found).speech, one.read(found.id).speech)
    told = speakergmm(
        "extract", folder, "--output", tmp_path / "t", "--features", "speaker", "--json"
    )
    assert told.json["features"] == made.json["features"]
    for option in (["--verify"], ["--data-dir", tmp_path], ["--speaker-pattern", "x"]):
        refused = speakergmm("extract", folder, "--output", tmp_path / "n", *option)
        assert (refused.code, refused.err.count("\n")) == (2, 1)
        assert f"{option[0]} concerns recordings" in refused.err
    wrong = speakergmm(
        "extract", folder / "feats.scp", "--output", tmp_path / "w", "--features", "hmm"
    )
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
    assert "60 columns" in wrong.err
