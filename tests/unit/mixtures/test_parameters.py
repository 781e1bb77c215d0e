import dataclasses
import pickle

import numpy as np
import pytest
from oracles import mixtures as oracle
from oracles.arrays import arrays_of

from speakergmm import records
from speakergmm.errors import InvalidInputError, ModelFormatError
from speakergmm.mixtures import DiagonalMixture, accumulate, prepare_mixture


def parts(model):
    return model.weights, model.means, model.variances


def test_log_density_is_that_of_scipy(mixture, frames):
    expected = oracle.log_densities(*parts(mixture), frames)
    found = mixture.log_density(frames, precision="float64")
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-11)


def test_log_density_in_float32_is_close(mixture, frames):
    expected = oracle.log_densities(*parts(mixture), frames)
    found = mixture.log_density(frames)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=5e-5)


def test_log_likelihood_is_that_of_scipy(mixture, frames):
    expected = oracle.log_likelihoods(*parts(mixture), frames)
    np.testing.assert_allclose(
        mixture.log_likelihood(frames, precision="float64"), expected, rtol=1e-13, atol=1e-12
    )
    np.testing.assert_allclose(mixture.log_likelihood(frames), expected, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("offset", [1e3, 1e4, 1e6])
def test_an_offset_costs_no_digits_in_float32(mixture, frames, offset):
    # The rounding of the moved frames themselves is taken out of the comparison.
    moved = frames + offset
    model = DiagonalMixture(mixture.weights, mixture.means + offset, mixture.variances)
    expected = oracle.log_likelihoods(
        mixture.weights, model.means - offset, mixture.variances, moved - offset
    )
    np.testing.assert_allclose(model.log_likelihood(moved), expected, rtol=1e-6, atol=1e-5)


def test_float32_frames_at_an_offset(mixture, frames):
    moved = (frames + 1e4).astype(np.float32)
    model = DiagonalMixture(mixture.weights, mixture.means + 1e4, mixture.variances)
    expected = oracle.log_likelihoods(*parts(model), moved.astype(np.float64))
    np.testing.assert_allclose(model.log_likelihood(moved), expected, rtol=1e-6, atol=2e-5)


def test_float32_frames_under_a_mixture_narrower_than_float32():
    # The frame nearest to the mean is many deviations away from it.
    frame, deviation = np.array([[3.3]], np.float32), 1e-8
    model = DiagonalMixture([1.0], [[3.3]], [[deviation**2]])
    distance = (float(frame[0, 0]) - 3.3) / deviation
    assert abs(distance) > 4
    expected = -0.5 * (distance**2 + np.log(2 * np.pi * deviation**2))
    np.testing.assert_allclose(model.log_density(frame)[0, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-12, 1e-4, 1e5, 1e15])
def test_units_of_features_do_not_matter(mixture, frames, scale):
    model = DiagonalMixture(mixture.weights, mixture.means * scale, mixture.variances * scale**2)
    expected = mixture.log_likelihood(frames, precision="float64") - 4 * np.log(scale)
    np.testing.assert_allclose(model.log_likelihood(frames * scale), expected, rtol=2e-6)


def test_worst_error_of_float32_on_ill_conditioned_mixtures(rng):
    # Components up to 30 times narrower than the data, in 39 features: the worst that the
    # default variance floor admits. The figure is the one that prepare.py states.
    means = rng.normal(0.0, 1.0, (64, 39))
    variances = 10.0 ** rng.uniform(-3.0, 0.0, (64, 39))
    model = DiagonalMixture(np.full(64, 1 / 64), means, variances)
    X = np.concatenate([model.sample(1500, rng), rng.normal(0.0, 1.0, (500, 39))])
    expected = oracle.log_likelihoods(*parts(model), X)
    assert prepare_mixture(model).rounding.max() < 5e-2  # so float32 it is
    error = np.abs(model.log_likelihood(X) - expected)
    assert np.median(error[:1500]) < 1e-3
    assert error[:1500].max() < 5e-3
    # Far from all components the error is that of larger terms, but small beside the result.
    assert (error / np.abs(expected))[1500:].max() < 3e-5


def test_frames_far_beyond_float32_have_finite_densities(mixture):
    X = np.array([[1e8, 0, 0, 0], [1e25, -1e25, 0, 1.0], [0.5, 0.5, 0.5, 0.5]])
    expected = oracle.log_likelihoods(*parts(mixture), X)
    np.testing.assert_allclose(mixture.log_likelihood(X), expected, rtol=1e-6)
    assert np.isfinite(mixture.log_density(X)).all()


def test_float32_gives_way_to_float64_where_it_would_be_wrong(rng):
    # Clusters 10,000 times farther apart than wide: float32 would be wrong by tens of nats.
    means = rng.normal(0.0, 100.0, (8, 40))
    model = DiagonalMixture(np.full(8, 1 / 8), means, np.full((8, 40), 1e-3))
    X = model.sample(400, rng)
    expected = oracle.log_likelihoods(*parts(model), X)
    np.testing.assert_allclose(model.log_likelihood(X), expected, rtol=0, atol=1e-6)
    assert model.log_density(X).dtype == np.float32
    np.testing.assert_array_equal(
        model.log_density(X).argmax(axis=1), oracle.log_densities(*parts(model), X).argmax(axis=1)
    )


def far_above_the_envelope(rng):
    # A narrow component in the middle of a very broad one.
    return DiagonalMixture([0.5, 0.5], np.zeros((2, 60)), [[1.0] * 60, [1e-3] * 60])


def far_below_the_envelope(rng):
    # Two components that leave a wide gap, and frames in it.
    means = np.stack([np.full(60, -1.0), np.full(60, 1.0)])
    return DiagonalMixture([0.5, 0.5], means, np.full((2, 60), 0.1))


@pytest.mark.parametrize("make", [far_above_the_envelope, far_below_the_envelope])
@pytest.mark.parametrize("few", [True, False])
def test_densities_far_from_the_envelope(rng, make, few):
    model = make(rng)
    X = np.concatenate([model.sample(300, rng), rng.normal(0.0, 0.03, (10 if few else 300, 60))])
    expected = oracle.log_likelihoods(*parts(model), X)
    np.testing.assert_allclose(model.log_likelihood(X), expected, rtol=1e-6, atol=3e-4)
    # The order of easy and hard blocks does not matter.
    np.testing.assert_allclose(model.log_likelihood(X[::-1]), expected[::-1], rtol=1e-6, atol=3e-4)


def test_weight_zero_takes_no_part(mixture, frames):
    model = DiagonalMixture(
        [*mixture.weights, 0.0],
        np.concatenate([mixture.means, mixture.means[:1]]),
        np.concatenate([mixture.variances, mixture.variances[:1]]),
    )
    for precision in ("float32", "float64"):
        np.testing.assert_allclose(
            model.log_likelihood(frames, precision=precision),
            mixture.log_likelihood(frames, precision=precision),
            rtol=1e-6,
        )


@pytest.mark.parametrize("maxima_up_to", [0, 40])
def test_select_top_orders_by_density(mixture, frames, monkeypatch, maxima_up_to):
    monkeypatch.setattr("speakergmm.gaussians.frame_scoring._MAXIMA_UP_TO", maxima_up_to)
    expected = np.argsort(-oracle.log_densities(*parts(mixture), frames), axis=1)
    indices, values = mixture.select_top(frames, 3, precision="float64")
    np.testing.assert_array_equal(indices, expected[:, :3])
    np.testing.assert_allclose(
        values, -np.sort(-oracle.log_densities(*parts(mixture), frames), axis=1)[:, :3], rtol=1e-10
    )
    every, _ = mixture.select_top(frames, 6, precision="float64")
    np.testing.assert_array_equal(every, expected)


@pytest.mark.parametrize("n_top", [0, 7, -1])
def test_select_top_refuses_impossible_numbers(mixture, frames, n_top):
    with pytest.raises(InvalidInputError, match=rf"n_top must be .* in 1..6, found {n_top}"):
        mixture.select_top(frames, n_top)


def test_samples_have_the_moments_of_the_mixture():
    model = DiagonalMixture([0.25, 0.75], [[0.0, 5.0], [4.0, 5.0]], [[9.0, 0.01], [0.25, 0.01]])
    X = model.sample(200_000, np.random.default_rng(1))
    # By hand: mean 3; variance 0.25 * (9 + 9) + 0.75 * (0.25 + 1) = 5.4375.
    np.testing.assert_allclose(X.mean(axis=0), [3.0, 5.0], atol=0.02)
    np.testing.assert_allclose(X.var(axis=0), [5.4375, 0.01], rtol=0.02)
    mean, variance = model.global_moments()
    np.testing.assert_allclose(mean, [3.0, 5.0], rtol=1e-15)
    np.testing.assert_allclose(variance, [5.4375, 0.01], rtol=1e-15)
    low = X[X[:, 0] < -1.5]
    # Only the broad component reaches there; its share follows from the normal distribution.
    np.testing.assert_allclose(len(low) / len(X), 0.25 * 0.3085375, rtol=0.03)
    np.testing.assert_array_equal(X[:5], model.sample(200_000, np.random.default_rng(1))[:5])


def test_arrays_round_trip_bit_by_bit(mixture):
    arrays, tree = records.to_arrays(mixture)
    again = records.of_arrays(DiagonalMixture, arrays, tree, kind="", source="")
    np.testing.assert_equal(arrays_of(again), arrays_of(mixture))
    del arrays["variances"]
    with pytest.raises(ModelFormatError, match="array 'variances' is missing"):
        records.of_arrays(DiagonalMixture, arrays, tree, kind="", source="")


def test_a_pickled_copy_is_as_good(mixture, frames):
    # As worker processes get it.
    again = pickle.loads(pickle.dumps(mixture))
    np.testing.assert_array_equal(again.means, mixture.means)
    assert not again.means.flags.writeable
    statistics = accumulate(mixture, frames)
    again = pickle.loads(pickle.dumps(statistics))
    np.testing.assert_equal(arrays_of(again), arrays_of(statistics))
    assert not again.counts.flags.writeable


def test_a_model_can_not_be_changed(mixture):
    with pytest.raises(ValueError, match="read-only"):
        mixture.means[0, 0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        mixture.weights = mixture.weights
    source = np.zeros((1, 2))
    model = DiagonalMixture([1.0], source, [[1.0, 1.0]])
    source[:] = 7.0
    assert not model.means.any()


@pytest.mark.parametrize(
    ("weights", "means", "variances", "message"),
    [
        ([0.5, 0.6], [[0.0], [1.0]], [[1.0], [1.0]], "sum of 1.1"),
        ([1.5, -0.5], [[0.0], [1.0]], [[1.0], [1.0]], "smallest weight of -0.5"),
        ([1.0], [[0.0], [1.0]], [[1.0], [1.0]], "disagree"),
        ([0.5, 0.5], [[0.0], [1.0]], [[1.0, 1.0], [1.0, 1.0]], "disagree"),
        ([0.5, 0.5], [[0.0], [1.0]], [[1.0], [0.0]], "found 0 at component 1, feature 0"),
        ([0.5, 0.5], [[0.0], [1.0]], [[1.0], [-2.0]], "found -2 at component 1"),
        ([0.5, 0.5], [[0.0], [np.nan]], [[1.0], [1.0]], "means must be finite"),
        ([0.5, np.inf], [[0.0], [1.0]], [[1.0], [1.0]], "weights must be finite"),
        ([1.0], [0.0], [[1.0]], "means must have 2 axes"),
        ([], np.zeros((0, 3)), np.zeros((0, 3)), "components and features"),
    ],
)
def test_what_is_no_mixture_is_refused(weights, means, variances, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        DiagonalMixture(weights, means, variances)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (np.zeros(4), r"found float64 of shape \(4,\)"),
        (np.zeros((3, 5)), "must have 4 features, found 5"),
        (np.zeros((3, 4), complex), "real array"),
        (np.array([[0, 0, 0, 0], [0, 0, np.nan, np.inf]]), "found nan at row 1, column 2"),
        (np.array([[0, -np.inf, 0, 0]]), "found -inf at row 0, column 1"),
    ],
)
def test_what_are_no_frames_is_refused(mixture, X, message):
    with pytest.raises(InvalidInputError, match=message):
        mixture.log_likelihood(X)
    with pytest.raises(InvalidInputError, match=message):
        mixture.log_density(X)


def test_integers_and_no_frames_are_fine(mixture):
    assert mixture.log_likelihood(np.zeros((0, 4))).shape == (0,)
    assert mixture.log_density(np.zeros((0, 4))).shape == (0, 6)
    ones = np.ones((2, 4), np.int16)
    np.testing.assert_allclose(
        mixture.log_likelihood(ones), mixture.log_likelihood(np.ones((2, 4))), rtol=1e-12
    )


def test_precision_must_be_known(mixture, frames):
    with pytest.raises(InvalidInputError, match="one of float32, float64, found 'float16'"):
        mixture.log_likelihood(frames, precision="float16")
