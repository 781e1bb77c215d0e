"""Mixtures the slow and obvious way: loops over frames, components and features in float64."""

import math

import numpy as np
from scipy.special import logsumexp
from scipy.stats import multivariate_normal


def log_densities(weights, means, variances, X):
    """Joint log-densities (T, K) by SciPy, one component after the other."""
    columns = [
        math.log(weight) + multivariate_normal(mean, np.diag(variance)).logpdf(X).reshape(-1)
        for weight, mean, variance in zip(weights, means, variances, strict=True)
    ]
    return np.stack(columns, axis=1)


def log_likelihoods(weights, means, variances, X):
    """Log-likelihood (T,) of each frame."""
    return logsumexp(log_densities(weights, means, variances, X), axis=1)


def responsibilities(weights, means, variances, X):
    """Posterior probabilities (T, K)."""
    joint = log_densities(weights, means, variances, X)
    return np.exp(joint - logsumexp(joint, axis=1, keepdims=True))


def moments(weights, means, variances, X):
    """Counts, first and second order, summed frame by frame."""
    n_components, n_features = np.shape(means)
    counts = np.zeros(n_components)
    first = np.zeros((n_components, n_features))
    second = np.zeros((n_components, n_features))
    posteriors = responsibilities(weights, means, variances, X)
    for frame, posterior in zip(X, posteriors, strict=True):
        for k in range(n_components):
            counts[k] += posterior[k]
            first[k] += posterior[k] * frame
            second[k] += posterior[k] * frame**2
    return counts, first, second


def em_step(weights, means, variances, X):
    """Weights, means and variances after one step of EM, from deviations about the new means."""
    posteriors = responsibilities(weights, means, variances, X)
    counts = posteriors.sum(axis=0)
    new_means = posteriors.T @ X / counts[:, None]
    new_variances = np.stack(
        [
            (posteriors[:, k, None] * (X - new_means[k]) ** 2).sum(axis=0) / counts[k]
            for k in range(len(counts))
        ]
    )
    return counts / len(X), new_means, new_variances


def adapt(weights, means, variances, counts, first, second, *, relevance_factor, parameters):
    """Relevance MAP as Reynolds, Quatieri and Dunn (2000) print it, number by number.

    Equation 8 to 10 give counts and expectations, 14 the coefficient, 11 to 13 the parameters.
    """
    n_components, n_features = np.shape(means)
    n_frames = sum(counts)
    new_weights, new_means, new_variances = (
        np.array(v, float) for v in (weights, means, variances)
    )
    for k in range(n_components):
        alpha = counts[k] / (counts[k] + relevance_factor)
        if "weights" in parameters:
            new_weights[k] = alpha * counts[k] / n_frames + (1 - alpha) * weights[k]
        for d in range(n_features):
            if counts[k] == 0:
                continue
            expected = first[k][d] / counts[k]
            expected_square = second[k][d] / counts[k]
            if "means" in parameters:
                new_means[k, d] = alpha * expected + (1 - alpha) * means[k][d]
            if "variances" in parameters and "means" in parameters:
                new_variances[k, d] = (
                    alpha * expected_square
                    + (1 - alpha) * (variances[k][d] + means[k][d] ** 2)
                    - new_means[k, d] ** 2
                )
            elif "variances" in parameters:
                about_mean = expected_square - 2 * means[k][d] * expected + means[k][d] ** 2
                new_variances[k, d] = alpha * about_mean + (1 - alpha) * variances[k][d]
    return new_weights / new_weights.sum(), new_means, new_variances


# The same for every kind of covariance, given as matrices (K, D, D), and for weighted frames.


def matrices(covariance_type, covariances, n_components, n_features):
    """Covariance matrices (K, D, D) of what scikit-learn's shapes hold."""
    covariances = np.asarray(covariances, float)
    if covariance_type == "full":
        return covariances
    if covariance_type == "tied":
        return np.stack([covariances] * n_components)
    if covariance_type == "diag":
        return np.stack([np.diag(row) for row in covariances])
    return np.stack([variance * np.eye(n_features) for variance in covariances])


def joint(weights, means, covariances, X):
    """Joint log-densities (T, K) by SciPy; covariances (K, D, D)."""
    columns = [
        (math.log(weight) if weight > 0 else -math.inf)
        + multivariate_normal(mean, covariance).logpdf(X).reshape(-1)
        for weight, mean, covariance in zip(weights, means, covariances, strict=True)
    ]
    return np.stack(columns, axis=1)


def joint_posteriors(weights, means, covariances, X):
    """Posterior probabilities (T, K)."""
    densities = joint(weights, means, covariances, X)
    return np.exp(densities - logsumexp(densities, axis=1, keepdims=True))


def weighted_moments(covariance_type, posteriors, X, sample_weight):
    """Counts, first and second order of a kind, summed frame by frame."""
    n_components, n_features = posteriors.shape[1], X.shape[1]
    counts = np.zeros(n_components)
    first = np.zeros((n_components, n_features))
    products = np.zeros((n_components, n_features, n_features))
    for frame, posterior, weight in zip(X, posteriors, sample_weight, strict=True):
        for k in range(n_components):
            counts[k] += weight * posterior[k]
            first[k] += weight * posterior[k] * frame
            products[k] += weight * posterior[k] * np.outer(frame, frame)
    second = {
        "full": products,
        "tied": products.sum(axis=0),
        "diag": np.stack([np.diag(product) for product in products]),
        "spherical": np.array([np.trace(product) for product in products]),
    }[covariance_type]
    return counts, first, second


def maximisation(covariance_type, posteriors, X, sample_weight):
    """Weights, means and covariances (in the kind's shape) from deviations about the new means."""
    shares = posteriors * np.asarray(sample_weight, float)[:, None]
    counts = shares.sum(axis=0)
    means = shares.T @ X / counts[:, None]
    scatters = []
    for k, mean in enumerate(means):
        moved = X - mean
        scatters.append((shares[:, k, None] * moved).T @ moved)
    if covariance_type == "tied":
        return counts / counts.sum(), means, sum(scatters) / counts.sum()
    full = np.stack([scatter / count for scatter, count in zip(scatters, counts, strict=True)])
    covariances = {
        "full": full,
        "diag": np.stack([np.diag(matrix) for matrix in full]),
        "spherical": np.array([np.trace(matrix) / X.shape[1] for matrix in full]),
    }[covariance_type]
    return counts / counts.sum(), means, covariances


KINDS = ("spherical", "diag", "tied", "full")


def random_parameters(rng, covariance_type, n_components, n_features, *, spread=2.0, narrow=1.0):
    """Weights, means and covariances of a kind; eigenvalues from 10^-narrow to 3."""
    weights = rng.dirichlet(np.full(n_components, 5.0))
    means = rng.normal(0.0, spread, (n_components, n_features))
    variances = 10.0 ** rng.uniform(-narrow, 0.5, (n_components, n_features))
    full = []
    for row in variances:
        rotation = np.linalg.qr(rng.normal(size=(n_features, n_features)))[0]
        matrix = (rotation * row) @ rotation.T
        full.append((matrix + matrix.T) / 2)
    covariances = {
        "spherical": variances[:, 0],
        "diag": variances,
        "tied": full[0],
        "full": np.stack(full),
    }[covariance_type]
    return weights, means, covariances
