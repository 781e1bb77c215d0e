"""Lines of long work in a log, silence of short work, and nothing of either at a terminal."""

import re
import time

import pytest

from speakergmm import progress
from speakergmm.cli import run_command
from speakergmm.engine import ONE_WORKER

TIME = r"\d\d:\d\d:\d\d"


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on by ten seconds whenever it is asked."""
    now = [0.0]

    def tick():
        now[0] += 10
        return now[0]

    monkeypatch.setattr(time, "monotonic", tick)
    return now


def test_a_line_a_minute_after_half_a_minute(clock, capsys):
    assert list(progress.track(range(20), description="recordings")) == list(range(20))
    # The clock is asked at the start and after each item.
    assert capsys.readouterr().err.splitlines() == [
        "speakergmm: recordings, 3 of 20, 00:00:30",
        "speakergmm: recordings, 9 of 20, 00:01:30",
        "speakergmm: recordings, 15 of 20, 00:02:30",
    ]


def test_hours_and_unknown_totals(clock, capsys):
    with progress.program("train-hmm"), progress.status("training") as tell:
        clock[0] += 2 * 3600
        tell("iteration 12 of 40, log-likelihood -61.32 per frame")
        tell("iteration 13 of 40, log-likelihood -61.30 per frame")
        list(progress.track(iter("abcdef"), description="letters"))
    assert capsys.readouterr().err.splitlines() == [
        "train-hmm: iteration 12 of 40, log-likelihood -61.32 per frame, 02:00:10",
        "train-hmm: letters, 5, 02:01:10",
    ]


def test_short_work_is_silent(capsys):
    for mapped in (ONE_WORKER.map, ONE_WORKER.map_threads):
        assert list(mapped(abs, [-1, 2], description="numbers")) == [1, 2]
    with progress.status("training") as tell:
        tell("iteration 1")
    with progress.program("align"):
        assert list(progress.track("abc", description="letters")) == ["a", "b", "c"]
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""


def test_a_terminal_has_a_bar_and_no_lines(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr(progress, "FIRST_LINE_AFTER", 0.0)
    assert list(progress.track("abc", description="letters")) == ["a", "b", "c"]
    assert "letters, " not in capsys.readouterr().err


@pytest.fixture
def lines(monkeypatch, capsys):
    """Run a command as if it took very long, and return the kinds of its lines."""

    def check(*arguments):
        for name in ("FIRST_LINE_AFTER", "LINE_EVERY"):
            monkeypatch.setattr(progress, name, 0.0)
        capsys.readouterr()
        assert run_command([str(argument) for argument in arguments]) == 0
        told = [
            line
            for line in capsys.readouterr().err.splitlines()
            if line.startswith(f"{arguments[0]}: ")
        ]
        assert all(re.fullmatch(rf"[a-z-]+: .*, {TIME}", line) for line in told), told
        return [re.sub(r"[-\d.,]+", "#", line.rsplit(", ", 1)[0]) for line in told]

    return check


@pytest.mark.slow
def test_commands_for_speakers(lines, world, tmp_path):
    corpus = world.folder / "corpus"
    of_ubm = lines(
        "train-ubm", world.protocol_dir / "background.tsv", "--data", corpus,
        "--components", 4, "-o", tmp_path / "ubm.safetensors",
    )  # fmt: skip
    assert "train#ubm: Extracting features# # of #" in of_ubm
    assert "train#ubm: iteration # log#likelihood # per frame" in of_ubm
    told = lines(
        "enroll", tmp_path / "voices.db", "e001", *world.enrolment("e001"), "--ubm", world.ubm
    )
    assert "enroll: Reading recordings# # of #" in told
    of_protocol = lines(
        "run-protocol", world.protocol_dir, "--data", corpus, "--ubm", world.ubm,
        "-o", tmp_path / "scores.tsv",
    )  # fmt: skip
    assert {"run#protocol: Enrolling models# # of #", "run#protocol: Scoring trials# # of #"} <= {
        *of_protocol
    }
    assert "validate: checking# # of #" in lines("validate", corpus / "synthetic")


@pytest.mark.slow
def test_commands_for_words(lines, world, tmp_path):
    speech = world.folder / "corpus" / "synthetic"
    model = tmp_path / "am.safetensors"
    of_training = lines(
        "train-hmm", speech, "--lexicon", speech / "lexicon.txt", "--iterations", 2,
        "--gaussians", 50, "-o", model,
    )  # fmt: skip
    assert "train#hmm: features# # of #" in of_training
    assert "train#hmm: iteration # of # log#likelihood # per frame# # Gaussians" in of_training
    of_alignment = lines("align", model, speech, "-o", tmp_path / "aligned")
    assert {"align: features# # of #", "align: alignment# # of #"} <= {*of_alignment}
    of_decoding = lines("decode", model, world.test("e001"), "--phones")
    assert "decode: features# # of #" in of_decoding
    assert any("recognition" in line for line in of_decoding)


def test_training_of_words(lines, world, tmp_path):
    rows = "".join(
        f"{path}\t{word}\t{word}\n" for word in ("e001", "e002") for path in world.enrolment(word)
    )
    (tmp_path / "list.tsv").write_text("path\tspeaker\tword\n" + rows)
    told = lines("train-words", tmp_path / "list.tsv", "-o", tmp_path / "w", "--iterations", 2)
    assert "train#words: iteration # of # log#likelihood # per frame# # Gaussians" in told
