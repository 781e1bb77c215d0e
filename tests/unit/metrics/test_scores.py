"""Score files: reading, refusals with their lines, and atomic writing."""

import csv
import math
import os
import stat
import time

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.metrics import Scores, export_lir, read_scores, write_scores

HEADER = "model\tpath\tscore\tlabel\n"


def small():
    return Scores(["ann", "bob"], ["a.wav", "a.wav"], [0.1, -1e-300], ["target", "nontarget"])


def test_a_file_reads_as_it_stands(tmp_path):
    path = tmp_path / "scores.tsv"
    path.write_bytes(
        b"\xef\xbb\xbfmodel\tpath\tscore\tlabel\r\n"
        b"ann\tx y/\xc3\xa9.wav\t-1.5e-3\ttarget\r\n\r\nbob\tb.wav\tinf\tnontarget\r\n"
    )
    scores = read_scores(path)
    assert scores.models.tolist() == ["ann", "bob"]
    assert scores.paths.tolist() == ["x y/é.wav", "b.wav"]
    assert scores.scores.tolist() == [-0.0015, math.inf]
    assert scores.labels.tolist() == ["target", "nontarget"]


def test_the_label_column_may_be_absent(tmp_path):
    path = tmp_path / "scores.tsv"
    path.write_text("model\tpath\tscore\nann\ta.wav\t1\n")
    assert read_scores(path).labels.tolist() == ["unknown"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEADER + "ann\ta.wav\t1\n", ":2: 3 tab-separated columns; must be 4"),
        (HEADER + "ann\ta.wav\t1\ttarget\nann\tb.wav\tnan\ttarget\n", ":3: score 'nan'; must be"),
        (HEADER + "ann\ta.wav\thigh\ttarget\n", ":2: score 'high'; must be a number"),
        (HEADER + "ann\ta.wav\t1_0\ttarget\n", ":2: score '1_0'; must be a number"),
        (HEADER + "ann\ta.wav\t1\timpostor\n", ":2: label 'impostor'; must be target or nontarget"),
        (HEADER + "\ta.wav\t1\ttarget\n", ":2: the model is empty"),
        (HEADER + "ann\t\t1\ttarget\n", ":2: the path is empty"),
        (HEADER, ": contains no trials"),
        ("", ":1: the header is ''"),
        (
            "model\tpath\tscore\tlabel\tx\tx\n",
            ":1: the header is 'model | path | score | label | x",
        ),
        ("model\tpath\tscore\tlabel\t\n", ":1: the header is 'model | path | score | label | '; a"),
        ("ann\ta.wav\t1\ttarget\n", ":1: the header is 'ann | a.wav | 1 | target'"),
        (
            "model path score label\n",
            ":1: the header is 'model path score label'; a score file "
            "begins with the tab-separated columns model | path",
        ),
    ],
)
def test_bad_lines_are_refused_by_number(tmp_path, text, message):
    path = tmp_path / "scores.tsv"
    path.write_text(text)
    with pytest.raises(InvalidInputError) as caught:
        read_scores(path)
    assert str(caught.value).startswith(f"{path}{message}")
    assert "\n" not in str(caught.value)


CONDITIONS = {"sex": ["female", "male"], "seconds": ["1.5", ""]}


def with_conditions():
    columns = ["ann", "bob, jr"], ["a.wav", 'a "b".wav'], [0.1, -math.inf], ["target", "nontarget"]
    return Scores(*columns, CONDITIONS)


@pytest.mark.parametrize("name", ["scores.tsv", "scores.csv", "scores.txt"])
def test_further_columns_are_conditions(tmp_path, name):
    path = tmp_path / name
    write_scores(path, with_conditions())
    lines = path.read_text().splitlines()
    separator = "," if name.endswith(".csv") else "\t"
    assert lines[0] == separator.join(("model", "path", "score", "label", "sex", "seconds"))
    back = read_scores(path)
    assert back.models.tolist() == ["ann", "bob, jr"]
    assert back.paths.tolist() == ["a.wav", 'a "b".wav']
    assert back.scores.tolist() == [0.1, -math.inf]
    assert {name: values.tolist() for name, values in back.conditions.items()} == CONDITIONS
    assert back.condition("sex").tolist() == ["female", "male"]
    kept = back.select(np.array([False, True]))
    assert (kept.models.tolist(), kept.condition("sex").tolist()) == (["bob, jr"], ["male"])
    with pytest.raises(InvalidInputError, match="no condition 'age'; conditions are sex, seconds"):
        back.condition("age")


