import numpy as np
import pytest
from sklearn.cluster import KMeans

from speakergmm.engine import Engine
from speakergmm.mixtures.starts import kmeans, lloyd


def inertia(X, centres):
    return ((X[:, None, :] - centres[None]) ** 2).sum(axis=2).min(axis=1).sum()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_assignment_is_to_the_nearest(rng, dtype):
    X = rng.normal(size=(3000, 5)).astype(dtype)
    centres = rng.normal(size=(200, 5))
    squares = ((X[:, None, :] - centres[None]) ** 2).sum(axis=2)
    same, labels = lloyd(X, centres, max_iter=0, engine=Engine(2))
    np.testing.assert_array_equal(same, centres)
    # Where two are equally near within rounding, either will do.
    np.testing.assert_allclose(squares[np.arange(3000), labels], squares.min(axis=1), atol=1e-5)


def test_assignment_at_an_offset(rng):
    X = (rng.normal(size=(500, 3)) + 1e4).astype(np.float32)
    centres = X[:20].astype(np.float64)
    _, labels = lloyd(X, centres, max_iter=0)
    np.testing.assert_array_equal(labels[:20], np.arange(20))


def test_passes_are_lloyd_s(rng):
    # From the seeds on, each pass must be scikit-learn's.
    X = rng.normal(size=(800, 4))
    seeds = kmeans(X, n_clusters=12, rng=np.random.default_rng(3), max_iter=0)
    assert all((seed == X).all(axis=1).any() for seed in seeds)
    peer = KMeans(12, init=seeds, n_init=1, max_iter=300, tol=0, algorithm="lloyd").fit(X)
    found = kmeans(X, n_clusters=12, rng=np.random.default_rng(3), max_iter=300)
    np.testing.assert_allclose(found, peer.cluster_centers_, atol=1e-9)


def test_seeds_find_clusters_that_lie_apart(rng):
    truth = rng.normal(0.0, 1000.0, (30, 3))
    X = np.repeat(truth, 20, axis=0) + rng.normal(size=(600, 3))
    for seed in range(10):
        found = kmeans(X, n_clusters=30, rng=np.random.default_rng(seed), max_iter=0)
        assert len(np.unique(lloyd(truth, found, max_iter=0)[1])) == 30


def test_more_passes_bring_frames_nearer(rng):
    X = rng.normal(size=(2000, 6))
    costs = [
        inertia(X, kmeans(X, n_clusters=25, rng=np.random.default_rng(0), max_iter=n))
        for n in range(8)
    ]
    assert np.all(np.diff(costs) <= 1e-9)
    assert costs[-1] < 0.9 * costs[0]


def test_ten_passes_are_the_default(rng):
    X = rng.normal(size=(2000, 6))

    def centres(**options):
        return kmeans(X, n_clusters=25, rng=np.random.default_rng(0), **options)

    np.testing.assert_array_equal(centres(), centres(max_iter=10))
    assert not np.array_equal(centres(), centres(max_iter=9))
    assert not np.array_equal(centres(), centres(max_iter=11))


def test_same_seed_same_centres(rng):
    X = rng.normal(size=(5000, 6)).astype(np.float32)
    one = kmeans(X, n_clusters=40, rng=np.random.default_rng(7))
    np.testing.assert_array_equal(one, kmeans(X, n_clusters=40, rng=np.random.default_rng(7)))
    threads = kmeans(X, n_clusters=40, rng=np.random.default_rng(7), engine=3)
    np.testing.assert_array_equal(one, threads)


def test_empty_clusters_are_moved_to_far_frames():
    # Three heaps and duplicates of them: whatever the seeds, no heap is without a centre.
    X = np.repeat([[0.0], [1.0], [100.0]], [500, 500, 1], axis=0)
    for seed in range(20):
        found = kmeans(X, n_clusters=3, rng=np.random.default_rng(seed))
        np.testing.assert_allclose(np.sort(found[:, 0]), [0.0, 1.0, 100.0], atol=1e-9)


def test_duplicates_alone_give_finite_centres():
    found = kmeans(np.full((50, 2), 3.25), n_clusters=4, rng=np.random.default_rng(0))
    np.testing.assert_array_equal(found, np.full((4, 2), 3.25))


@pytest.mark.parametrize("weighted", [False, True])
def test_empty_clusters_take_the_frames_that_scikit_learn_s_take(rng, weighted):
    X = rng.normal(size=(60, 2))
    weights = rng.uniform(0.1, 3.0, 60) if weighted else None
    far = np.array([[0.0, 0.0], [50.0, 50.0], [60.0, -50.0], [1.0, 1.0]])
    for passes in (1, 2, 3):
        peer = KMeans(4, init=far, n_init=1, max_iter=passes, tol=0.0).fit(X, sample_weight=weights)
        centres, labels = lloyd(X, far, sample_weight=weights, max_iter=passes)
        np.testing.assert_allclose(centres, peer.cluster_centers_, atol=1e-12)
        np.testing.assert_array_equal(labels, peer.labels_)
