"""Bounds of ratios against a grid of thresholds, and where they have a closed form."""

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.speakers import llr_bounds


def costs(target, nontarget, log_threshold):
    """Cost of decisions with one more misleading ratio of each kind, and of those without."""
    threshold = np.exp(log_threshold)
    missed = (np.count_nonzero(target < log_threshold) + 1) / (len(target) + 1)
    accepted = (np.count_nonzero(nontarget > log_threshold) + 1) / (len(nontarget) + 1)
    return missed + threshold * accepted, min(1.0, threshold)


def bounds_on_a_grid(target, nontarget, step=1e-3):
    high = low = 0.0
    while np.less_equal(*costs(target, nontarget, high + step)):
        high += step
    while np.less_equal(*costs(target, nontarget, low - step)):
        low -= step
    return low, high


@pytest.mark.parametrize("seed", range(8))
def test_bounds_are_those_of_a_grid(seed):
    rng = np.random.default_rng(seed)
    distance, n_target, n_nontarget = rng.uniform(0.3, 6), rng.integers(3, 60), rng.integers(3, 300)
    target = rng.normal(distance**2 / 2, distance, n_target)
    nontarget = rng.normal(-(distance**2) / 2, distance, n_nontarget)
    if seed % 2:  # ties
        target, nontarget = target.round(1) + 0.0005, nontarget.round(1) + 0.0005
    found = llr_bounds(target, nontarget)
    np.testing.assert_allclose(found, bounds_on_a_grid(target, nontarget), atol=2e-3)


def test_separate_ratios_are_bounded_by_their_numbers():
    low, high = llr_bounds(np.full(50, 30.0), np.full(400, -30.0))
    assert np.exp(high) == pytest.approx(401 * (1 - 1 / 51))
    assert np.exp(-low) == pytest.approx(51 * (1 - 1 / 401))


def test_more_trials_support_larger_ratios():
    rng = np.random.default_rng(0)
    highs = [llr_bounds(rng.normal(12, 5, n), rng.normal(-12, 5, n))[1] for n in (30, 300, 3000)]
    assert highs[0] < highs[1] < highs[2]


def test_ratios_that_say_nothing_are_bounded_at_one():
    assert llr_bounds([0.0, 1.0], [0.0, 1.0]) == (0.0, 0.0)


def test_infinite_ratios_have_finite_bounds():
    assert np.isfinite(llr_bounds([np.inf, 3.0], [-np.inf, -3.0])).all()


@pytest.mark.parametrize("wrong", [[], [np.nan]])
def test_missing_ratios_are_refused(wrong):
    with pytest.raises(InvalidInputError, match="nontarget ratios"):
        llr_bounds([1.0], wrong)
