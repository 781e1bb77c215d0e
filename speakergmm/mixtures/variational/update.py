"""The variational update: a posterior of weights, means and precisions from statistics.

It is a sibling of `maximum_likelihood`: the same statistics, the same loop of
expectation-maximisation, in which the model is a distribution over parameters.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from speakergmm.gaussians.em import UpdateReport
from speakergmm.gaussians.statistics import MixtureStatistics
from speakergmm.mixtures.variational.bound import lower_bound
from speakergmm.mixtures.variational.closed_form import posterior_from_statistics
from speakergmm.mixtures.variational.posterior import VariationalPosterior
from speakergmm.mixtures.variational.variational_prior import VariationalPrior


def update_variational(
    statistics: MixtureStatistics,
    model: VariationalPosterior,
    *,
    prior: VariationalPrior,
    reg_covar: float | ArrayLike = 0.0,
) -> tuple[VariationalPosterior, UpdateReport]:
    """Take one step of variational inference.

    Parameters
    ----------
    statistics : MixtureStatistics
        Statistics of the frames under `model`: from the responsibilities of the mixture with
        `effective_log_weights`, with the sum of their log-normalisers as log-likelihood.
    model : VariationalPosterior
        The posterior under which the statistics were accumulated.
    prior, reg_covar
        As in `posterior_from_statistics`.

    Returns
    -------
    model : VariationalPosterior
        The new posterior.
    report : UpdateReport
        Its `bound` is the lower bound of the responsibilities and the new posterior, without
        constants, as defined by scikit-learn; its `slack` is the largest possible fall of the bound
        in the next update.

    Raises
    ------
    InvalidInputError
        As in `posterior_from_statistics`.

    Notes
    -----
    With variances R added to those of the frames, the update maximises, over the posterior q, the
    bound F(r, q) less the penalty P(r, q) = sum_k n_k(r) t_k / 2 with t_k = tr(C_k^-1 R), C_k^-1
    the expected precision; `bound` is the maximum. The next responsibilities r' maximise F alone,
    so that the bound of the next update, at least F(r', q) - P(r', q), is no lower than this one by
    more than P(r', q) - P(r, q): per frame, by more than

        slack = (max_k t_k - sum_k w_k t_k) / 2,    w_k = n_k(r) / N.

    It is 0 for a tied covariance, whose t_k are equal. That is the worst case, in which all frames
    go to the narrowest component; observed falls are about a hundredth of it.
    """
    new = posterior_from_statistics(statistics, prior=prior, reg_covar=reg_covar)
    bound = lower_bound(statistics, model, new)
    if not np.any(reg_covar):
        return new, UpdateReport(bound=bound)
    # Responsibilities ignore what is added to variances, so that the bound may fall.
    slack = _penalty_slack(statistics.counts, new, reg_covar)
    return new, UpdateReport(bound=bound, is_exact=False, slack=slack)


def _penalty_slack(
    counts: NDArray[np.float64], posterior: VariationalPosterior, reg_covar: float | ArrayLike
) -> float:
    regularisation = np.broadcast_to(np.asarray(reg_covar, np.float64), (posterior.n_features,))
    if posterior.kind.is_shared or not counts.any():
        return 0.0
    kind = posterior.kind
    try:
        precisions = kind.own_variances(kind.inverses(posterior.covariances), len(regularisation))
    except np.linalg.LinAlgError:
        return float("inf")
    penalties = precisions @ regularisation
    return max(0.0, float(penalties.max() - counts @ penalties / counts.sum()) / 2)
