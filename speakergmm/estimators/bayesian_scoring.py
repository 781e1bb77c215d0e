"""What a fitted posterior says of frames: shares, scores, the predictive density."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import InvalidInputError
from speakergmm.estimators.bayesian_parameters import PosteriorParameters
from speakergmm.estimators.scoring import Scoring
from speakergmm.gaussians.prepare import Weighted
from speakergmm.mixtures.variational.predictive import predictive_log_density


class PosteriorScoring(PosteriorParameters, Scoring):
    """Shares frames out by expected log-densities, not by those of the expected mixture."""

    @property
    def _shares(self) -> Weighted:
        posterior: Weighted = self.posterior_
        return posterior

    def n_effective(self, threshold: float = 0.01) -> int:
        """Count the components that the frames use.

        Parameters
        ----------
        threshold : float, default=0.01
            Expected weight that a component must exceed; in 0..1.
        """
        check_is_fitted(self, "posterior_")
        if not 0 <= threshold < 1:
            raise InvalidInputError(f"threshold must lie in 0..1 (below 1), found {threshold}")
        return int(np.count_nonzero(self.posterior_.weights > threshold))

    def predictive_log_density(self, X: Any) -> NDArray[np.float64]:
        """Logarithm of the posterior predictive density: parameters integrated out.

        Parameters
        ----------
        X : array-like of shape (T, D), or blocks
            Frames, as in `fit`.

        Returns
        -------
        array, shape (T,)
            Of a proper density, in float64; `score_samples` is the normaliser of responsibilities
            instead, as in scikit-learn.
        """
        parts, _ = self._map(lambda frames: predictive_log_density(self.posterior_, frames), X)
        return np.concatenate(list(parts))
