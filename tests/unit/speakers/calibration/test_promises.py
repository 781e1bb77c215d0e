"""Promises hold for other speakers, are refused on too few trials, and never say zero."""

from math import log

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from speakergmm.errors import CannotPromiseError, InvalidInputError
from speakergmm.speakers import (
    CalibrationEvidence,
    CalibrationTrials,
    bayes_threshold,
    fit_calibration,
    promise_at,
    rates_by_group,
    threshold_for_rate,
)


def drawn(rng, n_speakers, n_tests, *, effect=0.7):
    """Scores of everybody against everybody, with effects of models, tests and recordings."""
    models = np.repeat(np.arange(n_speakers), n_speakers * n_tests)
    tests = np.tile(np.repeat(np.arange(n_speakers), n_tests), n_speakers)
    recordings = np.tile(np.arange(n_speakers * n_tests), n_speakers)
    scores = (
        np.where(models == tests, 4.0, 0.0)
        + rng.normal(size=len(models))
        + rng.normal(scale=effect, size=n_speakers)[models]
        + rng.normal(scale=effect, size=n_speakers)[tests]
        + rng.normal(scale=0.5, size=n_speakers * n_tests)[recordings]
    )
    names = np.array([f"s{number}" for number in range(n_speakers)], dtype=object)
    sex = np.where(np.arange(n_speakers) % 2, "m", "f")[models]
    return CalibrationTrials(scores, models == tests, names[models], names[tests], {}, {"sex": sex})


def evidence_of(trials):
    return CalibrationEvidence.of(trials, trials.scores)


@pytest.mark.slow
@pytest.mark.parametrize(("n_speakers", "n_tests", "rate"), [(8, 20, 0.05), (16, 13, 0.01)])
def test_rates_of_other_speakers_lie_in_the_promised_ranges(n_speakers, n_tests, rate):
    rng = np.random.default_rng(0)
    held = {"p_fa": 0, "p_miss": 0}
    n_draws = 40
    for _ in range(n_draws):
        evidence = evidence_of(drawn(rng, n_speakers, n_tests))
        promise = promise_at(evidence, threshold_for_rate(evidence, rate))
        others = drawn(rng, n_speakers, n_tests)
        accepted = others.scores >= promise.threshold
        seen = {
            "p_fa": accepted[~others.is_target].mean(),
            "p_miss": 1 - accepted[others.is_target].mean(),
        }
        for name, value in seen.items():
            low, high = getattr(promise, f"{name}_interval")
            held[name] += low <= value <= high
    for count in held.values():
        # Nominally 95 %: fewer than this would be seen once in a thousand times.
        assert binomtest(count, n_draws, 0.95, alternative="less").pvalue > 1e-3


def test_too_few_trials_are_refused_with_the_number_that_is_needed():
    evidence = evidence_of(drawn(np.random.default_rng(0), 8, 20))
    with pytest.raises(CannotPromiseError, match=r"1 % needs 3,000 .* has 1,120.* 2.7 % or more$"):
        threshold_for_rate(evidence, 0.01)
    assert threshold_for_rate(evidence, 30 / 1120) > threshold_for_rate(evidence, 0.05)


@pytest.mark.parametrize(("n_speakers", "n_tests"), [(8, 20), (5, 7), (11, 23), (6, 2)])
def test_the_rate_that_a_refusal_names_can_be_promised_and_hardly_a_lower_one(n_speakers, n_tests):
    evidence = evidence_of(drawn(np.random.default_rng(0), n_speakers, n_tests))
    with pytest.raises(CannotPromiseError) as refusal:
        threshold_for_rate(evidence, 0.001)
    named = float(str(refusal.value).split("promise ")[1].split(" %")[0]) / 100
    assert np.mean(evidence.nontarget >= threshold_for_rate(evidence, named)) <= named
    with pytest.raises(CannotPromiseError):
        threshold_for_rate(evidence, 0.9 * named)


def test_a_handful_of_trials_promises_no_rate():
    evidence = evidence_of(drawn(np.random.default_rng(0), 5, 1))
    with pytest.raises(CannotPromiseError, match=r"has 20, which can promise no rate$"):
        threshold_for_rate(evidence, 0.5)


