"""Sums over shards: the tree, the same bits on every engine, and what travels."""

import itertools
import math
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from operator import add

import numpy as np
import pytest
from joblib.externals import loky
from oracles.parallel_tasks import (
    ArrayFile,
    ShardList,
    fail_at_three,
    square,
    threads,
    warn_about_parity,
)
from threadpoolctl import threadpool_limits

from speakergmm import GaussianMixture, fit_mixture
from speakergmm.engine import Engine, combine_in_pairs, map_reduce, use
from speakergmm.errors import AudioError, InvalidInputError, InvalidTypeError
from speakergmm.gaussians import MakeSums, frame_moments
from speakergmm.mixtures import DiagonalMixture, accumulate, accumulate_blocks, prepare_mixture


def tree_by_levels(parts):
    """The tree as it is described: neighbours are paired level by level, an odd one moves up."""
    while len(parts) > 1:
        pairs = [parts[n : n + 2] for n in range(0, len(parts), 2)]
        parts = [pair[0] if len(pair) == 1 else f"({pair[0]}{pair[1]})" for pair in pairs]
    return parts[0]


@pytest.mark.parametrize("size", range(1, 70))
def test_the_tree_is_the_one_of_neighbours_level_by_level(size):
    leaves = [chr(0x100 + n) for n in range(size)]

    def combine(left, right):
        return f"({left}{right})"

    assert combine_in_pairs(iter(leaves), combine) == tree_by_levels(leaves)
    # Whoever combines aligned runs of 2^m elsewhere makes the same tree.
    for run in (2, 8):
        inner = (combine_in_pairs(leaves[n : n + run], combine) for n in range(0, size, run))
        assert combine_in_pairs(inner, combine) == tree_by_levels(leaves)


def test_no_shard_has_no_sum():
    assert combine_in_pairs([], add) is None
    assert map_reduce(abs, [], add, engine=2) is None


@pytest.fixture(scope="module")
def engines():
    spawn = multiprocessing.get_context("spawn")
    with (
        ThreadPoolExecutor(3) as threads,
        ProcessPoolExecutor(2, mp_context=spawn) as processes,
        loky.ProcessPoolExecutor(2) as others,
    ):
        yield {
            "one": 1,
            "two": 2,
            "engine": Engine(2),
            "threads": threads,
            "processes": processes,
            "loky": others,
        }


NAMES = ("two", "engine", "threads", "processes", "loky")


@pytest.fixture(scope="module")
def frames():
    rng = np.random.default_rng(3)
    return (rng.normal(size=(30_000, 5)) * [1, 2, 3, 4, 50] + rng.normal(size=5)).astype(np.float32)


@pytest.fixture(scope="module")
def stored(frames, tmp_path_factory):
    """The frames in seven shards of different sizes, in a file that workers read."""
    path = str(tmp_path_factory.mktemp("shards") / "frames.npy")
    np.save(path, frames)
    cuts = [0, 100, 5_000, 5_001, 12_345, 20_000, 29_000, 30_000]
    return ShardList(tuple(ArrayFile(path, *cut) for cut in itertools.pairwise(cuts)))


