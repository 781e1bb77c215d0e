"""Detection errors: figures worked out by hand, other programs, closed forms, refusals."""

import math
import time

import numpy as np
import pytest
from oracles import metrics as oracle
from scipy.optimize import brentq
from scipy.stats import norm

from speakergmm.errors import InvalidInputError
from speakergmm.metrics import (
    SortedTrials,
    actual_dcf,
    bootstrap_intervals,
    det_curve,
    equal_error_rate,
    evaluate,
    identification_accuracy,
    identification_from_trials,
    min_dcf,
    speaker_clusters,
    wilson_interval,
)

# P_miss and P_fa cross inside a step: 1/3 misses while false alarms fall from 1/2 to 0.
TARGET, NONTARGET = [1.0, 2.0, 3.0], [0.0, 1.5]
# All is one tie: a single diagonal step.
TIED = [1.0, 1.0, 1.0], [1.0, 1.0]


def drawn(n_target=300, n_nontarget=2000, *, seed=0, decimals=None):
    rng = np.random.default_rng(seed)
    target, nontarget = rng.normal(1.7, 1.3, n_target), rng.normal(0, 1, n_nontarget)
    if decimals is not None:
        target, nontarget = np.round(target, decimals), np.round(nontarget, decimals)
    return target, nontarget


def test_eer_by_hand_and_what_wrong_ways_would_give():
    assert equal_error_rate(TARGET, NONTARGET).value == 1 / 3
    assert equal_error_rate(TARGET, NONTARGET, method="rocch").value == 0.2
    assert equal_error_rate(*TIED).value == 0.5
    # These would pass unnoticed on data whose right and wrong figures agree; here they differ.
    assert float(oracle.eer_by_neighbours(TARGET, NONTARGET)) == pytest.approx(5 / 12)
    assert oracle.eer_by_sort_order(*TIED, targets_first=True) == 1
    assert oracle.eer_by_sort_order(*TIED, targets_first=False) == 0


def test_the_sign_is_right():
    # Higher speaks for the target: exchanged classes err always, equal ones half the time.
    assert equal_error_rate([2.0, 3.0], [0.0, 1.0]).value == 0
    assert equal_error_rate([0.0, 1.0], [2.0, 3.0]).value == 1
    assert equal_error_rate([0.0, 1.0], [2.0, 3.0], method="rocch").value == 0.5
    assert min_dcf([2.0, 3.0], [0.0, 1.0]).value == 0
    assert min_dcf([0.0, 1.0], [2.0, 3.0]).value == 1


def test_a_score_at_the_threshold_is_accepted():
    point = actual_dcf([1.0], [1.0], threshold=1.0)
    assert (point.p_miss, point.p_fa) == (0, 1)
    above = actual_dcf([1.0], [1.0], threshold=np.nextafter(1.0, 2.0))
    assert (above.p_miss, above.p_fa) == (1, 0)


def test_actual_dcf_by_hand():
    # P_miss 1/4, P_fa 2/5 at 0.5; (2 x 0.1 x 1/4 + 0.5 x 0.9 x 2/5) / min(0.2, 0.45)
    point = actual_dcf(
        [0.4, 0.5, 1, 2], [0.1, 0.2, 0.3, 0.5, 9], threshold=0.5, p_target=0.1, c_miss=2, c_fa=0.5
    )
    assert (point.p_miss, point.p_fa) == (0.25, 0.4)
    assert point.value == pytest.approx((0.05 + 0.18) / 0.2, rel=1e-14)


def test_min_dcf_is_one_where_scores_say_nothing():
    assert min_dcf([1.0], [1.0]).value == 1
    assert min_dcf([1.0], [1.0]).threshold == math.inf
    assert min_dcf([1.0], [1.0], p_target=0.9).value == 1
    assert min_dcf([1.0], [1.0], p_target=0.9).threshold == 1.0


