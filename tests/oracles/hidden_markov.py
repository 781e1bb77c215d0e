"""Hidden Markov models the slow way: all paths one by one, densities and priors of SciPy."""

import itertools

import numpy as np
from scipy import stats
from scipy.special import logsumexp


def matrices(kind, covars, n_mix, n_features):
    """Covariance matrix of each component, (S, M, D, D), whatever the kind."""
    if kind == "spherical":
        return covars[:, :, None, None] * np.eye(n_features)
    if kind == "diag":
        return covars[..., None] * np.eye(n_features)
    if kind == "tied":
        return np.repeat(covars[:, None], n_mix, axis=1)
    return covars


def joint_log_densities(model, X):
    """Log-weight plus log-density of each component, (T, S, M), of a fitted estimator."""
    n_states, n_mix, n_features = model.means_.shape
    full = matrices(model.covariance_type, model.covars_, n_mix, n_features)
    found = np.empty((len(X), n_states, n_mix))
    for s, m in itertools.product(range(n_states), range(n_mix)):
        with np.errstate(divide="ignore"):
            log_weight = np.log(model.weights_[s, m])
        normal = stats.multivariate_normal(model.means_[s, m], full[s, m], allow_singular=False)
        found[:, s, m] = log_weight + normal.logpdf(X)
    return found


def enumerate_paths(model, X, *, final="any"):
    """Log-likelihood, posteriors of components (T, S, M), starts (S,) and transitions (S, S)."""
    joint = joint_log_densities(model, X)
    states = logsumexp(joint, axis=2)
    n_states = states.shape[1]
    with np.errstate(divide="ignore"):
        log_start, log_transition = np.log(model.startprob_), np.log(model.transmat_)
    paths = [
        path
        for path in itertools.product(range(n_states), repeat=len(X))
        if final == "any" or path[-1] == n_states - 1
    ]
    scores = np.array(
        [
            log_start[path[0]]
            + sum(log_transition[i, j] for i, j in itertools.pairwise(path))
            + sum(states[t, s] for t, s in enumerate(path))
            for path in paths
        ]
    )
    total = logsumexp(scores)
    occupancy = np.zeros(states.shape)
    starts, transitions = np.zeros(n_states), np.zeros((n_states, n_states))
    for path, posterior in zip(paths, np.exp(scores - total), strict=True):
        starts[path[0]] += posterior
        for t, s in enumerate(path):
            occupancy[t, s] += posterior
        for i, j in itertools.pairwise(path):
            transitions[i, j] += posterior
    parts = np.exp(joint - states[:, :, None])
    return total, occupancy[:, :, None] * parts, starts, transitions


def best_path(model, X, *, final="any"):
    """Log-probability and states of the best path."""
    states = logsumexp(joint_log_densities(model, X), axis=2)
    n_states = states.shape[1]
    with np.errstate(divide="ignore"):
        log_start, log_transition = np.log(model.startprob_), np.log(model.transmat_)
    scored = (
        (
            log_start[path[0]]
            + sum(log_transition[i, j] for i, j in itertools.pairwise(path))
            + sum(states[t, s] for t, s in enumerate(path)),
            path,
        )
        for path in itertools.product(range(n_states), repeat=len(X))
        if final == "any" or path[-1] == n_states - 1
    )
    return max(scored)


class Auxiliary:
    """The auxiliary function of expectation-maximisation, plus log-priors.

    Posteriors are those of `model`, by enumeration; `value` takes any other parameters.
    """

    def __init__(self, model, sequences, weights=None, *, final="any"):
        self.kind = model.covariance_type
        self.options = model.get_params(deep=False)
        weights = np.ones(len(sequences)) if weights is None else weights
        self.starts, self.transitions = 0.0, 0.0
        frames, posteriors = [], []
        self.log_likelihood = 0.0
        for X, weight in zip(sequences, weights, strict=True):
            total, of_components, starts, transitions = enumerate_paths(model, X, final=final)
            self.log_likelihood += weight * total
            self.starts += weight * starts
            self.transitions += weight * transitions
            frames.append(X)
            posteriors.append(weight * of_components)
        self.frames, self.posteriors = np.concatenate(frames), np.concatenate(posteriors)

    def value(self, startprob, transmat, weights, means, covars):
        """Expected log-likelihood of frames, components and states, plus log-priors."""
        n_states, n_mix, n_features = means.shape
        full = matrices(self.kind, covars, n_mix, n_features)
        total = _expected(self.starts, startprob) + _expected(self.transitions, transmat)
        total += _expected(self.posteriors.sum(axis=0), weights)
        for s, m in itertools.product(range(n_states), range(n_mix)):
            density = stats.multivariate_normal(means[s, m], full[s, m]).logpdf(self.frames)
            total += self.posteriors[:, s, m] @ density
        return total + self.log_prior(startprob, transmat, weights, means, covars)

    def log_prior(self, startprob, transmat, weights, means, covars):
        """Logarithms of densities as SciPy has them; of covariances only if a prior is given."""
        given = self.options
        total = _dirichlet(given["startprob_prior"], startprob)
        total += sum(_dirichlet(given["transmat_prior"], row) for row in transmat)
        total += sum(_dirichlet(given["weights_prior"], row) for row in weights)
        if given["covars_prior"] is None:
            return total
        n_states, n_mix, n_features = means.shape
        full = matrices(self.kind, covars, n_mix, n_features)
        for s, m in itertools.product(range(n_states), range(n_mix)):
            mean = np.full(n_features, given["means_prior"])
            spread = full[s, m] / given["means_weight"]
            total += stats.multivariate_normal(mean, spread).logpdf(means[s, m])
        if self.kind in ("spherical", "diag"):
            prior = stats.invgamma(given["covars_prior"], scale=given["covars_weight"])
            return total + prior.logpdf(covars).sum()
        scale = np.asarray(given["covars_prior"])
        prior = stats.invwishart(given["covars_weight"], scale)
        return total + sum(prior.logpdf(c) for c in covars.reshape(-1, n_features, n_features))


def _expected(counts, probabilities):
    there = counts > 1e-300
    return float(counts[there] @ np.log(probabilities[there]))


def _dirichlet(alpha, probabilities):
    there = probabilities > 0
    return float((alpha - 1.0) * np.log(probabilities[there]).sum())


def mix_states(densities, n_mix):
    """Emissions (T, S) and parts (T, S M) of the compiled loop, in NumPy."""
    cube = densities.astype(np.float64).reshape(len(densities), -1, n_mix)
    emissions = logsumexp(cube, axis=2)
    return emissions, np.exp(cube - emissions[:, :, None]).reshape(densities.shape)


def assert_sound(model, X):
    """Check that a fitted `GaussianMixtureHMM` holds finite numbers and probabilities."""
    for name in ("startprob_", "transmat_", "weights_", "means_", "covars_"):
        assert np.isfinite(getattr(model, name)).all(), name
    for name in ("startprob_", "transmat_", "weights_"):
        np.testing.assert_allclose(getattr(model, name).sum(axis=-1), 1, rtol=1e-12)
    model._check()
    assert np.isfinite(model.score(X))
    assert np.isfinite(list(model.monitor_.history)).all()