MODEL = DiagonalMixture(
    [0.3, 0.7],
    [[0, 0, 0, 0, 9], [1, 1, 1, 1, -9]],
    [[1, 4, 9, 16, 2500], [1, 5, 8, 20, 2000]],
)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_training_over_shards_has_the_same_bits_on_every_engine(name, engines, stored, frames):
    options = {"n_components": 4, "max_iter": 4, "seed": 1}
    one = fit_mixture(stored, engine=engines["one"], **options)
    other = fit_mixture(stored, engine=engines[name], **options)
    assert other.objectives == one.objectives
    for part in ("weights", "means", "variances"):
        np.testing.assert_array_equal(getattr(other.model, part), getattr(one.model, part))
    whole = fit_mixture(frames, **options)
    np.testing.assert_allclose(one.model.means, whole.model.means, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_arrays_in_memory_have_the_same_bits_on_every_engine(name, engines, frames):
    weights = np.random.default_rng(0).uniform(0, 2, len(frames))
    weights[::7] = 0
    for source in (frames, [frames[:7_000], frames[7_000:]]):
        one = accumulate_blocks(MODEL, source, sample_weight=weights, block_frames=64)
        other = accumulate_blocks(
            MODEL, source, sample_weight=weights, block_frames=64, engine=engines[name]
        )
        for part in ("counts", "first_order", "second_order", "log_likelihood"):
            np.testing.assert_array_equal(getattr(other, part), getattr(one, part))


@pytest.mark.slow
def test_a_narrow_gaussian_is_summed_anew_on_every_engine(engines, tmp_path):
    rng = np.random.default_rng(8)
    near = rng.normal(0, 1e-5, (3_000, 2))
    narrow = rng.permutation(np.concatenate([near, rng.normal(3, 0.3, (9_000, 2))]))
    path = str(tmp_path / "narrow.npy")
    np.save(path, narrow)
    shards = ShardList(tuple(ArrayFile(path, *cut) for cut in ((0, 3_000), (3_000, 12_000))))
    start = DiagonalMixture([0.3, 0.7], [[0, 0], [3, 3]], [[1e-2, 1e-2], [1, 1]])
    options = {"n_components": 2, "init": start, "max_iter": 9, "variance_floor": 1e-13}
    for source in (shards, narrow):
        found = [
            fit_mixture(source, engine=engine, **options) for engine in (1, 2, engines["processes"])
        ]
        # The frames of the two Gaussians are far apart: its moments are those of its own frames.
        np.testing.assert_allclose(found[0].model.variances[0], near.var(axis=0), rtol=1e-7)
        for other in found[1:]:
            assert other.objectives == found[0].objectives
            np.testing.assert_array_equal(other.model.variances, found[0].model.variances)


def test_compiled_code_is_used_for_large_shards_whatever_ran_before(stored, monkeypatch):
    small, large = stored.shards[0], max(stored.shards, key=lambda shard: shard.n_frames)

    def sums(shard, threshold):
        monkeypatch.setattr("speakergmm.gaussians.frame_shards._UNCOMPILED", 16 * threshold)
        return accumulate_blocks(MODEL, ShardList((shard,))).second_order

    always, never, between = 0, 2**50, 2 * small.n_frames + 1
    assert (sums(large, always) != sums(large, never)).any()
    np.testing.assert_array_equal(sums(large, between), sums(large, always))
    np.testing.assert_array_equal(sums(small, between), sums(small, never))
    assert (sums(small, always) != sums(small, never)).any()


def test_shards_are_the_sum_of_their_frames(stored, frames):
    weights = np.random.default_rng(1).uniform(0, 2, len(frames))
    for sample_weight in (None, weights):
        found = accumulate(MODEL, stored, sample_weight, engine=2)
        wanted = accumulate(MODEL, frames, sample_weight, precision="float64")
        np.testing.assert_allclose(found.counts, wanted.counts, rtol=2e-6)
        np.testing.assert_allclose(found.log_likelihood, wanted.log_likelihood, rtol=1e-6)
    with pytest.raises(InvalidInputError, match="found 9 for 30000 frames"):
        accumulate_blocks(MODEL, stored, sample_weight=np.ones(9))


def test_moments_of_shards_are_exact(stored, frames):
    found = frame_moments(stored, engine=Engine(2))
    exact = [math.fsum(column) / len(frames) for column in frames.T.astype(float)]
    np.testing.assert_allclose(found.mean, exact, rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(found.variance, frames.astype(float).var(axis=0), rtol=1e-12)
    assert found.n_frames == len(frames)


def test_a_number_that_is_not_finite_names_its_shard(tmp_path):
    values = np.zeros((10, 2))
    values[7, 1] = np.nan
    np.save(tmp_path / "bad.npy", values)
    path = str(tmp_path / "bad.npy")
    bad = ShardList((ArrayFile(path, 0, 5), ArrayFile(path, 5, 10)))
    with pytest.raises(InvalidInputError, match=r"shard 1.* at row 2, column 1"):
        fit_mixture(bad, n_components=1, engine=2)


def test_nothing_but_sums_travels():
    """K = 512 and D = 39: 512 * (1 + 2 * 39) float64 numbers, 323 KB."""
    rng = np.random.default_rng(0)
    model = DiagonalMixture(np.full(512, 1 / 512), rng.normal(size=(512, 39)), np.ones((512, 39)))
    prepared = prepare_mixture(model)
    (sums,) = MakeSums(prepared, np.dtype(np.float32), True, None)()
    assert 512 * 79 * 8 <= len(pickle.dumps(sums)) < 512 * 79 * 8 + 2000


@pytest.mark.parametrize("name", NAMES)
def test_estimators_follow_the_engine_in_use(name, engines, frames):
    one = GaussianMixture(2, covariance_type="diag", max_iter=2, tol=0, random_state=0)
    with use(engines[name]) as chosen:
        assert Engine.of(None) is chosen
        other = GaussianMixture(2, covariance_type="diag", max_iter=2, tol=0, random_state=0)
        other.fit(frames)
    assert Engine.of(None).count == 1
    one.fit(frames)
    np.testing.assert_array_equal(other.means_, one.means_)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_order_errors_and_warnings_come_home(name, engines):
    engine = Engine.of(engines[name])
    assert list(engine.map(square, iter(range(9)))) == [n * n for n in range(9)]
    results = engine.map(fail_at_three, range(6))
    if engine.executor is not None:  # joblib raises the error as soon as it is there
        assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(AudioError, match=r"three\.wav"):
        list(results)
    if name != "threads":  # warnings of threads are issued where they arise
        with pytest.warns(UserWarning, match="remainder") as caught:
            assert list(engine.map(warn_about_parity, range(10))) == list(range(10))
        assert len(caught) == 2


@pytest.mark.parametrize("name", NAMES)
def test_linear_algebra_has_one_thread(name, engines):
    with threadpool_limits(limits=3, user_api="blas"):  # on threads of this process, else three
        assert list(Engine.of(engines[name]).map(threads, range(4))) == [1] * 4


@pytest.mark.parametrize("wrong", [1.5, "2", True, object()])
def test_an_engine_is_a_number_or_has_submit(wrong):
    with pytest.raises(InvalidTypeError, match="engine must be a number of workers, an executor"):
        fit_mixture(np.zeros((9, 1)), n_components=1, engine=wrong)
