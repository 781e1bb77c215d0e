import itertools

import numpy as np
import pytest
from oracles import density_uses as oracle
from scipy.stats import norm

from speakergmm.errors import InvalidInputError
from speakergmm.mixtures import make_mixture
from speakergmm.mixtures.operations import (
    Estimate,
    component_divergences,
    divergence,
    kl_monte_carlo,
    kl_upper_bound,
    kl_variational,
)

KINDS = ["spherical", "diag", "tied", "full"]
PAIRS = list(itertools.product(KINDS, KINDS))


@pytest.fixture
def rng():
    return np.random.default_rng(8)


def random_mixture(rng, kind, n_components=3, n_features=4):
    return make_mixture(
        kind,
        rng.dirichlet(np.full(n_components, 4.0)),
        rng.normal(0.0, 1.5, (n_components, n_features)),
        oracle.random_covariances(rng, kind, n_components, n_features),
    )


def components(mixture):
    shape = mixture.means.shape
    matrices = oracle.full(mixture.covariance_type, mixture.covariances, *shape)
    return list(zip(mixture.means, matrices, strict=True))


def kl_of_components(a, b):
    return oracle.gaussian_kl(*a, *b)


def line(rng, n_components):
    weights = rng.dirichlet(np.full(n_components, 4.0))
    means = rng.normal(0, 2, n_components)
    variances = rng.gamma(3.0, 0.3, n_components)
    return (weights, means, variances), make_mixture(
        "diag", weights, means[:, None], variances[:, None]
    )


@pytest.mark.parametrize(("kind_p", "kind_q"), PAIRS)
def test_divergences_of_gaussians_are_the_textbook_formula(rng, kind_p, kind_q):
    p, q = random_mixture(rng, kind_p, 3), random_mixture(rng, kind_q, 5)
    expected = [[kl_of_components(a, b) for b in components(q)] for a in components(p)]
    found = component_divergences(p, q)
    assert found.shape == (3, 5)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(("kind_p", "kind_q"), PAIRS)
def test_for_one_gaussian_all_are_the_closed_form(rng, kind_p, kind_q):
    p, q = random_mixture(rng, kind_p, 1), random_mixture(rng, kind_q, 1)
    expected = kl_of_components(components(p)[0], components(q)[0])
    assert kl_variational(p, q) == pytest.approx(expected, rel=1e-10)
    bound = kl_upper_bound(p, q)
    assert bound.value == pytest.approx(expected, rel=1e-10)
    assert bound.converged
    estimate = kl_monte_carlo(p, q, n_samples=20_000)
    assert abs(estimate.value - expected) < 4.5 * estimate.standard_error


@pytest.mark.parametrize(("kind_p", "kind_q"), PAIRS)
def test_variational_forms_are_those_of_the_paper(rng, kind_p, kind_q):
    p, q = random_mixture(rng, kind_p, 4), random_mixture(rng, kind_q, 3)
    of_p, of_q = (p.weights, components(p)), (q.weights, components(q))
    expected = oracle.variational_kl(of_p, of_q, kl_of_components)
    assert kl_variational(p, q) == pytest.approx(expected, rel=1e-10, abs=1e-10)
    expected = oracle.variational_bound(of_p, of_q, kl_of_components, 6)
    found = kl_upper_bound(p, q, max_iter=6, tol=0.0).history[1:]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_against_numerical_integration(seed):
    rng = np.random.default_rng(seed)
    (numbers_p, p), (numbers_q, q) = line(rng, 3), line(rng, 4)
    exact = oracle.kl_1d(numbers_p, numbers_q)
    estimate = kl_monte_carlo(p, q, n_samples=40_000, seed=seed)
    assert abs(estimate.value - exact) < 4.5 * estimate.standard_error
    assert estimate.standard_error < 0.1 * max(exact, 0.1)
    bound = kl_upper_bound(p, q)
    assert all(value >= exact - 1e-9 for value in bound.history)
    # It is an approximation: of the right size, and between nothing and the convexity bound.
    assert abs(kl_variational(p, q) - exact) < 0.5 * (bound.history[0] - exact)


