"""Many processes at one store: nothing is lost, nothing is torn, and no reader waits."""

import json
import shutil
import sqlite3
import sys
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import pytest
from faults import enrolling
from faults.processes import finish, run, speakergmm, started

from speakergmm.speakers import SpeakerStore

pytestmark = pytest.mark.faults

N_WRITERS, N_SPEAKERS = 8, 50


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="no times of scheduling here")
@pytest.mark.parametrize("training", ["train-ubm"], indirect=True)
def test_eight_enrol_while_a_ninth_verifies(training, short_recordings, tmp_path):
    assert training.reference
    path, alone = tmp_path / "voices.db", tmp_path / "alone.db"
    wavs = list(map(str, short_recordings))
    done = run(speakergmm("enroll", path, "a", wavs[1], "--ubm", training.model))
    assert done.code == 0, done
    shutil.copyfile(path, alone)
    program = [sys.executable, enrolling.__file__]
    with ExitStack() as stack:
        n_expected = 1 + N_WRITERS * N_SPEAKERS
        reading = stack.enter_context(
            started([*program, "verify", str(path), "a", str(n_expected), wavs[0]])
        )
        writing = [
            stack.enter_context(
                started([*program, "enrol", str(path), f"w{number}", str(N_SPEAKERS), *wavs])
            )
            for number in range(N_WRITERS)
        ]
        for process in writing:
            done = finish(process, seconds=400)
            assert (done.code, done.err) == (0, "")
        read = finish(reading)
    assert (read.code, read.err) == (0, "")
    seen = json.loads(read.out)
    # Nothing that was there is gone later, and the speaker who was there first sounds the same.
    assert seen["counts"] == sorted(seen["counts"])
    assert len(seen["scores"]) == 1
    assert seen["longest_wait"] < 1.0
    assert len(seen["counts"]) >= 10
    # Nothing is lost: all speakers, with the model that a store of one's own yields.
    enrolling.enrol(str(alone), "alone", len(wavs), wavs)
    with SpeakerStore.open(path) as store, SpeakerStore.open(alone) as other:
        store.check()
        assert {each.name for each in store.speakers()} == {"a"} | {
            f"w{writer}-{number}" for writer in range(N_WRITERS) for number in range(N_SPEAKERS)
        }
        assert len(store.log()) == n_expected
        expected = [other.model(f"alone-{number}").mixture for number in range(len(wavs))]
        for writer in range(N_WRITERS):
            for number in range(N_SPEAKERS):
                found = store.model(f"w{writer}-{number}").mixture
                np.testing.assert_array_equal(found.means, expected[number % len(wavs)].means)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["alone.db", "voices.db"]
