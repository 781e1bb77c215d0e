"""Calibration against closed forms and scikit-learn; cross-validation, files, shared speakers."""

import numpy as np
import pytest
from scipy.special import logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from speakergmm.errors import InsufficientDataError, InvalidInputError, InvalidTypeError
from speakergmm.speakers import (
    Calibration,
    CalibrationTrials,
    check_disjoint_speakers,
    cross_validated_llrs,
    fit_calibration,
    fit_score_map,
)

from .conftest import simulated_trials


def cllr(trials, llrs):
    """Cost of log-likelihood ratios, by its definition (Brümmer and du Preez 2006)."""
    target, nontarget = llrs[trials.is_target], llrs[~trials.is_target]
    return (np.log2(1 + np.exp(-target)).mean() + np.log2(1 + np.exp(nontarget)).mean()) / 2


@pytest.mark.parametrize("prior", [0.5, 0.1])
@pytest.mark.parametrize(("names", "scale"), [((), False), (("a", "b"), False), (("a", "b"), True)])
def test_the_regression_is_that_of_scikit_learn(prior, names, scale):
    rng = np.random.default_rng(1)
    n = 6 * 6 * 10
    trials = simulated_trials(6, distance=2.0, **{name: rng.normal(size=n) for name in names})
    found = fit_calibration(
        trials, training_prior=prior, shrinkage=2.0, measures_scale=scale
    ).score_map

    is_target, s = trials.is_target, trials.scores
    halves = s[is_target], s[~is_target]
    centre = sum(half.mean() for half in halves) / 2
    spread = np.sqrt(sum(((half - centre) ** 2).mean() for half in halves) / 2)
    columns = [(s - centre) / spread]
    clipped = [np.clip(m, *np.quantile(m, (0.005, 0.995))) for m in trials.measures.values()]
    columns += [(m - m.mean()) / m.std() for m in clipped]
    columns += [columns[0] * each for each in columns[1:]] if scale else []
    weights = np.where(is_target, prior / is_target.sum(), (1 - prior) / (~is_target).sum())
    oracle = LogisticRegression(C=is_target.sum() / 2.0, tol=1e-10, max_iter=1000)
    oracle.fit(np.column_stack(columns), is_target, sample_weight=weights)
    np.testing.assert_allclose(found.coefficients[1:], oracle.coef_[0], rtol=1e-4, atol=1e-5)
    assert found.coefficients[0] == pytest.approx(oracle.intercept_[0] - logit(prior), abs=1e-4)


def test_scores_of_two_gaussians_have_their_ratio():
    calibration = fit_calibration(simulated_trials(8, 100, distance=2.0), n_folds=4)
    scores = np.linspace(0, 2, 5)
    np.testing.assert_allclose(calibration.llr(scores), 2 * scores - 2, atol=0.25)


@pytest.mark.parametrize("prior", [0.5, 0.05])
def test_the_calibration_of_ratios_is_the_identity(prior):
    raw = simulated_trials(8, 100, distance=3.0)
    ratios = CalibrationTrials(
        3 * raw.scores - 4.5, raw.is_target, raw.model_speakers, raw.test_speakers
    )
    found = fit_calibration(ratios, training_prior=prior, shrinkage=1e-3, n_folds=4).score_map
    assert found.slope == pytest.approx(1, abs=0.12)
    assert found.offset == pytest.approx(0, abs=0.3)


@pytest.mark.slow
def test_neither_unit_nor_proportions_of_trials_matter():
    raw = simulated_trials(distance=3.0)
    moved = CalibrationTrials(
        1e4 * raw.scores - 700, raw.is_target, raw.model_speakers, raw.test_speakers
    )
    rows = np.concatenate([np.arange(len(raw)), *[np.flatnonzero(~raw.is_target)] * 3])
    more = CalibrationTrials(
        raw.scores[rows], raw.is_target[rows], raw.model_speakers[rows], raw.test_speakers[rows]
    )
    plain = fit_calibration(raw)
    llrs = plain.llr(raw.scores)
    np.testing.assert_allclose(fit_calibration(moved).llr(moved.scores), llrs, atol=1e-5)
    repeated = fit_calibration(more).llr(raw.scores, bounded=False)
    np.testing.assert_allclose(repeated, plain.llr(raw.scores, bounded=False), atol=1e-5)


