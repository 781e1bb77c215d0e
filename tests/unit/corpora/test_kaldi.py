from pathlib import Path

import pytest

from speakergmm.corpora import read_corpus, read_transcripts
from speakergmm.errors import CorpusError

GOOD = {
    "wav.scp": "r1 a/1.wav\nr2 /abs/2.flac\n",
    "utt2spk": "r1 ana\nr2 bea\n",
}
SEGMENTED = {
    "wav.scp": "r1 a/1.wav\nr2 b/2.wav\n",
    "utt2spk": "u1 ana\nu2 ana\nu3 bea\n",
    "segments": "u1 r1 0.5 2\nu2 r1 2 -1\nu3 r2 0 1.25\n",
}


@pytest.fixture
def directory(tmp_path):
    def directory(files):
        for name, text in files.items():
            (tmp_path / name).write_bytes(text.encode())
        return tmp_path

    return directory


def test_recordings_are_utterances_where_nothing_is_segmented(directory):
    where = directory(GOOD)
    first, second = read_corpus(where)
    assert (first.id, first.path, first.speaker) == ("r1", where / "a/1.wav", "ana")
    assert (second.id, second.path, second.speaker) == ("r2", Path("/abs/2.flac"), "bea")


def test_segments_cut_recordings(directory):
    found = [(u.id, u.path.name, u.start, u.end) for u in read_corpus(directory(SEGMENTED))]
    assert found == [("u1", "1.wav", 0.5, 2), ("u2", "1.wav", 2, None), ("u3", "2.wav", 0, 1.25)]


def test_relative_paths_may_begin_elsewhere(directory, tmp_path):
    where = directory(GOOD)
    (tmp_path / "data").mkdir()
    first, _ = read_corpus(where, data_dir=tmp_path / "data")
    assert first.path == tmp_path / "data/a/1.wav"


def test_line_ends_tabs_blank_lines_and_spaces_in_paths(directory):
    files = {
        "wav.scp": "\ufeffr1\tmy  songs/1.wav \r\n\r\nr2   2.wav\r\n",
        "utt2spk": "r1\tana\r\nr2\tbea\r\n",
    }
    first, second = read_corpus(directory(files))
    assert first.path.parts[-2:] == ("my  songs", "1.wav")
    assert second.path.name == "2.wav"


