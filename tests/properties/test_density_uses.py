"""What holds for every mixture: marginals, conditionals and divergences fit together."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.density_uses import full, random_covariances

from speakergmm.mixtures import make_mixture
from speakergmm.mixtures.operations import (
    component_divergences,
    condition,
    conditional_mean,
    kl_monte_carlo,
    kl_upper_bound,
    kl_variational,
    marginal,
)

in_its_time = settings(deadline=None, max_examples=40)
kinds = st.sampled_from(["spherical", "diag", "tied", "full"])
seeds = st.integers(0, 2**32 - 1)


def random_mixture(rng, kind, n_features, *, n_components=None):
    n_components = n_components or int(rng.integers(1, 6))
    return make_mixture(
        kind,
        rng.dirichlet(np.full(n_components, 3.0)),
        rng.normal(0.0, 2.0, (n_components, n_features)),
        random_covariances(rng, kind, n_components, n_features),
    )


def as_full(mixture):
    matrices = full(mixture.covariance_type, mixture.covariances, *mixture.means.shape)
    return make_mixture("full", mixture.weights, mixture.means, matrices)


def mapped(mixture, matrix, shift):
    """The mixture of ``x @ matrix.T + shift``."""
    whole = as_full(mixture)
    covariances = matrix @ whole.covariances @ matrix.T
    return make_mixture(
        "full",
        whole.weights,
        whole.means @ matrix.T + shift,
        (covariances + covariances.transpose(0, 2, 1)) / 2,
    )


def assert_same(a, b):
    np.testing.assert_allclose(a.weights, b.weights, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(a.means, b.means, rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(a.covariances, b.covariances, rtol=1e-7, atol=1e-9)


@in_its_time
@given(kinds, seeds)
def test_a_marginal_of_a_marginal_is_a_marginal(kind, seed):
    rng = np.random.default_rng(seed)
    mixture = random_mixture(rng, kind, 5)
    first = rng.permutation(5)[:4]
    second = rng.permutation(4)[:2]
    assert_same(marginal(marginal(mixture, first), second), marginal(mixture, first[second]))


@pytest.mark.slow
@in_its_time
@given(kinds, seeds)
def test_conditioning_one_after_the_other_is_conditioning_on_both(kind, seed):
    rng = np.random.default_rng(seed)
    mixture = random_mixture(rng, kind, 5)
    values = rng.normal(0.0, 2.0, 3)
    # Without features 4 and 1, feature 2 is the second of (0, 2, 3).
    in_steps = condition(condition(mixture, [4, 1], values[:2]), [1], values[2:])
    assert_same(in_steps, condition(mixture, [4, 1, 2], values))


@pytest.mark.slow
@in_its_time
@given(kinds, seeds)
def test_marginals_and_conditionals_commute(kind, seed):
    rng = np.random.default_rng(seed)
    mixture = random_mixture(rng, kind, 5)
    values = rng.normal(0.0, 2.0, 2)
    a = marginal(condition(mixture, [0, 3], values), [2, 0])  # of features 1, 2, 4
    b = condition(marginal(mixture, [0, 4, 3, 1]), [0, 2], values)
    assert_same(a, b)


@pytest.mark.slow
@in_its_time
@given(kinds, seeds)
def test_all_kinds_are_full_mixtures(kind, seed):
    rng = np.random.default_rng(seed)
    mixture, other = random_mixture(rng, kind, 4), random_mixture(rng, "tied", 4)
    values = rng.normal(0.0, 2.0, (6, 2))
    a, b = condition(mixture, [2, 1], values), condition(as_full(mixture), [2, 1], values)
    np.testing.assert_allclose(a.weights, b.weights, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(a.mean(), b.mean(), rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(a.covariance(), b.covariance(), rtol=1e-7, atol=1e-8)
    np.testing.assert_allclose(
        component_divergences(mixture, other),
        component_divergences(as_full(mixture), as_full(other)),
        rtol=1e-8,
        atol=1e-11,
    )


@pytest.mark.slow
@in_its_time
@given(kinds, seeds)
def test_the_order_of_components_does_not_matter(kind, seed):
    rng = np.random.default_rng(seed)
    p, q = random_mixture(rng, kind, 3), random_mixture(rng, "full", 3)
    order = rng.permutation(p.n_components)
    covariances = p.covariances if kind == "tied" else p.covariances[order]
    permuted = make_mixture(kind, p.weights[order], p.means[order], covariances)
    values = rng.normal(0.0, 2.0, (5, 2))
    np.testing.assert_allclose(
        conditional_mean(p, [0, 2], values),
        conditional_mean(permuted, [0, 2], values),
        rtol=1e-8,
        atol=1e-9,
    )
    np.testing.assert_allclose(
        [kl_variational(p, q), kl_upper_bound(p, q, max_iter=5, tol=0.0).value],
        [kl_variational(permuted, q), kl_upper_bound(permuted, q, max_iter=5, tol=0.0).value],
        rtol=1e-9,
        atol=1e-10,
    )


@pytest.mark.slow
@in_its_time
@given(kinds, kinds, seeds, st.floats(-6.0, 6.0), st.floats(-1e3, 1e3))
def test_divergences_do_not_depend_on_coordinates(kind_p, kind_q, seed, log_scale, shift):
    rng = np.random.default_rng(seed)
    p, q = random_mixture(rng, kind_p, 3), random_mixture(rng, kind_q, 3)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    matrix = 10.0**log_scale * rotation @ np.diag([0.3, 1.0, 3.0])
    offset = 10.0**log_scale * np.full(3, shift)
    moved_p, moved_q = mapped(p, matrix, offset), mapped(q, matrix, offset)
    np.testing.assert_allclose(
        component_divergences(moved_p, moved_q), component_divergences(p, q), rtol=1e-6, atol=1e-7
    )
    np.testing.assert_allclose(
        [kl_variational(moved_p, moved_q), kl_upper_bound(moved_p, moved_q, max_iter=9).value],
        [kl_variational(p, q), kl_upper_bound(p, q, max_iter=9).value],
        rtol=1e-6,
        atol=1e-7,
    )


@pytest.mark.slow
@in_its_time
@given(kinds, seeds, st.floats(-3.0, 3.0), st.floats(-1e3, 1e3))
def test_monte_carlo_moves_with_its_mixtures(kind, seed, log_scale, shift):
    rng = np.random.default_rng(seed)
    p, q = random_mixture(rng, kind, 2), random_mixture(rng, kind, 2)
    scale = np.full(2, 10.0**log_scale)
    a = kl_monte_carlo(p, q, n_samples=200, seed=1)
    b = kl_monte_carlo(
        p.rescaled(scale, scale * shift), q.rescaled(scale, scale * shift), n_samples=200, seed=1
    )
    np.testing.assert_allclose(
        [b.value, b.standard_error], [a.value, a.standard_error], rtol=1e-5, atol=1e-6
    )


@pytest.mark.slow
@in_its_time
@given(kinds, kinds, seeds)
def test_bounds_stand_above_the_divergence(kind_p, kind_q, seed):
    rng = np.random.default_rng(seed)
    p, q = random_mixture(rng, kind_p, 2), random_mixture(rng, kind_q, 2)
    bound = kl_upper_bound(p, q, max_iter=30)
    assert bound.value >= -1e-9
    assert (np.diff(bound.history) <= 1e-9 * (1 + bound.value)).all()
    estimate = kl_monte_carlo(p, q, n_samples=1000, seed=0)
    assert bound.value > estimate.value - 6 * estimate.standard_error
    assert (component_divergences(p, q) >= 0).all()


@pytest.mark.slow
@in_its_time
@given(kinds, seeds)
def test_expectations_of_conditional_moments_are_the_marginal_ones(kind, seed):
    # Total expectation and variance, over draws of what is given.
    rng = np.random.default_rng(seed)
    mixture = random_mixture(rng, kind, 3)
    n = 4000
    draws = mixture.sample(n, rng)
    conditionals = condition(mixture, [2, 0], draws[:, [2, 0]])
    mean, variance = (moment[0] for moment in marginal(mixture, 1).global_moments())
    means, variances = conditionals.mean()[:, 0], conditionals.variance()[:, 0]
    assert abs(means.mean() - mean) < 6 * means.std() / n**0.5 + 1e-9
    squares = variances + (means - mean) ** 2
    assert abs(squares.mean() - variance) < 6 * squares.std() / n**0.5 + 1e-9
