"""Every kind of covariance beside SciPy, loops and closed forms; float64 and float32."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest
from oracles import mixtures as oracle
from oracles.arrays import arrays_of
from oracles.mixtures import KINDS
from scipy.special import logsumexp

from speakergmm import records
from speakergmm.errors import CollapsedComponentError, InvalidInputError, ModelFormatError
from speakergmm.gaussians import floor_matrices
from speakergmm.mixtures import (
    MIXTURES,
    DiagonalMixture,
    FullMixture,
    MaximumLikelihoodOptions,
    MixtureStatistics,
    SphericalMixture,
    TiedMixture,
    UpdateReport,
    accumulate,
    make_mixture,
    split_component,
    update_maximum_likelihood,
)

NO_EVENTS = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0)
COVARIANCES = {
    "spherical": [4.0, 1.0],
    "diag": [[1.0, 2.0, 3.0], [1.0, 1.0, 1.0]],
    "tied": np.eye(3) + 0.5,
    "full": [np.eye(3) + 0.5, np.diag([1.0, 2.0, 3.0])],
}


def simple(kind):
    return make_mixture(kind, [0.25, 0.75], [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], COVARIANCES[kind])


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def problem(kind, rng):
    """A model of five components in four features, its matrices, and frames near and off it."""
    weights, means, covariances = oracle.random_parameters(rng, kind, 5, 4, spread=3.0)
    model = make_mixture(kind, weights, means, covariances)
    X = np.concatenate([model.sample(300, rng), rng.normal(0.0, 5.0, (50, 4))])
    return model, oracle.matrices(kind, covariances, 5, 4), X


# Densities


def test_densities_are_those_of_scipy(problem):
    model, covariances, X = problem
    expected = oracle.joint(model.weights, model.means, covariances, X)
    found = model.log_density(X, precision="float64")
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-11)
    single = model.log_density(X)
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, expected, rtol=1e-5, atol=1e-3)
    likelihoods = logsumexp(expected, axis=1)
    np.testing.assert_allclose(
        model.log_likelihood(X, precision="float64"), likelihoods, rtol=1e-12, atol=1e-11
    )
    np.testing.assert_allclose(model.log_likelihood(X), likelihoods, rtol=1e-5, atol=1e-4)
    assert model.log_likelihood(X).dtype == np.float64


def test_posteriors_and_predictions_are_those_of_scipy(problem):
    model, covariances, X = problem
    expected = oracle.joint_posteriors(model.weights, model.means, covariances, X)
    np.testing.assert_allclose(model.posteriors(X, precision="float64"), expected, atol=1e-12)
    np.testing.assert_allclose(model.posteriors(X), expected, atol=1e-4)
    np.testing.assert_array_equal(model.predict(X, precision="float64"), expected.argmax(axis=1))
    indices, densities = model.select_top(X, 2, precision="float64")
    joint = oracle.joint(model.weights, model.means, covariances, X)
    np.testing.assert_array_equal(indices, np.argsort(-joint, axis=1)[:, :2])
    np.testing.assert_allclose(densities, -np.sort(-joint, axis=1)[:, :2], rtol=1e-11, atol=1e-10)


def test_of_equal_components_the_first_is_predicted(kind):
    covariances = {"spherical": [1.0] * 3, "diag": np.ones((3, 2)), "tied": np.eye(2)}
    model = make_mixture(
        kind, [1 / 3] * 3, np.zeros((3, 2)), covariances.get(kind, np.stack([np.eye(2)] * 3))
    )
    assert model.predict(np.ones((4, 2))).tolist() == [0] * 4


@pytest.mark.parametrize("offset", [1e4, 1e6])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_an_offset_costs_nothing(problem, offset, precision):
    model, covariances, X = problem
    moved = (X + offset).astype(np.float32).astype(np.float64)
    expected = logsumexp(
        oracle.joint(model.weights, model.means, covariances, moved - offset), axis=1
    )
    far = make_mixture(
        model.covariance_type, model.weights, model.means + offset, model.covariances
    )
    for frames in (moved, moved.astype(np.float32)):
        found = far.log_likelihood(frames, precision=precision)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-150, 1e-50, 1e-6, 1e6, 1e50, 1e100])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_units_do_not_matter(problem, scale, precision):
    model, _, X = problem
    scaled = make_mixture(
        model.covariance_type, model.weights, model.means * scale, model.covariances * scale**2
    )
    expected = model.log_likelihood(X, precision="float64") - 4 * np.log(scale)
    found = scaled.log_likelihood(X * scale, precision=precision)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(
        scaled.posteriors(X * scale, precision=precision),
        model.posteriors(X, precision="float64"),
        atol=1e-4,
    )


@pytest.mark.parametrize("distance", [1e3, 1e9, 1e15, 1e30, 1e200])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_frames_far_away_have_numbers(problem, distance, precision):
    model, covariances, _ = problem
    X = distance * np.array([[1.0, -1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 1.0], [-1.0, 1.0, 1.0, 1.0]])
    likelihoods = model.log_likelihood(X, precision=precision)
    assert np.isfinite(likelihoods).all()
    posteriors = model.posteriors(X, precision=precision)
    np.testing.assert_allclose(posteriors.sum(axis=1), 1.0, rtol=1e-6)
    if distance <= 1e30:
        expected = logsumexp(oracle.joint(model.weights, model.means, covariances, X), axis=1)
        np.testing.assert_allclose(likelihoods, expected, rtol=1e-4)
    statistics = accumulate(model, X[:1], precision=precision, second_order=False)
    np.testing.assert_allclose(statistics.counts.sum(), 1.0, rtol=1e-6)


def test_no_frames_are_no_densities(kind):
    model, X = simple(kind), np.empty((0, 3))
    for precision in ("float32", "float64"):
        assert model.log_density(X, precision=precision).shape == (0, 2)
        assert model.log_likelihood(X, precision=precision).shape == (0,)
        assert model.posteriors(X, precision=precision).shape == (0, 2)
        assert model.predict(X, precision=precision).shape == (0,)
        statistics = accumulate(model, X, precision=precision)
        assert (statistics.n_frames, statistics.counts.sum()) == (0.0, 0.0)


def test_a_component_without_weight_has_no_part(problem):
    model, covariances, X = problem
    weights = np.append(model.weights[:-1] / model.weights[:-1].sum(), 0.0)
    lame = make_mixture(model.covariance_type, weights, model.means, model.covariances)
    expected = oracle.joint(weights[:-1], model.means[:-1], covariances[:-1], X)
    np.testing.assert_allclose(
        lame.log_likelihood(X, precision="float64"), logsumexp(expected, axis=1), rtol=1e-12
    )
    assert (lame.posteriors(X)[:, -1] == 0).all()
    assert accumulate(lame, X).counts[-1] == 0


# The mixture as a whole


def test_samples_have_the_moments(problem, rng):
    model, covariances, _ = problem
    X = model.sample(200_000, rng)
    mean = model.weights @ model.means
    moved = model.means - mean
    covariance = np.einsum("k,kij->ij", model.weights, covariances)
    covariance += np.einsum("k,ki,kj->ij", model.weights, moved, moved)
    deviation = np.sqrt(np.diag(covariance))
    assert (abs(X.mean(axis=0) - mean) < 5 * deviation / np.sqrt(len(X))).all()
    size = np.outer(deviation, deviation)
    assert (abs(np.cov(X.T) - covariance) < 0.02 * size).all()
    found = model.global_moments()
    np.testing.assert_allclose(found[0], mean, rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found[1], np.diag(covariance), rtol=1e-12)


def test_samples_of_one_component_have_its_covariance(problem, rng):
    model, covariances, _ = problem
    weights = np.zeros(5)
    weights[3] = 1.0
    one = make_mixture(model.covariance_type, weights, model.means, model.covariances)
    X = one.sample(100_000, rng)
    deviation = np.sqrt(np.diag(covariances[3]))
    assert (abs(X.mean(axis=0) - model.means[3]) < 5 * deviation / np.sqrt(len(X))).all()
    assert (abs(np.cov(X.T) - covariances[3]) < 0.03 * np.outer(deviation, deviation)).all()


def test_samples_are_fixed_by_the_state(problem):
    model = problem[0]
    a = model.sample(50, np.random.default_rng(3))
    np.testing.assert_array_equal(a, model.sample(50, np.random.default_rng(3)))
    assert model.sample(0, np.random.default_rng(3)).shape == (0, 4)
    with pytest.raises(InvalidInputError, match="n must be a whole number >= 0, found -1"):
        model.sample(-1, np.random.default_rng(3))


def test_covariances_in_other_shapes(problem):
    model, covariances, _ = problem
    np.testing.assert_allclose(model.full_covariances(), covariances, rtol=1e-15)
    np.testing.assert_allclose(
        model.component_variances(), np.einsum("kdd->kd", covariances), rtol=1e-15
    )
    assert model.covariances.shape == np.shape(getattr(model, model.gaussians.kind.parameter))


def test_rescaling_is_that_of_the_frames(problem):
    model, _, X = problem
    scale = np.array([2.0, -0.5, 1.0, 10.0])
    if model.covariance_type == "spherical":
        with pytest.raises(InvalidInputError, match="one scale for all"):
            model.rescaled(scale, np.zeros(4))
        scale = np.full(4, 3.0)
    shift = np.array([1.0, 0.0, -2.0, 100.0])
    np.testing.assert_allclose(
        model.rescaled(scale, shift).log_likelihood(X * scale + shift, precision="float64"),
        model.log_likelihood(X, precision="float64") - np.log(np.abs(scale)).sum(),
        rtol=1e-11,
        atol=1e-10,
    )


# Statistics


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_statistics_are_those_of_the_loops(problem, rng, precision, weighted):
    model, covariances, X = problem
    weights = rng.gamma(1.0, 1.0, len(X)) if weighted else None
    each = np.ones(len(X)) if weights is None else weights
    posteriors = oracle.joint_posteriors(model.weights, model.means, covariances, X)
    expected = oracle.weighted_moments(model.covariance_type, posteriors, X, each)
    found = accumulate(model, X, sample_weight=weights, precision=precision)
    tolerance = {"rtol": 1e-11, "atol": 1e-9}
    if precision == "float32":
        tolerance = {"rtol": 1e-4, "atol": 1e-2}
    for value, array in zip(
        (found.counts, found.first_order, found.second_order), expected, strict=True
    ):
        np.testing.assert_allclose(value, array, **tolerance)
    likelihoods = logsumexp(oracle.joint(model.weights, model.means, covariances, X), axis=1)
    rtol = 1e-12 if precision == "float64" else 1e-6
    np.testing.assert_allclose(found.log_likelihood, each @ likelihoods, rtol=rtol)
    np.testing.assert_allclose(found.n_frames, each.sum(), rtol=1e-13)
    assert found.covariance_type == model.covariance_type
    without = accumulate(model, X, sample_weight=weights, precision=precision, second_order=False)
    assert without.second_order is None
    np.testing.assert_allclose(without.first_order, found.first_order, rtol=1e-5, atol=1e-4)


def test_far_frames_are_in_the_statistics(problem):
    # In float32 they are exceptions; their share must reach every sum all the same.
    model, _, X = problem
    X = X.copy()
    X[::40] *= 1e6
    weights = np.linspace(0.5, 2.0, len(X))
    for sample_weight in (None, weights):
        exact = accumulate(model, X, sample_weight=sample_weight, precision="float64")
        single = accumulate(model, X, sample_weight=sample_weight)
        for name, value in arrays_of(exact).items():
            size = np.abs(value).max()
            np.testing.assert_allclose(
                arrays_of(single)[name], value, rtol=1e-4, atol=1e-6 * size, err_msg=name
            )


def test_strong_correlations_cost_no_digits(rng):
    mixing = rng.normal(size=(6, 6)) * 10.0 ** np.linspace(-2.5, 1.5, 6)
    X = rng.normal(size=(500, 6)) @ mixing.T
    covariance = mixing @ mixing.T
    for model in (
        TiedMixture([0.5, 0.5], X[:2], covariance),
        FullMixture([0.5, 0.5], X[:2], np.stack([covariance, 2 * covariance])),
    ):
        exact = model.log_likelihood(X, precision="float64")
        np.testing.assert_allclose(model.log_likelihood(X), exact, rtol=1e-5, atol=1e-4)
        white = np.linalg.solve(mixing, (X - X[0]).T).T
        expected = -0.5 * (6 * np.log(2 * np.pi) + (white**2).sum(axis=1)) + np.log(0.5)
        expected -= np.linalg.slogdet(mixing)[1]
        np.testing.assert_allclose(
            model.log_density(X, precision="float64")[:, 0], expected, rtol=1e-7, atol=1e-6
        )
        np.testing.assert_allclose(model.log_density(X)[:, 0], expected, rtol=1e-5, atol=1e-3)


def test_statistics_of_parts_add_up(problem, tmp_path):
    model, _, X = problem
    whole = accumulate(model, X, precision="float64")
    for cut in (0, 1, 137, len(X)):
        parts = [accumulate(model, part, precision="float64") for part in (X[:cut], X[cut:])]
        total = parts[0] + parts[1]
        for name, value in arrays_of(whole).items():
            np.testing.assert_allclose(arrays_of(total)[name], value, rtol=1e-11, atol=1e-9)
    whole.save(tmp_path / "statistics")
    loaded = MixtureStatistics.load(tmp_path / "statistics")
    assert loaded.covariance_type == model.covariance_type
    np.testing.assert_equal(arrays_of(loaded), arrays_of(whole))
    np.testing.assert_equal(arrays_of(pickle.loads(pickle.dumps(whole))), arrays_of(whole))


def test_statistics_move_with_the_frames(problem):
    model, _, X = problem
    scale = np.array([2.0, 0.5, 1.0, 10.0])
    if model.covariance_type == "spherical":
        scale = np.full(4, 3.0)
        with pytest.raises(InvalidInputError, match="one scale"):
            accumulate(model, X).rescaled(np.arange(1.0, 5.0), np.zeros(4))
    shift = np.array([1.0, 0.0, -2.0, 3.0])
    moved = accumulate(model.rescaled(scale, shift), X * scale + shift, precision="float64")
    found = accumulate(model, X, precision="float64").rescaled(scale, shift)
    for name in ("counts", "first_order", "second_order"):
        np.testing.assert_allclose(
            arrays_of(found)[name], arrays_of(moved)[name], rtol=1e-10, atol=1e-7
        )


def test_statistics_of_other_kinds_are_refused(kind):
    model, X = simple(kind), np.zeros((3, 3))
    for other in set(KINDS) - {kind}:
        with pytest.raises(
            InvalidInputError, match=f"'{other}' do not belong to one with '{kind}'"
        ):
            update_maximum_likelihood(accumulate(simple(other), X), model)
        with pytest.raises(InvalidInputError, match="different kinds"):
            accumulate(model, X) + accumulate(simple(other), X)
    with pytest.raises(InvalidInputError, match="second_order=True"):
        update_maximum_likelihood(accumulate(model, X, second_order=False), model)


@pytest.mark.parametrize(
    ("kind", "second_order", "expected"),
    [
        ("spherical", np.zeros((2, 3)), r"\(K,\)"),
        ("diag", np.zeros(2), r"\(K, D\)"),
        ("tied", np.zeros((2, 3)), r"\(D, D\)"),
        ("full", np.zeros((3, 3)), r"\(K, D, D\)"),
    ],
)
def test_statistics_of_wrong_shapes_are_refused(kind, second_order, expected):
    with pytest.raises(InvalidInputError, match=expected):
        MixtureStatistics(np.zeros(2), np.zeros((2, 3)), second_order, 0.0, 0.0, kind)


def test_statistics_of_an_unknown_kind_are_refused():
    with pytest.raises(InvalidInputError, match=r"must be one of .*full, found 'round'"):
        MixtureStatistics([0.0], [[0.0]], None, 0.0, 0.0, "round")


# Updates


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_step_is_that_of_deviations(problem, rng, precision, weighted):
    model, covariances, X = problem
    weights = rng.gamma(1.0, 1.0, len(X)) if weighted else np.ones(len(X))
    posteriors = oracle.joint_posteriors(model.weights, model.means, covariances, X)
    expected = oracle.maximisation(model.covariance_type, posteriors, X, weights)
    statistics = accumulate(
        model, X, sample_weight=weights if weighted else None, precision=precision
    )
    new, report = update_maximum_likelihood(statistics, model, options=NO_EVENTS)
    tolerance = {"rtol": 1e-10, "atol": 1e-10}
    if precision == "float32":
        tolerance = {"rtol": 1e-4, "atol": 1e-4}
    for found, value in zip((new.weights, new.means, new.covariances), expected, strict=True):
        np.testing.assert_allclose(found, value, **tolerance)
    assert type(new) is type(model)
    assert report == UpdateReport()


def test_one_gaussian_has_a_closed_form(kind, rng):
    X = rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)) + [5.0, -2.0, 0.0]
    covariance = np.cov(X.T, bias=True)
    expected = {
        "spherical": [np.trace(covariance) / 3],
        "diag": [np.diag(covariance)],
        "tied": covariance,
        "full": [covariance],
    }[kind]
    start = (
        make_mixture(kind, [1.0], [np.zeros(3)], np.ones_like(expected) + np.zeros(1))
        if kind in ("spherical", "diag")
        else make_mixture(kind, [1.0], [np.zeros(3)], np.eye(3) if kind == "tied" else [np.eye(3)])
    )
    new, report = update_maximum_likelihood(
        accumulate(start, X, precision="float64"), start, options=NO_EVENTS
    )
    np.testing.assert_allclose(new.means[0], X.mean(axis=0), rtol=1e-11)
    np.testing.assert_allclose(new.covariances, expected, rtol=1e-10, atol=1e-11)
    assert new.weights.tolist() == [1.0]
    assert report == UpdateReport()


def test_regularisation_is_added_to_the_diagonal(problem):
    model, _, X = problem
    statistics = accumulate(model, X, precision="float64")
    plain, _ = update_maximum_likelihood(statistics, model, options=NO_EVENTS)
    added = np.array([0.1, 0.2, 0.3, 0.6])
    options = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0, reg_covar=added)
    new, report = update_maximum_likelihood(statistics, model, options=options)
    difference = new.full_covariances() - plain.full_covariances()
    expected = np.eye(4) * 0.3 if model.covariance_type == "spherical" else np.diag(added)
    np.testing.assert_allclose(difference, np.stack([expected] * 5), atol=1e-12)
    # Such a step is not the maximum, and a fall after it says nothing.
    assert not report.is_plain
    assert (report.n_floored, report.revived, report.is_exact) == (0, (), False)


def test_floors_raise_only_what_is_below(kind):
    # Two components; the second is flat in the last feature. Data variance (4, 4, 4).
    scatter = np.stack([np.eye(3), np.diag([1.0, 2.0, 1e-3])])
    means = np.array([[-2.0, -1.0, -1.5], [2.0, 1.0, 1.5]])
    counts = np.array([10.0, 10.0])
    full = scatter + means[:, :, None] * means[:, None, :]
    second = {
        "spherical": 10 * np.einsum("kdd->k", full),
        "diag": 10 * np.einsum("kdd->kd", full),
        "tied": 10 * full.sum(axis=0),
        "full": 10 * full,
    }[kind]
    statistics = MixtureStatistics(counts, counts[:, None] * means, second, 0.0, 20.0, kind)
    start = make_mixture(kind, [0.5, 0.5], means, np.asarray(COVARIANCES[kind]))
    options = MaximumLikelihoodOptions(variance_floor=0.15, min_occupancy=0.0)
    new, report = update_maximum_likelihood(
        statistics, start, options=options, data_variance=np.array([4.0, 4.0, 4.0])
    )
    expected = {
        "spherical": ([1.0, 1.0003333333333333], 0),
        "diag": ([[1.0, 1.0, 1.0], [1.0, 2.0, 0.6]], 1),
        "tied": (np.diag([1.0, 1.5, 0.6]), 1),
        "full": ([np.eye(3), np.diag([1.0, 2.0, 0.6])], 1),
    }[kind]
    np.testing.assert_allclose(new.covariances, expected[0], rtol=1e-9, atol=1e-12)
    assert report == UpdateReport(n_floored=expected[1])
    assert report.is_plain == (expected[1] == 0)


def test_matrices_are_raised_in_the_direction_that_is_below(rng):
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    floor = np.array([4.0, 0.01, 1.0])
    unit = np.sqrt(floor)

    def matrix(*values):
        return (rotation * values) @ rotation.T * np.outer(unit, unit)

    stack = np.stack([matrix(9.0, 2.0, 1.5), matrix(9.0, 0.5, 1e-9), matrix(5.0, -1e-12, 1.0)])
    raised, was_floored = floor_matrices(stack, floor)
    assert was_floored.sum(axis=1).tolist() == [0, 2, 1]
    np.testing.assert_allclose(raised[0], stack[0], rtol=1e-12)
    np.testing.assert_allclose(raised[1], matrix(9.0, 1.0, 1.0), rtol=1e-9)
    np.testing.assert_allclose(raised[2], matrix(5.0, 1.0, 1.0), rtol=1e-9)
    np.testing.assert_array_equal(raised, raised.transpose(0, 2, 1))
    untouched, none = floor_matrices(stack[:1], floor)
    np.testing.assert_allclose(untouched, stack[:1], rtol=1e-15)
    assert not none.any()


@pytest.mark.parametrize("floor", [1e-300, 1e-20, 1e-16, 1e-12])
def test_matrices_are_positive_definite_however_low_the_floor(rng, floor):
    for n_features in (2, 7, 39):
        flat = rng.normal(size=(5, n_features, n_features // 2 + 1))
        raised, was_floored = floor_matrices(
            flat @ flat.transpose(0, 2, 1), np.full(n_features, floor)
        )
        assert was_floored.any(axis=1).sum() >= 4 or n_features == 2
        assert np.linalg.eigvalsh(raised).min() > 0
        FullMixture(np.full(5, 0.2), np.zeros((5, n_features)), raised)


@pytest.mark.parametrize("n_features", [2, 5])
def test_correlations_are_raised_to_their_least_eigenvalue(rng, n_features):
    deviations = 10.0 ** np.linspace(-3, 6, n_features)
    direction = np.ones(n_features) / np.sqrt(n_features)
    flat = np.outer(direction, direction) + 1e-13 * np.eye(n_features)
    well = 0.5 * np.outer(direction, direction) + 0.5 * np.eye(n_features)
    stack = np.stack([flat, well]) * np.outer(deviations, deviations)
    raised, was_floored = floor_matrices(stack, 1e-30 * deviations**2, 1e-10)
    assert was_floored.any(axis=1).tolist() == [True, False]
    unit = np.sqrt(np.outer(raised[0].diagonal(), raised[0].diagonal()))
    np.testing.assert_allclose(np.linalg.eigvalsh(raised[0] / unit)[0], 1e-10, rtol=1e-3)
    np.testing.assert_allclose(raised[1], stack[1], rtol=1e-15)


def test_a_collapsed_component_is_named_by_its_number_whatever_its_origin():
    statistics = MixtureStatistics(
        [10.0, 10.0, 10.0],
        np.zeros((3, 1)),
        [[10.0], [10.0], [0.0]],
        log_likelihood=0.0,
        n_frames=30.0,
        origins=[[0.0], [0.0], [5.0]],
    )
    model = DiagonalMixture([0.25, 0.25, 0.5], [[0.0], [0.0], [5.0]], np.ones((3, 1)))
    options = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0, refuse_collapse=True)
    with pytest.raises(CollapsedComponentError, match="the first of them 2"):
        update_maximum_likelihood(statistics, model, options=options)


def test_a_constant_feature_gives_spheres_no_floor_of_its_own():
    # Features of 1e-6, one of them constant: the floor's own unit would swamp the others.
    X = np.random.default_rng(0).normal(size=(200, 3)) * [1e-6, 1e-6, 0.0]
    model = SphericalMixture([1.0], [[0.0, 0.0, 0.0]], [1e-12])
    statistics = accumulate(model, X, precision="float64")
    for known in (None, X.var(axis=0)):
        new, report = update_maximum_likelihood(statistics, model, data_variance=known)
        np.testing.assert_allclose(new.variances, X.var(axis=0).mean(), rtol=1e-9)
        assert report.n_floored == 0


def test_tiny_units_are_not_taken_for_rounding(kind, rng):
    X = rng.normal(size=(300, 3)) * 1e-20
    tiny = simple(kind).rescaled(np.full(3, 1e-20), np.zeros(3))
    new, report = update_maximum_likelihood(
        accumulate(tiny, X, precision="float64"), tiny, options=NO_EVENTS
    )
    posteriors = oracle.joint_posteriors(
        *(np.array(p) for p in (tiny.weights, tiny.means * 1e20, simple(kind).full_covariances())),
        X * 1e20,
    )
    expected = oracle.maximisation(kind, posteriors, X * 1e20, np.ones(300))
    np.testing.assert_allclose(new.covariances * 1e40, expected[2], rtol=1e-9, atol=1e-9)
    assert report == UpdateReport()


def test_dead_components_take_half_of_the_heaviest(kind, rng):
    mixing = rng.normal(size=(3, 3)) * [1.0, 1e-2, 1e-4]
    covariance = mixing @ mixing.T if kind in ("tied", "full") else np.diag([1.0, 4.0, 9.0])
    covariances = {
        "spherical": [4.0, 1.0, 1.0],
        "diag": [np.diag(covariance)] * 3,
        "tied": covariance,
        "full": [covariance] * 3,
    }[kind]
    model = make_mixture(kind, [0.5, 0.3, 0.2], [[0.0] * 3, [50.0] * 3, [1e6] * 3], covariances)
    X = np.concatenate(
        [
            model.means[0] + model.colour(rng.normal(size=(300, 3)), np.zeros(300, np.intp)),
            model.means[1] + model.colour(rng.normal(size=(100, 3)), np.ones(100, np.intp)),
        ]
    )
    statistics = accumulate(model, X, precision="float64")
    options = MaximumLikelihoodOptions(variance_floor=1e-12)
    new, report = update_maximum_likelihood(statistics, model, options=options)
    assert report.revived == (2,)
    np.testing.assert_allclose(new.weights, [0.375, 0.25, 0.375], rtol=1e-9)
    np.testing.assert_allclose(
        (new.means[0] + new.means[2]) / 2, X[:300].mean(axis=0), rtol=1e-7, atol=1e-9
    )
    # Halves differ by 0.2 deviations in each whitened direction, and no more.
    full = new.full_covariances()
    np.testing.assert_array_equal(full[0], full[2])
    white = np.linalg.solve(np.linalg.cholesky(full[0]), new.means[0] - new.means[2])
    np.testing.assert_allclose(np.abs(white), 0.2, rtol=1e-5)
    # Nothing is dead after one more step.
    again, report = update_maximum_likelihood(
        accumulate(new, X, precision="float64"), new, options=options
    )
    assert report.revived == ()
    assert again.weights.min() > 0.1


def test_revival_takes_from_those_that_are_heaviest_then(kind):
    model = split_component(split_component(simple(kind), 1), 2)
    assert model.n_components == 4
    np.testing.assert_allclose(model.weights, [0.25, 0.375, 0.1875, 0.1875], rtol=1e-15)
    np.testing.assert_allclose(model.weights @ model.means, [2.25, 3.25, 4.25], rtol=1e-12)
    assert len(np.unique(model.means[1:], axis=0)) == 3


def test_halves_share_the_weight_of_what_they_replace(kind):
    covariances = np.array(COVARIANCES[kind])
    if kind != "tied":
        covariances = covariances[[0, 1, 0]]
    model = make_mixture(kind, [0.2, 0.3, 0.5], np.arange(9.0).reshape(3, 3), covariances)
    new = split_component(model, 2, into=0)
    np.testing.assert_allclose(new.weights, [0.35, 0.3, 0.35], rtol=1e-15)
    np.testing.assert_array_equal(new.means[1], model.means[1])
    np.testing.assert_allclose((new.means[0] + new.means[2]) / 2, model.means[2], rtol=1e-15)


def test_a_component_without_data_keeps_what_it_has(kind):
    model = simple(kind)
    X = model.means[0] + np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 1], [0, 0, -1]])
    moved = make_mixture(kind, [1.0, 0.0], model.means, model.covariances)
    new, report = update_maximum_likelihood(
        accumulate(moved, X, precision="float64"), moved, options=NO_EVENTS
    )
    assert report == UpdateReport()
    assert new.weights.tolist() == [1.0, 0.0]
    np.testing.assert_array_equal(new.means[1], model.means[1])
    if kind != "tied":
        np.testing.assert_array_equal(new.covariances[1], model.covariances[1])
    else:
        np.testing.assert_allclose(new.covariance, np.cov(X.T, bias=True), atol=1e-12)


def test_collapse_is_refused_exactly_where_there_is_no_variance(kind, rng):
    refusing = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0, refuse_collapse=True)
    model = simple(kind)
    around = rng.normal(size=(50, 3)) * [1e-4, 1.0, 1.0]
    full_of_life = np.concatenate([around * 0.1, around * 0.1 + 30.0])
    far = make_mixture(kind, model.weights, [[0.0] * 3, [30.0] * 3], model.covariances)
    new, _ = update_maximum_likelihood(
        accumulate(far, full_of_life, precision="float64"), far, options=refusing
    )
    assert np.linalg.eigvalsh(new.full_covariances()).min() > 0
    dead = full_of_life.copy()
    dead[50:] = 30.0
    if kind == "tied":
        # All components share what is left, so it must be flat everywhere.
        dead[:, 1] = np.where(dead[:, 1] > 15, 30.0, 0.0)
    with pytest.raises(
        CollapsedComponentError, match=rf"collapsed at .* the first of them {int(kind != 'tied')}"
    ) as caught:
        update_maximum_likelihood(accumulate(far, dead, precision="float64"), far, options=refusing)
    assert "\n" not in str(caught.value)
    floored, report = update_maximum_likelihood(
        accumulate(far, dead, precision="float64"), far, options=NO_EVENTS
    )
    assert np.linalg.eigvalsh(floored.full_covariances()).min() > 0
    assert report.n_floored == {"spherical": 1, "diag": 3, "tied": 1, "full": 3}[kind]


# Models that stay what they are


def test_models_are_frozen(kind):
    weights = np.array([0.25, 0.75])
    means = np.array([[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]])
    covariances = np.array(COVARIANCES[kind])
    model = make_mixture(kind, weights, means, covariances)
    assert type(model) is MIXTURES[kind]
    before = {name: array.copy() for name, array in arrays_of(model).items()}
    weights[:], means[:], covariances[:] = 9.0, 9.0, 9.0
    np.testing.assert_equal(arrays_of(model), before)
    for array in (model.weights, model.means, model.covariances):
        assert array.dtype == np.float64
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 1.0
    with pytest.raises((FrozenInstanceError, AttributeError)):
        model.weights = weights
    with pytest.raises((FrozenInstanceError, AttributeError, TypeError)):
        model.other = 1


def test_models_come_back_bit_by_bit(kind, rng):
    weights, means, covariances = oracle.random_parameters(rng, kind, 4, 3)
    model = make_mixture(kind, weights, means, covariances)
    copies = [
        pickle.loads(pickle.dumps(model)),
        copy.copy(model),
        copy.deepcopy(model),
        records.of_arrays(type(model), *records.to_arrays(model), kind="", source=""),
        make_mixture(kind, model.weights, model.means, model.covariances),
    ]
    for other in copies:
        assert type(other) is type(model)
        np.testing.assert_equal(arrays_of(other), arrays_of(model))
        assert not other.covariances.flags.writeable


def test_nearly_symmetric_is_made_symmetric():
    covariance = np.array([[2.0, 1.0 + 1e-9], [1.0, 2.0]])
    for model in (
        TiedMixture([1.0], [[0.0, 0.0]], covariance),
        FullMixture([1.0], [[0.0, 0.0]], [covariance]),
    ):
        found = model.full_covariances()[0]
        np.testing.assert_array_equal(found, found.T)
        np.testing.assert_allclose(found, covariance, atol=1e-9)
        assert not model.covariances.flags.writeable


@pytest.mark.parametrize(
    ("kind", "covariances", "message"),
    [
        ("spherical", [1.0, 0.0], "variances must be positive, found 0 at component 1"),
        ("spherical", [[1.0, 1.0]], r"must have 1 axes, found an array of shape \(1, 2\)"),
        ("spherical", [1.0], r"variances \(1,\); expected \(K,\), \(K, D\), \(K,\)"),
        ("spherical", [1.0, np.nan], "variances must be finite"),
        ("diag", [[1.0, 1.0], [1.0, -2.0]], "found -2 at component 1, feature 1"),
        ("diag", [1.0, 1.0], r"variances must have 2 axes"),
        ("diag", np.ones((2, 3)), r"variances \(2, 3\); expected \(K,\), \(K, D\), \(K, D\)"),
        ("tied", np.ones((3, 3)), r"covariance \(3, 3\); expected \(K,\), \(K, D\), \(D, D\)"),
        ("tied", [[1.0, 0.5], [0.4, 1.0]], "must be symmetric, .* component 0"),
        ("tied", [[1.0, 2.0], [2.0, 1.0]], "positive definite, .* eigenvalue of -1 at component 0"),
        ("full", np.ones((2, 2, 3)), r"\(2, 2, 3\); expected \(K,\), \(K, D\), \(K, D, D\)"),
        ("full", np.ones((2, 2)), "covariances must have 3 axes"),
        ("full", [np.eye(2), [[1.0, 2.0], [2.0, 1.0]]], "eigenvalue of -1 at component 1"),
        ("full", [np.eye(2), np.zeros((2, 2))], "eigenvalue of 0 at component 1"),
        ("full", [np.eye(2), [[1.0, 0.1], [0.0, 1.0]]], "symmetric, .* at component 1"),
        ("full", [np.eye(2), np.diag([1.0, np.inf])], "covariances must be finite"),
    ],
)
def test_wrong_covariances_are_refused_in_one_line(kind, covariances, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        make_mixture(kind, [0.5, 0.5], np.zeros((2, 2)), covariances)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("weights", "means", "message"),
    [
        ([0.5, 0.6], np.zeros((2, 3)), "sum of 1.1"),
        ([-0.5, 1.5], np.zeros((2, 3)), "smallest weight of -0.5"),
        ([1.0], np.zeros((2, 3)), r"weights \(1,\), means \(2, 3\)"),
        ([0.5, 0.5], np.zeros(2), "means must have 2 axes"),
        ([0.5, np.nan], np.zeros((2, 3)), "weights must be finite"),
    ],
)
def test_wrong_weights_and_means_are_refused(kind, weights, means, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        make_mixture(kind, weights, means, COVARIANCES[kind])
    assert "\n" not in str(caught.value)


def test_what_is_missing_is_named(kind):
    model = simple(kind)
    arrays, tree = records.to_arrays(model)
    name = model.gaussians.kind.parameter
    del arrays[name]
    with pytest.raises(ModelFormatError, match=f"array '{name}' is missing"):
        records.of_arrays(type(model), arrays, tree, kind="mixture", source="here")


def test_unknown_kinds_are_refused():
    with pytest.raises(InvalidInputError, match="spherical, diag, tied, full, found 'round'"):
        make_mixture("round", [1.0], [[0.0]], [1.0])


def test_frames_of_other_dimensions_are_refused(kind):
    model = simple(kind)
    for call in (model.log_density, model.log_likelihood, model.posteriors, model.predict):
        with pytest.raises(InvalidInputError, match="must have 3 features, found 2"):
            call(np.zeros((4, 2)))
        with pytest.raises(InvalidInputError, match="nan at row 1, column 2"):
            call(np.array([[0.0, 0, 0], [0, 0, np.nan]]))
        with pytest.raises(InvalidInputError, match="one of float32, float64, found 'float16'"):
            call(np.zeros((1, 3)), precision="float16")


# One kind as a case of another


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_kinds_agree_where_they_are_the_same_model(rng, precision):
    tolerance = {"rtol": 1e-11, "atol": 1e-11}
    if precision == "float32":
        tolerance = {"rtol": 1e-5, "atol": 1e-4}
    weights, means = np.array([0.3, 0.7]), rng.normal(size=(2, 3))
    X = rng.normal(0.0, 2.0, (60, 3))
    variances = rng.gamma(2.0, 1.0, (2, 3))
    shared = np.eye(3) + 0.3
    for one, other in (
        (DiagonalMixture(weights, means, variances), "full"),
        (SphericalMixture(weights, means, variances[:, 0]), "diag"),
        (SphericalMixture(weights, means, variances[:, 0]), "full"),
        (TiedMixture(weights, means, shared), "full"),
    ):
        covariances = one.component_variances() if other == "diag" else one.full_covariances()
        same = make_mixture(other, weights, means, covariances)
        np.testing.assert_allclose(
            one.log_density(X, precision=precision),
            same.log_density(X, precision=precision),
            **tolerance,
        )
        a, b = (accumulate(model, X, precision=precision) for model in (one, same))
        np.testing.assert_allclose(a.counts, b.counts, **tolerance)
        np.testing.assert_allclose(a.first_order, b.first_order, **tolerance)
        reduced = {
            "diag": lambda s: np.einsum("kdd->kd", s),
            "spherical": lambda s: np.einsum("kdd->k", s) if s.ndim == 3 else s.sum(axis=1),
            "tied": lambda s: s.sum(axis=0),
        }[one.covariance_type](b.second_order)
        np.testing.assert_allclose(a.second_order, reduced, rtol=1e-5, atol=1e-3)
