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