@pytest.mark.parametrize(
    "line",
    ["sph2pipe -f wav 1.sph |", "sox 1.wav -t wav - |", "| cat", "touch pwned|", "|touch pwned"],
)
def test_commands_are_refused_and_not_run(directory, tmp_path, monkeypatch, line):
    monkeypatch.chdir(tmp_path)
    where = directory(GOOD | {"wav.scp": f"r1 1.wav\nr2 {line}\n"})
    with pytest.raises(CorpusError, match=r"wav.scp:2: .* is a command; commands are never run"):
        read_corpus(where)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"wav.scp": "r1 foo.ark:123\n"}, "wav.scp:1: 'foo.ark:123' is an offset in an archive"),
        ({"wav.scp": "r1 foo.ark:12[0:9]\n"}, "is an offset in an archive"),
        ({"wav.scp": "r1 -\n"}, "wav.scp:1: '-' is standard input"),
        ({"wav.scp": "r1 ../1.wav\n"}, "wav.scp:1: path '../1.wav' leaves the data folder"),
        ({"wav.scp": "r1 1\0.wav\n"}, "wav.scp:1: path '1\\x00.wav' contains U+0000"),
        ({"wav.scp": "r1\n"}, "wav.scp:1: the path is empty"),
        ({"wav.scp": ""}, "wav.scp is empty"),
        ({"wav.scp": "r1 1.wav\nr1 2.wav\n"}, "wav.scp:2: recording 'r1' is on line 1 too"),
        ({"wav.scp": "r1 1.wav\nr2 1.wav\n"}, "repeats the recording on line 1"),
        ({"utt2spk": "r1 ana\n"}, "wav.scp:2: utterance 'r2' has no speaker in utt2spk"),
        (
            {"wav.scp": "x 1\ny 2\nz 3\n"},
            "wav.scp:1: utterance 'x' has no speaker in utt2spk (and 2 more)",
        ),
        ({"utt2spk": "r1 a\nr2 b\nr9 c\n"}, "utt2spk:3: utterance 'r9' is not in wav.scp"),
        ({"utt2spk": "r1 a\nr1 a\nr2 b\n"}, "utt2spk:2: utterance 'r1' is on line 1 too"),
        ({"utt2spk": "r1 ana\nr2 Ana\n"}, "utt2spk:2: speaker 'Ana' differs only in letter case"),
        ({"utt2spk": "r1 ana maria\nr2 b\n"}, "utt2spk:1: speaker 'ana maria' holds a space"),
        ({"utt2spk": "r1 a/b\nr2 b\n"}, "utt2spk:1: speaker name 'a/b' contains '/'"),
    ],
)
def test_wrong_directories_are_refused(directory, files, reason):
    with pytest.raises(CorpusError) as caught:
        read_corpus(directory(GOOD | files))
    assert reason in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("segments", "reason"),
    [
        ("u1\n", "segments:1: 1 words;"),
        ("u1 r1 0\n", "segments:1: 3 words; a segment is 'utterance recording start end'"),
        ("u1 r1 0 1 2\n", "segments:1: 5 words"),
        ("u1 r9 0 1\n", "segments:1: recording 'r9' is not in wav.scp"),
        ("u1 r1 x 1\n", "segments:1: start is 'x'"),
        ("u1 r1 0 nan\n", "segments:1: end is 'nan'"),
        ("u1 r1 2 1\n", "segments:1: utterance 'u1' ends at 1 s"),
        ("u1 r1 0 -2\n", "segments:1: utterance 'u1' ends at -2 s"),
        ("u1 r1 -3 1\n", "segments:1: utterance 'u1' starts at -3 s"),
        ("u1 r1 0 1\nu1 r1 1 2\n", "segments:2: utterance 'u1' is on line 1 too"),
        ("u1 r1 0 1\nu2 r1 0 1\n", "segments:2: "),
        ("u9 r1 0 1\n", "segments:1: utterance 'u9' has no speaker in utt2spk"),
    ],
)
def test_wrong_segments_are_refused(directory, segments, reason):
    files = SEGMENTED | {"segments": segments}
    kept = {line.split()[0] for line in segments.splitlines()}
    files["utt2spk"] = "".join(f"{u} ana\n" for u in sorted(kept - {"u9"}) or ["u1"])
    with pytest.raises(CorpusError) as caught:
        read_corpus(directory(files))
    assert reason in str(caught.value)


def test_speakers_must_be_told(directory):
    with pytest.raises(CorpusError, match=r"has wav\.scp but no utt2spk"):
        read_corpus(directory({"wav.scp": "r1 1.wav\n"}))


def test_recordings_must_be_told(directory):
    with pytest.raises(CorpusError, match=r"a Kaldi data directory needs wav\.scp"):
        read_corpus(directory({"utt2spk": "r1 ana\n"}))


