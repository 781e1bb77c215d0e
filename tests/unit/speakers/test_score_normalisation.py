"""Normalisation of scores by a cohort, against loops over single trials."""

import statistics

import numpy as np
import pytest

from speakergmm.errors import InsufficientDataError, InvalidInputError
from speakergmm.speakers import (
    CohortScores,
    NormalisationOptions,
    adaptive_s_norm,
    check_cohort,
    cohort_moments,
    normalise_cohort,
    normalise_scores,
    s_norm,
    t_norm,
    z_norm,
    zt_norm,
)

M, N, C, E = 4, 5, 7, 6


def standardised(score, cohort):
    return (score - statistics.fmean(cohort)) / statistics.stdev(cohort)


def highest(scores, count):
    """Places of the highest scores; equal ones in order."""
    return sorted(range(len(scores)), key=lambda place: (-scores[place], place))[:count]


def each_trial(formula):
    return np.array([[formula(m, n) for n in range(N)] for m in range(M)])


@pytest.fixture
def rng():
    return np.random.default_rng(13)


@pytest.fixture
def scores(rng):
    return rng.normal(3, 2, (M, N))


@pytest.fixture
def tests(rng):
    return rng.normal(-1, 2, (M, C))


@pytest.fixture
def models(rng):
    return rng.normal(1, 0.5, (C, N))


def test_z_norm(scores, tests):
    expected = each_trial(lambda m, n: standardised(scores[m, n], tests[m]))
    np.testing.assert_allclose(z_norm(scores, tests), expected, rtol=1e-12)


@pytest.mark.parametrize("top", [None, 2, 3, C, 40])
def test_t_norm(scores, models, top):
    kept = [sorted(models[:, n])[-(top or C) :] for n in range(N)]
    expected = each_trial(lambda m, n: standardised(scores[m, n], kept[n]))
    np.testing.assert_allclose(t_norm(scores, models, top=top), expected, rtol=1e-12)


@pytest.mark.parametrize("top", [None, 3])
def test_zt_norm(rng, scores, models, top):
    tests, cross = rng.normal(size=(M, E)), rng.normal(size=(C, E))
    same = rng.random((C, E)) < 0.3
    cohort = [
        [
            standardised(models[c, n], [cross[c, e] for e in range(E) if not same[c, e]])
            for n in range(N)
        ]
        for c in range(C)
    ]

    def formula(m, n):
        column = sorted(row[n] for row in cohort)[-(top or C) :]
        return standardised(standardised(scores[m, n], tests[m]), column)

    found = zt_norm(scores, tests, models, cross, same_speaker=same, top=top)
    np.testing.assert_allclose(found, each_trial(formula), rtol=1e-12)
    without = zt_norm(scores, tests, models, cross, same_speaker=np.zeros((C, E), bool))
    np.testing.assert_array_equal(zt_norm(scores, tests, models, cross), without)


def test_s_norm(scores, tests, models):
    expected = each_trial(
        lambda m, n: (
            standardised(scores[m, n], tests[m]) / 2 + standardised(scores[m, n], models[:, n]) / 2
        )
    )
    np.testing.assert_allclose(s_norm(scores, tests, models), expected, rtol=1e-12)


@pytest.mark.parametrize("top", [2, 3, 5])
def test_adaptive_s_norm(scores, tests, models, top):
    models[3] = models[1]  # equal scores: the first member is the nearer one

    def formula(m, n):
        near_test, near_model = highest(models[:, n], top), highest(tests[m], top)
        z = standardised(scores[m, n], [tests[m, c] for c in near_test])
        t = standardised(scores[m, n], [models[c, n] for c in near_model])
        return (z + t) / 2

    found = adaptive_s_norm(scores, tests, models, top=top)
    np.testing.assert_allclose(found, each_trial(formula), rtol=1e-12)


def test_adaptive_s_norm_over_the_whole_cohort_is_s_norm(scores, tests, models):
    for top in (C, 40):
        found = adaptive_s_norm(scores, tests, models, top=top)
        np.testing.assert_allclose(found, s_norm(scores, tests, models), rtol=1e-12)