def test_of_equal_costs_the_lowest_threshold_counts():
    point = min_dcf([1.0, 3.0], [0.0, 2.0], p_target=0.5)
    assert (point.value, point.threshold) == (0.5, 1.0)
    assert (point.p_miss, point.p_fa) == (0, 0.5)


@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("seed", [0, 1])
def test_eer_is_that_of_scikit_learn_interpolated(seed, decimals):
    from sklearn.metrics import roc_curve

    target, nontarget = drawn(seed=seed, decimals=decimals)
    labels = np.repeat([1, 0], [len(target), len(nontarget)])
    fpr, tpr, _ = roc_curve(labels, np.concatenate([target, nontarget]), drop_intermediate=False)
    # Along the polygon's own length, since neither rate is a function of the other.
    position = np.arange(len(fpr))
    at = brentq(
        lambda x: 1 - np.interp(x, position, tpr) - np.interp(x, position, fpr), 0, len(fpr) - 1
    )
    expected = np.interp(at, position, fpr)
    assert equal_error_rate(target, nontarget).value == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("decimals", [None, 1])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_hull_eer_and_min_dcf_are_those_of_llreval(seed, decimals):
    from llreval.pav_rocch import PAV, ROCCH
    from llreval.quick_eval import tarnon_2_eer
    from llreval.utils import tarnon_2_scoreslabels

    target, nontarget = drawn(seed=seed, decimals=decimals)
    eer = equal_error_rate(target, nontarget, method="rocch").value
    # Its EER comes from a numerical search for the prior with the greatest error.
    assert eer == pytest.approx(tarnon_2_eer(target, nontarget), abs=1e-7)
    hull = ROCCH(PAV(*tarnon_2_scoreslabels(target, nontarget)))
    for p_target in (0.01, 0.05, 0.5, 0.9):
        expected = hull.Bayes_error_rate(np.log(p_target / (1 - p_target)))
        got = min_dcf(target, nontarget, p_target=p_target).value
        assert got == pytest.approx(expected / min(p_target, 1 - p_target), rel=1e-10)


@pytest.mark.slow
def test_two_gaussians_have_the_figures_of_the_closed_form():
    rng = np.random.default_rng(3)
    n, d = 400_000, 2.0
    target, nontarget = rng.normal(d, 1, n), rng.normal(0, 1, n)
    expected = norm.cdf(-d / 2)
    # The rates' errors meet on the diagonal: each pulls the crossing by half.
    sigma = math.sqrt(2 * expected * (1 - expected) / n) / 2
    for method in ("linear", "rocch"):
        point = equal_error_rate(target, nontarget, method=method)
        assert abs(point.value - expected) < 4 * sigma
        assert abs(point.threshold - d / 2) < 0.02
    for p in (0.01, 0.5):
        threshold = d / 2 + math.log((1 - p) / p) / d
        best = p * norm.cdf(threshold - d) + (1 - p) * norm.sf(threshold)
        point = min_dcf(target, nontarget, p_target=p)
        assert point.value == pytest.approx(best / min(p, 1 - p), rel=0.01)
        assert abs(point.threshold - threshold) < 0.2


def test_more_targets_than_nontargets_is_the_same_polygon():
    target, nontarget = drawn(900, 40, decimals=1)
    curve = det_curve(target, nontarget)
    rates = oracle.error_rates(target.tolist(), nontarget.tolist())
    at = {threshold: (miss, fa) for threshold, miss, fa in rates}
    for threshold, miss, fa in zip(curve.thresholds, curve.p_miss, curve.p_fa, strict=True):
        assert (miss, fa) == tuple(map(float, at[threshold]))
    value = equal_error_rate(target, nontarget).value
    assert value == float(oracle.eer_linear(target.tolist(), nontarget.tolist()))


def test_infinite_scores_are_the_lowest_and_the_highest():
    target, nontarget = [math.inf, 1.0, -math.inf], [-math.inf, 0.0, math.inf]
    for method, exact in (("linear", oracle.eer_linear), ("rocch", oracle.eer_rocch)):
        ranked = [9.0, 1.0, -9.0], [-9.0, 0.0, 9.0]
        expected = float(exact(*ranked))
        assert equal_error_rate(target, nontarget, method=method).value == expected
    curve = det_curve(target, nontarget)
    assert (curve.misses[-1], curve.false_alarms[-1]) == (3, 0)


