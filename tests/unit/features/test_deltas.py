"""Deltas against the regression formula and Kaldi's."""

import kaldi_native_fbank
import numpy as np
import pytest
from oracles import features as oracle

from speakergmm.errors import InvalidInputError
from speakergmm.features import deltas, with_deltas


@pytest.mark.parametrize("window", [1, 2, 5])
@pytest.mark.parametrize("n_frames", [1, 2, 4, 20])
def test_deltas_equal_the_regression_formula(n_frames, window):
    values = np.random.default_rng(0).normal(size=(n_frames, 3)).astype(np.float32)
    np.testing.assert_allclose(
        deltas(values, window=window), oracle.deltas(values, window), rtol=1e-5, atol=1e-6
    )


def test_second_order_is_the_slope_of_the_slope():
    values = np.random.default_rng(1).normal(size=(12, 2)).astype(np.float32)
    first = oracle.deltas(values, 2)
    second = oracle.deltas(first, 2)
    expected = np.concatenate([values, first, second], axis=1)
    np.testing.assert_allclose(with_deltas(values, order=2), expected, rtol=1e-5, atol=1e-6)


def test_deltas_equal_kaldis_away_from_the_ends():
    # At the ends Kaldi repeats the static frames for both orders, HTK (as here) also the deltas.
    values = np.random.default_rng(2).normal(size=(30, 4)).astype(np.float32)
    options = kaldi_native_fbank.DeltaOptions()
    options.order, options.window = 2, 2
    expected = np.asarray(kaldi_native_fbank.compute_deltas(options, values))
    found = with_deltas(values, order=2)
    np.testing.assert_allclose(found[:, :8], expected[:, :8], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[2:-2], expected[2:-2], rtol=1e-5, atol=1e-6)


def test_what_is_no_matrix_is_refused():
    with pytest.raises(InvalidInputError, match=r"shape \(T, D\), T > 0, found \(5,\)"):
        deltas(np.zeros(5))
    with pytest.raises(InvalidInputError, match=r"T > 0, found \(0, 3\)"):
        deltas(np.zeros((0, 3)))
    with pytest.raises(InvalidInputError, match="window must be a whole number >= 1, found 0"):
        deltas(np.zeros((5, 3)), window=0)
