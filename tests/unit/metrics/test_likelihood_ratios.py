"""Cllr, PAV and the curves over the prior, against definitions, scikit-learn and llreval."""

import math
import time

import numpy as np
import pytest
from llreval.cllr import cllr as llreval_cllr
from llreval.cllr import min_cllr as llreval_min_cllr
from llreval.pav_rocch import PAV, ROCCH
from oracles import likelihood_ratios as oracle
from sklearn.isotonic import IsotonicRegression

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import (
    SortedTrials,
    actual_dcf,
    bayes_error_curve,
    calibration_loss,
    cllr,
    empirical_cross_entropy,
    equal_error_rate,
    min_cllr,
    min_dcf,
    pav_calibration,
    tippett_curve,
)

PRIORS = (0.001, 0.01, 0.05, 0.5, 0.9)
LOG_ODDS = np.log(PRIORS) - np.log1p(-np.array(PRIORS))


def drawn(seed=0, *, n_target=80, n_nontarget=300, digits=1):
    """Scores with many ties, as LLRs badly calibrated."""
    rng = np.random.default_rng(seed)
    target, nontarget = rng.normal(2, 1.5, n_target), rng.normal(-1, 1, n_nontarget)
    return np.round(target, digits), np.round(nontarget, digits)


def pooled(target, nontarget):
    scores = np.concatenate([target, nontarget])
    return scores, np.append(np.ones(len(target), int), np.zeros(len(nontarget), int))


@pytest.mark.parametrize("seed", range(3))
def test_cllr_is_that_of_the_definition_and_of_llreval(seed):
    target, nontarget = drawn(seed)
    found = cllr(target, nontarget)
    assert found == pytest.approx(oracle.cllr(target, nontarget), rel=1e-13)
    assert found == pytest.approx(llreval_cllr(target, nontarget), rel=1e-12)
    smallest = min_cllr(target, nontarget)
    assert smallest == pytest.approx(llreval_min_cllr(PAV(*pooled(target, nontarget))), rel=1e-12)
    assert calibration_loss(target, nontarget) == pytest.approx(found - smallest, abs=1e-15)
    assert calibration_loss(target, nontarget) > 0


@pytest.mark.parametrize("digits", [0, 1, 9])
def test_pav_is_isotonic_regression(digits):
    target, nontarget = drawn(4, digits=digits)
    scores, labels = pooled(target, nontarget)
    p = IsotonicRegression().fit(scores, labels).predict(scores)
    with np.errstate(divide="ignore"):
        expected = np.log(p) - np.log(1 - p) - np.log(len(target) / len(nontarget))
    calibration = pav_calibration(target, nontarget)
    np.testing.assert_allclose(calibration(scores), expected, rtol=1e-10, atol=1e-12)
    assert (np.diff(calibration.llrs) > 0).all()
    assert (np.diff(calibration.scores) > 0).all()
    assert calibration.targets.sum() == len(target)
    assert calibration.nontargets.sum() == len(nontarget)
    steps = np.searchsorted(calibration.scores, target, "right") - 1
    np.testing.assert_array_equal(
        np.bincount(steps, minlength=len(calibration)), calibration.targets
    )


def test_pav_is_the_max_min_formula():
    target, nontarget = drawn(5, n_target=12, n_nontarget=15, digits=0)
    target[0], nontarget[0] = math.inf, -math.inf
    expected = oracle.isotonic_llrs(target.tolist(), nontarget.tolist())
    found = pav_calibration(target, nontarget)(list(expected))
    np.testing.assert_allclose(found, list(expected.values()), rtol=1e-13)


def test_pav_between_and_beyond_its_scores():
    calibration = pav_calibration([1.0, 3.0, 4.0], [0.0, 2.0, 2.5])
    middle = math.log(0.5)
    assert calibration(-5.0) == -math.inf
    assert calibration([0.5, 1.0, 2.9, 3.0, 9.0]).tolist() == [
        -math.inf,
        pytest.approx(middle),
        pytest.approx(middle),
        math.inf,
        math.inf,
    ]
    with pytest.raises(InvalidInputError, match="NaN"):
        calibration([math.nan])


def test_scores_without_order_are_one_step():
    assert pav_calibration([0.0, 1.0], [0.0, 1.0]).llrs.tolist() == [0.0]
    assert min_cllr([0.0, 1.0], [2.0, 3.0]) == pytest.approx(1.0)
    assert min_cllr([5.0, 5.0], [5.0]) == pytest.approx(1.0)


