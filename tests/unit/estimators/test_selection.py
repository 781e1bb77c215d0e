import json
import os
import signal
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest
import sklearn.cluster
import sklearn.mixture
from sklearn.exceptions import ConvergenceWarning, FitFailedWarning
from sklearn.model_selection import GroupKFold, KFold

from speakergmm.errors import InvalidInputError, SpeakerGmmError
from speakergmm.estimators import (
    BayesianGaussianMixture,
    GaussianMixture,
    as_counts,
    count_parameters,
    select_n_components,
)
from speakergmm.estimators.selection import standard_error_of_sum

KINDS = ("full", "tied", "diag", "spherical")


def planted(n=80):
    rng = np.random.default_rng(0)
    centres = [[-6.0, 0.0], [0.0, 5.0], [6.0, -1.0]]
    return rng.permutation(np.concatenate([rng.normal(centre, 1.0, (n, 2)) for centre in centres]))


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["bic", "aic", "held_out"])
@pytest.mark.parametrize("covariance_type", ["diag", "spherical", "tied"])
def test_planted_clusters_are_found(criterion, covariance_type):
    found = select_n_components(
        planted(),
        range(1, 6),
        criterion=criterion,
        covariance_type=covariance_type,
        one_standard_error=criterion == "held_out",
        n_init=2,
        max_iter=300,
    )
    assert found.n_components == 3
    assert found.best.n_components == 3
    assert found.best.covariance_type == covariance_type
    assert [row.n_components for row in found.path] == [1, 2, 3, 4, 5]
    assert found.chosen is found.path[2]
    assert found.chosen.difference_error == 0 or found.one_standard_error


@pytest.mark.parametrize("covariance_type", KINDS)
def test_criteria_equal_those_of_scikit_learn(covariance_type):
    X = planted()
    for criterion in ("bic", "aic"):
        found = select_n_components(
            X,
            [1, 3, 4],
            criterion=criterion,
            estimator=sklearn.mixture.GaussianMixture(covariance_type=covariance_type, tol=1e-4),
        )
        for row in found.path:
            reference = sklearn.mixture.GaussianMixture(
                row.n_components, covariance_type=covariance_type, tol=1e-4, random_state=0
            ).fit(X)
            np.testing.assert_allclose(row.value, getattr(reference, criterion)(X), rtol=1e-12)
            np.testing.assert_allclose(row.log_likelihood, reference.score(X), rtol=1e-12)
            assert row.n_parameters == reference._n_parameters()


def test_criteria_equal_those_of_our_estimator():
    X = planted()
    found = select_n_components(X, [2, 3], criterion="bic", covariance_type="full")
    for row in found.path:
        fitted = GaussianMixture(row.n_components, random_state=0).fit(X)
        np.testing.assert_allclose(row.value, fitted.bic(X), rtol=1e-12)
    np.testing.assert_array_equal(found.best.means_, fitted.means_)


@pytest.mark.slow
@pytest.mark.parametrize("grouped", [False, True])
def test_held_out_equals_a_loop_over_folds(grouped):
    X = planted(30)[:85]
    groups = np.arange(85) // 5 if grouped else None
    splitter = GroupKFold(4) if grouped else KFold(4, shuffle=True, random_state=3)
    found = select_n_components(X, [1, 2, 3], criterion="held_out", cv=splitter, groups=groups)
    for row in found.path:
        means, sizes = [], []
        for train, test in splitter.split(X, None, groups):
            fitted = sklearn.mixture.GaussianMixture(row.n_components, random_state=0)
            means.append(fitted.fit(X[train]).score(X[test]))
            sizes.append(len(test))
        means, sizes = np.array(means), np.array(sizes)
        value = np.average(means, weights=sizes)
        np.testing.assert_allclose(row.fold_values, means, rtol=1e-8)
        np.testing.assert_allclose(row.value, value, rtol=1e-8)
        error = 0.0
        for mean, size in zip(means, sizes, strict=True):
            error += (size / 85 * (mean - value)) ** 2
        np.testing.assert_allclose(row.standard_error, np.sqrt(error * 4 / 3), rtol=1e-5)


