"""Information criteria: what a fit is worth beside the number of its parameters."""

from __future__ import annotations

import math
from typing import Any

from speakergmm.estimators.scoring import Scoring


class InformationCriteria(Scoring):
    """Adds `bic` and `aic` to the estimator of a mixture that maximises the likelihood."""

    def _n_parameters(self) -> int:
        """Count the free parameters of the fitted mixture."""
        k, d = self.mixture_.means.shape
        of_covariances = {
            "full": k * d * (d + 1) // 2,
            "tied": d * (d + 1) // 2,
            "diag": k * d,
            "spherical": k,
        }
        return int(of_covariances[self.mixture_.covariance_type] + k * d + k - 1)

    def bic(self, X: Any, sample_weight: Any = None) -> float:
        """Bayesian information criterion; the lower, the better.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame; their sum is the number of frames that the criterion counts.
        """
        total, weight = self._total_log_likelihood(X, sample_weight)
        return -2.0 * total + self._n_parameters() * math.log(weight)

    def aic(self, X: Any, sample_weight: Any = None) -> float:
        """Akaike information criterion; the lower, the better.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.
        sample_weight : array-like of shape (T,), optional
            Weight of each frame.
        """
        total, _ = self._total_log_likelihood(X, sample_weight)
        return -2.0 * total + 2.0 * self._n_parameters()
