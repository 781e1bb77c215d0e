"""What holds for every mixture and all data: symmetries, sums, and that EM never loses."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.arrays import arrays_of

from speakergmm.mixtures import (
    DiagonalMixture,
    MaximumLikelihoodOptions,
    MixtureStatistics,
    accumulate,
    accumulate_blocks,
    adapt,
    update_maximum_likelihood,
)

# The first call loads libraries, and a machine may be busy.
in_its_time = settings(deadline=None, max_examples=60)
NO_EVENTS = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0)


@st.composite
def problems(draw, max_frames=80):
    """A mixture and frames that overlap with it, of any shape and of moderate conditioning."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n_components = draw(st.integers(1, 9))
    n_features = draw(st.integers(1, 7))
    n_frames = draw(st.integers(2, max_frames))
    narrowness = draw(st.sampled_from([0.0, 1.0, 2.0]))
    model = DiagonalMixture(
        rng.dirichlet(np.full(n_components, 3.0)),
        rng.normal(0.0, 2.0, (n_components, n_features)),
        10.0 ** rng.uniform(-narrowness, 0.5, (n_components, n_features)),
    )
    noise = rng.normal(0.0, 2.0, (n_frames, n_features))
    X = np.where(rng.random((n_frames, 1)) < 0.7, model.sample(n_frames, rng), noise)
    return model, X, rng


