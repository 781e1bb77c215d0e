import numpy as np
import pytest

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.mixtures import (
    DiagonalMixture,
    grow,
    initialise_kmeans,
    initialise_random,
    initialise_splitting,
)


def heaps(rng):
    X = np.concatenate([rng.normal(c, 0.5, (n, 2)) for c, n in ((-6, 300), (0, 100), (6, 600))])
    return rng.permutation(X)


def test_kmeans_starts_from_the_clusters(rng):
    model = initialise_kmeans(heaps(rng), n_components=3, rng=rng)
    order = np.argsort(model.means[:, 0])
    np.testing.assert_allclose(model.weights[order], [0.3, 0.1, 0.6], rtol=1e-12)
    np.testing.assert_allclose(model.means[order], [[-6, -6], [0, 0], [6, 6]], atol=0.15)
    # 0.25, and a little of the variance of all, as one frame more would bring.
    np.testing.assert_allclose(model.variances[order], 0.25, rtol=1.5)
    assert model.variances.min() > 0.15


def test_ten_passes_of_kmeans_are_the_default(rng):
    X = rng.normal(size=(2000, 6))

    def means(**options):
        found = initialise_kmeans(X, n_components=25, rng=np.random.default_rng(0), **options)
        return found.means

    np.testing.assert_array_equal(means(), means(max_iter=10))
    assert not np.array_equal(means(), means(max_iter=9))


def test_a_cluster_of_one_frame_has_half_the_variance_of_all(rng):
    X = np.concatenate([rng.normal(size=(99, 2)), [[50.0, 50.0]]])
    model = initialise_kmeans(X, n_components=2, rng=rng)
    lonely = model.weights.argmin()
    np.testing.assert_allclose(model.variances[lonely], X.var(axis=0) / 2, rtol=1e-9)


def test_random_starts_at_frames(rng):
    X = heaps(rng)
    model = initialise_random(X, n_components=7, rng=rng)
    assert all((mean == X).all(axis=1).any() for mean in model.means)
    assert len(np.unique(model.means, axis=0)) == 7
    np.testing.assert_allclose(model.variances, np.tile(X.var(axis=0), (7, 1)), rtol=1e-12)
    np.testing.assert_allclose(model.weights, 1 / 7, rtol=1e-12)


def test_splitting_finds_heaps_without_chance(rng):
    X = heaps(rng)
    model = initialise_splitting(X, n_components=4)
    assert model.n_components == 4
    again = initialise_splitting(X, n_components=4, engine=2)
    np.testing.assert_array_equal(model.means, again.means)
    nearest = np.abs(model.means[:, None, 0] - np.array([-6.0, 0.0, 6.0])).min(axis=0)
    assert nearest.max() < 0.5


def test_splitting_of_one_component_is_the_gaussian(rng):
    X = heaps(rng)
    model = initialise_splitting(X, n_components=1)
    np.testing.assert_allclose(model.means[0], X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(model.variances[0], X.var(axis=0), rtol=1e-12)


def test_splitting_floors_a_constant_whatever_its_size(rng):
    X = np.column_stack([rng.normal(size=2000), np.full(2000, 3.3)]).astype(np.float32)
    model = initialise_splitting(X, n_components=4, steps=6)
    np.testing.assert_allclose(model.variances[:, 1], 1e-3, rtol=1e-9)


def test_splitting_takes_a_narrow_feature_for_what_it_is(rng):
    X = np.column_stack([rng.normal(size=2000), 3.3 * (1 + 1e-7 * rng.normal(size=2000))])
    model = initialise_splitting(X, n_components=2, steps=2)
    assert model.variances[:, 1].max() < 2 * X[:, 1].var()


def test_growth_splits_the_heaviest_first():
    model = grow(DiagonalMixture([0.1, 0.9], [[0.0], [9.0]], [[1.0], [1.0]]), 5)
    np.testing.assert_allclose(np.sort(model.weights), [0.1, 0.225, 0.225, 0.225, 0.225])


@pytest.mark.parametrize("start", [initialise_kmeans, initialise_random])
def test_fewer_frames_than_components_are_refused(rng, start):
    with pytest.raises(InsufficientDataError, match=r"5 components need .* found 4"):
        start(np.zeros((4, 2)), n_components=5, rng=rng)
    with pytest.raises(InvalidInputError, match=r"n_components .* >= 1, found 0"):
        start(np.zeros((4, 2)), n_components=0, rng=rng)


def test_as_many_frames_as_components_will_do(rng):
    X = rng.normal(size=(6, 2))
    for model in (
        initialise_kmeans(X, n_components=6, rng=rng),
        initialise_random(X, n_components=6, rng=rng),
        initialise_splitting(X, n_components=6),
    ):
        assert np.isfinite(model.log_likelihood(X)).all()
