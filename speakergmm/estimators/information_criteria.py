"""Information criteria: what a fit is worth beside the number of its parameters."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.estimators.input_frames import are_counts
from speakergmm.estimators.mixture_scoring import MixtureScoring
from speakergmm.gaussians.parameters import covariance_kind


def count_parameters(covariance_type: str, n_components: int, n_features: int) -> int:
    """Count the free parameters of a mixture.

    Parameters
    ----------
    covariance_type : {"full", "tied", "diag", "spherical"}
        Kind of covariances.
    n_components, n_features : int
        K and D.

    Returns
    -------
    int
        Of the covariances, the means, and the weights (which sum to one).

    Examples
    --------
    >>> count_parameters("diag", 2, 3)
    13
    """
    kind = covariance_kind(covariance_type)
    n_covariances = 1 if kind.is_shared else n_components
    # As many numbers as functions of second order of a frame.
    of_covariance = kind.n_rows(n_features) - n_features - 1
    return n_covariances * of_covariance + n_components * n_features + n_components - 1


def as_counts(weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale weights of frames so that their sum is a number of frames.

    Parameters
    ----------
    weights : array, shape (T,)
        Finite, >= 0, not all zero.

    Returns
    -------
    array, shape (T,)
        Integers as they are: a frame of weight 2 is two frames. Others have a scale of no
        meaning, and sum to the effective number of frames ``(sum w)^2 / sum(w^2)`` [1]_: that of
        equal weights whose mean is as uncertain.

    References
    ----------
    .. [1] Kish, "Survey Sampling" (1965), section 11.7.

    Examples
    --------
    >>> as_counts(np.array([1.0, 2.0, 0.0])).tolist()
    [1.0, 2.0, 0.0]
    >>> as_counts(np.full(4, 0.25)).tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    if are_counts(weights):
        return weights
    # Of the largest: squares of small ones would underflow.
    parts = weights / weights.max()
    return np.asarray(parts * (parts.sum() / (parts @ parts)))


class InformationCriteria(MixtureScoring):
    """Adds `bic` and `aic` to the estimator of a mixture that maximises the likelihood."""

    def _n_parameters(self) -> int:
        """Count the free parameters of the fitted mixture."""
        return count_parameters(self.mixture_.covariance_type, *self.mixture_.means.shape)

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Bayesian information criterion; the lower, the better.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame. The sum of integers is the number of frames that the criterion
            counts; other weights are scaled first, to sum to the effective number of frames
            ``(sum w)^2 / sum(w^2)``.
        """
        total, n_frames = self._counted_log_likelihood(X, sample_weight)
        return -2.0 * total + self._n_parameters() * math.log(n_frames)

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Akaike information criterion; the lower, the better.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame, as in `bic`.
        """
        total, _ = self._counted_log_likelihood(X, sample_weight)
        return -2.0 * total + 2.0 * self._n_parameters()

    def _counted_log_likelihood(self, X: Any, sample_weight: Any) -> tuple[float, float]:
        """Sum of the log-likelihoods of frames counted as `as_counts` does, and their number."""
        total, weight = self._total_log_likelihood(X, sample_weight)
        if sample_weight is None:
            return total, weight
        weights = np.asarray(sample_weight, dtype=np.float64)
        if weights.ndim == 0:
            # One weight for all frames, whose number it tells.
            weights = np.full(round(weight / float(weights)), weights)
        n_frames = float(as_counts(weights).sum())
        return total / weight * n_frames, n_frames
