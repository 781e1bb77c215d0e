"""Errors by condition, thresholds carried from dev scores, and paired comparisons."""

import json
import math

import numpy as np
import pytest

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.metrics import (
    Scores,
    check_speakers_apart,
    choose_threshold,
    cllr,
    compare_systems,
    draw_multiplicities,
    draw_within,
    equal_error_rate,
    evaluate,
    evaluate_by_condition,
    min_cllr,
)


def drawn(seed=0, *, n_speakers=12, n_tests=4, prefix="s", shift=3.0):
    """Every test against every model; women are harder than men, and tests have durations."""
    rng = np.random.default_rng(seed)
    rows = [
        (f"{prefix}{model}", f"{prefix}{speaker}/{test}", model == speaker, speaker % 2, test)
        for speaker in range(n_speakers)
        for test in range(n_tests)
        for model in range(n_speakers)
    ]
    models, paths, own, woman, test = map(np.array, zip(*rows, strict=True))
    values = rng.normal(np.where(own, shift, 0) - own * woman * 0.6 * shift)
    return Scores(
        models,
        paths,
        values,
        np.where(own, "target", "nontarget"),
        {
            "sex": np.where(woman == 1, "female", "male"),
            "seconds": [f"{1 + 0.01 * k}" for k in range(len(own))],
            "test": [str(each) for each in test],
        },
    )


def test_groups_are_evaluated_on_their_trials():
    scores = drawn(n_tests=12)
    found = evaluate_by_condition(scores, "sex", n_bootstrap=20)
    assert [group.value for group in found.groups] == ["female", "male"]
    for group in found.groups:
        rows = scores.condition("sex") == group.value
        expected = equal_error_rate(
            scores.scores[rows & scores.is_target], scores.scores[rows & scores.is_nontarget]
        )
        assert group.evaluation["eer_linear"].point == expected
        assert group.n_target + group.n_nontarget == rows.sum()
    [worst] = found.worst
    assert (worst.name, worst.kind) == ("sex = female", "misses")
    assert found.threshold == evaluate(scores, n_bootstrap=0)["eer_linear"].point.threshold
    assert found.to_dict()["worst"][0]["group"] == "female"
    assert evaluate_by_condition(scores, "sex", llr=True, n_bootstrap=0).metric == "actual_dcf_0.01"


def test_numbers_are_cut_into_quarters_and_small_groups_are_not_measured():
    scores = drawn()
    quarters = evaluate_by_condition(scores, "seconds", n_bootstrap=0).groups
    assert len(quarters) == 4
    counts = [group.n_target + group.n_nontarget for group in quarters]
    assert sum(counts) == len(scores)
    assert max(counts) - min(counts) <= 1
    few = evaluate_by_condition(scores, "test", n_bootstrap=0)
    assert [group.value for group in few.groups] == ["0", "1", "2", "3"]
    assert all(group.evaluation is None for group in few.groups)  # 12 target trials each
    assert few.worst == ()
    with pytest.raises(InvalidInputError, match="conditions are sex, seconds, test"):
        evaluate_by_condition(scores, "device")


def test_a_threshold_is_the_lowest_that_keeps_the_target_on_dev():
    dev = drawn(1, n_tests=30)
    found = choose_threshold(dev, 0.05, n_bootstrap=50)
    assert np.mean(dev.nontarget >= found.threshold) == found.p_fa <= 0.05
    below = dev.scores[dev.scores < found.threshold].max()
    assert np.mean(dev.nontarget >= below) > 0.05
    assert found.p_miss == np.mean(dev.target < found.threshold)
    assert found.p_fa_interval.low < found.p_fa < found.p_fa_interval.high
    assert found.holds(found.p_fa)
    assert not found.holds(0.5)
    other = evaluate(drawn(2, n_tests=30), threshold=found.threshold, n_bootstrap=50)
    assert found.holds(other["false_alarm_rate"].value)


def test_too_few_trials_promise_nothing():
    dev = drawn(1)
    with pytest.raises(InsufficientDataError, match=r"528 nontarget trials .* 30 needs 3000"):
        choose_threshold(dev, 0.01)
    assert choose_threshold(dev, 0.01, n_bootstrap=0, force=True).p_fa <= 0.01
    with pytest.raises(InvalidInputError, match="target_far must"):
        choose_threshold(dev, 1.5)
    with pytest.raises(InvalidInputError, match=r"dev scores share 12 models .* 's0'"):
        check_speakers_apart(dev, drawn(2))
    check_speakers_apart(dev, drawn(2, prefix="t"))


