"""The extractor of i-vectors: against the joint normal distribution written out, and itself."""

from dataclasses import replace

import numpy as np
import pytest
from oracles.factors import (
    draw_speaker,
    full_covariances,
    joint,
    log_likelihood,
    normal_log_density,
    posterior,
)
from scipy.stats import qmc

from speakergmm.errors import IncompatibleModelError, InsufficientDataError, InvalidInputError
from speakergmm.mixtures import make_mixture
from speakergmm.run_context import RunContext
from speakergmm.subspace import Factors, TotalVariability, fit_total_variability, mixture_digest

KINDS = ("spherical", "diag", "tied", "full")


def make_covariances(kind, rng, n_components=3, n_features=2):
    roots = rng.normal(size=(n_components, n_features, n_features))
    matrices = roots @ roots.swapaxes(1, 2) + np.eye(n_features)
    return {
        "spherical": matrices[:, 0, 0],
        "diag": np.einsum("kii->ki", matrices),
        "tied": matrices[0],
        "full": matrices,
    }[kind]


def make_factors(kind="diag", *, rank=2, n_components=3, n_features=2, seed=0, offset=0.0):
    rng = np.random.default_rng(seed)
    means = rng.normal(size=(n_components, n_features))
    loadings = rng.normal(size=(n_components, n_features, rank))
    prior = None
    if offset:
        prior = np.zeros(rank)
        prior[0] = offset
    covariances = make_covariances(kind, rng, n_components, n_features)
    return Factors(kind, means, covariances, loadings, rank, None, prior)


def background(factors):
    n_components = len(factors.means)
    weights = np.full(n_components, 1 / n_components)
    return make_mixture(factors.covariance_type, weights, factors.means, factors.covariances)


