"""Attributes of a fitted mixture under scikit-learn's names, mixtures derived from it, samples."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from speakergmm.errors import InvalidInputError, ReadOnlyError
from speakergmm.mixtures.mixture import Mixture, mixture_of
from speakergmm.mixtures.operations.conditioning import (
    ConditionalMixtures,
    condition,
    marginal,
)


class MixtureAttributes:
    """Attributes and mixtures derived from an estimator's `mixture_`, and samples drawn from it.

    Attributes are read-only. They have the type of the frames of the fit, float32 or float64 (or
    float64, with a warning, if float32 cannot represent them); `mixture_` is float64.
    """

    mixture_: Mixture
    random_state: Any
    _dtype: np.dtype[Any]

    def __setattr__(self, name: str, value: Any) -> None:
        found = getattr(type(self), name, None)
        if isinstance(found, property) and found.fset is None:
            way = "it is a result of the fit"
            if name in vars(MixtureAttributes):
                maker = type(self).__name__ if hasattr(self, "from_mixture") else "GaussianMixture"
                way = (
                    f"build an estimator from known parameters by {maker}.from_mixture("
                    f"make_mixture(covariance_type, weights, means, covariances))"
                )
            raise ReadOnlyError(f"{name} of a {type(self).__name__} cannot be set; {way}")
        super().__setattr__(name, mixture_of(value) if name == "mixture_" else value)

    def _set_dtype(self, dtype: np.dtype[Any], *, stacklevel: int = 4) -> None:
        """Choose the type of the attributes: that of the frames, if it can represent them.

        `stacklevel` is that of a warning that points to the caller of `fit`.
        """
        self._dtype = dtype
        if dtype == np.float64:
            return
        limits = np.finfo(np.float32)
        variances = self.mixture_.component_variances()
        precisions = precision_factors(self.mixture_) ** 2
        for name, least, most in (
            ("variances", variances.min(), variances.max()),
            ("precisions", 1.0, precisions.max()),
        ):
            if not (least >= limits.tiny and most <= limits.max):
                worst = least if least < limits.tiny else most
                warnings.warn(
                    f"{name} like {worst:.2g} do not fit float32, the type of the frames: "
                    f"parameters are float64; scale the features",
                    stacklevel=stacklevel,
                )
                self._dtype = np.dtype(np.float64)
                return

    def _cast(self, values: NDArray[np.float64]) -> NDArray[np.floating[Any]]:
        # Read-only, because values that are written into this copy would be lost silently.
        copy = values.astype(self._dtype)
        copy.setflags(write=False)
        return copy

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
        """Covariances, shape (K,), (K, D), (D, D) or (K, D, D), depending on the kind."""
        return self._cast(self.mixture_.covariances)

    @property
    def precisions_cholesky_(self) -> NDArray[np.floating[Any]]:
        """Upper triangular factors U of the precisions U U^T; for variances, 1 / deviation."""
        return self._cast(precision_factors(self.mixture_))

    @property
    def precisions_(self) -> NDArray[np.floating[Any]]:
        """Inverses of the covariances, in their shape."""
        return self._cast(self.mixture_.gaussians.kind.inverses(self.mixture_.covariances))

    def marginal(self, dims: Any) -> Mixture:
        """Return the marginal mixture of some features.

        Parameters
        ----------
        dims : int or sequence of int
            Numbers of the features that remain, in this order; see `Mixture.marginal`.

        Returns
        -------
        Mixture
            Marginal of `mixture_`, in float64.
        """
        check_is_fitted(self, "mixture_")
        return marginal(self.mixture_, dims)

    def condition(self, dims: Any, values: ArrayLike) -> Mixture | ConditionalMixtures:
        """Return the conditional mixture of the other features, given the values of some.

        Parameters
        ----------
        dims : int or sequence of int
            Numbers of the known features; see `speakergmm.mixtures.operations.condition`.
        values : array-like, shape (C,) or (T, C)
            Their values in one frame, or in several.

        Returns
        -------
        Mixture or ConditionalMixtures
            Conditional of `mixture_`, in float64: one mixture, or one per frame.
        """
        check_is_fitted(self, "mixture_")
        return condition(self.mixture_, dims, values)

    def sample(self, n_samples: int = 1) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Draw frames from the fitted mixture, component by component.

        Parameters
        ----------
        n_samples : int, default=1
            Number of frames to draw, >= 1.

        Returns
        -------
        X : array, shape (n_samples, D)
            Frames in the order of their components, equal to those that scikit-learn draws with
            the same `random_state` and parameters.
        y : array, shape (n_samples,)
            Number of the component of each frame.
        """
        check_is_fitted(self, "mixture_")
        if n_samples < 1:
            raise InvalidInputError(
                f"Invalid value for 'n_samples': {n_samples}; sampling requires at least one"
            )
        rng = check_random_state(self.random_state)
        mixture = self.mixture_
        # The number of frames of each component, then the frames of one component after another.
        counts = rng.multinomial(n_samples, mixture.weights / mixture.weights.sum())
        drawn = []
        if mixture.gaussians.kind.is_matrix:
            for mean, covariance, count in zip(
                mixture.means, mixture.full_covariances(), counts, strict=True
            ):
                drawn.append(rng.multivariate_normal(mean, covariance, int(count)))
        else:
            deviations = np.sqrt(mixture.component_variances())
            for mean, deviation, count in zip(mixture.means, deviations, counts, strict=True):
                noise = rng.standard_normal((count, mixture.n_features))
                drawn.append(mean + noise * deviation)
        return np.concatenate(drawn), np.repeat(np.arange(mixture.n_components), counts)


def precision_factors(mixture: Mixture) -> NDArray[np.float64]:
    """Return the upper triangular factors U of the precisions U U^T, or reciprocal deviations.

    Parameters
    ----------
    mixture : Mixture
        A mixture of any kind of covariances.

    Returns
    -------
    array
        Factors in the shape of the covariances.
    """
    if not mixture.gaussians.kind.is_matrix:
        return np.asarray(1.0 / np.sqrt(mixture.covariances))
    from scipy.linalg import solve_triangular

    # With the Cholesky factor L of a covariance, its inverse is L^-T L^-1: U is L^-T.
    lower = np.linalg.cholesky(mixture.covariances)
    identity = np.eye(mixture.n_features)
    if lower.ndim == 2:
        return np.asarray(solve_triangular(lower, identity, lower=True).T)
    return np.stack([solve_triangular(factor, identity, lower=True).T for factor in lower])