def test_error_of_equal_folds_is_the_standard_deviation_by_the_root():
    found = select_n_components(planted(40), [2, 3], criterion="held_out", cv=4)
    folds = np.array([row.fold_values for row in found.path])
    errors = [row.standard_error for row in found.path]
    np.testing.assert_allclose(errors, folds.std(axis=1, ddof=1) / 2, rtol=1e-9)
    difference = (folds[0] - folds[1]).std(ddof=1) / 2
    np.testing.assert_allclose(found.path[0].difference_error, difference, rtol=1e-9)
    assert found.path[1].difference_error == 0


def test_errors_of_bic_are_those_of_a_sum_of_frames():
    X = planted()
    found = select_n_components(X, [2, 3], covariance_type="diag")
    scores = [
        GaussianMixture(k, covariance_type="diag", random_state=0).fit(X).score_samples(X)
        for k in (2, 3)
    ]
    for row, score in zip(found.path, scores, strict=True):
        expected = 2 * np.sqrt(len(X)) * score.std(ddof=1)
        np.testing.assert_allclose(row.standard_error, expected, rtol=1e-10)
    expected = 2 * np.sqrt(len(X)) * (scores[0] - scores[1]).std(ddof=1)
    np.testing.assert_allclose(found.path[0].difference_error, expected, rtol=1e-10)


@pytest.mark.slow
def test_standard_error_covers_as_it_says():
    rng = np.random.default_rng(1)
    rows = [
        select_n_components(rng.exponential(size=(500, 1)), 1, init_params="random_from_data").path[
            0
        ]
        for _ in range(60)
    ]
    spread = np.std([row.value for row in rows], ddof=1)
    # The spread of 60 samples is itself known to 10 %.
    assert 0.7 < np.mean([row.standard_error for row in rows]) / spread < 1.4


def test_groups_make_errors_larger_where_frames_repeat():
    X = planted(40)
    copies = np.repeat(X, 9, axis=0)
    groups = np.repeat(np.arange(len(X)), 9)
    alone = select_n_components(X, [1, 2], criterion="aic").path[0]
    naive = select_n_components(copies, [1, 2], criterion="aic").path[0]
    grouped = select_n_components(copies, [1, 2], criterion="aic", groups=groups).path[0]
    np.testing.assert_allclose(grouped.standard_error, 9 * alone.standard_error, rtol=1e-6)
    np.testing.assert_allclose(naive.standard_error, 3 * alone.standard_error, rtol=1 / len(X))


@pytest.mark.parametrize("criterion", ["bic", "aic"])
def test_weights_equal_duplication(criterion):
    X = planted(30)
    weights = np.random.default_rng(2).integers(0, 4, len(X))
    start = {"init_params": "splitting", "tol": 1e-8, "max_iter": 500}
    weighted = select_n_components(
        X, [1, 3], criterion=criterion, sample_weight=weights, covariance_type="diag", **start
    )
    repeated = select_n_components(
        np.repeat(X, weights, axis=0), [1, 3], criterion=criterion, covariance_type="diag", **start
    )
    for left, right in zip(weighted.path, repeated.path, strict=True):
        for name in ("value", "log_likelihood", "standard_error", "difference_error"):
            np.testing.assert_allclose(getattr(left, name), getattr(right, name), rtol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("criterion", "factor"),
    [("bic", 1e-3), ("bic", 1e3), ("aic", 1.0 / 240.0), ("held_out", 1e-3), ("held_out", 1e3)],
)
def test_a_common_factor_of_weights_changes_no_choice(criterion, factor):
    X = planted()
    weights = np.random.default_rng(2).uniform(0.5, 1.5, len(X))
    options = {"criterion": criterion, "covariance_type": "diag", "cv": 3, "tol": 1e-6}
    one, other = (
        select_n_components(X, [1, 2, 3, 5], sample_weight=scaled, max_iter=500, **options)
        for scaled in (weights, weights * factor)
    )
    assert other.n_components == one.n_components == 3
    for left, right in zip(one.path, other.path, strict=True):
        for name in ("value", "log_likelihood", "standard_error", "difference_error"):
            np.testing.assert_allclose(
                getattr(left, name), getattr(right, name), rtol=1e-5, atol=1e-6, err_msg=name
            )


