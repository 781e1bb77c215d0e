"""Interrupted trainings end as if nothing had happened; bad checkpoints are refused."""

import errno
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

import speakergmm.files
from speakergmm.checkpoints import Checkpoint, CheckpointWarning
from speakergmm.containers import load_arrays, save_arrays
from speakergmm.errors import (
    CollapsedComponentError,
    IncompatibleModelError,
    InvalidInputError,
    ModelFormatError,
    SpeakerGmmError,
)
from speakergmm.gaussians import EMState, frame_moments
from speakergmm.mixtures import (
    Iteration,
    MaximumLikelihoodOptions,
    Mixture,
    UpdateReport,
    expectation_maximisation,
    fit_mixture,
    frames_fingerprint,
    make_mixture,
    train_from,
)
from speakergmm.run_context import RunContext

KINDS = ["spherical", "diag", "tied", "full"]


def make_frames(seed=0, n_frames=1500, offset=40.0):
    rng = np.random.default_rng(seed)
    means = rng.normal(0.0, 3.0, (4, 3)) + offset
    return means[rng.integers(4, size=n_frames)] + rng.normal(0.0, 1.0, (n_frames, 3))


def make_start(kind, X, n_components=5):
    eye = np.eye(X.shape[1])
    covariances = {
        "spherical": np.ones(n_components),
        "diag": np.ones((n_components, X.shape[1])),
        "tied": eye,
        "full": np.tile(eye, (n_components, 1, 1)),
    }
    weights = np.full(n_components, 1.0 / n_components)
    return make_mixture(kind, weights, X[:n_components], covariances[kind])


def train(X, start, path=None, **options):
    context = {"checkpoint_seconds": 0.0, "checkpoint": path}
    context |= {name: options.pop(name) for name in RunContext.declarations() if name in options}
    defaults = {"max_iter": 25, "tol": 0.0}
    return train_from(X, start, run=RunContext(**context), **(defaults | options))


def assert_identical(a, b):
    for name, value in a.model.record_parts().items():
        assert value.tobytes() == b.model.record_parts()[name].tobytes(), name
    assert a.objectives == b.objectives
    assert [i.report for i in a.history] == [i.report for i in b.history]
    assert a.convergence == b.convergence


class Interrupted(Exception):
    pass


def interrupt_at(iteration, error=Interrupted):
    def callback(number, _):
        if number == iteration:
            raise error

    return callback


class Heard:
    def __init__(self):
        self.numbers = []

    def __call__(self, number, _):
        self.numbers.append(number)


