import numpy as np
import pytest

# Kernels are no public names: loading them compiles them.
from speakergmm.gaussians.block_kernels import exponentiate, standardise
from speakergmm.mixtures import DiagonalMixture, accumulate, accumulate_blocks, make_mixture


def test_powers_of_two_are_exact_to_rounding():
    rng = np.random.default_rng(0)
    exponents = rng.uniform(-125, 125, (301, 77)).astype(np.float32)
    exponents[0, :4] = [0.0, 0.5, -0.5, 1.5]
    powers, sums = exponents.copy(), np.empty(301, np.float32)
    exponentiate(powers, sums)
    expected = np.exp2(exponents.astype(np.float64))
    np.testing.assert_allclose(powers, expected, rtol=3e-7)
    np.testing.assert_allclose(sums, expected.sum(axis=1), rtol=2e-6)


def test_exponents_out_of_range_go_to_its_ends():
    exponents = np.array([[-1e30, -np.inf, -126.0, 126.0, 1e30, np.inf]], np.float32)
    exponentiate(exponents, np.empty(1, np.float32))
    low, high = 2.0**-125, 2.0**125
    np.testing.assert_allclose(exponents, [[low, low, low, high, high, high]], rtol=3e-7)


def test_what_is_no_number_shows_in_the_sum():
    exponents = np.zeros((3, 40), np.float32)
    exponents[1, 7] = np.nan
    sums = np.empty(3, np.float32)
    exponentiate(exponents, sums)
    assert np.isnan(sums[1])
    np.testing.assert_array_equal(sums[[0, 2]], 40.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_frames", [1, 63, 64, 200])
def test_standardised_frames_are_those_of_numpy_to_the_bit(dtype, n_frames):
    rng = np.random.default_rng(1)
    frames = (1e4 + rng.normal(size=(n_frames, 5))).astype(dtype)
    frames.setflags(write=False)
    centre = (1e4 + rng.normal(size=5)).astype(dtype)
    factors = np.exp2(rng.integers(-9, 9, 5)).astype(np.float32)
    rows = np.full((11, n_frames), 7.0, np.float32)
    standardise(frames, centre, factors, rows)
    expected = ((frames - centre) * factors).T.astype(np.float32)
    np.testing.assert_array_equal(rows[1:6], expected)
    rows[1:6] = 7.0
    np.testing.assert_array_equal(rows, 7.0)


def models(rng):
    n_components, d = 5, 4
    weights, means = np.full(n_components, 0.2), rng.normal(0, 2, (n_components, d))
    factors = rng.normal(size=(n_components, d, d))
    full = factors @ factors.transpose(0, 2, 1) + np.eye(d)
    variances = rng.gamma(4, 0.3, (n_components, d))
    covariances = {
        "spherical": variances[:, 0],
        "diag": variances,
        "tied": full[0],
        "full": full,
    }
    return {kind: make_mixture(kind, weights, means, value) for kind, value in covariances.items()}


@pytest.mark.parametrize("kind", ["spherical", "diag", "tied", "full"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_statistics_by_compiled_code_are_those_of_float64(monkeypatch, kind, dtype):
    rng = np.random.default_rng(2)
    model = models(rng)[kind]
    X = model.sample(5000, rng).astype(dtype)
    X[17] = 1e4  # left to float64
    exact = accumulate(model, X, precision="float64")
    monkeypatch.setattr("speakergmm.gaussians.frame_shards._UNCOMPILED", -1)
    weights = np.ones(len(X))
    for found in (
        accumulate(model, X, block_frames=64),
        accumulate(model, np.asfortranarray(X), block_frames=64),
        accumulate(model, X, block_frames=64, sample_weight=weights, engine=2),
    ):
        np.testing.assert_allclose(found.counts, exact.counts, rtol=1e-5)
        np.testing.assert_allclose(found.first_order, exact.first_order, rtol=1e-5, atol=1e-2)
        np.testing.assert_allclose(found.second_order, exact.second_order, rtol=1e-5, atol=1e-1)
        assert found.log_likelihood == pytest.approx(exact.log_likelihood, rel=1e-7)


def test_where_compiled_code_begins_depends_on_the_frames_alone(monkeypatch):
    rng = np.random.default_rng(3)
    model = DiagonalMixture([0.5, 0.5], [[0.0, 0.0], [1.0, 1.0]], np.ones((2, 2)))
    X = model.sample(4096, rng).astype(np.float32)
    plain = accumulate(model, X, block_frames=16)
    # Eight groups of 16 blocks are left to NumPy.
    monkeypatch.setattr("speakergmm.gaussians.frame_shards._UNCOMPILED", 8 * 16 * 16 * 2)
    mixed = accumulate(model, X, block_frames=16)
    assert (mixed.first_order != plain.first_order).any()
    for pieces in (np.split(X, [1, 700, 3000]), [X[:2048], X[2048:]]):
        again = accumulate_blocks(model, pieces, block_frames=16, engine=2)
        np.testing.assert_array_equal(again.first_order, mixed.first_order)
        np.testing.assert_array_equal(again.second_order, mixed.second_order)
        assert again.log_likelihood == mixed.log_likelihood
    few = accumulate(model, X[:2048], block_frames=16)
    monkeypatch.undo()
    np.testing.assert_array_equal(
        few.first_order, accumulate(model, X[:2048], block_frames=16).first_order
    )