def test_separable_scores_have_finite_and_sensible_ratios():
    apart = simulated_trials(distance=40.0)
    calibration = fit_calibration(apart)
    assert np.isfinite(calibration.llr(apart.scores, bounded=False)).all()
    n_target, n_nontarget = apart.n_target, apart.n_nontarget
    low, high = calibration.bounds
    assert -np.log(n_target + 1) < low < -1
    assert 1 < high < np.log(n_nontarget + 1)
    assert cllr(apart, cross_validated_llrs(apart)) < 0.05
    assert calibration.llr([np.inf, -np.inf]).tolist() == [high, low]


def test_shrinkage_moves_ratios_towards_one(trials):
    slopes = [fit_calibration(trials, shrinkage=each).score_map.slope for each in (1e-3, 1, 100)]
    assert slopes[0] > slopes[1] > slopes[2] > 0


def test_shrinkage_protects_speakers_that_were_not_seen():
    """Scores of few calibration trials are separable by chance; those of others are not."""
    few, others = (
        simulated_trials(6, 1, distance=3.0, seed=7),
        simulated_trials(30, 5, distance=3.0),
    )
    costs = {
        each: cllr(others, fit_calibration(few, shrinkage=each).llr(others.scores, bounded=False))
        for each in (1e-9, 0.1)
    }
    assert costs[0.1] < costs[1e-9]


def test_ratios_are_judged_by_calibrations_that_saw_no_speaker_of_theirs():
    """A grossly wrong speaker changes the ratios of all trials but those of that speaker."""
    raw = simulated_trials(8, 5)
    before = cross_validated_llrs(raw)
    concerned = (raw.model_index == 2) | (raw.test_index == 2)
    scores = np.where(concerned, raw.scores - 20 * raw.is_target, raw.scores)
    wrong = CalibrationTrials(scores, raw.is_target, raw.model_speakers, raw.test_speakers)
    after = cross_validated_llrs(wrong)
    same = after == before
    nontarget = concerned & ~raw.is_target
    assert same[nontarget].all()
    assert not same[~concerned].any()


def test_a_fold_is_the_fit_of_all_other_speakers():
    raw = simulated_trials(5, 4)
    llrs = cross_validated_llrs(raw)
    held = [1, 3]
    kept = ~(np.isin(raw.model_index, held) | np.isin(raw.test_index, held))
    rest = CalibrationTrials(
        raw.scores[kept], raw.is_target[kept], raw.model_speakers[kept], raw.test_speakers[kept]
    )
    none = np.zeros((len(rest), 0))
    options = fit_calibration(raw).options
    fitted = fit_score_map(rest.scores, none, rest.is_target, options)
    row = (raw.model_index == 1) & (raw.test_index == 3)
    expected = fitted(raw.scores[row], np.zeros((row.sum(), 0)))
    np.testing.assert_allclose(llrs[row], expected, atol=1e-9)


def test_a_measure_that_explains_the_scores_is_used():
    rng = np.random.default_rng(3)
    raw = simulated_trials(8, 10)
    snr = rng.uniform(0, 30, len(raw))
    shifted = raw.scores - 3 * (snr < 10)
    plain, informed = (
        CalibrationTrials(shifted, raw.is_target, raw.model_speakers, raw.test_speakers, measures)
        for measures in ({}, {"snr_db": snr})
    )
    costs = [cllr(each, cross_validated_llrs(each)) for each in (plain, informed)]
    assert costs[1] < 0.8 * costs[0]
    calibration = fit_calibration(informed)
    clean, noisy = calibration.llr([3.0, 3.0], {"snr_db": [25.0, 2.0]}, bounded=False)
    assert noisy > clean
    # Beyond the range that was seen nothing is extrapolated.
    ends = calibration.llr([3.0, 3.0], {"snr_db": [-50.0, np.quantile(snr, 0.005)]})
    assert ends[0] == pytest.approx(ends[1])