def test_order_and_kind_of_the_input_do_not_matter_and_it_stays_as_it_was():
    target, nontarget = drawn(decimals=1)
    shuffled = target[::-1].copy()
    before = shuffled.copy()
    assert equal_error_rate(shuffled, nontarget) == equal_error_rate(target, nontarget)
    np.testing.assert_array_equal(shuffled, before)
    single = target.astype(np.float32), nontarget.astype(np.float32)
    wide = single[0].astype(np.float64), single[1].astype(np.float64)
    assert equal_error_rate(*single) == equal_error_rate(*wide)


def test_costs_grow_as_a_sort_not_as_a_square():
    rng = np.random.default_rng(0)
    target, nontarget = rng.normal(2, 1, 300_000), rng.normal(0, 1, 300_000)
    start = time.process_time()
    trials = SortedTrials(target, nontarget)
    trials.min_dcf()
    trials.equal_error_rate()
    trials.equal_error_rate(method="rocch")
    # A square of it would be 10^11 steps.
    assert time.process_time() - start < 10


def test_conventions_are_named():
    assert equal_error_rate(*TIED).convention == "EER by linear interpolation"
    assert equal_error_rate(*TIED, method="rocch").convention == "EER on the ROC convex hull"
    cost = min_dcf(*TIED, p_target=0.05, c_miss=10).convention
    assert cost == "minDCF (p_target=0.05, c_miss=10, c_fa=1), normalised"
    assert actual_dcf(*TIED, threshold=0).convention.startswith("actual DCF (p_target=0.01")


def test_an_infinite_threshold_is_null_in_json():
    assert min_dcf([1.0], [1.0]).to_dict()["threshold"] is None


@pytest.mark.parametrize(
    ("target", "nontarget", "message"),
    [
        ([], [1.0], "no target scores"),
        ([1.0], [], "no nontarget scores"),
        ([1.0, math.nan], [1.0], "target scores: row 1 is NaN"),
        ([1.0], [0.0, 1.0, math.nan], "nontarget scores: row 2 is NaN"),
        ([[1.0]], [1.0], "target scores: must be a flat array, found shape (1, 1)"),
        (["high"], [1.0], "target scores: must be numbers"),
    ],
)
def test_scores_refused(target, nontarget, message):
    for measure in (equal_error_rate, min_dcf, det_curve):
        with pytest.raises(InvalidInputError) as caught:
            measure(target, nontarget)
        assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"p_target": 0.0}, "p_target must be finite, > 0 and < 1, found 0.0"),
        ({"p_target": 1.0}, "p_target .* found 1.0"),
        ({"p_target": math.nan}, "p_target .* found nan"),
        ({"c_miss": 0.0}, "c_miss must be finite and > 0, found 0.0"),
        ({"c_fa": -1.0}, "c_fa .* found -1.0"),
        ({"c_fa": math.inf}, "c_fa .* found inf"),
    ],
)
def test_costs_refused(options, message):
    with pytest.raises(InvalidInputError, match=message):
        min_dcf(TARGET, NONTARGET, **options)
    with pytest.raises(InvalidInputError, match=message):
        actual_dcf(TARGET, NONTARGET, threshold=0.0, **options)


def test_method_and_threshold_refused():
    with pytest.raises(InvalidInputError, match="must be one of linear, rocch, found 'average'"):
        equal_error_rate(TARGET, NONTARGET, method="average")
    with pytest.raises(InvalidInputError, match="threshold must be a number, found nan"):
        actual_dcf(TARGET, NONTARGET, threshold=math.nan)


def labelled():
    """Scores and labels as other libraries take them, and the EER of the two kinds."""
    target, nontarget = drawn(400, 400, seed=3)
    scores = np.concatenate([target, nontarget])
    return scores, np.repeat([1, 0], 400), equal_error_rate(target, nontarget).value


