"""Decisions follow Bayes' rule, and words the ranges of the guideline."""

from math import exp, inf, log

import numpy as np
import pytest

from speakergmm.errors import InvalidInputError
from speakergmm.speakers import decide, decide_open_set, posterior, verbal_scale


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (1.0, "no support for either side"),
        (1.9, "no support for either side"),
        (2.1, "weak support for the same speaker"),
        (50.0, "moderate support for the same speaker"),
        (1 / 50.0, "moderate support for different speakers"),
        (500.0, "moderately strong support for the same speaker"),
        (5e3, "strong support for the same speaker"),
        (1e-5, "very strong support for different speakers"),
        (1e7, "extremely strong support for the same speaker"),
    ],
)
def test_ratios_have_the_words_of_the_guideline(ratio, words):
    assert verbal_scale(log(ratio)) == words


@pytest.mark.parametrize("prior", [0.001, 0.3, 0.5, 0.99])
@pytest.mark.parametrize("llr", [-8.0, 0.0, 0.4, 12.0])
def test_posteriors_are_those_of_bayes_rule(llr, prior):
    wanted = prior * exp(llr) / (prior * exp(llr) + 1 - prior)
    assert posterior(llr, prior) == pytest.approx(wanted, rel=1e-12)


def test_infinite_and_huge_ratios_have_posteriors():
    assert posterior(inf, 0.01) == 1.0
    assert posterior(-inf, 0.99) == 0.0
    assert posterior(-1e5, 0.5) == 0.0


@pytest.mark.parametrize(("prior", "c_miss", "c_fa"), [(0.5, 1, 1), (0.01, 10, 1), (0.2, 1, 7)])
def test_a_decision_is_the_cheaper_one(prior, c_miss, c_fa):
    for llr in np.linspace(-9, 9, 37):
        after = posterior(llr, prior)
        cheaper = c_fa * (1 - after) <= c_miss * after
        if abs(c_fa * (1 - after) - c_miss * after) > 1e-9:
            found = decide(llr, prior=prior, c_miss=c_miss, c_fa=c_fa)
            assert found.accepted == cheaper


def test_without_prior_and_threshold_nothing_is_decided():
    assert decide(3.0).accepted is None
    assert decide(3.0, threshold=3.0).accepted is True
    assert decide(3.0, threshold=3.1).accepted is False


def test_open_sets_follow_bayes_rule_over_all_speakers():
    llrs = {"ana": 3.0, "bea": 1.0, "eva": -2.0}
    found = decide_open_set(llrs, prior_known=0.6)
    joint = {name: 0.2 * exp(llr) for name, llr in llrs.items()}
    total = 0.4 + sum(joint.values())
    for name, value in joint.items():
        assert found.posteriors[name] == pytest.approx(value / total, rel=1e-12)
    assert (found.speaker, found.margin) == ("ana", 2.0)
    assert decide_open_set({"ana": 0.1}, prior_known=0.01).speaker is None
    found = decide_open_set({"ana": 1e9, "bea": -inf}, prior_known=0.5)
    assert found.posteriors["ana"] == pytest.approx(1.0)


def test_speakers_who_are_not_given_count_as_the_last_of_those_who_are():
    some = decide_open_set({"ana": 3.0, "bea": 1.0}, n_speakers=4, prior_known=0.6)
    whole = {"ana": 3.0, "bea": 1.0, "eva": 1.0, "ida": 1.0}
    every = decide_open_set(whole, prior_known=0.6)
    assert some.threshold == every.threshold
    for name, probability in some.posteriors.items():
        assert probability == pytest.approx(every.posteriors[name], rel=1e-12)


def test_a_threshold_decides_without_a_prior_and_without_either_nobody_is_refused():
    assert decide_open_set({"ana": 0.1, "bea": 0.0}, threshold=0.2).speaker is None
    assert decide_open_set({"ana": 0.1, "bea": 0.0}, threshold=0.1).speaker == "ana"
    found = decide_open_set({"ana": -5.0})
    assert (found.speaker, found.threshold, found.posteriors) == ("ana", None, {})


@pytest.mark.parametrize("ratio", [inf, -inf])
def test_speakers_with_the_same_infinite_ratio_have_no_margin(ratio):
    found = decide_open_set({"ana": ratio, "bea": ratio}, prior_known=0.5)
    assert found.margin == 0.0
    assert found.posteriors["ana"] == found.posteriors["bea"]


def test_an_infinite_ratio_is_more_than_a_huge_one():
    found = decide_open_set({"ana": 1e9, "bea": inf, "eva": 2e6}, prior_known=0.5)
    assert (found.speaker, found.margin) == ("bea", inf)
    assert found.posteriors == {"ana": 0.0, "bea": 1.0, "eva": 0.0}
    found = decide_open_set({"ana": 1e9, "eva": 2e6}, prior_known=0.5)
    assert found.posteriors["ana"] == 1.0


def test_what_is_no_ratio_is_refused():
    for call in (
        lambda: verbal_scale(np.nan),
        lambda: posterior(np.nan, 0.5),
        lambda: decide(1.0, threshold=np.nan),
        lambda: decide_open_set({"ana": np.nan}),
    ):
        with pytest.raises(InvalidInputError, match="nan"):
            call()
    with pytest.raises(InvalidInputError, match="at least one speaker"):
        decide_open_set({})
