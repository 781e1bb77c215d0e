"""Joint Gaussians of embeddings written out, and Kaldi's PLDA scores one by one."""

import numpy as np
from scipy.stats import multivariate_normal, norm


def joint_log_density(mean, between, within, sessions):
    """Log-density of the sessions of one speaker, as one vector of n x D numbers."""
    n = len(sessions)
    covariance = np.kron(np.ones((n, n)), between) + np.kron(np.eye(n), within)
    return multivariate_normal.logpdf(sessions.reshape(-1), np.tile(mean, n), covariance)


def joint_ratio(mean, between, within, enrolment, test):
    """Log-likelihood ratio of a test to the sessions of a model."""
    together = joint_log_density(mean, between, within, np.vstack([enrolment, test[None]]))
    apart = joint_log_density(mean, between, within, enrolment)
    return together - apart - joint_log_density(mean, between, within, test[None])


def integrated_ratio(mean, loading, within, enrolment, test):
    """The same for one factor, by integrals over the values it can have."""

    def log_density(sessions):
        # Trapezia over all values that count: exact to rounding for so smooth a function.
        values = np.linspace(-12, 12, 2001)
        joint = norm.logpdf(values)
        for session in sessions:
            rest = session - mean - np.outer(values, loading)
            joint = joint + multivariate_normal.logpdf(rest, np.zeros(len(mean)), within)
        return np.log(np.trapezoid(np.exp(joint), values))

    together = log_density(np.vstack([enrolment, test[None]]))
    return together - log_density(enrolment) - log_density(test[None])


def kaldi_score(mean, transform, psi, model, test, n):
    """A score as ivector-plda-scoring with --normalize-length=true computes it."""

    def latent(x, count):
        y = transform @ (x - mean)
        return y * np.sqrt(len(y) / (y * y / (psi + 1 / count)).sum())

    centre = n * psi / (n * psi + 1) * latent(model, n)
    variance = 1 + psi / (n * psi + 1)
    y = latent(test, 1)
    same = -0.5 * (np.log(variance).sum() + ((y - centre) ** 2 / variance).sum())
    return same + 0.5 * (np.log(1 + psi).sum() + (y * y / (1 + psi)).sum())


def em_update(mean, loadings, within, X, names, *, minimum_divergence):
    """One update of mean, loadings and noise, speaker by speaker and session by session."""
    rank = loadings.shape[1]
    precision = np.linalg.inv(within)
    design, cross, firsts, seconds = np.zeros((rank + 1, rank + 1)), 0.0, [], []
    for name in sorted(set(names)):
        sessions = X[names == name]
        covariance = np.linalg.inv(np.eye(rank) + len(sessions) * loadings.T @ precision @ loadings)
        y = covariance @ loadings.T @ precision @ (sessions - mean).sum(axis=0)
        firsts.append(y)
        seconds.append(covariance + np.outer(y, y))
        for x in sessions:
            extended = np.append(y, 1.0)
            design += np.outer(extended, extended)
            design[:rank, :rank] += covariance
            cross = cross + np.outer(x, extended)
    slopes = cross @ np.linalg.inv(design)
    new_within = (X.T @ X - slopes @ cross.T) / len(X)
    new_loadings, new_mean = slopes[:, :rank], slopes[:, rank]
    if minimum_divergence:
        centre = np.mean(firsts, axis=0)
        spread = np.mean(seconds, axis=0) - np.outer(centre, centre)
        new_mean = new_mean + new_loadings @ centre
        new_loadings = new_loadings @ np.linalg.cholesky(spread)
    return new_mean, new_loadings, new_within
