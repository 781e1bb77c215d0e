"""Files of alignments: what stands in them, and that nothing is left half-written."""

import json
import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest
from oracles.spoken import spoken_world

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.recognition import (
    AlignmentFiles,
    align_recordings,
    diagnose,
    gather_evidence,
    read_ctm,
    read_textgrid,
    safe_name,
    write_diagnoses,
)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    return spoken_world(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def aligned(spoken):
    return list(align_recordings(spoken.model, spoken.corpus.utterances[:3], spoken.transcripts))


def test_all_files_tell_the_same(tmp_path, aligned):
    with AlignmentFiles(tmp_path / "new" / "out", states=True) as files:
        for item in aligned:
            files.write(item)
        # Nothing but TextGrids is in place before all is done.
        assert not list((tmp_path / "new" / "out").glob("*.ctm"))
    folder = tmp_path / "new" / "out"
    names = {"words.ctm", "phones.ctm", "states.ctm", "alignments.jsonl", "textgrids"}
    assert {path.name for path in folder.iterdir()} == names
    documents = [
        json.loads(line)
        for line in (folder / "alignments.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    for item, document in zip(aligned, documents, strict=True):
        name = item.utterance.id
        assert document["utterance"] == name
        grid = read_textgrid(folder / "textgrids" / f"{name}.TextGrid")
        assert list(grid) == ["words", "phones", "states"]
        for tier in ("words", "phones", "states"):
            expected = [
                (round(label.start, 7), round(label.end, 7), label.label)
                for label in getattr(item, f"{tier[:-1]}_labels")()
            ]
            ctm = [
                (label.start, pytest.approx(label.end, abs=1e-9), label.label)
                for label in read_ctm(folder / f"{tier}.ctm")[name]
            ]
            assert ctm == expected
            listed = [(p["start"], p["end"], p["label"]) for p in document[tier]]
            assert listed == expected
            spoken_labels = [label[:3] for label in grid[tier] if label.label]
            assert spoken_labels == [label for label in expected if label[2] != "SIL"]
            assert grid[tier][0].start == 0.0
            assert grid[tier][-1].end == round(item.recording_duration, 7)


def test_formats_are_a_choice(tmp_path, aligned):
    with AlignmentFiles(tmp_path, formats=["ctm"]) as files:
        files.write(aligned[0])
    assert {path.name for path in tmp_path.iterdir()} == {"words.ctm", "phones.ctm"}
    for formats in ([], ["praat"]):
        with pytest.raises(InvalidInputError, match="textgrid, ctm, json"):
            AlignmentFiles(tmp_path, formats=formats)


def test_an_error_leaves_what_stood_there(tmp_path, aligned):
    with AlignmentFiles(tmp_path, formats=["ctm", "json"]) as files:
        files.write(aligned[0])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def interrupted():
        with AlignmentFiles(tmp_path, formats=["ctm", "json"]) as files:
            files.write(aligned[1])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    with AlignmentFiles(tmp_path, formats=["ctm", "json"]) as files:
        files.write(aligned[1])
    assert set(read_ctm(tmp_path / "words.ctm")) == {aligned[1].utterance.id}


@pytest.mark.parametrize("name", ["words.ctm", "phones.ctm", "alignments.jsonl"])
def test_files_of_another_kind_are_not_written_over(tmp_path, name):
    (tmp_path / name).write_text("dear diary\n")
    with pytest.raises(InvalidInputError, match=f"{name}: exists and is not"):
        AlignmentFiles(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    with pytest.raises(InvalidInputError, match="is a folder"):
        AlignmentFiles(tmp_path)


def test_a_text_that_is_no_textgrid_is_not_written_over(tmp_path, aligned):
    path = tmp_path / "textgrids" / f"{aligned[0].utterance.id}.TextGrid"
    path.parent.mkdir()
    path.write_text("mine\n")
    with pytest.raises(InvalidInputError, match="exists and is not"), AlignmentFiles(tmp_path) as f:
        f.write(aligned[0])
    assert path.read_text() == "mine\n"
    assert not (tmp_path / "words.ctm").exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SpeakerGmmError, match="file"), AlignmentFiles(tmp_path / "file" / "out"):
        pass


def test_ids_make_names_that_stay_below_the_folder(tmp_path, aligned):
    files = AlignmentFiles(tmp_path)
    base = (tmp_path / "textgrids").resolve()
    ids = [
        "a/b",
        "../x",
        "/etc/passwd",
        "a:b",
        "a?b",
        "A?B",
        "x" * 500,
        "é/日本",
        "..",
        "a/../b",
        "c.",
        "\u00e9",
        "e\u0301",
        "\u00c9",
        "con",
        "con.wav",
    ]
    paths = [files.textgrid_path(name) for name in ids]
    for path in paths:
        assert path.resolve().is_relative_to(base)
        assert ".." not in path.parts
        assert len(path.name.encode()) < 255
    assert not {path.stem.lower() for path in paths} & {"con", "nul"}
    # No two share a file, on any file system.
    assert len({unicodedata.normalize("NFC", str(p).casefold()) for p in paths}) == len(ids)
    assert paths == [files.textgrid_path(name) for name in ids]
    with files:
        files.write(replace(aligned[0], utterance=replace(aligned[0].utterance, id="a/../b")))
    assert Path(tmp_path / "textgrids" / "a" / "_" / "b.TextGrid").is_file()
    assert safe_name("") == "_"


def test_the_table_of_diagnoses_has_a_line_each(tmp_path, aligned):
    found = diagnose(map(gather_evidence, aligned))
    path = tmp_path / "diagnostics.tsv"
    write_diagnoses(path, found)
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
    assert rows[0][:4] == ["rank", "utterance", "suspicion", "reasons"]
    assert [row[1] for row in rows[1:]] == [item.utterance for item in found]
    assert {len(row) for row in rows} == {len(rows[0])}
    write_diagnoses(path, found)
    path.write_text("mine\n")
    with pytest.raises(InvalidInputError, match="exists and is not"):
        write_diagnoses(path, found)


def test_names_are_short_where_that_tells_them_apart(tmp_path, aligned):
    files = AlignmentFiles(tmp_path)
    expected = {
        "A/one.flac": "A/one",
        "A/two.WAV": "A/two",
        "A/one.wav": "A/one.wav",
        "/data/speech/ana/x.flac#2.79-14.52": "ana/x#2.79-14.52",
        "/data/other/ana/x.flac#2.79-14.52": "ana/x.flac#2.79-14.52",
        "/more/speech/ana/x.flac#2.79-14.52": "_/more/speech/ana/x.flac#2.79-14.52",
        "dr.wavy": "dr.wavy",
        ".wav": ".wav",
    }
    assert {name: files.name_of(name) for name in expected} == expected
    another = files.name_of("_/more/speech/ana/x.flac#2.79-14.52")
    assert another.startswith("_/more/speech/ana/x")
    assert another not in expected.values()


def test_textgrids_of_an_earlier_run_are_listed(tmp_path, aligned):
    with AlignmentFiles(tmp_path) as files:
        files.write(aligned[0])
    assert files.left_over() == []
    earlier = files.textgrid_path(aligned[0].utterance.id)
    with AlignmentFiles(tmp_path) as files:
        files.write(aligned[1])
    assert files.left_over() == [earlier]
    with AlignmentFiles(tmp_path / "new" / "folder") as files:
        pass
    assert (tmp_path / "new" / "folder").is_dir()
