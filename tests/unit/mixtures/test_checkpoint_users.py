"""One training at a time uses a checkpoint, and it is kept until its model is."""

import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass

import pytest

from speakergmm import checkpoints
from speakergmm.checkpoints import Checkpoint, CheckpointWarning, kept_checkpoint, open_checkpoint
from speakergmm.errors import CollapsedComponentError, IncompatibleModelError, SpeakerGmmError
from speakergmm.run_context import RunContext

needs_locks = pytest.mark.skipif(sys.platform == "win32", reason="no locks on open files there")


@dataclass(frozen=True)
class Count:
    """A state."""

    number: int


class Interrupted(Exception):
    pass


def opened(path, **fingerprint):
    return Checkpoint[Count](path, Count, fingerprint=fingerprint, seconds=0.0)


def count_to(last, run, until=None):
    """Count in a loop that resumes; return the numbers that were not restored."""
    counted = []
    with open_checkpoint(run.checkpoint, Count, fingerprint=dict, seconds=0.0) as file:
        first = 1 if file.state is None else file.state.number
        for number in range(first, last + 1):
            counted.append(number)
            if file.record is not None:
                file.record(Count(number))
            if number == until:
                raise Interrupted
    return counted


def leave_at(path, number):
    """Leave a checkpoint behind, as an interrupted loop does."""
    with suppress(Interrupted), opened(path) as file:
        file.record(Count(number))
        raise Interrupted


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@needs_locks
def test_a_second_training_is_refused_while_the_first_runs(tmp_path):
    path = tmp_path / "c"
    with opened(path) as first:
        first.record(Count(3))
        content = path.read_bytes()
        with pytest.raises(SpeakerGmmError, match=r"c: is in use by another training that still"):
            opened(path).__enter__()
        with opened(tmp_path / "another"):
            pass
        assert path.read_bytes() == content
    assert names(tmp_path) == []
    with opened(path) as again:
        assert again.state is None


@needs_locks
def test_a_link_to_a_checkpoint_in_use_is_refused_too(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "c")
    with opened(tmp_path / "c"), pytest.raises(SpeakerGmmError, match="in use"):
        opened(tmp_path / "link").__enter__()


HOLDER = """
import sys
from speakergmm.files import hold
release = hold(sys.argv[1], "training")
print("on", flush=True)
sys.stdin.read()
"""


@needs_locks
def test_what_a_killed_training_held_is_free(tmp_path):
    path = tmp_path / "c"
    command = [sys.executable, "-c", HOLDER, path]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **streams) as holder:
        assert holder.stdout.readline() == "on\n"
        with pytest.raises(SpeakerGmmError, match="in use"):
            opened(path).__enter__()
        holder.kill()
    assert names(tmp_path) == [".c.lock"]
    with opened(path):
        pass
    assert names(tmp_path) == []


def test_what_another_training_wrote_before_the_loop_began_is_seen(tmp_path):
    late = opened(tmp_path / "c")
    leave_at(tmp_path / "c", 3)
    with late as file:
        assert file.state == Count(3)
    another = opened(tmp_path / "c", seed=1)
    leave_at(tmp_path / "c", 3)
    with pytest.raises(IncompatibleModelError, match=r"differs in seed \(None there, 1 here\)"):
        another.__enter__()
    with opened(tmp_path / "c") as free:  # the refused one holds nothing
        assert free.state == Count(3)


@pytest.mark.parametrize("package", ["speakergmm", "numpy", "scipy"])
def test_a_checkpoint_of_another_version_is_refused(tmp_path, monkeypatch, package):
    found = checkpoints.arithmetic_versions()
    leave_at(tmp_path / "c", 1)
    monkeypatch.setattr(checkpoints, "arithmetic_versions", lambda: found | {package: "0.0.1"})
    expected = rf"version of {package} \({found[package]} there, 0.0.1 here\); repeat"
    with pytest.raises(IncompatibleModelError, match=expected):
        opened(tmp_path / "c")


