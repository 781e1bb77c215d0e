"""Errors by condition: groups, the threshold that they share, and the worst of them."""

import re

import numpy as np
import pytest

from speakergmm.metrics import Scores, equal_error_rate, evaluate, evaluate_by_condition
from speakergmm.reports import (
    errors_by_condition,
    evaluation_verdict,
    render_report,
)


@pytest.fixture(scope="module")
def mixed():
    """Trials by telephone have their scores lowered and less apart."""
    rng = np.random.default_rng(3)
    n_speakers, n_tests = 10, 12
    test = np.repeat(np.arange(n_speakers), n_tests * n_speakers)
    model = np.tile(np.arange(n_speakers), n_speakers * n_tests)
    number = np.repeat(np.arange(n_speakers * n_tests), n_speakers)
    own, far = model == test, number % 2 == 1
    values = rng.normal(size=len(model)) + own * np.where(far, 1.5, 4.0) - 0.5 * far
    conditions = {
        "device": np.where(far, "tele<phone>", "headset"),
        "seconds": number / 10,
        "number": np.char.add("file", number.astype(str)),
        "only targets": np.where(own, "yes", "no"),
    }
    return Scores(model, number, values, np.where(own, "target", "nontarget"), conditions)


@pytest.fixture(scope="module")
def groups(mixed):
    return errors_by_condition(mixed, evaluate(mixed, n_bootstrap=50), threshold=2.0)


def test_columns_that_tell_single_trials_apart_are_left_out(groups):
    assert [each.condition for each in groups] == ["device", "seconds", "only targets"]
    assert len(groups[1].groups) == 4


def test_groups_share_the_threshold(groups, mixed):
    for group in groups[0].groups:
        rows = mixed.conditions["device"] == group.value
        target = mixed.scores[rows & mixed.is_target]
        nontarget = mixed.scores[rows & mixed.is_nontarget]
        assert group.evaluation["miss_rate"].value == np.mean(target < 2.0)
        assert group.evaluation["false_alarm_rate"].value == np.mean(nontarget >= 2.0)
        expected = equal_error_rate(target, nontarget).value
        assert group.evaluation["eer_linear"].value == expected


def test_the_report_and_evaluate_find_the_same_group(groups, mixed):
    condition, others = groups[0], groups[1:]
    [worst] = condition.worst
    assert (worst.name, worst.kind) == ("device = tele<phone>", "misses")
    rows = mixed.is_target & (mixed.conditions["device"] == "tele<phone>")
    assert worst.rate == np.mean(mixed.scores[rows] < 2.0)
    assert evaluate_by_condition(mixed, "device", threshold=2.0, n_bootstrap=0).worst == (worst,)
    assert not any(each.worst for each in others)


@pytest.mark.slow
def test_the_page_and_the_verdict_name_it(mixed, groups):
    found = evaluate(mixed, n_bootstrap=50)
    text = " ".join(evaluation_verdict(found, mixed, groups=groups))
    assert "The group with the most misses is device = tele<phone>: at the same threshold" in text
    assert "most false accepts" not in text
    page = re.sub(r"\s+", " ", render_report(found, mixed))
    assert "By condition" in page
    assert "tele&lt;phone&gt;" in page
    assert "tele<phone>" not in page
    assert "nan" not in re.findall(r"<td[^>]*>([^<]*)</td>", page)
