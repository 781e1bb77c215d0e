import numpy as np
import pytest
from oracles import mixtures as oracle
from oracles.arrays import arrays_of

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.mixtures import (
    DiagonalMixture,
    MaximumLikelihoodOptions,
    MixtureStatistics,
    UpdateReport,
    accumulate,
    make_mixture,
    split_component,
    update_maximum_likelihood,
)


def test_one_gaussian_is_mean_and_variance(rng):
    X = rng.normal([3.0, -100.0], [2.0, 0.5], (5000, 2))
    start = DiagonalMixture([1.0], [[0.0, 0.0]], [[50.0, 20_000.0]])
    # Float32 rounds moments to a few 1e-7 of the variance of the *old* model, here far too wide.
    for precision, rtol, atol in (("float64", 1e-9, 0.0), ("float32", 2e-5, 1e-2)):
        new, report = update_maximum_likelihood(accumulate(start, X, precision=precision), start)
        np.testing.assert_allclose(new.means[0], X.mean(axis=0), rtol=rtol)
        np.testing.assert_allclose(new.variances[0], X.var(axis=0), rtol=rtol, atol=atol)
        assert new.weights.tolist() == [1.0]
        assert report == UpdateReport()


def test_a_step_is_that_of_the_loops(mixture, frames):
    expected = oracle.em_step(mixture.weights, mixture.means, mixture.variances, frames)
    statistics = accumulate(mixture, frames, precision="float64")
    new, _ = update_maximum_likelihood(statistics, mixture)
    for found, value in zip(arrays_of(new).values(), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-10, atol=1e-12)


def test_variances_are_floored_and_counted():
    # By hand: two components of two frames each. Feature 0: -1, 1 and 9, 11, variance of all 26,
    # of each component 1. Feature 1: 0, 0 and 0, 8, variance of all 12.
    statistics = MixtureStatistics(
        [2.0, 2.0], [[0.0, 0.0], [20.0, 8.0]], [[2.0, 0.0], [202.0, 64.0]], 0.0, 4.0
    )
    model = DiagonalMixture([0.5, 0.5], np.zeros((2, 2)), np.ones((2, 2)))
    options = MaximumLikelihoodOptions(variance_floor=0.1, min_occupancy=0.0)
    new, report = update_maximum_likelihood(statistics, model, options=options)
    np.testing.assert_allclose(new.variances, [[2.6, 1.2], [2.6, 16.0]], rtol=1e-12)
    assert report == UpdateReport(n_floored=3)
    options = MaximumLikelihoodOptions(variance_floor=0.01, min_occupancy=0.0)
    new, report = update_maximum_likelihood(statistics, model, options=options)
    np.testing.assert_allclose(new.variances, [[1.0, 0.12], [1.0, 16.0]], rtol=1e-12)
    assert report == UpdateReport(n_floored=1)


def test_a_constant_feature_is_floored_at_the_number_itself():
    X = np.column_stack([np.arange(10.0), np.full(10, 7.3)])
    model = DiagonalMixture([1.0], [[4.0, 7.0]], [[10.0, 1.0]])
    new, report = update_maximum_likelihood(accumulate(model, X, precision="float64"), model)
    np.testing.assert_allclose(new.means[0], [4.5, 7.3], rtol=1e-12)
    np.testing.assert_allclose(new.variances[0], [8.25, 1e-3], rtol=1e-12)
    assert report.n_floored == 1


def test_float32_statistics_need_to_be_told_what_is_constant():
    X = np.column_stack([np.arange(10.0), np.full(10, 7.3)])
    model = DiagonalMixture([1.0], [[4.0, 7.0]], [[10.0, 1.0]])
    known = np.array([8.25, 0.0])
    for _ in range(5):
        model, report = update_maximum_likelihood(accumulate(model, X), model, data_variance=known)
        np.testing.assert_allclose(model.variances[0], [8.25, 1e-3], rtol=1e-5)
        assert report.n_floored == 1


def test_rounding_alone_is_no_variance():
    # Float64 leaves a variance of 4e-13, a part of 4e-15 of the square.
    statistics = MixtureStatistics([3.0], [[30.0]], [[300.0 * (1 + 4e-15)]], 0.0, 3.0)
    model = DiagonalMixture([1.0], [[0.0]], [[1.0]])
    new, report = update_maximum_likelihood(statistics, model)
    assert (new.variances[0, 0], report.n_floored) == (1e-3, 1)
    # A deviation of 1e-5 of the mean is one.
    statistics = MixtureStatistics([3.0], [[30.0]], [[300.0 * (1 + 1e-10)]], 0.0, 3.0)
    new, report = update_maximum_likelihood(statistics, model)
    np.testing.assert_allclose(new.variances[0, 0], 1e-8, rtol=1e-4)
    assert report.n_floored == 0


@pytest.mark.parametrize("variance", [[1.0], [1.0, -1.0], [1.0, np.nan]])
def test_what_is_no_variance_of_the_data_is_refused(variance):
    model = DiagonalMixture([1.0], [[0.0, 0.0]], [[1.0, 1.0]])
    statistics = MixtureStatistics([1.0], [[0.0, 0.0]], [[1.0, 1.0]], 0.0, 1.0)
    with pytest.raises(InvalidInputError, match="data_variance must be 2 finite"):
        update_maximum_likelihood(statistics, model, data_variance=variance)


