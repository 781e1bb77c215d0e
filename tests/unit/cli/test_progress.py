"""Lines of long work in a log, silence of short work, and nothing of either at a terminal."""

import re
import time
from types import SimpleNamespace

import numpy as np
import pytest

from speakergmm import progress
from speakergmm.cli import run_command
from speakergmm.engine import ONE_WORKER
from speakergmm.mixtures import fit_mixture
from speakergmm.run_context import RunContext

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


def test_work_of_known_size_has_a_speed_and_an_end(clock, capsys):
    sizes = [30_000, 10_000, 60_000, 20_000]
    work = progress.SizedWork("passes", sizes)
    assert list(progress.track("abcd", description=work)) == list("abcd")
    # The clock is asked for both starts, after each item (50 s after the third), for the speed.
    first, *_ = capsys.readouterr().err.splitlines()
    assert first == (
        "speakergmm: passes, 100,000 of 120,000 frames, 2,000 frames/s, 00:00:10 left, 00:00:30"
    )


def test_the_end_of_work_is_where_its_speed_leads(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)

    def shards():
        for name in "abc":
            now[0] += 3600
            yield name

    work = progress.SizedWork("passes", [36e5, 36e5, 18e5], unit="bytes")
    with progress.status("training") as tell:
        tell("iteration 1")  # not due yet
        list(progress.track(shards(), description=work))
    assert capsys.readouterr().err.splitlines() == [
        "speakergmm: iteration 1; passes, 3,600,000 of 9,000,000 bytes, 1,000 bytes/s, "
        "01:30:00 left, 01:00:00",
        "speakergmm: iteration 1; passes, 7,200,000 of 9,000,000 bytes, 1,000 bytes/s, "
        "00:30:00 left, 02:00:00",
        "speakergmm: iteration 1; passes, 9,000,000 of 9,000,000 bytes, 833 bytes/s, 03:00:00",
    ]


def test_a_terminal_shows_work_within_work(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    sizes = [100, 200]
    with progress.status("training") as tell:
        tell("iteration 7")
        for _ in progress.track("ab", description=progress.SizedWork("passes", sizes)):
            progress._terminal._live.refresh()  # as it does by itself ten times a second
        # The bar has gone, the line of the outer work is still there.
        capsys.readouterr()
        progress._terminal._live.refresh()
        last = capsys.readouterr().err
    assert "iteration 7" in last
    assert "passes" not in last
    assert progress._terminal._live is None


def test_bars_of_a_terminal_show_speed_and_time_left(monkeypatch, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    work = progress.SizedWork("passes", [200, 400, 400])
    seen = []
    for _ in progress.track("abc", description=work):
        capsys.readouterr()
        progress._terminal._live.refresh()
        seen.append(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err))
        now[0] += 10
    assert "0 of 1,000 frames" in seen[0]
    assert "200 of 1,000 frames, 20 frames/s, 00:00:40 left" in seen[1]
    assert "600 of 1,000 frames, 30 frames/s, 00:00:13 left" in seen[2]


def test_training_over_shards_shows_frames(monkeypatch, capsys):
    monkeypatch.setattr(progress, "FIRST_LINE_AFTER", 0.0)
    monkeypatch.setattr(progress, "LINE_EVERY", 0.0)
    rng = np.random.default_rng(0)
    parts = [rng.normal(size=(size, 2)).astype(np.float32) for size in (300, 200)]
    source = SimpleNamespace(
        shards=[
            SimpleNamespace(n_frames=len(part), blocks=lambda part=part: [part]) for part in parts
        ]
    )
    run = RunContext(progress=True)
    fit_mixture(source, n_components=2, max_iter=1, tol=0.0, run=run)
    told = [line.split(",")[0:2] for line in capsys.readouterr().err.splitlines()]
    for text in ("statistics of the frames", "pass over the frames"):
        assert told.count([f"speakergmm: {text}", " 300 of 500 frames"]) == 1
    fit_mixture(source, n_components=2, max_iter=1, tol=0.0)
    assert capsys.readouterr().err == ""


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
        "--components", 4, "--augment", "none", "-o", tmp_path / "ubm.safetensors",
    )  # fmt: skip
    assert any(line.startswith("train#ubm: features# # of # recordings#") for line in of_ubm)
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
    assert any(line.startswith("train#hmm: features# # of # recordings#") for line in of_training)
    assert "train#hmm: iteration # of # log#likelihood # per frame# # Gaussians" in of_training
    of_alignment = lines("align", model, speech, "-o", tmp_path / "aligned")
    assert "align: alignment# # of #" in of_alignment
    assert any(line.startswith("align: features# # of # recordings#") for line in of_alignment)
    of_decoding = lines("decode", model, world.test("e001"), "--phones")
    assert any(line.startswith("decode: features# # of # recordings#") for line in of_decoding)
    assert any("recognition" in line for line in of_decoding)


@pytest.mark.slow
def test_training_of_words(lines, world, tmp_path):
    rows = "".join(
        f"{path}\t{word}\t{word}\n" for word in ("e001", "e002") for path in world.enrolment(word)
    )
    (tmp_path / "list.tsv").write_text("path\tspeaker\tword\n" + rows)
    told = lines("train-words", tmp_path / "list.tsv", "-o", tmp_path / "w", "--iterations", 2)
    assert "train#words: iteration # of # log#likelihood # per frame# # Gaussians" in told
