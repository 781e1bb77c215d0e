"""Columns that nothing reads are named; those that look like one that is missing are faults."""

import numpy as np
import pytest
import soundfile

from speakergmm.corpora import read_corpus, read_protocol, read_transcripts, validate_corpus
from speakergmm.errors import CorpusError


@pytest.fixture
def write(tmp_path):
    def write(text, name="list.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize(
    ("header", "told"),
    [
        (
            "path,label",
            "column 'label' is not read; the columns that are: path, speaker, start, end, "
            "duration, id, text",
        ),
        ("path,Label,age", "columns 'Label', 'age' are not read"),
        ("path,", "column (no name) is not read"),
        (",path", "column (no name) is not read"),
        ("path,a,a", "columns 'a', 'a' are not read"),
        ("path,speaker,client_id", "column 'client_id' is not read"),
        ("path,text,sentence", "column 'sentence' is not read"),
    ],
)
def test_columns_that_nothing_reads_are_named(write, header, told):
    cells = ["1.wav" if name == "path" else "x" for name in header.split(",")]
    corpus = read_corpus(write(f"{header}\n{','.join(cells)}\n"))
    (note,) = corpus.notes
    assert "list.csv:1: " in note
    assert told in note
    assert [p.message for p in validate_corpus(corpus) if p.kind == "skipped"] == [note]


def test_a_column_that_stands_twice_does_not_end_a_validation(write):
    path = write("path,speaker,speaker,start\nno.wav,ana,bea,x\nlost.wav,ana,bea,0\n")
    with pytest.raises(CorpusError, match=r"list.csv:1: column 'speaker' is named twice"):
        read_corpus(path)
    found = {(p.kind, p.line, p.message.split(";")[0]) for p in validate_corpus(path)}
    assert found == {
        ("bad_list", 1, "column 'speaker' is named twice"),
        ("bad_list", 2, "start is 'x'"),
        ("missing", None, "no such file"),
    }


@pytest.mark.parametrize("header", ["path", "path,speaker,start,end,id,text", "Path , SPEAKER"])
def test_columns_that_are_read_are_not_named(write, header):
    cells = {"path": "1.wav", "speaker": "ana", "start": "1", "end": "2", "id": "u", "text": "x"}
    row = ",".join(cells[name.strip().lower()] for name in header.split(","))
    assert read_corpus(write(f"{header}\n{row}\n")).notes == ()


@pytest.mark.parametrize(
    ("column", "meant"),
    [("speakr", "speaker"), ("Speakers", "speaker"), ("strat", "start"), ("sentense", None)],
)
def test_misspelt_columns_are_faults(write, column, meant):
    path = write(f"path,{column}\n1.wav,1\n")
    if meant is None:
        assert f"column '{column}' is not read" in read_corpus(path).notes[0]
        return
    with pytest.raises(CorpusError, match=f"list.csv:1: column '{column}' looks like '{meant}'"):
        read_corpus(path)
    corpus = read_corpus(path, strict=False)
    assert len(corpus) == 1
    assert [(fault.line, fault.utterance) for fault in corpus.faults] == [(1, None)]
    assert [p.kind for p in validate_corpus(corpus) if p.line] == ["bad_list"]


def test_a_column_beside_the_one_that_it_looks_like_is_none_of_its_misspellings(write):
    assert "'speakers'" in read_corpus(write("path,speaker,speakers\n1.wav,a,2\n")).notes[0]


def test_lists_of_transcripts_name_columns_too(write):
    said = read_transcripts(write("id,text,note\nu1,yes,x\n"))
    assert "column 'note' is not read" in said.notes[0]
    with pytest.raises(CorpusError, match="column 'pathh' looks like 'path'"):
        read_transcripts(write("id,pathh,text\nu1,x,yes\n"))


def test_protocols_name_columns_and_lists_that_are_not_read(write, tmp_path):
    write("model\tpath\tcomment\nana\t1.wav\tx\n", "p/eval_enroll.tsv")
    write("model\tpath\tlabel\tchannel\nana\t2.wav\ttarget\t1\n", "p/eval_trials.tsv")
    write("speaker\tpath\tsex\nbea\t3.wav\tf\n", "p/background.tsv")
    write("model\tpath\nana\t1.wav\n", "p/dev_enrol.tsv")
    protocol = read_protocol(tmp_path / "p")
    notes = "\n".join(protocol.notes)
    for told in ("'comment' is not", "'sex' is not", "not read: 'dev_enrol."):
        assert told in notes
    assert len(protocol.notes) == 3
    write("model\tpath\tlable\nana\t2.wav\ttarget\n", "p/eval_trials.tsv")
    with pytest.raises(CorpusError, match=r"eval_trials.tsv:1: column 'lable' looks like 'label'"):
        read_protocol(tmp_path / "p")


@pytest.mark.parametrize("read", [read_corpus, read_transcripts])
def test_a_cell_does_not_swallow_the_rows_behind_it(write, read):
    path = write('path,text,age\n1.wav,"yes,1\n2.wav,no",2\n3.wav,maybe,"3\n4"\n')
    with pytest.raises(CorpusError, match=r"list.csv:3: .*is a quotation mark missing"):
        read(path)
    found = read(path, strict=False)
    # What nobody reads may have any number of lines.
    assert [getattr(each, "id", each) for each in found] == ["3.wav"]
    assert [fault.line for fault in found.faults] == [3]


def test_lines_that_are_not_utf8_cost_only_themselves(tmp_path):
    path = tmp_path / "list.csv"
    path.write_bytes(b"path,speaker\n1.wav,ana\n\xff.wav,ana\n3.wav,ana\n4.wav,\xc3\n")
    corpus = read_corpus(path, strict=False)
    assert [u.id for u in corpus] == ["1.wav", "3.wav"]
    assert [fault.line for fault in corpus.faults] == [3, 5]


@pytest.mark.parametrize(
    ("columns", "cells", "expected"),
    [
        ("start\tduration", "0.25\t0.5", (0.25, 0.75)),
        ("start_time\tduration", "\t0.5", (0.0, 0.5)),
        ("start\tend\tduration", "0.25\t1\t9", (0.25, 1.0)),
        ("start\tend\tduration", "0.25\t\t0.5", (0.25, 0.75)),
        ("duration", "0.5", (0.0, None)),
    ],
)
def test_a_duration_is_counted_from_a_start(columns, cells, expected, tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(16000), 16000)
    (tmp_path / "list.tsv").write_text(f"path\t{columns}\ttext\na.wav\t{cells}\tYES\n")
    corpus = read_corpus(tmp_path / "list.tsv")
    (utterance,) = corpus
    assert (utterance.start, utterance.end) == expected
    assert not corpus.notes
    # Texts are found by the same ids.
    assert tuple(read_transcripts(corpus)[utterance.id]) == ("YES",)
    (tmp_path / "list.tsv").write_text("path\tstart\tduration\na.wav\t0.5\t-1\n")
    with pytest.raises(CorpusError):
        read_corpus(tmp_path / "list.tsv")