def test_a_dead_component_takes_half_of_the_heaviest():
    model = DiagonalMixture([0.4, 0.3, 0.3], [[0.0], [50.0], [10.0]], [[1.0]] * 3)
    statistics = MixtureStatistics(
        [30.0, 0.0, 10.0], [[30.0], [0.0], [100.0]], [[60.0], [0.0], [1010.0]], 0.0, 40.0
    )
    new, report = update_maximum_likelihood(statistics, model)
    assert report.revived == (1,)
    np.testing.assert_allclose(new.weights, [0.375, 0.375, 0.25], rtol=1e-12)
    np.testing.assert_allclose(new.means[[0, 1]].mean(), 1.0, rtol=1e-12)
    assert abs(new.means[0, 0] - new.means[1, 0]) == pytest.approx(0.2)
    np.testing.assert_allclose(new.variances, [[1.0], [1.0], [1.0]], rtol=1e-12)


def test_floors_of_dead_components_are_not_counted():
    model = DiagonalMixture([0.5, 0.5], [[0.0], [50.0]], [[1.0], [1e-9]])
    statistics = MixtureStatistics([30.0, 0.0], [[0.0], [0.0]], [[30.0], [0.0]], 0.0, 30.0)
    new, report = update_maximum_likelihood(statistics, model)
    assert report == UpdateReport(n_floored=0, revived=(1,))
    np.testing.assert_allclose(new.variances, 1.0, rtol=1e-12)


def test_several_dead_components_share_out_the_heavy_ones():
    model = DiagonalMixture(np.full(5, 0.2), np.zeros((5, 2)), np.ones((5, 2)))
    counts = np.array([60.0, 0.5, 40.0, 0.0, 0.0])
    statistics = MixtureStatistics(counts, np.zeros((5, 2)), counts[:, None] * [1.0, 1.0], 0, 100.5)
    new, report = update_maximum_likelihood(statistics, model)
    assert report.revived == (1, 3, 4)
    np.testing.assert_allclose(new.weights.sum(), 1.0, rtol=1e-12)
    assert new.weights.min() > 0.1
    assert len(np.unique(new.means, axis=0)) == 5


def test_revival_can_be_turned_off():
    model = DiagonalMixture([0.5, 0.5], [[0.0], [50.0]], [[1.0], [2.0]])
    statistics = MixtureStatistics([30.0, 0.0], [[30.0], [0.0]], [[60.0], [0.0]], 0.0, 30.0)
    new, report = update_maximum_likelihood(
        statistics, model, options=MaximumLikelihoodOptions(min_occupancy=0.0)
    )
    assert report == UpdateReport()
    # Without data, mean and variance stay what they were; the weight is nought.
    assert new.weights.tolist() == [1.0, 0.0]
    assert (new.means[1, 0], new.variances[1, 0]) == (50.0, 2.0)


def test_what_can_not_be_updated_is_refused(mixture, frames):
    with pytest.raises(InvalidInputError, match="second_order=True"):
        update_maximum_likelihood(accumulate(mixture, frames, second_order=False), mixture)
    with pytest.raises(InvalidInputError, match="do not belong"):
        update_maximum_likelihood(MixtureStatistics.zeros(2, 2), mixture)
    with pytest.raises(InsufficientDataError, match="found none"):
        update_maximum_likelihood(MixtureStatistics.zeros(6, 4), mixture)


@pytest.mark.parametrize(
    "options", [{"variance_floor": -0.1}, {"variance_floor": 1.0}, {"min_occupancy": -1.0}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        MaximumLikelihoodOptions(**options)


def test_splitting_keeps_the_whole(mixture):
    new = split_component(mixture, 2)
    assert new.n_components == 7
    np.testing.assert_allclose(new.weights[[2, 6]], mixture.weights[2] / 2, rtol=1e-15)
    np.testing.assert_allclose(new.global_moments()[0], mixture.global_moments()[0], rtol=1e-12)
    others = [0, 1, 3, 4, 5]
    np.testing.assert_array_equal(new.means[others], mixture.means[others])
    offset = np.abs(new.means[2] - new.means[6]) / np.sqrt(mixture.variances[2])
    np.testing.assert_allclose(offset, 0.2, rtol=1e-12)


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_eigenvalues_are_held_relative_to_the_matrix_itself(kind):
    # One feature twice, in another unit: no variance in one direction of the correlations.
    rng = np.random.default_rng(0)
    x = rng.normal(size=500)
    X = np.column_stack([x, 1e3 * x, rng.normal(size=500)])
    model = make_mixture(
        kind, [1.0], [X.mean(axis=0)], np.eye(3)[None] if kind == "full" else np.eye(3)
    )
    statistics = accumulate(model, X, precision="float64")
    options = MaximumLikelihoodOptions(variance_floor=0.0, least_eigenvalue=1e-4)
    new, report = update_maximum_likelihood(statistics, model, options=options)
    covariance = new.full_covariances()[0]
    exact = np.cov(X.T, bias=True)
    deviations = np.sqrt(np.diag(exact))
    values = np.linalg.eigvalsh(covariance / np.outer(deviations, deviations))
    np.testing.assert_allclose(values[0], 1e-4, rtol=1e-6)
    np.testing.assert_allclose(np.diag(covariance), np.diag(exact), rtol=1e-3)
    assert report.n_floored == 1
    # What is far from singular is left alone, bit by bit.
    wide = X + rng.normal(size=X.shape) * [1.0, 1e3, 1.0]
    statistics = accumulate(model, wide, precision="float64")
    found = [
        update_maximum_likelihood(
            statistics, model, options=MaximumLikelihoodOptions(least_eigenvalue=least)
        )[0]
        for least in (0.0, 1e-4)
    ]
    assert found[0].covariances.tobytes() == found[1].covariances.tobytes()
    with pytest.raises(InvalidInputError, match="least_eigenvalue"):
        MaximumLikelihoodOptions(least_eigenvalue=1.0)
