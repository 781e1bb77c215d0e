"""A disk that is full costs a clear line and nothing else."""

import shutil

import pytest
from faults.disks import PAGE
from faults.processes import content_of, finish, held_at, run, speakergmm, started
from faults.trainings import Writings, every_training

pytestmark = pytest.mark.faults

FULL = "cannot be written, the disk is full; nothing was changed"


@every_training
def test_a_training_whose_disk_becomes_full_goes_on_where_it_was(training, disk):
    reference = training.reference
    command = disk.sees(training.command(disk.path))
    writings = Writings(disk.seen / "checkpoint")
    with started(command) as process:
        with held_at(lambda: writings.count() >= 1, process):
            disk.fill()
        done = finish(process)
    assert done.code == 2, done
    assert done.err.splitlines() == [
        f"warning: training goes on without a new checkpoint: {disk.path}/checkpoint: {FULL}",
        f"speakergmm: {disk.path}/model: {FULL}",
    ]
    assert list(disk.files()) == ["checkpoint"]
    disk.free()
    again = run(command)
    assert (again.code, again.err) == (0, "")
    assert content_of(disk.seen / "model") == reference.content
    assert list(disk.files()) == ["model"]


# Each command with the bytes that the disk has left: none, or too few for the whole file.
WRITERS = {
    "train-ubm": lambda w, at: (
        *(
            PAGE,
            "train-ubm",
            w.background,
            "--data",
            w.corpus,
            "--components",
            8,
            "--augment",
            "none",
        ),
        *("-o", at / "ubm"),
    ),
    "train-lm": lambda w, at: (
        *(0, "train-lm", w.sentences / "text", "--ids", "-o", at / "lm.arpa"),
    ),
    "run-protocol": lambda w, at: (
        *(0, "run-protocol", w.protocol, "--data", w.corpus, "--ubm", w.ubm),
        *("-o", at / "scores.tsv"),
    ),
    "evaluate": lambda w, at: (
        *(PAGE, "evaluate", w.scores, "--bootstrap", 0, "--report", at / "report.html"),
    ),
    "align": lambda w, at: (*(0, "align", w.acoustic, w.few, "-o", at / "aligned"),),
    "decode": lambda w, at: (
        *(0, "decode", w.acoustic, w.few, "--isolated", "-o", at / "words.json"),
    ),
    "enroll": lambda w, at: (
        *(PAGE, "enroll", at / "new.db", "a", *w.recordings[:2], "--ubm", w.ubm),
    ),
    "enroll more": lambda w, at: (0, "enroll", at / "old.db", "b", *w.recordings[2:4]),
    "remove": lambda w, at: (0, "remove", at / "old.db", "a"),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_command_whose_disk_is_full_changes_nothing(name, equipped, disk):
    left_free, *words = WRITERS[name](equipped, disk.path)
    if disk.path / "old.db" in words:
        shutil.copyfile(equipped.store, disk.seen / "old.db")
    before = disk.files()
    disk.fill(but=left_free)
    command = disk.sees(speakergmm(*words))
    done = run(command)
    assert done.code == 2, done
    (line,) = [line for line in done.err.splitlines() if not line.startswith("warning: ")]
    assert line.startswith(f"speakergmm: {disk.path}/"), done
    assert "the disk is full" in line
    left = disk.files()
    # SQLite's own files, without content, which the next command on the store takes away.
    assert left.pop("old.db-wal", b"") == b""
    left.pop("old.db-shm", None)
    assert {name: left[name] for name in before} == before
    disk.free()
    again = run(command)
    assert again.code == 0, again
    whole = disk.files()
    assert not [name for name in whole if name.endswith(("tmp", "-wal", "-shm", "lock"))]
    for name in left.keys() - before.keys():  # of several files, the first may have had room
        assert left[name] == whole[name], name