def test_weights_that_sum_to_one_count_as_the_frames_they_are():
    X = planted()
    with warnings.catch_warnings():
        # Nor are they too few for the criterion.
        warnings.simplefilter("error")
        equal = select_n_components(X, [1, 3, 4], sample_weight=np.full(len(X), 1 / len(X)))
    plain = select_n_components(X, [1, 3, 4])
    assert equal.n_components == plain.n_components == 3
    for left, right in zip(equal.path, plain.path, strict=True):
        np.testing.assert_allclose(left.value, right.value, rtol=1e-6)
        np.testing.assert_allclose(left.standard_error, right.standard_error, rtol=1e-6)


def test_criteria_of_light_weights_are_of_the_effective_number_of_frames():
    X = planted()
    weights = np.random.default_rng(2).gamma(1.0, 1e-4, len(X))
    effective = sum(weights) ** 2 / sum(w * w for w in weights)
    for criterion, penalty in (("bic", np.log(effective)), ("aic", 2.0)):
        found = select_n_components(
            X, 3, criterion=criterion, sample_weight=weights, covariance_type="tied"
        )
        scores = found.best.score_samples(X)
        mean = np.average(scores, weights=weights)
        expected = -2 * effective * mean + (3 * 2 + 2 + 3) * penalty
        np.testing.assert_allclose(found.path[0].value, expected, rtol=1e-10)
        own = getattr(found.best, criterion)
        np.testing.assert_allclose(own(X, sample_weight=weights), expected, rtol=1e-10)
        np.testing.assert_allclose(own(X, sample_weight=np.full(len(X), 1e-3)), own(X), rtol=1e-10)
        np.testing.assert_allclose(own(X, sample_weight=1e-3), own(X), rtol=1e-10)
        np.testing.assert_allclose(
            own(X, sample_weight=2), own(np.repeat(X, 2, axis=0)), rtol=1e-10
        )


def test_counts_survive_the_smallest_weights():
    weights = np.array([1.0, 0.5, 0.25]) * 1e-300
    np.testing.assert_allclose(as_counts(weights).sum(), 1.75**2 / 1.3125)


def test_error_of_a_weighted_sum_covers_as_it_says():
    rng = np.random.default_rng(0)
    counts = as_counts(rng.lognormal(-9.0, 1.5, 200))
    draws = rng.normal(3.0, 2.0, (4000, 200))
    errors = [standard_error_of_sum(draw, counts, repeated=True) for draw in draws]
    # Exact for the variance: each draw of weight c adds c^2 times its own.
    np.testing.assert_allclose(np.sqrt(counts @ counts), np.sqrt(counts.sum()), rtol=1e-12)
    np.testing.assert_allclose(np.mean(np.square(errors)), 4.0 * counts.sum(), rtol=0.05)
    np.testing.assert_allclose((draws @ counts).std(), 2 * np.sqrt(counts.sum()), rtol=0.05)


def test_too_few_frames_for_bic_are_said():
    X = np.random.default_rng(0).normal(size=(20, 4))
    with pytest.warns(UserWarning, match=r"found 20 \(effective\) frames and 29 param") as caught:
        select_n_components(X, [2])
    assert caught[0].filename == __file__
    weights = np.where(np.arange(240) < 4, 1.0, 1e-9)
    with pytest.warns(UserWarning, match=r"found 4 \(effective\) frames and 5 parameters"):
        select_n_components(planted(), [1], sample_weight=weights)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        select_n_components(X, [2], criterion="held_out", max_iter=500)


def test_weights_count_in_held_out_frames():
    X = planted(30)
    weights = np.random.default_rng(2).integers(1, 4, len(X)).astype(float)
    folds = list(KFold(3).split(X))
    found = select_n_components(
        X, 3, criterion="held_out", cv=folds, sample_weight=weights, covariance_type="diag"
    )
    totals = 0.0
    for train, test in folds:
        fitted = GaussianMixture(3, covariance_type="diag", random_state=0)
        fitted.fit(X[train], sample_weight=weights[train])
        totals += weights[test] @ fitted.score_samples(X[test])
    np.testing.assert_allclose(found.path[0].value, totals / weights.sum(), rtol=1e-10)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("criterion", ["bic", "held_out"])
def test_jobs_change_nothing(criterion):
    # Larger than 1 MB: workers read it from a memory-mapped file.
    X = planted(25_000)
    alone, several = (
        select_n_components(
            X,
            [1, 3],
            criterion=criterion,
            covariance_type="diag",
            cv=2,
            engine=n_jobs,
            max_iter=3,
        )
        for n_jobs in (1, 2)
    )
    for left, right in zip(alone.to_rows(), several.to_rows(), strict=True):
        del left["seconds"], right["seconds"]
        np.testing.assert_equal(left, right)
    np.testing.assert_array_equal(alone.best.means_, several.best.means_)


