"""Interrupted fits resume, over all their restarts, to exactly the same result."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from sklearn.base import clone

from speakergmm.containers import load_arrays, save_arrays
from speakergmm.errors import (
    CollapsedComponentError,
    IncompatibleModelError,
    InvalidInputError,
    ModelFormatError,
)
from speakergmm.estimators import BayesianGaussianMixture, GaussianMixture

KINDS = ["full", "tied", "diag", "spherical"]
BOTH = [GaussianMixture, BayesianGaussianMixture]

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Interrupted(Exception):
    pass


class InterruptAt:
    """A callback that ends the fit at its n-th call."""

    def __init__(self, call, error=Interrupted):
        self.call, self.error, self.seen = call, error, []

    def __call__(self, iteration):
        self.seen.append((iteration.restart, iteration.iteration))
        if len(self.seen) == self.call:
            raise self.error


def make(cls, path=None, **parameters):
    defaults = {
        "n_components": 4,
        "covariance_type": "diag",
        "init_params": "random_from_data",
        "n_init": 3,
        "max_iter": 6,
        "tol": 0.0,
        "random_state": 5,
        "checkpoint": path,
        "checkpoint_seconds": 0.0,
    }
    return cls(**(defaults | parameters))


def assert_identical(a, b):
    for name in ("weights_", "means_", "covariances_"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes(), name
    for name in ("lower_bound_", "lower_bounds_", "convergence_", "n_iter_"):
        assert getattr(a, name) == getattr(b, name), name
    assert a.history_.restart_bounds == b.history_.restart_bounds
    assert a.history_.events == b.history_.events
    numbers = [(i.restart, i.iteration, i.bound) for i in a.history_.iterations]
    assert numbers == [(i.restart, i.iteration, i.bound) for i in b.history_.iterations]
    if isinstance(b, BayesianGaussianMixture):
        assert a.elbo_ == b.elbo_


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cls", BOTH)
def test_goes_on_to_the_same_result_from_any_iteration_of_any_restart(
    cls, kind, clusters, tmp_path
):
    whole = make(cls, covariance_type=kind).fit(clusters)
    calls = InterruptAt(None)
    make(cls, covariance_type=kind, callback=calls).fit(clusters)
    restarts = [restart for restart, _ in calls.seen]
    assert set(restarts) == {0, 1, 2}
    for call in (
        1,
        3,
        restarts.index(1),
        restarts.index(1) + 1,
        restarts.index(2) + 2,
        len(restarts),
    ):
        path = tmp_path / f"{call}"
        parameters = {"covariance_type": kind, "path": path}
        with pytest.raises(Interrupted):
            make(cls, **parameters, callback=InterruptAt(call)).fit(clusters)
        assert path.exists()
        heard = InterruptAt(None)
        resumed = make(cls, **parameters, callback=heard).fit(clusters)
        assert_identical(resumed, whole)
        # No restart that had ended is done again, and of the last no iteration but the end.
        assert len(heard.seen) <= len(calls.seen) - call + 1
        assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 1e6])
@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random", "splitting"])
def test_interrupted_again_and_again_with_every_start(init, seconds, clusters, tmp_path):
    parameters = {"init_params": init, "checkpoint_seconds": seconds}
    whole = make(GaussianMixture, **parameters).fit(clusters)
    for _ in range(40):
        estimator = make(GaussianMixture, tmp_path / "c", **parameters, callback=InterruptAt(2))
        try:
            estimator.fit(clusters)
        except Interrupted:
            continue
        break
    assert_identical(estimator, whole)


def test_interrupted_while_a_start_is_looked_for(clusters, tmp_path, monkeypatch):
    # Its search for a start is replaced by one that fails.
    from speakergmm.estimators import gaussian

    whole = make(GaussianMixture).fit(clusters)
    real, calls = gaussian.find_mixture_start, []

    def find_mixture_start(*arguments, **options):
        calls.append(1)
        moments = real(*arguments, **options)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return moments

    monkeypatch.setattr(gaussian, "find_mixture_start", find_mixture_start)
    for seconds in (0.0, 1e6):
        calls.clear()
        estimator = make(GaussianMixture, tmp_path / "c", checkpoint_seconds=seconds)
        with pytest.raises(KeyboardInterrupt):
            estimator.fit(clusters)
        heard = InterruptAt(None)
        resumed = make(GaussianMixture, tmp_path / "c", callback=heard).fit(clusters)
        assert_identical(resumed, whole)
        assert heard.seen[0] == (1, 1)


class Failing:
    """Blocks on a disk that fails once, at its n-th reading."""

    def __init__(self, frames, n_good):
        self.frames, self.n_good = frames, n_good

    def __call__(self):
        self.n_good -= 1
        if self.n_good == -1:
            raise OSError("the disk is gone")
        return iter([self.frames])


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.0, 1e6])
def test_interrupted_at_any_reading_of_the_frames(seconds, clusters, tmp_path):
    parameters = {"init_params": "random", "max_iter": 3, "checkpoint_seconds": seconds}
    whole = make(GaussianMixture, **parameters).fit(clusters)
    for n_good in range(4, 16):
        source = Failing(clusters, n_good)
        with pytest.raises(OSError, match="the disk is gone"):
            make(GaussianMixture, tmp_path / "c", **parameters).fit(source)
        assert_identical(make(GaussianMixture, tmp_path / "c", **parameters).fit(source), whole)


@pytest.mark.slow
def test_the_best_restart_is_remembered(clusters, tmp_path):
    def best_restart(seed):
        fitted = make(GaussianMixture, random_state=seed).fit(clusters)
        return fitted.history_.iterations[0].restart

    for wanted in (0, 1):
        seed = next(seed for seed in range(50) if best_restart(seed) == wanted)
        whole = make(GaussianMixture, random_state=seed).fit(clusters)
        with pytest.raises(Interrupted):
            make(GaussianMixture, tmp_path / "c", random_state=seed, callback=InterruptAt(15)).fit(
                clusters
            )
        assert_identical(
            make(GaussianMixture, tmp_path / "c", random_state=seed).fit(clusters), whole
        )


def global_numbers():
    state = np.random.mtrand._rand.get_state(legacy=False)
    return state["state"]["key"].tobytes(), state["state"]["pos"]


@pytest.mark.parametrize("random_state", ["instance", None])
def test_other_random_states(random_state, clusters, tmp_path):
    def state():
        return np.random.RandomState(3) if random_state == "instance" else None

    before = global_numbers()
    with pytest.raises(Interrupted):
        make(GaussianMixture, tmp_path / "c", random_state=state(), callback=InterruptAt(8)).fit(
            clusters
        )
    used = state()
    resumed = make(GaussianMixture, tmp_path / "c", random_state=used).fit(clusters)
    # The numbers of all NumPy are left alone.
    assert global_numbers() == before
    if random_state == "instance":
        reference = state()
        assert_identical(make(GaussianMixture, random_state=reference).fit(clusters), resumed)
        assert used.uniform() == reference.uniform()
    assert len(resumed.history_.restart_bounds) == 3
    with pytest.raises(InvalidInputError, match=r"Mersenne Twister, found .*PCG64"):
        make(
            GaussianMixture,
            tmp_path / "c",
            random_state=np.random.RandomState(np.random.PCG64(1)),
        ).fit(clusters)


@pytest.mark.parametrize("error", [Interrupted, KeyboardInterrupt])
@pytest.mark.parametrize("cls", BOTH)
def test_a_generator_of_numbers_goes_on_in_the_same_process(cls, error, clusters, tmp_path):
    numbers, reference = np.random.RandomState(3), np.random.RandomState(3)
    # One that has been used before, and keeps half of a pair of normal numbers.
    numbers.normal(size=3), reference.normal(size=3)
    whole = make(cls, random_state=reference).fit(clusters)
    for call in (1, 7, 6):
        estimator = make(cls, tmp_path / "c", random_state=numbers)
        with pytest.raises(error):
            estimator.set_params(callback=InterruptAt(call, error)).fit(clusters)
        assert (tmp_path / "c").exists()
    assert_identical(estimator.set_params(callback=None).fit(clusters), whole)
    assert numbers.normal() == reference.normal()
    assert list(tmp_path.iterdir()) == []


def test_numbers_move_on_where_there_is_nothing_to_go_on_with(clusters, tmp_path):
    def next_number(path, error, call):
        numbers = np.random.RandomState(3)
        with pytest.raises(error):
            make(
                GaussianMixture, path, random_state=numbers, callback=InterruptAt(call, error)
            ).fit(clusters)
        return numbers.uniform()

    unused = np.random.RandomState(3).uniform()
    assert next_number(None, Interrupted, 8) != unused
    # After a collapse the same start would lead to the same end.
    assert next_number(tmp_path / "c", CollapsedComponentError, 8) != unused
    assert next_number(tmp_path / "c", Interrupted, 8) == unused


@pytest.mark.parametrize("cls", BOTH)
def test_a_warm_start_goes_on_too(cls, clusters, tmp_path):
    def begun():
        estimator = make(cls, max_iter=2, warm_start=True)
        estimator.fit(clusters)
        return estimator.set_params(max_iter=7, checkpoint=tmp_path / "c")

    whole = begun().set_params(checkpoint=None).fit(clusters)
    interrupted = begun().set_params(callback=InterruptAt(3))
    with pytest.raises(Interrupted):
        interrupted.fit(clusters)
    resumed = begun().fit(clusters)
    assert_identical(resumed, whole)
    with pytest.raises(Interrupted):
        begun().set_params(callback=InterruptAt(3)).fit(clusters)
    with pytest.raises(IncompatibleModelError, match="last_fit"):
        make(cls, tmp_path / "c", max_iter=7, warm_start=True).fit(clusters)


def test_blocks_weights_and_names_go_on_too(clusters, tmp_path):
    weights = np.arange(len(clusters)) % 4
    blocks = np.split(clusters, [100, 120])
    whole = make(GaussianMixture).fit(blocks, sample_weight=weights)
    with pytest.raises(Interrupted):
        make(GaussianMixture, str(tmp_path / "c"), callback=InterruptAt(9)).fit(
            blocks, sample_weight=weights
        )
    resumed = make(GaussianMixture, str(tmp_path / "c"), n_jobs=2, verbose=0).fit(
        lambda: iter(blocks), sample_weight=weights
    )
    assert_identical(resumed, whole)


def test_other_parameters_and_frames_are_refused_by_name(clusters, tmp_path):
    path = tmp_path / "c"
    with pytest.raises(Interrupted):
        make(GaussianMixture, path, callback=InterruptAt(8)).fit(clusters)
    before = path.read_bytes()
    for parameters, words in [
        ({"n_init": 4}, "n_init (3 there, 4 here);"),
        ({"random_state": 6}, "random_state (5 there, 6 here);"),
        ({"random_state": np.random.RandomState(5)}, "random_state;"),
        ({"reg_covar": 1e-3}, "reg_covar (1e-06 there, 0.001 here);"),
        ({"init_params": "kmeans"}, "init_params (random_from_data there, kmeans here);"),
        ({"means_init": clusters[:4]}, "means_init;"),
        ({"means_init": clusters[:4].tolist()}, "means_init;"),
        ({"precision": "float32"}, "precision (float64 there, float32 here);"),
        ({"min_occupancy": 0.0}, "min_occupancy"),
    ]:
        with pytest.raises(IncompatibleModelError) as caught:
            make(GaussianMixture, path, **parameters).fit(clusters)
        assert words in str(caught.value)
        assert "\n" not in str(caught.value)
    with pytest.raises(IncompatibleModelError, match=r"frames, n_frames \(300 there, 299 here\);"):
        make(GaussianMixture, path).fit(clusters[1:])
    with pytest.raises(IncompatibleModelError, match="estimator"):
        make(BayesianGaussianMixture, path).fit(clusters)
    assert path.read_bytes() == before
    # What has no effect on the result may differ.
    make(GaussianMixture, path, n_jobs=2, precision="float64", checkpoint_seconds=9.0).fit(clusters)


@pytest.mark.parametrize("lost", ["after.keys", "best.model.means", "bounds", "before"])
def test_a_part_that_is_missing_is_said(lost, clusters, tmp_path):
    path = tmp_path / "c"
    with pytest.raises(Interrupted):
        make(GaussianMixture, path, callback=InterruptAt(8)).fit(clusters)
    arrays, metadata = load_arrays(path, kind="training checkpoint")
    arrays.pop(lost, None)
    metadata["state"].pop(lost, None)
    save_arrays(path, arrays, kind="training checkpoint", metadata=metadata)
    with pytest.raises(ModelFormatError, match=r"damaged training checkpoint .* is missing"):
        make(GaussianMixture, path).fit(clusters)


def test_parameters_are_checked_cloned_and_change_nothing(clusters, tmp_path):
    for name, value in (("checkpoint", 3), ("checkpoint_seconds", -1.0)):
        with pytest.raises(InvalidInputError, match=f"The '{name}' parameter"):
            make(GaussianMixture).set_params(**{name: value}).fit(clusters)
    path = tmp_path / "c"
    estimator = make(GaussianMixture, path)
    assert clone(estimator).checkpoint == path
    assert_identical(estimator.fit(clusters), make(GaussianMixture).fit(clusters))
    none = make(GaussianMixture, path, max_iter=0).fit(clusters)
    assert none.means_.tobytes() == make(GaussianMixture, max_iter=0).fit(clusters).means_.tobytes()
    assert list(tmp_path.iterdir()) == []


PROGRAM = """
import sys, time, warnings
import numpy as np
from tests.unit.estimators.test_fit_checkpoint import make, GaussianMixture
warnings.simplefilter("ignore")
folder = sys.argv[1]

