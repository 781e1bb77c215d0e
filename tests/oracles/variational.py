"""Variational mixtures the slow and obvious way: frames x components, and random parameters.

Every function takes the kind of covariance and "wishart" or "conjugate", and writes out what each
means in its own terms: Wishart, Gamma, Dirichlet and Beta densities are SciPy's.
"""

import math

import numpy as np
from scipy import stats
from scipy.special import digamma, logsumexp, multigammaln

from speakergmm.mixtures import MixtureStatistics


def expected_log_weights(concentrations):
    concentrations = np.asarray(concentrations)
    if concentrations.ndim == 1:
        return digamma(concentrations) - digamma(concentrations.sum())
    a, b = concentrations
    logs = np.empty(len(a))
    remaining = 0.0
    for k in range(len(a)):
        logs[k] = remaining + digamma(a[k]) - digamma(a[k] + b[k])
        remaining += digamma(b[k]) - digamma(a[k] + b[k])
    return logs


def full_covariance(posterior, k):
    covariances = posterior.covariances
    d = posterior.means.shape[1]
    return {
        "full": lambda: covariances[k],
        "tied": lambda: covariances,
        "diag": lambda: np.diag(covariances[k]),
        "spherical": lambda: covariances[k] * np.eye(d),
    }[posterior.covariance_type]()


def expected_log_determinant(posterior, k):
    """Expectation of log |precision| of component k, from the distribution it has."""
    n_components, d = posterior.means.shape
    nu = np.broadcast_to(posterior.degrees_of_freedom, n_components)[k]
    covariance = full_covariance(posterior, k)
    kind = posterior.covariance_type
    if posterior.covariance_prior_type == "conjugate" and kind == "diag":
        # Gamma of shape nu / 2 and mean 1 / variance.
        return sum(digamma(nu / 2) - math.log(nu / 2 * v) for v in np.diag(covariance))
    if posterior.covariance_prior_type == "conjugate" and kind == "spherical":
        return d * (digamma(d * nu / 2) - math.log(d * nu / 2 * covariance[0, 0]))
    if posterior.covariance_prior_type == "conjugate" and kind == "tied":
        nu = n_components * nu
    scale = np.linalg.inv(covariance) / nu
    total = sum(digamma((nu - i) / 2) for i in range(d))
    return total + d * math.log(2) + math.log(np.linalg.det(scale))


def expected_log_joint(posterior, X):
    """Log of rho (T, K): what responsibilities are proportional to."""
    n_components, d = posterior.means.shape
    log_weights = expected_log_weights(posterior.concentrations)
    result = np.empty((len(X), n_components))
    for k in range(n_components):
        inverse = np.linalg.inv(full_covariance(posterior, k))
        constant = log_weights[k] - d / 2 * math.log(2 * math.pi)
        constant += expected_log_determinant(posterior, k) / 2 - d / 2 / posterior.mean_precision[k]
        for t, frame in enumerate(X - posterior.means[k]):
            result[t, k] = constant - frame @ inverse @ frame / 2
    return result


def statistics_of(X, responsibilities, covariance_type, *, log_likelihood=0.0, weights=None):
    """Sufficient statistics of frames with given responsibilities (T, K)."""
    weights = np.ones(len(X)) if weights is None else np.asarray(weights, float)
    r = responsibilities * weights[:, None]
    second = {
        "full": lambda: np.einsum("tk,td,te->kde", r, X, X),
        "tied": lambda: np.einsum("tk,td,te->de", r, X, X),
        "diag": lambda: r.T @ X**2,
        "spherical": lambda: r.T @ (X**2).sum(axis=1),
    }[covariance_type]()
    return MixtureStatistics(
        r.sum(axis=0), r.T @ X, second, log_likelihood, weights.sum(), covariance_type
    )


def accumulate(posterior, X, *, weights=None):
    """The E-step: statistics, with the sum of the logarithms of normalisers."""
    log_joint = expected_log_joint(posterior, X)
    normalisers = logsumexp(log_joint, axis=1)
    each = np.ones(len(X)) if weights is None else np.asarray(weights, float)
    return statistics_of(
        X,
        np.exp(log_joint - normalisers[:, None]),
        posterior.covariance_type,
        log_likelihood=float(each @ normalisers),
        weights=weights,
    )


def responsibilities(posterior, X):
    log_joint = expected_log_joint(posterior, X)
    return np.exp(log_joint - logsumexp(log_joint, axis=1, keepdims=True))


def _weights(concentrations, rng, prior_concentrations):
    """Draw log-weights (K,); also log p - log q of the draw."""
    if concentrations.ndim == 1:
        # Logarithms of small Gamma variables underflow less than the variables.
        draw = np.maximum(rng.dirichlet(concentrations), 1e-290)
        ratio = stats.dirichlet(prior_concentrations).logpdf(draw / draw.sum())
        return np.log(draw), ratio - stats.dirichlet(concentrations).logpdf(draw / draw.sum())
    fractions = np.clip(rng.beta(*concentrations), 1e-290, 1 - 1e-16)
    ratio = stats.beta(*prior_concentrations).logpdf(fractions).sum()
    ratio -= stats.beta(*concentrations).logpdf(fractions).sum()
    left = np.concatenate([[0.0], np.cumsum(np.log1p(-fractions))[:-1]])
    return np.log(fractions) + left, ratio