def test_llrs_have_costs_with_intervals():
    scores = drawn(3)
    result = evaluate(scores, llr=True, threshold=1.0, n_bootstrap=50)
    pair = scores.target, scores.nontarget
    assert result["cllr"].value == cllr(*pair)
    assert result["min_cllr"].value == min_cllr(*pair)
    assert result["calibration_loss"].value == pytest.approx(cllr(*pair) - min_cllr(*pair))
    assert result["actual_dcf_0.05"].point.threshold == pytest.approx(math.log(19))
    assert result["miss_rate"].value == np.mean(pair[0] < 1.0)
    assert result["false_alarm_rate"].value == np.mean(pair[1] >= 1.0)
    assert None not in [metric.interval for metric in result.metrics]
    plain = {metric.name for metric in evaluate(scores, n_bootstrap=0).metrics}
    assert not {"cllr", "miss_rate"} & plain
    endless = Scores(
        scores.models, scores.paths, np.where(scores.is_target, -np.inf, 0), scores.labels
    )
    text = json.dumps(evaluate(endless, llr=True, n_bootstrap=20).to_dict(), allow_nan=False)
    assert json.loads(text)["metrics"]["cllr"]["value"] is None


def test_no_error_seen_is_not_no_error():
    found = evaluate(drawn(4, shift=50.0), threshold=10.0, n_bootstrap=50)["false_alarm_rate"]
    assert found.value == 0
    assert found.interval.low == 0 < found.interval.high < 0.02


def test_recordings_are_drawn_within_drawn_speakers():
    speakers = np.array([2, 0, 1, 0, 2, 2])
    drawn_speakers = draw_multiplicities(4, n_bootstrap=400, seed=1)
    recordings = draw_within(drawn_speakers, speakers, seed=1)
    for speaker in range(4):
        own = recordings[:, speakers == speaker].sum(axis=1)
        np.testing.assert_array_equal(own, drawn_speakers[:, speaker] * (speakers == speaker).sum())
    # Given the speaker's draws, a recording's are binomial.
    assert recordings[:, 1].mean() == pytest.approx(1, abs=0.2)
    assert (recordings[:, 1] != recordings[:, 3]).any()


def test_a_system_is_no_better_than_itself():
    scores = drawn(5)
    turned = scores.select(np.arange(len(scores))[::-1])
    for each in compare_systems(scores, turned, n_bootstrap=50, llr=True).values():
        assert each.difference == 0
        assert (each.interval.low, each.interval.high, each.p_value) == (0, 0, 1)
        assert each.a.value == 0 or each.ratio_interval.ends() == [1, 1]


def test_a_better_system_is_found_with_paired_draws():
    scores = drawn(6)
    better = Scores(
        scores.models, scores.paths, scores.scores + 1.5 * scores.is_target, scores.labels
    )
    found = compare_systems(scores, better, n_bootstrap=200)["eer_linear"]
    assert found.difference < 0
    assert found.interval.high < 0
    assert found.p_value < 0.02
    assert found.ratio == found.b.value / found.a.value
    assert found.ratio_interval.low < found.ratio < found.ratio_interval.high < 1
    # Pairing counts: each system's own interval is far wider than that of the difference.
    alone = evaluate(scores, n_bootstrap=200)["eer_linear"].interval
    assert found.interval.high - found.interval.low < 1.2 * (alone.high - alone.low)


def test_systems_on_other_trials_are_refused():
    scores = drawn(7)
    with pytest.raises(InvalidInputError, match="1 of the first are not in the second, such as"):
        compare_systems(scores, scores.select(np.arange(1, len(scores))))
    labels = np.where(scores.is_target, "nontarget", "target")
    other = Scores(scores.models, scores.paths, scores.scores, labels)
    with pytest.raises(InvalidInputError, match="the labels of 576 trials differ"):
        compare_systems(scores, other)
    twice = scores.select(np.array([0, 0, *range(1, len(scores))]))
    for pair in ((twice, twice), (scores, twice), (twice, scores)):
        with pytest.raises(InvalidInputError, match="is listed twice"):
            compare_systems(*pair)