def draw(factors, n_sessions, *, seed=1, length=30):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(length // 2, 2 * length, size=n_sessions)
    return [draw_speaker(factors, rng, [each])[0] for each in lengths]


def statistics(sessions, n_components=3):
    occupancy, first_order = zip(*(each.statistics(n_components) for each in sessions), strict=True)
    return np.array(occupancy), np.array(first_order)


def second_order(sessions, kind, n_components=3):
    total = 0.0
    for each in sessions:
        chosen = np.eye(n_components)[each.components]
        total = total + np.einsum("tk,ti,tj->kij", chosen, each.frames, each.frames)
    return {
        "spherical": lambda: np.einsum("kii->k", total),
        "diag": lambda: np.einsum("kii->ki", total),
        "tied": lambda: total.sum(axis=0),
        "full": lambda: total,
    }[kind]()


def extractor_of(factors):
    return TotalVariability(mixture_digest(background(factors)), factors)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("offset", [0.0, 3.0])
def test_i_vectors_are_the_posterior_of_the_joint_normal_distribution(kind, offset):
    factors = make_factors(kind, offset=offset)
    sessions = draw(factors, 5)
    vectors, covariances = extractor_of(factors).posteriors(*statistics(sessions))
    for session, vector, covariance in zip(sessions, vectors, covariances, strict=True):
        mean, expected = posterior(factors, [session])
        prior = 0.0 if factors.prior_mean is None else factors.prior_mean
        np.testing.assert_allclose(vector, mean - prior, rtol=1e-9, atol=1e-10)
        np.testing.assert_allclose(covariance, expected, rtol=1e-9, atol=1e-10)


def test_transform_returns_the_means_of_the_posteriors():
    factors = make_factors()
    given = statistics(draw(factors, 600))
    extractor = extractor_of(factors)
    vectors = extractor.transform(*given)
    np.testing.assert_allclose(vectors, extractor.posteriors(*given)[0], rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(vectors, extractor.transform(*given, engine=3))
    # Each session has its i-vector, whatever the others are.
    np.testing.assert_allclose(
        vectors[300:302], extractor.transform(*(each[300:302] for each in given)), rtol=1e-12
    )


def test_the_posterior_of_a_ten_dimensional_supervector_by_integration():
    factors = make_factors(n_components=5)
    (session,) = draw(factors, 1, length=4)
    axis = np.linspace(-6, 6, 241)
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(-1, 2)
    logs = -0.5 * (grid**2).sum(axis=1)
    for frame, component in zip(session.frames, session.components, strict=True):
        means = factors.means[component] + grid @ factors.loadings[component].T
        logs += -0.5 * ((frame - means) ** 2 / factors.covariances[component]).sum(axis=1)
    weights = np.exp(logs - logs.max())
    mean = weights @ grid / weights.sum()
    centred = grid - mean
    covariance = (weights[:, None] * centred).T @ centred / weights.sum()
    vectors, covariances = extractor_of(factors).posteriors(*statistics([session], 5))
    np.testing.assert_allclose(vectors[0], mean, atol=1e-8)
    np.testing.assert_allclose(covariances[0], covariance, atol=1e-8)


def test_the_posterior_of_ten_factors_by_integration_over_a_sequence():
    factors = make_factors(rank=10)
    factors = replace(factors, loadings=0.3 * factors.loadings)
    (session,) = draw(factors, 1, length=4)
    points = qmc.MultivariateNormalQMC(np.zeros(10), seed=0).random(1 << 14)
    logs = np.zeros(len(points))
    for frame, component in zip(session.frames, session.components, strict=True):
        means = factors.means[component] + points @ factors.loadings[component].T
        logs += -0.5 * ((frame - means) ** 2 / factors.covariances[component]).sum(axis=1)
    weights = np.exp(logs - logs.max())
    vectors, _ = extractor_of(factors).posteriors(*statistics([session]))
    np.testing.assert_allclose(vectors[0], weights @ points / weights.sum(), atol=0.01)


OPTIONS = {
    "plain": {"minimum_divergence": False},
    "minimum divergence": {},
    "means": {"update_means": True},
    "covariances": {"update_covariances": True},
    "offset": {"prior_offset": 5.0, "update_covariances": True},
}


@pytest.mark.parametrize(
    ("kind", "name"),
    [("full", name) for name in OPTIONS] + [(kind, "offset") for kind in KINDS if kind != "full"],
)
def test_each_update_raises_the_likelihood_of_the_frames_as_it_is_reported(kind, name):
    truth = make_factors(kind)
    sessions = draw(truth, 12, length=20)
    mixture, given = background(truth), statistics(sessions)
    options = {"dimension": 2, "second_order": second_order(sessions, kind), **OPTIONS[name]}
    n_frames = sum(len(each.frames) for each in sessions)

    def of_frames(factors):
        return sum(log_likelihood(factors, [each]) for each in sessions) / n_frames

    none = Factors(kind, truth.means, truth.covariances, np.zeros((3, 2, 0)), 0)
    whole = fit_total_variability(mixture, *given, max_iter=4, **options)
    found = []
    for iterations in (1, 2, 3):
        result = fit_total_variability(mixture, *given, max_iter=iterations, **options)
        assert result.objectives == whole.objectives[:iterations]
        found.append(of_frames(result.model.factors) - of_frames(none))
    np.testing.assert_allclose(whole.objectives[1:], found, rtol=1e-9, atol=1e-10)
    assert np.all(np.diff(whole.objectives) > 0)
    assert whole.convergence == "iteration_limit"


@pytest.mark.parametrize("change", [{}, {"update_means": True}])
def test_minimum_divergence_is_neutral_to_the_likelihood(change):
    truth = make_factors("full")
    sessions = draw(truth, 12)
    mixture, given = background(truth), statistics(sessions)
    start = fit_total_variability(mixture, *given, dimension=2, max_iter=1).model
    plain = fit_total_variability(
        mixture, *given, start=start, max_iter=1, minimum_divergence=False
    ).model.factors
    # The distribution that the factors have in the data, by conditioning.
    means, spreads = zip(*(posterior(start.factors, [each]) for each in sessions), strict=True)
    moments = np.mean([s + np.outer(m, m) for m, s in zip(means, spreads, strict=True)], axis=0)
    mean = np.mean(means, axis=0) if change else np.zeros(2)
    moments = moments - np.outer(mean, mean)
    standard = fit_total_variability(mixture, *given, start=start, max_iter=1, **change)
    for session in sessions:
        observed, base, matrix, _, noise = joint(plain, [session])
        expected = normal_log_density(
            observed, base + matrix @ mean, matrix @ moments @ matrix.T + noise
        )
        np.testing.assert_allclose(
            log_likelihood(standard.model.factors, [session]), expected, rtol=1e-10
        )


@pytest.mark.parametrize("kind", ["diag", "full"])
def test_a_known_subspace_is_recovered(kind):
    truth = make_factors(kind, n_components=4, n_features=3)
    sessions = draw(truth, 400, length=200)
    result = fit_total_variability(
        background(truth), *statistics(sessions, 4), dimension=2, max_iter=20
    )
    found, true = (each.loadings.reshape(12, 2) for each in (result.model.factors, truth))
    np.testing.assert_allclose(found @ found.T, true @ true.T, atol=0.1 * (true @ true.T).max())
    angles = np.linalg.svd(np.linalg.qr(found)[0].T @ np.linalg.qr(true)[0], compute_uv=False)
    assert angles.min() > 0.999


def test_covariances_within_sessions_are_recovered():
    truth = make_factors("full")
    sessions = draw(truth, 200, length=100)
    wide = replace(truth, covariances=2.0 * truth.covariances)
    result = fit_total_variability(
        background(wide),
        *statistics(sessions),
        second_order=second_order(sessions, "full"),
        dimension=2,
        update_covariances=True,
    )
    found = full_covariances(result.model.factors)
    np.testing.assert_allclose(found, truth.covariances, atol=0.05 * truth.covariances.max())


@pytest.mark.slow
def test_the_result_does_not_depend_on_the_engine():
    factors = make_factors()
    rng = np.random.default_rng(3)
    occupancy = rng.uniform(1, 20, size=(4500, 3))  # several shards
    first_order = occupancy[:, :, None] * rng.normal(size=(4500, 3, 2))
    one, two, eight = (
        fit_total_variability(
            background(factors), occupancy, first_order, dimension=2, max_iter=3, engine=engine
        )
        for engine in (1, 2, 8)
    )
    assert one.model.digest == two.model.digest == eight.model.digest
    assert one.objectives == two.objectives == eight.objectives


class Interrupted(Exception):
    pass


def test_a_training_that_was_interrupted_resumes_to_the_same_result(tmp_path):
    factors = make_factors()
    given = background(factors), *statistics(draw(factors, 40))
    whole = fit_total_variability(*given, dimension=2, max_iter=5)

    def interrupt(number, _):
        if number == 2:
            raise Interrupted

    path = tmp_path / "checkpoint"
    run = RunContext(checkpoint=path, checkpoint_seconds=0, callback=interrupt)
    with pytest.raises(Interrupted):
        fit_total_variability(*given, dimension=2, max_iter=5, run=run)
    numbers = []
    run = RunContext(checkpoint=path, callback=lambda number, _: numbers.append(number))
    with pytest.raises(IncompatibleModelError, match="start"):
        fit_total_variability(*given, dimension=2, max_iter=5, seed=1, run=run)
    with pytest.raises(IncompatibleModelError, match="sessions"):
        fit_total_variability(given[0], given[1], 2 * given[2], dimension=2, max_iter=5, run=run)
    resumed = fit_total_variability(*given, dimension=2, max_iter=5, run=run)
    assert numbers == [3, 4]
    assert resumed.model.digest == whole.model.digest
    assert not path.exists()


def test_statistics_in_float32_are_taken_as_they_are():
    factors = make_factors()
    occupancy, first_order = statistics(draw(factors, 40))
    narrow = occupancy.astype(np.float32), first_order.astype(np.float32)
    wide = tuple(each.astype(np.float64) for each in narrow)
    results = [
        fit_total_variability(background(factors), *each, dimension=2) for each in (narrow, wide)
    ]
    assert results[0].model.digest == results[1].model.digest


def test_a_component_without_frames_keeps_its_loadings():
    factors = make_factors()
    occupancy, first_order = statistics(draw(factors, 40))
    occupancy[:, 1] = 0.0
    first_order[:, 1] = 0.0
    start = fit_total_variability(
        background(factors), occupancy, first_order, dimension=2, minimum_divergence=False
    ).model.factors
    more = fit_total_variability(
        background(factors),
        occupancy,
        first_order,
        dimension=2,
        minimum_divergence=False,
        max_iter=20,
    ).model.factors
    np.testing.assert_array_equal(start.loadings[1], more.loadings[1])
    assert np.isfinite(more.loadings).all()
    assert (start.loadings[0] != more.loadings[0]).any()


def test_an_extractor_is_saved_and_loaded(tmp_path):
    extractor = extractor_of(make_factors("full", offset=2.0))
    extractor.save(tmp_path / "extractor")
    loaded = TotalVariability.load(tmp_path / "extractor")
    given = statistics(draw(extractor.factors, 3))
    assert loaded.digest == extractor.digest
    np.testing.assert_array_equal(loaded.transform(*given), extractor.transform(*given))


def test_an_extractor_of_another_background_is_refused():
    factors = make_factors()
    extractor = extractor_of(factors)
    extractor.check_background(background(factors))
    other = background(make_factors(seed=5))
    with pytest.raises(IncompatibleModelError, match="extractor was trained with the background"):
        extractor.check_background(other)
    with pytest.raises(IncompatibleModelError, match="background mixture"):
        fit_total_variability(other, *statistics(draw(factors, 5)), start=extractor)


def test_wrong_input_is_refused_in_one_line():
    factors = make_factors()
    mixture, (occupancy, first_order) = background(factors), statistics(draw(factors, 5))
    with pytest.raises(InsufficientDataError, match="5 factors need more sessions than factors"):
        fit_total_variability(mixture, occupancy, first_order, dimension=5)
    with pytest.raises(InvalidInputError, match="dimension must be at most 6"):
        fit_total_variability(mixture, occupancy, first_order, dimension=7)
    with pytest.raises(IncompatibleModelError, match=r"shapes \(N, 3\) and \(N, 3, 2\)"):
        fit_total_variability(mixture, occupancy[:, :2], first_order[:, :2], dimension=1)
    broken = first_order.copy()
    broken[3, 1, 1] = np.nan
    with pytest.raises(InvalidInputError, match="session 3 are not finite"):
        fit_total_variability(mixture, occupancy, broken, dimension=1)
    silent = occupancy.copy()
    silent[2] = 0.0
    with pytest.raises(InsufficientDataError, match="session 2 has no frames"):
        extractor_of(factors).transform(silent, first_order)
    with pytest.raises(InvalidInputError, match="needs second_order"):
        fit_total_variability(mixture, occupancy, first_order, dimension=1, update_covariances=True)
    with pytest.raises(InvalidInputError, match="needs minimum_divergence"):
        fit_total_variability(
            mixture,
            occupancy,
            first_order,
            dimension=1,
            update_means=True,
            minimum_divergence=False,
        )
