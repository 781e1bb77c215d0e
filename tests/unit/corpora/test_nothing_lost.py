"""Files of a folder are read, or named with counts and reasons; none changes its speaker."""

import os

import numpy as np
import pytest
import soundfile

from speakergmm.audio import AUDIO_SUFFIXES, read_audio
from speakergmm.corpora import CorpusWarning, as_corpus, as_utterances, read_corpus, validate_corpus
from speakergmm.errors import CorpusError

RATE = 8000
# Formats of libsndfile in the endings that people give their files.
ENDINGS = {
    ".wav": "WAV",
    ".wave": "WAV",
    ".WAV": "NIST",
    ".opus": "OGG",
    ".oga": "OGG",
    ".ogg": "OGG",
    ".w64": "W64",
    ".rf64": "RF64",
    ".aiff": "AIFF",
    ".aif": "AIFF",
    ".AIFC": "AIFF",
    ".au": "AU",
    ".snd": "AU",
    ".sph": "NIST",
    ".nist": "NIST",
    ".caf": "CAF",
    ".flac": "FLAC",
    ".mp3": "MP3",
    ".voc": "VOC",
    ".svx": "SVX",
    ".avr": "AVR",
    ".paf": "PAF",
    ".pvf": "PVF",
    ".sds": "SDS",
    ".wve": "WVE",
    ".sf": "IRCAM",
}


def speech(seed):
    return 0.1 * np.random.default_rng(seed).standard_normal(RATE // 2)


@pytest.fixture
def folder(tmp_path):
    """Write files, empty ones where no content is given."""

    def folder(*names):
        for name in names:
            path = tmp_path / "corpus" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "corpus"

    return folder


@pytest.fixture
def link(tmp_path):
    def link(name, target):
        path = tmp_path / "corpus" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)

    return link


def ids(corpus):
    return [u.id for u in corpus]


def passed(corpus):
    return {each.what: each.count for each in corpus.skipped_files}


def test_all_that_libsndfile_reads_is_read(folder):
    where = folder("ana/nothing.m4a")
    for seed, (ending, kind) in enumerate(ENDINGS.items()):
        subtype = {"OGG": "OPUS" if ending == ".opus" else "VORBIS", "WVE": "ALAW"}.get(kind)
        path = where / f"ana/{seed}{ending}"
        soundfile.write(path, speech(seed), RATE, format=kind, subtype=subtype)
    corpus = read_corpus(where)
    assert len(corpus) == len(ENDINGS)
    errors = [p for p in validate_corpus(corpus) if p.severity == "error"]
    assert errors == []
    assert {len(read_audio(u.path)[0]) for u in corpus} <= set(range(4000, 4100))


def test_every_ending_is_of_a_format_that_this_libsndfile_has():
    from speakergmm.audio import READABLE_FORMATS

    assert set(READABLE_FORMATS) <= set(soundfile.available_formats())
    assert len(set(AUDIO_SUFFIXES)) == len(AUDIO_SUFFIXES)


def test_what_cannot_be_read_is_named_with_counts_and_reasons(folder):
    where = folder(
        *("ana/1.wav", "ana/2.m4a", "ana/3.M4A", "bea/1.wav", "bea/2.wma", "bea/3.amr"),
        *("ana/.hidden.wav", "bea/._1.wav", "bea/.old/9.wav", "ana/voice", "bea/notes.json"),
        *("ana/1.txt", "ana/1.lab", "README.md", "9.aac"),
    )
    corpus = read_corpus(where)
    assert ids(corpus) == ["ana/1.wav", "bea/1.wav"]
    assert passed(corpus) == {
        "recordings in formats that cannot be read": 5,
        "hidden files and folders": 3,
        "files without a suffix": 1,
        "other files": 2,
    }
    unreadable = next(each for each in corpus.skipped_files if "formats" in each.what)
    assert unreadable.endings == {".m4a": 2, ".aac": 1, ".wma": 1, ".amr": 1}
    assert unreadable.examples == ("9.aac", "ana/2.m4a", "ana/3.M4A")
    assert str(unreadable) in corpus.notes
    assert "convert them to WAV or FLAC" in str(unreadable)
    warned = [p.message for p in validate_corpus(corpus) if p.kind == "skipped"]
    assert sorted(warned) == sorted(corpus.notes)


def test_a_folder_of_other_formats_alone_is_refused_with_the_reason(folder):
    with pytest.raises(CorpusError, match=r"formats that cannot be read .*1 \.m4a.*convert them"):
        read_corpus(folder("ana/1.m4a"))


@pytest.mark.parametrize("target", ["..", "../..", "../../corpus"])
def test_a_link_to_the_corpus_makes_nobody_else_of_a_recording(folder, link, target):
    where = folder("ana/1.wav", "bea/1.wav", "carl/1.wav")
    link("ana/all", target)
    corpus = read_corpus(where)
    assert ids(corpus) == ["ana/1.wav", "bea/1.wav", "carl/1.wav"]
    assert passed(corpus) == {"links back to the corpus folder": 1}
    assert "'ana/all'" in corpus.notes[0]


def test_links_to_the_recordings_of_others_are_named_and_not_followed(folder, link):
    where = folder("ana/1.wav", "bea/1.wav", "bea/deep/2.wav", "zoe/1.wav")
    link("ana/friend", "../bea")
    link("ana/deep", where / "bea/deep")
    link("ana/other.wav", "../zoe/1.wav")
    link("aaa", "bea")
    corpus = read_corpus(where)
    assert ids(corpus) == ["ana/1.wav", "bea/1.wav", "bea/deep/2.wav", "zoe/1.wav"]
    assert passed(corpus) == {"links to what is read elsewhere": 4}
    (told,) = corpus.skipped_files
    assert told.examples == ("aaa -> bea", "ana/deep -> bea/deep", "ana/friend -> bea")


