"""Trainings on a Dask cluster that loses workers, machines and its scheduler."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
from faults.dask_clusters import dask_machines
from faults.processes import content_of, finish, held_at, run, started
from faults.trainings import ALIKE, Writings, every_training, leave_for_long
from oracles.parallel_tasks import die_at_three, square

from speakergmm import GaussianMixture
from speakergmm.engine import Engine, use
from speakergmm.errors import EngineWarning, SchedulerLostError, WorkerLostError

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def machines(tmp_path_factory):
    """Two machines for all tests: who kills one starts another."""
    with dask_machines(tmp_path_factory.mktemp("dask"), 2) as made:
        yield made


HALF_MINUTE = ("train-hmm", "machine")


def train(training, folder, machines, disturb):
    """Run a training on machines, and disturb it after its second writing of a checkpoint."""
    folder.mkdir(exist_ok=True)
    command = training.command(folder, "--scheduler", machines.file)
    with started(command) as process:
        writings = Writings(folder / "checkpoint")
        with held_at(lambda: writings.count() >= 2, process) as has_begun:
            assert has_begun, finish(process)
            disturb()
        return finish(process)


@every_training
@pytest.mark.parametrize("loss", ["worker", "machine"])
def test_a_loss_in_mid_iteration_changes_nothing(training, machines, tmp_path, loss, request):
    alike = training.name in ALIKE
    leave_for_long(request, alike or (training.name, loss) == HALF_MINUTE)
    disturb = getattr(machines, f"kill_{loss}")
    done = train(training, tmp_path, machines, disturb)
    if loss == "machine":
        machines.start_machine()
    with machines.client(2):
        pass
    assert done.code == 0, done.err
    first, *others = done.err.splitlines()
    assert "scheduler tcp://" in first
    assert all("is computed again" in line for line in others)
    assert content_of(tmp_path / "model") == training.reference.content


@every_training
def test_without_its_scheduler_a_training_ends_at_once_and_resumes(training, tmp_path, request):
    leave_for_long(request, training.name in ALIKE)
    with dask_machines(tmp_path / "dask", 1) as machines:
        killed = []

        def disturb():
            machines.kill_scheduler()
            killed.append(time.monotonic())

        done = train(training, tmp_path / "out", machines, disturb)
        assert time.monotonic() - killed[0] < 10
    assert done.code == 2
    _, error = done.err.splitlines()
    assert "is gone; the same command goes on from its checkpoint" in error
    done = run(training.command(tmp_path / "out"))
    assert (done.code, done.err) == (0, "")
    assert content_of(tmp_path / "out" / "model") == training.reference.content


@pytest.mark.parametrize("training", ["train-ubm"], indirect=True)
def test_an_interrupt_ends_a_command_on_a_scheduler_in_one_line(training, machines, tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    with started(training.command(folder, "--scheduler", machines.file)) as process:
        writings = Writings(folder / "checkpoint")
        with held_at(lambda: writings.count() >= 2, process) as has_begun:
            assert has_begun, finish(process)
            os.kill(process.pid, signal.SIGINT)
        done = finish(process, 10)
    assert done.code == 130
    assert [line.split(":", 1)[1] for line in done.err.splitlines()][1:] == [" interrupted"]
    with machines.client(2) as client:  # the workers are there for the next command
        assert list(Engine.of(client).map(square, [2])) == [4]


FRAMES = np.random.default_rng(0).normal(size=(100_000, 13)).astype(np.float32)
SETTINGS = {"n_components": 16, "random_state": 0, "max_iter": 5, "tol": 0.0}


@pytest.fixture(scope="module")
def alone():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has not converged
        return GaussianMixture(**SETTINGS).fit(FRAMES)


@pytest.mark.parametrize("n_workers", [1, 2, 3])
def test_arrays_in_memory_survive_the_death_of_who_holds_them(alone, n_workers):
    with (
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        workers = sorted(client.run(os.getpid).values())
        deaths = []

        def after(iteration):
            if iteration.iteration == 2:  # in the middle of the next one, on any machine
                wait = iteration.seconds / 2
                deaths.append(threading.Timer(wait, os.kill, (workers[0], signal.SIGKILL)))
                deaths[0].start()

        with warnings.catch_warnings(record=True) as caught, use(client):
            warnings.simplefilter("always")
            there = GaussianMixture(**SETTINGS, callback=after).fit(FRAMES)
        deaths[0].join()
        assert workers[0] not in client.run(os.getpid).values()
    assert any(issubclass(each.category, EngineWarning) for each in caught)
    for name in ("weights_", "means_", "covariances_"):
        np.testing.assert_array_equal(getattr(there, name), getattr(alone, name))


def test_a_task_that_kills_its_workers_is_given_up_in_one_line(monkeypatch):
    monkeypatch.setattr("speakergmm.engine.dask_client.MOST_LOSSES", 1)
    monkeypatch.setattr("speakergmm.engine.dask_checks.LEAST_ALLOWED_FAILURES", 1)
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        cluster.scheduler.allowed_failures = 0
        with pytest.raises(WorkerLostError, match="died while they computed item 0 or one beside"):
            list(Engine.of(client).map(die_at_three, [3]))
        client.wait_for_workers(1)
        assert list(Engine.of(client).map(square, [2])) == [4]


def test_a_lost_scheduler_is_an_error_within_seconds(tmp_path):
    with dask_machines(tmp_path / "dask", 1) as machines, machines.client(1) as client:
        results = Engine.of(client).map(time.sleep, [0.2] * 50)
        next(results)
        began = time.monotonic()
        machines.kill_scheduler()
        with pytest.raises(SchedulerLostError, match=r"^the scheduler tcp://\S+ is gone; the same"):
            list(results)
        assert time.monotonic() - began < 5