def test_memory_mapped_frames_and_blocks_give_the_same(tmp_path):
    X = planted()
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    expected = [row.value for row in select_n_components(X, [2, 3]).path]
    for same in (mapped, [X[:100], X[100:]], lambda: iter([X[:7], X[7:]])):
        assert [row.value for row in select_n_components(same, [2, 3]).path] == expected


@pytest.mark.slow
def test_one_standard_error_chooses_the_smallest_that_is_as_good():
    X = np.random.default_rng(1).standard_t(3, size=(300, 2))
    options = {"criterion": "held_out", "covariance_type": "spherical"}
    best = select_n_components(X, range(1, 6), **options)
    thrifty = select_n_components(X, range(1, 6), one_standard_error=True, **options)
    limit = best.chosen.value - best.chosen.standard_error
    good = [row.n_components for row in best.path if row.value >= limit]
    assert thrifty.n_components == min(good) < best.n_components
    assert thrifty.best.n_components == thrifty.n_components


class Fragile(GaussianMixture):
    def fit(self, X, y=None, sample_weight=None):
        if self.n_components in (2, 5):
            raise FloatingPointError("two or five\nis too much")
        return super().fit(X, y, sample_weight=sample_weight)


@pytest.mark.slow
@pytest.mark.parametrize("criterion", ["bic", "held_out"])
def test_what_fails_has_a_row(criterion):
    with pytest.warns(FitFailedWarning) as caught:
        found = select_n_components(
            planted(), range(1, 6), criterion=criterion, estimator=Fragile()
        )
    (message,) = [str(warning.message) for warning in caught]
    assert "2 of 5 numbers of components failed" in message
    assert "(2, 5)" in message
    assert "2 failed with FloatingPointError: two or five is too much" in message
    assert caught[0].filename == __file__
    assert found.n_components == 3
    row = found.path[1]
    assert row.error == "FloatingPointError: two or five is too much"
    assert (row.convergence, row.n_parameters) == ("failed", 0)
    assert np.isnan([row.value, row.standard_error, row.difference_error]).all()
    assert found.path[0].error is None
    again = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert again["path"][1]["value"] is None
    assert again["path"][2]["value"] == found.path[2].value
    with pytest.raises(SpeakerGmmError, match=r"no number .* could be fitted; 2 failed with Float"):
        select_n_components(planted(), [2, 5], criterion=criterion, estimator=Fragile())


def test_bayesian_mixtures_can_be_searched():
    found = select_n_components(
        planted(),
        [1, 3],
        criterion="held_out",
        estimator=BayesianGaussianMixture(weight_concentration_prior=1.0, random_state=5),
        cv=3,
    )
    assert found.n_components == 3
    assert found.best.random_state == 5


def test_estimator_is_not_touched():
    estimator = GaussianMixture(7, tol=1e-2)
    found = select_n_components(planted(), [2], estimator=estimator, n_init=3)
    assert (estimator.n_components, estimator.n_init, estimator.random_state) == (7, 1, None)
    assert (found.best.tol, found.best.n_init, found.best.random_state) == (1e-2, 3, 0)
    assert not hasattr(estimator, "mixture_")