def _wishart(nu, inverse_scale, prior_nu, prior_inverse_scale, rng):
    q = stats.wishart(nu, np.linalg.inv(inverse_scale))
    draw = np.atleast_2d(q.rvs(random_state=rng))
    ratio = stats.wishart(prior_nu, np.linalg.inv(prior_inverse_scale)).logpdf(draw)
    return draw, ratio - q.logpdf(draw)


def _precisions(posterior, prior, rng):
    """Draw precision matrices (K, D, D); also log p - log q of the draw."""
    n_components, d = posterior.means.shape
    nu = np.broadcast_to(posterior.degrees_of_freedom, n_components)
    nu0, kind = prior.degrees_of_freedom, prior.covariance_type
    conjugate = prior.covariance_prior_type == "conjugate"
    prior_scale = prior.covariance
    if conjugate and kind in ("diag", "spherical"):
        if kind == "diag":
            rates, prior_rates = nu[:, None] * posterior.covariances, prior_scale
            shapes, prior_nu = np.broadcast_to(nu[:, None], rates.shape), nu0
        else:
            rates, prior_rates = d * nu * posterior.covariances, d * prior_scale
            shapes, prior_nu = d * nu, d * nu0
        draws = rng.gamma(shapes / 2, 2 / rates)
        ratios = stats.gamma.logpdf(draws, prior_nu / 2, scale=2 / prior_rates)
        ratios = ratios - stats.gamma.logpdf(draws, shapes / 2, scale=2 / rates)
        diagonals = draws if kind == "diag" else np.repeat(draws[:, None], d, axis=1)
        return np.stack([np.diag(diagonal) for diagonal in diagonals]), ratios.sum()
    if kind == "tied" and conjugate:
        total = n_components * nu[0]
        draw, ratio = _wishart(
            total,
            total * posterior.covariances,
            n_components * nu0,
            n_components * prior_scale,
            rng,
        )
        return np.stack([draw] * n_components), ratio
    if kind == "diag":
        prior_scale = np.diag(prior_scale)
    elif kind == "spherical":
        prior_scale = prior_scale * np.eye(d)
    draws = [
        _wishart(nu[k], nu[k] * full_covariance(posterior, k), nu0, prior_scale, rng)
        for k in range(n_components)
    ]
    return np.stack([draw for draw, _ in draws]), sum(ratio for _, ratio in draws)


def monte_carlo_bound(X, responsibilities, posterior, prior, *, n_draws, rng):
    """Mean and standard error of log p(X, Z, parameters) - log q(Z, parameters) over draws from q.

    Components are summed over exactly, by their responsibilities (T, K); parameters are drawn.
    """
    n_components, _ = posterior.means.shape
    concentrations = np.asarray(posterior.concentrations)
    prior_concentrations = np.full(n_components, prior.concentration)
    if concentrations.ndim == 2:
        prior_concentrations = np.stack([np.ones(n_components), prior_concentrations])
    r = responsibilities
    entropy = -float((r * np.log(np.where(r > 0, r, 1.0))).sum())
    values = np.empty(n_draws)
    for draw in range(n_draws):
        log_weights, total = _weights(concentrations, rng, prior_concentrations)
        precisions, ratio = _precisions(posterior, prior, rng)
        total += ratio + entropy
        for k in range(n_components):
            covariance = np.linalg.inv(precisions[k])
            q = stats.multivariate_normal(
                posterior.means[k], covariance / posterior.mean_precision[k]
            )
            p = stats.multivariate_normal(prior.mean, covariance / prior.mean_precision)
            mean = np.atleast_1d(q.rvs(random_state=rng))
            total += p.logpdf(mean) - q.logpdf(mean)
            densities = stats.multivariate_normal(mean, covariance).logpdf(X)
            total += float((r[:, k] * (log_weights[k] + densities)).sum())
        values[draw] = total
    return values.mean(), values.std(ddof=1) / math.sqrt(n_draws)


def log_evidence(X, prior):
    """Log of the evidence of one Gaussian, in closed form, for a full or conjugate prior."""
    n, d = X.shape
    nu0, beta0 = prior.degrees_of_freedom, prior.mean_precision
    deviations = X - X.mean(axis=0)
    shift = X.mean(axis=0) - prior.mean
    between = beta0 * n / (beta0 + n) * np.outer(shift, shift)
    scatter = deviations.T @ deviations + between
    constant = -n * d / 2 * math.log(math.pi) + d / 2 * math.log(beta0 / (beta0 + n))
    if prior.covariance_type in ("full", "tied"):
        v0 = prior.covariance
        return (
            constant
            + multigammaln((nu0 + n) / 2, d)
            - multigammaln(nu0 / 2, d)
            + nu0 / 2 * math.log(np.linalg.det(v0))
            - (nu0 + n) / 2 * math.log(np.linalg.det(v0 + scatter))
        )
    squares = np.diag(scatter)
    if prior.covariance_type == "diag":
        pairs = [(nu0, nu0 + n, v, v + s) for v, s in zip(prior.covariance, squares, strict=True)]
    else:
        v = d * float(prior.covariance)
        pairs = [(d * nu0, d * (nu0 + n), v, v + squares.sum())]
    for nu, new_nu, v, new_v in pairs:
        constant += math.lgamma(new_nu / 2) - math.lgamma(nu / 2)
        constant += nu / 2 * math.log(v) - new_nu / 2 * math.log(new_v)
    return constant
