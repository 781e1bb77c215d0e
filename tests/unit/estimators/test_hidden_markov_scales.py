"""Variance floors of hidden Markov models follow the data, so that units do not matter."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from oracles.peers import hmmlearn_module

from speakergmm import GaussianMixtureHMM, HMMClassifier

KINDS = ("full", "tied", "diag", "spherical")
UNITS = (1e-30, 1e-8, 0.01, 100.0)


def returns(unit, n=2000, seed=0):
    """Return returns of quiet and volatile days of a market, and their labels."""
    rng = np.random.default_rng(seed)
    states = np.cumsum(rng.random(n) < 0.01) % 2
    return (rng.normal(size=n) * np.where(states, 2.0, 0.6) * unit)[:, None], states


def share_right(found, states):
    return max(np.mean(found == states), np.mean(found != states))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("unit", UNITS)
def test_regimes_are_found_in_any_unit(unit, kind):
    X, states = returns(unit)
    model = GaussianMixtureHMM(2, covariance_type=kind, random_state=0, n_iter=50).fit(X)
    assert share_right(model.predict(X), states) > 0.95
    found = np.sort(np.ravel(model.covars_)) / unit**2
    assert_allclose(found, [0.36, 4.0], rtol=0.15)
    assert not any(iteration.n_floored for iteration in model.history_)


def test_regimes_are_those_that_hmmlearn_finds():
    X, _ = returns(0.01)
    ours = GaussianMixtureHMM(2, random_state=0, n_iter=50, tol=1e-4).fit(X)
    theirs = hmmlearn_module().GMMHMM(2, 1, random_state=0, n_iter=50, tol=1e-4).fit(X)
    assert share_right(ours.predict(X), theirs.predict(X)) > 0.999
    assert_allclose(np.sort(ours.covars_.ravel()), np.sort(theirs.covars_.ravel()), rtol=0.01)
    assert ours.score(X) >= theirs.score(X) - 0.1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_mix", [1, 2])
def test_the_unit_changes_nothing_but_the_unit(n_mix, kind):
    # A power of two below the unit at which min_covar follows the data: the same numbers.
    rng = np.random.default_rng(1)
    X = np.concatenate([rng.normal(-1, 0.3, (100, 2)), rng.normal(1, 0.3, (100, 2))]) / 2
    fitted = [
        GaussianMixtureHMM(2, n_mix, covariance_type=kind, random_state=0).fit(X * 2.0**-power)
        for power in (0, 30)
    ]
    assert_allclose(fitted[1].means_ * 2.0**30, fitted[0].means_, rtol=1e-6)
    assert_allclose(fitted[1].covars_ * 2.0**60, fitted[0].covars_, rtol=1e-6)
    assert_allclose(fitted[1].transmat_, fitted[0].transmat_, rtol=1e-6, atol=1e-12)


def test_min_covar_is_a_part_of_small_variances_and_holds_for_constant_ones():
    rng = np.random.default_rng(0)
    X = np.repeat(rng.normal(size=(4, 1)), 50, axis=0)
    X = np.column_stack([X, X * 1e-3, np.full(len(X), 5.0), X * 1e3])
    model = GaussianMixtureHMM(4, min_covar=0.01, random_state=0, n_iter=20).fit(X)
    variance = X.var(axis=0)
    assert variance[0] < 1.0
    expected = 0.01 * np.array([variance[0], variance[1], 1.0, 1.0])
    assert_allclose(model.covars_, np.broadcast_to(expected, (4, 1, 4)), rtol=1e-6)
    assert model.history_[-1].n_floored == 16


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("template", [None, GaussianMixtureHMM(2, random_state=0)])
def test_sequences_are_classified_in_any_unit(template, unit):
    rng = np.random.default_rng(0)
    labels = np.arange(20) % 2
    # The two classes differ in their spread alone.
    sequences = [rng.normal(0, 0.2 + 0.6 * label, (40, 2)) * unit for label in labels]
    model = HMMClassifier(template).fit(sequences[:10], labels[:10])
    assert_array_equal(model.predict(sequences[10:]), labels[10:])