def tell(iteration):
    print(iteration.restart, flush=True)
    # Else a fast machine is done before the kill.
    time.sleep(0.02)

estimator = make(GaussianMixture, folder + "/c", max_iter=12, n_components=8,
                 covariance_type="full", callback=tell)
estimator.fit(np.load(folder + "/frames.npy", mmap_mode="r"))
"""


@pytest.mark.faults
def test_a_kill_at_any_moment_changes_nothing(tmp_path, request):
    rng = np.random.default_rng()
    frames = np.random.default_rng(0).normal(size=(3_000, 3)).cumsum(axis=0)
    np.save(tmp_path / "frames.npy", frames)

    max_iter = 0
    for n_lines in (5, 14):
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=request.config.rootpath,
        ) as process:
            for _ in range(n_lines):
                max_iter += bool(process.stdout.readline())
            time.sleep(rng.uniform(0.0, 0.02))
            process.kill()
        assert process.returncode == -signal.SIGKILL, "it must not have ended before the kill"
    # Another process goes on.
    heard = []
    options = {"max_iter": 12, "n_components": 8, "covariance_type": "full"}
    path = f"{tmp_path}/c"
    resumed = make(GaussianMixture, path, **options, callback=heard.append).fit(frames)
    max_iter += len(heard)
    # Each of 3 x 12 iterations was heard of once; but not at all if a kill came before its line was
    # read, and twice if it was the last of a restart.
    assert 20 <= max_iter <= 39
    assert not (tmp_path / "c").exists()
    assert_identical(resumed, make(GaussianMixture, **options).fit(frames))
