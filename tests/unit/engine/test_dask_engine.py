import asyncio
import multiprocessing
import os
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from oracles.parallel_tasks import (
    InFolder,
    WeightedSums,
    add,
    aligned,
    cannot_see,
    fail_at_three,
    has_no_store,
    process,
    square,
    threads,
    warn_about_parity,
)

from speakergmm import GaussianMixture
from speakergmm.engine import Engine, map_reduce, scheduler_client, use
from speakergmm.errors import (
    AudioError,
    EngineError,
    EngineWarning,
    InvalidInputError,
    InvalidTypeError,
    MissingLibraryError,
    SchedulerLostError,
    StoreError,
)

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.slow

RNG = np.random.default_rng(3)
# Sums of so many numbers differ in their last bits where they are added up in another order.
SHARDS = [RNG.normal(size=(3000, 13)) for _ in range(11)]
TASK = WeightedSums(RNG.normal(size=7))


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as made:
        yield made


@pytest.fixture
def client(cluster):
    with distributed.Client(cluster, set_as_default=False) as made:
        yield made


@pytest.fixture(scope="module")
def serial():
    return map_reduce(TASK, SHARDS, add)


@pytest.mark.parametrize("in_memory", [False, True])
def test_sums_are_the_same_on_every_engine(client, serial, in_memory):
    spawn = multiprocessing.get_context("spawn")
    with ThreadPoolExecutor(3) as some_threads, ProcessPoolExecutor(2, spawn) as processes:
        for engine in (1, 2, client, Engine.of(client), some_threads, processes):
            for _ in range(2):
                found = map_reduce(TASK, SHARDS, add, engine=engine, in_memory=in_memory)
                np.testing.assert_array_equal(found, serial)


def test_the_executor_of_joblib_is_an_engine(serial):
    from joblib.externals.loky import ProcessPoolExecutor

    with ProcessPoolExecutor(2) as executor:
        np.testing.assert_array_equal(map_reduce(TASK, SHARDS, add, engine=executor), serial)


def test_an_executor_that_has_submit_and_nothing_else(serial):
    """As those of mpi4py and others."""

    class Done:
        def __init__(self, value):
            self.result = lambda: value
            self.cancel = lambda: False

    class Minimal:
        def submit(self, function, *arguments):
            return Done(function(*arguments))

    np.testing.assert_array_equal(map_reduce(TASK, SHARDS, add, engine=Minimal()), serial)


def test_an_estimator_follows_the_engine_in_use(client):
    frames = np.concatenate(SHARDS)[:, :3]
    settings = {"n_components": 4, "random_state": 0, "max_iter": 5, "tol": 10.0}
    alone = GaussianMixture(**settings).fit(frames)
    with use(client):
        there = GaussianMixture(**settings).fit(frames)
    for name in ("weights_", "means_", "covariances_"):
        np.testing.assert_array_equal(getattr(there, name), getattr(alone, name))


def test_results_errors_and_warnings_come_home_in_order(client):
    engine = Engine.of(client)
    assert engine.count == 2
    assert list(engine.map(square, iter(range(100)))) == [n * n for n in range(100)]
    assert list(engine.map(square, [])) == []
    results = engine.map(fail_at_three, range(6))
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(AudioError, match=r"^three\.wav: no$"):
        next(results)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert list(engine.map(warn_about_parity, range(10))) == list(range(10))
    assert sorted(str(w.message) for w in caught) == ["remainder 0", "remainder 1"]


def test_linear_algebra_has_one_thread_and_arrays_are_aligned(client):
    engine = Engine.of(client)
    assert list(engine.map(threads, range(4))) == [1] * 4
    arrays = [np.zeros((n, 7)) for n in range(1000, 1008)]
    assert all(engine.map(aligned, arrays))
    assert all(array.flags.aligned for array in engine.map(np.copy, arrays))