def test_every_fault_is_found_at_once_without_strict(directory):
    where = directory(
        {
            "wav.scp": "r1 1.wav\nr2 2.wav\nr1 3.wav\nr4 sox 4.wav |\nr5 5.wav\nr6 6.wav\n"
            "r7 2.wav\nr8 8.wav\n",
            "utt2spk": "r1 ana\nr2 ana\nr4 ana\nr6 bea\nr6 bea\nr7 ana\nr8 ana bea\nr9 ana\n",
        }
    )
    found = read_corpus(where, strict=False)
    assert [utterance.id for utterance in found] == ["r2"]
    told = [(Path(f.path).name, f.line, f.utterance, f.message[:24]) for f in found.faults]
    assert told == [
        ("wav.scp", 3, "r1", "recording 'r1' is on lin"),
        ("wav.scp", 4, "r4", "'sox 4.wav |' is a comma"),
        ("utt2spk", 5, "r6", "utterance 'r6' is on lin"),
        ("utt2spk", 7, "r8", "speaker 'ana bea' holds "),
        ("wav.scp", 5, "r5", "utterance 'r5' has no sp"),
        ("utt2spk", 8, "r9", "utterance 'r9' is not in"),
        ("wav.scp", 7, "r7", f"{where / '2.wav'} repeats the recording"[:24]),
    ]


def test_faulty_segments_are_left_out_without_strict(directory):
    segments = "u1 r1 0.5 2\nu2 r1 2\nu3 r2 0 1.25\nu3 r2 1.25 2\nu4 r9 0 1\nu5 r1 3 x\nu6 r2 5 4\n"
    speakers = "".join(f"u{number} ana\n" for number in range(1, 7))
    where = directory(SEGMENTED | {"segments": segments, "utt2spk": speakers})
    found = read_corpus(where, strict=False)
    assert [utterance.id for utterance in found] == ["u1"]
    told = [(f.line, f.utterance) for f in found.faults]
    assert told == [(2, "u2"), (4, "u3"), (5, "u4"), (6, "u5"), (7, "u6")]
    assert "ends at 4 s" in found.faults[-1].message


def test_a_sound_directory_is_the_same_without_strict(directory):
    where = directory(SEGMENTED)
    assert read_corpus(where, strict=False) == read_corpus(where)


NFC, NFD = "Zo\u00eb", "Zoe\u0308"


@pytest.mark.parametrize("odd", ["wav.scp", "utt2spk", "text", "segments"])
def test_ids_are_one_whatever_their_normal_form_in_each_file(directory, odd):
    files = {
        "wav.scp": f"{NFC}-r 1.wav\n",
        "segments": f"{NFC}-1 {NFC}-r 0 1\n",
        "utt2spk": f"{NFC}-1 ana\n",
        "text": f"{NFC}-1 YES\n",
    }
    where = directory(files | {odd: files[odd].replace(NFC, NFD)})
    corpus = read_corpus(where)
    assert [u.id for u in corpus] == [f"{NFC}-1"]
    assert read_transcripts(corpus)[f"{NFC}-1"].words == ("YES",)


def test_paths_keep_their_normal_form(directory):
    (utterance,) = read_corpus(directory({"wav.scp": f"u1 {NFD}.wav\n", "utt2spk": "u1 ana\n"}))
    assert utterance.path.name == f"{NFD}.wav"


def test_speakers_in_two_normal_forms_are_shown_so_that_they_differ(directory):
    files = {"wav.scp": "u1 1.wav\nu2 2.wav\n", "utt2spk": f"u1 {NFC}\nu2 {NFD}\n"}
    with pytest.raises(CorpusError) as caught:
        read_corpus(directory(files))
    assert r"'Zoe\u0308' differs" in str(caught.value)
    assert r"from 'Zo\xeb' (line 1)" in str(caught.value)


def test_recordings_without_a_segment_are_told(directory):
    files = {
        "wav.scp": "r1 1.wav\nr2 2.wav\n",
        "segments": "u1 r1 0 1\n",
        "utt2spk": "u1 ana\n",
    }
    (note,) = read_corpus(directory(files)).notes
    assert "has no segment of the recordings 'r2'; they are not used" in note


def test_a_directory_without_utt2spk_is_read_and_its_fault_told(directory):
    corpus = read_corpus(directory({"wav.scp": "r1 1.wav\n"}), strict=False)
    assert [(u.id, u.speaker) for u in corpus] == [("r1", None)]
    assert "a Kaldi data directory needs both" in corpus.faults[0].message
