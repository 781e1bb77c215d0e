"""Stepwise EM against batch EM, closed forms and a plain recursion over per-frame statistics."""

import pickle
from dataclasses import replace

import numpy as np
import pytest
from oracles.arrays import arrays_of
from oracles.mixtures import em_step, responsibilities

from speakergmm.errors import InsufficientDataError, InvalidInputError, ModelFormatError
from speakergmm.mixtures import (
    MaximumLikelihoodOptions,
    make_mixture,
    train_from,
    update_maximum_likelihood,
)
from speakergmm.mixtures.stepwise import (
    StepwiseState,
    expected_statistics,
    update_stepwise,
)
from speakergmm.records import of_arrays, to_arrays

KINDS = ["spherical", "diag", "tied", "full"]
PLAIN = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0)
MEANS = np.array([[0.0, 0, 0], [6, 0, 4], [-5, 5, 0]])


def draw(rng, n_frames, *, weights=(0.5, 0.3, 0.2), offset=0.0, scale=1.0):
    components = rng.choice(3, size=n_frames, p=weights)
    noise = rng.normal(0.0, 1.0, (n_frames, 3)) * np.array([1.0, 1.5, 0.7])
    return (MEANS[components] + noise) * scale + offset


def start_of(kind, *, offset=0.0, scale=1.0):
    covariances = {
        "spherical": np.full(3, 4.0),
        "diag": np.full((3, 3), 4.0),
        "tied": 4.0 * np.eye(3),
        "full": np.tile(4.0 * np.eye(3), (3, 1, 1)),
    }[kind]
    means = (MEANS + np.array([1.0, -1.0, 0.5])) * scale + offset
    return make_mixture(kind, np.full(3, 1 / 3), means, covariances * scale**2)


def stream(kind, blocks, **options):
    state = StepwiseState.begin(start_of(kind))
    for block in blocks:
        state = update_stepwise(state, block, **options)
    return state


def assert_close(a, b, **tolerance):
    for name, value in arrays_of(b).items():
        np.testing.assert_allclose(arrays_of(a)[name], value, err_msg=name, **tolerance)


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("kind", KINDS)
def test_whole_passes_with_a_step_of_one_are_batch_em_exactly(rng, kind, precision):
    X = draw(rng, 900, offset=50.0)
    start = start_of(kind, offset=50.0)
    weights = rng.uniform(0.0, 2.0, len(X))
    options = MaximumLikelihoodOptions(reg_covar=1e-3, variance_floor=0.05, min_occupancy=30.0)
    batch = train_from(
        X, start, sample_weight=weights, max_iter=6, tol=0.0, update=options, precision=precision
    )
    state = StepwiseState.begin(start)
    for iteration in batch.history:
        state = update_stepwise(
            state, X, sample_weight=weights, step_size=1.0, update=options, precision=precision
        )
        assert state.log_likelihood == iteration.objective
        assert state.report == iteration.report
    assert_close(state.model, batch.model, rtol=0, atol=0)
    assert (state.n_steps, state.weight) == (6, pytest.approx(6 * weights.sum()))


def test_a_step_of_one_is_the_textbook_s(rng):
    X = draw(rng, 300)
    start = start_of("diag")
    state = update_stepwise(StepwiseState.begin(start), X, update=PLAIN, precision="float64")
    expected = em_step(start.weights, start.means, start.variances, X)
    for found, value in zip(
        (state.model.weights, state.model.means, state.model.variances), expected, strict=True
    ):
        np.testing.assert_allclose(found, value, rtol=1e-10)