@pytest.fixture(scope="module")
def X():
    return make_frames()


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_goes_on_to_the_same_result_wherever_it_was_interrupted(tmp_path, X, kind, precision):
    start = make_start(kind, X)
    whole = train(X, start, precision=precision)
    n_iter = len(whole.history)
    for iteration in (0, 1, n_iter // 2, n_iter - 2, n_iter - 1):
        path = tmp_path / f"{iteration}.ckpt"
        with pytest.raises(Interrupted):
            train(X, start, path, precision=precision, callback=interrupt_at(iteration))
        assert path.exists()
        heard = Heard()
        assert_identical(train(X, start, path, precision=precision, callback=heard), whole)
        assert heard.numbers == list(range(min(iteration + 1, n_iter - 1), n_iter))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_unwritten_state_is_written_when_an_exception_ends_training(tmp_path, X):
    start, path = make_start("diag", X), tmp_path / "c"
    whole = train(X, start)
    for error in (Interrupted, KeyboardInterrupt, SystemExit):
        with pytest.raises(error):
            train(X, start, path, checkpoint_seconds=1e6, callback=interrupt_at(3, error))
        heard = Heard()
        assert_identical(train(X, start, path, callback=heard), whole)
        assert heard.numbers[0] == 4


@pytest.mark.slow
def test_interrupted_several_times(tmp_path, X):
    start, path = make_start("full", X), tmp_path / "c"
    for iteration in (1, 4, 5, 9):
        with pytest.raises(Interrupted):
            train(X, start, path, callback=interrupt_at(iteration))
    assert_identical(train(X, start, path), train(X, start))


@pytest.mark.parametrize("report", [UpdateReport(), UpdateReport(is_exact=False, slack=0.1)])
def test_after_a_fall_of_the_objective_the_better_model_is_known_yet(tmp_path, report):
    # Without a plain previous model the better of the two would be lost with the interruption.
    def run(**options):
        return expectation_maximisation(
            make_mixture("diag", [1.0], [[0.0]], [[1.0]]),
            lambda model: Toy(log_likelihood=[-5.0, -4.0, -3.0, -3.5][int(model.means[0, 0])]),
            lambda _, model: (
                make_mixture("diag", [1.0], model.means + 1, [[1.0]]),
                report,
            ),
            max_iter=10,
            tol=0.0,
            **options,
        )

    def opened():
        return Checkpoint(tmp_path / "c", EMState[Mixture], fingerprint={}, seconds=0.0)

    whole = run()
    assert (whole.convergence, whole.model.means.item()) == ("decreased", 2.0)
    with pytest.raises(Interrupted), opened() as file:
        run(record=file.record, callback=interrupt_at(2))
    with opened() as file:
        assert_identical(run(record=file.record, resume=file.state), whole)


class Toy:
    n_frames = 1.0

    def __init__(self, log_likelihood):
        self.log_likelihood = log_likelihood


def test_weights_and_reports_are_kept(tmp_path, X):
    weights = np.random.default_rng(1).integers(0, 3, len(X)).astype(float)
    start = make_start("diag", X, 40)
    options = {
        "sample_weight": weights,
        "update": MaximumLikelihoodOptions(variance_floor=0.2, min_occupancy=20.0),
        "max_iter": 9,
    }
    whole = train(X, start, **options)
    assert any(i.report.revived for i in whole.history[:4])
    assert any(i.report.n_floored for i in whole.history[:4])
    with pytest.raises(Interrupted):
        train(X, start, tmp_path / "c", **options, callback=interrupt_at(4))
    assert_identical(train(X, start, tmp_path / "c", **options), whole)


def test_history_comes_back_exactly(tmp_path):
    history = (
        Iteration(objective=-1 / 3, seconds=0.1, report=UpdateReport(n_floored=2, revived=(1, 3))),
        Iteration(
            objective=5e-324, seconds=1e-9, report=UpdateReport(bound=1e300 / 3, is_exact=False)
        ),
        Iteration(objective=2.0, seconds=0.0, report=None),
    )
    model = make_mixture("diag", [1.0], [[0.0]], [[1.0]])
    file = {"of": EMState[Mixture], "fingerprint": {}, "seconds": 0.0}
    Checkpoint(tmp_path / "c", **file).record(EMState(model, model, history))
    assert Checkpoint(tmp_path / "c", **file).state.history == history


@pytest.mark.parametrize("slack", [None, 0.0, 0.1 + 0.2, 5e-324, np.inf, np.float64(0.3)])
def test_what_an_update_may_lose_is_remembered(tmp_path, slack):
    report = UpdateReport(is_exact=False, slack=slack)
    history = (Iteration(objective=-1.0, seconds=0.0, report=report),)
    model = make_mixture("diag", [1.0], [[0.0]], [[1.0]])
    file = {"of": EMState[Mixture], "fingerprint": {}, "seconds": 0.0}
    Checkpoint(tmp_path / "c", **file).record(EMState(model, model, history))
    state = Checkpoint(tmp_path / "c", **file).state
    # Reports are compared without it.
    assert state.history[0].report.slack == slack
    assert state.history[0].report.allowed_fall == report.allowed_fall


def test_the_trainer_of_background_models_goes_on_too(tmp_path, X):
    options = {"n_components": 6, "max_iter": 12, "tol": 0.0, "seed": 3}
    whole = fit_mixture(X, **options)
    with pytest.raises(Interrupted):
        fit_mixture(
            X, **options, run=RunContext(checkpoint=tmp_path / "c", callback=interrupt_at(5))
        )
    resumed = fit_mixture(X, **options, run=RunContext(checkpoint=tmp_path / "c"))
    assert_identical(resumed, whole)
    with pytest.raises(Interrupted):
        fit_mixture(
            X, **options, run=RunContext(checkpoint=tmp_path / "c", callback=interrupt_at(5))
        )
    with pytest.raises(IncompatibleModelError, match="differs in start;"):
        fit_mixture(X, **(options | {"seed": 4}), run=RunContext(checkpoint=tmp_path / "c"))


PROGRAM = """
import sys, time
from tests.unit.mixtures.test_checkpoint import make_frames, make_start, train
path, kind = sys.argv[1:]
X = make_frames(n_frames=10_000)
print("begun", flush=True)

def tell(number, _):
    print(number, flush=True)
    # Else a fast machine is done before the last kill.
    time.sleep(0.004)

train(X, make_start(kind, X, 24), path, max_iter=40, checkpoint_seconds=0.0, callback=tell)
"""


@pytest.mark.faults
@pytest.mark.parametrize("kind", ["diag", "full"])
def test_a_kill_at_any_moment_changes_nothing(tmp_path, kind, request):
    rng = np.random.default_rng()
    path = tmp_path / "c.ckpt"
    command = [sys.executable, "-c", PROGRAM, str(path), kind]
    root = request.config.rootpath
    # Killed some time after an iteration, which is most often within a writing or an E-step.
    reached = -1
    for _ in range(2):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as process:
            numbers = []
            for line in process.stdout:
                if line.strip() == "begun":
                    continue
                numbers.append(int(line))
                if len(numbers) == 4:
                    time.sleep(rng.uniform(0.0, 0.02))
                    process.kill()
        assert process.returncode == -signal.SIGKILL, "it must not have ended before the kill"
        # An iteration is heard of after its checkpoint is on disk: none is done again.
        assert numbers[0] >= reached + 1
        reached = numbers[-1]
        load_arrays(path, kind="training checkpoint")
    # Another process goes on.
    X, heard = make_frames(n_frames=10_000), []
    start = make_start(kind, X, 24)
    resumed = train(X, start, path, max_iter=40, callback=lambda number, _: heard.append(number))
    assert heard[0] >= reached + 1
    assert not path.exists()
    whole = train(X, start, max_iter=40)
    assert resumed.objectives == whole.objectives
    for name, value in whole.model.record_parts().items():
        assert resumed.model.record_parts()[name].tobytes() == value.tobytes(), name


def test_other_frames_weights_and_options_are_refused_by_name(tmp_path, X):
    start, path = make_start("diag", X), tmp_path / "c"
    ones = np.ones(len(X))
    with pytest.raises(Interrupted):
        train(X, start, path, callback=interrupt_at(3))
    before = path.read_bytes()
    moved = X.copy()
    moved[700, 1] += 1e-9
    swapped = X.copy()
    swapped[:, 0] = X[::-1, 0]
    floored = MaximumLikelihoodOptions(variance_floor=0.01)
    for other, words in [
        ({"X": moved}, "frames;"),
        ({"X": swapped}, "frames;"),
        ({"X": X[:-1]}, "n_frames (1500 there, 1499 here)"),
        ({"X": X.astype(np.float32)}, "frames;"),
        ({"sample_weight": ones}, " sample_weight;"),
        ({"tol": 1e-3}, "tol (0.0 there, 0.001 here);"),
        ({"max_iter": 26}, "max_iter (25 there, 26 here);"),
        ({"precision": "float64"}, "precision (float32 there, float64 here);"),
        ({"update": floored}, "variance_floor (0.001 there, 0.01 here);"),
        ({"final_update": False}, "final_update (True there, False here);"),
        ({"previous": -7.0}, "previous (None there, -7.0 here);"),
        ({"start": make_start("diag", X[1:])}, "differs in start;"),
        ({"start": make_start("diag", X, 4)}, "n_components (5 there, 4 here)"),
        ({"start": make_start("full", X)}, "covariance_type (diag there, full here)"),
    ]:
        call = {"X": X, "start": start} | other
        with pytest.raises(IncompatibleModelError) as caught:
            train(call.pop("X"), call.pop("start"), path, **call)
        message = str(caught.value)
        assert words in message
        assert str(path) in message
        assert "\n" not in message
        assert path.read_bytes() == before
    # The number of threads is no option of the result, nor are blocks.
    with pytest.raises(Interrupted):
        train([X[:9], X[9:]], start, path, engine=2, callback=interrupt_at(6))
    assert_identical(train(X, start, path), train(X, start))


def test_frames_are_recognised_in_any_blocking_and_by_each_row_that_is_looked_at(monkeypatch):
    monkeypatch.setattr("speakergmm.mixtures.fingerprint._WHOLE_ROWS", 50)
    X = make_frames(n_frames=400)
    moments = frame_moments(X)

    def of(source):
        return frames_fingerprint(source, moments, None)["frames"]

    rng = np.random.default_rng(5)
    for _ in range(20):
        cuts = np.sort(rng.integers(0, 400, 7))
        assert of(np.split(X, cuts)) == of(X)
    seen = []
    for row in range(400):
        other = X.copy()
        other[row] += 1.0
        seen.append(of(other) != of(X))
    assert seen == [row < 50 or row % 16 == 0 for row in range(400)]
    # The others are told by their mean and variance.
    other = X.copy()
    other[77, 1] += 1e-6
    assert frames_fingerprint(other, frame_moments(other), None)["frames"] != of(X)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"RIFF....WAVE", "a WAV recording"),
        (b"some notes of mine", "text"),
    ],
)
def test_what_is_no_checkpoint_is_said_and_kept(tmp_path, X, content, words):
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises(ModelFormatError, match=words):
        train(X, make_start("diag", X), path)
    assert path.read_bytes() == content