def test_few_speakers_are_refused_however_many_trials_they_have():
    evidence = evidence_of(drawn(np.random.default_rng(0), 4, 300))
    with pytest.raises(CannotPromiseError, match=r"at least 5 speakers; the calibration has 4"):
        threshold_for_rate(evidence, 0.05)


@pytest.mark.parametrize("rate", [0.05, 0.03])
def test_the_threshold_is_the_least_one_that_keeps_the_rate(rate):
    evidence = evidence_of(drawn(np.random.default_rng(3), 8, 20))
    threshold = threshold_for_rate(evidence, rate)
    nontarget = evidence.nontarget
    assert np.mean(nontarget >= threshold) <= rate
    next_one = nontarget[nontarget < threshold].max()
    assert np.mean(nontarget >= next_one) > rate


def test_tied_ratios_are_accepted_together():
    trials = drawn(np.random.default_rng(3), 8, 20)
    evidence = evidence_of(
        CalibrationTrials(
            np.round(trials.scores), trials.is_target, trials.model_speakers, trials.test_speakers
        )
    )
    threshold = threshold_for_rate(evidence, 0.05)
    assert np.mean(evidence.nontarget >= threshold) <= 0.05
    assert threshold not in evidence.nontarget


def test_no_rate_is_promised_to_be_zero():
    trials = drawn(np.random.default_rng(0), 8, 20)
    promise = promise_at(evidence_of(trials), -100.0)
    assert promise.p_miss == 0.0
    low, high = promise.p_miss_interval
    assert low == 0.0
    assert high > 0.02  # of 160 trials without an error, Wilson's upper end


def test_a_threshold_that_is_no_number_is_refused():
    evidence = evidence_of(drawn(np.random.default_rng(0), 8, 20))
    calls = [lambda: promise_at(evidence, np.nan), lambda: rates_by_group(evidence, np.nan, "sex")]
    for call in calls:
        with pytest.raises(InvalidInputError, match="threshold must be a number, found nan"):
            call()


def test_groups_have_their_own_rates():
    trials = drawn(np.random.default_rng(0), 8, 20)
    evidence = evidence_of(trials)
    found = rates_by_group(evidence, 1.0, "sex")
    for name, rates in found.items():
        rows = trials.conditions["sex"] == name
        wanted = np.mean(trials.scores[rows & ~trials.is_target] >= 1.0)
        assert rates.p_fa == pytest.approx(wanted, abs=1e-12)
        assert rates.n_target == np.count_nonzero(rows & trials.is_target)
    with pytest.raises(InvalidInputError, match="sex"):
        rates_by_group(evidence, 1.0, "age")


def with_callers(trials, callers, shift):
    """The same trials; nontarget ones by telephone score higher by `shift`."""
    return CalibrationTrials(
        trials.scores + shift * (callers & ~trials.is_target),
        trials.is_target,
        trials.model_speakers,
        trials.test_speakers,
        {},
        {"device": np.where(callers, "telephone", "headset")},
    )


def test_a_promise_names_the_group_that_it_does_not_hold_for():
    """Everybody is recorded by telephone now and then: that is no difference of speakers."""
    plain = drawn(np.random.default_rng(0), 12, 20, effect=0.1)
    callers = np.arange(len(plain)) % 4 == 0
    evidence = evidence_of(with_callers(plain, callers, 3.0))
    promise = promise_at(evidence, threshold_for_rate(evidence, 0.1))
    assert promise.p_fa <= 0.1
    [found] = promise.worst
    assert (found.name, found.kind) == ("device = telephone", "false accepts")
    rates = rates_by_group(evidence, promise.threshold, "device")
    assert (found.rate, found.other_rate) == (rates["telephone"].p_fa, rates["headset"].p_fa)
    assert found.rate > promise.p_fa_interval[1]
    assert not promise.holds_for(found)
    assert promise.to_dict()["worst"][0]["holds"] is False
    alike = evidence_of(with_callers(plain, callers, 0.0))
    assert promise_at(alike, threshold_for_rate(alike, 0.1)).worst == ()


