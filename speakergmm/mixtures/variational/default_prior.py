"""The default covariance of the prior: that of scikit-learn, kept positive definite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.choices import CovarianceType
from speakergmm.gaussians.frame_sources import FrameSource
from speakergmm.gaussians.matrices import floor_matrices
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.gaussians.source_moments import frame_moments
from speakergmm.moments import Moments

# Smallest part of the variances that the covariance has in any direction: frames in a plane would
# have none across it.
_LEAST_VARIANCE = 1e-8
# Variance of a constant feature, in squared feature units, if nothing is added to variances.
_CONSTANT_VARIANCE = 1e-6


def default_prior_covariance(
    source: FrameSource,
    moments: Moments,
    covariance_type: CovarianceType,
    *,
    sample_weight: NDArray[np.float64] | None = None,
    reg_covar: float = 0.0,
) -> NDArray[np.float64]:
    """Return the unbiased covariance of all frames, in the shape of a prior of this kind.

    Parameters
    ----------
    source : array of shape (T, D), iterable of such arrays, or callable that returns an iterable
        Frames; read once if `covariance_type` is "full" or "tied".
    moments : Moments
        Moments of the same frames and weights.
    covariance_type : {"spherical", "diag", "tied", "full"}
        Kind of covariances of the prior.
    sample_weight : array, shape (T,), optional
        Weight of each frame; a frame of weight 2 counts as two frames.
    reg_covar : float, default=0
        Number that a fit adds to variances; it is the variance of a constant feature here.

    Returns
    -------
    array, shape (D, D) if full or tied, (D,) if diag, () if spherical
        In squared feature units; positive (definite) for any frames.
    """
    # Weights that sum to 2 or less cannot be numbers of frames: their unit is unknown.
    unbiased = moments.weight / max(moments.weight - 1.0, 0.5 * moments.weight)
    constant = reg_covar if reg_covar > 0 else _CONSTANT_VARIANCE
    variances = unbiased * moments.variance
    kind = covariance_kind(covariance_type)
    if kind.is_isotropic:
        return np.asarray(variances.mean() if moments.variance.any() else constant)
    positive = np.where(moments.variance > 0, variances, constant)
    if not kind.is_matrix:
        return positive
    covariance = unbiased * frame_moments(source, sample_weight, full=True).covariance
    # A constant feature is independent of all others, and has its own variance in place of
    # rounding.
    varies = moments.variance > 0
    covariance = np.where(np.outer(varies, varies), covariance, np.diag(positive))
    deviations = np.sqrt(positive)
    unit = np.outer(deviations, deviations)
    raised, _ = floor_matrices((covariance / unit)[None], np.full(len(unit), _LEAST_VARIANCE))
    return np.asarray(raised[0] * unit)