def test_facts_that_the_loop_does_not_know_are_compared(tmp_path):
    run = RunContext(checkpoint=tmp_path / "c")
    one = run.with_facts(corpus="one", features={"n_ceps": 13, "deltas": 2})
    with pytest.raises(Interrupted):
        count_to(5, one, until=2)
    other = run.with_facts(corpus="two").with_facts(features={"n_ceps": 12, "deltas": 2})
    expected = r"corpus \(one there, two here\), features n_ceps \(13 there, 12 here\); repeat"
    with pytest.raises(IncompatibleModelError, match=expected):
        count_to(5, other)
    assert count_to(5, one) == [2, 3, 4, 5]


def test_a_context_without_a_file_has_no_use_for_facts():
    assert RunContext().with_facts(corpus="one") == RunContext()
    recorder = opened
    recorder.record = None
    run = RunContext(checkpoint=recorder)
    assert run.with_facts(corpus="one") is run


def test_a_kept_checkpoint_goes_when_all_is_done(tmp_path):
    path = tmp_path / "c"
    with kept_checkpoint(RunContext(checkpoint=path, strict=True)) as run:
        assert run.strict
        assert count_to(4, run) == [1, 2, 3, 4]
        assert path.exists()
    assert names(tmp_path) == []


def test_what_fails_after_the_loop_costs_no_training(tmp_path):
    run = RunContext(checkpoint=tmp_path / "c")
    with suppress(Interrupted), kept_checkpoint(run) as kept:
        count_to(4, kept)
        raise Interrupted
    assert names(tmp_path) == ["c"]
    with kept_checkpoint(run) as kept:
        assert count_to(4, kept) == [4]
    assert names(tmp_path) == []


def test_the_outermost_keeps_it(tmp_path):
    with kept_checkpoint(RunContext(checkpoint=tmp_path / "c")) as outer:
        with kept_checkpoint(outer) as inner:
            count_to(2, inner)
        assert (tmp_path / "c").exists()
    assert names(tmp_path) == []


@needs_locks
def test_a_kept_checkpoint_is_held_from_the_beginning(tmp_path):
    run = RunContext(checkpoint=tmp_path / "c")
    with kept_checkpoint(run):
        message = (
            rf"^{re.escape(str(tmp_path))}/c: is in use by another training that still runs; wait"
        )
        with pytest.raises(SpeakerGmmError, match=message):
            kept_checkpoint(run).__enter__()
        with pytest.raises(SpeakerGmmError, match="in use"):
            count_to(2, run)


def test_nothing_is_kept_of_a_collapse(tmp_path):
    def collapse(run):
        with open_checkpoint(run.checkpoint, Count, fingerprint=dict, seconds=0.0) as file:
            file.record(Count(1))
            raise CollapsedComponentError("no variance")

    run = RunContext(checkpoint=tmp_path / "c")
    with pytest.raises(CollapsedComponentError), kept_checkpoint(run) as kept:
        collapse(kept)
    assert names(tmp_path) == []


def test_without_a_checkpoint_nothing_is_kept(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with kept_checkpoint(RunContext()) as run:
        assert count_to(3, run) == [1, 2, 3]
    assert names(tmp_path) == []


@pytest.mark.filterwarnings("error")
def test_a_full_disk_is_reported_once_until_it_is_free(tmp_path, monkeypatch):
    is_full = True

    def save(*_, **__):
        if is_full:
            raise SpeakerGmmError("c: the disk is full")

    monkeypatch.setattr("speakergmm.containers.save_arrays", save)
    with opened(tmp_path / "c") as file:
        with pytest.warns(CheckpointWarning):
            file.record(Count(0))
        file.record(Count(1))  # a warning would be an error
        is_full = False
        file.record(Count(5))
        is_full = True
        with pytest.warns(CheckpointWarning):
            file.record(Count(6))
