"""Extractions that are killed, stopped or starved go on where they were, to the same store."""

import os
import random
import signal
import time

import numpy as np
import psutil
import pytest
from faults.processes import finish, kill, run, speakergmm, started, wait_for

from speakergmm.features import FeatureStore

pytestmark = pytest.mark.faults

N_FRAMES = 500
"""Frames of a shard, about one recording: many files, and so many moments between two of them."""


def command(world, output, *more):
    return speakergmm(
        *("extract", world.sentences, "--features", "hmm"),
        *("--shard-frames", N_FRAMES, "--output", output, *more),
    )


def shards(output):
    return sorted(path for path in output.glob("shards/*") if not path.name.startswith("."))


def content_of(output):
    """Return all that a store holds: names, values and where there is speech."""
    store = FeatureStore.open(output)
    found = [store.digest]
    for utterance in store.utterances:
        features = store.read(utterance)
        values = np.ascontiguousarray(features.values)
        found.append((utterance.id, values.tobytes(), features.speech.tobytes()))
    return found


def left_over(folder):
    return sorted(path.name for path in folder.rglob(".*"))


@pytest.fixture(scope="session")
def undisturbed(world):
    output = world.folder / "undisturbed"
    done = run(command(world, output))
    assert (done.code, done.err) == (0, ""), done
    assert len(shards(output)) >= 8
    return content_of(output), len(shards(output))


def test_killed_at_any_moment_it_ends_in_the_same_store(world, undisturbed, kill_points, tmp_path):
    content, n_shards = undisturbed
    rng = random.Random("extract")
    for place in range(kill_points):
        output = tmp_path / str(place)
        n_before = int((place + rng.random()) / kill_points * n_shards)
        with started(command(world, output, "--jobs", 1 + place % 2)) as process:
            wait_for(lambda at=output, n=n_before: len(shards(at)) >= n, process)
            time.sleep(0.05 * rng.random())
            kill(process)
        done_before = {path: path.stat().st_ino for path in shards(output)}
        again = run(command(world, output))
        assert (again.code, again.err) == (0, "")
        assert content_of(output) == content
        assert left_over(output) == []
        # What was done is not done again.
        assert {path: path.stat().st_ino for path in done_before} == done_before
        assert len(shards(output)) == n_shards


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_an_extraction_that_is_stopped_goes_on(world, undisturbed, number, words, tmp_path):
    output = tmp_path / "store"
    with started(command(world, output, "--jobs", 2)) as process:
        wait_for(lambda: len(shards(output)) >= 2, process)
        below = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, number)
        done = finish(process)
        _, alive = psutil.wait_procs(below, timeout=5)
    assert not alive
    assert (done.code, done.out, done.err) == (128 + number, "", f"speakergmm: {words}\n")
    assert left_over(output) == []
    assert run(command(world, output)).code == 0
    assert content_of(output) == undisturbed[0]


def test_an_extraction_whose_disk_becomes_full_goes_on(world, undisturbed, disk):
    output, seen = disk.path / "store", disk.seen / "store"
    full = disk.sees(command(world, output))
    with started(full) as process:
        wait_for(lambda: len(shards(seen)) >= 2, process)
        disk.fill()
        done = finish(process)
    assert done.code == 2, done
    (line,) = done.err.splitlines()
    assert line.startswith(f"speakergmm: {output}")
    assert "the disk is full" in line
    assert left_over(seen) == []
    disk.free()
    again = run(full)
    assert (again.code, again.err) == (0, "")
    assert content_of(seen) == undisturbed[0]


def test_a_second_extraction_into_the_store_is_refused(world, undisturbed, tmp_path):
    output = tmp_path / "store"
    with started(command(world, output)) as first:
        wait_for(lambda: len(shards(output)) >= 1, first)
        os.killpg(first.pid, signal.SIGSTOP)
        second = run(command(world, output))
        os.killpg(first.pid, signal.SIGCONT)
        done = finish(first)
    assert second.code == 2
    assert second.err.startswith(f"speakergmm: {output}: ")
    assert "another process is writing" in second.err
    assert (done.code, done.err) == (0, "")
    assert content_of(output) == undisturbed[0]


def test_features_that_a_killed_training_left_go_with_the_next(world, tmp_path):
    train = speakergmm(
        *("train-ubm", world.background, "--data", world.corpus, "--components", 64),
        *("--output", tmp_path / "model"),
    )
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with started(train, TMPDIR=str(temporary)) as process:
        assert wait_for(lambda: list(temporary.rglob("*.safetensors")), process)
        kill(process)
    left = [path for path in temporary.iterdir() if "speakergmm" in path.name]
    assert left
    assert all(path.stat().st_mode & 0o077 == 0 for path in left)
    assert run(train, TMPDIR=str(temporary)).code == 0
    assert not [path for path in temporary.iterdir() if "speakergmm" in path.name]


def test_a_training_whose_temporary_features_have_no_room_says_where(world, disk):
    train = disk.sees(
        speakergmm(
            *("train-ubm", world.background, "--data", world.corpus, "--components", 8),
            *("--output", disk.path / "model"),
        )
    )
    disk.fill(but=1 << 16)
    done = run(train, TMPDIR=str(disk.path))
    assert done.code == 2
    (line,) = done.err.splitlines()
    assert line.startswith(f"speakergmm: {disk.path}/.speakergmm-features")
    assert "the disk is full" in line
    assert "TMPDIR" in line
    assert disk.files() == {}
    disk.free()
    assert run(train, TMPDIR=str(disk.path)).code == 0
    assert list(disk.files()) == ["model"]
