"""Calibrations that are killed at any moment leave what was there, and end the same run again."""

import random
import shutil
import time

import pytest
from faults.processes import content_of, kill, left_overs, run, speakergmm, started, wait_for

from speakergmm.speakers import SpeakerStore, SpeakerSystem

pytestmark = pytest.mark.faults

TARGETS = ("store", "system")


@pytest.fixture(scope="session")
def trials(world):
    """The background speakers tried against one another, each enrolled from one recording."""
    lines = world.background.read_text(encoding="utf-8").splitlines()[1:]
    spoken = {}
    for speaker, path in (line.split("\t")[:2] for line in lines):
        spoken.setdefault(speaker, []).append(world.corpus / path)
    folder = world.folder / "calibration"
    folder.mkdir()
    models, rows = ["model\tpath"], ["model\tpath\tlabel"]
    for model, (first, *_) in spoken.items():
        models.append(f"{model}\t{first}")
        for speaker, (_, *tests) in spoken.items():
            label = "target" if speaker == model else "nontarget"
            rows += [f"{model}\t{test}\t{label}" for test in tests]
    (folder / "dev_enroll.tsv").write_text("\n".join(models), encoding="utf-8")
    (folder / "dev_trials.tsv").write_text("\n".join(rows), encoding="utf-8")
    return folder / "dev_trials.tsv"


@pytest.fixture(scope="session")
def files(world, trials, background_model):
    """A folder with a store of one speaker, and the background model."""
    folder = trials.parent / "files"
    folder.mkdir()
    shutil.copyfile(background_model, folder / "ubm")
    enroll = ("enroll", folder / "voices.db", "a", world.recordings[0], "--ubm", folder / "ubm")
    done = run(speakergmm(*enroll))
    assert done.code == 0, done
    return folder


def command(kind, trials, folder):
    """Return the command that calibrates a store in a folder, or writes a system to it."""
    target = {"store": ("voices.db",), "system": ("ubm", "--output", "system")}[kind]
    named = [each if each.startswith("--") else folder / each for each in target]
    return speakergmm("calibrate", *named, "--trials", trials, "--jobs", 2)


def calibrated(kind, folder):
    """Return the content of what a folder holds; None if it is not calibrated."""
    if kind == "system":
        path = folder / "system"
        return content_of(path) if path.exists() and SpeakerSystem.load(path) else None
    with SpeakerStore.open(folder / "voices.db") as store:
        store.check()
        assert [each.name for each in store.speakers()] == ["a"]
        if store.system.calibration is None:
            return None
        store.system.save(folder / "copy")
    found = content_of(folder / "copy")
    (folder / "copy").unlink()
    return found


@pytest.fixture(scope="session", params=TARGETS)
def undisturbed(request, files, trials):
    """A kind of target, the content of its calibration, and the seconds that it takes."""
    kind = request.param
    folder = shutil.copytree(files, files.parent / kind)
    done = run(command(kind, trials, folder))
    assert (done.code, done.err) == (0, ""), done
    return kind, calibrated(kind, folder), done.seconds


def written(folder):
    """Return whether a calibration is being written, to a temporary file or a store's log."""
    log = folder / "voices.db-wal"
    return bool(left_overs(folder)) or (log.exists() and log.stat().st_size > 0)


def test_killed_at_any_moment_it_ends_in_the_same_calibration(
    undisturbed, files, trials, kill_points, tmp_path
):
    kind, expected, seconds = undisturbed
    rng, n_before = random.Random(kind), 0
    for place in range(kill_points):
        folder = shutil.copytree(files, tmp_path / str(place))
        with started(command(kind, trials, folder)) as process:
            if place % 3 == 1:  # while it writes
                wait_for(lambda folder=folder: written(folder), process)
                time.sleep(0.01 * rng.random())
            else:  # at any moment, or at the end
                time.sleep((rng.random() if place % 3 else 0.8 + 0.2 * rng.random()) * seconds)
            kill(process)
        left = calibrated(kind, folder)
        assert left in (None, expected), f"point {place}"
        n_before += left is None
        done = run(command(kind, trials, folder))
        assert (done.code, done.err) == (0, ""), f"point {place}: {done}"
        assert calibrated(kind, folder) == expected, f"point {place}"
        assert not left_overs(folder), f"point {place}"
    assert n_before  # not all of them had ended before