@pytest.mark.slow
def test_the_error_of_monte_carlo_is_what_it_says():
    rng = np.random.default_rng(1)
    (numbers_p, p), (numbers_q, q) = line(rng, 2), line(rng, 2)
    exact = oracle.kl_1d(numbers_p, numbers_q)
    estimates = [kl_monte_carlo(p, q, n_samples=2000, seed=seed) for seed in range(150)]
    z = np.array([(e.value - exact) / e.standard_error for e in estimates])
    # Standard normal: mean 0 +- 0.08, deviation 1 +- 0.06.
    assert abs(z.mean()) < 0.35
    assert 0.8 < z.std() < 1.2


def test_monte_carlo_over_blocks_is_one_mean_and_deviation(rng, monkeypatch):
    p, q = random_mixture(rng, "full"), random_mixture(rng, "tied")
    monkeypatch.setattr(divergence, "_BLOCK_SAMPLES", 700)
    found = kl_monte_carlo(p, q, n_samples=2000, seed=4)
    draws = np.random.default_rng(4)
    X = np.concatenate([p.sample(n, draws) for n in (700, 700, 600)])
    log_ratios = p.log_likelihood(X, precision="float64") - q.log_likelihood(X, precision="float64")
    assert found.n_samples == 2000
    assert found.value == pytest.approx(log_ratios.mean(), rel=1e-12)
    assert found.standard_error == pytest.approx(log_ratios.std(ddof=1) / 2000**0.5, rel=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_diverges_from_itself(rng, kind):
    p = random_mixture(rng, kind, 4, 3)
    np.testing.assert_allclose(np.diag(component_divergences(p, p)), 0.0, atol=1e-13)
    assert kl_variational(p, p) == pytest.approx(0.0, abs=1e-13)
    assert kl_monte_carlo(p, p, n_samples=1000) == Estimate(0.0, 0.0, 1000)
    assert 0.0 <= kl_upper_bound(p, p).value + 1e-12 < 1e-5


@pytest.mark.parametrize(("kind_p", "kind_q"), PAIRS)
def test_the_bound_never_grows_and_ends_above(rng, kind_p, kind_q):
    p, q = random_mixture(rng, kind_p, 5), random_mixture(rng, kind_q, 4)
    bound = kl_upper_bound(p, q)
    assert (np.diff(bound.history) <= 1e-13 * bound.value).all()
    assert bound.value == min(bound.history)
    assert bound.converged
    convexity = p.weights @ component_divergences(p, q) @ q.weights
    assert bound.history[0] == pytest.approx(convexity, rel=1e-12)
    assert kl_upper_bound(p, q, max_iter=0).history == bound.history[:1]
    estimate = kl_monte_carlo(p, q, n_samples=5000)
    assert bound.value > estimate.value - 5 * estimate.standard_error


def test_the_bound_tells_when_it_did_not_converge(rng):
    p, q = random_mixture(rng, "diag"), random_mixture(rng, "diag")
    bound = kl_upper_bound(p, q, max_iter=2, tol=0.0)
    assert not bound.converged
    assert len(bound.history) == 3


def test_a_gaussian_split_in_two_is_the_same_density():
    p = make_mixture("diag", [1.0], [[1.0, 2.0]], [[1.0, 2.0]])
    q = make_mixture("diag", [0.3, 0.7], [[1.0, 2.0]] * 2, [[1.0, 2.0]] * 2)
    for a, b in ((p, q), (q, p)):
        assert kl_variational(a, b) == pytest.approx(0.0, abs=1e-14)
        assert kl_upper_bound(a, b).value == pytest.approx(0.0, abs=1e-14)
        assert kl_monte_carlo(a, b, n_samples=100).value == pytest.approx(0.0, abs=1e-14)


def test_components_of_no_weight_count_for_nothing(rng):
    (numbers_p, p), (numbers_q, q) = line(rng, 2), line(rng, 3)
    exact = oracle.kl_1d(numbers_p, numbers_q)

    def with_ghost(mixture):
        return make_mixture(
            "diag",
            [*mixture.weights, 0.0],
            [*mixture.means, [50.0]],
            [*mixture.covariances, [0.01]],
        )

    ghost_p, ghost_q = with_ghost(p), with_ghost(q)
    for function in (kl_variational, lambda a, b: kl_upper_bound(a, b).value):
        assert function(ghost_p, ghost_q) == pytest.approx(function(p, q), rel=1e-12)
    estimate = kl_monte_carlo(ghost_p, ghost_q, n_samples=20_000)
    assert abs(estimate.value - exact) < 4.5 * estimate.standard_error


def test_small_divergences_keep_their_digits():
    p = make_mixture("diag", [1.0], [[0.0]], [[1.0]])
    q = make_mixture("diag", [1.0], [[0.0]], [[1.0 + 1e-7]])
    # (r - 1)^2 / 4 for variances in a ratio r near 1.
    assert component_divergences(p, q)[0, 0] == pytest.approx(2.5e-15, rel=1e-6, abs=0)


def test_mixtures_far_apart_do_not_overflow():
    p = make_mixture("diag", [0.5, 0.5], [[0.0], [1.0]], [[1.0], [2.0]])
    q = make_mixture("diag", [0.5, 0.5], [[1e4], [2e4]], [[1.0], [1.0]])
    expected = oracle.kl_1d(([0.5, 0.5], [0.0, 1.0], [1.0, 2.0]), ([0.5, 0.5], [1e4, 2e4], [1, 1]))
    assert kl_variational(p, q) == pytest.approx(expected, rel=1e-6)
    assert kl_upper_bound(p, q).value == pytest.approx(expected, rel=1e-6)
    assert kl_monte_carlo(p, q, n_samples=2000).value == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["diag", "full"])
