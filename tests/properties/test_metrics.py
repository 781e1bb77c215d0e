"""Metrics against enumeration in exact fractions, on small sets full of ties."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from oracles import metrics as oracle

from speakergmm.metrics import (
    Scores,
    actual_dcf,
    bootstrap_replicates,
    cllr,
    det_curve,
    draw_multiplicities,
    draw_within,
    eer_of_curves,
    equal_error_rate,
    hull_eer_of_curves,
    identification_from_matrix,
    identification_from_trials,
    min_cllr,
    min_dcf,
    read_scores,
    speaker_clusters,
    write_scores,
)

# Few distinct values, so that ties within and across classes are the rule.
values = st.one_of(
    st.integers(-4, 4).map(float),
    st.sampled_from([math.inf, -math.inf, 0.1, -0.0, 1e300, 5e-324]),
)
# Equally many values of which one list has labels' alone are refused, as a call with labels.
score_lists = st.lists(values, min_size=1, max_size=14).filter(
    lambda drawn: len(drawn) < 4 or set(drawn) not in ({0.0, 1.0}, {-1.0, 1.0}, {1.0, 2.0})
)


@pytest.mark.slow
@given(score_lists, score_lists)
@settings(max_examples=300)
def test_eer_is_that_of_enumeration(target, nontarget):
    linear = equal_error_rate(target, nontarget)
    hull = equal_error_rate(target, nontarget, method="rocch")
    assert linear.value == float(oracle.eer_linear(target, nontarget))
    assert hull.value == float(oracle.eer_rocch(target, nontarget))
    assert hull.value == float(oracle.eer_pav(target, nontarget))
    assert hull.value <= min(linear.value, 0.5)


@pytest.mark.slow
@given(score_lists, score_lists)
@example([0.0, math.inf], [math.inf])
def test_eer_threshold_has_the_rates_it_says(target, nontarget):
    rates = oracle.error_rates(target, nontarget)
    nearest = min(abs(miss - fa) for _, miss, fa in rates)
    for method in ("linear", "rocch"):
        point = equal_error_rate(target, nontarget, method=method)
        here = (point.threshold, Fraction(point.p_miss), Fraction(point.p_fa))
        assert any(
            here[0] == threshold and (point.p_miss, point.p_fa) == (float(miss), float(fa))
            for threshold, miss, fa in rates
        )
    linear = equal_error_rate(target, nontarget)
    assert abs(linear.p_miss - linear.p_fa) == pytest.approx(float(nearest), abs=1e-15)
    lowest = min(row[0] for row in rates if abs(row[1] - row[2]) == nearest)
    assert linear.threshold == lowest


@pytest.mark.slow
@given(
    score_lists,
    score_lists,
    st.floats(0.001, 0.999),
    st.floats(0.01, 100),
    st.floats(0.01, 100),
)
def test_min_dcf_is_that_of_enumeration(target, nontarget, p_target, c_miss, c_fa):
    options = {"p_target": p_target, "c_miss": c_miss, "c_fa": c_fa}
    point = min_dcf(target, nontarget, **options)
    assert point.value == pytest.approx(
        float(oracle.min_dcf(target, nontarget, **options)), rel=1e-12
    )
    assert point.value <= 1 + 1e-12
    if point.threshold < math.inf:
        assert actual_dcf(
            target, nontarget, threshold=point.threshold, **options
        ).value == pytest.approx(point.value, rel=1e-12)


@pytest.mark.slow
@given(score_lists, score_lists)
def test_monotone_transform_changes_nothing_but_thresholds(target, nontarget):
    def squash(scores):
        return np.arctan(np.clip(scores, -20, 20)) + (np.asarray(scores) > 20)

    order = {s: i for i, s in enumerate(sorted(set(target) | set(nontarget)))}
    ranked = [order[s] for s in target], [order[s] for s in nontarget]
    for method in ("linear", "rocch"):
        value = equal_error_rate(target, nontarget, method=method).value
        assert value == equal_error_rate(*ranked, method=method).value
        assert value == equal_error_rate(squash(ranked[0]), squash(ranked[1]), method=method).value
    assert min_dcf(target, nontarget).value == min_dcf(*ranked).value


@pytest.mark.slow
@given(score_lists, score_lists)
def test_swapped_and_negated_classes_have_the_same_errors(target, nontarget):
    flipped = [-s for s in nontarget], [-s for s in target]
    for method in ("linear", "rocch"):
        assert equal_error_rate(target, nontarget, method=method).value == pytest.approx(
            equal_error_rate(*flipped, method=method).value, rel=1e-14
        )
    assert min_dcf(target, nontarget, p_target=0.1, c_miss=3, c_fa=2).value == pytest.approx(
        min_dcf(*flipped, p_target=0.9, c_miss=2, c_fa=3).value, rel=1e-12
    )


@pytest.mark.slow
@given(score_lists, score_lists)
@example([3.0, 6.0, math.inf], [4.0, 5.0, 1.0, 0.0])
def test_det_corners_are_the_turns_of_the_polygon(target, nontarget):
    curve = det_curve(target, nontarget)
    rates = oracle.error_rates(target, nontarget)
    corners = [
        (Fraction(int(m), len(target)), Fraction(int(f), len(nontarget)))
        for m, f in zip(curve.misses, curve.false_alarms, strict=True)
    ]
    full = [(miss, fa) for _, miss, fa in rates]
    expected = [full[0]]
    for before, here, after in zip(full, full[1:], full[2:], strict=False):
        straight = before[0] == here[0] == after[0] or before[1] == here[1] == after[1]
        if not straight:
            expected.append(here)
    expected.append(full[-1])
    assert corners == expected
    by_rates = {(miss, fa): threshold for threshold, miss, fa in rates}
    assert curve.thresholds.tolist() == [by_rates[corner] for corner in corners]


@pytest.mark.slow
@given(score_lists, score_lists)
def test_abreast_equals_one_by_one(target, nontarget):
    curve = det_curve(target, nontarget)
    p_miss = np.stack([curve.p_miss, np.linspace(0, 1, len(curve))], axis=1)
    p_fa = np.stack([curve.p_fa, np.linspace(1, 0, len(curve))], axis=1)
    for abreast, method in ((eer_of_curves, "linear"), (hull_eer_of_curves, "rocch")):
        one = equal_error_rate(target, nontarget, method=method).value
        np.testing.assert_allclose(abreast(p_miss, p_fa), [one, 0.5], rtol=0, atol=1e-14)


@st.composite
def trial_lists(draw):
    n_models = draw(st.integers(2, 5))
    owners = draw(st.lists(st.integers(0, n_models - 1), min_size=1, max_size=8))
    rows = []
    for path, owner in enumerate(owners):
        for model in range(n_models):
            score = float(draw(st.integers(-3, 3)))
            label = "target" if owner == model else "nontarget"
            rows.append((f"m{model}", f"p{path}", score, label))
    return Scores(*map(list, zip(*draw(st.permutations(rows)), strict=True)))


@pytest.mark.slow
@given(trial_lists())
def test_identification_is_that_of_counting(scores):
    found = identification_from_trials(scores)
    matrix, true = [], []
    for place, path in enumerate(scores.path_names):
        rows = np.flatnonzero(scores.paths == path)
        by_model = {scores.models[row]: scores.scores[row] for row in rows}
        own = next(scores.models[row] for row in rows if scores.labels[row] == "target")
        rank = oracle.rank_of_true(by_model, own)
        assert found.ranks[place] == rank
        assert scores.model_names[found.true[place]] == own
        others = {model: score for model, score in by_model.items() if model != own}
        chosen = own if rank == 1 else max(sorted(others), key=others.get)
        assert scores.model_names[found.chosen[place]] == chosen
        matrix.append([by_model[name] for name in scores.model_names])
        true.append(scores.model_names.index(own))
    from_matrix = identification_from_matrix(matrix, true)
    np.testing.assert_array_equal(found.ranks, from_matrix.ranks)
    np.testing.assert_array_equal(found.chosen, from_matrix.chosen)
    assert found.confusion_matrix().sum() == len(scores.path_names)


@pytest.mark.slow
@given(trial_lists(), st.integers(0, 1000), st.booleans())
@settings(max_examples=60, deadline=None)
def test_a_replicate_is_the_list_with_its_trials_repeated(scores, seed, within):
    if not (scores.is_target.any() and scores.is_nontarget.any()):
        return
    found = identification_from_trials(scores)
    figures = bootstrap_replicates(
        scores,
        identification=found,
        p_target=(0.3,),
        n_bootstrap=4,
        seed=seed,
        llr=True,
        threshold=0.5,
        resampling="two-level" if within else "speakers",
    )
    clusters = speaker_clusters(scores)
    drawn = draw_multiplicities(clusters.n_speakers, n_bootstrap=4, seed=seed)
    recordings = draw_within(drawn, clusters.paths, seed=seed) if within else None
    for replicate, times in enumerate(drawn):
        tests = times[clusters.paths] if recordings is None else recordings[replicate]
        target, nontarget = [], []
        for row in range(len(scores)):
            model = times[clusters.models[scores.model_index[row]]]
            test = int(tests[scores.path_index[row]])
            if scores.is_target[row]:
                assert within or model == test
                target += [scores.scores[row]] * test
            else:
                nontarget += [scores.scores[row]] * (model * test)
        got = {name: values[replicate] for name, values in figures.items()}
        if not target or not nontarget:
            assert all(math.isnan(got[name]) for name in ("eer_linear", "eer_rocch"))
            continue
        assert got["eer_linear"] == pytest.approx(
            float(oracle.eer_linear(target, nontarget)), abs=1e-13
        )
        assert got["eer_rocch"] == pytest.approx(
            equal_error_rate(target, nontarget, method="rocch").value, abs=1e-13
        )
        assert got["min_dcf_0.3"] == pytest.approx(
            min_dcf(target, nontarget, p_target=0.3).value, abs=1e-13
        )
        assert got["cllr"] == pytest.approx(cllr(target, nontarget), rel=1e-12)
        assert got["min_cllr"] == pytest.approx(min_cllr(target, nontarget), abs=1e-12)
        bayes = actual_dcf(target, nontarget, threshold=math.log(0.7 / 0.3), p_target=0.3)
        assert got["actual_dcf_0.3"] == pytest.approx(bayes.value, abs=1e-13)
        fixed = actual_dcf(target, nontarget, threshold=0.5)
        assert got["miss_rate"] == pytest.approx(fixed.p_miss, abs=1e-13)
        assert got["false_alarm_rate"] == pytest.approx(fixed.p_fa, abs=1e-13)
        repeated = np.repeat(found.ranks, tests[found.path_index])
        assert got["identification_top1"] == pytest.approx(np.mean(repeated == 1), abs=1e-13)


names = st.text(
    st.characters(exclude_characters="\t\n\r", exclude_categories=()), min_size=1, max_size=8
).filter(lambda name: name.encode("utf-8", "replace").decode() == name or _is_escape(name))


def _is_escape(name):
    # A file name that is no UTF-8 reaches Python as low surrogates; others cannot be written.
    try:
        return name.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == name
    except UnicodeEncodeError:
        return False


@pytest.mark.slow
@given(
    st.lists(
        st.tuples(
            names,
            names,
            st.floats(allow_nan=False),
            st.sampled_from(["target", "nontarget", "unknown"]),
        ),
        min_size=1,
        max_size=6,
    )
)
@settings(deadline=None)
def test_score_files_bring_back_what_was_written(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("scores") / "scores.tsv"
    scores = Scores(*map(list, zip(*rows, strict=True)))
    write_scores(path, scores)
    back = read_scores(path)
    assert list(zip(back.models, back.paths, back.scores, back.labels, strict=True)) == rows
