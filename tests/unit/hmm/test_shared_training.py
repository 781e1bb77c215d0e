"""Phone training in shards: the same bits on any engine, sums as good as exact ones."""

import math
import pickle
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from oracles import hmm_training as oracle

from speakergmm.engine import Engine, use
from speakergmm.gaussians import Standardisation
from speakergmm.hmm import (
    Lexicon,
    Topology,
    TrainingSchedule,
    TranscriptTexts,
    train_phone_models,
    utterance_moments,
)
from speakergmm.hmm.training import SharedFrameStore
from speakergmm.hmm.training.expectation_task import ExpectationTask, ShardExpectation
from speakergmm.hmm.training.utterance_shards import cut_by_frames, make_shards
from speakergmm.records import digest, to_arrays
from speakergmm.run_context import RunContext

TOPOLOGIES = {"A": Topology.left_right(2), "B": Topology.left_right(1), "S": Topology.silence(3)}
LEXICON = Lexicon.from_dict({"ab": ["A B", "B"], "a": "A"})
ALGORITHMS = ["baum-welch", "viterbi"]


@pytest.fixture(scope="module")
def world():
    """Utterances of which one is too short for its transcript."""
    rng = np.random.default_rng(0)
    truth = oracle.random_models(rng, TOPOLOGIES, sizes=(2,))
    models = oracle.random_models(rng, TOPOLOGIES)
    transcripts = [["ab", "a", "ab"][: 1 + i % 3] for i in range(21)]
    frames = [oracle.sample(rng, truth, words, LEXICON, silence="S") for words in transcripts]
    frames[9] = frames[9][:1]
    transcripts[9] = ["a", "ab"]
    return models, TranscriptTexts.of(transcripts, LEXICON, silence="S"), frames


def schedule(algorithm, **options):
    return TrainingSchedule(
        **{
            "algorithm": algorithm, "max_iter": 5, "n_gaussians": 12, "grow_until": 3,
            "min_frames_per_gaussian": 1.0, "min_occupancy": 1.0, "realign": (1, 3), **options,
        }
    )  # fmt: skip


def bits(result):
    """All that a training returns, as bytes."""
    arrays, _ = to_arrays(result.models)
    history = [(h.log_likelihood, h.n_gaussians, h.n_removed, h.n_failed) for h in result.history]
    return (
        {name: array.tobytes() for name, array in arrays.items()},
        result.occupancy.tobytes(),
        history,
        result.failed,
    )


@dataclass(frozen=True)
class Stored:
    """Frames of utterances in files of their own, which workers read."""

    folder: Path
    numbers: tuple[int, ...]

    @classmethod
    def of(cls, frames, folder):
        for number, X in enumerate(frames):
            np.save(folder / f"{number}.npy", X)
        return cls(folder, tuple(range(len(frames))))

    @property
    def lengths(self):
        return [np.load(self._file(n), mmap_mode="r").shape[0] for n in self.numbers]

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, place):
        return np.load(self._file(self.numbers[place]))

    def part(self, start, stop):
        return Stored(self.folder, self.numbers[start:stop])

    def _file(self, number):
        return self.folder / f"{number}.npy"


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_threads_and_pools_of_threads_do_not_change_a_bit(world, algorithm):
    models, texts, frames = world
    whole = bits(train_phone_models(models, texts, frames, schedule(algorithm)))
    assert [failure.place for failure in whole[3]] == [9]
    for engine in (2, 3):
        found = train_phone_models(models, texts, frames, schedule(algorithm), engine=engine)
        assert bits(found) == whole
    with ThreadPoolExecutor(3) as pool, use(pool):
        assert bits(train_phone_models(models, texts, frames, schedule(algorithm))) == whole


