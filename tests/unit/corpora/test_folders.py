import os
import threading

import pytest

from speakergmm.corpora import read_corpus, read_transcripts
from speakergmm.errors import CorpusError


@pytest.fixture
def folder(tmp_path):
    def folder(*names):
        for name in names:
            path = tmp_path / "corpus" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "corpus"

    return folder


def test_speakers_are_folders_and_their_recordings_lie_however_deep(folder):
    where = folder("b/2.wav", "b/1.WAV", "a/s1/x.flac", "a/s1/y/z.Mp3", "a/0.ogg", "a/text.txt")
    corpus = read_corpus(where)
    found = [(u.speaker, u.id) for u in corpus]
    assert found == [
        ("a", "a/0.ogg"),
        ("a", "a/s1/x.flac"),
        ("a", "a/s1/y/z.Mp3"),
        ("b", "b/1.WAV"),
        ("b", "b/2.wav"),
    ]
    assert all(u.path == where / u.id for u in corpus)
    assert corpus.notes == ()


def test_hidden_files_and_folders_are_passed_over(folder):
    where = folder("a/1.wav", "a/._1.wav", "a/.DS_Store", ".git/2.wav", "._a", "a/.old/3.wav")
    assert [u.id for u in read_corpus(where)] == ["a/1.wav"]


def test_the_order_is_that_of_names_and_not_of_the_disk(folder):
    names = [f"s{n}/{m}.wav" for n in (3, 1, 2, 10) for m in (2, 1)]
    assert [u.id for u in read_corpus(folder(*names))] == sorted(names)


def test_folders_without_recordings_are_noted(folder):
    corpus = read_corpus(folder("a/1.wav", "docs/readme.txt"))
    assert corpus.speakers == ("a",)
    assert corpus.notes == ("folders without recordings that can be read are skipped (1): 'docs'",)


