"""Folders that are read-only or gone, mounts that vanish, and a clock that goes backwards."""

import os

import pytest
from faults.processes import content_of, finish, held_at, kill, run, speakergmm, started, wait_for
from faults.trainings import Writings

pytestmark = pytest.mark.faults

only_background = pytest.mark.parametrize("training", ["train-ubm"], indirect=True)

# Commands that write into a folder, or are given a store in it.
WRITERS = {
    "train-ubm": lambda w, at: ("train-ubm", w.background, "--data", w.corpus, "-o", at / "model"),
    "train-hmm": lambda w, at: (
        *("train-hmm", w.transcribed, "--lexicon", w.sentences / "lexicon.txt"),
        *("--output", at / "model"),
    ),
    "train-words": lambda w, at: ("train-words", w.words, "--output", at / "model"),
    "train-lm": lambda w, at: ("train-lm", w.sentences / "text", "--ids", "-o", at / "lm.arpa"),
    "extract": lambda w, at: ("extract", w.background, "--data", w.corpus, "-o", at / "features"),
    "run-protocol": lambda w, at: (
        *("run-protocol", w.protocol, "--data", w.corpus, "--ubm", w.ubm, "-o", at / "scores.tsv"),
    ),
    "evaluate": lambda w, at: ("evaluate", w.scores, "--report", at / "report.html"),
    "align": lambda w, at: ("align", w.acoustic, w.few, "-o", at / "aligned"),
    "decode": lambda w, at: ("decode", w.acoustic, w.few, "--isolated", "-o", at / "words.json"),
    "enroll": lambda w, at: ("enroll", at / "new.db", "a", w.recordings[0], "--ubm", w.ubm),
    "demo": lambda w, at: ("demo", "--output", at / "demo"),
}


def refused(command, **settings):
    """Return the one line with which a command ends."""
    done = run(command, **settings)
    assert (done.code, done.out) == (2, ""), done
    (line,) = done.err.splitlines()
    assert line.startswith("speakergmm: ")
    return line.removeprefix("speakergmm: ")


@pytest.mark.parametrize("name", WRITERS)
def test_a_read_only_folder_is_named_before_the_work_begins(name, equipped, disk):
    disk.protect()
    line = refused(disk.sees(speakergmm(*WRITERS[name](equipped, disk.path))))
    assert line.startswith(f"{disk.path}/")
    assert "Read-only file system" in line
    assert disk.files() == {}


@only_background
def test_a_checkpoint_in_a_read_only_folder_is_refused(training, disk, tmp_path):
    disk.protect()
    command = disk.sees(training.command(tmp_path, "--checkpoint", disk.path / "checkpoint"))
    assert refused(command) == (
        f"{disk.path}/checkpoint: cannot be written (Read-only file system)"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["disk"]


@only_background
def test_a_training_whose_checkpoints_have_lost_their_place_goes_on(training, disk, tmp_path):
    reference = training.reference
    place = disk.path / "folder"
    (disk.seen / "folder").mkdir()
    checkpoint = place / "checkpoint"
    writings = Writings(disk.seen / "folder" / "checkpoint")
    with started(disk.sees(training.command(tmp_path, "--checkpoint", checkpoint))) as process:
        with held_at(lambda: writings.count() >= 1, process):
            disk.vanish()
        done = finish(process)
    assert done.code == 0, done
    (line,) = done.err.splitlines()
    assert line.startswith(f"warning: training goes on without a new checkpoint: {checkpoint}: ")
    assert content_of(tmp_path / "model") == reference.content


def relative(name, world):
    words = WRITERS[name](world, world.folder / "AT")
    return [str(word).replace(f"{world.folder}/AT/", "") for word in words]


@pytest.mark.parametrize("name", WRITERS)
def test_a_working_directory_that_is_gone_is_named(name, equipped, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    shell = 'cd "$0" && rmdir "$0" && exec "$@"'
    command = ["sh", "-c", shell, str(gone), *speakergmm(*relative(name, equipped))]
    line = refused(command)
    assert "working directory" in line
    assert not gone.exists()


@only_background
def test_whole_paths_work_where_the_working_directory_is_gone(training, tmp_path):
    gone = tmp_path / "gone"
    gone.mkdir()
    shell = 'cd "$0" && rmdir "$0" && exec "$@"'
    done = run(["sh", "-c", shell, str(gone), *training.command(tmp_path)])
    assert (done.code, done.err) == (0, "")
    assert content_of(tmp_path / "model") == training.reference.content


# Each look at the clock shows an hour less than the one before, in all processes.
BACKWARDS = """
import datetime, itertools, time
hours = itertools.count()
now, now_ns, Datetime = time.time, time.time_ns, datetime.datetime
time.time = lambda: now() - 3600 * next(hours)
time.time_ns = lambda: now_ns() - 3600 * 10**9 * next(hours)

class Earlier(Datetime):
    @classmethod
    def now(cls, tz=None):
        return Datetime.now(tz) - datetime.timedelta(hours=next(hours))

datetime.datetime = Earlier
"""


@pytest.fixture
def backwards(tmp_path):
    """The environment of a process whose clock goes backwards."""
    folder = tmp_path / "clock"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BACKWARDS, encoding="utf-8")
    return {"PYTHONPATH": os.fspath(folder)}


@only_background
def test_trainings_do_not_mind_a_clock_that_goes_backwards(training, backwards, tmp_path):
    command = training.command(tmp_path)
    with started(command, **backwards) as process:
        assert wait_for((tmp_path / "checkpoint").exists, process)
        kill(process)
    os.utime(tmp_path / "checkpoint", (2**32, 2**32))
    done = run(command, **backwards)
    assert (done.code, done.err) == (0, "")
    assert content_of(tmp_path / "model") == training.reference.content


def test_stores_do_not_mind_a_clock_that_goes_backwards(equipped, backwards, tmp_path):
    store, wavs = tmp_path / "voices.db", equipped.recordings
    new = ("--ubm", equipped.ubm)
    for name, wav in (("a", wavs[0]), ("a", wavs[1]), ("b", wavs[2])):
        assert run(speakergmm("enroll", store, name, wav, *new), **backwards).code == 0
    for words in (("verify", store, "a", wavs[0]), ("speakers", store), ("remove", store, "a")):
        done = run(speakergmm(*words), **backwards)
        # A store that is not calibrated says so with each score.
        notes = [line for line in done.err.splitlines() if "is not calibrated" not in line]
        assert (done.code, notes) == (0, [])
    features = tmp_path / "features"
    extract = speakergmm("extract", equipped.background, "--data", equipped.corpus, "-o", features)
    assert run(extract, **backwards).code == 0
    made = {path: path.stat().st_mtime_ns for path in features.rglob("*") if path.is_file()}
    assert run(extract, **backwards).code == 0
    assert {path: path.stat().st_mtime_ns for path in made} == made
