"""The prior that the data suggest where none is given: scikit-learn's, kept positive definite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speakergmm.gaussians.choices import CovarianceType
from speakergmm.gaussians.frame_sources import FrameSource, frame_moments
from speakergmm.gaussians.matrices import floor_matrices
from speakergmm.gaussians.parameters import covariance_kind
from speakergmm.moments import Moments

# The covariance is no smaller than this part of the variances in any direction: frames that lie in
# a plane have no thickness of their own.
_LEAST_VARIANCE = 1e-8
# Of a constant feature, in squared feature units, if nothing is added to variances.
_CONSTANT_VARIANCE = 1e-6


def default_prior_covariance(
    source: FrameSource,
    moments: Moments,
    covariance_type: CovarianceType,
    *,
    sample_weight: NDArray[np.float64] | None = None,
    reg_covar: float = 0.0,
) -> NDArray[np.float64]:
    """Return the unbiased covariance of all frames, in the shape a prior of this kind has.

    Parameters
    ----------
    source : array of shape (T, D), iterable of such arrays, or callable that returns an iterable
        Frames; read once if `covariance_type` is "full" or "tied".
    moments : Moments
        Of the same frames and weights.
    covariance_type : {"spherical", "diag", "tied", "full"}
        Which covariances the prior is of.
    sample_weight : array, shape (T,), optional
        Weight of each frame; one of weight 2 is two frames.
    reg_covar : float, default=0
        What a fit adds to variances; the variance here of a feature that is constant.

    Returns
    -------
    array, shape (D, D) if full or tied, (D,) if diag, () if spherical
        In squared feature units; positive (definite) for any frames.
    """
    # Weights that sum to 2 or less cannot be numbers of frames: their unit is anyone's guess.
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
    # A constant is independent of all else; its own variance is not what rounding left.
    varies = moments.variance > 0
    covariance = np.where(np.outer(varies, varies), covariance, np.diag(positive))
    deviations = np.sqrt(positive)
    unit = np.outer(deviations, deviations)
    raised, _ = floor_matrices((covariance / unit)[None], np.full(len(unit), _LEAST_VARIANCE))
    return np.asarray(raised[0] * unit)