def test_workers_of_several_threads_and_in_this_process(serial):
    with (
        distributed.LocalCluster(
            processes=False, n_workers=1, threads_per_worker=3, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        engine = Engine.of(client)
        assert engine.count == 3
        assert list(engine.map(threads, range(6))) == [1] * 6
        for in_memory in (False, True):
            found = engine.map_reduce(TASK, SHARDS, add, in_memory=in_memory)
            np.testing.assert_array_equal(found, serial)


def test_each_item_goes_to_the_same_worker_in_each_pass(client):
    engine = Engine.of(client)
    first, *others = (list(engine.map(process, range(12))) for _ in range(3))
    assert len(set(first)) == 2
    for other in others:
        same = sum(one == another for one, another in zip(first, other, strict=True))
        assert same >= 9  # a worker that has nothing to do may help out


def test_arrays_are_sent_once(client, serial, monkeypatch):
    sent = []
    scatter = client.scatter
    monkeypatch.setattr(client, "scatter", lambda *a, **k: sent.append(k) or scatter(*a, **k))
    engine = Engine.of(client)
    for _ in range(3):
        found = engine.map_reduce(TASK, SHARDS, add, in_memory=True)
        np.testing.assert_array_equal(found, serial)
        assert len(sent) == len(SHARDS)
    changed = [SHARDS[0] + 1, *SHARDS[1:]]
    engine.map_reduce(TASK, changed, add, in_memory=True)
    assert len(sent) == len(SHARDS) + 1


def test_arrays_on_workers_are_bounded(client, serial, monkeypatch):
    engine = Engine.of(client)
    room = 4 * SHARDS[0].nbytes
    monkeypatch.setattr(type(engine.executor.cluster), "memory_limits", lambda self: [4 * room])
    kept = engine.executor._kept
    for offset in (0, 1, 2):  # three arrays, or the parts of a stream
        given = [shard + offset for shard in SHARDS]
        expected = map_reduce(TASK, given, add)
        for _ in range(3):
            found = engine.map_reduce(TASK, given, add, in_memory=True)
            np.testing.assert_array_equal(found, expected)
            assert sum(each.n_bytes for each in kept.items.values()) <= room
            assert 1 < len(kept.items) <= 4
    assert {each.last_pass for each in kept.items.values()} == {kept.pass_number}


def test_unfinished_work_is_cancelled(client):
    results = Engine.of(client).map(process, range(1000))
    next(results)
    results.close()
    assert list(Engine.of(client).map(square, [2])) == [4]


def test_deaths_that_are_allowed_are_raised_and_never_lowered(cluster):
    def allowed(dask_scheduler):
        return dask_scheduler.allowed_failures

    def allow(number):
        cluster.scheduler.allowed_failures = number

    for before, after in ((3, 10), (25, 25)):
        allow(before)
        with distributed.Client(cluster, set_as_default=False) as client:
            list(Engine.of(client).map(square, [1]))
            assert client.run_on_scheduler(allowed) == after


def test_clients_that_cannot_work_are_refused(client, cluster):
    async def asynchronous():
        async with distributed.Client(cluster.scheduler_address, asynchronous=True) as made:
            with pytest.raises(InvalidTypeError, match="asynchronous"):
                Engine.of(made)

    asyncio.run(asynchronous())
    client.close()
    with pytest.raises(InvalidInputError, match="closed"):
        Engine.of(client)
    with pytest.raises(InvalidInputError, match="closed"), use(client):
        pass


def test_a_client_that_is_closed_later_is_an_error_in_one_line(client):
    engine = Engine.of(client)
    client.close()
    with pytest.raises(SchedulerLostError, match="is gone; the same command"):
        list(engine.map(square, [1]))


def _pretend(name, found):
    import importlib.metadata as metadata

    real = metadata.version

    def version(asked):
        if asked == name:
            if found is None:
                raise metadata.PackageNotFoundError(name)
            return found
        return real(asked)

    metadata.version = version
    return real


@pytest.mark.parametrize(
    ("name", "found", "message"),
    [
        ("numpy", "1.0", r"worker tcp://\S+ has numpy 1.0, where \S+ is needed; .*numpy=="),
        ("numba", "0.1", r"worker tcp://\S+ has numba 0.1, where"),
    ],
)
def test_a_worker_with_other_software_is_named(cluster, name, found, message):
    def forget():
        import importlib
        import importlib.metadata as metadata

        importlib.reload(metadata)

    with distributed.Client(cluster, set_as_default=False) as client:
        client.run(_pretend, name, found)
        try:
            with pytest.raises(EngineError, match=message):
                list(Engine.of(client).map(square, [1]))
        finally:
            client.run(forget)


def test_a_worker_that_cannot_see_a_file_is_named(client, tmp_path):
    path = tmp_path / "shard"
    path.touch()
    with pytest.raises(EngineError, match=rf"^worker tcp://\S+ cannot see {path}; give a path"):
        list(Engine.of(client).map(cannot_see, [str(path)]))
    path.unlink()  # now nobody sees it
    with pytest.raises(FileNotFoundError):
        list(Engine.of(client).map(cannot_see, [str(path)]))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="no path that one process sees")
def test_a_worker_that_cannot_see_a_folder_is_named_whatever_its_error(client, tmp_path):
    own = os.dup2(os.open(tmp_path, os.O_RDONLY), 777)
    folder = f"/proc/self/fd/{own}"  # that of this process
    try:
        with pytest.raises(EngineError, match=rf"^worker tcp://\S+ cannot see {folder}; give"):
            list(Engine.of(client).map(has_no_store, [InFolder(folder)]))
    finally:
        os.close(own)
    with pytest.raises(StoreError, match="is no store"):  # it sees the folder
        list(Engine.of(client).map(has_no_store, [InFolder(str(tmp_path))]))


def test_work_waits_for_workers_and_then_ends_in_one_line(monkeypatch):
    monkeypatch.setattr("speakergmm.engine.dask_cluster.WAIT_FOR_WORKERS", 0.5)
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address=None) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        with (
            pytest.warns(EngineWarning, match="there is no worker; waiting"),
            pytest.raises(EngineError, match=r"no worker, after .*dask worker tcp://"),
        ):
            list(Engine.of(client).map(square, [1]))
        monkeypatch.setattr("speakergmm.engine.dask_cluster.WAIT_FOR_WORKERS", 60)
        cluster.scale(1)
        assert list(Engine.of(client).map(square, [3])) == [9]