def test_a_single_trial_is_a_matrix_of_one(scores, tests, models):
    one = s_norm(scores[1:2, 2:3], tests[1:2], models[:, 2:3])
    np.testing.assert_allclose(one, s_norm(scores, tests, models)[1:2, 2:3], rtol=1e-14)


def test_normalised_scores_do_not_depend_on_offset_and_scale_of_a_side(scores, tests, models):
    offsets, scales = np.arange(1.0, M + 1)[:, None], np.array([[1.0], [2.0], [0.5], [9.0]])
    z = z_norm(scores * scales + offsets, tests * scales + offsets)
    np.testing.assert_allclose(z, z_norm(scores, tests), rtol=1e-10)
    offsets, scales = np.arange(1.0, N + 1), np.array([1.0, 2.0, 0.5, 9.0, 3.0])
    t = t_norm(scores * scales + offsets, models * scales + offsets)
    np.testing.assert_allclose(t, t_norm(scores, models), rtol=1e-10)


@pytest.mark.parametrize("kind", ["none", "z", "t", "zt", "s", "adaptive_s"])
def test_options_choose_the_normalisation(rng, scores, tests, models, kind):
    cross, same = rng.normal(size=(C, C)), np.eye(C, dtype=bool)
    cohort = CohortScores(tests, models, cross, same)
    expected = {
        "none": lambda: scores,
        "z": lambda: z_norm(scores, tests),
        "t": lambda: t_norm(scores, models),
        "zt": lambda: zt_norm(scores, tests, models, cross, same_speaker=same),
        "s": lambda: s_norm(scores, tests, models),
        "adaptive_s": lambda: adaptive_s_norm(scores, tests, models),
    }[kind]()
    options = NormalisationOptions(normalisation=kind)
    np.testing.assert_array_equal(normalise_scores(scores, cohort, options), expected)
    if kind in ("t", "zt", "adaptive_s"):
        top = normalise_scores(scores, cohort, options, cohort_top=3)
        assert not np.allclose(top, expected)
    else:
        with pytest.raises(InvalidInputError, match="cohort_top must be left out"):
            normalise_scores(scores, cohort, normalisation=kind, cohort_top=3)
    if kind != "none":
        with pytest.raises(InvalidInputError, match=r"needs CohortScores\((tests|models)="):
            normalise_scores(scores, CohortScores(), options)


@pytest.mark.parametrize("kind", ["none", "z", "t", "zt", "s"])
def test_trials_of_a_cohort_leave_out_the_speakers_of_both_sides(rng, kind):
    model_speakers = ["a", "b", "c", "d", "E"]
    test_speakers = ["a", "a", "b", "c", "c", "d", "e", "f"]
    cross = rng.normal(size=(5, 8))
    found = normalise_cohort(cross, model_speakers, test_speakers, normalisation=kind)
    for c, one in enumerate(model_speakers):
        for e, two in enumerate(test_speakers):
            out = {one.lower(), two}
            rows = [r for r, name in enumerate(model_speakers) if name.lower() not in out]
            columns = [k for k, name in enumerate(test_speakers) if name not in out]

            def z(row, column, rows=rows, columns=columns):
                own = model_speakers[row].lower()
                near = [cross[row, k] for k in columns if test_speakers[k] != own]
                return standardised(cross[row, column], near)

            t = [cross[r, e] for r in rows]
            expected = {
                "none": lambda c=c, e=e: cross[c, e],
                "z": lambda c=c, e=e: z(c, e),
                "t": lambda c=c, e=e, t=t: standardised(cross[c, e], t),
                "s": lambda c=c, e=e, t=t: (z(c, e) + standardised(cross[c, e], t)) / 2,
                "zt": lambda c=c, e=e, rows=rows: standardised(z(c, e), [z(r, e) for r in rows]),
            }[kind]()
            assert found[c, e] == pytest.approx(expected, rel=1e-10)