def test_a_model_is_not_taken_for_a_checkpoint(tmp_path, X):
    save_arrays(tmp_path / "c", {"means": X[:2]}, kind="background model")
    with pytest.raises(ModelFormatError, match="is a background model, not a training checkpoint"):
        train(X, make_start("diag", X), tmp_path / "c")


def test_a_damaged_checkpoint_is_refused_at_every_byte(tmp_path, X):
    start, path = make_start("diag", X), tmp_path / "c"
    with pytest.raises(Interrupted):
        train(X, start, path, callback=interrupt_at(3))
    good = path.read_bytes()
    rng = np.random.default_rng(2)
    for position in rng.choice(len(good), 60, replace=False):
        damaged = bytearray(good)
        damaged[position] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(ModelFormatError) as caught:
            train(X, start, path)
        assert "\n" not in str(caught.value)
    path.write_bytes(good[: len(good) // 2])
    with pytest.raises(ModelFormatError):
        train(X, start, path)


@pytest.mark.parametrize("lost", ["fingerprint", "model.means", "history", "report", "state"])
def test_a_part_that_is_missing_is_said(tmp_path, X, lost):
    start, path = make_start("diag", X), tmp_path / "c"
    with pytest.raises(Interrupted):
        train(X, start, path, callback=interrupt_at(3))
    arrays, metadata = load_arrays(path, kind="training checkpoint")
    if lost == "report":
        metadata["state"]["history"][0]["report"].pop("revived")
    elif lost == "history":
        metadata["state"]["history"] = 3
    else:
        arrays.pop(lost, None)
        metadata.pop(lost, None)
    save_arrays(path, arrays, kind="training checkpoint", metadata=metadata)
    with pytest.raises(ModelFormatError, match=r"without a finger|damaged training checkpoint"):
        train(X, start, path)


def test_a_place_that_cannot_be_written_is_refused_before_training(tmp_path, X):
    for path in (tmp_path / "no" / "c", tmp_path):
        with pytest.raises(SpeakerGmmError, match="folder"):
            train(X, make_start("diag", X), path, callback=interrupt_at(0))
    with pytest.raises(InvalidInputError, match="checkpoint_seconds"):
        train(X, make_start("diag", X), tmp_path / "c", checkpoint_seconds=-1.0)
    assert list(tmp_path.iterdir()) == []


def test_a_collapse_leaves_no_checkpoint(tmp_path):
    X = np.repeat([[0.0], [1.0], [5.0]], 4, axis=0) + np.tile([[0.0], [0.1], [0.0], [0.1]], (3, 1))
    X[8:] = 5.0
    start = make_mixture("diag", [0.5, 0.5], [[0.5], [4.0]], [[1.0], [1.0]])
    options = MaximumLikelihoodOptions(variance_floor=0.0, refuse_collapse=True)
    with pytest.raises(CollapsedComponentError):
        train(X, start, tmp_path / "c", update=options, max_iter=100)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small file system here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def fill_disk(path):
    with path.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1024))


