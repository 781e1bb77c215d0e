"""Variational inference from frames: same steps as the slow way, anywhere in space."""

import numpy as np
import pytest
from oracles import variational as oracle

from speakergmm.errors import IncompatibleModelError, InvalidInputError
from speakergmm.gaussians import frame_moments
from speakergmm.mixtures.variational import (
    VariationalPrior,
    default_prior_covariance,
    evidence_lower_bound,
    posterior_from_moments,
    train_variational,
    update_variational,
)
from speakergmm.records import to_arrays
from speakergmm.run_context import RunContext

KINDS = ("full", "tied", "diag", "spherical")
WEIGHTS = ("dirichlet_process", "dirichlet_distribution")
CENTRES = np.array([[0.0, 0.0], [8.0, 1.0], [0.0, 9.0]])


@pytest.fixture
def clusters(rng):
    X = np.concatenate([rng.normal(m, [1.0, 1.5], (60, 2)) for m in CENTRES])
    return rng.permutation(X)


def problem(X, kind, n_components=5, *, weights="dirichlet_process", prior_type="wishart", **more):
    moments = frame_moments(X)
    options = {"concentration": 0.1, "degrees_of_freedom": 3.0} | more
    prior = VariationalPrior(
        kind,
        mean=moments.mean,
        mean_precision=1.0,
        covariance=default_prior_covariance(X, moments, kind),
        weight_concentration_type=weights,
        covariance_prior_type=prior_type,
        **options,
    )
    d = X.shape[1]
    variance = moments.variance
    of_one = {
        "full": np.tile(np.diag(variance), (n_components, 1, 1)),
        "tied": n_components * np.diag(variance),
        "diag": np.tile(variance, (n_components, 1)),
        "spherical": np.full(n_components, d * variance.mean()),
    }[kind]
    counts = np.full(n_components, 4.0)
    start = posterior_from_moments(counts, X[:n_components], 4.0 * of_one, prior=prior)
    return prior, start


