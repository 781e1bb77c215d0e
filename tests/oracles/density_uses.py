"""Uses of a mixture's density the slow and obvious way: SciPy's normals, integrals, loops."""

import math

import numpy as np
from scipy.integrate import quad
from scipy.special import logsumexp
from scipy.stats import multivariate_normal, norm


def random_covariances(rng, kind, n_components, n_features, *, spread=1.0):
    """Covariances in the shape of their kind, of condition numbers up to some 100."""
    if kind == "spherical":
        return rng.gamma(3.0, 0.3, n_components) * spread**2
    if kind == "diag":
        return rng.gamma(3.0, 0.3, (n_components, n_features)) * spread**2
    n_matrices = 1 if kind == "tied" else n_components
    factors = rng.normal(size=(n_matrices, n_features, n_features))
    matrices = factors @ factors.transpose(0, 2, 1) + 0.1 * n_features * np.eye(n_features)
    matrices *= spread**2
    return matrices[0] if kind == "tied" else matrices


def full(kind, covariances, n_components, n_features):
    """Covariance matrices (K, D, D) of any kind, one after the other."""
    matrices = []
    for k in range(n_components):
        if kind == "spherical":
            matrices.append(np.eye(n_features) * covariances[k])
        elif kind == "diag":
            matrices.append(np.diag(covariances[k]))
        elif kind == "tied":
            matrices.append(np.array(covariances))
        else:
            matrices.append(np.array(covariances[k]))
    return np.stack(matrices)


def log_likelihoods(weights, means, covariances, X):
    """Log-likelihood (T,) under components with covariances (K, D, D)."""
    columns = [
        math.log(weight) + np.reshape(multivariate_normal(mean, covariance).logpdf(X), -1)
        for weight, mean, covariance in zip(weights, means, covariances, strict=True)
    ]
    return logsumexp(columns, axis=0)


def conditional(weights, means, covariances, given, values):
    """Weights, means and covariances given values (C,), by inverses and SciPy's densities."""
    given = list(given)
    rest = [d for d in range(means.shape[1]) if d not in given]
    log_weights, new_means, new_covariances = [], [], []
    for weight, mean, covariance in zip(weights, means, covariances, strict=True):
        s_gg = covariance[np.ix_(given, given)]
        s_rg = covariance[np.ix_(rest, given)]
        s_rr = covariance[np.ix_(rest, rest)]
        inverse = np.linalg.inv(s_gg)
        log_weights.append(math.log(weight) + multivariate_normal(mean[given], s_gg).logpdf(values))
        new_means.append(mean[rest] + s_rg @ inverse @ (values - mean[given]))
        new_covariances.append(s_rr - s_rg @ inverse @ s_rg.T)
    log_weights = np.array(log_weights)
    return (
        np.exp(log_weights - logsumexp(log_weights)),
        np.array(new_means),
        np.array(new_covariances),
    )


def density_1d(weights, means, variances, x):
    """Density of a mixture in one dimension at one point."""
    return sum(
        w * norm.pdf(x, m, math.sqrt(v)) for w, m, v in zip(weights, means, variances, strict=True)
    )


def log_density_1d(weights, means, variances, x):
    return logsumexp(
        [
            math.log(w) + norm.logpdf(x, m, math.sqrt(v))
            for w, m, v in zip(weights, means, variances, strict=True)
        ]
    )


def kl_1d(p, q):
    """Kullback-Leibler divergence of two mixtures (weights, means, variances) by quadrature."""

    def integrand(x):
        log_p = log_density_1d(*p, x)
        return math.exp(log_p) * (log_p - log_density_1d(*q, x))

    deviations = np.sqrt(p[2])
    low = float((np.asarray(p[1]) - 12 * deviations).min())
    high = float((np.asarray(p[1]) + 12 * deviations).max())
    points = sorted(float(m) for m in p[1])
    value, _ = quad(integrand, low, high, points=points, limit=500, epsabs=1e-11, epsrel=1e-11)
    return value


def gaussian_kl(mean_p, covariance_p, mean_q, covariance_q):
    """Divergence of two Gaussians by the textbook formula, with inverses and determinants."""
    inverse = np.linalg.inv(covariance_q)
    difference = np.asarray(mean_q) - np.asarray(mean_p)
    log_ratio = np.linalg.slogdet(covariance_q)[1] - np.linalg.slogdet(covariance_p)[1]
    return 0.5 * (
        np.trace(inverse @ covariance_p)
        + difference @ inverse @ difference
        - len(difference)
        + log_ratio
    )


def variational_kl(p, q, divergence):
    """Hershey and Olsen's variational approximation, term by term; (weights, components) each."""
    total = 0.0
    for weight, component in zip(*p, strict=True):
        above = sum(
            w * math.exp(-divergence(component, other)) for w, other in zip(*p, strict=True)
        )
        below = sum(
            w * math.exp(-divergence(component, other)) for w, other in zip(*q, strict=True)
        )
        total += weight * math.log(above / below)
    return total


def variational_bound(p, q, divergence, n_iterations):
    """The bound of Hershey and Olsen (2007) after some rounds, in plain numbers and loops."""
    pi, f = p
    omega, g = q
    d = np.array([[divergence(a, b) for b in g] for a in f])
    phi = np.outer(pi, omega)
    bounds = []
    for _ in range(n_iterations):
        psi = np.empty_like(phi)
        for b in range(len(g)):
            psi[:, b] = omega[b] * phi[:, b] / phi[:, b].sum()
        for a in range(len(f)):
            share = psi[a] * np.exp(-d[a])
            phi[a] = pi[a] * share / share.sum()
        bounds.append(float((phi * (np.log(phi / psi) + d)).sum()))
    return bounds


def clopper_pearson(n_events, n_trials, confidence):
    """Interval of a proportion by bisection on the binomial tail, summed term by term."""
    alpha = (1 - confidence) / 2

    def tail_above(p):  # P(count >= n_events)
        return sum(
            math.comb(n_trials, i) * p**i * (1 - p) ** (n_trials - i)
            for i in range(n_events, n_trials + 1)
        )

    def tail_below(p):  # P(count <= n_events)
        return sum(
            math.comb(n_trials, i) * p**i * (1 - p) ** (n_trials - i) for i in range(n_events + 1)
        )

    def bisect(function, rising):
        low, high = 0.0, 1.0
        for _ in range(60):
            middle = (low + high) / 2
            if (function(middle) < alpha) == rising:
                low = middle
            else:
                high = middle
        return (low + high) / 2

    lower = 0.0 if n_events == 0 else bisect(tail_above, True)
    upper = 1.0 if n_events == n_trials else bisect(tail_below, False)
    return lower, upper