def test_a_measure_that_never_varies_changes_nothing(trials):
    constant = CalibrationTrials(
        trials.scores, trials.is_target, trials.model_speakers, trials.test_speakers,
        {"bandwidth_hz": np.full(len(trials), 8000.0)},
    )  # fmt: skip
    found = fit_calibration(constant).llr(trials.scores, {"bandwidth_hz": 3400.0})
    np.testing.assert_allclose(found, fit_calibration(trials).llr(trials.scores), atol=1e-9)


@pytest.mark.parametrize("measures", [None, {}, {"snr_db": np.nan}])
def test_measures_that_are_missing_are_named(measures):
    raw = simulated_trials(4, 3)
    snr = np.linspace(0, 30, len(raw))
    calibration = fit_calibration(
        CalibrationTrials(
            raw.scores, raw.is_target, raw.model_speakers, raw.test_speakers, {"snr_db": snr}
        )
    )
    with pytest.raises(InvalidInputError, match="measure 'snr_db'"):
        calibration.llr([1.0], measures)


def test_a_calibration_is_saved_and_loaded_whole(tmp_path, trials):
    sex = np.where(trials.model_index < 4, "f", "m")
    calibration = fit_calibration(
        CalibrationTrials(
            trials.scores, trials.is_target, trials.model_speakers, trials.test_speakers,
            {"snr_db": np.linspace(0, 30, len(trials))}, {"sex": sex},
        )
    )  # fmt: skip
    calibration.save(tmp_path / "calibration")
    found = Calibration.load(tmp_path / "calibration")
    assert found.digest == calibration.digest
    assert found.info() == calibration.info()
    assert found.evidence.groups("sex")["f"].sum() == len(trials) / 2
    scores = np.linspace(-3, 9, 50)
    measures = {"snr_db": 12.0}
    assert found.llr(scores, measures).tolist() == calibration.llr(scores, measures).tolist()
    with pytest.raises(InvalidTypeError, match="load"):
        Calibration(tmp_path / "calibration")


def test_too_many_trials_are_thinned_without_loss_of_the_errors(trials):
    from speakergmm.speakers import CalibrationEvidence

    llrs = cross_validated_llrs(trials)
    whole = CalibrationEvidence.of(trials, llrs)
    thin = CalibrationEvidence.of(trials, llrs, most=40)
    assert thin.is_target.sum() == (~thin.is_target).sum() == 40
    for part in (thin.is_target, ~thin.is_target):
        kind = whole.is_target if part is thin.is_target else ~whole.is_target
        assert thin.counts[part].sum() == pytest.approx(kind.sum())
    worst = np.sort(whole.nontarget)[-20:]
    assert np.isin(worst, thin.nontarget).all()
    thinner = thin.thinned(20)
    assert thinner.counts.sum() == pytest.approx(whole.counts.sum())
    assert np.isin(np.sort(whole.target)[:10], thinner.target).all()


def test_scores_the_wrong_way_round_are_refused(trials):
    turned = CalibrationTrials(
        -trials.scores, trials.is_target, trials.model_speakers, trials.test_speakers
    )
    with pytest.raises(InsufficientDataError, match="score no higher than"):
        fit_calibration(turned)


def test_too_few_speakers_are_refused():
    with pytest.raises(InsufficientDataError, match=r"of 3 speakers; .* at least 4"):
        fit_calibration(simulated_trials(3))


def test_speakers_without_others_of_both_kinds_are_refused():
    raw = simulated_trials(6)
    kept = ~raw.is_target | (raw.model_index == 0)
    lonely = CalibrationTrials(
        raw.scores[kept], raw.is_target[kept], raw.model_speakers[kept], raw.test_speakers[kept]
    )
    with pytest.raises(InsufficientDataError, match="no target trials are left"):
        fit_calibration(lonely)


def test_wrong_options_are_named(trials):
    with pytest.raises(InvalidInputError, match=r"shrinkage must be .* > 0, found 0"):
        fit_calibration(trials, shrinkage=0)
    with pytest.raises(InvalidInputError, match="method must be one of logistic, pav"):
        fit_calibration(trials, method="linear")


