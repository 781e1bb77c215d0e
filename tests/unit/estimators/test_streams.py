"""Frames in memory, on disk, in blocks and on other machines: the same model, bit for bit."""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from oracles.arrays import arrays_of
from sklearn.base import clone

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import BayesianGaussianMixture, GaussianMixture
from speakergmm.mixtures import MixtureStatistics, accumulate, fit_mixture, make_mixture, train_from
from speakergmm.run_context import RunContext

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

KINDS = ["spherical", "diag", "tied", "full"]
N_FRAMES, N_FEATURES = 30_000, 5


def make_frames(dtype=np.float32, *, n_frames=N_FRAMES):
    rng = np.random.default_rng(8)
    means = rng.normal(100.0, 4.0, (6, N_FEATURES))
    X = means[rng.integers(6, size=n_frames)] + rng.normal(0.0, 1.0, (n_frames, N_FEATURES))
    return X.astype(dtype)


def make_start(kind, X, n_components=8):
    covariances = {
        "spherical": np.full(n_components, 4.0),
        "diag": np.full((n_components, N_FEATURES), 4.0),
        "tied": 4.0 * np.eye(N_FEATURES),
        "full": np.tile(4.0 * np.eye(N_FEATURES), (n_components, 1, 1)),
    }[kind]
    weights = np.full(n_components, 1.0 / n_components)
    return make_mixture(kind, weights, X[:n_components], covariances)


class Rereadable:
    """A user's own data set, which is neither a list nor a function."""

    def __init__(self, blocks):
        self._blocks = blocks

    def __iter__(self):
        yield from self._blocks


def sources(X, tmp_path):
    rng = np.random.default_rng()
    np.save(tmp_path / "frames.npy", X)
    mapped = np.load(tmp_path / "frames.npy", mmap_mode="r")
    cuts = np.sort(rng.integers(0, len(X), 12))
    # An empty block and one of a single frame are among them.
    cuts = np.sort(np.concatenate([cuts, [cuts[3], cuts[3] + 1, 0, len(X)]]))
    blocks = np.split(X, cuts)
    yield "memory-mapped", mapped
    yield f"blocks cut at {cuts.tolist()}", blocks
    yield "blocks of a memory map", np.split(mapped, cuts)
    yield "utterances", np.split(X, np.arange(300, len(X), 300))
    yield "a re-iterable object", Rereadable(blocks)
    yield "a callable that gives an iterator", lambda: iter(blocks)
    yield "a callable that gives a list", lambda: blocks
    yield "every second column of a wider array", np.repeat(X, 2, axis=1)[:, ::2]


def assert_identical(a, b, what):
    for name, value in arrays_of(b).items():
        assert arrays_of(a)[name].tobytes() == value.tobytes(), (what, name)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", KINDS)
def test_training_gives_one_model_whatever_the_frames_come_in(tmp_path, kind, dtype, weighted):
    X = make_frames(dtype)
    weights = np.random.default_rng(1).uniform(0.0, 2.0, len(X)) if weighted else None
    options = {"sample_weight": weights, "max_iter": 2, "tol": 0.0}
    expected = train_from(X, make_start(kind, X), **options)
    fortran = ("in the order of Fortran", np.asfortranarray(X))
    for what, source in [*sources(X, tmp_path), fortran]:
        found = train_from(source, make_start(kind, X), **options)
        assert_identical(found.model, expected.model, what)
        assert found.objectives == expected.objectives, what


@pytest.mark.slow
def test_the_trainer_of_background_models_gives_one_model_too(tmp_path):
    X = make_frames()
    options = {"n_components": 6, "max_iter": 2}
    expected = fit_mixture(X, **options)
    for what, source in sources(X, tmp_path):
        assert_identical(fit_mixture(source, **options).model, expected.model, what)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("init", ["kmeans", "k-means++", "random_from_data", "random", "splitting"])
@pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])
def test_estimators_find_one_model_whatever_the_frames_come_in(tmp_path, cls, init, weighted):
    X = make_frames(n_frames=5_000)
    weights = np.random.default_rng(1).uniform(0.0, 2.0, len(X)) if weighted else None
    # Of each kind of source for one kind of covariance: where starts differ most is "tied".
    parameters = {"init_params": init, "covariance_type": "tied", "max_iter": 2, "random_state": 0}
    expected = cls(3, **parameters) if cls is GaussianMixture else cls(n_components=3, **parameters)
    expected.fit(X, sample_weight=weights)
    for what, source in list(sources(X, tmp_path))[::2]:
        found = clone(expected).fit(source, sample_weight=weights)
        assert_identical(found.mixture_, expected.mixture_, what)
        assert found.lower_bounds_ == expected.lower_bounds_, what


@pytest.mark.parametrize("kind", KINDS)
def test_partial_fit_takes_blocks_that_come_in_pieces(tmp_path, kind):
    X = make_frames(n_frames=3_000)
    expected = GaussianMixture(3, covariance_type=kind, random_state=0).partial_fit(X)
    expected.partial_fit(X)
    for what, source in sources(X, tmp_path):
        found = clone(expected).partial_fit(source).partial_fit(source)
        assert_identical(found.mixture_, expected.mixture_, what)


class Changing:
    """A source that yields other blocks from its n-th reading on."""

    def __init__(self, blocks, later, n_good):
        self.blocks, self.later, self.n_good, self.n_read = blocks, later, n_good, 0

    def __call__(self):
        self.n_read += 1
        return iter(self.blocks if self.n_read <= self.n_good else self.later)


@pytest.mark.parametrize("n_good", [0, 1, 2])
def test_a_stream_whose_dimension_changes_midway_names_the_block(n_good):
    X = make_frames(n_frames=600)
    blocks = np.split(X, 6)
    later = [*blocks[:4], blocks[4][:, :3], blocks[5]]
    with pytest.raises(InvalidInputError, match=r"block 4: .* have 5 features, found 3"):
        train_from(Changing(blocks, later, n_good), make_start("diag", X), max_iter=5, tol=0.0)


@pytest.mark.parametrize("n_good", [0, 1, 2])
def test_a_value_that_is_not_finite_names_block_row_and_column(n_good):
    X = make_frames(n_frames=600)
    blocks = np.split(X, 6)
    later = [block.copy() for block in blocks]
    later[2][17, 3] = np.inf
    with pytest.raises(InvalidInputError, match=r"block 2: .* found inf at row 217, column 3"):
        train_from(Changing(blocks, later, n_good), make_start("full", X), max_iter=5, tol=0.0)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("change", ["shrinks", "grows"])
@pytest.mark.parametrize("n_good", [1, 3])
def test_a_stream_that_shrinks_or_grows_between_readings_is_noticed(n_good, change, weighted):
    X = make_frames(n_frames=600)
    blocks = np.split(X, 6)
    later = blocks[:5] if change == "shrinks" else [*blocks, blocks[0]]
    weights = np.ones(600) if weighted else None
    words = "one entry for each frame" if weighted else "found 600 the first time and"
    source = Changing(blocks, later, n_good)
    with pytest.raises(InvalidInputError, match=words) as caught:
        train_from(source, make_start("diag", X), sample_weight=weights, max_iter=5, tol=0.0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["shrinks", "grows"])
