"""Moments merged block by block against sums of fractions, which round nothing."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from speakergmm.errors import InvalidInputError
from speakergmm.moments import Moments


def exact(X, weights=None):
    """Weight, mean (D,) and scatter (D, D) in fractions."""
    shares = [Fraction(1)] * len(X) if weights is None else [Fraction(float(w)) for w in weights]
    rows = [[Fraction(float(value)) for value in row] for row in X]
    total = sum(shares)
    columns = range(len(rows[0]))
    mean = [sum(w * row[d] for w, row in zip(shares, rows, strict=True)) / total for d in columns]
    covariance = [
        [
            sum(
                w * (row[i] - mean[i]) * (row[j] - mean[j])
                for w, row in zip(shares, rows, strict=True)
            )
            / total
            for j in columns
        ]
        for i in columns
    ]
    return total, mean, covariance


def blocks_of(n, cuts):
    edges = sorted({0, n, *(cut for cut in cuts if cut < n)})
    return [slice(a, b) for a, b in itertools.pairwise(edges)]


def collected(X, weights, cuts, **options):
    moments = Moments(**options)
    for block in blocks_of(len(X), cuts):
        moments.add(X[block], None if weights is None else weights[block])
    return moments


@st.composite
def cases(draw):
    n, d = draw(st.integers(1, 25)), draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    X = rng.normal(size=(n, d)) * 10.0 ** draw(st.integers(-6, 6))
    X += draw(st.sampled_from([0.0, 1.0, 1e8, -1e8]))
    if draw(st.booleans()):
        X[:, -1] = X[0, -1]
    X = X.astype(draw(st.sampled_from([np.float32, np.float64])))
    weights = None
    if draw(st.booleans()):
        low, high = sorted(draw(st.tuples(st.integers(-320, 306), st.integers(-320, 306))))
        weights = 10.0 ** rng.uniform(low, high, n)
        weights[rng.random(n) < 0.2] = 0.0
        weights[rng.integers(n)] = 10.0**high
    return X, weights, draw(st.lists(st.integers(1, 24), max_size=3))


@pytest.mark.slow
@settings(deadline=None, max_examples=100)
@given(case=cases())
def test_no_digit_is_lost_to_offsets_weights_or_blocks(case):
    X, weights, cuts = case
    total, mean, covariance = exact(X, weights)
    diagonal, full = (collected(X, weights, cuts, full=full) for full in (False, True))
    for moments in (diagonal, full):
        assert moments.n_frames == len(X)
        assert_allclose(moments.weight, float(total), rtol=1e-12, atol=1e-322)
        deviation = [math.sqrt(float(covariance[i][i])) for i in range(len(mean))]
        for i, each in enumerate(mean):
            # To the last digits of the values, and to as many digits of how they are spread.
            error = abs(Fraction(float(moments.mean[i])) - each)
            size = float(abs(each))
            assert error <= Fraction(1e-15 * size + 1e-11 * deviation[i])
            if not covariance[i][i]:
                assert moments.mean[i] == X[weights.argmax() if weights is not None else 0, i]
                assert moments.variance[i] == 0
                assert not moments.varies[i]
                assert not moments.lost[i]
            elif deviation[i] > 1e-13 * size:
                assert_allclose(moments.variance[i], float(covariance[i][i]), rtol=1e-9)
                assert moments.varies[i]
    scale = np.outer(deviation, deviation)
    found = [[float(value) for value in row] for row in covariance]
    assert_allclose(full.covariance, found, atol=1e-9 * scale.max())
    assert_array_equal(full.covariance, full.covariance.T)


@pytest.mark.parametrize("weighted", [False, True])
def test_an_offset_of_a_hundred_million_costs_no_digits(weighted):
    rng = np.random.default_rng(0)
    X = np.round(rng.normal(size=(3000, 2)), 4)
    weights = rng.uniform(0.5, 2, 3000) if weighted else None
    plain, moved = (collected(x, weights, [7, 1000, 2999]) for x in (X, X + 1e8))
    assert_allclose(plain.variance, np.cov(X.T, aweights=weights, bias=True).diagonal(), rtol=1e-12)
    # The frames themselves are rounded at 1e-8.
    assert_allclose(moved.variance, plain.variance, rtol=1e-7)
    assert_allclose(moved.mean - 1e8, plain.mean, atol=3e-8)


def test_what_weighs_next_to_nothing_costs_no_digits_of_the_rest():
    X = np.array([[1e8], [1.0], [2.0], [4.0]])
    weights = np.array([1e-300, 1.0, 1.0, 1.0])
    for cuts in ([], [1], [1, 2, 3]):
        moments = collected(X, weights, cuts)
        assert_allclose(moments.mean, 7 / 3, rtol=1e-15)
        assert_allclose(moments.variance, 14 / 9, rtol=1e-15)
        later = collected(X[::-1], weights[::-1], cuts)
        assert_allclose(later.mean, 7 / 3, rtol=1e-15)


def test_weights_need_no_number_for_their_sum_or_products():
    X = np.arange(8.0)[:, None]
    for weight in (1e308, 5e-324):
        moments = collected(X, np.full(8, weight), [3])
        assert_allclose(moments.mean, 3.5)
        assert_allclose(moments.variance, 5.25)
    assert collected(X, np.full(8, 1e308), [3]).weight == math.inf
    both = collected(X, np.full(8, 5e-324), [])
    both.merge(collected(X + 100.0, np.full(8, 1e308), []))
    assert_allclose(both.mean, 103.5)


def test_a_constant_keeps_its_last_bit_whatever_the_blocks():
    X = np.full((100_000, 2), 0.1)
    moments = collected(X, np.random.default_rng(0).uniform(size=len(X)), [1, 10, 70_000])
    assert_array_equal(moments.mean, [0.1, 0.1])
    assert not moments.varies.any()
    assert_array_equal(moments.deviation(), [1.0, 1.0])


def test_squares_that_are_lost_are_told_from_constants():
    X = np.array([[1e-200, 3.0, 1e-200], [-1e-200, 3.0, 2e-200], [1e-200, 3.0, 1.0]])
    for cuts in ([], [1], [2]):
        moments = collected(X, None, cuts)
        assert_array_equal(moments.lost, [True, False, False])
        assert_array_equal(moments.varies, [False, False, True])
    # Symmetric about the first, so that the mean is the first.
    assert collected(np.array([[0.0], [1e-170], [-1e-170]]), None, []).lost.all()


@pytest.mark.parametrize("far", [1e200, 1e308])
def test_squares_that_overflow_are_refused_by_feature(far):
    X = np.array([[0.0, far], [1.0, -far]])
    for cuts in ([], [1]):
        with pytest.raises(InvalidInputError, match="feature 1 has values too large to be squared"):
            collected(X, None, cuts).refuse_overflow()
    collected(X[:1], None, []).refuse_overflow()


def test_no_frame_changes_nothing():
    moments = Moments()
    moments.add(np.empty((0, 3)))
    assert (moments.n_frames, moments.weight) == (0, 0.0)
    moments.add(np.ones((2, 3)), np.zeros(2))
    assert (moments.n_frames, moments.weight) == (2, 0.0)
    moments.add(np.ones((1, 3)))
    moments.add(np.empty((0, 3)))
    assert_array_equal(moments.mean, np.ones(3))
    assert moments.n_frames == 3