@pytest.fixture(scope="module")
def pool():
    """A pool of processes, which takes seconds to start; other kinds have tests of their own."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as made:
        yield made


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_processes_do_not_change_a_bit(world, algorithm, tmp_path, pool):
    models, texts, frames = world
    stored = Stored.of(frames, tmp_path)
    assert isinstance(stored, SharedFrameStore)
    whole = bits(train_phone_models(models, texts, frames, schedule(algorithm)))
    for given, engine in [(stored, 1), (stored, 2), (stored, pool), (frames, pool)]:
        found = train_phone_models(models, texts, given, schedule(algorithm), engine=engine)
        assert bits(found) == whole, engine


@pytest.mark.slow
def test_a_cluster_does_not_change_a_bit(world, tmp_path):
    """Of workers in this process, to which everything is sent as to others."""
    distributed = pytest.importorskip("distributed")
    models, texts, frames = world
    stored = Stored.of(frames, tmp_path)
    with (
        distributed.LocalCluster(
            n_workers=2,
            threads_per_worker=1,
            processes=False,
            protocol="tcp://",
            dashboard_address=None,
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        for algorithm in ALGORITHMS:
            whole = bits(train_phone_models(models, texts, frames, schedule(algorithm)))
            for given in (stored, frames):
                found = train_phone_models(models, texts, given, schedule(algorithm), engine=client)
                assert bits(found) == whole


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_training_on_files_resumes_to_the_same_bits(world, algorithm, tmp_path):
    models, texts, frames = world
    stored = Stored.of(frames, tmp_path)
    whole = bits(train_phone_models(models, texts, frames, schedule(algorithm)))

    def stop(state):
        if state.iteration == 3:
            raise KeyboardInterrupt

    path = tmp_path / "c"
    with pytest.raises(KeyboardInterrupt):
        train_phone_models(
            models, texts, stored, schedule(algorithm), engine=2,
            run=RunContext(checkpoint=path, checkpoint_seconds=0.0, callback=stop),
        )  # fmt: skip
    heard = []
    found = train_phone_models(
        models, texts, stored, schedule(algorithm),
        run=RunContext(checkpoint=path, callback=lambda state: heard.append(state.iteration)),
    )  # fmt: skip
    assert bits(found) == whole
    assert heard == [4, 5]


def task_of(world, **options):
    models, _, frames = world
    mean, variance, _ = utterance_moments(frames)
    defaults = {"equal": False, "sums": True, "searches": True}
    return ExpectationTask(
        models=models, schedule=schedule("baum-welch"), iteration=0, silence_pdfs=None,
        standardisation=Standardisation.from_moments(mean, variance), **defaults | options,
    )  # fmt: skip


def numbers_of(sums):
    gaussians = sums.gaussians
    return np.concatenate([gaussians.moments.ravel(), sums.transitions, [gaussians.log_likelihood]])


@pytest.mark.parametrize("sums", [True, False])
def test_sums_differ_from_exact_ones_by_rounding_alone(world, sums):
    """The oracle adds the numbers of single utterances without any rounding."""
    models, texts, frames = world
    task = task_of(world, sums=sums)
    found = Engine(2).map_reduce(
        task, make_shards(frames, texts), ShardExpectation.merge, in_memory=True
    )
    step, alone = task.expectation(), []
    for place, X in enumerate(frames):
        one = step.no_statistics()
        Z = task.standardisation.applied(X).astype(np.float32)
        if place != 9 and sums:
            step.baum_welch(texts.compiled(place, models), Z, one)
        elif place != 9:
            step.add_aligned(step.align(texts.compiled(place, models), Z), Z, one)
        alone.append(numbers_of(one))
    exact = np.array([math.fsum(column) for column in np.transpose(alone)])
    size = np.array([math.fsum(column) for column in np.abs(np.transpose(alone))])
    assert (np.abs(numbers_of(found.sums) - exact) <= 6 * np.finfo(float).eps * size).all()


def test_moments_of_shards_are_those_of_all_frames(world):
    _, _, frames = world
    mean, variance, n_frames = utterance_moments(frames, engine=3)
    X = np.concatenate(frames).astype(np.longdouble)
    np.testing.assert_allclose(mean, X.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(variance, X.var(axis=0), rtol=1e-14)
    assert n_frames == len(X)
    one, other = [], []
    for engine, digests in ((1, one), (3, other)):
        found = utterance_moments(frames, engine=engine, digests=digests)
        assert found[0].tobytes() == mean.tobytes()
        assert found[1].tobytes() == variance.tobytes()
    assert one == other == [digest(X) for X in frames]
    assert len(set(one)) == len(frames)


@pytest.mark.parametrize(
    "lengths",
    [[], [5], [0, 0, 3, 0], [10] * 1000, [100] * 3000, [700] * 2000, [10**6] * 3, [0] * 9],
)
def test_cuts_cover_all_utterances_in_order(lengths):
    cuts = cut_by_frames(lengths)
    assert [n for cut in cuts for n in cut] == list(range(len(lengths)))
    assert all(len(cut) for cut in cuts)
    if lengths:
        total = sum(lengths)
        size = next(
            size
            for least, size in (
                (6_400_000, 100_000),
                (640_000, total / 64),
                (160_000, 10_000),
                (0, total / 16),
            )
            if total >= least
        )
        assert all(sum(lengths[n] for n in cut) < size + 1 + max(lengths) for cut in cuts)
        assert len(cuts) <= max(64, total // 100_000 + 1)
        assert len(cuts) >= min(16, len(lengths), total) * (max(lengths) < size)


@pytest.mark.slow
def test_what_travels_is_small(world):
    """Tasks bring models, shards what is their own, and results neither frames nor models."""
    _, texts, frames = world
    task, shards = task_of(world), make_shards(frames, texts)
    assert len(shards) > 9
    step = task.expectation()
    task(shards[0])
    again = pickle.loads(pickle.dumps(task))
    assert again.expectation() is step, "the same task, so that models are prepared once"
    assert again(shards[0]).sums.transitions.tobytes() == task(shards[0]).sums.transitions.tobytes()
    assert pickle.loads(pickle.dumps(replace(task, key="another"))).expectation() is not step
    own = sum(len(pickle.dumps(shard)) for shard in shards)
    assert own < 1.5 * sum(X.nbytes for X in frames) + 1000 * len(shards)
    found = task(shards[0])
    numbers = 8 * numbers_of(found.sums).size
    assert len(pickle.dumps(found)) < numbers + 2000
