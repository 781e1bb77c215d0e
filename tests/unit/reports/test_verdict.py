"""The verdict: its sentences for separable, uncalibrated, tiny and ordinary data."""

import numpy as np
import pytest

from speakergmm.metrics import Scores, evaluate
from speakergmm.reports import evaluation_verdict


def crossed(n_speakers, n_tests, d_prime, *, scale=1.0, seed=0):
    """Calibrated LLRs of every model on every test, unless scaled."""
    rng = np.random.default_rng(seed)
    test = np.repeat(np.arange(n_speakers), n_tests * n_speakers)
    model = np.tile(np.arange(n_speakers), n_speakers * n_tests)
    number = np.repeat(np.arange(n_speakers * n_tests), n_speakers)
    own = model == test
    values = rng.normal(size=len(model)) + d_prime * own
    llrs = scale * (d_prime * values - d_prime**2 / 2)
    return Scores(model, number, llrs, np.where(own, "target", "nontarget"))


def said(scores, *, llr=True, n_bootstrap=50):
    return " ".join(evaluation_verdict(evaluate(scores, n_bootstrap=n_bootstrap), scores, llr=llr))


def test_ordinary_scores():
    scores = crossed(20, 10, 2.0)
    found = evaluate(scores, n_bootstrap=50)
    text = said(scores)
    assert "200 target trials and 3,800 nontarget trials of 20 models and 200 test" in text
    eer = found["eer_linear"]
    assert f"{eer.format_value()} of target trials are missed" in text
    assert f"(95 % interval {eer.format_interval()})" in text
    assert "are calibrated on these trials: Cllr is 0." in text
    # Rule of 30: 30 / 3800 and 30 / 200.
    assert "no false-alarm rate below 0.79 % and no miss rate below 15 %" in text
    assert "they say little about other speakers" not in text


def test_uncalibrated_llrs():
    text = said(crossed(20, 10, 2.0, scale=6.0))
    assert "are not calibrated: Cllr is" in text
    assert "(no evidence at all costs 1)" in text
    text = said(crossed(20, 10, 2.0, scale=2.5))
    assert "are not calibrated: Cllr is 0." in text
    assert "no evidence" not in text


@pytest.mark.slow
def test_few_trials_do_not_condemn_calibrated_llrs():
    verdicts = [said(crossed(4, 4, 1.5, seed=seed), n_bootstrap=0) for seed in range(20)]
    condemned = sum("are not calibrated" in text for text in verdicts)
    assert condemned <= 3
    assert sum("too few to tell" in text for text in verdicts) >= 10
    assert "are not calibrated" in said(crossed(4, 4, 1.5, scale=8.0))


def test_raw_scores_are_not_judged_as_llrs():
    text = said(crossed(20, 10, 2.0, scale=6.0), llr=False)
    assert "Cllr" not in text
    assert "not stated to be log-likelihood ratios" in text


def test_separable_scores_are_no_certainty():
    text = said(crossed(20, 10, 20.0))
    assert "Every target trial scored above every nontarget trial." in text
    # Rule of three: 3 / 200 and 3 / 3800.
    assert "up to 1.5 % (misses) and 0.079 % (false alarms)" in text
    assert "0.00 %" not in text


def test_tiny_data_support_nothing():
    scores = Scores(["a", "b"], ["x", "x"], [2.0, 1.0], ["target", "nontarget"])
    text = said(scores)
    assert "1 target trial and 1 nontarget trial of 2 models and 1 test recording" in text
    assert "up to 95 % (misses) and 95 % (false alarms)" in text
    assert "no false-alarm rate at all and no miss rate at all" in text
    assert "With 2 speakers they say little about other speakers" in text
    wrong = Scores(["a", "b"], ["x", "x"], [1.0, 2.0], ["target", "nontarget"])
    assert "worse than chance" in said(wrong)
    assert "no interval: there are too few speakers" in said(wrong)
    assert "no interval was computed" in said(wrong, n_bootstrap=0)


@pytest.mark.parametrize("sign", [1, -1])
def test_infinite_llrs(sign):
    values = [sign * np.inf, 2.0, -sign * np.inf, -2.0]
    labels = ["target", "target", "nontarget", "nontarget"]
    text = said(Scores(["a", "b", "a", "b"], ["w", "x", "y", "z"], values, labels))
    assert ("Cllr is infinite" in text) == (sign < 0)
