"""Extractions that are stopped go on where they were; temporary features and their places."""

import os
import signal

import numpy as np
import psutil
import pytest
from faults.processes import finish, held_at, kill, run, speakergmm, started, wait_for

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
    return content_of(output)


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_an_extraction_that_is_stopped_goes_on(world, undisturbed, number, words, tmp_path):
    output = tmp_path / "store"
    with started(command(world, output, "--jobs", 2)) as process:
        with held_at(lambda: len(shards(output)) >= 2, process):
            below = psutil.Process(process.pid).children(recursive=True)
            os.killpg(process.pid, number)
        done = finish(process)
        _, alive = psutil.wait_procs(below, timeout=5)
    assert not alive
    assert (done.code, done.out, done.err) == (128 + number, "", f"speakergmm: {words}\n")
    assert left_over(output) == []
    assert run(command(world, output)).code == 0
    assert content_of(output) == undisturbed


def test_features_that_a_killed_training_left_go_with_the_next(world, tmp_path):
    train = speakergmm(
        *(
            "train-ubm",
            world.background,
            "--data",
            world.corpus,
            "--components",
            64,
            "--augment",
            "none",
        ),
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
            *(
                "train-ubm",
                world.background,
                "--data",
                world.corpus,
                "--components",
                8,
                "--augment",
                "none",
            ),
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