def test_recordings_of_one_speaker_are_read_once_however_linked(folder, link):
    where = folder("ana/1.wav", "ana/s/2.wav")
    link("ana/loop", ".")
    link("ana/s/up", "..")
    link("ana/again.wav", "1.wav")
    corpus = read_corpus(where)
    assert ids(corpus) == ["ana/1.wav", "ana/s/2.wav"]
    assert passed(corpus) == {"links to what is read elsewhere": 3}


def test_links_that_give_a_recording_to_two_speakers_are_refused(folder, link, tmp_path):
    where = folder("carl/1.wav")
    (tmp_path / "store").mkdir()
    for name in ("1.wav", "2.wav"):
        (tmp_path / "store" / name).touch()
    link("ana/1.wav", tmp_path / "store/1.wav")
    link("bea/1.wav", tmp_path / "store/1.wav")
    link("bea/2.wav", tmp_path / "store/2.wav")
    with pytest.raises(
        CorpusError, match=r"'ana/1.wav' and 'bea/1.wav' assign the same recordings"
    ):
        read_corpus(where)
    corpus = read_corpus(where, strict=False)
    assert ids(corpus) == ["bea/2.wav", "carl/1.wav"]
    assert len(corpus.faults) == 1


def test_a_folder_that_two_speakers_link_to_is_neither_ones(folder, link, tmp_path):
    where = folder("carl/1.wav")
    (tmp_path / "store").mkdir()
    (tmp_path / "store/1.wav").touch()
    link("ana", tmp_path / "store")
    link("bea", tmp_path / "store")
    with pytest.raises(CorpusError, match="'ana' and 'bea' assign the same recordings to two"):
        read_corpus(where)
    assert ids(read_corpus(where, strict=False)) == ["carl/1.wav"]


def test_broken_links_are_named(folder, link):
    where = folder("ana/1.wav")
    link("ana/gone.wav", "nothing.wav")
    link("ana/circle", "circle")
    link("bea", "nobody")
    corpus = read_corpus(where)
    assert ids(corpus) == ["ana/1.wav", "ana/gone.wav"]
    assert passed(corpus) == {"links that lead nowhere": 2}
    assert [p.kind for p in validate_corpus(corpus) if p.path == where / "ana/gone.wav"] == [
        "missing"
    ]


def test_names_in_two_normal_forms_make_one_id(folder):
    where = folder("ana/Zoe\u0308.wav", "bea/1.wav")
    assert ids(read_corpus(where)) == ["ana/Zo\u00eb.wav", "bea/1.wav"]
    folder("ana/Zo\u00eb.wav")
    with pytest.raises(CorpusError, match=r"'ana/Zo\\xeb.wav' differs .* 'ana/Zoe\\u0308.wav'"):
        read_corpus(where)
    corpus = read_corpus(where, strict=False)
    assert len(corpus) == 2
    assert len(corpus.faults) == 1


def test_a_corpus_says_how_much_is_not_in_it(folder):
    assert repr(read_corpus(folder("ana/1.wav"))).endswith("corpus')")
    assert repr(read_corpus(folder("ana/2.m4a"))).endswith(", 1 note)")


def test_a_corpus_that_is_given_by_its_path_warns_of_what_is_not_in_it(folder):
    where = folder("ana/1.wav", "ana/2.m4a")
    for read in (as_corpus, as_utterances):
        with pytest.warns(CorpusWarning, match=r"formats that cannot be read .*'ana/2.m4a'"):
            assert len(read(where)) == 1


@pytest.mark.parametrize("name", ["one.m4a", "one.WMA"])
def test_a_recording_that_cannot_be_read_is_no_corpus(folder, name):
    with pytest.raises(
        CorpusError, match="a format that cannot be read; convert it to WAV or FLAC"
    ):
        read_corpus(folder(name) / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
def test_pipes_are_named(folder):
    where = folder("ana/1.wav")
    os.mkfifo(where / "ana/2.wav")
    assert passed(read_corpus(where)) == {"pipes, sockets and devices": 1}


@pytest.fixture
def deep(folder):
    """Put a recording below so many folders; what makes and removes folders by paths can't."""
    made = []

    def deep(levels, name):
        where = folder("ana/1.wav", "bea/1.wav")
        at = os.open(where / "ana", os.O_RDONLY)
        for _ in range(levels):
            os.mkdir(name, dir_fd=at)
            below = os.open(name, os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        os.close(os.open("2.wav", os.O_CREAT, dir_fd=at))
        made.append((at, levels, name))
        return where

    yield deep
    for at, levels, name in made:
        os.unlink("2.wav", dir_fd=at)
        for _ in range(levels):
            above = os.open("..", os.O_RDONLY, dir_fd=at)
            os.close(at)
            os.rmdir(name, dir_fd=above)
            at = above
        os.close(at)


def test_folders_deeper_than_a_path_may_be_long_are_named_in_a_line(deep):
    where = deep(25, "deep" * 50)
    with pytest.raises(CorpusError) as caught:
        read_corpus(where)
    assert "cannot be read: File name too long" in str(caught.value)
    assert len(str(caught.value)) < 500
    corpus = read_corpus(where, strict=False)
    assert ids(corpus) == ["ana/1.wav", "bea/1.wav"]
    assert len(corpus.faults) == 1


@pytest.mark.slow
def test_folders_a_thousand_deep_within_a_path_are_read(deep):
    where = deep(1050, "d")
    corpus = read_corpus(where)
    assert len(corpus) == 3
    assert {p.kind for p in validate_corpus(corpus)} == {"empty", "single_recording"}