def test_on_a_full_disk_training_goes_on_and_the_last_good_checkpoint_stays(small_disk, X):
    start, path = make_start("diag", X), small_disk / "c"
    filler = small_disk / "filler"

    def fill(number, _):
        if number == 4:
            fill_disk(filler)
        if number == 8:
            raise Interrupted

    with pytest.warns(CheckpointWarning, match="the disk is full") as caught, suppress(Interrupted):
        train(X, start, path, callback=fill)
    assert all("\n" not in str(warning.message) for warning in caught)
    assert sorted(small_disk.iterdir()) == [path, filler]
    filler.unlink()
    heard = Heard()
    assert_identical(train(X, start, path, callback=heard), train(X, start))
    assert heard.numbers[0] == 5


def test_without_an_interruption_a_full_disk_costs_nothing_but_warnings(tmp_path, X, monkeypatch):
    start = make_start("diag", X)

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(speakergmm.files.os, "fsync", full)
    file = checkpoint_without_trial(tmp_path / "c")
    with pytest.warns(CheckpointWarning), file:
        result = train(X, start, file)
    assert_identical(result, train(X, start))
    assert list(tmp_path.iterdir()) == []


def checkpoint_without_trial(path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("speakergmm.checkpoints.check_writable", lambda _: None)
        return Checkpoint(path, EMState[Mixture], fingerprint={}, seconds=0.0)


def test_writings_are_rare_enough(tmp_path, X, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("speakergmm.checkpoints.time.perf_counter", lambda: now[0])
    written = []

    def save(path, arrays, **_):
        written.append(round(now[0], 3))
        now[0] += 0.2

    monkeypatch.setattr("speakergmm.containers.save_arrays", save)
    file = Checkpoint(tmp_path / "c", EMState[Mixture], fingerprint={}, seconds=5.0)
    model = make_start("diag", X)
    for _ in range(100):
        now[0] += 1.0
        file.record(EMState(model, model, ()))
    # The first after the 5 seconds; a writing of 0.2 s is followed by 20 s without.
    assert written[0] == 105.0
    assert np.diff(written).min() >= 20.0
    assert len(written) == 5


@dataclass(frozen=True, eq=False)
class Place:
    keys: NDArray[np.uint32]
    running: EMState[Mixture] | None


def test_any_record_is_a_state(tmp_path, X):
    def opened(**changes):
        return Checkpoint(
            tmp_path / "c", Place, fingerprint={"n": np.int64(3), "X": X, "start": start} | changes
        )

    start = make_start("diag", X)
    keys = np.arange(5, dtype=np.uint32)
    for running in (None, EMState(start, start, ())):
        file = opened()
        file.record(Place(keys, running))
        file.write()
        found = opened().state
        np.testing.assert_array_equal(found.keys, keys, strict=True)
        assert (found.running is None) == (running is None)
    # Arrays and records are known by their digests.
    for name, value in (("X", X + 1.0), ("start", make_start("full", X))):
        with pytest.raises(IncompatibleModelError, match=f"differs in {name};"):
            opened(**{name: value})
