"""Weights of frames: messages, duplicates, nought, and numbers of any size."""

import numpy as np
import pytest
from oracles.arrays import arrays_of
from oracles.mixtures import KINDS, random_parameters

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.gaussians import check_frame_weights, frame_moments
from speakergmm.mixtures import (
    MaximumLikelihoodOptions,
    accumulate,
    accumulate_blocks,
    make_mixture,
    train_from,
)

EXACT = MaximumLikelihoodOptions(variance_floor=1e-3, min_occupancy=0.0)


@pytest.fixture(params=KINDS)
def problem(request, rng):
    kind = request.param
    model = make_mixture(kind, *random_parameters(rng, kind, 3, 3))
    return model, model.sample(240, rng)


def assert_close(found, expected, *, rtol):
    for name, value in arrays_of(expected).items():
        atol = rtol * np.abs(value).max()
        np.testing.assert_allclose(
            arrays_of(found)[name], value, rtol=rtol, atol=atol, err_msg=name
        )


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[1.0]], r"real array of shape \(T,\), found float64 of shape \(1, 1\)"),
        (["a"], "real array"),
        ([1j], "real array .* found complex128"),
        (3.0, r"found float64 of shape \(\)"),
        ([1.0, -1.0, np.nan], "finite and >= 0, found -1.0 at frame 1"),
        ([1.0, 1.0, np.nan], "found nan at frame 2"),
        ([np.inf], "found inf at frame 0"),
    ],
)
def test_what_is_no_weight_is_refused(weights, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        check_frame_weights(weights)
    assert "\n" not in str(caught.value)


def test_weights_of_any_number_are_float64():
    assert check_frame_weights(None) is None
    for weights in ([1, 0, 2], np.array([True, False, True]), np.ones(3, np.float32)):
        found = check_frame_weights(weights)
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, np.asarray(weights, float))


@pytest.mark.parametrize("size", [239, 241, 0, 1000])
def test_weights_that_are_not_one_for_each_frame_are_refused(problem, size):
    model, X = problem
    blocks = np.split(X, [7, 100])
    for call in (
        lambda: accumulate(model, X, sample_weight=np.ones(size)),
        lambda: accumulate_blocks(model, blocks, sample_weight=np.ones(size), block_frames=10),
        lambda: train_from(X, model, sample_weight=np.ones(size)),
        lambda: frame_moments(blocks, np.ones(size)),
    ):
        with pytest.raises(InvalidInputError, match=f"one entry for each frame, found {size} for"):
            call()


def test_frames_without_any_weight_are_refused(problem):
    model, X = problem
    with pytest.raises(InsufficientDataError, match="weights of 0 only"):
        train_from(X, model, sample_weight=np.zeros(len(X)))
    none = accumulate(model, X, sample_weight=np.zeros(len(X)))
    assert (none.n_frames, none.counts.sum(), none.log_likelihood) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_integer_weights_train_as_duplicates(problem, rng, precision):
    model, X = problem
    weights = rng.integers(0, 4, len(X))
    options = {"max_iter": 5, "tol": 0.0, "precision": precision, "update": EXACT}
    a = train_from(X, model, sample_weight=weights, **options)
    b = train_from(np.repeat(X, weights, axis=0), model, **options)
    rtol = 1e-9 if precision == "float64" else 1e-4
    assert_close(a.model, b.model, rtol=rtol)
    np.testing.assert_allclose(a.objectives, b.objectives, rtol=rtol)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_frame_of_weight_nought_is_absent_whatever_it_holds(problem, precision):
    model, X = problem
    weights = np.ones(len(X))
    weights[::7] = 0.0
    polluted = X.copy()
    polluted[::7] = 1e200 * np.sign(X[::7])
    polluted[7] = 1e30
    present = accumulate(model, X[weights > 0], precision=precision)
    found = accumulate(model, polluted, sample_weight=weights, precision=precision)
    assert_close(found, present, rtol=1e-10 if precision == "float64" else 1e-5)
    options = {"max_iter": 3, "precision": precision, "update": EXACT}
    a = train_from(polluted, model, sample_weight=weights, **options)
    b = train_from(X[weights > 0], model, **options)
    assert_close(a.model, b.model, rtol=1e-9 if precision == "float64" else 1e-4)


@pytest.mark.parametrize("factor", [1e-200, 1e-12, 1e-3, 1e3, 1e12, 1e200])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_a_common_factor_of_any_size(problem, rng, factor, precision):
    model, X = problem
    weights = rng.gamma(1.0, 1.0, len(X))
    options = {"max_iter": 4, "tol": 0.0, "precision": precision, "update": EXACT}
    a = train_from(X, model, sample_weight=weights, **options)
    b = train_from(X, model, sample_weight=weights * factor, **options)
    assert_close(b.model, a.model, rtol=1e-9 if precision == "float64" else 1e-4)
    np.testing.assert_allclose(b.objectives, a.objectives, rtol=1e-6)
    single = accumulate(model, X, sample_weight=weights * factor, precision=precision)
    np.testing.assert_allclose(single.n_frames, weights.sum() * factor, rtol=1e-12)
    np.testing.assert_allclose(single.counts.sum(), weights.sum() * factor, rtol=1e-6)


def test_very_unequal_weights(problem, rng):
    model, X = problem
    weights = 10.0 ** rng.uniform(-30, 0, len(X))
    exact = accumulate(model, X, sample_weight=weights, precision="float64")
    assert_close(accumulate(model, X, sample_weight=weights), exact, rtol=1e-4)
    for precision in ("float64", "float32"):
        result = train_from(
            X, model, sample_weight=weights, max_iter=10, precision=precision, update=EXACT
        )
        assert result.convergence != "decreased"
        assert np.isfinite(result.model.log_likelihood(X)).all()


def test_weights_of_the_survey_are_duplicates(rng):
    X = rng.normal(size=(500, 2)) * [1.0, 1e-3] + [0.0, 1e4]
    weights = rng.integers(0, 4, 500)
    found = frame_moments(np.split(X, [3, 200]), weights.astype(float))
    plain = frame_moments(np.repeat(X, weights, axis=0))
    assert (found.n_frames, found.weight) == (500, float(weights.sum()))
    np.testing.assert_allclose(found.mean, plain.mean, rtol=1e-12)
    np.testing.assert_allclose(found.variance, plain.variance, rtol=1e-9)
    np.testing.assert_allclose(
        found.variance, np.cov(X.T, fweights=weights, bias=True).diagonal(), rtol=1e-8
    )


def test_min_occupancy_is_in_units_of_the_weights(problem):
    # A weight of 10 is ten frames, so what is dead with weights of 1 is alive with these.
    model, X = problem
    options = MaximumLikelihoodOptions(variance_floor=1e-3, min_occupancy=300.0)
    light = train_from(X, model, max_iter=1, update=options)
    assert light.history[0].report.revived == ()
    heavy = train_from(X, model, sample_weight=np.full(240, 2.0), max_iter=1, update=options)
    counts = 2 * accumulate(model, X).counts
    dead = tuple(np.flatnonzero(counts < 300).tolist())
    assert heavy.history[0].report.revived == (dead if (counts > 300).any() else ())