def test_links_are_followed_and_loops_are_not(folder, tmp_path):
    where = folder("a/1.wav")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/2.wav").touch()
    (where / "b").symlink_to(tmp_path / "elsewhere")
    (where / "a" / "up").symlink_to(where / "a")
    (where / "a" / "gone.wav").symlink_to(tmp_path / "nothing.wav")
    # A broken link is kept: validation names it as missing.
    assert [u.id for u in read_corpus(where)] == ["a/1.wav", "a/gone.wav", "b/2.wav"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_pipes_are_passed_over(folder):
    where = folder("a/1.wav")
    os.mkfifo(where / "a/2.wav")
    assert [u.id for u in read_corpus(where)] == ["a/1.wav"]


def test_a_folder_named_as_a_recording_is_a_folder(folder):
    assert [u.id for u in read_corpus(folder("a/x.wav/1.wav"))] == ["a/x.wav/1.wav"]


def test_speakers_in_two_spellings_are_refused(folder):
    where = folder("Zo\u00eb/1.wav", "Zoe\u0308/2.wav")
    with pytest.raises(CorpusError, match="differs only in letter case"):
        read_corpus(where)


def test_a_speaker_is_named_in_normal_form(folder):
    corpus = read_corpus(folder("Zoe\u0308/1.wav"))
    assert corpus.speakers == ("Zo\u00eb",)
    assert corpus.utterances[0].path.exists()


def test_names_that_no_list_can_hold_are_refused(folder):
    with pytest.raises(
        CorpusError,
        match=r"no recording that a list can contain: .* skipped \(1\): 'a/1\\n.wav'; rename",
    ):
        read_corpus(folder("a/1\n.wav"))


def test_names_that_no_speaker_may_have_are_refused(folder):
    with pytest.raises(CorpusError, match=r"speaker name 'a\\tb' contains U\+0009"):
        read_corpus(folder("a\tb/1.wav"))


def test_names_that_are_no_text_are_refused(folder):
    where = folder("a/1.wav")
    (where / os.fsdecode(b"a/\xff.wav")).touch()
    corpus = read_corpus(where)
    assert [u.id for u in corpus.utterances] == ["a/1.wav"]
    assert len(corpus.notes) == 1
    assert "skipped" in corpus.notes[0]


def test_recordings_beside_speaker_folders_are_refused(folder):
    with pytest.raises(CorpusError, match=r"'stray.wav' lies beside the speaker folders"):
        read_corpus(folder("a/1.wav", "stray.wav"))


@pytest.mark.parametrize(
    ("names", "hint"),
    [
        (["1.wav"], "its recordings lie directly in it; put each speaker's recordings"),
        (["a/notes.txt"], "put each speaker's recordings into a folder of their own"),
        (["segments"], "a Kaldi data directory needs wav.scp"),
        (["eval_trials.tsv"], "it looks like a protocol; its background.tsv is a corpus"),
    ],
)
def test_other_folders_are_refused_with_a_hint(folder, names, hint):
    with pytest.raises(CorpusError) as caught:
        read_corpus(folder(*names))
    assert "is a folder with neither speaker folders holding audio nor wav.scp; " in str(
        caught.value
    )
    assert hint in str(caught.value)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(CorpusError, match=r"neither speaker folders holding audio nor wav\.scp"):
        read_corpus(tmp_path)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nowhere", "does not exist; give a folder or a list"),
        ("one.wav", "has the name of a recording; a corpus is"),
        ("a\0b", "does not exist"),
        ("x" * 5000, "does not exist"),
    ],
)
def test_other_paths_are_refused(tmp_path, name, reason):
    with pytest.raises(CorpusError) as caught:
        read_corpus(tmp_path / name)
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_list_may_come_through_a_pipe(tmp_path, monkeypatch):
    monkeypatch.setenv("SPEAKERGMM_PIPE_TIMEOUT", "0.1")
    os.mkfifo(tmp_path / "list.tsv")
    with pytest.raises(CorpusError, match="is a pipe to which nothing was written"):
        read_corpus(tmp_path / "list.tsv")
    writer = threading.Thread(target=(tmp_path / "list.tsv").write_text, args=("path\na.wav\n",))
    writer.start()
    assert [u.id for u in read_corpus(tmp_path / "list.tsv")] == ["a.wav"]
    writer.join()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_a_list_through_a_pipe_keeps_its_texts(tmp_path):
    os.mkfifo(tmp_path / "list")
    text = "path\tspeaker\ttext\na.wav\tana\tyes no\n"
    writer = threading.Thread(target=(tmp_path / "list").write_text, args=(text,))
    writer.start()
    corpus = read_corpus(tmp_path / "list", speaker_pattern="(.)")
    writer.join()
    for _ in range(2):
        said = read_transcripts(corpus, corpus=corpus, case="upper")
        assert {name: words.words for name, words in said.items()} == {"a.wav": ("YES", "NO")}


@pytest.mark.skipif(os.name == "nt", reason="the system has no such devices")
def test_a_device_is_no_list():
    with pytest.raises(CorpusError, match="/dev/zero is a device; give a regular file or a pipe"):
        read_corpus("/dev/zero")


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="this user may read everything")
def test_a_closed_folder_is_named(folder):
    where = folder("a/1.wav", "b/1.wav")
    (where / "b").chmod(0)
    try:
        with pytest.raises(CorpusError, match="/b cannot be read: Permission denied"):
            read_corpus(where)
    finally:
        (where / "b").chmod(0o700)


def test_real_speaker_folders(data_dir):
    corpus = read_corpus(data_dir / "dspspeech20")
    assert len(corpus.speakers) == 34
    assert len(corpus) == 1360


def test_a_data_folder_that_is_not_there_is_refused_although_it_is_not_needed(folder, tmp_path):
    speakers = folder("ana/1.wav")
    assert len(read_corpus(speakers, data_dir=tmp_path)) == 1
    with pytest.raises(CorpusError, match="nowhere is not a folder"):
        read_corpus(speakers, data_dir=tmp_path / "nowhere")
