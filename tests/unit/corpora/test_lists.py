import gzip
import tracemalloc
from pathlib import Path

import pytest

from speakergmm.corpora import read_corpus, read_transcripts
from speakergmm.errors import CorpusError


@pytest.fixture
def write(tmp_path):
    def write(text, name="list.tsv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def fields(corpus):
    return [(u.id, u.path.name, u.speaker, u.start, u.end) for u in corpus]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.tsv", "speaker\tpath\na\t1.wav\nb\t2.wav\n"),
        ("list.csv", "path,speaker\n1.wav,a\n2.wav,b\n"),
        ("list.csv", "path, speaker\n1.wav, a\n2.wav, b"),
        ("list.csv", "speaker, path\na, 1.wav\nb, 2.wav\n"),
        ("list.csv", '"path","speaker"\n"1.wav","a"\n"2.wav","b"\n'),
        ("list.csv", "path;speaker\n1.wav;a\n2.wav;b\n"),
        ("list.csv", "path\tspeaker\n1.wav\ta\n2.wav\tb\n"),  # named CSV, holds tabs
        ("list.txt", "path,speaker\r\n1.wav,a\r\n\r\n2.wav,b\r\n"),
        ("list", "\ufeffPath,Speaker\n1.wav,a\n2.wav,b\n"),
        ("list.tsv", "\n\nspeaker\tpath\tcomment\na\t1.wav\tx\nb \t2.wav\ty\n"),
    ],
)
def test_lists_as_people_write_them(write, name, text):
    corpus = read_corpus(write(text, name))
    assert fields(corpus) == [("1.wav", "1.wav", "a", 0, None), ("2.wav", "2.wav", "b", 0, None)]


def test_the_speaker_may_be_left_out(write):
    assert fields(read_corpus(write("path\n1.wav\n"))) == [("1.wav", "1.wav", None, 0, None)]


def test_stretches_and_ids(write):
    text = "path\tstart\tend\tid\n1.wav\t\t\t\n1.wav\t1\t2.5\t\n1.wav\t2\t\tlast\n"
    assert fields(read_corpus(write(text))) == [
        ("1.wav", "1.wav", None, 0, None),
        ("1.wav#1.0-2.5", "1.wav", None, 1, 2.5),
        ("last", "1.wav", None, 2, None),
    ]


def test_relative_paths_begin_beside_the_list_or_in_the_data_folder(write, tmp_path):
    listing = write("path\na/1.wav\n/abs/2.wav\n")
    (tmp_path / "data").mkdir()
    assert [u.path for u in read_corpus(listing)] == [tmp_path / "a/1.wav", Path("/abs/2.wav")]
    moved = read_corpus(listing, data_dir=tmp_path / "data")
    assert [u.path for u in moved] == [tmp_path / "data/a/1.wav", Path("/abs/2.wav")]
    assert moved.root == tmp_path / "data"


def test_a_data_folder_must_be_one(write, tmp_path):
    with pytest.raises(CorpusError, match=r"data folder .*nowhere is not a folder"):
        read_corpus(write("path\n1.wav\n"), data_dir=tmp_path / "nowhere")