def test_conditions_without_labels(tmp_path):
    path = tmp_path / "scores.tsv"
    path.write_text("model\tpath\tscore\tsex\nann\ta.wav\t1\tfemale\n")
    scores = read_scores(path)
    assert scores.labels.tolist() == ["unknown"]
    assert scores.condition("sex").tolist() == ["female"]


def test_csv_is_what_the_csv_module_reads(tmp_path):
    path = tmp_path / "scores.csv"
    write_scores(path, with_conditions())
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[1]["model"] == "bob, jr"
    assert float(rows[1]["score"]) == -math.inf
    path.write_text("model,path,score,label\nann,a.wav,1,target\n\nann,b.wav,1\n")
    with pytest.raises(InvalidInputError, match=":4: 3 comma-separated columns; must be 4"):
        read_scores(path)


@pytest.mark.parametrize(
    ("conditions", "message"),
    [
        ({"sex": ["f"]}, r"condition 'sex' must be as long as the scores \(2\), found 1"),
        ({"score": ["f", "m"]}, "name of a condition must be new and not empty, found 'score'"),
        ({"": ["f", "m"]}, "name of a condition must be new and not empty, found ''"),
        ({"sex": "fm"}, "condition 'sex' must be a sequence of names"),
        (["f", "m"], "conditions must be a mapping"),
    ],
)
def test_conditions_refused(conditions, message):
    with pytest.raises(InvalidInputError, match=message):
        Scores(["a", "b"], ["x", "y"], [0.0, 1.0], ["target", "target"], conditions)


def test_lir_reads_labels_of_numbers_and_llrs_to_base_ten(tmp_path):
    path = tmp_path / "lir.txt"
    export_lir(path, with_conditions(), llr=True)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["instance_id", "label", "log10_llr"]
    assert [row["label"] for row in rows] == ["1", "0"]
    assert float(rows[0]["log10_llr"]) == pytest.approx(math.log10(math.exp(0.1)))
    assert float(rows[1]["log10_llr"]) == -math.inf
    assert rows[1]["instance_id"] == 'bob, jr a "b".wav'
    export_lir(path, with_conditions())
    assert path.read_text().splitlines()[:2] == ["instance_id,label,score", "ann a.wav,1,0.1"]
    with pytest.raises(InvalidInputError, match="1 of 1 trials have no label"):
        export_lir(path, Scores(["a"], ["x"], [0.0], [None]))


def test_unreadable_files_are_refused_in_one_line(tmp_path):
    for path in (tmp_path / "absent.tsv", tmp_path, "nul\0.tsv"):
        with pytest.raises(InvalidInputError, match="as a score file") as caught:
            read_scores(path)
        assert "\n" not in str(caught.value)
        assert "\0" not in str(caught.value)


def test_what_is_no_text_is_refused(tmp_path):
    path = tmp_path / "scores.tsv"
    path.write_bytes(bytes(range(256)) * 10)
    with pytest.raises(InvalidInputError, match=":1: the header is"):
        read_scores(path)


def test_arrays_are_refused_by_row():
    with pytest.raises(InvalidInputError, match="row 1 is NaN"):
        Scores(["a", "b"], ["x", "y"], [0.0, math.nan], ["target", "target"])
    with pytest.raises(InvalidInputError, match=r"label of row 1 must be .* found 'yes'"):
        Scores(["a", "b"], ["x", "y"], [0.0, 1.0], ["target", "yes"])
    with pytest.raises(InvalidInputError, match=r"label of row 0 must be .* found True"):
        Scores(["a"], ["x"], [0.0], [True])
    with pytest.raises(InvalidInputError, match=r"equally long, found \(2, 1, 1, 1\)"):
        Scores(["a", "b"], ["x"], [0.0], ["target"])
    with pytest.raises(InvalidInputError, match="models must be a sequence of names"):
        Scores("ann", ["x"], [0.0], ["target"])
    with pytest.raises(InvalidInputError, match="must be numbers"):
        Scores(["a"], ["x"], ["high"], ["target"])


