"""Lower bounds on the log-evidence of a Bayesian mixture, from statistics alone.

No frame is evaluated again: the contribution of the frames is a function of their statistics under
the posterior that yielded their responsibilities, and of the sum of the logarithms of the
normalisers of these.
"""

from __future__ import annotations

import numpy as np

from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.mixtures.variational.closed_form import centred_moments, prior_as_posterior
from speakergmm.mixtures.variational.posterior import VariationalPosterior
from speakergmm.mixtures.variational.variational_prior import VariationalPrior
from speakergmm.mixtures.variational.weights import log_normaliser, weight_divergence


def expected_log_joint(statistics: MixtureStatistics, posterior: VariationalPosterior) -> float:
    """Return the expected log-density of frames together with their components.

    Parameters
    ----------
    statistics : MixtureStatistics
        Statistics of the frames, with second-order moments, from any responsibilities.
    posterior : VariationalPosterior
        The distribution of the parameters over which the expectation is taken.

    Returns
    -------
    float
        The expectation in nats, summed over the frames.

    Raises
    ------
    InvalidInputError
        If the statistics do not suit the posterior.
    """
    counts, means, scatter = centred_moments(statistics, posterior.covariance_type, posterior.means)
    kind = posterior.kind
    inverses = kind.inverses(posterior.covariances)
    squares = kind.distances(inverses, means - posterior.means)
    within = float((inverses * scatter).sum())
    log_determinants = kind.log_determinants(posterior.covariances, posterior.n_features)
    constants = posterior.n_features * np.log(2.0 * np.pi) + log_determinants
    log_joint = posterior.effective_log_weights - 0.5 * (constants + squares)
    return float(counts @ log_joint - 0.5 * within)


def responsibility_entropy(
    statistics: MixtureStatistics, responsible: VariationalPosterior
) -> float:
    """Return the entropy of the responsibilities, in nats, summed over the frames.

    Parameters
    ----------
    statistics : MixtureStatistics
        Statistics of the frames under `responsible`, with the sum of its log-normalisers as
        log-likelihood.
    responsible : VariationalPosterior
        The posterior that yielded the responsibilities.
    """
    # A frame's log-normaliser is log rho - log r in each component, and so in their mean as well.
    return statistics.log_likelihood - expected_log_joint(statistics, responsible)


def lower_bound(
    statistics: MixtureStatistics,
    responsible: VariationalPosterior,
    posterior: VariationalPosterior,
) -> float:
    """Return the bound as defined by scikit-learn: the part that varies within one fit.

    Parameters
    ----------
    statistics : MixtureStatistics
        Statistics of the frames under `responsible`.
    responsible : VariationalPosterior
        The posterior that yielded the responsibilities.
    posterior : VariationalPosterior
        The best posterior for these statistics.

    Returns
    -------
    float
        The bound in nats, summed over the frames. It is `evidence_lower_bound` up to a constant if
        variances were not regularised.
    """
    factors = posterior.precision_factors
    return (
        responsibility_entropy(statistics, responsible)
        + factors.log_normaliser()
        - factors.pi_constant()
        + log_normaliser(posterior.concentrations)
        - 0.5 * posterior.n_features * float(np.log(posterior.mean_precision).sum())
    )


def parameter_divergence(posterior: VariationalPosterior, prior: VariationalPrior) -> float:
    """Return the divergence of a posterior from the prior, of all parameters, in nats."""
    start = prior_as_posterior(prior, posterior.n_components)
    d, k = posterior.n_features, posterior.n_components
    kind = posterior.kind
    inverses = kind.inverses(posterior.covariances)
    # A sphere has a term for each feature, a tied covariance one for each component.
    trace = float((kind.divisor(np.ones(k), d) * inverses * prior.covariance).sum())
    squares = kind.distances(inverses, posterior.means - start.means)
    ratios = prior.mean_precision / posterior.mean_precision
    means = 0.5 * d * (ratios - 1.0 - np.log(ratios)) + 0.5 * prior.mean_precision * squares
    return (
        weight_divergence(posterior.concentrations, start.concentrations)
        + float(means.sum())
        + posterior.precision_factors.divergence(start.precision_factors, trace)
    )


def evidence_lower_bound(
    statistics: MixtureStatistics,
    responsible: VariationalPosterior,
    posterior: VariationalPosterior,
    prior: VariationalPrior,
) -> float:
    """Return the lower bound on the logarithm of the evidence, with all constants.

    Parameters
    ----------
    statistics : MixtureStatistics
        Of the frames under `responsible`, with its sum of normalisers as log-likelihood.
    responsible : VariationalPosterior
        The posterior that yielded the responsibilities.
    posterior : VariationalPosterior
        Any distribution of the parameters of the same form, such as the best one for these
        statistics, or `responsible` itself.
    prior : VariationalPrior
        Prior of the parameters.

    Returns
    -------
    float
        The bound in nats, summed over the frames: the expectation, over responsibilities and
        `posterior`, of log p(X, Z, parameters) - log q(Z, parameters).

    Notes
    -----
    Bishop (2006), equation 10.70, with expectations of log-density and log-weights taken together
    and each prior with the entropy of its posterior.

    Examples
    --------
    With one component and a Dirichlet prior of its weight the posterior is exact, and the bound is
    the evidence:

    >>> from speakergmm.mixtures.variational.closed_form import posterior_from_statistics
    >>> prior = VariationalPrior("full", concentration=1.0, mean=[0.0], mean_precision=1.0,
    ...     degrees_of_freedom=1.0, covariance=[[1.0]],
    ...     weight_concentration_type="dirichlet_distribution")
    >>> start = prior_as_posterior(prior, 1)
    >>> one_frame = MixtureStatistics([1.0], [[0.0]], [[[0.0]]], n_frames=1.0,
    ...     log_likelihood=start.effective_log_weights[0] - 0.5 * np.log(2 * np.pi),
    ...     covariance_type="full")
    >>> posterior = posterior_from_statistics(one_frame, prior=prior)
    >>> bound = evidence_lower_bound(one_frame, start, posterior, prior)
    >>> from scipy.stats import t
    >>> bool(np.isclose(bound, t(df=1.0, scale=2**0.5).logpdf(0.0)))
    True
    """
    return (
        responsibility_entropy(statistics, responsible)
        + expected_log_joint(statistics, posterior)
        - parameter_divergence(posterior, prior)
    )
