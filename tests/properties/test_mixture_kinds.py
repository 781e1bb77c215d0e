"""What holds for mixtures of every kind of covariance: symmetries, sums, EM that never loses."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from oracles.arrays import arrays_of
from oracles.mixtures import KINDS, random_parameters

from speakergmm.mixtures import (
    MaximumLikelihoodOptions,
    accumulate,
    accumulate_blocks,
    make_mixture,
    prepare_mixture,
    train_from,
    update_maximum_likelihood,
)

# The first call loads libraries, and a machine may be busy.
in_its_time = settings(deadline=None, max_examples=25)
NO_EVENTS = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0)
PRECISIONS = ("float64", "float32")


@st.composite
def problems(draw, kinds=KINDS, max_frames=60):
    """A mixture of any kind and shape, frames that overlap with it, and a generator."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(kinds))
    n_components, n_features = draw(st.integers(1, 6)), draw(st.integers(1, 5))
    narrow = draw(st.sampled_from([0.0, 1.0, 2.0]))
    model = make_mixture(
        kind, *random_parameters(rng, kind, n_components, n_features, narrow=narrow)
    )
    # Twice as many frames as parameters of a matrix, so that none collapses by itself.
    n_frames = draw(st.integers(12, max_frames))
    noise = rng.normal(0.0, 2.0, (n_frames, n_features))
    X = np.where(rng.random((n_frames, 1)) < 0.7, model.sample(n_frames, rng), noise)
    return model, X, rng


def errors_of(model):
    """Tolerances for float64 and float32: the latter from what the core itself expects."""
    return zip(PRECISIONS, (1e-10, 1e-4 + 4 * prepare_mixture(model).rounding.max()), strict=True)


def scale_of(statistics):
    """Sizes against which rounding of each array of statistics is measured."""
    total = max(statistics.n_frames, 1.0)
    second = np.abs(statistics.second_order).max(initial=0.0)
    return {
        "counts": total,
        "first_order": np.sqrt(total * max(second, 1e-12)),
        "second_order": second,
        "log_likelihood": abs(statistics.log_likelihood) + total,
        "n_frames": total,
    }


def assert_same_statistics(found, expected, *, rounding):
    for name, size in scale_of(expected).items():
        np.testing.assert_allclose(
            arrays_of(found)[name],
            arrays_of(expected)[name],
            rtol=0.0,
            atol=rounding * size,
            err_msg=name,
        )


def rebuilt(model, *, means=None, covariances=None, order=slice(None)):
    per_component = model.covariance_type != "tied"
    covariances = model.covariances if covariances is None else covariances
    return make_mixture(
        model.covariance_type,
        model.weights[order],
        (model.means if means is None else means)[order],
        covariances[order] if per_component else covariances,
    )


@pytest.mark.slow
@in_its_time
@given(problems())
def test_the_order_of_components_does_not_matter(problem):
    model, X, rng = problem
    order = rng.permutation(model.n_components)
    permuted = rebuilt(model, order=order)
    for precision, rounding in errors_of(model):
        a = accumulate(model, X, precision=precision)
        b = accumulate(permuted, X, precision=precision)
        size = scale_of(a)
        np.testing.assert_allclose(b.counts, a.counts[order], atol=rounding * size["counts"])
        np.testing.assert_allclose(
            b.first_order, a.first_order[order], atol=rounding * size["first_order"]
        )
        second = a.second_order if model.covariance_type == "tied" else a.second_order[order]
        np.testing.assert_allclose(b.second_order, second, atol=rounding * size["second_order"])
        np.testing.assert_allclose(
            permuted.log_likelihood(X, precision=precision),
            model.log_likelihood(X, precision=precision),
            rtol=rounding,
            atol=rounding,
        )
        np.testing.assert_allclose(
            permuted.log_density(X, precision=precision),
            model.log_density(X, precision=precision)[:, order],
            rtol=1e-5,
            atol=rounding,
        )


@pytest.mark.slow
@in_its_time
@given(problems(), st.data())
def test_statistics_of_parts_add_up(problem, data):
    model, X, rng = problem
    cut = data.draw(st.integers(0, len(X)))
    weights = rng.gamma(0.5, 1.0, len(X)) if data.draw(st.booleans()) else None
    for precision, rounding in zip(PRECISIONS, (1e-12, 1e-5), strict=True):
        whole = accumulate(model, X, sample_weight=weights, precision=precision)
        parts = [
            accumulate(
                model,
                X[part],
                sample_weight=None if weights is None else weights[part],
                precision=precision,
            )
            for part in (slice(cut), slice(cut, None))
        ]
        assert_same_statistics(parts[0] + parts[1], whole, rounding=rounding)