@pytest.mark.slow
def test_what_did_not_converge_says_so_once():
    with pytest.warns(ConvergenceWarning, match="did not converge") as caught:
        found = select_n_components(planted(), [2, 3], criterion="held_out", max_iter=1)
    assert len(caught) == 1
    assert {row.convergence for row in found.path} == {"iteration_limit"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        select_n_components(planted(), [1, 3], n_init=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "icl"}, "criterion must be one of"),
        ({"n_components": []}, "n_components must .*, found none"),
        ({"n_components": [0, 1]}, "a whole number >= 1, found 0"),
        ({"n_components": [2.5]}, r"a whole number >= 1, found 2\.5"),
        ({"n_components": [3, 91]}, "91 components need as many frames, there are only 90"),
        (
            {"n_components": [3, 73], "criterion": "held_out"},
            "73 components .* smallest training part of the folds has only 72",
        ),
        ({"sample_weight": np.eye(90)[0], "n_components": 2}, "there are only 1"),
        ({"sample_weight": np.ones(3)}, "one entry per frame"),
        ({"groups": np.ones(3)}, "groups must have one entry per frame"),
        ({"cv": 1, "criterion": "held_out"}, "cv must be a whole number in 2..90"),
        (
            {"cv": 5, "criterion": "held_out", "groups": np.arange(90) // 30},
            "a whole number in 2..3, found 5",
        ),
        ({"cv": "five", "criterion": "held_out"}, "cv must be a number"),
        ({"cv": [(np.arange(9), np.arange(99))], "criterion": "held_out"}, "cv must be a number"),
        ({"cv": [(np.arange(9), [])] * 2, "criterion": "held_out"}, "fold 0 of cv holds out no"),
        ({"cv": [(np.arange(9), [12])], "criterion": "held_out"}, "2 or more folds, found 1"),
        ({"n_inits": 3}, "has no parameter 'n_inits'"),
        ({"checkpoint": "fit.ckpt"}, "takes no checkpoint, .* found 'fit.ckpt'"),
        ({"checkpoint": "fit.ckpt", "engine": 2, "criterion": "held_out"}, "takes no checkpoint"),
        ({"estimator": GaussianMixture(checkpoint="c")}, "takes no checkpoint"),
        ({"estimator": GaussianMixture(callback=print), "engine": 2}, "takes no callback"),
        (
            {"estimator": sklearn.cluster.DBSCAN()},
            "a mixture with a parameter n_components, found DBSCAN",
        ),
        ({"engine": 0}, "engine"),
    ],
)
def test_refusals(options, message):
    options = {"n_components": [1, 2], **options}
    with pytest.raises(InvalidInputError, match=message) as caught:
        select_n_components(planted(30), **options)
    assert "\n" not in str(caught.value)


def test_bad_frames_are_named():
    X = planted(30)
    X[7, 1] = np.nan
    with pytest.raises(ValueError, match="found nan at row 7, column 1"):
        select_n_components(X, [1, 2])


def test_plot():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib.figure import Figure

    with pytest.warns(FitFailedWarning):
        found = select_n_components(planted(), range(1, 6), estimator=Fragile())
    axes = Figure().add_subplot()
    assert found.plot(axes) is axes
    (drawn,) = [each for each in axes.containers if len(each)]
    np.testing.assert_array_equal(drawn.lines[0].get_xdata(), [1, 3, 4])
    np.testing.assert_array_equal(
        drawn.lines[0].get_ydata(), [found.path[k - 1].value for k in (1, 3, 4)]
    )
    segments = drawn.lines[2][0].get_segments()
    row = found.path[0]
    np.testing.assert_allclose(segments[0][1, 1] - segments[0][0, 1], 2 * row.difference_error)
    words = {text.get_text() for text in axes.get_legend().get_texts()}
    assert {"chosen: 3", "failed"} < words
    assert axes.get_xlabel()
    assert "BIC" in axes.get_ylabel()
    with pytest.raises(InvalidInputError, match="errors must be"):
        found.plot(axes, errors="none")
    own = found.plot(errors="standard")
    assert own.figure is not axes.figure
    import matplotlib.pyplot

    matplotlib.pyplot.close(own.figure)


@pytest.mark.parametrize(("numbers", "d"), [([1, 4], 3)])
@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_counted_as_the_arrays_have_them(kind, numbers, d):
    for k in numbers:
        free = {
            "full": k * len(np.tril_indices(d)[0]),
            "tied": len(np.tril_indices(d)[0]),
            "diag": np.zeros((k, d)).size,
            "spherical": np.zeros(k).size,
        }[kind]
        assert count_parameters(kind, k, d) == free + np.zeros((k, d)).size + k - 1


@pytest.mark.faults
@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.usefixtures("heeds_interrupts")
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interrupt_ends_the_search_and_its_workers(n_jobs):
    code = (
        "import numpy as np\n"
        "from speakergmm.estimators import select_n_components\n"
        "X = np.random.default_rng(0).normal(size=(100_000, 8))\n"
        "print('ready', flush=True)\n"
        f"select_n_components(X, range(20, 90), covariance_type='diag', tol=0, engine={n_jobs})\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.8 if n_jobs > 1 else 0.2)
            os.killpg(process.pid, signal.SIGINT)
            _, words = process.communicate(timeout=15)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0
    assert "KeyboardInterrupt" in words