def test_calibration_of_calibrated_llrs_is_the_identity():
    """LLRs that state how often they are right are what PAV makes of them."""
    nontargets = np.array([20, 18, 9, 1])
    targets = np.array([20, 80, 180, 145])
    llrs = np.log(targets / targets.sum()) - np.log(nontargets / nontargets.sum())
    assert (np.diff(llrs) > 0).all()
    target, nontarget = np.repeat(llrs, targets), np.repeat(llrs, nontargets)
    calibration = pav_calibration(target, nontarget)
    np.testing.assert_allclose(calibration(llrs), llrs, atol=1e-12)
    assert calibration_loss(target, nontarget) == pytest.approx(0, abs=1e-12)
    errors = bayes_error_curve(target, nontarget, np.linspace(-4, 4, 33))
    np.testing.assert_allclose(errors.actual, errors.minimum, atol=1e-12)
    shifted = calibration_loss(target + 1, nontarget + 1)
    assert shifted > 0.05
    assert len(calibration) == len(llrs)


def test_gaussian_llrs_are_nearly_calibrated():
    """Equal Gaussians at +-d/2 of variance d are LLRs of themselves (Brümmer, 2006)."""
    rng = np.random.default_rng(1)
    d = 6.0
    target, nontarget = rng.normal([[d / 2], [-d / 2]], math.sqrt(d), (2, 50_000))
    assert calibration_loss(target, nontarget) < 2e-3
    for p_target in (0.1, 0.5):
        odds = math.log(p_target / (1 - p_target))
        curve = bayes_error_curve(target, nontarget, odds)
        assert curve.actual[0] == pytest.approx(curve.minimum[0], rel=0.02)


def test_bayes_errors_are_decisions_counted():
    target, nontarget = drawn(6)
    curve = bayes_error_curve(target, nontarget, LOG_ODDS)
    hull = ROCCH(PAV(*pooled(target, nontarget)))
    for place, (prior, odds) in enumerate(zip(PRIORS, LOG_ODDS.tolist(), strict=True)):
        actual, minimum = oracle.bayes_errors(target.tolist(), nontarget.tolist(), odds)
        assert curve.actual[place] == pytest.approx(actual, rel=1e-12)
        assert curve.minimum[place] == pytest.approx(minimum, rel=1e-12)
        assert curve.minimum[place] == pytest.approx(
            hull.Bayes_error_rate(odds) / min(prior, 1 - prior), rel=1e-12
        )
        assert curve.minimum[place] == pytest.approx(
            min_dcf(target, nontarget, p_target=prior).value, rel=1e-12
        )
        assert curve.actual[place] == pytest.approx(
            actual_dcf(target, nontarget, threshold=-odds, p_target=prior).value, rel=1e-12
        )
    assert (curve.default == 1).all()


def test_the_highest_minimal_bayes_error_is_the_hull_eer():
    target, nontarget = drawn(7)
    odds = np.linspace(-3, 3, 6001)
    curve = bayes_error_curve(target, nontarget, odds)
    rate = curve.minimum * np.exp(-np.logaddexp(0, np.abs(odds)))
    eer = equal_error_rate(target, nontarget, method="rocch").value
    assert rate.max() == pytest.approx(eer, rel=1e-3)


def test_a_bayes_threshold_accepts_ties():
    assert bayes_error_curve([0.0], [-1.0], 0.0).actual.tolist() == [0.0]
    assert bayes_error_curve([1.0], [0.0], 0.0).actual.tolist() == [1.0]


def test_cross_entropy_is_that_of_the_definition():
    target, nontarget = drawn(8)
    curve = empirical_cross_entropy(target, nontarget, LOG_ODDS)
    best = pav_calibration(target, nontarget)
    for place, odds in enumerate(LOG_ODDS.tolist()):
        assert curve.actual[place] == pytest.approx(
            oracle.cross_entropy(target, nontarget, odds), rel=1e-12
        )
        assert curve.minimum[place] == pytest.approx(
            oracle.cross_entropy(best(target), best(nontarget), odds), rel=1e-12
        )
        prior = PRIORS[place]
        entropy = -prior * math.log2(prior) - (1 - prior) * math.log2(1 - prior)
        assert curve.reference[place] == pytest.approx(entropy, rel=1e-12)
    at_even = empirical_cross_entropy(target, nontarget, 0.0)
    assert at_even.actual[0] == pytest.approx(cllr(target, nontarget), rel=1e-13)
    assert at_even.minimum[0] == pytest.approx(min_cllr(target, nontarget), rel=1e-13)


