import warnings

import numpy as np
import pytest
from oracles.arrays import arrays_of
from sklearn.mixture import GaussianMixture

from speakergmm.errors import InsufficientDataError, InvalidInputError, InvalidTypeError
from speakergmm.estimators import select_n_components
from speakergmm.gaussians import frame_moments
from speakergmm.mixtures import (
    DiagonalMixture,
    EMOptions,
    fit_mixture,
    update_maximum_likelihood,
)
from speakergmm.mixtures.gibbs import sample_dirichlet_process
from speakergmm.mixtures.stepwise import update_stepwise
from speakergmm.mixtures.variational import train_variational
from speakergmm.run_context import RunContext

INITS = ["kmeans", "splitting", "random"]


def assert_same(a, b, **tolerance):
    for name, value in arrays_of(a).items():
        np.testing.assert_allclose(arrays_of(b)[name], value, err_msg=name, **tolerance)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(4)
    truth = DiagonalMixture(
        [0.5, 0.3, 0.2], [[0, 0, 0], [8, 0, 5], [-8, 6, 0]], [[1, 2, 3], [2, 1, 1], [0.5, 1, 4.0]]
    )
    return truth, truth.sample(6000, rng)


@pytest.mark.parametrize("init", INITS)
def test_the_truth_is_found_again(data, init):
    truth, X = data
    result = fit_mixture(X, n_components=3, init=init, max_iter=100, tol=1e-5)
    assert result.convergence == "converged"
    order = [int(np.argmin(((result.model.means - mean) ** 2).sum(axis=1))) for mean in truth.means]
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(result.model.weights[order], truth.weights, atol=0.02)
    np.testing.assert_allclose(result.model.means[order], truth.means, atol=0.2)
    np.testing.assert_allclose(result.model.variances[order], truth.variances, rtol=0.15)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_the_optimum_is_scikit_learn_s(data, offset):
    truth, X = data
    start = DiagonalMixture([0.4, 0.3, 0.3], truth.means + 1 + offset, np.full((3, 3), 4.0))
    result = fit_mixture(
        X + offset, n_components=3, init=start, max_iter=500, tol=1e-9, precision="float64"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = GaussianMixture(
            3,
            covariance_type="diag",
            weights_init=start.weights,
            means_init=start.means - offset,
            precisions_init=1 / start.variances,
            reg_covar=0.0,
            max_iter=500,
            tol=1e-10,
        ).fit(X)
    np.testing.assert_allclose(result.objectives[-1], peer.score(X), rtol=1e-9)
    np.testing.assert_allclose(result.model.means - offset, peer.means_, atol=1e-5)
    np.testing.assert_allclose(result.model.variances, peer.covariances_, rtol=1e-4)
    single = fit_mixture(X + offset, n_components=3, init=start, max_iter=500, tol=1e-7)
    np.testing.assert_allclose(single.objectives[-1], peer.score(X), rtol=1e-6)
    np.testing.assert_allclose(single.model.variances, peer.covariances_, rtol=5e-3)


@pytest.mark.parametrize("init", INITS)
def test_blocks_threads_and_callables_change_no_bit(data, init):
    X = data[1][:3000]
    options = {"n_components": 16, "init": init, "max_iter": 6, "seed": 3}
    whole = fit_mixture(X, **options)
    blocks = np.split(X, [1, 17, 900, 901, 2500])
    for source, engine in ((blocks, 1), (lambda: iter(blocks), 2), (X, 3)):
        found = fit_mixture(source, engine=engine, **options)
        assert_same(whole.model, found.model, rtol=0, atol=0)
        assert found.objectives == whole.objectives
        assert found.convergence == whole.convergence


def test_seeds_decide(data):
    X = data[1]
    one = fit_mixture(X, n_components=8, seed=1, max_iter=3)
    assert_same(one.model, fit_mixture(X, n_components=8, seed=1, max_iter=3).model, rtol=0)
    other = fit_mixture(X, n_components=8, seed=2, max_iter=3)
    assert np.abs(other.model.means - one.model.means).max() > 0.1


@pytest.mark.parametrize("init", INITS)
def test_the_likelihood_grows(rng, init):
    # Narrow and wide features, at offsets, in float32: rounding must not turn EM back.
    X = rng.gamma(2.0, 1.0, (3000, 6)) * [1e-3, 1.0, 1e3, 1.0, 1.0, 1.0] + [0, 1e4, 0, -1e3, 0, 5]
    result = fit_mixture(X, n_components=12, init=init, max_iter=60, tol=0.0)
    assert result.convergence != "decreased"
    objectives = np.array(result.objectives)
    plain = [it.report.n_floored == 0 and not it.report.revived for it in result.history[:-1]]
    gains = np.diff(objectives)[plain]
    assert len(gains) > 10
    assert gains.min() > -1e-6 * np.abs(objectives).max()
    assert objectives[-1] > objectives[0]


def test_objectives_are_in_feature_units(data):
    X = data[1] * 1e3 + 1e4
    result = fit_mixture(X, n_components=3, tol=1e-4, max_iter=100)
    last = result.model.log_likelihood(X, precision="float64").mean()
    # The model that converged is the one whose objective came last.
    np.testing.assert_allclose(result.objectives[-1], last, rtol=1e-6)


def test_float32_frames_are_the_same_data(data):
    X = data[1].astype(np.float32)
    one = fit_mixture(X, n_components=3, max_iter=5)
    two = fit_mixture(X.astype(np.float64), n_components=3, max_iter=5)
    assert_same(one.model, two.model, rtol=1e-3, atol=1e-3)


def test_constant_columns_do_no_harm(data):
    X = np.column_stack([data[1], np.full(6000, 12.5), np.zeros(6000)])
    result = fit_mixture(X, n_components=3, max_iter=20)
    np.testing.assert_allclose(result.model.means[:, 3:], [[12.5, 0.0]] * 3, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(result.model.variances[:, 3:], 1e-3, rtol=1e-6)
    assert np.isfinite(result.model.log_likelihood(X)).all()
    assert all(it.report is None or it.report.n_floored == 6 for it in result.history)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("constant", [0.1, 3.3, 10_000.1, 12_345.678, -1e6 + 0.1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_constant_is_floored_in_every_iteration(rng, init, constant, dtype):
    X = rng.normal(size=(3000, 3)).astype(dtype)
    X[:, 1] = constant
    result = fit_mixture(X, n_components=8, init=init, max_iter=12)
    np.testing.assert_array_equal(result.model.means[:, 1], X[0, 1])
    np.testing.assert_allclose(result.model.variances[:, 1], 1e-3, rtol=1e-12)
    assert all(it.report is None or it.report.n_floored == 8 for it in result.history)
    # The other two features decide alone: the constant adds its density at its own mean.
    shifted = X + np.array([0, 1e-3, 0], dtype)
    shift = shifted[:, 1].astype(np.float64) - X[0, 1]
    marginal = DiagonalMixture(
        result.model.weights, result.model.means[:, [0, 2]], result.model.variances[:, [0, 2]]
    )
    expected = marginal.log_likelihood(X[:, [0, 2]]) - 0.5 * np.log(2 * np.pi * 1e-3)
    for frames, loss in ((X, 0.0), (shifted, shift**2 / 2e-3)):
        found = result.model.log_likelihood(frames)
        np.testing.assert_allclose(found, expected - loss, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("init", INITS)
def test_the_last_digit_of_float64_is_no_variation(rng, init):
    X = rng.normal(size=(3000, 2))
    X[:, 1] = 12_345.678 * (1 + rng.choice([0, 2.0**-52], 3000))
    result = fit_mixture(X, n_components=8, init=init, max_iter=8)
    np.testing.assert_allclose(result.model.variances[:, 1], 1e-3, rtol=1e-9)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize("offset", [3.3, -1e6 + 0.1])
@pytest.mark.parametrize("part", [1e-6, 1e-9, 1e-12])
def test_a_feature_that_hardly_varies_is_no_constant(rng, init, offset, part):
    # Two heaps, so that the mixture has something to find in the narrow feature alone.
    heaps = rng.normal(size=3000) * 0.2 + np.repeat([-1.0, 1.0], 1500)
    X = np.column_stack([rng.normal(size=3000), heaps])
    plain = fit_mixture(X, n_components=2, init=init, max_iter=15)
    # A power of two, so that both trainings see the same numbers but for their last digits.
    width = 2.0 ** np.round(np.log2(abs(offset) * part))
    X[:, 1] = offset + heaps * width
    found = fit_mixture(X, n_components=2, init=init, max_iter=15)
    scale = np.array([1.0, width])
    # At 1e-12 of the offset, float64 itself keeps four digits.
    np.testing.assert_allclose(found.model.variances / scale**2, plain.model.variances, rtol=5e-3)
    means = (found.model.means - [0.0, offset]) / scale
    np.testing.assert_allclose(means, plain.model.means, atol=5e-3)
    assert all(it.report is None or it.report.n_floored == 0 for it in found.history)


@pytest.mark.parametrize("init", INITS)
def test_a_narrow_feature_of_float32_is_no_constant(rng, init):
    X = np.column_stack([rng.normal(size=3000), 1e4 * (1 + 1e-6 * rng.normal(size=3000))])
    X = X.astype(np.float32)
    result = fit_mixture(X, n_components=2, init=init, max_iter=10)
    mean, variance = result.model.global_moments()
    np.testing.assert_allclose(mean, X.mean(axis=0, dtype=np.float64), rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(variance, X.var(axis=0, dtype=np.float64), rtol=1e-4)


@pytest.mark.parametrize("init", INITS)
def test_duplicates_give_a_finite_model(init):
    result = fit_mixture(np.full((100, 2), 3.1), n_components=4, init=init, max_iter=5)
    np.testing.assert_allclose(result.model.means, 3.1, atol=0.2)
    X = np.repeat([[0.0, 0.0], [1.0, 5.0]], 50, axis=0)
    result = fit_mixture(X, n_components=6, init=init, max_iter=10)
    assert np.isfinite(result.model.log_likelihood(X)).all()


def test_outliers_do_no_harm(data):
    X = data[1].copy()
    X[17] = [1e9, -1e9, 1e9]
    result = fit_mixture(X, n_components=4, max_iter=10)
    assert np.isfinite(result.model.log_likelihood(X)).all()


def test_as_many_components_as_frames():
    X = np.random.default_rng(0).normal(size=(8, 3))
    result = fit_mixture(X, n_components=8, max_iter=10)
    assert np.isfinite(result.model.log_likelihood(X)).all()


def test_dead_components_are_revived_and_reported(data):
    X = data[1]
    # One component lies where no frame ever comes.
    start = DiagonalMixture(
        [0.25] * 4, [*data[0].means, [1e3, 1e3, 1e3]], [*data[0].variances, [1.0, 1.0, 1.0]]
    )
    result = fit_mixture(X, n_components=4, init=start, max_iter=20)
    assert result.history[0].report.revived == (3,)
    assert result.model.weights.min() > 0.01
    assert np.abs(result.model.means).max() < 20
    assert result.objectives[-1] > result.objectives[0]


def test_a_subsample_is_drawn_from_long_data(rng):
    # More frames than the start looks at: the end of the stream counts as well.
    X = np.concatenate([rng.normal(-5, 1, (20_000, 1)), rng.normal(5, 1, (5_000, 1))])
    for init in INITS:
        result = fit_mixture(np.array_split(X, 7), n_components=2, init=init, max_iter=30)
        order = np.argsort(result.model.means[:, 0])
        np.testing.assert_allclose(result.model.means[order, 0], [-5, 5], atol=0.1)
        np.testing.assert_allclose(result.model.weights[order], [0.8, 0.2], atol=0.01)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_the_survey_finds_mean_and_variance(rng, offset):
    # Drifting data, so that the means of its parts differ.
    X = rng.normal(size=(30_000, 2)) + np.linspace(0, 10, 30_000)[:, None] + offset
    found = frame_moments(np.split(X, [5, 9_000, 9_001]))
    assert found.n_frames == 30_000
    np.testing.assert_allclose(found.mean, X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.variance, (X - offset).var(axis=0), rtol=1e-9)
    whole = frame_moments(X)
    np.testing.assert_array_equal(whole.mean, found.mean)
    np.testing.assert_array_equal(whole.variance, found.variance)


def test_the_survey_knows_a_constant_from_rounding():
    X = np.full((30_000, 1), 0.1)
    found = frame_moments(X)
    assert (found.mean.tolist(), found.variance.tolist()) == ([0.1], [0.0])
    X[7] += 1e-9
    assert frame_moments(X).variance[0] > 0
    X = np.random.default_rng(0).choice(0.1 * (1 + np.array([0, 2.0**-52])), (30_000, 1))
    assert frame_moments(X).variance.tolist() == [0.0]


def test_callback_and_history(data):
    seen = []
    result = fit_mixture(
        data[1],
        n_components=5,
        max_iter=4,
        tol=0.0,
        run=RunContext(callback=lambda i, it: seen.append(it)),
    )
    assert tuple(seen) == result.history
    assert (len(seen), result.convergence) == (4, "iteration_limit")


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        (np.zeros((4, 2)), InsufficientDataError, "5 components need .* frames, found 4"),
        ([np.zeros((2, 2)), np.zeros((1, 2))], InsufficientDataError, "frames, found 3"),
        ([], InsufficientDataError, "found none"),
        (np.zeros((0, 3)), InsufficientDataError, "found none"),
        (iter([np.zeros((9, 2))]), InvalidInputError, "can be read once"),
        ([np.zeros((9, 2)), np.zeros((9, 3))], InvalidInputError, "2 features, found 3"),
        (np.array([[0.0], [np.nan]] * 9), InvalidInputError, "nan at row 1, column 0"),
        (np.zeros(9), InvalidInputError, r"shape \(9,\)"),
        (np.array([[0.0], [1e200]] * 9), InvalidInputError, "scale the features down"),
        (np.array([["a"]] * 9), InvalidInputError, "real array"),
    ],
)
def test_bad_frames_are_refused(source, error, message):
    with pytest.raises(error, match=message) as caught:
        fit_mixture(source, n_components=5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"n_components": 0},
        {"init": "k-means"},
        {"init": DiagonalMixture([1.0], [[0.0]], [[1.0]])},
        {"max_iter": 0},
        {"tol": -1.0},
        {"variance_floor": 2.0},
        {"min_occupancy": -1.0},
        {"precision": "float16"},
        {"engine": 0},
        {"seed": -1},
    ],
)
def test_options_out_of_range_are_refused(options):
    name = next(iter(options))
    with pytest.raises(InvalidInputError, match=name):
        fit_mixture(np.zeros((20, 2)), **({"n_components": 2} | options))


@pytest.mark.parametrize(
    "call",
    [
        lambda X, run: fit_mixture(X, n_components=2, run=run),
        lambda X, run: sample_dirichlet_process(X, n_sweeps=2, run=run),
        lambda X, run: select_n_components(X, [1], run=run),
    ],
)
def test_what_is_no_run_context_is_refused_before_anything_is_computed(call):
    with pytest.raises(InvalidTypeError, match=r"got str .* RunContext\("):
        call(np.zeros((9, 2)), "fit.checkpoint")


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        (lambda X: update_stepwise(fit_mixture(X, n_components=1).model, X), r"\.begin\("),
        (lambda X: sample_dirichlet_process(X, prior=3), r"NormalInverseWishart\("),
        (lambda X: train_variational(X, 3, prior=3), r"VariationalPosterior\("),
        (lambda X: update_maximum_likelihood(X, X, options=EMOptions()), "where"),
    ],
)
def test_an_argument_of_another_type_is_refused_with_the_right_one(call, wanted):
    with pytest.raises(InvalidTypeError, match=wanted):
        call(np.arange(18.0).reshape(9, 2))