@pytest.mark.parametrize("prior_type", ["wishart", "conjugate"])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_it_takes_the_steps_of_the_slow_way(clusters, kind, weights, prior_type):
    prior, model = problem(clusters, kind, weights=weights, prior_type=prior_type)
    result = train_variational(
        clusters, model, prior=prior, max_iter=6, tol=0.0, reg_covar=0.01, precision="float64"
    )
    bounds = []
    for _ in range(6):
        statistics = oracle.accumulate(model, clusters)
        new, report = update_variational(statistics, model, prior=prior, reg_covar=0.01)
        elbo = evidence_lower_bound(statistics, model, new, prior)
        bounds.append(report.bound / len(clusters))
        model = new
    np.testing.assert_allclose(result.em.objectives, bounds, rtol=1e-10)
    np.testing.assert_allclose(result.model.means, model.means, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(result.model.covariances, model.covariances, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(result.model.concentrations, model.concentrations, rtol=1e-9)
    assert result.elbo == pytest.approx(elbo, rel=1e-11)
    assert result.em.convergence == "iteration_limit"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("scale", "offset"), [(1e-6, 0.0), (1e6, 0.0), (1.0, 1e6), (1e-3, 1e3)])
def test_it_does_not_matter_where_the_frames_lie(clusters, kind, scale, offset):
    there = clusters * scale + offset
    # What the offset left of the frames.
    near = (there - offset) / scale
    results = []
    for X in (near, there):
        prior, start = problem(X, kind)
        results.append(
            train_variational(X, start, prior=prior, max_iter=15, tol=0.0, precision="float64")
        )
    one, two = (result.model for result in results)
    np.testing.assert_allclose((two.means - offset) / scale, one.means, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(two.covariances / scale**2, one.covariances, rtol=1e-6, atol=1e-6)
    moved = results[1].elbo + len(clusters) * 2 * np.log(scale)
    assert moved == pytest.approx(results[0].elbo, rel=1e-7)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_agrees_with_float64(clusters, kind):
    X = clusters + 1000.0
    prior, start = problem(X, kind)
    single, double = (
        train_variational(X, start, prior=prior, max_iter=20, tol=0.0, precision=precision)
        for precision in ("float32", "float64")
    )
    np.testing.assert_allclose(single.model.means, double.model.means, atol=1e-3)
    np.testing.assert_allclose(
        single.model.covariances, double.model.covariances, rtol=1e-3, atol=1e-3
    )
    assert single.elbo == pytest.approx(double.elbo, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_blocks_threads_and_copies_change_nothing(clusters, rng, kind):
    prior, start = problem(clusters, kind)
    options = {"prior": prior, "max_iter": 5, "tol": 0.0, "precision": "float64"}
    whole = train_variational(clusters, start, **options)
    blocks = np.split(clusters, [7, 8, 100])
    for other in (
        train_variational(blocks, start, engine=2, **options),
        train_variational(lambda: iter(blocks), start, **options),
    ):
        np.testing.assert_array_equal(other.model.covariances, whole.model.covariances)
        assert other.elbo == whole.elbo
    weights = rng.integers(0, 3, len(clusters)).astype(float)
    copied = train_variational(np.repeat(clusters, weights.astype(int), axis=0), start, **options)
    weighted = train_variational(clusters, start, sample_weight=weights, **options)
    np.testing.assert_allclose(
        weighted.model.covariances, copied.model.covariances, rtol=1e-9, atol=1e-10
    )
    assert weighted.elbo == pytest.approx(copied.elbo, rel=1e-11)


@pytest.mark.slow
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("prior_type", ["wishart", "conjugate"])
@pytest.mark.parametrize("kind", KINDS)
def test_three_clusters_leave_three_of_ten_components(clusters, kind, weights, prior_type):
    prior, start = problem(
        clusters, kind, 10, weights=weights, prior_type=prior_type, concentration=1e-3
    )
    result = train_variational(
        clusters, start, prior=prior, max_iter=1000, tol=1e-8, precision="float64"
    )
    used = result.model.weights > 0.01
    assert result.em.convergence == "converged"
    assert used.sum() == 3
    means = result.model.means[used]
    found = means[np.lexsort(means.round().T)]
    np.testing.assert_allclose(found, CENTRES[np.lexsort(CENTRES.T)], atol=0.7)
    np.testing.assert_allclose(result.model.weights[used], 1 / 3, atol=0.02)
    # The bound with all constants prefers the three to as many as there are clusters, and to one.
    single_prior, single = problem(
        clusters, kind, 1, weights=weights, prior_type=prior_type, concentration=1e-3
    )
    one = train_variational(clusters, single, prior=single_prior, max_iter=100, tol=1e-8)
    assert result.elbo > one.elbo + 10.0


def test_inference_goes_on_where_it_stopped(clusters):
    prior, start = problem(clusters, "diag")
    options = {"prior": prior, "tol": 0.0, "precision": "float64"}
    whole = train_variational(clusters, start, max_iter=8, **options)
    half = train_variational(clusters, start, max_iter=5, **options)
    rest = train_variational(
        clusters, half.model, max_iter=3, previous=half.em.objectives[-1], **options
    )
    np.testing.assert_allclose(rest.model.means, whole.model.means, rtol=1e-10)
    assert rest.elbo == pytest.approx(whole.elbo, rel=1e-12)


@pytest.mark.slow
def test_a_bound_that_regularisation_lowers_does_not_end_inference():
    # Responsibilities do not know of what is added, so that the bound may fall.
    rng = np.random.default_rng(32)
    X = np.concatenate([rng.normal(m, 0.1, (20, 2)) for m in rng.normal(size=(4, 2))])
    prior = VariationalPrior(
        "diag",
        concentration=0.2,
        mean=X.mean(axis=0),
        mean_precision=1.0,
        degrees_of_freedom=2.0,
        covariance=[0.01, 0.01],
    )
    start = posterior_from_moments(
        np.full(5, 16.0), X[::16], np.full((5, 2), 0.16), prior=prior, reg_covar=1.0
    )
    result = train_variational(
        X, start, prior=prior, max_iter=300, tol=1e-9, reg_covar=1.0, precision="float64"
    )
    assert np.diff(result.em.objectives).min() < -1e-5
    assert result.em.convergence == "converged"


def test_going_on_with_other_frames_may_lower_the_bound(clusters):
    prior, start = problem(clusters, "diag")
    options = {"prior": prior, "tol": 1e-6, "precision": "float64"}
    before = train_variational(clusters, start, max_iter=100, **options)
    other = np.concatenate([clusters, clusters * 3.0])
    after = train_variational(
        other, before.model, max_iter=100, previous=before.em.objectives[-1], **options
    )
    assert after.em.objectives[0] < before.em.objectives[-1] - 0.1
    assert after.em.convergence == "converged"
    assert len(after.em.objectives) > 2


def test_going_on_after_convergence_ends_at_once(clusters):
    prior, start = problem(clusters, "diag")
    options = {"prior": prior, "tol": 1e-6, "precision": "float64"}
    done = train_variational(clusters, start, max_iter=500, **options)
    again = train_variational(
        clusters, done.model, max_iter=500, previous=done.em.objectives[-1], **options
    )
    assert len(again.em.objectives) == 1
    assert again.em.convergence == "converged"


def test_clusters_too_narrow_for_float32_are_found_all_the_same(rng):
    # Four hundred times narrower than the data: variances as differences of float32 sums would be
    # wrong by a percent or so, while densities would still do.
    centres = np.array([[0.0, 0.0], [1.0, 0.0]])
    X = np.concatenate([rng.normal(m, [1.2e-3, 1.0], (500, 2)) for m in centres])
    options = {"concentration": 1.0, "mean_precision": 1e-6, "degrees_of_freedom": 3.0}
    prior = VariationalPrior("diag", mean=X.mean(axis=0), covariance=[1e-8, 1.0], **options)
    start = posterior_from_moments(
        np.full(2, 500.0), centres, 500.0 * np.array([[1e-4, 1.0]] * 2), prior=prior
    )
    single, double = (
        train_variational(X, start, prior=prior, max_iter=4, tol=0.0, precision=precision).model
        for precision in ("float32", "float64")
    )
    np.testing.assert_allclose(single.covariances, double.covariances, rtol=1e-4)


@pytest.mark.parametrize("kind", ["full", "tied", "diag"])
def test_units_of_features_change_no_digit(clusters, kind):
    scale = np.array([2.0**-20, 2.0**9])
    results = []
    for X in (clusters, clusters * scale):
        prior, start = problem(X, kind)
        results.append(train_variational(X, start, prior=prior, max_iter=5, tol=0.0))
    one, two = (result.model for result in results)
    np.testing.assert_array_equal(two.means, one.means * scale)
    np.testing.assert_array_equal(two.concentrations, one.concentrations)
    factor = scale**2 if kind == "diag" else np.outer(scale, scale)
    np.testing.assert_array_equal(two.covariances, one.covariances * factor)


@pytest.mark.parametrize("kind", KINDS)
def test_the_default_prior_is_the_unbiased_covariance(rng, kind):
    X = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 3)) + 1e3
    expected = np.cov(X.T)
    if kind == "diag":
        expected = np.diag(expected)
    elif kind == "spherical":
        expected = np.diag(expected).mean()
    found = default_prior_covariance(X, frame_moments(X), kind)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    weights = rng.integers(1, 4, 50)
    copied = np.repeat(X, weights, axis=0)
    weighted = default_prior_covariance(
        X, frame_moments(X, weights.astype(float)), kind, sample_weight=weights.astype(float)
    )
    np.testing.assert_allclose(
        weighted, default_prior_covariance(copied, frame_moments(copied), kind), rtol=1e-9
    )


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_frames_in_a_plane_have_a_default_prior(rng, kind):
    flat = rng.normal(size=(40, 2)) @ rng.normal(size=(2, 4)) * 1e3
    X = np.column_stack([flat, np.full(40, 7.7)])
    found = default_prior_covariance(X, frame_moments(X), kind, reg_covar=1e-4)
    np.linalg.cholesky(found)
    np.testing.assert_allclose(np.diag(found)[:4], flat.var(axis=0, ddof=1), rtol=1e-6)
    assert found[4, 4] == pytest.approx(1e-4)
    np.testing.assert_array_equal(found[4, :4], 0.0)


def test_start_and_prior_must_agree(clusters):
    prior, _ = problem(clusters, "diag")
    _, start = problem(clusters, "full")
    with pytest.raises(
        InvalidInputError, match=r"start and prior disagree: full of 2 features .* and diag"
    ):
        train_variational(clusters, start, prior=prior, max_iter=1, tol=0.0)

    _, conjugate = problem(clusters, "diag", prior_type="conjugate")
    with pytest.raises(InvalidInputError, match=r"\(conjugate, .* and .* \(wishart, "):
        train_variational(clusters, conjugate, prior=prior, max_iter=1, tol=0.0)
    _, dirichlet = problem(clusters, "diag", weights="dirichlet_distribution")
    with pytest.raises(InvalidInputError, match="dirichlet_distribution"):
        train_variational(clusters, dirichlet, prior=prior, max_iter=1, tol=0.0)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("previous", [None, -8.0])
@pytest.mark.parametrize("weights", WEIGHTS)
@pytest.mark.parametrize("kind", KINDS)
def test_interrupted_inference_goes_on_to_the_same_result(
    clusters, tmp_path, kind, weights, previous
):
    prior, start = problem(clusters, kind, weights=weights)
    options = {"prior": prior, "max_iter": 9, "tol": 0.0, "previous": previous}
    whole = train_variational(clusters, start, **options)
    for interrupted_at in (0, 1, 8):
        path = tmp_path / f"{interrupted_at}.ckpt"

        def interrupt(number, _, *, last=interrupted_at):
            if number == last:
                raise Interrupted

        with pytest.raises(Interrupted):
            train_variational(
                clusters,
                start,
                run=RunContext(callback=interrupt, checkpoint=path, checkpoint_seconds=0),
                **options,
            )
        heard = []
        again = train_variational(
            clusters,
            start,
            run=RunContext(
                callback=lambda number, _, heard=heard: heard.append(number), checkpoint=path
            ),
            **options,
        )
        assert again.elbo == whole.elbo
        assert again.em.objectives == whole.em.objectives
        for name, array in to_arrays(whole.model)[0].items():
            np.testing.assert_array_equal(to_arrays(again.model)[0][name], array)
        assert heard[-1] == 8
        assert len(heard) == 9 - min(interrupted_at + 1, 8) or previous is not None
        assert not path.exists()


def test_a_checkpoint_of_another_prior_is_refused(clusters, tmp_path):
    prior, start = problem(clusters, "diag")

    def interrupt(number, _):
        if number == 2:
            raise Interrupted

    options = {"max_iter": 9, "tol": 0.0}
    context = {"checkpoint": tmp_path / "c", "checkpoint_seconds": 0}
    with pytest.raises(Interrupted):
        train_variational(
            clusters, start, prior=prior, run=RunContext(callback=interrupt, **context), **options
        )
    other, _ = problem(clusters, "diag", concentration=0.2)
    with pytest.raises(IncompatibleModelError, match="which differs in prior;"):
        train_variational(clusters, start, prior=other, run=RunContext(**context), **options)
    with pytest.raises(IncompatibleModelError, match="which differs in frames;"):
        train_variational(
            clusters[::-1].copy(), start, prior=prior, run=RunContext(**context), **options
        )
    assert (tmp_path / "c").exists()


def test_frames_that_come_and_go_are_refused(clusters):
    prior, start = problem(clusters, "diag")
    times = []

    def fewer_each_time():
        times.append(1)
        return iter([clusters[: len(clusters) - len(times)]])

    with pytest.raises(InvalidInputError, match=r"same each time .* found 179 .* and 178 later"):
        train_variational(fewer_each_time, start, prior=prior, max_iter=3, tol=0.0)


def test_a_source_that_can_be_read_once_is_refused(clusters):
    prior, start = problem(clusters, "diag")
    with pytest.raises(InvalidInputError, match="once"):
        train_variational(iter([clusters]), start, prior=prior, max_iter=1, tol=0.0)