@pytest.mark.parametrize("weigh_blocks", [True, False])
def test_steps_follow_the_recursion_of_the_papers(rng, weigh_blocks):
    # The slow and obvious way: per-frame moments, mixed in feature units, for diagonal covariances.
    blocks = [draw(rng, n) for n in (200, 100, 350, 80, 200)]
    weights = [rng.integers(0, 3, len(block)).astype(float) for block in blocks]
    start = start_of("diag")
    model = (start.weights, start.means, start.variances)
    state = StepwiseState.begin(start)
    running, seen = None, []
    for number, (block, weight) in enumerate(zip(blocks, weights, strict=True)):
        shares = responsibilities(*model, block) * weight[:, None]
        moments = [shares.sum(axis=0), shares.T @ block, shares.T @ block**2]
        moments = [m / weight.sum() for m in moments]
        eta = (number + 3.0) ** -0.6 if number else 1.0
        if weigh_blocks and number:
            odds = eta / (1 - eta) * weight.sum() / np.mean(seen)
            eta = odds / (1 + odds)
        seen.append(weight.sum())
        running = (
            moments
            if running is None
            else [(1 - eta) * old + eta * new for old, new in zip(running, moments, strict=True)]
        )
        means = running[1] / running[0][:, None]
        model = (running[0], means, running[2] / running[0][:, None] - means**2)
        state = update_stepwise(
            state,
            block,
            sample_weight=weight,
            step_exponent=0.6,
            step_offset=3.0,
            weigh_blocks=weigh_blocks,
            update=PLAIN,
            precision="float64",
        )
        for found, value in zip(arrays_of(state.model).values(), model, strict=True):
            np.testing.assert_allclose(found, value, rtol=1e-9)
    assert state.weight == sum(weight.sum() for weight in weights)
    assert state.n_steps == 5


