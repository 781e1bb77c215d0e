import math

import numpy as np
import pytest
from oracles import density_uses as oracle
from scipy.stats import beta, norm

from speakergmm.errors import InvalidInputError
from speakergmm.estimators import (
    calibrate_threshold,
    proportion_interval,
    quantile_interval,
    samples_needed,
)


@pytest.mark.parametrize(("n_events", "n_trials"), [(0, 1), (1, 1), (0, 59), (3, 40), (40, 40)])
@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
def test_intervals_of_proportions_are_exact(n_events, n_trials, confidence):
    expected = oracle.clopper_pearson(n_events, n_trials, confidence)
    found = proportion_interval(n_events, n_trials, confidence=confidence)
    np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 30, 100])
@pytest.mark.parametrize("share", [0.05, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_intervals_of_quantiles_are_the_narrowest_that_cover(n, share, confidence):
    low, high = quantile_interval(np.arange(1.0, n + 1), share, confidence=confidence)
    tail = (1 - confidence) / 2

    def below(r):  # P(fewer than r of n draws lie below the quantile)
        return sum(math.comb(n, i) * share**i * (1 - share) ** (n - i) for i in range(r))

    lower = 0 if low == -math.inf else int(low)
    upper = n + 1 if high == math.inf else int(high)
    assert below(lower) <= tail < below(lower + 1)
    assert 1 - below(upper) <= tail + 1e-12
    assert 1 - below(upper - 1) > tail


def test_intervals_of_quantiles_cover_as_often_as_they_say():
    rng = np.random.default_rng(5)
    truth = norm.ppf(0.1)
    hits = 0
    for _ in range(400):
        low, high = quantile_interval(rng.normal(size=80), 0.1, confidence=0.9)
        hits += low <= truth <= high
    assert hits / 400 > 0.9 - 3 * math.sqrt(0.9 * 0.1 / 400)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.07, 0.1, 0.29, 0.5])
@pytest.mark.parametrize("n", [99, 100, 137, 299])
def test_a_false_alarm_target_is_an_order_statistic(rate, n):
    scores = np.random.default_rng(n).permutation(np.arange(1, n + 1))
    found = calibrate_threshold(scores, false_alarm=rate)
    # In whole numbers: the largest k with k / (n + 1) <= rate.
    rank = (round(rate * 100) * (n + 1)) // 100
    assert found.threshold == rank
    assert found.n_false_alarms == rank - 1
    assert found.n_validation == n
    assert found.false_alarm_rate == (rank - 1) / n
    np.testing.assert_allclose(
        found.false_alarm_interval, oracle.clopper_pearson(rank - 1, n, 0.95), rtol=1e-6, atol=1e-9
    )
    # The rate of new scores below the k-th of n is Beta(k, n + 1 - k).
    assert found.false_alarm_interval[1] == pytest.approx(beta.isf(0.025, rank, n + 1 - rank))
    assert found.threshold_interval == quantile_interval(scores, rate)


@pytest.mark.slow
def test_new_scores_are_below_as_often_as_asked():
    rng = np.random.default_rng(2)
    rates = [
        norm.cdf(calibrate_threshold(rng.normal(size=39), false_alarm=0.1).threshold)
        for _ in range(600)
    ]
    # Exactly 4 / 40 in the mean; its error is that of Beta(4, 36) over 600.
    assert np.mean(rates) == pytest.approx(0.1, abs=4 * beta(4, 36).std() / math.sqrt(600))


def test_equal_scores_give_fewer_alarms_not_more():
    found = calibrate_threshold([1.0] * 50 + [2.0] * 50, false_alarm=0.3)
    assert (found.threshold, found.n_false_alarms) == (1.0, 0)


def test_a_quantile_is_the_interpolated_one():
    scores = np.random.default_rng(0).normal(size=57)
    found = calibrate_threshold(scores, quantile=0.13, confidence=0.8)
    assert found.threshold == np.quantile(scores, 0.13)
    assert found.n_false_alarms == (scores < found.threshold).sum()
    assert found.false_alarm_interval == proportion_interval(
        found.n_false_alarms, 57, confidence=0.8
    )
    assert found.threshold_interval == quantile_interval(scores, 0.13, confidence=0.8)
    assert found.confidence == 0.8


@pytest.mark.parametrize(
    ("target", "needed"),
    [
        ({"false_alarm": 0.01}, 99),
        ({"false_alarm": 0.1}, 9),
        ({"false_alarm": 0.3}, 3),
        ({"quantile": 0.01}, 100),
        ({"quantile": 0.3}, 4),
        ({"quantile": 1 / 3}, 3),
    ],
)
def test_too_few_scores_are_refused_with_what_is_needed(target, needed):
    assert samples_needed(**target) == needed
    calibrate_threshold(np.arange(float(needed)), **target)
    with pytest.raises(InvalidInputError, match=f"needs {needed} or more .* found {needed - 1}"):
        calibrate_threshold(np.arange(float(needed - 1)), **target)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "exactly one of false_alarm and quantile"),
        ({"false_alarm": 0.1, "quantile": 0.1}, "exactly one"),
        ({"false_alarm": 0.0}, "false_alarm must be finite, > 0 and < 1, found 0.0"),
        ({"false_alarm": 1}, "found 1"),
        ({"quantile": -0.1}, "quantile must be finite, > 0 and < 1"),
        ({"quantile": float("nan")}, "found nan"),
        ({"quantile": "few"}, "found 'few'"),
        ({"quantile": 0.5, "confidence": 1.0}, "confidence must be finite, > 0 and < 1"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        calibrate_threshold(np.arange(10.0), **options)


@pytest.mark.parametrize(
    ("scores", "message"),
    [([], r"shape \(0,\)"), ([[1.0, 2.0]], r"shape \(1, 2\)"), ([1.0, np.nan], "found nan at 1")],
)
def test_scores_that_are_none_are_refused(scores, message):
    with pytest.raises(InvalidInputError, match=message):
        calibrate_threshold(scores, quantile=0.5)


@pytest.mark.parametrize(("n_events", "n_trials"), [(-1, 3), (4, 3), (0, 0)])
def test_counts_that_are_none_are_refused(n_events, n_trials):
    with pytest.raises(InvalidInputError, match=f"found {n_events} events in {n_trials}"):
        proportion_interval(n_events, n_trials)
