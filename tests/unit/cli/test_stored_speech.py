"""Commands of acoustic models on a feature store, as a user runs them."""

import json

import pytest
import soundfile
from oracles.spoken import spoken_world

from speakergmm.features import FeatureConfig, extract_features
from speakergmm.recognition import AcousticModel, read_ctm

pytestmark = pytest.mark.usefixtures("without_confidences")


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return spoken_world(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def store(spoken, tmp_path_factory):
    path = tmp_path_factory.mktemp("stores") / "hmm"
    few = spoken.corpus.utterances[:8]
    extract_features(few, path, features=FeatureConfig.load("hmm"))
    text = path.with_name("text")
    lines = [f"{u.id} {' '.join(spoken.transcripts[u.id])}\n" for u in few]
    text.write_text("".join(lines), encoding="utf-8")
    return path, text, [u.id for u in few]


def test_phones_are_trained_on_a_store(spoken, store, tmp_path, speakergmm):
    path, text, ids = store
    lexicon = spoken.folder / "lexicon.txt"
    found = speakergmm(
        "train-hmm", path, "--transcripts", text, "--lexicon", lexicon, "--stress", "keep",
        "--iterations", 2, "--gaussians", 60, "--output", tmp_path / "am", "--json",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert found.json["provenance"]["n_utterances"] == len(ids)
    assert AcousticModel.load(tmp_path / "am").features == FeatureConfig.load("hmm")


def test_words_are_trained_on_a_store(spoken, tmp_path, speakergmm):
    for place, word in enumerate(("ling", "shaxp")):
        (tmp_path / "words" / word).mkdir(parents=True)
        for number, utterance in enumerate(spoken.corpus.utterances[3 * place : 3 * place + 3]):
            samples, rate = soundfile.read(utterance.path)
            soundfile.write(tmp_path / "words" / word / f"{word}{number}.wav", samples, rate)
    extract_features(tmp_path / "words", tmp_path / "store", features="hmm")
    found = speakergmm(
        "train-words", tmp_path / "store", "--states", 3, "--iterations", 2,
        "--output", tmp_path / "wm", "--json",
    )  # fmt: skip
    assert found.code == 0, found.err
    assert found.json["words"] == ["ling", "shaxp"]
    assert found.json["provenance"]["n_speakers"] == 0


def test_alignment_and_decoding_of_a_store(spoken, store, tmp_path, speakergmm):
    path, text, ids = store
    output = tmp_path / "aligned"
    found = speakergmm(
        "align", spoken.model_path, path, "--transcripts", text, "--output", output, "--json"
    )
    assert found.code == 0, found.err
    assert found.json["n_aligned"] == len(ids)
    lines = (output / "alignments.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["utterance"] for line in lines] == ids
    found = speakergmm(
        "decode", spoken.model_path, path, "--phones", "--output", tmp_path / "o.ctm", "--json"
    )
    assert found.code == 0, found.err
    assert found.json["n_recognised"] == len(ids)
    assert set(read_ctm(tmp_path / "o.ctm")) == set(ids)


def test_what_does_not_fit_is_refused_in_one_line(spoken, store, tmp_path, speakergmm):
    path, text, _ = store
    lexicon = spoken.folder / "lexicon.txt"
    train = ("train-hmm", path, "--lexicon", lexicon, "--output", tmp_path / "am")
    other = tmp_path / "features.toml"
    other.write_text('preset = "hmm"\nn_ceps = 10\n', encoding="utf-8")
    digest = FeatureConfig.load("hmm").digest[:12]
    for arguments, words in (
        ((*train, "--transcripts", text, "--features", other), (digest, "n_ceps")),
        ((*train, "--transcripts", text, "--sample-rate", 8000), (digest, "sample_rate")),
        ((*train, "--transcripts", text, "--speaker-pattern", "^(.)"), ("--speaker-pattern",)),
    ):
        found = speakergmm(*arguments)
        assert found.code == 2, found.err
        assert found.err.strip().count("\n") == 0
        assert all(word in found.err for word in words), found.err
    assert not (tmp_path / "am").exists()
    strange = tmp_path / "strange"
    extract_features(spoken.corpus.utterances[:2], strange, features="speaker")
    found = speakergmm("decode", spoken.model_path, strange, "--phones")
    assert found.code == 2
    assert FeatureConfig.load("speaker").digest[:12] in found.err
    assert digest in found.err


def test_a_store_without_transcripts_says_what_to_give(tmp_path, speakergmm, spoken):
    import shutil

    alone = tmp_path / "alone.wav"
    shutil.copy(spoken.corpus.utterances[0].path, alone)
    extract_features([alone], tmp_path / "store", features="hmm")
    found = speakergmm(
        "train-hmm", tmp_path / "store", "--lexicon", spoken.folder / "lexicon.txt",
        "--output", tmp_path / "am",
    )  # fmt: skip
    assert found.code == 2
    assert "a feature store has no transcripts" in found.err
    assert "--transcripts FILE" in found.err
    assert found.err.strip().count("\n") == 0
