"""What holds for every Bayesian mixture and all data: the bound rises, symmetries, weights."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speakergmm.mixtures.variational import (
    VariationalPrior,
    posterior_from_moments,
    train_variational,
)

# The first call loads libraries, and a machine may be busy.
in_its_time = settings(deadline=None, max_examples=25)


@st.composite
def problems(draw):
    """A prior, a start and frames of any kind and shape, some of them equal or constant."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["full", "tied", "diag", "spherical"]))
    n_components = draw(st.integers(1, 7))
    d = draw(st.integers(1, 5))
    n_frames = draw(st.integers(2, 60))
    X = rng.normal(size=(n_frames, d)) * 10.0 ** rng.uniform(-1, 1, d)
    X += rng.normal(0.0, 3.0, (3, d))[rng.integers(0, 3, n_frames)]
    if draw(st.booleans()):
        X[n_frames // 2 :] = X[: n_frames - n_frames // 2]
    prior = VariationalPrior(
        kind,
        concentration=10.0 ** rng.uniform(-3, 1),
        mean=rng.normal(size=d),
        mean_precision=10.0 ** rng.uniform(-2, 1),
        degrees_of_freedom=d - 1 + 10.0 ** rng.uniform(-6, 1),
        covariance=_covariance(kind, d, rng),
        weight_concentration_type=draw(
            st.sampled_from(["dirichlet_process", "dirichlet_distribution"])
        ),
        covariance_prior_type=draw(st.sampled_from(["wishart", "conjugate"])),
    )
    chosen = rng.integers(0, n_frames, n_components)
    counts = rng.uniform(0.0, 5.0, n_components)
    empty = {"full": (n_components, d, d), "tied": (d, d), "diag": (n_components, d)}
    start = posterior_from_moments(
        counts, X[chosen], np.zeros(empty.get(kind, (n_components,))), prior=prior
    )
    return X, prior, start, rng


def _covariance(kind, d, rng):
    if kind == "spherical":
        return rng.gamma(1.0) + 0.01
    if kind == "diag":
        return rng.gamma(1.0, size=d) + 0.01
    root = rng.normal(size=(d, d))
    return root @ root.T + 0.01 * np.eye(d)


def infer(X, prior, start, **changes):
    options = {"prior": prior, "max_iter": 8, "tol": 0.0, "precision": "float64"} | changes
    return train_variational(X, start, **options)


@pytest.mark.slow
@in_its_time
@given(problems())
def test_both_bounds_rise_with_every_step(problem):
    X, prior, start, _ = problem
    model, elbo, bound = start, -np.inf, -np.inf
    for _ in range(8):
        result = infer(X, prior, model, max_iter=1)
        rounding = 1e-10 * max(1.0, abs(result.elbo), abs(elbo) if np.isfinite(elbo) else 0.0)
        assert result.elbo >= elbo - rounding
        assert result.em.objectives[0] * len(X) >= bound - rounding
        model, elbo, bound = result.model, result.elbo, result.em.objectives[0] * len(X)
    assert result.em.convergence == "iteration_limit"


@pytest.mark.slow
@in_its_time
@given(problems(), st.floats(-100.0, 100.0), st.integers(-8, 8))
def test_moved_and_scaled_frames_move_and_scale_the_posterior(problem, shift, exponent):
    X, prior, start, _ = problem
    scale = 2.0**exponent
    moved_prior = VariationalPrior(
        prior.covariance_type,
        concentration=prior.concentration,
        mean=prior.mean * scale + shift,
        mean_precision=prior.mean_precision,
        degrees_of_freedom=prior.degrees_of_freedom,
        covariance=prior.covariance * scale**2,
        weight_concentration_type=prior.weight_concentration_type,
        covariance_prior_type=prior.covariance_prior_type,
    )
    moved_start = type(start)(
        start.covariance_type,
        start.concentrations,
        start.means * scale + shift,
        start.mean_precision,
        start.degrees_of_freedom,
        start.covariances * scale**2,
        start.covariance_prior_type,
    )
    one = infer(X, prior, start, max_iter=3)
    two = infer(X * scale + shift, moved_prior, moved_start, max_iter=3)
    # A shift of 100 beside a scale of 1/256 leaves that many digits fewer.
    tolerance = 1e-8 * max(1.0, abs(shift) / scale)
    means = (two.model.means - shift) / scale
    np.testing.assert_allclose(means, one.model.means, rtol=tolerance, atol=tolerance)
    found = two.elbo + len(X) * X.shape[1] * np.log(scale)
    assert found == pytest.approx(one.elbo, rel=tolerance, abs=tolerance)


@pytest.mark.slow
@in_its_time
@given(problems())
def test_weights_are_copies(problem):
    X, prior, start, rng = problem
    weights = rng.integers(0, 4, len(X))
    weights[0] = 1
    weighted = infer(X, prior, start, sample_weight=weights.astype(float), max_iter=3)
    copied = infer(np.repeat(X, weights, axis=0), prior, start, max_iter=3)
    np.testing.assert_allclose(weighted.model.means, copied.model.means, rtol=1e-7, atol=1e-8)
    assert weighted.elbo == pytest.approx(copied.elbo, rel=1e-9, abs=1e-8)


@in_its_time
@given(problems())
def test_dirichlet_components_have_no_order(problem):
    X, prior, start, rng = problem
    if prior.weight_concentration_type == "dirichlet_process":
        return
    order = rng.permutation(start.n_components)
    shared = start.covariance_type == "tied"
    permuted = type(start)(
        start.covariance_type,
        start.concentrations[order],
        start.means[order],
        start.mean_precision[order],
        start.degrees_of_freedom if shared else start.degrees_of_freedom[order],
        start.covariances if shared else start.covariances[order],
        start.covariance_prior_type,
    )
    one, two = infer(X, prior, start, max_iter=3), infer(X, prior, permuted, max_iter=3)
    np.testing.assert_allclose(two.model.means, one.model.means[order], rtol=1e-7, atol=1e-8)
    assert two.elbo == pytest.approx(one.elbo, rel=1e-10, abs=1e-9)


@pytest.mark.slow
@in_its_time
@given(problems())
def test_the_order_of_frames_does_not_matter(problem):
    X, prior, start, rng = problem
    one, two = (
        infer(X, prior, start, max_iter=3),
        infer(rng.permutation(X), prior, start, max_iter=3),
    )
    np.testing.assert_allclose(two.model.means, one.model.means, rtol=1e-7, atol=1e-8)
    assert two.elbo == pytest.approx(one.elbo, rel=1e-10, abs=1e-9)


@in_its_time
@given(problems())
def test_a_diagonal_posterior_is_below_the_full_one(problem):
    X, prior, _, _ = problem
    if prior.covariance_type not in ("diag", "spherical"):
        return
    # One component: both are exact optima, the full one over more distributions.
    d = X.shape[1]
    matrix = np.broadcast_to(prior.covariance, (d,)) * np.eye(d)
    options = {
        "concentration": prior.concentration,
        "mean": prior.mean,
        "mean_precision": prior.mean_precision,
        "degrees_of_freedom": prior.degrees_of_freedom,
        "weight_concentration_type": prior.weight_concentration_type,
    }
    restricted = VariationalPrior(prior.covariance_type, covariance=prior.covariance, **options)
    full = VariationalPrior("full", covariance=matrix, **options)
    bounds = []
    for one_prior, scatter in (
        (restricted, np.zeros((1, d) if prior.covariance_type == "diag" else 1)),
        (full, np.zeros((1, d, d))),
    ):
        start = posterior_from_moments(np.ones(1), X[:1], scatter, prior=one_prior)
        bounds.append(infer(X, one_prior, start, max_iter=1).elbo)
    assert bounds[0] <= bounds[1] + 1e-9 * abs(bounds[1])
