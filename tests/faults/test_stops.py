"""Ctrl-C and `kill`: one line, the code of the signal, no worker left, a good checkpoint."""

import os
import signal

import psutil
import pytest
from faults.processes import content_of, finish, held_at, run, started
from faults.trainings import ALIKE, Writings, every_training, leave_for_long

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(
    ("number", "to_all", "words"),
    [(signal.SIGINT, True, "interrupted"), (signal.SIGTERM, False, "terminated")],
    ids=["Ctrl-C", "kill"],
)
@every_training
def test_a_training_that_is_stopped_goes_on_where_it_was(
    training, number, to_all, words, tmp_path, request
):
    leave_for_long(request, to_all and training.name in ALIKE)
    reference = training.reference
    command = training.command(tmp_path, "--jobs", 2)
    writings = Writings(tmp_path / "checkpoint")
    with started(command) as process:
        with held_at(lambda: writings.count() >= min(3, reference.n_writings), process):
            below = psutil.Process(process.pid).children(recursive=True)
            (os.killpg if to_all else os.kill)(process.pid, number)
        done = finish(process)
        _, alive = psutil.wait_procs(below, timeout=5)
    assert not alive
    assert (done.code, done.out, done.err) == (128 + number, "", f"speakergmm: {words}\n")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint"]
    again = run(command)
    assert (again.code, again.err) == (0, "")
    assert content_of(tmp_path / "model") == reference.content
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
