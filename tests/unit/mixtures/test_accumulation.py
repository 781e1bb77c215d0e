import tracemalloc

import numpy as np
import pytest
from oracles import mixtures as oracle
from oracles.arrays import arrays_of

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures import (
    DiagonalMixture,
    accumulate,
    accumulate_blocks,
    update_maximum_likelihood,
)


def parts(model):
    return model.weights, model.means, model.variances


def assert_same(a, b, **tolerance):
    for name, value in arrays_of(a).items():
        np.testing.assert_allclose(arrays_of(b)[name], value, err_msg=name, **tolerance)


@pytest.mark.parametrize(("precision", "rtol"), [("float64", 1e-11), ("float32", 2e-5)])
def test_statistics_are_those_of_the_loops(mixture, frames, precision, rtol):
    counts, first, second = oracle.moments(*parts(mixture), frames)
    found = accumulate(mixture, frames, precision=precision)
    np.testing.assert_allclose(found.counts, counts, rtol=rtol)
    np.testing.assert_allclose(found.first_order, first, rtol=rtol, atol=100 * rtol)
    np.testing.assert_allclose(found.second_order, second, rtol=rtol)
    np.testing.assert_allclose(
        found.log_likelihood, oracle.log_likelihoods(*parts(mixture), frames).sum(), rtol=rtol
    )
    assert found.n_frames == 700


@pytest.mark.parametrize("offset", [1e3, 1e4])
def test_new_variances_at_an_offset(mixture, frames, offset):
    # Where moments in float32 feature units would leave nothing of a variance.
    moved = frames + offset
    model = DiagonalMixture(mixture.weights, mixture.means + offset, mixture.variances)
    _, means, variances = oracle.em_step(*parts(mixture), moved - offset)
    new, _ = update_maximum_likelihood(accumulate(model, moved), model)
    np.testing.assert_allclose(new.means - offset, means, atol=1e-5)
    np.testing.assert_allclose(new.variances, variances, rtol=3e-5)


def test_without_second_order_the_rest_is_the_same(mixture, frames):
    whole = accumulate(mixture, frames)
    lean = accumulate(mixture, frames, second_order=False)
    assert lean.second_order is None
    np.testing.assert_allclose(lean.counts, whole.counts, rtol=1e-6)
    np.testing.assert_allclose(lean.first_order, whole.first_order, rtol=1e-5, atol=1e-4)
    assert lean.log_likelihood == whole.log_likelihood


@pytest.mark.parametrize("engine", [2, 3, -1])
def test_the_number_of_threads_changes_no_bit(mixture, frames, engine):
    one = accumulate(mixture, frames, block_frames=7, engine=1)
    assert_same(one, accumulate(mixture, frames, block_frames=7, engine=engine), rtol=0, atol=0)


@pytest.mark.parametrize("cuts", [[], [1], [350], [0, 5, 5, 699, 700], list(range(0, 700, 13))])
def test_how_frames_are_cut_changes_no_bit(mixture, frames, cuts):
    blocks = np.split(frames, cuts)
    whole = accumulate(mixture, frames, block_frames=16)
    found = accumulate_blocks(mixture, blocks, block_frames=16)
    assert_same(whole, found, rtol=0, atol=0)
    found = accumulate_blocks(mixture, lambda: iter(blocks), block_frames=16, engine=2)
    assert_same(whole, found, rtol=0, atol=0)


@pytest.mark.parametrize("block_frames", [1, 2, 33, 700, 10_000])
def test_the_size_of_blocks_changes_rounding_only(mixture, frames, block_frames):
    whole = accumulate(mixture, frames)
    found = accumulate(mixture, frames, block_frames=block_frames)
    assert_same(whole, found, rtol=1e-5, atol=1e-3)
    whole = accumulate(mixture, frames, precision="float64")
    found = accumulate(mixture, frames, precision="float64", block_frames=block_frames)
    assert_same(whole, found, rtol=1e-12, atol=1e-10)


def test_no_frame_is_lost_at_the_edges_of_groups(mixture, rng):
    for n_frames in (0, 1, 15, 16, 17, 31, 32, 33, 65):
        X = rng.normal(size=(n_frames, 4))
        found = accumulate(mixture, X, block_frames=2, engine=2)
        assert found.n_frames == n_frames
        np.testing.assert_allclose(found.counts.sum(), n_frames, rtol=1e-6)
        np.testing.assert_allclose(found.first_order.sum(axis=0), X.sum(axis=0), atol=1e-4)


def test_frames_far_away_are_counted_like_others(mixture, frames):
    # In the middle of a block, 1e9 and 1e25 deviations away: beyond what float32 can square.
    X = frames.copy()
    X[100] = [1e9, 0.0, 1.0, 0.0]
    X[200] = [0.0, -1e25, 0.0, 1.0]
    counts, first, second = oracle.moments(*parts(mixture), X)
    found = accumulate(mixture, X)
    np.testing.assert_allclose(found.counts, counts, rtol=2e-5)
    np.testing.assert_allclose(found.first_order, first, rtol=2e-5, atol=1e-3)
    np.testing.assert_allclose(found.second_order, second, rtol=2e-5)