@pytest.mark.parametrize("kind", KINDS)
def test_one_gaussian_with_steps_of_one_over_t_is_that_of_all_frames_in_any_order(rng, kind):
    X = draw(rng, 700, offset=-30.0)
    weights = rng.uniform(0.1, 3.0, len(X))
    unit = {"spherical": [1.0], "diag": np.ones((1, 3)), "tied": np.eye(3), "full": np.eye(3)[None]}
    start = make_mixture(kind, [1.0], [[-30.0, -30, -30]], unit[kind])
    mean = np.average(X, axis=0, weights=weights)
    covariance = np.cov(X.T, aweights=weights, ddof=0)
    models = []
    for order in (np.arange(5), np.array([3, 0, 4, 1, 2])):
        state = StepwiseState.begin(start)
        cuts = [50, 300, 310, 600]
        blocks, block_weights = np.split(X, cuts), np.split(weights, cuts)
        for number in order:
            state = update_stepwise(
                state,
                blocks[number],
                sample_weight=block_weights[number],
                step_exponent=1.0,
                step_offset=1.0,
                update=PLAIN,
                precision="float64",
            )
        models.append(state.model)
        np.testing.assert_allclose(state.mean, mean, rtol=1e-12)
        np.testing.assert_allclose(state.variance, np.diag(covariance), rtol=1e-10)
        # All frames are remembered alike, so they are worth their number.
        assert state.statistics.n_frames == pytest.approx(weights.sum(), rel=1e-12)
    assert_close(models[0], models[1], rtol=1e-10)
    np.testing.assert_allclose(models[0].means[0], mean, rtol=1e-12)
    expected = {
        "spherical": np.trace(covariance) / 3 * np.eye(3),
        "diag": np.diag(np.diag(covariance)),
    }.get(kind, covariance)
    np.testing.assert_allclose(models[0].full_covariances()[0], expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_frames_within_a_block_have_no_order_and_weights_are_duplicates(rng, kind):
    blocks = [draw(rng, 150) for _ in range(4)]
    weights = [rng.integers(0, 4, 150) for _ in blocks]
    weighted = plain = shuffled = StepwiseState.begin(start_of(kind))
    for block, weight in zip(blocks, weights, strict=True):
        weighted = update_stepwise(weighted, block, sample_weight=weight, precision="float64")
        copies = np.repeat(block, weight, axis=0)
        plain = update_stepwise(plain, copies, precision="float64")
        shuffled = update_stepwise(shuffled, rng.permutation(copies), precision="float64")
    assert_close(weighted.model, plain.model, rtol=1e-9, atol=1e-12)
    assert_close(shuffled.model, plain.model, rtol=1e-9, atol=1e-12)
    assert weighted.weight == plain.weight == sum(weight.sum() for weight in weights)


@pytest.mark.parametrize("factor", [1e-2, 1e-4, 1e-7])
def test_the_unit_of_weights_kills_no_component(rng, factor):
    # The rarest component has some 6 frames of a block.
    options = MaximumLikelihoodOptions(min_occupancy=0.1)
    plain = light = StepwiseState.begin(start_of("diag"))
    for _ in range(5):
        block = draw(rng, 300, weights=(0.9, 0.08, 0.02))
        plain = update_stepwise(plain, block, update=options)
        light = update_stepwise(light, block, sample_weight=np.full(300, factor), update=options)
        assert light.report.revived == plain.report.revived == ()
    assert_close(light.model, plain.model, rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_the_order_of_blocks_matters_by_what_is_forgotten(rng):
    early, late = draw(rng, 400), draw(rng, 400, weights=(0.1, 0.1, 0.8))

    def weights_after(order, **options):
        return stream("diag", order, update=PLAIN, **options).model.weights

    order = [early] * 10 + [late] * 10
    assert weights_after(order)[2] > weights_after(order[::-1])[2] + 0.1
    # The larger the steps, the nearer to what came last.
    last = [weights_after(order, step_exponent=a)[2] for a in (1.0, 0.7, 0.51)]
    assert last[0] < last[1] < last[2] < 0.8
    assert abs(weights_after(order, step_size=0.5)[2] - 0.8) < 0.03
    # Ten steps of 1/2 leave 2^-10 of the past.
    assert weights_after(order, step_size=0.5)[2] == pytest.approx(
        weights_after([late] * 10, step_size=0.5)[2], abs=2e-3
    )


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_stationary_stream_leads_near_the_batch_solution(rng, kind):
    X, held_out = draw(rng, 12_000), draw(rng, 4_000)
    batch = train_from(X, start_of(kind), max_iter=200, tol=1e-8).model
    one_pass = stream(kind, np.split(X, 60)).model
    start = start_of(kind).log_likelihood(held_out).mean()
    reached = batch.log_likelihood(held_out).mean()
    # One pass over the frames loses less than 0.005 nats per frame on others.
    assert one_pass.log_likelihood(held_out).mean() > reached - 0.005
    assert reached - start > 0.1


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize(("offset", "scale"), [(0.0, 1.0), (1e6, 1.0), (0.0, 1e6), (3.0, 1e-6)])
def test_the_planted_mixture_is_found_at_any_offset_and_scale(rng, offset, scale, precision):
    state = StepwiseState.begin(start_of("diag", offset=offset, scale=scale))
    for _ in range(80):
        state = update_stepwise(
            state, draw(rng, 250, offset=offset, scale=scale), precision=precision
        )
    model = state.model
    np.testing.assert_allclose(model.weights, (0.5, 0.3, 0.2), atol=0.02)
    np.testing.assert_allclose((model.means - offset) / scale, MEANS, atol=0.1)
    deviations = np.sqrt(model.variances) / scale
    np.testing.assert_allclose(deviations, np.tile([1.0, 1.5, 0.7], (3, 1)), rtol=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_that_wanders_off_is_followed_in_float32(rng, kind):
    # 2,000 deviations away, in coordinates of the first block, float32 would know two digits.
    state = StepwiseState.begin(start_of(kind))
    double = state
    for number in range(120):
        block = draw(rng, 200, offset=min(number, 80) * 25.0)
        state = update_stepwise(state, block, step_size=0.3)
        double = update_stepwise(double, block, step_size=0.3, precision="float64")
    assert_close(state.model, double.model, rtol=2e-4, atol=1e-4)
    np.testing.assert_allclose(
        state.model.weights @ state.model.means, block.mean(axis=0), rtol=1e-3
    )
    at_home = state.standardisation
    assert (np.abs(state.mean - at_home.centre) <= 4.0 * at_home.scale).all()


@pytest.mark.parametrize("kind", KINDS)
def test_moments_survive_a_change_of_coordinates(rng, kind):
    # All frames alike, though each block lies elsewhere: moments of all frames are the oracle.
    blocks = [draw(rng, 200) * 10.0**number + 30.0 * number for number in range(5)]
    X = np.concatenate(blocks)
    unit = {"spherical": [1.0], "diag": np.ones((1, 3)), "tied": np.eye(3), "full": np.eye(3)[None]}
    state = StepwiseState.begin(make_mixture(kind, [1.0], np.zeros((1, 3)), unit[kind]))
    seen = set()
    for block in blocks:
        state = update_stepwise(
            state, block, step_exponent=1.0, step_offset=1.0, update=PLAIN, precision="float64"
        )
        seen.add(tuple(state.standardisation.scale))
        assert (np.abs(np.log2(state.standardisation.scale**2 / state.variance)) < 5.0).all() or (
            kind == "spherical"
        )
    assert len(seen) >= 4
    covariance = np.cov(X.T, ddof=0)
    expected = {
        "spherical": np.trace(covariance) / 3 * np.eye(3),
        "diag": np.diag(np.diag(covariance)),
    }.get(kind, covariance)
    np.testing.assert_allclose(state.model.means[0], X.mean(axis=0), rtol=1e-9)
    np.testing.assert_allclose(state.model.full_covariances()[0], expected, rtol=1e-9)


def test_running_statistics_are_worth_as_many_frames_as_their_mean(rng):
    # The variance of a mean is that of a frame times the sum of the frames' squared weights.
    state = StepwiseState.begin(start_of("diag"))
    weights = np.zeros(0)
    for number in range(30):
        state = update_stepwise(state, draw(rng, 100), step_size=0.3, update=PLAIN)
        eta = 0.3 if number else 1.0
        weights = np.concatenate([weights * (1 - eta), np.full(100, eta / 100)])
        assert state.statistics.n_frames == pytest.approx(1.0 / (weights**2).sum(), rel=1e-9)
        assert state.statistics.counts.sum() == pytest.approx(state.statistics.n_frames, rel=1e-6)
    # In the limit (2 - eta) / eta blocks.
    assert state.statistics.n_frames == pytest.approx(100 * 1.7 / 0.3, rel=1e-3)


def test_coordinates_stay_while_the_stream_does(rng):
    state = update_stepwise(StepwiseState.begin(start_of("full")), draw(rng, 300))
    first = state.standardisation
    for _ in range(30):
        state = update_stepwise(state, draw(rng, 300))
    assert state.standardisation is first


def test_a_feature_that_begins_to_vary_later(rng):
    def block(number):
        X = draw(rng, 300)
        X[:, 1] = 7.0 if number < 5 else rng.normal(7.0, 1e-4, 300)
        return X

    start = make_mixture("diag", [1.0], [[0.0, 7.0, 0.0]], [[1.0, 1.0, 1.0]])
    state = StepwiseState.begin(start)
    for number in range(5):
        state = update_stepwise(state, block(number))
        assert state.variance[1] == 0.0
        assert state.mean[1] == 7.0
    for number in range(5, 60):
        state = update_stepwise(state, block(number), step_size=0.2)
    assert np.sqrt(state.model.variances[0, 1]) == pytest.approx(1e-4, rel=0.1)


def test_a_start_that_counts_is_worth_its_frames(rng):
    far = draw(rng, 100, weights=(0.0, 0.0, 1.0))
    start = make_mixture("diag", [0.5, 0.3, 0.2], MEANS, np.tile([1.0, 2.25, 0.49], (3, 1)))
    moved = [
        update_stepwise(
            StepwiseState.begin(start, weight=weight),
            far,
            step_exponent=1.0,
            step_offset=1.0,
            update=PLAIN,
        ).model.weights[2]
        for weight in (0.0, 100.0, 900.0)
    ]
    # Of 100 frames of the start and 100 of the block, 20 and 100 are the third component's, or
    # nearly all: it lies some 7 deviations from the first.
    np.testing.assert_allclose(moved, [1.0, 0.6, 0.28], atol=0.02)


@pytest.mark.parametrize("kind", KINDS)
def test_expected_statistics_are_those_of_the_model(rng, kind):
    model = stream(kind, [draw(rng, 500)], update=PLAIN).model
    statistics = expected_statistics(model, 1000.0)
    again, report = update_maximum_likelihood(statistics, model, options=PLAIN)
    assert_close(again, model, rtol=1e-10, atol=1e-12)
    assert report.is_plain
    assert statistics.n_frames == 1000.0
    mean, _ = model.global_moments()
    np.testing.assert_allclose(statistics.first_order.sum(axis=0), 1000.0 * mean, rtol=1e-12)
    regularised = MaximumLikelihoodOptions(
        variance_floor=0.0, min_occupancy=0.0, reg_covar=np.array([0.1, 0.3, 0.2])
    )
    if kind == "spherical":
        regularised = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0, reg_covar=0.2)
    statistics = expected_statistics(model, 1000.0, reg_covar=regularised.reg_covar)
    assert_close(
        update_maximum_likelihood(statistics, model, options=regularised)[0],
        model,
        rtol=1e-10,
        atol=1e-12,
    )


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e4])
@pytest.mark.parametrize("kind", KINDS)
def test_a_start_that_counts_is_not_regularised_twice(rng, kind, scale):
    X = draw(rng, 500, scale=scale)
    options = MaximumLikelihoodOptions(
        variance_floor=0.0, min_occupancy=0.0, reg_covar=2.0 * scale**2
    )
    found = train_from(
        X,
        start_of(kind, scale=scale),
        max_iter=3000,
        tol=1e-13,
        update=options,
        precision="float64",
    )
    state = StepwiseState.begin(found.model, weight=500.0, reg_covar=options.reg_covar)
    model = update_stepwise(state, X, update=options, precision="float64").model
    assert_close(model, found.model, rtol=1e-4, atol=1e-4 * min(scale, scale**2))


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_revival_the_statistics_are_those_of_the_mixture(rng, kind):
    options = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=40.0, reg_covar=2.0)
    block = draw(rng, 300, weights=(0.9, 0.08, 0.02))
    state = update_stepwise(StepwiseState.begin(start_of(kind)), block, update=options)
    assert state.report.revived
    plain = replace(PLAIN, reg_covar=2.0 / state.standardisation.scale**2)
    again, _ = update_maximum_likelihood(state.statistics, state.standard, options=plain)
    assert_close(again, state.standard, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stored_state_goes_on_bit_by_bit(rng, kind):
    blocks = [draw(rng, 200, offset=30.0 * number) for number in range(8)]
    for state in (
        StepwiseState.begin(start_of(kind), weight=50.0),
        stream(kind, blocks[:4]),
    ):
        again = of_arrays(StepwiseState, *to_arrays(state), kind="k", source="here")
        assert (again.n_steps, again.weight) == (state.n_steps, state.weight)
        assert again.log_likelihood == state.log_likelihood
        for block in blocks[4:]:
            state, again = update_stepwise(state, block), update_stepwise(again, block)
            assert_close(again.model, state.model, rtol=0, atol=0)
            assert again.log_likelihood == state.log_likelihood


@pytest.mark.parametrize(
    "lost", ["standardisation.scale", "variance", "standard.means", "statistics.counts"]
)
def test_a_stored_state_with_a_part_missing_is_refused(rng, lost):
    arrays, tree = to_arrays(stream("diag", [draw(rng, 100)]))
    del arrays[lost]
    with pytest.raises(ModelFormatError, match=f"here: damaged k .*{lost}' is missing"):
        of_arrays(StepwiseState, arrays, tree, kind="k", source="here")


@pytest.mark.parametrize("kind", KINDS)
def test_a_dead_component_is_revived_and_lives_on(rng, kind):
    covariances = start_of(kind).covariances
    means = np.array([[0.0, 0, 0], [6, 0, 4], [500.0, 500, 500]])
    state = StepwiseState.begin(make_mixture(kind, np.full(3, 1 / 3), means, covariances))
    state = update_stepwise(state, draw(rng, 500))
    assert state.report.revived == (2,)
    assert state.statistics.counts[2] > 50
    first = state.model
    for _ in range(40):
        state = update_stepwise(state, draw(rng, 500))
        assert state.report.revived == ()
    X = draw(rng, 4000)
    assert state.model.weights.min() > 0.15
    assert state.model.log_likelihood(X).mean() > first.log_likelihood(X).mean() + 0.1


def test_a_revived_component_is_not_revived_again_because_of_the_past(rng):
    # Its share of the past is that of the half it was given, not nothing.
    means = np.array([[0.0, 0, 0], [6, 0, 4], [-5, 5, 0], [900.0, 900, 900]])
    state = StepwiseState.begin(make_mixture("diag", np.full(4, 0.25), means, np.full((4, 3), 4.0)))
    for number in range(5):
        state = update_stepwise(state, draw(rng, 400), step_size=0.01 if number else None)
        assert state.report.revived == ((3,) if number == 0 else ())
        assert state.model.weights[3] > 0.2


def test_a_bad_block_is_refused_and_changes_nothing(rng):
    state = stream("diag", [draw(rng, 200)])
    before = pickle.dumps(state)
    bad = draw(rng, 50)
    bad[30, 2] = np.nan
    for block, options, error, words in [
        (bad, {}, InvalidInputError, "found nan at row 30, column 2"),
        (draw(rng, 5)[:, :2], {}, InvalidInputError, "must have 3 features, found 2"),
        (np.zeros((0, 3)), {}, InsufficientDataError, "found none"),
        (draw(rng, 4), {"sample_weight": np.zeros(4)}, InsufficientDataError, "weights of 0"),
        (draw(rng, 4), {"sample_weight": np.ones(5)}, InvalidInputError, "found 5 for 4 frames"),
        (iter([draw(rng, 4)]), {}, InvalidInputError, "can be read once"),
        (draw(rng, 4), {"step_exponent": 0.5}, InvalidInputError, r"step_exponent .* found 0\.5"),
        (draw(rng, 4), {"step_exponent": 1.01}, InvalidInputError, "step_exponent"),
        (draw(rng, 4), {"step_offset": -1.0}, InvalidInputError, "step_offset"),
        (draw(rng, 4), {"step_size": 0.0}, InvalidInputError, "step_size"),
        (draw(rng, 4), {"step_size": 1.5}, InvalidInputError, "step_size"),
        (draw(rng, 4), {"precision": "float16"}, InvalidInputError, "precision"),
    ]:
        with pytest.raises(error, match=words) as caught:
            update_stepwise(state, block, **options)
        assert "\n" not in str(caught.value)
        assert pickle.dumps(state) == before
    with pytest.raises(InvalidInputError, match="weight must be finite"):
        StepwiseState.begin(start_of("diag"), weight=-1.0)


def test_a_state_goes_on_after_pickling_as_if_it_had_not_been(rng):
    blocks = [draw(rng, 100) for _ in range(6)]
    state = stream("full", blocks[:3])
    revived = pickle.loads(pickle.dumps(state))
    for block in blocks[3:]:
        state, revived = update_stepwise(state, block), update_stepwise(revived, block)
    assert_close(state.model, revived.model, rtol=0, atol=0)
    assert state.weight == revived.weight


def test_blocks_may_come_in_pieces_and_threads(rng):
    X = draw(rng, 500)
    state = stream("full", [draw(rng, 200)])
    whole = update_stepwise(state, X)
    assert_close(update_stepwise(state, [X[:7], X[7:]]).model, whole.model, rtol=0, atol=0)
    assert_close(
        update_stepwise(state, lambda: iter([X[:7], X[7:]])).model, whole.model, rtol=0, atol=0
    )
    assert_close(update_stepwise(state, X, engine=2).model, whole.model, rtol=0, atol=0)
