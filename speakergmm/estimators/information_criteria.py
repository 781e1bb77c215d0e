"""Information criteria: the likelihood of a fit, penalised by its number of parameters."""

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
        Number of components, K, and of features, D.

    Returns
    -------
    int
        Number of free parameters of covariances, means and weights (which sum to one).

    Examples
    --------
    >>> count_parameters("diag", 2, 3)
    13
    """
    kind = covariance_kind(covariance_type)
    n_covariances = 1 if kind.is_shared else n_components
    # A covariance has as many free parameters as there are second-order functions of a frame.
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
        Integers are returned unchanged: a frame of weight 2 counts as two frames. The scale of
        other weights has no meaning; they are scaled to sum to the effective number of frames
        ``(sum w)^2 / sum(w^2)`` [1]_, which is the number of equally weighted frames whose mean
        has the same variance.

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
    # Relative to the largest, because squares of small weights would underflow.
    parts = weights / weights.max()
    return np.asarray(parts * (parts.sum() / (parts @ parts)))


class InformationCriteria(MixtureScoring):
    """Base that adds `bic` and `aic` to an estimator that maximises the likelihood of a mixture."""

    def _n_parameters(self) -> int:
        """Count the free parameters of the fitted mixture."""
        return count_parameters(self.mixture_.covariance_type, *self.mixture_.means.shape)

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Return the Bayesian information criterion on frames; the lower, the better.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame. Integers count frames; other weights are scaled to sum to the
            effective number of frames ``(sum w)^2 / sum(w^2)``.

        Returns
        -------
        float
            ``-2 L + P log(T)``, with the log-likelihood L in nats and P free parameters.
        """
        total, n_frames = self._counted_log_likelihood(X, sample_weight)
        return -2.0 * total + self._n_parameters() * math.log(n_frames)

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Return the Akaike information criterion on frames; the lower, the better.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame, as in `bic`.

        Returns
        -------
        float
            ``-2 L + 2 P``, with the log-likelihood L in nats and P free parameters.
        """
        total, _ = self._counted_log_likelihood(X, sample_weight)
        return -2.0 * total + 2.0 * self._n_parameters()

    def _counted_log_likelihood(self, X: Any, sample_weight: Any) -> tuple[float, float]:
        """Return the log-likelihood of frames weighted as by `as_counts`, and their number."""
        total, weight = self._total_log_likelihood(X, sample_weight)
        if sample_weight is None:
            return total, weight
        weights = np.asarray(sample_weight, dtype=np.float64)
        if weights.ndim == 0:
            # One weight for all frames: their number follows from the total weight.
            weights = np.full(round(weight / float(weights)), weights)
        n_frames = float(as_counts(weights).sum())
        return total / weight * n_frames, n_frames
