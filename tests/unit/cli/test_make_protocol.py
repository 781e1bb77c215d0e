"""The command make-protocol: lists that run-protocol takes, all of them or none."""

import pytest

from speakergmm.corpora import read_protocol
from speakergmm.errors import SpeakerGmmError
from speakergmm.metrics import read_scores


@pytest.fixture
def listed(tmp_path):
    lines = ["path,speaker,sex"]
    lines += [f"s{k}/{n}.wav,s{k},{'fm'[k % 2]}" for k in range(12) for n in range(5)]
    (tmp_path / "list.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "list.csv"


def test_lists_are_written_and_counted(listed, tmp_path, speakergmm):
    folder = tmp_path / "lists"
    done = speakergmm(
        "make-protocol", listed, folder, "--enrolment", 2, "--background-share", 0.5,
        "--dev-share", 0.2, "--nontarget", 4, "--seed", 3, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    assert done.json["data_dir"] == str(tmp_path)
    assert done.json["options"]["seed"] == 3
    protocol = read_protocol(folder, data_dir=tmp_path)
    protocol.check_disjoint()
    assert done.json["parts"] == {
        "background": {"speakers": 6, "women": 3, "men": 3, "recordings": 30},
        "dev": {
            "speakers": 2, "women": 1, "men": 1, "recordings": 10, "enrolment": 4, "tests": 6,
            "target": 6, "nontarget": 6,
        },
        "eval": {
            "speakers": 4, "women": 2, "men": 2, "recordings": 20, "enrolment": 8, "tests": 12,
            "target": 12, "nontarget": 16,
        },
    }  # fmt: skip
    assert len(protocol.split("eval").trials) == 28
    assert set(protocol.split("eval").conditions) == {"sex", "test_sex"}
    again = tmp_path / "again"
    shown = speakergmm("make-protocol", listed, again, "--enrolment", 2)
    assert f"speakergmm run-protocol {again} --data-dir {tmp_path} scores" in shown.out
    assert "nontarget" in shown.out


def test_what_exists_is_not_touched(listed, tmp_path, speakergmm):
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "mine.txt").write_text("mine")
    done = speakergmm("make-protocol", listed, tmp_path / "lists")
    assert done.code == 2
    assert done.err.strip().endswith("lists: exists; give the name of a new folder")
    assert [path.name for path in (tmp_path / "lists").iterdir()] == ["mine.txt"]


def test_all_lists_are_written_or_none(listed, tmp_path, speakergmm, monkeypatch):
    small = speakergmm("make-protocol", listed, tmp_path / "lists", "--enrolment", 5)
    assert small.code == 2
    assert "0 of 12 speakers have 5 recordings for enrolment" in small.err

    def failing(folder, *_, **__):
        (folder / "background.tsv").write_text("speaker\tpath\n")
        raise SpeakerGmmError("the disk is full")

    monkeypatch.setattr("speakergmm.corpora.write_protocol", failing)
    failed = speakergmm("make-protocol", listed, tmp_path / "lists")
    assert (failed.code, failed.err.strip()) == (2, "speakergmm: the disk is full")
    assert [path.name for path in tmp_path.iterdir()] == ["list.csv"]


def test_the_lists_of_speech_are_scored_with_their_conditions(world, tmp_path, speakergmm):
    data = world.folder / "corpus" / "synthetic"
    folder, scores = tmp_path / "lists", tmp_path / "scores.tsv"
    made = speakergmm(
        "make-protocol", data, folder, "--enrolment", 2,
        "--background-share", 0, "--dev-share", 0.4,
        "--session-pattern", "{speaker}-{session}-*.wav", "--json",
    )  # fmt: skip
    assert made.code == 0, made.err
    assert made.json["data_dir"] == str(data)
    assert {"women", "men"} <= set(made.json["parts"]["dev"])
    split = read_protocol(folder, data_dir=data).split("eval")
    sessions = {path.stem.split("-")[1] for paths in split.enrolment.values() for path in paths}
    assert not sessions & {path.stem.split("-")[1] for path in split.test_paths()}
    run = speakergmm(
        "run-protocol", folder, "--data-dir", data, "--ubm", world.ubm, "--output", scores
    )
    assert run.code == 0, run.err
    found = read_scores(scores)
    assert len(found) == len(split.trials)
    assert tuple(found.condition("sex")) == split.conditions["sex"]
    assert set(found.condition("test_sex")) == {"f", "m"}