@pytest.mark.filterwarnings("error")
def test_divergences_beyond_float64_are_infinite_or_refused(kind):
    variances = [[1.0]] if kind == "diag" else [[[1.0]]]
    p, q = (make_mixture(kind, [1.0], [[mean]], variances) for mean in (0.0, 1e200))
    assert component_divergences(p, q)[0, 0] == np.inf
    assert kl_variational(p, q) == np.inf
    with pytest.raises(InvalidInputError, match="found some too far apart"):
        kl_upper_bound(p, q)


@pytest.mark.parametrize(
    "function", [component_divergences, kl_monte_carlo, kl_variational, kl_upper_bound]
)
def test_different_features_are_refused_with_both(rng, function):
    p, q = random_mixture(rng, "full", 2, 4), random_mixture(rng, "diag", 2, 3)
    with pytest.raises(InvalidInputError, match="found 4 in the first and 3 in the second"):
        function(p, q)


def test_options_out_of_range_are_refused(rng):
    p = random_mixture(rng, "diag")
    with pytest.raises(InvalidInputError, match="n_samples must be a whole number >= 2, found 1"):
        kl_monte_carlo(p, p, n_samples=1)
    with pytest.raises(InvalidInputError, match="seed must be a whole number >= 0, found -1"):
        kl_monte_carlo(p, p, seed=-1)
    with pytest.raises(InvalidInputError, match="max_iter must be a whole number >= 0, found -1"):
        kl_upper_bound(p, p, max_iter=-1)
    with pytest.raises(InvalidInputError, match="tol must be finite and >= 0, found nan"):
        kl_upper_bound(p, p, max_iter=5, tol=float("nan"))
    with pytest.raises(InvalidInputError, match=r"found 1\.0"):
        Estimate(0.0, 1.0, 2).interval(1.0)


def test_intervals_are_those_of_the_normal():
    low, high = Estimate(3.0, 0.2, 10).interval(0.9)
    np.testing.assert_allclose([low, high], norm.interval(0.9, 3.0, 0.2), rtol=1e-12)