def test_schedulers_that_are_not_there(tmp_path, monkeypatch):
    other, empty = tmp_path / "other.json", tmp_path / "empty.json"
    other.write_text('{"id": 1}', encoding="utf-8")
    empty.touch()
    # Of what cannot be an address no client is made, which would wait for its end for 20 s or more.
    wrong = ("", "nowhere", "tcp://host", "tcp://host:99999", str(tmp_path / "file.json"))
    monkeypatch.setattr("distributed.Client.__init__", None)
    for address in (*wrong, str(other), str(empty), str(tmp_path)):
        with (
            pytest.raises(EngineError, match=r"^there is no Dask scheduler at "),
            scheduler_client(address),
        ):
            pass
    monkeypatch.undo()
    for address in ("tcp://127.0.0.1:9",):
        with (
            pytest.raises(EngineError, match=r"^there is no Dask scheduler at "),
            scheduler_client(address, timeout=0.5),
        ):
            pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with (
        pytest.raises(MissingLibraryError, match=r"pip install 'speakergmm\[dask\]'"),
        scheduler_client("tcp://127.0.0.1:9"),
    ):
        pass


def test_nothing_imports_dask_unless_a_client_is_given():
    code = (
        "import sys, speakergmm.engine, speakergmm.cli.app, numpy\n"
        "from speakergmm import GaussianMixture\n"
        "from speakergmm.engine import Engine, use\n"
        "with use(2): GaussianMixture(2).fit(numpy.arange(40.0).reshape(20, 2))\n"
        "list(Engine(2).map(abs, [1, 2]))\n"
        "assert not {'dask', 'distributed', 'tornado'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})
