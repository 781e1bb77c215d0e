"""Factor analysis written out: the joint normal distribution of all frames and all factors.

Frames are kept one by one, with the component that made each. Their covariance is a matrix of all
frames by all frames, and posteriors are conditional distributions of it: no precision of factors,
no sufficient statistics.
"""

from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, solve_triangular


@dataclass
class Recording:
    """Frames (T, D) of one session, and the component (T,) of each."""

    frames: np.ndarray
    components: np.ndarray

    def statistics(self, n_components):
        """Zeroth and first order."""
        chosen = np.eye(n_components)[self.components]
        return chosen.sum(axis=0), chosen.T @ self.frames


def full_covariances(factors):
    """Covariance matrices (K, D, D) of any kind of covariances."""
    n_components, n_features, _ = factors.loadings.shape
    unit = np.eye(n_features)
    return {
        "spherical": lambda c: c[:, None, None] * unit,
        "diag": lambda c: c[:, :, None] * unit,
        "tied": lambda c: np.repeat(c[None], n_components, axis=0),
        "full": lambda c: c,
    }[factors.covariance_type](factors.covariances)


def design(factors, sessions):
    """Matrix from all factors of a speaker to all frames: y, the x of each session, z."""
    n_components, n_features, n_factors = factors.loadings.shape
    n_speaker = factors.n_speaker
    n_session = n_factors - n_speaker
    roots = np.linalg.cholesky(full_covariances(factors))
    rows = []
    for number, session in enumerate(sessions):
        for component in session.components:
            x = np.zeros((n_features, len(sessions), n_session))
            x[:, number] = factors.loadings[component][:, n_speaker:]
            z = np.zeros((n_features, n_components, n_features))
            if factors.residual is None:
                z = np.zeros((n_features, 0))
            else:
                z[:, component] = roots[component] * factors.residual[component]
            rows.append(
                np.concatenate(
                    [
                        factors.loadings[component][:, :n_speaker],
                        x.reshape(n_features, -1),
                        z.reshape(n_features, -1),
                    ],
                    axis=1,
                )
            )
    return np.concatenate(rows)


def joint(factors, sessions):
    """Observed vector, its mean, design, prior mean of all factors, and covariance of noise."""
    components = np.concatenate([session.components for session in sessions])
    observed = np.concatenate([session.frames for session in sessions]).ravel()
    matrix = design(factors, sessions)
    prior = np.zeros(matrix.shape[1])
    if factors.prior_mean is not None:
        prior[: factors.n_speaker] = factors.prior_mean
    noise = block_diag(*full_covariances(factors)[components])
    return observed, factors.means[components].ravel() + matrix @ prior, matrix, prior, noise


def log_likelihood(factors, sessions):
    """Log-density of all frames of a speaker."""
    observed, mean, matrix, _, noise = joint(factors, sessions)
    return normal_log_density(observed, mean, matrix @ matrix.T + noise)


def normal_log_density(observed, mean, covariance):
    """Log-density of a vector under a normal distribution, by a Cholesky factor."""
    root = np.linalg.cholesky(covariance)
    white = solve_triangular(root, observed - mean, lower=True)
    size = len(observed) * np.log(2 * np.pi)
    return -0.5 * (white @ white + size) - np.log(np.diag(root)).sum()


def posterior(factors, sessions):
    """Mean and covariance of all factors given the frames, by conditioning."""
    observed, mean, matrix, prior, noise = joint(factors, sessions)
    gain = np.linalg.solve(matrix @ matrix.T + noise, matrix).T
    return prior + gain @ (observed - mean), np.eye(len(prior)) - gain @ matrix


def draw_speaker(factors, rng, lengths):
    """Draw the sessions of a speaker, of some frames each."""
    n_components, n_features, n_factors = factors.loadings.shape
    y = rng.normal(size=factors.n_speaker)
    if factors.prior_mean is not None:
        y = y + factors.prior_mean
    roots = np.linalg.cholesky(full_covariances(factors))
    base = factors.means + factors.loadings[:, :, : factors.n_speaker] @ y
    if factors.residual is not None:
        z = factors.residual * rng.normal(size=factors.residual.shape)
        base = base + np.einsum("kij,kj->ki", roots, z)
    sessions = []
    for length in lengths:
        x = rng.normal(size=n_factors - factors.n_speaker)
        moved = base + factors.loadings[:, :, factors.n_speaker :] @ x
        components = rng.integers(n_components, size=length)
        noise = rng.normal(size=(length, n_features))
        frames = moved[components] + np.einsum("tij,tj->ti", roots[components], noise)
        sessions.append(Recording(frames, components))
    return sessions


def maximised(factors, speakers, *, residual):
    """Loadings and residual of diagonal covariances by regression, row by row, on the moments."""
    n_components, n_features, n_factors = factors.loadings.shape
    n_speaker = factors.n_speaker
    n_session = n_factors - n_speaker
    deviations = np.sqrt(factors.covariances)
    loadings, new = np.zeros(factors.loadings.shape), np.zeros((n_components, n_features))
    moments = [(sessions, *posterior(factors, sessions)) for sessions in speakers]
    for component, feature in np.ndindex(n_components, n_features):
        squares = np.zeros((n_factors + 1, n_factors + 1))
        products = np.zeros(n_factors + 1)
        for sessions, mean, covariance in moments:
            second = covariance + np.outer(mean, mean)
            first_z = n_speaker + len(sessions) * n_session
            for number, session in enumerate(sessions):
                places = [
                    *range(n_speaker),
                    *(n_speaker + number * n_session + np.arange(n_session)),
                    first_z + component * n_features + feature,
                ]
                own = session.frames[session.components == component, feature]
                squares += len(own) * second[np.ix_(places, places)]
                products += (own - factors.means[component, feature]).sum() * mean[places]
        if residual:
            row = np.linalg.solve(squares, products)
        else:
            fixed = factors.residual[component, feature] * deviations[component, feature]
            left = products[:-1] - fixed * squares[:-1, -1]
            row = np.append(np.linalg.solve(squares[:-1, :-1], left), fixed)
        loadings[component, feature] = row[:-1]
        new[component, feature] = row[-1] / deviations[component, feature]
    return loadings, new
