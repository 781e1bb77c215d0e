"""What a step of expectation-maximisation may lose by what is added to variances.

A step that takes C = S + R for the covariance, where S would be the maximum and R is what keeps it
from collapse, is no step of EM proper, and the log-likelihood may fall. But not by any amount: that
is how a fall for which R accounts is told from one that is an error.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.parameters import CovarianceType


def regularisation_slack(
    weights: NDArray[np.float64],
    exact: NDArray[np.float64],
    regularised: NDArray[np.float64],
    *,
    covariance_type: CovarianceType,
    n_features: int,
) -> float:
    """Bound the fall of the log-likelihood after a maximum-likelihood step with added variances.

    Parameters
    ----------
    weights : array, shape (K,)
        Part of the frames that each component has, w_k = n_k / N.
    exact : array, shape (K,), (K, D), (D, D) or (K, D, D)
        The covariances S of greatest expected log-likelihood, as the kind has them.
    regularised : array, same shape
        What the step takes instead, C.
    covariance_type : {"spherical", "diag", "tied", "full"}
        The kind.
    n_features : int
        D.

    Returns
    -------
    float
        In nats per frame, >= 0; infinite where a component with frames has a singular S.

    Notes
    -----
    Let Q(model) be the expected log-likelihood of frames and components under the responsibilities
    of the step. By Jensen's inequality (Dempster, Laird and Rubin, 1977, theorem 1) the
    log-likelihood gains at least what Q gains. The exact step maximises Q over weights, means and
    covariances, so that a step of the same weights and means and other covariances gains no less
    than -slack with

        slack = (Q(exact) - Q(step)) / N = sum_k w_k loss(S_k, C_k),
        loss(S, C) = (log|C| - log|S| + tr(C^-1 S) - D) / 2,

    the Kullback-Leibler divergence between Gaussians of covariance S and C with one mean. In the
    four kinds loss(S, C) is

    - full: as it stands, of each component;
    - tied: the same for the one S of all components, whose weights sum to one;
    - diag: sum_d (u_d - 1 - log u_d) / 2 with u_d = S_d / C_d;
    - spherical: D (u - 1 - log u) / 2 with u = S / C.

    It is attained where the step starts from the exact model of one component.

    Examples
    --------
    A variance of 1 becomes 2: (log 2 + 1/2 - 1) / 2.

    >>> one = np.ones(1)
    >>> slack = regularisation_slack(one, one, 2 * one, covariance_type="spherical", n_features=1)
    >>> round(slack, 4)
    0.0966
    """
    if covariance_type != "tied":
        seen = weights > 0
        weights, exact, regularised = weights[seen], exact[seen], regularised[seen]
    if covariance_type in ("spherical", "diag"):
        if not (exact > 0).all():
            return float("inf")
        ratios = exact / regularised
        losses = (ratios - 1.0 - np.log(ratios)) / 2
        losses = n_features * losses if covariance_type == "spherical" else losses.sum(axis=1)
        return max(0.0, float(weights @ losses))
    try:
        log_determinants = [
            2 * np.log(np.diagonal(np.linalg.cholesky(matrices), axis1=-2, axis2=-1)).sum(axis=-1)
            for matrices in (exact, regularised)
        ]
        # What has a Cholesky factor by a hair may yet have no inverse.
        traces = np.trace(np.linalg.solve(regularised, exact), axis1=-2, axis2=-1)
    except np.linalg.LinAlgError:
        return float("inf")
    losses = (log_determinants[1] - log_determinants[0] + traces - n_features) / 2
    return max(0.0, float(losses if covariance_type == "tied" else weights @ losses))
