"""Bootstrap over speakers: inferred speakers, coverage, agreement with SciPy, speed."""

import math
import time

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import bootstrap, norm

from speakergmm.errors import InvalidInputError, InvalidTypeError
from speakergmm.metrics import (
    EvaluationOptions,
    Scores,
    bootstrap_intervals,
    det_curve,
    draw_multiplicities,
    eer_of_curves,
    equal_error_rate,
    hull_eer_of_curves,
    identification_from_trials,
    percentile_interval,
    ratio_interval,
    speaker_clusters,
    wilson_interval,
)

SPREAD = 0.9


def crossed(rng, *, n_speakers, n_tests, shift=2.0):
    """Every test against every model; a model's and a test speaker's scores move together."""
    model_effect, voice_effect = rng.normal(0, SPREAD, (2, n_speakers))
    own_effect = rng.normal(shift, SPREAD, n_speakers)
    models, paths, scores, labels = [], [], [], []
    for speaker in range(n_speakers):
        for test in range(n_tests):
            for model in range(n_speakers):
                own = model == speaker
                mean = own_effect[speaker] if own else model_effect[model] + voice_effect[speaker]
                models.append(f"s{model}")
                paths.append(f"s{speaker}/{test}")
                scores.append(mean)
                labels.append("target" if own else "nontarget")
    noise = rng.normal(size=len(scores))
    return Scores(models, paths, np.array(scores) + noise, labels)


def test_speakers_are_what_target_trials_tie_together():
    scores = Scores(
        ["a1", "a2", "b", "a1", "b", "c"],
        ["x", "x", "y", "y", "stranger", "x"],
        [0.0] * 6,
        ["target", "target", "target", "nontarget", "nontarget", "nontarget"],
    )
    found = speaker_clusters(scores)
    a1, a2, b, c = found.models
    stranger, x, y = found.paths
    assert a1 == a2 == x
    assert b == y
    assert len({a1, b, c, stranger}) == 4 == found.n_speakers


def test_draws_are_whole_resamples():
    drawn = draw_multiplicities(7, n_bootstrap=500, seed=1)
    assert drawn.shape == (500, 7)
    assert (drawn.sum(axis=1) == 7).all()
    # Multinomial: mean 1, variance 6/7.
    assert drawn.mean() == 1
    assert drawn.var() == pytest.approx(6 / 7, abs=0.06)
    assert (drawn != draw_multiplicities(7, n_bootstrap=500, seed=2)).any()
    with pytest.raises(InvalidInputError, match="seed must be a whole number >= 0, found -1"):
        draw_multiplicities(7, n_bootstrap=500, seed=-1)


@pytest.mark.slow
def test_intervals_cover_the_truth_about_as_often_as_they_say():
    spread = np.sqrt([SPREAD**2 + 1, 2 * SPREAD**2 + 1])

    def excess(threshold):
        return norm.cdf(threshold, 2, spread[0]) - norm.sf(threshold, 0, spread[1])

    truth = norm.cdf(brentq(excess, -2, 4), 2, spread[0])
    rng = np.random.default_rng(11)
    covered, naive = 0, 0
    rounds = 80
    for each in range(rounds):
        scores = crossed(rng, n_speakers=24, n_tests=8)
        interval = bootstrap_intervals(scores, p_target=(), n_bootstrap=150, seed=each)
        covered += interval["eer_linear"].low <= truth <= interval["eer_linear"].high
        # What resampling trials would claim: the binomial width of a threshold's two rates.
        eer = equal_error_rate(scores.target, scores.nontarget).value
        variance = eer * (1 - eer) * (1 / len(scores.target) + 1 / len(scores.nontarget)) / 4
        naive += abs(eer - truth) <= 1.96 * np.sqrt(variance)
    # Percentile intervals from few speakers are somewhat narrow: about 0.9, not 0.95.
    assert 0.84 <= covered / rounds <= 0.99
    # The test can tell: trials as the unit fall far short.
    assert naive / rounds < 0.8


@pytest.mark.slow
def test_one_recording_a_speaker_agrees_with_scipy():
    rng = np.random.default_rng(5)
    n = 60
    models, paths, scores, labels = [], [], [], []
    found = rng.random(n) < 0.7
    for speaker in range(n):
        models += [f"m{speaker:02d}", f"m{(speaker + 1) % n:02d}"]
        paths += [f"p{speaker:02d}"] * 2
        scores += [1.0, 0.0 if found[speaker] else 2.0]
        labels += ["target", "nontarget"]
    listed = Scores(models, paths, scores, labels)
    intervals = bootstrap_intervals(
        listed, identification=identification_from_trials(listed), top_k=(1,), n_bootstrap=20_000
    )
    expected = bootstrap(
        (found.astype(float),), np.mean, n_resamples=20_000, method="percentile", rng=7
    ).confidence_interval
    got = intervals["identification_top1"]
    # Means of 60 zeros and ones lie 1/60 apart; the ends may fall on neighbours.
    assert got.low == pytest.approx(expected.low, abs=0.017)
    assert got.high == pytest.approx(expected.high, abs=0.017)
    assert got.low < found.mean() < got.high