@pytest.mark.slow
@in_its_time
@given(problems(), st.lists(st.integers(0, 60), max_size=5), st.integers(1, 20), st.integers(1, 3))
def test_cuts_and_threads_change_no_bit(problem, cuts, block_frames, engine):
    model, X, rng = problem
    weights = rng.integers(0, 3, len(X))
    blocks = np.split(X, sorted(min(cut, len(X)) for cut in cuts))
    for sample_weight in (None, weights):
        options = {"sample_weight": sample_weight, "block_frames": block_frames}
        one = accumulate_blocks(model, X, **options)
        found = accumulate_blocks(model, blocks, engine=engine, **options)
        np.testing.assert_equal(arrays_of(found), arrays_of(one))


@pytest.mark.slow
@in_its_time
@given(problems(), st.integers(1, 80))
def test_the_size_of_blocks_changes_rounding_only(problem, block_frames):
    model, X, _ = problem
    for precision, rounding in zip(PRECISIONS, (1e-12, 1e-5), strict=True):
        a = accumulate(model, X, precision=precision)
        b = accumulate(model, X, precision=precision, block_frames=block_frames)
        assert_same_statistics(b, a, rounding=rounding)


def stepped(model, X, **options):
    """A step of EM and its log-likelihood, in float64."""
    statistics = accumulate(model, X, precision="float64", **options)
    # A component with hardly a frame has nothing but rounding.
    assume((statistics.counts > 0.5).all())
    new, _ = update_maximum_likelihood(statistics, model, options=NO_EVENTS)
    smallest = np.linalg.eigvalsh(new.full_covariances()).min()
    assume(smallest > 1e-4)
    return new, statistics.log_likelihood


def assert_same_model(found, expected, *, rtol=1e-7):
    assert type(found) is type(expected)
    for name, value in arrays_of(expected).items():
        size = np.abs(value).max()
        np.testing.assert_allclose(
            arrays_of(found)[name], value, rtol=0, atol=rtol * size, err_msg=name
        )


@in_its_time
@given(problems(), st.floats(-1e4, 1e4))
def test_steps_move_with_the_data(problem, offset):
    model, X, _ = problem
    new, likelihood = stepped(model, X)
    shift = np.full(X.shape[1], offset)
    shift[::2] *= -0.5
    one = np.ones_like(shift)
    moved, moved_likelihood = stepped(model.rescaled(one, shift), X + shift)
    assert_same_model(moved.rescaled(one, -shift), new, rtol=1e-5)
    np.testing.assert_allclose(moved_likelihood, likelihood, rtol=1e-6, atol=1e-6)


@in_its_time
@given(problems(), st.data())
def test_steps_scale_with_the_data(problem, data):
    model, X, _ = problem
    n_features = X.shape[1]
    exponents = st.floats(-6.0, 6.0)
    if model.covariance_type == "spherical":
        scale = np.full(n_features, 10.0 ** data.draw(exponents))
    else:
        scale = 10.0 ** np.array([data.draw(exponents) for _ in range(n_features)])
    new, likelihood = stepped(model, X)
    zero = np.zeros(n_features)
    scaled_model = model.rescaled(scale, zero)
    statistics = accumulate(scaled_model, X * scale, precision="float64")
    scaled, _ = update_maximum_likelihood(statistics, scaled_model, options=NO_EVENTS)
    assert_same_model(scaled.rescaled(1 / scale, zero), new)
    np.testing.assert_allclose(
        statistics.log_likelihood,
        likelihood - len(X) * np.log(scale).sum(),
        rtol=1e-9,
        atol=1e-7,
    )


@pytest.mark.slow
@in_its_time
@given(problems(kinds=("full", "tied", "spherical")))
def test_steps_turn_with_the_data(problem):
    model, X, rng = problem
    n_features = X.shape[1]
    rotation = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0]

    def turned(mixture, matrix):
        covariances = mixture.covariances
        if mixture.covariance_type != "spherical":
            covariances = matrix @ covariances @ matrix.T
        return rebuilt(mixture, means=mixture.means @ matrix.T, covariances=covariances)

    new, likelihood = stepped(model, X)
    found, same = stepped(turned(model, rotation), X @ rotation.T)
    np.testing.assert_allclose(same, likelihood, rtol=1e-9, atol=1e-8)
    assert_same_model(turned(found, rotation.T), new)


@pytest.mark.slow
@in_its_time
@given(problems(kinds=("diag", "spherical", "tied")))
def test_a_full_mixture_of_the_same_matrices_gives_the_same(problem):
    model, X, _ = problem
    full = make_mixture("full", model.weights, model.means, model.full_covariances())
    for precision, rounding in errors_of(full):
        a, b = (accumulate(m, X, precision=precision) for m in (model, full))
        size = scale_of(b)
        np.testing.assert_allclose(b.counts, a.counts, atol=rounding * size["counts"])
        np.testing.assert_allclose(
            b.first_order, a.first_order, atol=rounding * size["first_order"]
        )
        second = {
            "diag": lambda s: np.einsum("kdd->kd", s),
            "spherical": lambda s: np.einsum("kdd->k", s),
            "tied": lambda s: s.sum(axis=0),
        }[model.covariance_type](b.second_order)
        np.testing.assert_allclose(
            second, a.second_order, atol=X.shape[1] * rounding * size["second_order"]
        )