def test_a_worse_group_within_the_promised_range_is_named_as_such():
    """Where some speakers always call, other speakers may do so more often: the range is wide."""
    plain = drawn(np.random.default_rng(0), 12, 20, effect=0.1)
    callers = np.isin(plain.model_speakers, plain.speakers[::4])
    evidence = evidence_of(with_callers(plain, callers, 3.0))
    promise = promise_at(evidence, threshold_for_rate(evidence, 0.1))
    [found] = promise.worst
    assert promise.p_fa < found.rate < promise.p_fa_interval[1]
    assert promise.holds_for(found)


def test_numbers_are_cut_into_quarters_and_names_of_single_trials_are_no_groups():
    plain = drawn(np.random.default_rng(0), 8, 20)
    columns = {
        "seconds": np.arange(len(plain)) / 10,
        "sex": plain.conditions["sex"],
        "file": np.arange(len(plain)).astype(str) + plain.model_speakers,
    }
    fields = plain.scores, plain.is_target, plain.model_speakers, plain.test_speakers
    evidence = evidence_of(CalibrationTrials(*fields, {}, columns))
    assert [each.name for each in evidence.columns] == ["seconds", "sex"]
    assert [int(mask.sum()) for mask in evidence.groups("seconds").values()] == [320] * 4


def test_a_prior_is_refused_beyond_the_ratios_that_the_trials_support():
    calibration = fit_calibration(drawn(np.random.default_rng(0), 8, 20))
    promise = calibration.promise(prior=0.2, c_fa=2.0)
    assert promise.threshold == pytest.approx(log(2 * 0.8 / 0.2), abs=1e-12)
    assert calibration.promise(target_far=0.05).p_fa <= 0.05
    with pytest.raises(CannotPromiseError, match="beyond the log-likelihood ratios"):
        calibration.promise(prior=1e-6)
    with pytest.raises(CannotPromiseError, match=r"3.89 needs 1,470 nontarget .* has 1,120"):
        calibration.promise(prior=0.02)
    with pytest.raises(InvalidInputError, match="either target_far or prior"):
        calibration.promise()


def test_costs_and_priors_meet_in_the_threshold():
    assert bayes_threshold(0.5, c_miss=10.0, c_fa=1.0) == pytest.approx(-log(10), abs=1e-12)


def test_versions_of_a_recording_are_no_further_recordings():
    trials = drawn(np.random.default_rng(0), 8, 20)
    fields = (trials.scores, trials.is_target, trials.model_speakers, trials.test_speakers)
    twice = CalibrationTrials(*(np.concatenate([each, each]) for each in fields), n_versions=2)
    with pytest.raises(CannotPromiseError, match=r"needs 3,000 .* has 1,120"):
        threshold_for_rate(evidence_of(twice), 0.01)
    once = promise_at(evidence_of(trials), 1.0)
    again = promise_at(evidence_of(twice), 1.0)
    assert again.n_nontarget == once.n_nontarget
    assert again.p_fa == once.p_fa


def test_the_range_of_false_accepts_is_that_of_a_jackknife():
    """Against a loop that leaves out the trials of each speaker; the sums are whole lists."""
    trials = drawn(np.random.default_rng(5), 8, 20)
    promise = promise_at(evidence_of(trials), 2.0)
    odds = []
    for speaker in trials.speakers:
        rows = (trials.model_speakers != speaker) & (trials.test_speakers != speaker)
        accepted = trials.scores[rows & ~trials.is_target] >= 2.0
        odds.append(log((accepted.sum() + 0.5) / ((~accepted).sum() + 0.5)))
    spread = np.sqrt(7 / 8 * np.sum((np.array(odds) - np.mean(odds)) ** 2))
    all_accepted = trials.scores[~trials.is_target] >= 2.0
    centre = log((all_accepted.sum() + 0.5) / ((~all_accepted).sum() + 0.5))
    half = student.ppf(0.975, 7) * spread * np.sqrt(2)
    found = [log(end / (1 - end)) for end in promise.p_fa_interval]
    np.testing.assert_allclose(found, [centre - half, centre + half], atol=1e-9)


def test_speakers_who_are_alike_make_a_narrow_range():
    """Product bootstraps of both speakers gave ranges of up to 16 % here, for a rate of 5 %."""
    evidence = evidence_of(drawn(np.random.default_rng(1), 8, 20, effect=0.0))
    low, high = promise_at(evidence, threshold_for_rate(evidence, 0.05)).p_fa_interval
    assert 0.015 < low < 0.05 < high < 0.12