def assert_close(a, b, *, rtol, atol):
    for name, value in arrays_of(a).items():
        np.testing.assert_allclose(arrays_of(b)[name], value, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.slow
@in_its_time
@given(problems())
def test_the_order_of_components_does_not_matter(problem):
    model, X, rng = problem
    order = rng.permutation(model.n_components)
    permuted = DiagonalMixture(model.weights[order], model.means[order], model.variances[order])
    a, b = accumulate(model, X), accumulate(permuted, X)
    np.testing.assert_allclose(b.counts, a.counts[order], rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(b.first_order, a.first_order[order], rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(b.log_likelihood, a.log_likelihood, rtol=1e-5, atol=1e-3)


@pytest.mark.slow
@in_its_time
@given(problems())
def test_the_order_of_frames_does_not_matter(problem):
    model, X, rng = problem
    a = accumulate(model, X, block_frames=8)
    b = accumulate(model, rng.permutation(X), block_frames=8)
    assert_close(a, b, rtol=1e-5, atol=1e-3)


@pytest.mark.slow
@in_its_time
@given(problems(), st.floats(-1e4, 1e4))
def test_moving_data_and_model_moves_the_new_model(problem, offset):
    model, X, _ = problem
    moved = DiagonalMixture(model.weights, model.means + offset, model.variances)
    options = MaximumLikelihoodOptions(min_occupancy=0.0)
    for precision, tolerance in (("float64", 1e-6), ("float32", 2e-3)):
        a = accumulate(model, X, precision=precision)
        b = accumulate(moved, X + offset, precision=precision)
        alive = a.counts > 0.5
        new, _ = update_maximum_likelihood(a, model, options=options)
        new_moved, _ = update_maximum_likelihood(b, moved, options=options)
        np.testing.assert_allclose(b.counts, a.counts, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(
            (new_moved.means - offset)[alive], new.means[alive], rtol=tolerance, atol=tolerance
        )
        np.testing.assert_allclose(
            b.log_likelihood, a.log_likelihood, rtol=tolerance, atol=tolerance
        )


@pytest.mark.slow
@in_its_time
@given(problems(), st.integers(-30, 30))
def test_a_power_of_two_as_unit_changes_no_bit(problem, exponent):
    model, X, _ = problem
    unit = 2.0**exponent
    scaled = DiagonalMixture(model.weights, model.means * unit, model.variances * unit**2)
    a, b = accumulate(model, X), accumulate(scaled, X * unit)
    np.testing.assert_array_equal(b.counts, a.counts)
    np.testing.assert_array_equal(b.first_order, a.first_order * unit)
    np.testing.assert_allclose(
        b.log_likelihood,
        a.log_likelihood - X.size * np.log(unit),
        rtol=1e-12,
        atol=1e-9 * X.size,
    )


@pytest.mark.slow
@in_its_time
@given(problems(), st.floats(0.01, 100.0))
def test_any_unit_changes_rounding_only(problem, unit):
    model, X, _ = problem
    scaled = DiagonalMixture(model.weights, model.means * unit, model.variances * unit**2)
    a = accumulate(model, X, precision="float64")
    b = accumulate(scaled, X * unit, precision="float64")
    np.testing.assert_allclose(b.counts, a.counts, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(b.second_order, a.second_order * unit**2, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@in_its_time
@given(problems(), st.data())
def test_statistics_of_parts_add_up(problem, data):
    model, X, _ = problem
    cut = data.draw(st.integers(0, len(X)))
    whole = accumulate(model, X, precision="float64")
    parts = [accumulate(model, part, precision="float64") for part in (X[:cut], X[cut:])]
    assert_close(whole, parts[0] + parts[1], rtol=1e-10, atol=1e-9)
    single = [accumulate(model, part) for part in (X[:cut], X[cut:])]
    assert_close(accumulate(model, X), single[0] + single[1], rtol=1e-5, atol=1e-3)


@pytest.mark.slow
@in_its_time
@given(problems(), st.lists(st.integers(0, 80), max_size=6), st.integers(1, 20), st.integers(1, 3))
def test_cuts_and_threads_change_no_bit(problem, cuts, block_frames, engine):
    model, X, _ = problem
    blocks = np.split(X, sorted(min(cut, len(X)) for cut in cuts))
    one = accumulate_blocks(model, X, block_frames=block_frames)
    found = accumulate_blocks(model, blocks, block_frames=block_frames, engine=engine)
    np.testing.assert_equal(arrays_of(found), arrays_of(one))


@pytest.mark.slow
@in_its_time
@given(problems(), st.integers(1, 100))
def test_the_size_of_blocks_changes_rounding_only(problem, block_frames):
    model, X, _ = problem
    a = accumulate(model, X, precision="float64")
    b = accumulate(model, X, precision="float64", block_frames=block_frames)
    assert_close(a, b, rtol=1e-10, atol=1e-9)


@pytest.mark.slow
@in_its_time
@given(problems())
def test_float32_stays_near_float64(problem):
    model, X, _ = problem
    a = accumulate(model, X, precision="float64")
    b = accumulate(model, X)
    np.testing.assert_allclose(b.log_likelihood, a.log_likelihood, rtol=1e-5, atol=1e-2)
    np.testing.assert_allclose(b.counts, a.counts, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(b.counts.sum(), len(X), rtol=1e-6)


@pytest.mark.slow
@in_its_time
@given(problems())
def test_counts_and_moments_add_up_to_the_data(problem):
    model, X, _ = problem
    found = accumulate(model, X)
    np.testing.assert_allclose(found.counts.sum(), len(X), rtol=1e-6)
    np.testing.assert_allclose(found.first_order.sum(axis=0), X.sum(axis=0), rtol=1e-5, atol=1e-3)
    # Float32's error is relative to the spread of the mixture, however near 0 the frames lie.
    mean, variance = model.global_moments()
    error = 1e-6 * len(X) * (variance + mean**2)
    squares = (X.astype(np.float64) ** 2).sum(axis=0)
    assert (abs(found.second_order.sum(axis=0) - squares) <= error + 1e-5 * squares).all()


@pytest.mark.slow
@in_its_time
@given(problems(max_frames=200))
def test_em_never_loses(problem):
    model, X, _ = problem
    # Variances can't collapse on repeated frames, so that nothing is floored.
    X = np.concatenate([X, X + 0.1, X - 0.3])
    previous = -np.inf
    for _ in range(5):
        statistics = accumulate(model, X, precision="float64")
        assert statistics.log_likelihood >= previous - 1e-8 * abs(statistics.log_likelihood)
        previous = statistics.log_likelihood
        model, _ = update_maximum_likelihood(statistics, model, options=NO_EVENTS)
        if model.variances.min() < 1e-6:
            break


@pytest.mark.slow
@in_its_time
@given(problems(), st.floats(0.1, 1000.0))
def test_adaptation_lies_between_background_and_data(problem, relevance_factor):
    model, X, _ = problem
    data = accumulate(model, X, precision="float64")
    adapted, _ = adapt(
        data,
        model,
        relevance_factor=relevance_factor,
        parameters=("means", "weights", "variances"),
    )
    seen = data.counts > 1e-6
    own = data.first_order[seen] / data.counts[seen, None]
    low = np.minimum(own, model.means[seen]) - 1e-9
    high = np.maximum(own, model.means[seen]) + 1e-9
    assert ((adapted.means[seen] >= low) & (adapted.means[seen] <= high)).all()
    np.testing.assert_allclose(adapted.weights.sum(), 1.0, rtol=1e-12)
    assert (adapted.variances > 0).all()


@pytest.mark.slow
@in_its_time
@given(problems(), st.floats(0.5, 50.0))
def test_sessions_added_later_equal_all_at_once(problem, relevance_factor):
    model, X, _ = problem
    half = len(X) // 2
    total = MixtureStatistics.zeros(model.n_components, model.n_features)
    for session in (X[:half], X[half:]):
        total = total + accumulate(model, session, precision="float64")
    at_once = accumulate(model, X, precision="float64")
    a, _ = adapt(total, model, relevance_factor=relevance_factor)
    b, _ = adapt(at_once, model, relevance_factor=relevance_factor)
    np.testing.assert_allclose(a.means, b.means, rtol=1e-9, atol=1e-9)