@pytest.mark.parametrize(
    "figure",
    [
        equal_error_rate,
        min_dcf,
        det_curve,
        lambda *pair: actual_dcf(*pair, threshold=0.0),
        lambda *pair: equal_error_rate(*pair, method="rocch"),
    ],
)
@pytest.mark.parametrize(
    "write",
    [
        lambda labels: labels,
        lambda labels: labels.astype(bool),
        lambda labels: labels.astype(float),
        lambda labels: labels * 2 - 1,
        lambda labels: labels + 1,
        lambda labels: labels.tolist(),
        lambda labels: np.where(labels, "target", "nontarget"),
        lambda labels: np.where(labels, True, False).astype(object).tolist(),
    ],
)
def test_labels_are_not_taken_for_scores(figure, write):
    scores, labels, expected = labelled()
    for pair in ((scores, write(labels)), (write(labels), scores), (scores[:2], [1, 0])):
        with pytest.raises(InvalidInputError, match="labels") as caught:
            figure(*pair)
        assert "\n" not in str(caught.value)
    # What the message advises gives the right figure.
    assert equal_error_rate(scores[labels == 1], scores[labels == 0]).value == expected


def test_scores_that_only_resemble_labels_are_scored():
    # A system that answers yes or no: 1 of 3 missed, 1 of 3 accepted wrongly.
    assert equal_error_rate([1, 1, 0], [0, 0, 1]).value == pytest.approx(1 / 3)
    assert equal_error_rate([2.0, 3.0], [0.0, 1.0]).value == 0
    assert equal_error_rate([2, 3, 4], [0, 1]).value == 0
    assert equal_error_rate([1.0, 1.0, 1.0], [0.0, 0.0, 0.0]).value == 0


@pytest.mark.parametrize(
    ("target", "nontarget", "words"),
    [
        ([], [1.0], "no target scores"),
        ([1.0], [], "no nontarget scores"),
        ([1.0, np.nan], [0.0], "row 1 is NaN"),
        ([[1.0, 2.0]], [0.0], "flat array"),
        ([1.0], [[0.0], [1.0]], "flat array"),
        ([1.0], ["a"], "numbers"),
        (None, [1.0], "flat array"),
    ],
)
def test_what_is_no_pair_of_scores_is_refused(target, nontarget, words):
    for figure in (equal_error_rate, min_dcf, det_curve):
        with pytest.raises(InvalidInputError, match=words):
            figure(target, nontarget)


def test_arrays_where_trials_are_wanted_name_the_right_call():
    scores, labels, _ = labelled()
    for function in (evaluate, bootstrap_intervals, identification_from_trials, speaker_clusters):
        for given in (scores, list(zip(scores, labels, strict=True)), "scores.tsv"):
            with pytest.raises(TypeError, match=r"metrics\.Scores\("):
                function(given)


def test_counts_are_counts_and_matrices_are_matrices():
    for errors, total in ((0.05, 100), (100, 1), (np.nan, 10), (-1, 10)):
        with pytest.raises(InvalidInputError, match="n_errors must be a whole number"):
            wilson_interval(errors, total)
    matrix = np.arange(6.0).reshape(2, 3)
    for scores, true in (
        (matrix.T, [0, 1]),
        ([0, 1], matrix),
        (matrix, [[1, 0, 0], [0, 1, 0]]),
        (matrix, [True, False]),
        (matrix, [0.0, 1.0]),
        (matrix * np.nan, [0, 1]),
        (np.empty((0, 3)), []),
        ([[1.0], [1.0, 2.0]], [0, 1]),
        ([["a", "b"]], [0]),
    ):
        with pytest.raises(InvalidInputError):
            identification_accuracy(scores, true)
    for top_k in (0, True, 1.5):
        with pytest.raises(InvalidInputError, match="top_k"):
            identification_accuracy(matrix, [0, 1], top_k=top_k)
