from pathlib import Path

import pytest

from speakergmm.corpora import (
    Corpus,
    NamePattern,
    Transcript,
    Utterance,
    name_speakers,
    read_corpus,
    read_protocol,
    write_corpus,
    write_protocol,
)
from speakergmm.errors import CorpusError, InvalidTypeError, SpeakerGmmError


def corpus_of(*rows):
    return Corpus(tuple(Utterance(*row) for row in rows), source="test")


def test_a_list_says_no_more_than_needed(tmp_path):
    write_corpus(tmp_path / "l.tsv", corpus_of(("a/1.wav", tmp_path / "a/1.wav", None)))
    assert (tmp_path / "l.tsv").read_bytes() == b"path\na/1.wav\n"


def test_a_full_list(tmp_path):
    corpus = corpus_of(
        ("u1", tmp_path / "a/1.wav", "ana"),
        ("u2", tmp_path / "a/1.wav", "ana", 1 / 3, 2),
        ("/data/2.wav", Path("/data/2.wav"), "Zo\u00eb"),
    )
    write_corpus(tmp_path / "l.tsv", corpus)
    text = (tmp_path / "l.tsv").read_text(encoding="utf-8")
    assert text.splitlines() == [
        "id\tspeaker\tpath\tstart\tend",
        "u1\tana\ta/1.wav\t\t",
        "u2\tana\ta/1.wav\t0.3333333333333333\t2.0",
        "\tZo\u00eb\t/data/2.wav\t\t",
    ]
    assert read_corpus(tmp_path / "l.tsv").utterances == corpus.utterances


def test_paths_may_be_relative_to_another_folder(tmp_path):
    (tmp_path / "data").mkdir()
    corpus = corpus_of(("1", tmp_path / "data/1.wav", "a"), ("2", tmp_path / "2.wav", "a"))
    write_corpus(tmp_path / "l.tsv", corpus, relative_to=tmp_path / "data")
    assert [line.split("\t")[2] for line in (tmp_path / "l.tsv").read_text().splitlines()] == [
        "path",
        "1.wav",
        str(tmp_path / "2.wav"),
    ]
    found = read_corpus(tmp_path / "l.tsv", data_dir=tmp_path / "data")
    assert found.utterances == corpus.utterances


def test_paths_that_step_back_are_written_whole(tmp_path):
    corpus = corpus_of(("1", tmp_path / "a/../../x.wav", "a"))
    write_corpus(tmp_path / "l.tsv", corpus)
    assert read_corpus(tmp_path / "l.tsv").utterances == corpus.utterances


def test_relative_paths_mean_the_same_from_anywhere(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    corpus = corpus_of(("1", Path("1.wav"), "a"))
    write_corpus(tmp_path / "l.tsv", corpus)
    assert [u.path for u in read_corpus(tmp_path / "l.tsv")] == [tmp_path / "here/1.wav"]
    write_corpus("l.tsv", corpus)
    assert read_corpus("l.tsv").utterances == corpus.utterances


def test_an_empty_corpus_is_refused(tmp_path):
    with pytest.raises(CorpusError, match="the corpus has no utterance"):
        write_corpus(tmp_path / "l.tsv", corpus_of())


def test_a_list_that_cannot_be_written_leaves_the_old_one(tmp_path):
    with pytest.raises(SpeakerGmmError):
        write_corpus(tmp_path / "nowhere" / "l.tsv", corpus_of(("1", Path("/1.wav"), "a")))
    (tmp_path / "file").touch()
    lists = tmp_path / "file" / "protocol"
    (tmp_path / "eval_enroll.tsv").write_text("model\tpath\na\t1.wav\n")
    (tmp_path / "eval_trials.tsv").write_text("model\tpath\na\t2.wav\n")
    with pytest.raises(CorpusError, match="cannot be created"):
        write_protocol(lists, read_protocol(tmp_path))


@pytest.mark.parametrize("name", ["librispeech", "dspspeech20", "arabic_speech_commands"])
def test_real_protocols_come_back(data_dir, tmp_path, name):
    protocol = read_protocol(data_dir / "protocols" / name, data_dir=data_dir)
    write_protocol(tmp_path, protocol, relative_to=data_dir)
    found = read_protocol(tmp_path, data_dir=data_dir)
    assert found.splits == protocol.splits
    assert found.background.utterances == protocol.background.utterances
    assert found.background.digest == protocol.background.digest
    for listing in tmp_path.iterdir():
        original = data_dir / "protocols" / name / listing.name
        assert listing.read_bytes() == original.read_bytes().replace(b"\r\n", b"\n")


def test_withheld_labels_stay_withheld(tmp_path):
    (tmp_path / "eval_enroll.tsv").write_text("model\tpath\na\t1.wav\n")
    (tmp_path / "eval_trials.tsv").write_text("model\tpath\na\t2.wav\n")
    protocol = read_protocol(tmp_path)
    write_protocol(tmp_path / "copy", protocol, relative_to=tmp_path)
    assert (tmp_path / "copy/eval_trials.tsv").read_text() == "model\tpath\na\t2.wav\n"
    assert not (tmp_path / "copy/background.tsv").exists()


def test_what_lists_are_written_of_may_be_given_as_everywhere(tmp_path):
    corpus = corpus_of(("a/1.wav", tmp_path / "a/1.wav", "ana"))
    write_corpus(tmp_path / "l.tsv", corpus)
    for given in (list(corpus), tmp_path / "l.tsv"):
        write_corpus(tmp_path / "again.tsv", given)
        assert read_corpus(tmp_path / "again.tsv").utterances == corpus.utterances


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda corpus: write_corpus(corpus, "l.tsv"), r"write_corpus\(path, corpus\)"),
        (lambda corpus: write_corpus("l.tsv", 5), "got int where"),
        (lambda corpus: write_protocol("p", corpus), r"write_protocol\(directory, protocol\)"),
        (lambda corpus: write_protocol(corpus, "p"), r"write_protocol\(directory, protocol\)"),
        (lambda corpus: name_speakers("folder", "{speaker}_*"), "read_corpus.*speaker_pattern"),
        (lambda corpus: name_speakers(corpus, 5), "got int where a pattern, a str"),
        (lambda corpus: NamePattern(Path("{speaker}_*")), "got PosixPath where a pattern, a str"),
        (lambda corpus: Utterance(3, Path("a.wav"), None), r"Utterance\(id, path, speaker\)"),
        (lambda corpus: Transcript("yes no"), r"as in Transcript\(\('yes', 'no'\)\)"),
        (lambda corpus: Transcript((1, 2)), r"as in Transcript\(\('yes', 'no'\)\)"),
    ],
)
def test_wrong_things_are_answered_by_the_right_call(call, message):
    with pytest.raises(InvalidTypeError, match=message):
        call(corpus_of(("u", Path("a.wav"), None)))
