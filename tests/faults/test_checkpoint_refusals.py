"""A checkpoint of another training, of another version or in use is refused, and stays as it is."""

import os
import shutil

import pytest
from faults.processes import content_of, finish, held_at, kill, run, speakergmm, started, wait_for
from faults.trainings import TRAININGS, every_training

from speakergmm import containers

pytestmark = pytest.mark.faults


@pytest.fixture
def half_way(training, tmp_path):
    """A folder with the checkpoint of a training that was killed."""
    with started(training.command(tmp_path)) as process:
        assert wait_for((tmp_path / "checkpoint").exists, process)
        kill(process)
    return tmp_path


def refusal(command, folder):
    """Return the line in which a command refuses a checkpoint, which it does not change."""
    before = (folder / "checkpoint").read_bytes()
    done = run(command)
    assert done.code == 2, done
    assert (folder / "checkpoint").read_bytes() == before
    lines = [line for line in done.err.splitlines() if not line.startswith("left out")]
    (line,) = lines
    start = f"speakergmm: {folder}/checkpoint: "
    assert line.startswith(start)
    assert not (folder / "model").exists()
    return line.removeprefix(start)


def set_version(path, name, value):
    arrays, content = containers.load_arrays(path, kind="training checkpoint")
    content["fingerprint"][f"version of {name}"] = value
    containers.save_arrays(path, arrays, kind="training checkpoint", metadata=content)


@every_training
def test_another_training_is_named_and_refused(training, half_way):
    # The seed of a background model, or of factors, shows in the start that it found.
    in_start = training.name in ("train-ubm", "train-backend")
    differences = {"--seed=7": "start" if in_start else "seed (0 there, 7 here)"}
    if training.name == "adapt-hmm":
        differences = {"--relevance-factor=7": "MAP relevance_factor (4.0 there, 7.0 here)"}
    elif training.name != "train-backend":  # its features are those of the background model
        differences["--features=kaldi"] = "features name ("
    for option, difference in differences.items():
        line = refusal(training.command(half_way, option), half_way)
        assert line.startswith("this is the checkpoint of another training, which differs in ")
        assert difference in line
    set_version(half_way / "checkpoint", "speakergmm", "0.0.1")
    assert "version of speakergmm (0.0.1 there, 0." in refusal(training.command(half_way), half_way)


@pytest.mark.parametrize("training", ["train-ubm"], indirect=True)
def test_another_corpus_is_named_and_refused(training, half_way, world):
    # The same number of recordings, of which one is another.
    rows = world.background.read_text(encoding="utf-8").splitlines()
    other = world.recordings[-1].relative_to(world.corpus)
    changed = half_way / "other.tsv"
    changed.write_text("\n".join([*rows[:-1], f"x\t{other}"]), encoding="utf-8")
    words = TRAININGS[training.name](world)
    command = training.command(half_way)
    command[command.index(str(words[0]))] = str(changed)
    line = refusal(command, half_way)
    assert "differs in corpus, frames, " in line
    # The same list elsewhere is the same corpus, whose recordings have changed in content.
    copy = half_way / "copy"
    shutil.copytree(world.corpus, copy)
    shutil.copyfile(world.recordings[-1], copy / rows[-1].split("\t")[1])
    command = [word.replace(os.fspath(world.corpus), os.fspath(copy)) for word in command]
    command[command.index(str(changed))] = os.fspath(copy / "protocols/synthetic/background.tsv")
    line = refusal(command, half_way)
    assert "differs in frames, " in line


@pytest.mark.parametrize("training", ["train-ubm"], indirect=True)
@pytest.mark.parametrize("others", [(), ("--components", "16")], ids=["the same", "another"])
def test_a_second_training_with_the_file_is_refused(training, others, tmp_path):
    reference = training.reference
    with started(training.command(tmp_path)) as first:
        with held_at((tmp_path / ".checkpoint.lock").exists, first) as is_locked:
            assert is_locked
            second = run(training.command(tmp_path, *others, "--json"))
        assert second.code == 2
        assert second.err == (
            f"speakergmm: {tmp_path}/checkpoint: is in use by another training that still runs; "
            "wait for its end, or give another name\n"
        )
        done = finish(first)
    assert (done.code, done.err) == (0, "")
    assert content_of(tmp_path / "model") == reference.content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


@pytest.mark.parametrize("training", ["train-ubm"], indirect=True)
def test_a_file_that_is_no_checkpoint_is_not_overwritten(training, equipped, tmp_path):
    for content in (b"", b"text", equipped.ubm.read_bytes()):
        (tmp_path / "checkpoint").write_bytes(content)
        line = refusal(training.command(tmp_path), tmp_path)
        assert "not a model file" in line or "not a training checkpoint" in line
    done = run(speakergmm("info", tmp_path / "checkpoint"))
    assert done.code == 0