@pytest.mark.parametrize("scale", [0.01, 1.0, 100.0])
def test_many_llrs_cost_what_they_cost_one_by_one(monkeypatch, scale):
    """The nodes of an interpolation stand for the LLRs to the last digits."""
    rng = np.random.default_rng(2)
    target = np.append(rng.normal(scale, scale, 500), [math.inf, 1e9, -1e4])
    nontarget = np.append(rng.normal(-scale, scale, 900), [-math.inf, -1e9])
    odds = np.linspace(-9, 9, 7)
    plain = empirical_cross_entropy(target, nontarget, odds).actual
    monkeypatch.setattr("speakergmm.metrics.prior_curves._MANY", 10)
    nodes = empirical_cross_entropy(target, nontarget, odds).actual
    np.testing.assert_allclose(nodes, plain, rtol=1e-13)


def test_infinite_llrs_cost_nothing_where_they_are_right():
    assert cllr([math.inf], [-math.inf]) == 0
    assert cllr([math.inf, 0.0], [-math.inf]) == pytest.approx(0.25)
    assert cllr([-math.inf, 5.0], [-1.0]) == math.inf
    assert cllr([5.0], [math.inf, -1.0]) == math.inf
    curve = empirical_cross_entropy([math.inf, -math.inf], [-3.0], [0.0, 1.0])
    assert curve.actual.tolist() == [math.inf, math.inf]
    right = empirical_cross_entropy([math.inf], [-math.inf], [0.0, 1.0])
    assert right.actual.tolist() == right.minimum.tolist() == [0.0, 0.0]


def test_separable_scores_have_no_minimum_cost():
    target, nontarget = [3.0, 4.0], [1.0, 2.0]
    assert min_cllr(target, nontarget) == 0
    assert pav_calibration(target, nontarget).llrs.tolist() == [-math.inf, math.inf]
    assert bayes_error_curve(target, nontarget, LOG_ODDS).minimum.tolist() == [0.0] * len(PRIORS)


def test_tippett_counts_what_is_at_or_above():
    target, nontarget = drawn(9, n_target=20, n_nontarget=30)
    curve = tippett_curve(target, nontarget)
    assert curve.llrs.tolist() == sorted(set(target) | set(nontarget))
    for place, llr in enumerate(curve.llrs):
        assert curve.target[place] == pytest.approx(np.mean(target >= llr))
        assert curve.nontarget[place] == pytest.approx(np.mean(nontarget >= llr))
    chosen = tippett_curve(target, nontarget, [0.0, -50.0])
    assert chosen.llrs.tolist() == [-50.0, 0.0]
    assert chosen.target.tolist() == [1.0, np.mean(target >= 0)]


@pytest.mark.parametrize(
    "measure",
    [
        cllr,
        min_cllr,
        calibration_loss,
        pav_calibration,
        tippett_curve,
        lambda t, n: bayes_error_curve(t, n, 0.0),
        lambda t, n: empirical_cross_entropy(t, n, 0.0),
    ],
)
def test_refusals(measure):
    with pytest.raises(InvalidInputError, match="no nontarget scores"):
        measure([1.0], [])
    with pytest.raises(InvalidInputError, match="no target scores"):
        measure([], [1.0])
    with pytest.raises(InvalidInputError, match="target scores: row 1 is NaN"):
        measure([1.0, math.nan], [0.5])
    labels = np.array([0, 1] * 10)
    with pytest.raises(InvalidInputError, match="look like labels"):
        measure(np.linspace(-1, 1.3, 20), labels)


def test_log_odds_out_of_range_are_refused():
    for curve in (bayes_error_curve, empirical_cross_entropy):
        with pytest.raises(InvalidInputError, match="log_odds must be within -500 to 500"):
            curve([1.0], [0.0], [0.0, math.inf])
        with pytest.raises(InvalidInputError, match="log_odds: row 0 is NaN"):
            curve([1.0], [0.0], math.nan)
        assert len(curve([1.0], [0.0], []).actual) == 0


def test_curves_cost_little_more_than_the_sort():
    rng = np.random.default_rng(3)
    target, nontarget = rng.normal(2, 2, 20_000), rng.normal(-2, 2, 200_000)
    odds = np.linspace(-7, 7, 101)
    start = time.process_time()
    SortedTrials(target, nontarget)
    sort = time.process_time() - start
    start = time.process_time()
    bayes_error_curve(target, nontarget, odds)
    empirical_cross_entropy(target, nontarget, odds)
    tippett_curve(target, nontarget)
    # About 15 times; one LLR and prior after the other is thousands.
    assert time.process_time() - start < 100 * max(sort, 0.01)
