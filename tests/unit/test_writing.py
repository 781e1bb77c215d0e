"""Files written whole or not at all, by writers that are killed too."""

import os
import signal
import stat
import subprocess
import sys

import numpy as np
import pytest

from speakergmm import BackgroundModel, GaussianMixture, Lexicon, SpeakerStore
from speakergmm.errors import SpeakerGmmError
from speakergmm.files import atomic_folder, atomic_text_writer, atomic_writer, hold
from speakergmm.speakers import enroll_into

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="no locks on open files there")

WRITER = """
import sys
from speakergmm.files import {maker}
with {maker}(sys.argv[1]) as made:
    print("on", flush=True)
    sys.stdin.read()
"""


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def writer(path, maker="atomic_writer"):
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER.format(maker=maker), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "on\n"
    return process


def kill(process):
    with process:
        process.kill()


@needs_locks
@pytest.mark.parametrize("maker", ["atomic_writer", "atomic_folder"])
def test_what_a_killed_writer_left_goes_with_the_next_of_that_name(maker, tmp_path):
    target, other = tmp_path / "model", tmp_path / "model.json"
    killed, of_another = writer(target, maker), writer(other, maker)
    kill(killed)
    kill(of_another)
    assert len(names(tmp_path)) == 2
    with atomic_writer(target) as file:
        file.write(b"whole")
    assert target.read_bytes() == b"whole"
    assert [name for name in names(tmp_path) if name.startswith(".model.json.")]
    assert not [name for name in names(tmp_path) if name[:8] == ".model." and "json" not in name]
    with atomic_text_writer(other) as text:
        text.write("{}")
    assert names(tmp_path) == ["model", "model.json"]


@needs_locks
def test_a_living_writer_keeps_its_file(tmp_path):
    target = tmp_path / "model"
    alive = writer(target)
    (left,) = names(tmp_path)
    for _ in range(3):
        with atomic_writer(target) as file:
            file.write(b"mine")
    assert names(tmp_path) == [left, "model"]
    with alive:
        alive.stdin.close()
    assert alive.returncode == 0
    assert names(tmp_path) == ["model"]
    assert target.read_bytes() == b""


@needs_locks
def test_files_of_others_are_never_touched(tmp_path):
    target = tmp_path / "model"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    kept = [".model.tmp", ".model.0123456789AB.tmp", ".model.0123456789abc.tmp", "model.1.tmp"]
    for name in kept:
        (tmp_path / name).write_text("mine")
    link = tmp_path / ".model.0123456789ab.tmp"
    link.symlink_to(elsewhere)
    os.mkfifo(tmp_path / ".model.aaaaaaaaaaaa.tmp")
    with atomic_writer(target) as file:
        file.write(b"whole")
    assert names(tmp_path) == sorted(
        [*kept, link.name, ".model.aaaaaaaaaaaa.tmp", "model", "elsewhere"]
    )
    assert elsewhere.read_text() == "mine"


@pytest.mark.parametrize("maker", [atomic_writer, atomic_folder])
def test_an_error_and_an_interruption_leave_what_was(maker, tmp_path):
    for error in (ValueError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), maker(tmp_path / "model"):
            raise error
        assert names(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="folders cannot be written to disk there")
@pytest.mark.parametrize("durable", [True, False])
def test_content_is_on_disk_before_the_name_and_the_name_after_it(durable, tmp_path, monkeypatch):
    """A loss of power leaves the old file or the new one, whole."""
    synced, fsync, target = [], os.fsync, tmp_path / "model"

    def note(descriptor):
        there = target.read_bytes() if target.exists() else b""
        what = os.fstat(descriptor)
        is_folder = stat.S_ISDIR(what.st_mode)
        synced.append(("folder" if is_folder else what.st_size, there))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    for content in (b"old", b"newer"):
        with atomic_writer(target, durable=durable) as file:
            file.write(content)
    steps = [(3, b""), ("folder", b"old"), (5, b"old"), ("folder", b"newer")]
    assert synced == (steps if durable else [])
    assert target.read_bytes() == b"newer"


@needs_locks
def test_a_lock_whose_file_is_removed_while_it_is_taken_is_taken_again(tmp_path, monkeypatch):
    import fcntl

    flock, n_locked = fcntl.flock, 0

    def after_its_holder_has_gone(descriptor, operation):
        nonlocal n_locked
        n_locked += 1
        if n_locked == 1:
            (tmp_path / ".c.lock").unlink()
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", after_its_holder_has_gone)
    release = hold(tmp_path / "c", "training")
    with pytest.raises(SpeakerGmmError, match="in use by another training"):
        hold(tmp_path / "c", "training")
    release()
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["m" * 255, "é" * 127, "語" * 85])
def test_any_name_that_the_system_takes_can_be_written(name, tmp_path):
    target = tmp_path / name
    with atomic_writer(target) as file:
        file.write(b"whole")
    assert names(tmp_path) == [name]
    with pytest.raises(SpeakerGmmError, match="cannot be written"), atomic_writer(f"{target}mm"):
        pass
    assert names(tmp_path) == [name]


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "corpus"
    target.mkdir()
    with atomic_folder(target) as folder:
        (folder / "text").write_text("a")
        assert list(target.iterdir()) == []
    assert names(tmp_path) == ["corpus"]
    assert (target / "text").read_text() == "a"
    with pytest.raises(OSError), atomic_folder(target) as folder:  # noqa: PT011 - any of them
        (folder / "text").write_text("b")
    assert (target / "text").read_text() == "a"
    assert names(tmp_path) == ["corpus"]


@pytest.mark.slow
@needs_locks
def test_many_kills_at_random_moments_leave_one_whole_file(tmp_path):
    target = tmp_path / "model"
    program = (
        "import sys\nfrom speakergmm.files import atomic_writer\nprint(flush=True)\n"
        "while True:\n"
        "    with atomic_writer(sys.argv[1], durable=False) as file:\n"
        "        for _ in range(50):\n            file.write(bytes(1000))\n"
    )
    for wait in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", program, target], stdout=subprocess.PIPE, text=True
        )
        process.stdout.readline()
        for _ in range(200 * wait):
            os.stat(tmp_path)  # noqa: PTH116 - a little time passes
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not target.exists() or target.stat().st_size == 50_000
    with atomic_writer(target) as file:
        file.write(b"whole")
    assert names(tmp_path) == ["model"]


IMPOSSIBLE = {
    "long": "x" * 5000,
    "deep": "d/" * 1200 + "x",
    "half": "\udcff\ud800",
    "nul": "a\0b",
    "in no folder": "none/" + "y" * 400 + "\n\x1b[31m",
}


@pytest.mark.parametrize("name", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_names_that_no_file_can_have_are_refused_in_one_short_line(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    frames = np.random.default_rng(0).normal(size=(100, 60))
    mixture = GaussianMixture(1, covariance_type="diag").fit(frames)
    background = BackgroundModel(mixture, "speaker")
    for write in (
        mixture.save,
        background.save,
        Lexicon.from_dict({"a": ["A"]}).write,
        lambda path: SpeakerStore.create(path, background),
        lambda path: enroll_into(path, "ana", "a.wav", background=background),
        lambda path: enroll_into(path, "ana", "a.wav"),
        SpeakerStore,
        BackgroundModel.load,
    ):
        with pytest.raises(SpeakerGmmError) as caught:
            write(name)
        told = str(caught.value)
        assert len(told) <= 1000
        assert told.isprintable()
        assert "NUL" not in told or "\0" in name
    assert names(tmp_path) == []
