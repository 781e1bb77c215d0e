"""What commands print: safe for a terminal, on one line, and lost without harm where it must be."""

import json
import os
import re
import subprocess
import sys

import pytest

from speakergmm.cli import run_command
from speakergmm.cli.printing import Table
from speakergmm.speakers import BackgroundModel, SpeakerStore

needs_full = pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full")  # noqa: PTH110


def shell(command, cwd):
    program = f"{sys.executable} -m speakergmm"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command.replace('speakergmm', program)}"],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def voices(tmp_path, world):
    with SpeakerStore.create(tmp_path / "voices.db", BackgroundModel.load(world.ubm)) as store:
        store.enroll("e001", world.enrolment("e001"))
    return tmp_path


@pytest.mark.slow
@needs_full
def test_what_was_stored_is_stored_though_nobody_hears_of_it(voices, world):
    wav = world.enrolment("e002")[0]
    code, out, err = shell(f"speakergmm enroll voices.db e002 {wav} >/dev/full", voices)
    assert (code, out) == (74, "")
    assert re.fullmatch(
        r"speakergmm: standard output cannot be written: the disk is full; only the printed "
        r"result is lost, all files are complete\n",
        err,
    )
    with SpeakerStore.open(voices / "voices.db") as store:
        assert [entry.name for entry in store.speakers()] == ["e001", "e002"]


@pytest.mark.slow
@needs_full
@pytest.mark.parametrize(
    "command", ["--version", "--help", "speakers voices.db", "speakers voices.db --json"]
)
def test_a_full_standard_output_is_one_line_and_a_code_of_its_own(command, voices):
    code, _, err = shell(f"speakergmm {command} >/dev/full", voices)
    assert code == 74
    assert err.startswith("speakergmm: standard output cannot be written: the disk is full")
    assert err.count("\n") == 1


@pytest.mark.slow
@needs_full
def test_a_refusal_stays_one(voices):
    code, _, err = shell("speakergmm speakers nothing.db >/dev/full", voices)
    assert code == 2
    assert err.startswith("speakergmm: nothing.db: ")
    # With nowhere to complain the code still tells.
    assert shell("speakergmm speakers nothing.db 2>/dev/full", voices)[0] == 2
    assert shell("speakergmm speakers voices.db 2>/dev/full", voices)[0] == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    ["--help", "--version", "info voices.db", "speakers voices.db --json"],
)
def test_a_reader_may_leave_early(command, voices):
    # `true` reads nothing, and is gone before the first line comes.
    code, _, err = shell(f"speakergmm {command} | true", voices)
    assert (code, err) == (0, "")
    code, out, err = shell(f"speakergmm {command} | head -n 1", voices)
    assert (code, err) == (0, "")
    assert out.count("\n") == 1


@pytest.mark.slow
def test_a_reader_who_leaves_does_not_hide_a_failure(tmp_path):
    (tmp_path / "corpus").mkdir()
    assert shell("speakergmm validate corpus | true", tmp_path)[0] == 2
    assert shell("speakergmm speakers nothing.db 2>&1 | true", tmp_path)[0] == 2


NASTY = "a\x1b[31m\x07b\u202ec\x9b2Jd"
SHOWN = r"a\x1b[31m\x07b\u202ec\x9b2Jd"


@pytest.mark.slow
def test_control_characters_are_shown_and_not_obeyed(tmp_path, world, capsys):
    folder = tmp_path / NASTY
    folder.mkdir()
    model = folder / "ubm.safetensors"
    model.write_bytes(world.ubm.read_bytes())
    store = folder / "voices.db"
    wav = world.enrolment("e001")[0]
    commands = [
        (0, "info", model),
        (0, "enroll", store, "e001", wav, "--ubm", model),
        (0, "info", store),
        (0, "speakers", store),
        (0, "remove", store, "e001"),
        (2, "info", folder / "nothing"),
        (2, "info", folder),
        (2, "speakers", folder / "nothing"),
        (2, "speakers", model),
        (2, "verify", store, NASTY, wav),
        (2, "identify", store, folder / "no.wav"),
        (2, "validate", folder / "list.tsv"),
        (2, "evaluate", folder / "scores.tsv"),
        (2, "train-ubm", folder, "-o", model),
        (2, "score-transcripts", folder / "a", folder / "b"),
        (2, NASTY),
        (2, "info", model, f"--{NASTY}"),
    ]
    shown = []
    for code, *command in commands:
        assert run_command([str(word) for word in command]) == code, command
        captured = capsys.readouterr()
        text = captured.out + captured.err
        assert not set(NASTY) & set(text) & set("\x1b\x07\u202e\x9b"), command
        shown += [command[0]] * (SHOWN in text)
    assert len(shown) >= len(commands) - 4  # one or two have no reason to name the folder


def test_json_stays_exact(tmp_path, world, capsys):
    model = tmp_path / f"{NASTY}.safetensors"
    corpus = world.protocol_dir / "background.tsv"
    given = [
        "train-ubm",
        corpus,
        "--data",
        world.folder / "corpus",
        "--components",
        2,
        "--augment",
        "none",
    ]
    assert run_command([*map(str, given), "-o", str(model), "--json"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["output"] == str(model)
    assert not set("\x1b\x07\u202e\x9b") & set(out)


@pytest.mark.parametrize("length", [4000, 100_000])
def test_a_line_is_not_endless(length, tmp_path, capsys):
    name = ("n" * 200 + "/") * (length // 201)
    for command in (["info", name], ["speakers", name], ["validate", name], [name]):
        assert run_command(command) == 2
        captured = capsys.readouterr()
        assert captured.err.count("\n") == 1
        assert 100 < len(captured.err) < 1100
        assert captured.err.startswith("speakergmm: ")
    assert "characters left out]" in captured.err


def test_messages_of_usual_length_are_whole(tmp_path, capsys):
    name = "/".join(["folder"] * 100)
    assert run_command(["info", name]) == 2
    assert name in capsys.readouterr().err


def test_a_table_in_a_pipe_has_long_cells_but_no_blanks_at_their_ends(capsys):
    Table("Title", ("a", "b"), [("1", "x" * 300), ("2", "y")]).print()
    lines = capsys.readouterr().out.splitlines()
    assert lines == [line.rstrip() for line in lines]
    assert any("x" * 300 in line for line in lines)
    assert sorted(map(len, lines))[-2] < 20
