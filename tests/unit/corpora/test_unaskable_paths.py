"""Paths that the system can't even be asked for are refused in a line, by every function."""

import contextlib
from pathlib import Path

import pytest

from speakergmm.corpora import (
    Corpus,
    Utterance,
    make_synthetic_corpus,
    name_speakers,
    read_corpus,
    read_protocol,
    read_transcripts,
    validate_corpus,
    write_corpus,
    write_protocol,
    write_transcripts,
)
from speakergmm.errors import SpeakerGmmError
from speakergmm.recognition import cut_words, read_words

NAMES = {"long": "x" * 300, "deep": "d/" * 3000, "nul": "a\0b"}


@pytest.fixture(params=list(NAMES))
def name(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return NAMES[request.param]


def listed(name, folder=Path()):
    """Write a list, a Kaldi data directory and a protocol of a recording so named."""
    (folder / "list.csv").write_text(f"path,speaker\n{name}.wav,ana\n")
    (folder / "kaldi").mkdir()
    (folder / "kaldi/wav.scp").write_text(f"u1 {name}.wav\n")
    (folder / "kaldi/utt2spk").write_text("u1 ana\n")
    (folder / "lists").mkdir()
    (folder / "lists/eval_enroll.tsv").write_text(f"model\tpath\nana\t{name}.wav\n")
    (folder / "lists/eval_trials.tsv").write_text("model\tpath\nana\tother.wav\n")


def corpus(name):
    return Corpus((Utterance("u1", Path(f"{name}.wav"), "ana"),), source="given")


@pytest.mark.parametrize(
    "use",
    [
        read_corpus,
        lambda name: read_corpus(name, speaker_pattern="{speaker}_*"),
        lambda name: read_corpus("list.csv", data_dir=name),
        read_transcripts,
        read_protocol,
        lambda name: read_protocol("lists", data_dir=name),
        read_words,
        lambda name: cut_words(corpus("a"), name),
        make_synthetic_corpus,
        lambda name: write_corpus(name, corpus("a")),
        lambda name: write_transcripts(name, {"u1": ["yes"]}),
        lambda name: write_protocol(name, read_protocol("lists")),
    ],
)
def test_paths_given(name, use):
    listed("ana_1")
    with pytest.raises(SpeakerGmmError) as caught:
        use(name)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "use",
    [
        lambda name: validate_corpus(corpus(name)),
        lambda name: read_transcripts(corpus(name)),
        lambda name: name_speakers(corpus(name), "{speaker}_*"),
        lambda name: validate_corpus(read_corpus("list.csv", strict=False)),
        lambda name: validate_corpus(read_corpus("kaldi", strict=False)),
        lambda name: read_transcripts("list.csv"),
        lambda name: read_protocol("lists").missing_files(),
        lambda name: read_protocol("lists").check_disjoint(),
    ],
)
def test_paths_listed(name, use):
    listed(name)
    with contextlib.suppress(SpeakerGmmError):
        found = use(name)
        assert found is None or len(found) > 0


@pytest.mark.parametrize("read", [read_corpus, read_transcripts, read_protocol, read_words])
def test_a_link_to_itself_is_refused(tmp_path, read):
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SpeakerGmmError):
        read(tmp_path / "loop")
