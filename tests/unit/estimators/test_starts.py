"""Starts of fits: statistics of labels and random shares, frames that are drawn."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris, load_wine

# The functions under test are internal; one test reduces their number of frames.
from speakergmm.estimators import GaussianMixture, starts
from speakergmm.estimators.input_frames import training_frames
from speakergmm.gaussians import covariance_kind

KINDS = ["full", "tied", "diag", "spherical"]


def prepared_frames(X, sample_weight=None):
    return training_frames(GaussianMixture(), X, sample_weight, n_components=1)


def start(X, method, kind="diag", *, n_components=4, sample_weight=None, seed=0):
    return starts.find_mixture_start(
        prepared_frames(X, sample_weight),
        method,
        n_components=n_components,
        covariance_type=kind,
        random_state=np.random.RandomState(seed),
    )


def naive_moments(X, shares, kind):
    """Compute moments frame by frame, about the mean of the component."""
    counts = shares.sum(axis=0)
    means = np.stack([np.average(X, axis=0, weights=column) for column in shares.T])
    full = np.zeros((len(counts), X.shape[1], X.shape[1]))
    for k, mean in enumerate(means):
        for frame, share in zip(X, shares[:, k], strict=True):
            full[k] += share * np.outer(frame - mean, frame - mean)
    covariances = {
        "full": full / counts[:, None, None],
        "tied": full.sum(axis=0) / counts.sum(),
        "diag": np.einsum("kdd->kd", full) / counts[:, None],
        "spherical": np.einsum("kdd->k", full) / counts / X.shape[1],
    }
    return counts, means, covariances[kind]


def covariances(statistics):
    """Return the covariances of statistics about the means."""
    assert not statistics.first_order.any()
    counts = np.where(statistics.counts > 0, statistics.counts, 1.0)
    divisor = {
        "full": counts[:, None, None],
        "tied": counts.sum(),
        "diag": counts[:, None],
        "spherical": counts * statistics.n_features,
    }
    return statistics.second_order / divisor[statistics.covariance_type]


def assert_statistics(statistics, expected):
    found = covariances(statistics)
    assert_allclose(statistics.counts, expected[0], rtol=1e-12)
    assert_allclose(statistics.origins, expected[1], rtol=1e-12)
    assert_allclose(found, expected[2], rtol=1e-7, atol=1e-9)
    if statistics.covariance_type in ("full", "tied"):
        assert_array_equal(found, np.swapaxes(found, -1, -2))


@pytest.mark.parametrize("offset", [0.0, 1e6])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_statistics_of_labels(kind, weighted, offset):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) + offset
    labels = rng.integers(0, 4, 60)
    weights = rng.uniform(0.5, 2, 60) if weighted else None
    statistics = starts.statistics_of_labels(X, labels, 4, covariance_kind(kind), weights)
    shares = np.eye(4)[labels] * (np.ones(60) if weights is None else weights)[:, None]
    assert_statistics(statistics, naive_moments(X, shares, kind))


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_frames_are_shared_at_random(kind, weighted, monkeypatch):
    monkeypatch.setattr(starts, "_BLOCK_SIZE", 250)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3)) + 1e6
    weights = rng.uniform(0.5, 2, 60) if weighted else None
    statistics = start([X[:25], X[25:]], "random", kind, sample_weight=weights)
    shares = np.random.RandomState(0).uniform(size=(60, 4))
    shares *= ((1 if weights is None else weights) / shares.sum(axis=1))[:, None]
    assert_statistics(statistics, naive_moments(X, shares, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_single_frames_and_empty_clusters_have_no_covariance_at_all(kind):
    X = np.random.default_rng(0).normal(size=(2, 3)) + 1e5
    statistics = starts.statistics_of_labels(X, np.array([0, 2]), 3, covariance_kind(kind))
    assert not statistics.second_order.any()
    assert_array_equal(statistics.counts, [1, 0, 1])
    assert_allclose(statistics.origins, [X[0], X.mean(axis=0), X[1]], rtol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_are_drawn_from_as_one_array(dtype):
    X = np.random.default_rng(0).normal(size=(100, 2)).astype(dtype)
    for most in (16, 200):
        whole, _ = starts.draw_frames(prepared_frames(X), most)
        parts, _ = starts.draw_frames(prepared_frames([X[:3], X[3:40], X[40:]]), most)
        assert_array_equal(whole, parts)
        assert whole.dtype == parts.dtype == dtype


def test_few_frames_are_all_taken_with_their_weights():
    X = np.arange(8.0)[:, None]
    rows, weights = starts.draw_frames(prepared_frames(X), 8)
    assert rows is prepared_frames(X).source
    assert weights is None
    rows, weights = starts.draw_frames(prepared_frames(X, [0, 1, 0, 2, 0, 0, 0.5, 0]), 8)
    assert_array_equal(rows[:, 0], [1, 3, 6])
    assert_array_equal(weights, [1, 2, 0.5])


def test_drawn_frames_stand_at_equal_steps_of_the_weight():
    X = np.arange(1000.0)[:, None]
    rows, weights = starts.draw_frames(prepared_frames(X), 8)
    assert_array_equal(rows[:, 0], [62, 187, 312, 437, 562, 687, 812, 937])
    assert weights is None
    counts = np.random.default_rng(0).integers(0, 5, 1000)
    weighted, _ = starts.draw_frames(prepared_frames(X, counts), 64)
    repeated, _ = starts.draw_frames(prepared_frames(np.repeat(X, counts, axis=0)), 64)
    assert_array_equal(weighted, repeated)
    # Steps that end exactly where one frame does.
    weighted, _ = starts.draw_frames(prepared_frames(X[:256], np.full(256, 2)), 64)
    repeated, _ = starts.draw_frames(prepared_frames(np.repeat(X[:256], 2, axis=0)), 64)
    assert_array_equal(weighted, repeated)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", [method for method in starts.STARTS if method != "random"])
def test_weights_are_duplicates_beyond_the_limit_too(monkeypatch, method, kind):
    monkeypatch.setattr(starts, "START_FRAMES", 64)
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2)) + rng.integers(0, 3, (300, 1)) * 5
    counts = rng.integers(0, 4, 300)
    one = start(X, method, kind, sample_weight=counts)
    other = start(np.repeat(X, counts, axis=0), method, kind)
    assert_allclose(one.counts, other.counts)
    assert_allclose(one.origins, other.origins)
    assert_allclose(covariances(one), covariances(other), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", starts.STARTS)
def test_a_start_beyond_the_limit_finds_the_clusters(monkeypatch, clusters, method):
    monkeypatch.setattr(starts, "START_FRAMES", 128)
    fitted = GaussianMixture(3, init_params=method, random_state=0, n_init=3).fit(
        np.tile(clusters, (3, 1))
    )
    expected = GaussianMixture(3, random_state=0).fit(clusters)
    assert fitted.lower_bound_ > expected.lower_bound_ - 0.01


@pytest.mark.parametrize("kind", KINDS)
def test_random_shares_do_not_depend_on_the_pieces(monkeypatch, clusters, kind):
    whole = start(clusters, "random", kind)
    monkeypatch.setattr(starts, "_BLOCK_SIZE", 28)
    pieces = start(clusters, "random", kind)
    assert_allclose(pieces.counts, whole.counts, rtol=1e-12)
    assert_allclose(pieces.origins, whole.origins, rtol=1e-10)
    assert_allclose(covariances(pieces), covariances(whole), rtol=1e-10, atol=1e-12)
    uniform = np.random.RandomState(0).uniform(size=(len(clusters), 4))
    shares = uniform / uniform.sum(axis=1, keepdims=True)
    assert_allclose(whole.counts, shares.sum(axis=0), rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_random_shares_are_weighed(clusters, kind):
    weights = np.random.default_rng(0).uniform(0, 3, len(clusters))
    moments = start(clusters, "random", kind, sample_weight=weights)
    shares = np.random.RandomState(0).uniform(size=(len(clusters), 4))
    shares *= (weights / shares.sum(axis=1))[:, None]
    expected = naive_moments(clusters, shares, kind)
    assert_allclose(moments.counts, expected[0], rtol=1e-12)
    assert_allclose(moments.origins, expected[1], rtol=1e-10)
    assert_allclose(covariances(moments), expected[2], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("method", ["kmeans", "k-means++", "splitting"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_offset_moves_the_means_and_nothing_else(method, dtype):
    # Whole numbers: float32 holds them at the offset too.
    X = np.random.default_rng(0).integers(-50, 50, (200, 2)).astype(dtype)
    near, far = start(X, method), start(X + dtype(1e6), method)
    assert_array_equal(near.counts, far.counts)
    assert_allclose(far.origins - 1e6, near.origins, atol=1e-6)
    assert_allclose(covariances(far), covariances(near), atol=1e-6)


@pytest.mark.parametrize("method", ["kmeans", "k-means++", "splitting"])
def test_an_offset_of_a_thousand_million_changes_no_start(method):
    # Squares of such numbers have no digits left for the distances between them.
    X = np.random.default_rng(0).integers(-50, 50, (200, 2)).astype(np.float64)
    near, far = start(X, method, n_components=8), start(X + 1e9, method, n_components=8)
    assert_array_equal(near.counts, far.counts)
    assert_allclose(far.origins - 1e9, near.origins, atol=1e-5)


@pytest.mark.parametrize("method", ["k-means++", "random_from_data"])
def test_a_tied_start_from_single_frames_survives_an_offset(clusters, method):
    moments = start(clusters + 1e8, method, "tied")
    assert np.linalg.eigvalsh(covariances(moments)).min() > 1.0


def test_random_frames_are_chosen_by_weight():
    X = np.arange(100.0)[:, None]
    weights = np.where(X[:, 0] < 50, 1e-9, 1.5)
    moments = start(X, "random_from_data", n_components=20, sample_weight=weights)
    assert len(set(moments.origins[:, 0])) == 20
    assert moments.origins.min() >= 50


def test_splitting_takes_no_random_numbers(clusters):
    state = np.random.RandomState(0)
    before = state.get_state()[1].copy()
    starts.find_mixture_start(
        prepared_frames(clusters),
        "splitting",
        n_components=5,
        covariance_type="full",
        random_state=state,
    )
    assert_array_equal(state.get_state()[1], before)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_k_means_stops_where_it_would_with_duplicates(seed):
    # One far frame of small weight: the plain variance, which KMeans measures its tolerance by,
    # is many times the weighted one.
    rng = np.random.default_rng(seed)
    X = np.r_[rng.uniform(-5, 5, size=(200, 2)), [[1000.0, 1000.0]]]
    counts = np.r_[rng.integers(10, 60, 200), 1]
    one = start(X, "kmeans", n_components=8, sample_weight=counts)
    other = start(np.repeat(X, counts, axis=0), "kmeans", n_components=8)
    assert_allclose(one.counts, other.counts)
    assert_allclose(one.origins, other.origins, rtol=1e-12)


def data_sets(n):
    """Yield frames, weights and numbers of clusters: many shapes, scales and offsets, duplicates,
    and grids on which frames are equally close to two centres."""
    yield from ((load().data, None, k) for load in (load_iris, load_wine) for k in (2, 3, 8))
    for seed in range(n):
        rng = np.random.default_rng(seed)
        n_frames, n_features = int(rng.integers(3, 200)), int(rng.integers(1, 7))
        X = rng.normal(size=(n_frames, n_features)) * 10.0 ** rng.integers(-3, 4)
        if seed % 3 == 0:
            X = np.round(X / X.std() * 2)
        if seed % 4 == 0:
            X += 1e4 * X.std()
        weights = (None, rng.uniform(0.1, 3, n_frames), rng.integers(1, 4, n_frames))[seed % 3]
        yield X, weights, int(rng.integers(1, min(n_frames, 12) + 1))


@pytest.mark.slow
def test_clusters_are_those_of_scikit_learn():
    for seed, (X, weights, n_clusters) in enumerate(data_sets(60)):
        ours, theirs = np.random.RandomState(seed), np.random.RandomState(seed)
        tol = 1e-4
        if weights is not None:
            # KMeans measures it by the variance of the frames whatever their weight.
            mean = np.average(X, axis=0, weights=weights)
            tol *= np.average((X - mean) ** 2, axis=0, weights=weights).sum() / X.var(axis=0).sum()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Number of distinct clusters")
            peer = KMeans(n_clusters, n_init=1, tol=tol, random_state=theirs).fit(
                X, sample_weight=weights
            )
        centres, labels = starts.cluster(
            X, None if weights is None else weights.astype(float), n_clusters, ours
        )
        assert_array_equal(labels, peer.labels_, err_msg=f"data set {seed}")
        used = np.unique(labels)
        assert_allclose(centres[used], peer.cluster_centers_[used], atol=1e-9 * np.abs(X).max())
        # And the next start is scikit-learn's, too.
        assert ours.randint(2**31) == theirs.randint(2**31)


def test_clusters_in_float32_are_those_of_scikit_learn():
    for seed in range(20):
        X = np.random.default_rng(seed).normal(size=(150, 3)).astype(np.float32)
        peer = KMeans(5, n_init=1, random_state=seed).fit(X)
        centres, labels = starts.cluster(X, None, 5, np.random.RandomState(seed))
        assert_array_equal(labels, peer.labels_)
        assert_allclose(centres, peer.cluster_centers_, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_start_is_floored_as_the_fit_is(kind):
    # Two equal halves and a far frame: the halves have no variance but reg_covar, next to nothing.
    X = np.repeat([[0.0, 0.0], [1.0, 1.0], [1e6, 1e6]], [20, 20, 1], axis=0)
    parameters = {"covariance_type": kind, "random_state": 0, "max_iter": 0}
    variance = X.var(axis=0)[0]
    # The default floor is lower than that: it must not swamp clusters that lie near each other.
    for floor, expected in ((None, 1e-6), (1e-10, 1e-10 * variance), (1e-4, 1e-4 * variance)):
        fitted = GaussianMixture(3, variance_floor=floor, **parameters).fit(X)
        smallest = np.linalg.eigvalsh(fitted.mixture_.full_covariances()).min()
        assert_allclose(smallest, expected, rtol=1e-4)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["diag", "tied"])
@pytest.mark.parametrize("method", ["kmeans", "k-means++", "splitting"])
@pytest.mark.parametrize("most", [60, 2**16])
def test_restarts_read_a_stream_once_for_their_starts(
    method, kind, most, weighted, clusters, monkeypatch
):
    monkeypatch.setattr(starts, "START_FRAMES", most)
    readings = []

    def stream():
        readings.append(1)
        return iter([clusters[:120], clusters[120:]])

    weights = np.arange(len(clusters)) % 4 if weighted else None

    def fit(n_init, source):
        # Without iterations the last restart's start is the result.
        return GaussianMixture(
            3, covariance_type=kind, init_params=method, n_init=n_init, max_iter=0, random_state=1
        ).fit(source, sample_weight=weights)

    fit(1, stream)
    n_readings = len(readings)
    readings.clear()
    found = fit(5, stream)
    assert len(readings) == n_readings
    assert_array_equal(found.means_, fit(5, clusters).means_)


@pytest.mark.slow
def test_a_start_that_is_asked_for_twice_is_the_same(clusters):
    frames = prepared_frames([clusters[:120], clusters[120:]])
    for kind in KINDS:
        for method in starts.STARTS:
            one, other = (
                starts.find_mixture_start(
                    frames,
                    method,
                    n_components=3,
                    covariance_type=kind,
                    random_state=np.random.RandomState(2),
                )
                for _ in range(2)
            )
            assert_array_equal(one.origins, other.origins)
            assert_array_equal(covariances(one), covariances(other))


@pytest.mark.parametrize("kind", KINDS)
def test_clusters_of_one_frame_have_the_floor_of_all_clusters(kind):
    # Frames that are chosen have no variance to compare with a floor; clusters do.
    X = np.random.default_rng(3).normal(size=(6, 2))
    options = {"covariance_type": kind, "random_state": 0, "max_iter": 0, "variance_floor": 0.25}
    variances = {
        method: GaussianMixture(6, init_params=method, **options).fit(X).mixture_
        for method in ("kmeans", "k-means++")
    }
    floor = 0.25 * X.var(axis=0)
    floor = floor.mean() if kind == "spherical" else floor
    found = variances["kmeans"].component_variances().reshape(-1, 2)
    assert_allclose(found, np.broadcast_to(floor, found.shape), rtol=1e-12)
    if kind != "tied":
        assert variances["k-means++"].component_variances().max() < 1e-5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", ["kmeans", "random", "splitting"])
def test_extreme_weights_of_extreme_frames_begin_as_others_do(kind, method):
    rng = np.random.default_rng(5)
    X = rng.normal(size=(60, 2)) + 5.0 * rng.integers(3, size=(60, 1))
    weights = rng.integers(1, 9, 60) + 0.5

    def begun(scale, unit):
        return GaussianMixture(
            3, covariance_type=kind, init_params=method, random_state=0, max_iter=0, reg_covar=0.0
        ).fit(X * scale, sample_weight=weights * unit)

    plain = begun(1.0, 1.0)
    for scale, unit in ((2.0**20, 2.0**990), (2.0**-30, 2.0**-1000)):
        found = begun(scale, unit)
        assert_allclose(found.weights_, plain.weights_, rtol=1e-12)
        assert_allclose(found.covariances_, plain.covariances_ * scale**2, rtol=1e-9)