def test_arrays_cannot_be_changed_behind_the_back():
    values = np.array([1.0, 2.0])
    scores = Scores(["a", "b"], ["x", "x"], values, ["target", None])
    values[0] = 9
    assert scores.scores.tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="read-only"):
        scores.scores[0] = 3
    assert scores.labels.tolist() == ["target", "unknown"]


def test_index_and_names_give_back_the_rows():
    scores = Scores(list("cabca"), list("zyzyx"), np.zeros(5), ["target"] * 5)
    assert scores.model_names == ("a", "b", "c")
    assert [scores.model_names[i] for i in scores.model_index] == list("cabca")
    assert [scores.path_names[i] for i in scores.path_index] == list("zyzyx")


def test_names_that_a_line_cannot_hold_are_not_written(tmp_path):
    for name in ("a\tb", "a\nb", "a\rb", ""):
        with pytest.raises(InvalidInputError, match="must not be empty"):
            write_scores(tmp_path / "s.tsv", Scores([name], ["x"], [0.0], ["target"]))
    assert not list(tmp_path.iterdir())


def test_writing_replaces_whole_files_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "scores.tsv"
    write_scores(path, small())
    before = path.read_bytes()
    assert before.decode() == HEADER + "ann\ta.wav\t0.1\ttarget\nbob\ta.wav\t-1e-300\tnontarget\n"

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SpeakerGmmError, match=r"scores\.tsv: cannot be written"):
        write_scores(path, Scores(["z"], ["z"], [1.0], ["target"]))
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["scores.tsv"]


def test_a_full_device_is_one_line():
    if not os.path.exists("/dev/full"):  # noqa: PTH110
        pytest.skip("no /dev/full on this system")
    with pytest.raises(SpeakerGmmError, match="/dev/full: cannot be written"):
        write_scores("/dev/full", small())
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)  # noqa: PTH116


def test_places_that_cannot_be_written_are_refused(tmp_path):
    with pytest.raises(SpeakerGmmError, match=r"scores\.tsv: cannot be written"):
        write_scores(tmp_path / "absent" / "scores.tsv", small())
    with pytest.raises(SpeakerGmmError, match="is a folder"):
        write_scores(tmp_path, small())
    with pytest.raises(SpeakerGmmError) as caught:
        write_scores("nul\0.tsv", small())
    assert "\0" not in str(caught.value)


def test_links_stay_and_the_umask_decides(tmp_path):
    real, link = tmp_path / "real.tsv", tmp_path / "link.tsv"
    real.write_text("old")
    link.symlink_to(real)
    before = os.umask(0o027)
    try:
        write_scores(link, small())
        write_scores(tmp_path / "new.tsv", small())
    finally:
        os.umask(before)
    assert link.is_symlink()
    assert real.read_text().startswith("model\t")
    assert stat.S_IMODE((tmp_path / "new.tsv").stat().st_mode) == 0o640


@pytest.mark.slow
def test_a_quarter_million_lines_take_a_second_or_so(tmp_path):
    n = 250_000
    rng = np.random.default_rng(0)
    scores = Scores(
        [f"model{i % 500}" for i in range(n)],
        [f"folder/{i // 500}.flac" for i in range(n)],
        rng.normal(size=n),
        np.where(rng.random(n) < 0.1, "target", "nontarget"),
    )
    path = tmp_path / "scores.tsv"
    start = time.process_time()
    write_scores(path, scores)
    back = read_scores(path)
    assert time.process_time() - start < 8
    np.testing.assert_array_equal(back.scores, scores.scores)
    np.testing.assert_array_equal(back.labels, scores.labels)
    # Names are shared between rows, not held once a row.
    assert len({id(name) for name in back.models}) == 500
