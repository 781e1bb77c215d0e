"""Parameters of a fitted mixture under scikit-learn's names, derived from the frozen one."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from speakergmm.mixtures.parameters import Mixture


class FittedParameters:
    """Read-only attributes of an estimator that holds a fitted `mixture_`.

    They have the type, float32 or float64, of the frames of the fit; `mixture_` is float64.
    """

    mixture_: Mixture
    _dtype: np.dtype[Any]

    def _cast(self, values: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
        return values.astype(self._dtype)

    @property
    def weights_(self) -> NDArray[np.floating[Any]]:
        """Weight of each component, shape (K,)."""
        return self._cast(self.mixture_.weights)

    @property
    def means_(self) -> NDArray[np.floating[Any]]:
        """Mean of each component, shape (K, D)."""
        return self._cast(self.mixture_.means)

    @property
    def covariances_(self) -> NDArray[np.floating[Any]]:
        """Covariances, shape (K,), (K, D), (D, D) or (K, D, D) by the kind."""
        return self._cast(self.mixture_.covariances)

    @property
    def precisions_cholesky_(self) -> NDArray[np.floating[Any]]:
        """Factors U of the precisions U U^T, upper triangular; deviations^-1 if not matrices."""
        return self._cast(precision_factors(self.mixture_))

    @property
    def precisions_(self) -> NDArray[np.floating[Any]]:
        """Inverses of the covariances, in their shape."""
        factors = precision_factors(self.mixture_)
        if factors.ndim < 2 or self.mixture_.covariance_type == "diag":
            return self._cast(factors**2)
        return self._cast(factors @ np.swapaxes(factors, -1, -2))


def precision_factors(mixture: Mixture) -> NDArray[np.float64]:
    """Give the upper triangular U of the precisions U U^T, or reciprocal deviations.

    Parameters
    ----------
    mixture : Mixture
        Of any kind.

    Returns
    -------
    array
        In the shape of the covariances.
    """
    if mixture.covariance_type in ("spherical", "diag"):
        return np.asarray(1.0 / np.sqrt(mixture.covariances))
    from scipy.linalg import solve_triangular

    lower = np.linalg.cholesky(mixture.covariances)
    identity = np.eye(mixture.n_features)
    if lower.ndim == 2:
        return np.asarray(solve_triangular(lower, identity, lower=True).T)
    return np.stack([solve_triangular(factor, identity, lower=True).T for factor in lower])
