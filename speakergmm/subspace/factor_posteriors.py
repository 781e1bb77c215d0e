"""Posterior distributions of factors: of one vector of factors for each session or speaker.

Given the statistics of a session, its factors are jointly normal, with the precision

    I + sum_k n_k T_k^T S_k^-1 T_k,

for loadings T and covariances S. The sums of many sessions are one product of their occupancies
with the packed matrices of the components.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from speakergmm.subspace.factors import PreparedFactors
from speakergmm.subspace.packed import packed_layout, solve_packed

Array = NDArray[np.float64]


class FactorPosteriors(NamedTuple):
    """Posterior distributions of the factors of N sessions.

    Parameters
    ----------
    means : array, shape (N, H)
    covariances : array, shape (N, P), or None
        Packed; see `packed_layout`.
    log_likelihoods : array, shape (N,)
        Log-likelihood of each session's statistics, beyond that of a model without factors.
    """

    means: Array
    covariances: Array | None
    log_likelihoods: Array


def factor_posteriors(
    prepared: PreparedFactors, occupancy: Array, first_order: Array, *, covariances: bool
) -> FactorPosteriors:
    """Return the posterior distributions of the speaker's factors, which are the only ones.

    Parameters
    ----------
    prepared : PreparedFactors
        Without factors of the session and without a residual.
    occupancy : array, shape (N, K)
        Zeroth-order statistics of N speakers, summed over their sessions.
    first_order : array, shape (N, K, D)
        First-order statistics, about zero.
    covariances : bool
        Return the posterior covariances as well.

    Notes
    -----
    Proposition 1 of [1]_, with a prior mean. The log-likelihood is that of its proposition 2.

    References
    ----------
    .. [1] Kenny, Boulianne, Dumouchel, "Eigenvoice Modeling with Sparse Training Data", IEEE
       Transactions on Speech and Audio Processing 13 (2005) 345-354.
    """
    size = prepared.factors.n_speaker
    linear = prepared.linear_terms(occupancy, first_order)
    precisions = occupancy @ prepared.grams
    precisions[:, packed_layout(size).diagonal] += 1.0
    prior = prepared.factors.prior_mean
    if prior is not None:
        linear += prior
    means, logarithms = solve_packed(precisions, linear, size, invert=covariances)
    gains = 0.5 * ((linear * means).sum(axis=1) - logarithms)
    if prior is not None:
        gains -= 0.5 * float(prior @ prior)
    return FactorPosteriors(means, precisions if covariances else None, gains)