@pytest.mark.parametrize("n_good", [2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("cls", [GaussianMixture, BayesianGaussianMixture])
def test_estimators_notice_a_stream_that_changes(cls, n_good, change):
    # The first reading looks at one block; then frames are counted, surveyed, a start is found.
    X = make_frames(n_frames=600)
    later = [X[:500]] if change == "shrinks" else [X, X]
    source = Changing([X], later, n_good)
    with pytest.raises(
        ValueError, match=r"frames must be the same|different frames|found 600"
    ) as e:
        cls(n_components=3, max_iter=9, tol=0.0, init_params="random").fit(source)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("change", ["shrinks", "grows"])
def test_a_stream_that_changes_before_the_start_is_found_is_noticed(change):
    X = make_frames(n_frames=600)
    later = [X[:500]] if change == "shrinks" else [X, X]
    with pytest.raises(InvalidInputError, match="found 600 the first time and"):
        fit_mixture(Changing([X], later, 1), n_components=3)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_memory_does_not_grow_with_the_frames(tmp_path, kind):
    X = make_frames(n_frames=1000)

    def stream(n_blocks):
        return lambda: (X + np.float32(number % 7) for number in range(n_blocks))

    def mapped(n_blocks):
        path = tmp_path / f"{n_blocks}.npy"
        file = np.lib.format.open_memmap(
            path, mode="w+", dtype=np.float32, shape=(n_blocks * 1000, N_FEATURES)
        )
        for number in range(n_blocks):
            file[1000 * number : 1000 * number + 1000] = X + np.float32(number % 7)
        return np.load(path, mmap_mode="r")

    def peak(source):
        tracemalloc.start()
        try:
            train_from(
                source,
                make_start(kind, X),
                max_iter=1,
                tol=0.0,
                run=RunContext(checkpoint=tmp_path / "c"),
            )
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    for source in (stream, mapped):
        small, large = peak(source(150)), peak(source(500))
        # The frames themselves are 7 MB more.
        assert large < 1.1 * small + 1e5
        assert large < 40e6


WORKER = """
import sys
import numpy as np
from speakergmm.mixtures import accumulate
from speakergmm.mixtures import make_mixture
folder, shard = sys.argv[1:]
frames = np.load(f"{folder}/frames{shard}.npy", mmap_mode="r")
weights = np.load(f"{folder}/weights{shard}.npy")
for kind in ("spherical", "diag", "tied", "full"):
    with np.load(f"{folder}/{kind}.npz") as parameters:
        model = make_mixture(kind, *(parameters[name] for name in parameters.files))
    accumulate(model, frames).save(f"{folder}/{kind}{shard}")
    accumulate(model, frames, sample_weight=weights).save(f"{folder}/{kind}{shard}weighted")
"""


@pytest.mark.slow
def test_statistics_of_three_processes_are_those_of_one_pass(tmp_path):
    X = make_frames()
    weights = np.random.default_rng(3).uniform(0.0, 2.0, len(X))
    cuts = [4_000, 21_000]
    models = {kind: make_start(kind, X) for kind in KINDS}
    for kind, model in models.items():
        np.savez(tmp_path / f"{kind}.npz", **arrays_of(model))
    for shard, (frames, part) in enumerate(
        zip(np.split(X, cuts), np.split(weights, cuts), strict=True)
    ):
        np.save(tmp_path / f"frames{shard}.npy", frames)
        np.save(tmp_path / f"weights{shard}.npy", part)
    workers = [
        subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path), str(shard)])
        for shard in range(3)
    ]
    assert [worker.wait() for worker in workers] == [0, 0, 0]
    for kind, model in models.items():
        for suffix, weight in (("", None), ("weighted", weights)):
            parts = [
                MixtureStatistics.load(tmp_path / f"{kind}{shard}{suffix}") for shard in range(3)
            ]
            whole = accumulate(model, X, sample_weight=weight)
            total = parts[0] + parts[1] + parts[2]
            assert total.covariance_type == kind
            # Float32 sums of other groups of frames round otherwise.
            for name, value in arrays_of(whole).items():
                np.testing.assert_allclose(
                    arrays_of(total)[name], value, rtol=2e-6, atol=1e-6, err_msg=(kind, name)
                )
            # Nothing is lost between weighing and adding.
            twice = (parts[0] + parts[1] + parts[2]).scale(2.0)
            again = parts[2].scale(2.0) + (parts[1].scale(2.0) + parts[0].scale(2.0))
            for name, value in arrays_of(twice).items():
                np.testing.assert_allclose(arrays_of(again)[name], value, rtol=1e-14)


def test_a_pass_is_exactly_the_sum_of_its_shards_where_these_are_whole_groups():
    # In float64 only the order of the sums is another.
    X = make_frames(np.float64)
    for kind in KINDS:
        model = make_start(kind, X)
        whole = accumulate(model, X, precision="float64")
        parts = [accumulate(model, part, precision="float64") for part in np.split(X, 3)]
        for name, value in arrays_of(whole).items():
            total = arrays_of(parts[0] + parts[1] + parts[2])[name]
            np.testing.assert_allclose(total, value, rtol=1e-11, atol=1e-9, err_msg=(kind, name))