def test_steps_back_inside_the_data_folder_are_allowed(write, tmp_path):
    (utterance,) = read_corpus(write("path\na/../b/1.wav\n"))
    assert utterance.path == tmp_path / "a/../b/1.wav"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", " is empty; a list has at least one row"),
        (" \n\n", " is empty; a list has at least one row"),
        ("\ufeff", " is empty; a list has at least one row"),
        ("path\tspeaker\n", " has a header and no rows"),
        ("1.wav\n2.wav\n", ":1: no column 'path'; the first line must name the columns"),
        ("speaker\tfile\na\t1.wav\n", "and it is 'speaker, file'"),
        ("path\tpath\n1\t2\n", ":1: column 'path' is named twice"),
        ("path\tspeaker\n1.wav\n", ":2: 1 cell where the header has 2"),
        ("path\tspeaker\n1.wav\ta\tb\n", ":2: 3 cells where the header has 2"),
        ("path\n1.wav\n../2.wav\n", ":3: path '../2.wav' leaves the data folder"),
        ("path\na/../../2.wav\n", ":2: path 'a/../../2.wav' leaves the data folder"),
        ("path\n..\n", ":2: path '..' leaves the data folder"),
        ("path\n1\0.wav\n", r":2: path '1\x00.wav' contains U+0000"),
        ('path\n"1\n.wav"\n', r":3: path '1\n.wav' contains U+000A"),
        ('path\n"1.wav\n2.wav\n', ":3: a quotation mark is missing or misplaced (unexpected"),
        ("path,id\n'1.wav\n", ":2: 1 cell where the header has 2"),
        ('path\tid\n"1.wav"x\t1\n', ":2: a quotation mark is missing or misplaced ('tab' exp"),
        ("path\tspeaker\n\ta\n", ":2: the path is empty"),
        ("path\tspeaker\n1.wav\t\n", ":2: the speaker is empty; name one or drop the column"),
        ("path\tspeaker\n1.wav\t../a\n", ":2: speaker name '../a' contains '/'"),
        ("path\tspeaker\n1.wav\ta\n2.wav\tA\n", ":3: speaker 'A' differs only in letter case"),
        (
            "path\tspeaker\n1.wav\té\n2.wav\te\u0301\n",
            r"speaker 'e\u0301' differs only in letter case, Unicode normal form or invisible ",
        ),
        ("path\tspeaker\n1.wav\ta\n1.wav\ta\n", ":3: utterance id '1.wav' repeats the id on line"),
        ("path\tid\n1.wav\ta\n./1.wav\tb\n", "1.wav repeats the recording on line 2"),
        ("path\tid\n1.wav\ta\n2.wav\ta\n3.wav\ta\n", "repeats the id on line 2 (and 1 more)"),
        ("path\tstart\n1.wav\tone\n", ":2: start is 'one'; it must be a number of seconds"),
        ("path\tstart\n1.wav\t1_0\n", ":2: start is '1_0'; it must be a number of seconds"),
        ("path\tstart\n1.wav\t-1\n", ":2: utterance '1.wav#-1.0-' starts at -1 s"),
        ("path\tend\n1.wav\tnan\n", ":2: end is 'nan'; it must be a number of seconds"),
        ("path\tend\n1.wav\tinf\n", ":2: end is 'inf'; it must be a number of seconds"),
        ("path\tend\n1.wav\t0\n", "ends at 0 s; it must end after its start at 0 s"),
        ("path\tstart\tend\n1.wav\t2\t1\n", "ends at 1 s; it must end after its start at 2 s"),
        (b"path\nok.wav\n\xff.wav\n", ":3: byte 0xff is not UTF-8"),
        ("path\n1.wav\n".encode("utf-16"), " is UTF-16 text; save it as UTF-8"),
        ("path\n" + "x" * 200_000, ":2: field larger than field limit"),
    ],
)
def test_wrong_lists_are_refused_in_one_line_with_their_place(write, text, reason):
    path = write(text)
    with pytest.raises(CorpusError) as caught:
        read_corpus(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert reason in message
    assert message.isprintable()


@pytest.mark.slow
def test_a_long_list_reads_in_time(write):
    rows = "".join(f"s{n % 100}\tfolder/{n}.wav\n" for n in range(20_000))
    assert len(read_corpus(write("speaker\tpath\n" + rows))) == 20_000


def test_every_fault_of_a_list_is_found_at_once_without_strict(tmp_path):
    rows = [
        "path,speaker,start,end,id",
        "1.wav,ana,,,u1",
        "2.wav,ana,,,u1",
        "3.wav,ana,,,u3",
        "4.wav,ana,,,u4,surplus",
        "3.wav,bea,,,u5",
        "6.wav,,,,u6",
        "7.wav,Ana,,,u7",
        "8.wav,bea,zero,,u8",
        "9.wav,bea,2,1,u9",
        "../a.wav,bea,,,u10",
        "b.wav,bea,,,u11",
    ]
    path = tmp_path / "list.csv"
    path.write_text("\n".join(rows) + "\n")
    found = read_corpus(path, strict=False)
    assert [utterance.id for utterance in found] == ["u3", "u11"]
    assert [(f.line, f.utterance) for f in found.faults] == [
        (5, None),
        (7, "u6"),
        (8, "u7"),
        (9, "u8"),
        (10, "u9"),
        (11, "u10"),
        (3, "u1"),
        (6, "u5"),
    ]
    assert found.faults[0].message == "6 cells where the header has 5"
    assert found.faults[-2].message == "utterance id 'u1' repeats the id on line 2"
    with pytest.raises(CorpusError, match=":5: 6 cells"):
        read_corpus(path)


def test_broken_quoting_ends_a_list_with_a_fault(tmp_path):
    path = tmp_path / "list.csv"
    path.write_text('path\n1.wav\n"2.wav\n3.wav\n')
    found = read_corpus(path, strict=False)
    assert [utterance.id for utterance in found] == ["1.wav"]
    assert len(found.faults) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("path" + "\tx" * (1 << 20) + "\n", "has a line of more than 1,048,576 bytes"),
        ("path" + "\tx" * 20_000 + "\n", "20,001 columns; a list has at most"),
        (
            "path,speaker\n" + ('"' + "a" * 60 + '\n",') * (1 << 15),
            "a row of more than 1,048,576 characters",
        ),
        ("path\n" + "a" * (1 << 18) + "\n", "field larger than field limit"),
    ],
    ids=["header", "columns", "row", "cell"],
)
def test_lines_rows_and_cells_have_an_end(tmp_path, content, found):
    listed = tmp_path / "list.csv"
    listed.write_text(content)
    for read in (read_corpus, read_transcripts):
        tracemalloc.start()
        try:
            with pytest.raises(CorpusError) as caught:
                read(listed)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert found in str(caught.value)
        assert len(str(caught.value)) < 600
        assert peak < 20e6


def test_a_packed_list_is_read(tmp_path):
    listed = tmp_path / "list.tsv"
    listed.write_bytes(gzip.compress(b"path\ttext\na.wav\tyes\r\n"))
    assert [u.id for u in read_corpus(listed)] == ["a.wav"]
    assert read_transcripts(listed)["a.wav"].words == ("yes",)


def test_a_list_of_nothing_but_faults_says_which(tmp_path):
    path = tmp_path / "list.tsv"
    path.write_bytes(b"speaker\tpath\na\t\xff.wav\nb\t\xfe.wav\n")
    with pytest.raises(CorpusError, match=r"list\.tsv:2: byte 0xff"):
        read_corpus(path)
    told = [str(fault) for fault in read_corpus(path, strict=False).faults]
    assert all(f"list.tsv:{n}: byte" in text for n, text in zip((2, 3), told, strict=True))
    path.write_text("speaker\tpath\n")
    with pytest.raises(CorpusError, match="no rows"):
        read_corpus(path, strict=False)
