"""The stated tolerance of float32, on data made to be hard for it, for each kind of covariance."""

import numpy as np
import pytest

from speakergmm.mixtures import MaximumLikelihoodOptions, make_mixture, train_from

N_FRAMES, D, K = 6000, 7, 6
OPTIONS = MaximumLikelihoodOptions(variance_floor=0.0, min_occupancy=0.0)

# Offset, decades of scales, deviation of components relative to their distance, correlation, dtype.
CASES = {
    "overlapping": (0.0, 0, 1.0, 0.0, np.float32),
    "offset": (1e6, 0, 1.0, 0.0, np.float64),
    "offset in float32": (1e4, 0, 1.0, 0.0, np.float32),
    "scales": (0.0, 12, 1.0, 0.0, np.float32),
    "narrow": (0.0, 0, 0.03, 0.0, np.float32),
    "narrower": (0.0, 0, 0.003, 0.0, np.float32),
    "correlated": (0.0, 0, 1.0, 0.999, np.float32),
    "all of it": (1e6, 12, 0.03, 0.9, np.float64),
}


def hard_case(kind, offset, decades, narrowness, correlation, dtype):
    rng = np.random.default_rng(4)
    scales = np.ones(D)
    if kind != "spherical":
        scales = 10.0 ** np.linspace(-decades / 2, decades / 2, D)
    means = rng.normal(0.0, 1.0, (K, D))
    variances = narrowness**2 * rng.gamma(4.0, 0.25, (K, D))
    pattern = np.full((D, D), correlation) + (1 - correlation) * np.eye(D)
    deviations = np.sqrt(variances) * scales
    full = pattern * deviations[:, :, None] * deviations[:, None, :]
    covariances = {
        "spherical": variances[:, 0],
        "diag": variances * scales**2,
        "tied": full[0],
        "full": full,
    }[kind]
    weights = rng.dirichlet(np.full(K, 5.0))
    model = make_mixture(kind, weights, means * scales + offset, covariances)
    return model, model.sample(N_FRAMES, rng).astype(dtype)


@pytest.mark.parametrize("kind", ["spherical", "diag", "tied", "full"])
@pytest.mark.parametrize("case", CASES)
def test_float32_agrees_with_float64_as_the_documentation_says(kind, case):
    model, X = hard_case(kind, *CASES[case])
    exact = model.log_likelihood(X, precision="float64")
    found = model.log_likelihood(X, precision="float32")
    np.testing.assert_allclose(found, exact, rtol=0, atol=5e-2)
    steps = {
        precision: train_from(X, model, max_iter=1, update=OPTIONS, precision=precision)
        for precision in ("float32", "float64")
    }
    single, double = steps["float32"], steps["float64"]
    assert single.history[0].objective == pytest.approx(double.history[0].objective, abs=1e-3)
    factors = np.linalg.inv(np.linalg.cholesky(double.model.full_covariances()))
    means = np.einsum("kij,kj->ki", factors, single.model.means - double.model.means)
    np.testing.assert_allclose(means, 0.0, atol=5e-4)
    change = single.model.full_covariances() - double.model.full_covariances()
    relative = factors @ change @ factors.transpose(0, 2, 1)
    np.testing.assert_allclose(relative, 0.0, atol=5e-3)
    np.testing.assert_allclose(single.model.weights, double.model.weights, rtol=2e-5)


@pytest.mark.parametrize("kind", ["spherical", "diag", "tied", "full"])
def test_where_float32_is_easy_it_agrees_to_five_digits(kind):
    model, X = hard_case(kind, *CASES["overlapping"])
    exact = model.log_likelihood(X, precision="float64")
    found = model.log_likelihood(X, precision="float32")
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-4)
    # That it was float32 indeed.
    assert (found != exact).any()


@pytest.mark.parametrize("kind", ["spherical", "diag", "tied", "full"])
def test_float64_is_a_sum_of_densities_however_hard_the_data(kind):
    from scipy.special import logsumexp
    from scipy.stats import multivariate_normal

    model, X = hard_case(kind, 0.0, 0, 0.03, 0.9, np.float64)
    logs = [
        np.log(w) + multivariate_normal(mean, covariance).logpdf(X)
        for w, mean, covariance in zip(
            model.weights, model.means, model.full_covariances(), strict=True
        )
    ]
    expected = logsumexp(logs, axis=0)
    np.testing.assert_allclose(
        model.log_likelihood(X, precision="float64"), expected, rtol=1e-9, atol=1e-8
    )