def test_evaluation_of_speakers_of_the_calibration_is_refused_unless_forced(trials):
    calibration = fit_calibration(trials)
    assert check_disjoint_speakers(calibration, ["ann"], ["bob"]) == ()
    with pytest.raises(InvalidInputError, match=r"1 of the speakers .*'s003'.*force"):
        check_disjoint_speakers(calibration, ["ann"], ["s003"])
    assert check_disjoint_speakers(calibration, ["s003"], ["s001"], force=True) == ("s001", "s003")


def overlapping():
    return simulated_trials(6, 10, distance=2.0)


def test_steps_are_those_of_isotonic_regression_with_one_misleading_trial_of_each_kind():
    raw = overlapping()
    calibration = fit_calibration(raw, method="pav")
    scores = np.concatenate([raw.scores, [raw.scores.min() - 9, raw.scores.max() + 9]])
    is_target = np.concatenate([raw.is_target, [True, False]])
    shares = IsotonicRegression().fit_transform(scores, is_target)
    wanted = logit(shares) - np.log(is_target.sum() / (~is_target).sum())
    found = calibration.llr(raw.scores, bounded=False)
    np.testing.assert_allclose(found, wanted[:-2], atol=1e-9)


def test_steps_do_not_depend_on_shrinkage_and_differ_from_the_line():
    raw = overlapping()
    steps = [fit_calibration(raw, method="pav", shrinkage=each) for each in (0.1, 10.0)]
    line = fit_calibration(raw)
    llrs = [each.llr(raw.scores) for each in (*steps, line)]
    assert llrs[0].tolist() == llrs[1].tolist()
    assert not np.allclose(llrs[0], llrs[2], atol=0.1)
    assert steps[0].info()["slope"] is None


def test_steps_of_separable_scores_are_finite_and_bounded_by_their_number():
    apart = simulated_trials(6, 5, distance=40.0)
    calibration = fit_calibration(apart, method="pav")
    low, high = calibration.llr([-np.inf, np.inf], bounded=False)
    assert high == pytest.approx(np.log(apart.n_target) - np.log(apart.n_target + 1)
                                 + np.log(apart.n_nontarget + 1))  # fmt: skip
    assert low == pytest.approx(-np.log(apart.n_nontarget) + np.log(apart.n_nontarget + 1)
                                - np.log(apart.n_target + 1))  # fmt: skip
    assert np.isfinite(calibration.evidence.llrs).all()


def test_steps_are_saved_loaded_and_promise(tmp_path):
    calibration = fit_calibration(simulated_trials(8, 20, distance=3.0, spread=0.3), method="pav")
    calibration.save(tmp_path / "calibration")
    found = Calibration.load(tmp_path / "calibration")
    assert found.digest == calibration.digest
    scores = np.linspace(-5, 9, 60)
    assert found.llr(scores).tolist() == calibration.llr(scores).tolist()
    assert (np.diff(found.llr(scores)) >= 0).all()
    assert found.promise(target_far=0.05).p_fa <= 0.05


def test_steps_of_scores_the_wrong_way_round_are_refused(trials):
    turned = CalibrationTrials(
        -trials.scores, trials.is_target, trials.model_speakers, trials.test_speakers
    )
    with pytest.raises(InsufficientDataError, match="score no higher than"):
        fit_calibration(turned, method="pav")


def test_watched_measures_name_what_is_unlike_and_change_no_ratio():
    rng = np.random.default_rng(0)
    names = np.array([f"s{n}" for n in range(6)], dtype=object)
    models, tests = np.repeat(names, 60), np.tile(names, 60)
    scores = rng.normal(np.where(models == tests, 3.0, 0.0))
    fields = (scores, models == tests, models, tests)
    levels = rng.uniform(-30.0, -20.0, len(scores))
    plain = fit_calibration(CalibrationTrials(*fields))
    watching = fit_calibration(CalibrationTrials(*fields, watched={"test_level_db": levels}))
    np.testing.assert_array_equal(watching.llr([0.0, 2.0]), plain.llr([0.0, 2.0]))
    assert watching.watched_names == ("test_level_db",)
    (reason,) = watching.unlike({"test_level_db": -60.0})
    assert reason.startswith("test level -60 dB; calibration saw -30 to -20 dB")
    assert watching.unlike({"test_level_db": -33.0}) == ()
    assert watching.unlike({}) == ()