def test_infinities_of_both_signs_do_not_spread(rng):
    # The second component is wider than the mixture in one feature and narrower in the other.
    model = DiagonalMixture([0.99, 0.01], np.zeros((2, 2)), [[1.0, 1.0], [100.0, 0.1]])
    X = rng.normal(size=(50, 2))
    X[20] = [1e25, 1e25]
    counts, first, second = oracle.moments(*parts(model), X)
    found = accumulate(model, X)
    np.testing.assert_allclose(found.counts, counts, rtol=1e-5)
    np.testing.assert_allclose(found.first_order, first, rtol=1e-5, atol=1e-3)
    np.testing.assert_allclose(found.second_order, second, rtol=1e-5)


def test_frames_beyond_float64_are_refused(mixture):
    with pytest.raises(InvalidInputError, match="must be finite"):
        accumulate(mixture, np.array([[1e200, 0.0, 0.0, 0.0]]))


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_hard_blocks_between_easy_ones(rng, precision):
    # A narrow component within a broad one, both ways round the range of the exponential.
    model = DiagonalMixture([0.5, 0.5], np.zeros((2, 60)), [[1.0] * 60, [1e-3] * 60])
    easy, hard = rng.normal(size=(40, 60)), rng.normal(scale=1e-3**0.5, size=(40, 60))
    X = np.concatenate([easy, hard, easy[::-1], hard[:3], easy])
    counts, first, second = oracle.moments(*parts(model), X)
    for engine in (1, 2):
        found = accumulate(model, X, block_frames=8, precision=precision, engine=engine)
        np.testing.assert_allclose(found.counts, counts, rtol=1e-6)
        np.testing.assert_allclose(found.first_order, first, atol=1e-3)
        np.testing.assert_allclose(found.second_order, second, rtol=1e-5)
        expected = oracle.log_likelihoods(*parts(model), X).sum()
        np.testing.assert_allclose(found.log_likelihood, expected, rtol=1e-6)


def test_hard_groups_leave_no_trace_on_those_after_them(rng):
    # A thread that has just seen a hard group must treat the next as any other thread would.
    model = DiagonalMixture([0.5, 0.5], np.zeros((2, 60)), [[1.0] * 60, [1e-3] * 60])
    easy, hard = rng.normal(size=(96, 60)), rng.normal(scale=1e-3**0.5, size=(32, 60))
    X = np.concatenate([hard, easy, hard, easy, easy])
    one = accumulate(model, X, block_frames=2)
    apart = [accumulate(model, part, block_frames=2) for part in np.split(X, len(X) // 32)]
    assert_same(one, sum(apart[1:], apart[0]), rtol=0, atol=0)


@pytest.mark.parametrize("vector_exp2", [True, False])
def test_either_exponential(mixture, frames, monkeypatch, vector_exp2):
    from speakergmm.gaussians import evaluator

    monkeypatch.setattr(evaluator, "_VECTOR_EXP2", vector_exp2)
    monkeypatch.setattr(evaluator, "_LOG_BASE", np.log(2.0) if vector_exp2 else 1.0)
    counts, _, second = oracle.moments(*parts(mixture), frames)
    for precision, rtol in (("float32", 2e-5), ("float64", 1e-11)):
        found = accumulate(mixture, frames, precision=precision)
        np.testing.assert_allclose(found.counts, counts, rtol=rtol)
        np.testing.assert_allclose(found.second_order, second, rtol=rtol)


def test_rows_are_counted_over_all_blocks(mixture, frames):
    blocks = [frames[:100], frames[100:200].copy(), frames[200:]]
    blocks[1][7, 2] = np.nan
    with pytest.raises(InvalidInputError, match="found nan at row 107, column 2"):
        accumulate_blocks(mixture, blocks)
    with pytest.raises(InvalidInputError, match="found nan at row 107, column 2"):
        accumulate_blocks(mixture, blocks, block_frames=3, engine=2)


def test_blocks_of_another_width_are_refused(mixture, frames):
    with pytest.raises(InvalidInputError, match="must have 4 features, found 3"):
        accumulate_blocks(mixture, [frames, frames[:, :3]])


@pytest.mark.slow
def test_a_long_stream_is_never_held(mixture):
    block = np.zeros((20_000, 4), np.float32)

    def stream():
        for _ in range(200):
            yield block + 1.0

    accumulate_blocks(mixture, stream())
    tracemalloc.start()
    try:
        found = accumulate_blocks(mixture, stream(), engine=2)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.n_frames == 4_000_000
    # All blocks together are 64 MB.
    assert peak < 16e6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"block_frames": 0}, "block_frames must be a whole number >= 1, found 0"),
        ({"engine": 0}, "engine"),
        ({"precision": "half"}, "found 'half'"),
    ],
)
def test_options_out_of_range_are_refused(mixture, frames, options, message):
    with pytest.raises(InvalidInputError, match=message):
        accumulate(mixture, frames, **options)


def test_streams_estimators_and_sums(mixture, frames):
    class Fitted:
        mixture_ = mixture

    whole = accumulate(mixture, frames, np.ones(700))
    for source in ([frames[:300], frames[300:]], lambda: iter([frames[:1], frames[1:]])):
        np.testing.assert_array_equal(accumulate(Fitted(), source).counts, whole.counts)
    halves = [accumulate(mixture, frames[:300]), accumulate(mixture, frames[300:])]
    np.testing.assert_allclose(sum(halves).second_order, whole.second_order, rtol=1e-6)
    with pytest.raises(InvalidInputError, match="a mixture or a fitted estimator is needed"):
        accumulate("mixture", frames)