def test_adaptive_s_norm_of_a_cohort_leaves_out_both_members(rng):
    cross, names = rng.normal(size=(6, 6)), list("abcdef")
    found = normalise_cohort(cross, names, names, normalisation="adaptive_s", cohort_top=2)
    for c in range(6):
        for e in range(6):
            rest = [place for place in range(6) if place not in (c, e)]
            z = [cross[c, k] for k in (rest[i] for i in highest(cross[rest, e], 2))]
            t = [cross[r, e] for r in (rest[i] for i in highest(cross[c, rest], 2))]
            expected = (standardised(cross[c, e], z) + standardised(cross[c, e], t)) / 2
            assert found[c, e] == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (
            lambda: z_norm([[1.0]], [[2.0]]),
            InsufficientDataError,
            "2 cohort scores per model, .* 1",
        ),
        (lambda: z_norm([[1.0]], [[]]), InsufficientDataError, "found 0"),
        (lambda: t_norm([[1.0]], [[2.0]]), InsufficientDataError, "2 cohort scores per test"),
        (
            lambda: z_norm([[1.0], [2.0]], [[1.0, 2.0], [0.1, 0.1]]),
            InsufficientDataError,
            r"the 2 cohort scores of model 1 are all equal \(0.1\)",
        ),
        (
            lambda: t_norm([[1.0]], [[0.3], [0.3], [0.1]], top=2),
            InsufficientDataError,
            "of test 0 are all equal",
        ),
        (
            lambda: z_norm([[np.nan]], [[1, 2]]),
            InvalidInputError,
            "scores must be finite, found nan",
        ),
        (
            lambda: t_norm([[1.0]], [[1], [-np.inf]]),
            InvalidInputError,
            "cohort_models must be finite, found -inf at row 1, column 0",
        ),
        (lambda: z_norm([1.0], [[1, 2]]), InvalidInputError, r"scores must be a matrix, .* \(1,\)"),
        (
            lambda: z_norm([["a"]], [[1, 2]]),
            InvalidInputError,
            "scores must be a matrix of numbers",
        ),
        (
            lambda: z_norm(np.ones((3, 1)), np.ones((2, 4))),
            InvalidInputError,
            "cohort_tests must have 3 rows, one for each model, found 2",
        ),
        (
            lambda: t_norm(np.ones((3, 1)), np.ones((2, 4))),
            InvalidInputError,
            "cohort_models must have 1 columns, one for each test, found 4",
        ),
        (lambda: t_norm([[1.0]], [[1], [2]], top=1), InvalidInputError, "top must be .* >= 2"),
        (
            lambda: adaptive_s_norm([[1.0]], [[1, 2, 3]], [[1], [2]]),
            InvalidInputError,
            "found 3 recordings and 2 models",
        ),
        (
            lambda: zt_norm([[1.0]], [[1, 2]], [[1]], [[1, 2]], same_speaker=[[0, 1]]),
            InvalidInputError,
            "same_speaker must be booleans",
        ),
        (
            lambda: normalise_cohort([[1.0]], ["a"], ["a", "b"]),
            InvalidInputError,
            "found 1 and 2",
        ),
        (lambda: NormalisationOptions(normalisation="x"), InvalidInputError, "adaptive_s"),
    ],
)
def test_wrong_cohorts_are_refused_in_one_line(call, error, words):
    with pytest.raises(error, match=words) as refusal:
        call()
    assert "\n" not in str(refusal.value)


def test_a_cohort_without_deviation_is_found_at_any_size():
    for value in (0.1, 1e-30, 1e30, 0.0, -7.3):
        with pytest.raises(InsufficientDataError, match="all equal"):
            cohort_moments(np.full((1, 7), value))
    assert cohort_moments([[1.0, 1.0 + 1e-9]]).deviation[0] == pytest.approx(1e-9 / 2**0.5)


def test_a_cohort_must_not_contain_a_speaker_of_the_trials():
    check_cohort(["ana", "bea"], ["zoe"])
    check_cohort([], ["zoe"])
    with pytest.raises(InvalidInputError, match="speakers of the trials: 'Bea'; leave"):
        check_cohort(["ana", "bea"], ["zoe", "Bea"])
    # One name in two normal forms of Unicode.
    with pytest.raises(InvalidInputError, match="Zoe"):
        check_cohort(["zo\u00eb"], ["Zoe\u0308"])
    with pytest.raises(InvalidInputError, match=r"'a', 'b', 'c' \(and 2 more\)"):
        check_cohort("abcdef", "edcba")
