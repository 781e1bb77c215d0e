"""Trainings that are killed at any moment and run again end in the same model."""

import random
import signal
import time

import pytest
from faults.processes import content_of, kill, run, started, wait_for
from faults.trainings import Writings, every_loop

pytestmark = pytest.mark.faults


@every_loop
def test_killed_at_any_moment_it_ends_in_the_same_model(training, kill_points, tmp_path):
    reference, rng = training.reference, random.Random(training.name)
    n_resumed = 0
    for place in range(kill_points):
        folder = tmp_path / str(place)
        folder.mkdir()
        # Some before the iterations, most in them or in what follows.
        share = (place + rng.random()) / kill_points
        n_writings = 0 if place % 3 == 0 else 1 + int(share * reference.n_writings)
        unit = reference.between_writings if n_writings else reference.until_first
        wait = rng.random() * unit
        with started(training.command(folder)) as process:
            writings = Writings(folder / "checkpoint")
            wait_for(lambda seen=writings, n=n_writings: seen.count() >= n, process)
            time.sleep(wait)
            kill(process)
        said = f"point {place}: killed {wait:.3f} s after {writings.seen} writings"
        assert place % 3 == 0 or writings.seen, said
        n_resumed += process.returncode == -signal.SIGKILL and (folder / "checkpoint").exists()
        done = run(training.command(folder))
        assert (done.code, done.err) == (0, ""), said
        assert content_of(folder / "model") == reference.content, said
        assert sorted(path.name for path in folder.iterdir()) == ["model"], said
    assert n_resumed  # not all of them had ended before
