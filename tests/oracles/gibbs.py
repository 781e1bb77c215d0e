"""Dirichlet-process mixtures of a handful of frames, by enumeration; marginal likelihoods by SciPy.

Priors come as plain numbers: mean (D,), mean precision, degrees of freedom, scale (D, D) or (D,).
"""

import math
from itertools import pairwise

import numpy as np
from scipy import integrate
from scipy.special import logsumexp
from scipy.stats import invgamma, multivariate_t, norm


def set_partitions(n):
    """All partitions of n things, as tuples of labels in order of first appearance."""
    if n == 0:
        return [()]
    return [
        (*rest, label)
        for rest in set_partitions(n - 1)
        for label in range(max(rest, default=-1) + 2)
    ]


def log_predictive(x, mean, precision, freedom, scale):
    """Log-density of one frame by SciPy's Student distributions."""
    if np.ndim(scale) == 1:
        parts = [
            multivariate_t(m, s * (precision + 1) / (precision * freedom), df=freedom).logpdf(value)
            for m, s, value in zip(mean, scale, x, strict=True)
        ]
        return float(np.sum(parts))
    df = freedom - len(mean) + 1
    shape = np.asarray(scale) * (precision + 1) / (precision * df)
    return float(multivariate_t(mean, shape, df=df).logpdf(x))


def absorb(x, mean, precision, freedom, scale):
    """Prior after one frame, by the one-frame formulas."""
    difference = x - np.asarray(mean)
    product = np.outer(difference, difference) if np.ndim(scale) == 2 else difference**2
    return (
        mean + difference / (precision + 1),
        precision + 1,
        freedom + 1,
        scale + precision / (precision + 1) * product,
    )


def log_marginal(X, *prior):
    """Log marginal likelihood of one cluster by the chain rule, frame after frame."""
    total = 0.0
    for x in X:
        total += log_predictive(x, *prior)
        prior = absorb(x, *prior)
    return total


def log_marginal_by_integration(x, mean, precision, freedom, scale):
    """The same for one feature (numbers, not arrays) by a double integral over mean and variance.

    The variance is integrated over the logarithm of it; the integral over the mean is Gaussian and
    done on a grid about the middle of its posterior.
    """
    x = np.asarray(x)

    def inner(variance):
        middle = (precision * mean + x.sum()) / (precision + len(x))
        width = 12 * math.sqrt(variance / (precision + len(x)))
        grid = np.linspace(middle - width, middle + width, 2001)
        log_density = norm.logpdf(x[:, None], grid, math.sqrt(variance)).sum(axis=0)
        log_density += norm.logpdf(grid, mean, math.sqrt(variance / precision))
        return integrate.simpson(np.exp(log_density), x=grid)

    def outer(log_variance):
        variance = math.exp(log_variance)
        prior = invgamma.pdf(variance, freedom / 2, scale=scale / 2)
        return inner(variance) * prior * variance

    return math.log(integrate.quad(outer, -25, 25, points=[-5, 0, 5], epsabs=0, epsrel=1e-9)[0])


def log_chinese_restaurant(labels, concentration):
    """Log-probability of a partition, customer after customer."""
    total = 0.0
    for i, label in enumerate(labels):
        mates = sum(other == label for other in labels[:i])
        total += math.log((mates or concentration) / (i + concentration))
    return total


def log_joint(labels, X, prior, concentration):
    """log p(X, partition)."""
    labels = np.asarray(labels)
    clusters = sum(log_marginal(X[labels == k], *prior) for k in np.unique(labels))
    return log_chinese_restaurant(list(labels), concentration) + clusters


def exact_posterior(X, prior, concentration):
    """Probability of each partition of the frames, by summing over all of them."""
    partitions = set_partitions(len(X))
    joint = np.array([log_joint(labels, X, prior, concentration) for labels in partitions])
    probabilities = np.exp(joint - logsumexp(joint))
    return dict(zip(partitions, probabilities.tolist(), strict=True))


def conditional(frame, labels, X, prior, concentration):
    """Gibbs conditional of one frame, from the joint probability of each partition it leads to.

    Labels are 0..K-1; one probability for each of them and one for a cluster of its own. Where the
    frame was alone its own label has probability 0 and the last entry is the present partition.
    """
    labels = np.array(labels)
    n_clusters = labels.max() + 1
    joint = np.full(n_clusters + 1, -np.inf)
    for k in range(n_clusters + 1):
        moved = labels.copy()
        moved[frame] = k
        if k == labels[frame] and np.count_nonzero(labels == k) == 1:
            continue
        joint[k] = log_joint(moved, X, prior, concentration)
    return np.exp(joint - logsumexp(joint))


def dahl_loss(labels, partitions):
    """Dahl's least-squares loss, from the matrices themselves."""
    together = np.mean([np.equal.outer(p, p) for p in map(np.asarray, partitions)], axis=0)
    return float(((np.equal.outer(labels, labels) - together) ** 2).sum())


def effective_draws(indicator):
    """Number of independent draws that a 0/1 sequence is worth, by batch means (20 batches)."""
    values = np.asarray(indicator, dtype=float)
    edges = np.linspace(0, len(values), 21).astype(int)
    means = np.array([values[a:b].mean() for a, b in pairwise(edges)])
    variance = values.var()
    if variance == 0 or means.var() == 0:
        return float(len(values))
    return float(min(len(values), variance / (means.var(ddof=1) / 20)))
