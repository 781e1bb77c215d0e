"""The posterior of the weights of a Bayesian mixture: Dirichlet or stick-breaking.

Concentrations of shape (K,) are those of a Dirichlet distribution; of shape (2, K), the parameters
of the Beta distributions of v_k, the part of the remaining stick that component k takes
(Blei and Jordan, 2006). The rest of the stick belongs to components without frames.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakergmm.mixtures.variational.variational_prior import WeightConcentrationType


def posterior_concentrations(
    counts: NDArray[np.float64],
    concentration: float,
    weight_concentration_type: WeightConcentrationType,
) -> NDArray[np.float64]:
    """Return concentrations, (K,) or (2, K), given the occupancies `counts` (K,)."""
    if weight_concentration_type == "dirichlet_distribution":
        return np.asarray(concentration + counts)
    later = np.concatenate([np.cumsum(counts[:0:-1])[::-1], [0.0]])
    return np.stack([1.0 + counts, concentration + later])


def expected_weights(concentrations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return expected weights (K,), normalised to one if a stick leaves a rest."""
    if concentrations.ndim == 1:
        return np.asarray(concentrations / concentrations.sum())
    taken, left = concentrations / concentrations.sum(axis=0)
    weights = taken * np.concatenate([[1.0], np.cumprod(left[:-1])])
    return np.asarray(weights / weights.sum())


def expected_log_weights(concentrations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return expected log-weights (K,), whose exponentials do not sum to one."""
    from scipy.special import digamma

    if concentrations.ndim == 1:
        return np.asarray(digamma(concentrations) - digamma(concentrations.sum()))
    taken, left = digamma(concentrations) - digamma(concentrations.sum(axis=0))
    return np.asarray(taken + np.concatenate([[0.0], np.cumsum(left[:-1])]))


def log_normaliser(concentrations: NDArray[np.float64]) -> float:
    """Return the log of the Dirichlet (or product of Beta) function of the concentrations."""
    from scipy.special import betaln, gammaln

    if concentrations.ndim == 1:
        return float(gammaln(concentrations).sum() - gammaln(concentrations.sum()))
    return float(betaln(*concentrations).sum())


def weight_divergence(
    concentrations: NDArray[np.float64], prior_concentrations: NDArray[np.float64]
) -> float:
    """Return the divergence of the weights' posterior from their prior, in nats."""
    from scipy.special import digamma

    change = concentrations - prior_concentrations
    expectations = digamma(concentrations) - digamma(
        concentrations.sum(axis=-1 if concentrations.ndim == 1 else 0)
    )
    return float(
        (change * expectations).sum()
        + log_normaliser(prior_concentrations)
        - log_normaliser(concentrations)
    )