def test_curves_abreast_are_as_exact_as_one_by_one():
    rng = np.random.default_rng(2)
    target, nontarget = rng.normal(2, 1, 3000), rng.normal(0, 1, 9000)
    curve = det_curve(target, nontarget)
    # The same scores, then with one class's trials weighted at random.
    weight = rng.integers(0, 4, 3000)
    cumulative = np.append(0, np.cumsum(weight[np.argsort(target)]))[curve.misses]
    p_miss = np.stack([curve.p_miss, cumulative / cumulative[-1]], axis=1)
    p_fa = np.stack([curve.p_fa, curve.p_fa], axis=1)
    repeated = np.repeat(target, weight)
    for abreast, method in ((eer_of_curves, "linear"), (hull_eer_of_curves, "rocch")):
        expected = [
            equal_error_rate(each, nontarget, method=method).value for each in (target, repeated)
        ]
        np.testing.assert_allclose(abreast(p_miss, p_fa), expected, rtol=0, atol=1e-12)


def test_same_seed_same_interval_and_blocks_do_not_show(monkeypatch):
    scores = crossed(np.random.default_rng(0), n_speakers=8, n_tests=3)
    first = bootstrap_intervals(scores, n_bootstrap=50, seed=3)
    monkeypatch.setattr("speakergmm.metrics.bootstrap._CELLS", 700)
    monkeypatch.setattr("speakergmm.metrics.bootstrap._BLOCK", 50)
    assert bootstrap_intervals(scores, n_bootstrap=50, seed=3) == first
    assert bootstrap_intervals(scores, n_bootstrap=50, seed=4) != first


def test_row_order_does_not_matter():
    scores = crossed(np.random.default_rng(0), n_speakers=8, n_tests=3)
    turned = Scores(
        scores.models[::-1], scores.paths[::-1], scores.scores[::-1], scores.labels[::-1]
    )
    # Sums of whole numbers: no order of addition can change them.
    assert bootstrap_intervals(scores, n_bootstrap=50) == bootstrap_intervals(
        turned, n_bootstrap=50
    )


def test_more_confidence_is_wider():
    scores = crossed(np.random.default_rng(0), n_speakers=10, n_tests=3)
    narrow, wide = (
        bootstrap_intervals(scores, n_bootstrap=300, confidence=c)["eer_linear"]
        for c in (0.5, 0.95)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


def test_no_interval_from_too_few_speakers():
    rng = np.random.default_rng(0)
    few = bootstrap_intervals(crossed(rng, n_speakers=3, n_tests=5), n_bootstrap=400)
    assert set(few.values()) == {None}
    some = bootstrap_intervals(crossed(rng, n_speakers=5, n_tests=5), n_bootstrap=400)
    assert None not in some.values()


def test_percentiles_leave_out_what_is_missing():
    values = np.append(np.arange(100.0), np.nan)
    interval = percentile_interval(values, confidence=0.9)
    assert (interval.low, interval.high) == pytest.approx((4.95, 94.05))
    assert percentile_interval(np.append(values, [np.nan] * 20)) is None


@pytest.mark.slow
def test_thousand_replicates_of_8640_trials_take_seconds():
    scores = crossed(np.random.default_rng(0), n_speakers=12, n_tests=60)
    assert len(scores) == 8640
    start = time.process_time()
    bootstrap_intervals(scores, n_bootstrap=1000)
    # About 0.5 s; the bound leaves room for a busy machine and catches a loop over trials.
    assert time.process_time() - start < 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_bootstrap": 1}, "n_bootstrap must be 0 .* found 1"),
        ({"confidence": 1.0}, "confidence must .* found 1.0"),
        ({"confidence": 0.0}, "confidence must .* found 0.0"),
        ({"p_target": (0.0,)}, "p_target must .* found 0.0"),
        ({"p_target": (0.01, 0.05, 0.01)}, "p_target 0.01, 0.05, 0.01: must not repeat"),
        ({"top_k": (1, 1)}, "top_k 1, 1: must not repeat"),
        ({"top_k": (1, 0)}, "top_k must be a whole number >= 1, found 0"),
    ],
)
def test_options_refused(options, message):
    scores = crossed(np.random.default_rng(0), n_speakers=3, n_tests=1)
    with pytest.raises(InvalidInputError, match=message):
        bootstrap_intervals(scores, **options)


@pytest.mark.parametrize(("errors", "total"), [(0, 20), (1, 300), (7, 40), (20, 20)])
def test_wilson_interval_solves_its_equation(errors, total):
    """The ends are the rates at which a normal test just does not reject the observed rate."""
    found = wilson_interval(errors, total)
    seen = errors / total
    for end in (found.low, found.high):
        if 0 < end < 1:
            assert abs(seen - end) / math.sqrt(end * (1 - end) / total) == pytest.approx(
                1.959964, abs=1e-5
            )
    with pytest.raises(
        InvalidInputError, match=r"n_errors must be a whole number in 0..2, found 3"
    ):
        wilson_interval(3, 2)


def test_options_are_given_whole_or_by_keyword():
    scores = crossed(np.random.default_rng(0), n_speakers=6, n_tests=2)
    options = EvaluationOptions(p_target=0.2, n_bootstrap=20, seed=3)
    found = bootstrap_intervals(scores, options)
    assert list(found) == ["eer_linear", "eer_rocch", "min_dcf_0.2"]
    assert found == bootstrap_intervals(scores, p_target=[0.2], n_bootstrap=20, seed=3)
    assert found == bootstrap_intervals(scores, options, top_k=7)
    assert found != bootstrap_intervals(scores, options, seed=4)
    with pytest.raises(InvalidTypeError, match=r"'n_bootstraps'.*'n_bootstrap'"):
        bootstrap_intervals(scores, n_bootstraps=20)


def test_without_replicates_there_are_no_intervals():
    scores = crossed(np.random.default_rng(0), n_speakers=3, n_tests=1)
    assert bootstrap_intervals(scores, n_bootstrap=0) == {}
    assert ratio_interval([1, 2], [3, 4], n_bootstrap=0) is None