@in_its_time
@given(problems(kinds=("spherical",)))
def test_a_spherical_mixture_is_a_diagonal_one_of_equal_variances(problem):
    model, X, _ = problem
    diagonal = make_mixture("diag", model.weights, model.means, model.component_variances())
    a, b = (accumulate(m, X, precision="float64") for m in (model, diagonal))
    np.testing.assert_allclose(b.counts, a.counts, atol=1e-10 * len(X))
    np.testing.assert_allclose(b.second_order.sum(axis=1), a.second_order, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(b.log_likelihood, a.log_likelihood, rtol=1e-11)


@pytest.mark.slow
@in_its_time
@given(problems(), st.integers(1, 4))
def test_integer_weights_are_duplicates(problem, largest):
    model, X, rng = problem
    weights = rng.integers(0, largest + 1, len(X))
    repeated = np.repeat(X, weights, axis=0)
    for precision, rounding in zip(PRECISIONS, (1e-12, 1e-5), strict=True):
        a = accumulate(model, X, sample_weight=weights, precision=precision)
        b = accumulate(model, repeated, precision=precision)
        assert_same_statistics(a, b, rounding=rounding)
        present = accumulate(
            model, X[weights > 0], sample_weight=weights[weights > 0], precision=precision
        )
        assert_same_statistics(a, present, rounding=rounding)


@pytest.mark.slow
@in_its_time
@given(problems(), st.floats(-200.0, 200.0), st.floats(0.0, 30.0))
def test_a_common_factor_of_the_weights_is_one_of_the_statistics(problem, exponent, spread):
    model, X, rng = problem
    weights = 10.0 ** rng.uniform(-spread, 0.0, len(X))
    factor = 10.0**exponent
    for precision, rounding in zip(PRECISIONS, (1e-12, 1e-6), strict=True):
        a = accumulate(model, X, sample_weight=weights, precision=precision)
        b = accumulate(model, X, sample_weight=weights * factor, precision=precision)
        for name, size in scale_of(a).items():
            np.testing.assert_allclose(
                arrays_of(b)[name] / factor, arrays_of(a)[name], rtol=0, atol=rounding * size
            )


@pytest.mark.slow
@in_its_time
@given(problems(), st.floats(-20.0, 20.0))
def test_training_does_not_know_a_common_factor_of_the_weights(problem, exponent):
    model, X, rng = problem
    weights = rng.gamma(2.0, 1.0, len(X))
    options = MaximumLikelihoodOptions(variance_floor=1e-3, min_occupancy=0.0)
    a, b = (
        train_from(
            X, model, sample_weight=w, max_iter=3, tol=0.0, update=options, precision="float64"
        )
        for w in (weights, weights * 10.0**exponent)
    )
    np.testing.assert_allclose(b.objectives, a.objectives, rtol=1e-8, atol=1e-8)
    assert_same_model(b.model, a.model, rtol=1e-6)


@pytest.mark.slow
@in_its_time
@given(problems(max_frames=120))
def test_em_never_loses(problem):
    model, X, _ = problem
    # Repeated with some noise, so that nothing collapses and nothing is floored.
    X = np.concatenate([X, X + 0.3 * np.sin(17 * X), X - 0.3 * np.cos(13 * X)])
    for precision, rounding in zip(PRECISIONS, (1e-12, 1e-6), strict=True):
        result = train_from(
            X,
            model,
            max_iter=12,
            tol=0.0,
            precision=precision,
            update=MaximumLikelihoodOptions(variance_floor=1e-9, min_occupancy=0.0),
        )
        objectives = np.array(result.objectives)
        plain = np.array([it.report is not None and it.report.is_plain for it in result.history])
        falls = (objectives[:-1] - objectives[1:])[plain[:-1]]
        if precision == "float32":
            # What float32 leaves of a log-density, as the core itself expects it.
            rounding = max(rounding, prepare_mixture(result.model).rounding.max())
        assert falls.max(initial=0.0) <= rounding * max(1.0, np.abs(objectives).max())
        assert result.convergence != "decreased"


@in_its_time
@given(problems())
def test_float32_stays_near_float64(problem):
    model, X, _ = problem
    exact = model.log_likelihood(X, precision="float64")
    rounding = dict(errors_of(model))["float32"]
    np.testing.assert_allclose(model.log_likelihood(X), exact, rtol=5e-6, atol=rounding)
    a, b = (accumulate(model, X, precision=p) for p in PRECISIONS)
    assert_same_statistics(b, a, rounding=rounding)
    np.testing.assert_allclose(b.counts.sum(), len(X), rtol=1e-6)
